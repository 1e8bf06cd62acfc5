//! What the secret driver gives to tasks: a credential of its own for each, and nothing at all
//! where something is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::docker::{Docker, Plugin, wait};
use flows::swarm::{SLEEP, secret, service, values};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// Asks the driver as dockerd does.
fn ask(plugin: &Plugin, body: &Value) -> Value {
    let socket = format!("/run/docker/plugins/{}.sock", plugin.driver());
    let output = Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "20",
            "--unix-socket",
            &socket,
            "-X",
            "POST",
        ])
        .args(["--data-binary", &body.to_string()])
        .arg("http://d/SecretProvider.GetSecret")
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refusal(plugin: &Plugin, labels: &Value) -> String {
    let answer = ask(
        plugin,
        &json!({"SecretName": "x", "SecretLabels": labels, "TaskID": "t", "ServiceName": "web"}),
    );
    assert_eq!(answer.get("Value"), None, "{answer}");
    answer["Err"].as_str().unwrap().to_owned()
}

#[test]
fn every_task_has_a_credential_of_its_own_that_works() {
    let server = Server::up();
    let docker = Docker::start("issue");
    let plugin = Plugin::start(&docker, &server);
    server.run(&["auth", "enable", "approle"]);
    server.run(&[
        "write",
        "auth/approle/role/web",
        "secret_id_ttl=10m",
        "token_policies=default",
    ]);
    let role = server.run(&["read", "-field=role_id", "auth/approle/role/web/role-id"]);
    let name = secret(
        &docker,
        &plugin,
        "id",
        &["cofferdam.issue=auth/approle/role/web/secret-id"],
    );
    let service = service(&docker, "web", &name, &["--replicas", "3"], &SLEEP);
    let found = values(&docker, &service, 3);
    assert_eq!(
        found.iter().collect::<BTreeSet<_>>().len(),
        3,
        "three different ones"
    );
    for value in &found {
        let (status, answer) = server.curl(
            "",
            "POST",
            "auth/approle/login",
            &json!({"role_id": role.trim(), "secret_id": value}).to_string(),
        );
        assert_eq!(status, 200, "{answer}");
        // The metadata says whose it is.
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer["auth"]["metadata"]["service"],
            service.as_str(),
            "{answer}"
        );
        assert!(!plugin.log().contains(value));
    }
    let before = docker.running(&service, 3);
    docker.run(&["kill", &before[0]]);
    wait("another task", || {
        let now = docker.running(&service, 3);
        (now != before).then_some(())
    });
    let after = values(&docker, &service, 3);
    assert_eq!(
        after.iter().filter(|value| found.contains(value)).count(),
        2
    );
}

#[test]
fn asked_twice_for_a_task_it_gives_the_same() {
    let server = Server::up();
    let docker = Docker::start("twice");
    let plugin = Plugin::start(&docker, &server);
    server.run(&["auth", "enable", "approle"]);
    server.run(&["write", "auth/approle/role/web", "secret_id_ttl=10m"]);
    let labels = json!({"cofferdam.issue": "auth/approle/role/web/secret-id"});
    let of = |task: &str, labels: &Value| {
        let body = json!({"SecretName": "id", "SecretLabels": labels, "TaskID": task, "ServiceName": "web"});
        let answer = ask(&plugin, &body);
        assert_eq!(answer["DoNotReuse"], true, "{answer}");
        answer["Value"].as_str().unwrap().to_owned()
    };
    let first = of("t1", &labels);
    assert_eq!(of("t1", &labels), first);
    assert_ne!(of("t2", &labels), first);
    let listed = server.run(&["list", "-format=json", "auth/approle/role/web/secret-id"]);
    let listed: Vec<String> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), 2, "none too many was issued");

    let token = json!({"cofferdam.issue": "auth/token/create", "cofferdam.param.policies": "default", "cofferdam.param.ttl": "10m"});
    assert_ne!(of("t3", &token), of("t4", &token));
    let wrapped = json!({"cofferdam.issue": "auth/token/create", "cofferdam.param.policies": "default", "cofferdam.wrap": "5m"});
    assert_ne!(of("t5", &wrapped), of("t6", &wrapped));
    let all = json!({"cofferdam.issue": "auth/token/create"});
    assert!(refusal(&plugin, &all).contains("needs its policies"));
}

#[test]
fn what_is_not_whole_is_refused_quickly_and_named() {
    let server = Server::up();
    let docker = Docker::start("shut");
    let mut plugin = Plugin::start(&docker, &server);
    let big = server.directory().path().join("big");
    for (size, fits) in [(511_999, true), (512_000, false)] {
        std::fs::write(&big, "x".repeat(size)).unwrap();
        server.run(&[
            "kv",
            "put",
            "secret/big",
            &format!("value=@{}", big.display()),
        ]);
        let answer = ask(&plugin, &json!({"SecretName": "big", "TaskID": "t"}));
        assert_eq!(answer.get("Value").is_some(), fits, "{size}");
    }
    server.run(&["kv", "put", "secret/empty", "value="]);
    server.run(&["kv", "put", "secret/two", "a=1", "b=2"]);
    server.run(&["kv", "put", "secret/text", "value=no base64"]);
    for (labels, words) in [
        (
            json!({"cofferdam.path": "secret/empty"}),
            "the secret is empty",
        ),
        (json!({"cofferdam.path": "secret/none"}), "no secret at"),
        (json!({"cofferdam.path": "secret/two"}), "name one as"),
        (
            json!({"cofferdam.path": "secret/two", "cofferdam.field": "c"}),
            "no field",
        ),
        (
            json!({"cofferdam.path": "secret/two", "cofferdam.version": "9"}),
            "no secret at",
        ),
        (json!({"cofferdam.pth": "secret/two"}), "unknown label"),
        (
            json!({"cofferdam.path": "secret/text", "cofferdam.encoding": "base64"}),
            "not base64",
        ),
        (
            json!({"cofferdam.path": "nowhere/x"}),
            "permission denied, or no such mount",
        ),
    ] {
        let said = refusal(&plugin, &labels);
        assert!(
            said.contains(words) || labels["cofferdam.path"] == "nowhere/x",
            "{labels}: {said}"
        );
    }
    let chosen = json!({"SecretName": "x", "SecretLabels": {"cofferdam.path": "secret/two", "cofferdam.field": "b"}});
    assert_eq!(ask(&plugin, &chosen)["Value"], "Mg==");

    // A server that hangs: within the deadline, and a task that waits for it starts afterwards.
    server.run(&["kv", "put", "secret/app", "value=late"]);
    let pause = |signal: &str| {
        let sent = Command::new("kill")
            .args([signal, &server.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    pause("-STOP");
    let begin = Instant::now();
    let said = refusal(&plugin, &json!({"cofferdam.path": "secret/app"}));
    let took = begin.elapsed();
    assert!(said.contains("2500 ms"), "{said}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let name = secret(&docker, &plugin, "late", &["cofferdam.path=secret/app"]);
    let service = service(&docker, "late", &name, &[], &SLEEP);
    wait("a task that failed", || {
        docker
            .tasks(&service)
            .contains("unable to get secret")
            .then_some(())
    });
    let log = plugin.says(&service);
    let line = log.lines().find(|line| line.contains(&service)).unwrap();
    assert!(line.contains("2500 ms"), "{line}");
    // The driver dies and comes back while the server hangs; then the server is back too.
    plugin.kill();
    let plugin = plugin.again();
    pause("-CONT");
    assert_eq!(values(&docker, &service, 1), ["late"]);
    drop(plugin);
}
