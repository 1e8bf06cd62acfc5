//! One file for Compose and for Swarm, and Compose's provider protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::canary;
use flows::compose::put;
use flows::docker::{Docker, IMAGE, Plugin, client};
use flows::server::shown;
use std::process::{Command, Output};

struct Stack<'d> {
    docker: &'d Docker,
    name: String,
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        self.docker.output(&["stack", "rm", &self.name]);
    }
}

fn deploy(server: &Server, plugin: &Plugin, words: &[&str]) -> Output {
    let ours = [
        "compose",
        "-driver",
        plugin.driver(),
        "--",
        client(),
        "stack",
        "deploy",
    ];
    server.command(&[&ours, words].concat()).output().unwrap()
}

#[test]
fn the_same_file_is_a_stack() {
    let server = Server::up();
    let docker = Docker::start("stack");
    let plugin = Plugin::start(&docker, &server);
    let (outer, inner) = (canary(), canary());
    let external = docker.name("outer");
    put(&server, "secret/app/outer", outer.as_bytes());
    put(&server, "secret/app/inner", inner.as_bytes());
    let file = server.directory().path().join("stack.yml");
    let text = format!(
        "version: '3.8'\nservices:\n  web:\n    image: {IMAGE}\n    command: sleep 600\n    \
         user: '1000'\n    secrets:\n    - {{source: outer, uid: '1000', mode: 0400}}\n    \
         - {{source: inner, target: deep, uid: '1000', mode: 0400}}\n    \
         networks: [host]\n    deploy: {{restart_policy: {{condition: none}}}}\n\
         networks: {{host: {{external: true}}}}\nsecrets:\n  outer:\n    external: true\n    \
         name: {external}\n    x-cofferdam: secret/app/outer\n  \
         inner: {{file: 'cofferdam:secret/app/inner'}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let stack = Stack {
        docker: &docker,
        name: docker.name("stack"),
    };
    let file = file.display().to_string();
    let deployed = deploy(&server, &plugin, &["-c", &file, &stack.name]);
    assert!(deployed.status.success(), "{}", shown(&deployed));
    let said = String::from_utf8_lossy(&deployed.stderr).into_owned();
    assert!(said.contains(&format!(
        "made the Swarm secret {external} for cd://secret/app/outer"
    )));
    let task = docker.task(&format!("{}_web", stack.name), None);
    for (name, value) in [("outer", &outer), ("deep", &inner)] {
        let path = format!("/run/secrets/{name}");
        assert_eq!(docker.run(&["exec", &task, "cat", &path]), *value);
        let stat = docker.run(&["exec", &task, "stat", "-Lc", "%u %a", &path]);
        assert_eq!(stat, "1000 400");
    }
    // Again: nothing is made twice. Another reference under the same name is not taken for it.
    let again = deploy(&server, &plugin, &["-c", &file, &stack.name]);
    assert!(again.status.success(), "{}", shown(&again));
    assert!(
        !shown(&again).contains("made the Swarm secret"),
        "{}",
        shown(&again)
    );
    let other = std::fs::read_to_string(&file)
        .unwrap()
        .replace("app/inner", "app/outer");
    std::fs::write(&file, other).unwrap();
    let refused = deploy(&server, &plugin, &["-c", &file, &stack.name]);
    assert_eq!(refused.status.code(), Some(1));
    let expected = format!(
        "the Swarm secret {}_inner exists and is not for",
        stack.name
    );
    assert!(shown(&refused).contains(&expected), "{}", shown(&refused));
}

#[test]
fn the_provider_answers_with_paths_and_fails_with_the_reason() {
    let server = Server::up();
    let docker = Docker::start("provider");
    let plugin = Plugin::start(&docker, &server);
    let value = canary();
    put(&server, "secret/shop/DB_PASSWORD", value.as_bytes());
    let ask = |words: &[&str]| {
        let words = [&["compose", "-driver", plugin.driver()], words].concat();
        server.command(&words).output().unwrap()
    };
    let up = [
        "--project-name=shop",
        "up",
        "--from=secret/shop",
        "--secrets=DB_PASSWORD",
        "vault",
    ];
    // Idempotent: Compose calls it at each `up`.
    for _ in 0..2 {
        let answer = ask(&up);
        assert!(answer.status.success(), "{}", shown(&answer));
        let text = String::from_utf8(answer.stdout).unwrap();
        let last = text.lines().last().unwrap();
        let line: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(line["type"], "setenv");
        assert_eq!(line["message"], "DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD");
        assert!(!text.contains(&value));
    }
    let metadata = ask(&["metadata"]);
    let parsed: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    assert_eq!(parsed["up"]["parameters"][0]["name"], "secrets");
    assert!(
        ask(&["--project-name=shop", "down", "vault"])
            .status
            .success()
    );

    server.run(&["kv", "metadata", "delete", "secret/shop/DB_PASSWORD"]);
    let missing = ask(&up);
    assert!(!missing.status.success());
    let line: serde_json::Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert_eq!(line["type"], "error");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.contains("no secret at cd://secret/shop/DB_PASSWORD"),
        "{message}"
    );
    assert!(message.contains("next: cofferdam kv put"), "{message}");

    drop(plugin);
    let mut gone = Command::new(flows::binary());
    let gone = gone
        .args(["compose", "-driver", "nobody"])
        .args(up)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&gone.stdout).into_owned();
    assert!(
        said.contains("the Docker plugin nobody does not answer"),
        "{said}"
    );
}
