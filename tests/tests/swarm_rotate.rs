//! `swarm rotate` on a real Swarm of one node.
//!
//! Requests go by DNS round robin over an overlay network and not through a virtual IP, so that no
//! kernel has to have IPVS. Each asks the cluster's DNS anew, goes to the first address and is not
//! repeated.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::canary;
use flows::docker::{Docker, IMAGE, Plugin, wait};
use flows::server::shown;
use flows::swarm::{SLEEP, secret, service, values, values_back};
use std::io::Write as _;
use std::process::{Output, Stdio};

fn password(docker: &Docker, plugin: &Plugin) -> String {
    let label = "cofferdam.ref=cd://secret/app#PASSWORD";
    secret(docker, plugin, "secret", &[label])
}

fn rotate(server: &Server, arguments: &[&str], value: &str) -> Output {
    let mut child = server
        .command(&[&["swarm", "rotate"], arguments].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that reads no value may be gone already.
    let _ = stdin.write_all(value.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", shown(output));
    shown(output)
}

/// The service's specification, without the counter that forces an update.
fn spec(docker: &Docker, service: &str) -> serde_json::Value {
    let text = docker.run(&["service", "inspect", "--format", "{{json .Spec}}", service]);
    let mut spec: serde_json::Value = serde_json::from_str(&text).unwrap();
    spec["TaskTemplate"]["ForceUpdate"] = 0.into();
    spec
}

fn stored(server: &Server) -> String {
    server.run(&["kv", "get", "-field=PASSWORD", "secret/app"])
}

fn put(server: &Server, value: &str) {
    let pair = format!("PASSWORD={value}");
    server.run(&["kv", "put", "secret/app", &pair, "user=app"]);
}

/// Asks one task after the other for the file and prints what it got, for ever.
fn requests(docker: &Docker, network: &str, service: &str) -> String {
    let client = docker.name("client");
    let script = format!(
        "while true; do \
           ip=$(/bin/busybox nslookup {service} 127.0.0.11 | /bin/busybox awk '/^Address: [0-9.]+$/ {{print $2; exit}}'); \
           answer=$(printf 'GET /PASSWORD HTTP/1.0\\r\\n\\r\\n' | /bin/busybox nc -w 3 \"$ip\" 8080 | /bin/busybox tail -n 1); \
           echo \"got:$answer from:$ip\"; \
         done"
    );
    let arguments = [
        "run",
        "-d",
        "--name",
        &client,
        "--network",
        network,
        IMAGE,
        "sh",
        "-c",
        &script,
    ];
    docker.run(&arguments);
    client
}

#[test]
fn no_request_fails_and_every_task_ends_on_the_new_value() {
    let server = Server::up();
    let docker = Docker::start("rot");
    let plugin = Plugin::start(&docker, &server);
    let (first, second) = (canary(), canary());
    put(&server, &first);
    let secret = password(&docker, &plugin);
    let network = docker.name("network");
    docker.run(&[
        "network",
        "create",
        "-d",
        "overlay",
        "--attachable",
        &network,
    ]);
    let more = [
        "--replicas",
        "3",
        "--network",
        &network,
        "--endpoint-mode",
        "dnsrr",
        // Who has asked for the address must be answered: on a busy machine that takes its time.
        "--stop-grace-period",
        "5s",
    ];
    let command = [
        "/bin/busybox",
        "httpd",
        "-f",
        "-p",
        "8080",
        "-h",
        "/run/secrets",
    ];
    let service = service(&docker, "web", &secret, &more, &command);
    assert_eq!(values(&docker, &service, 3), vec![first.clone(); 3]);
    let before = spec(&docker, &service);
    let client = requests(&docker, &network, &service);
    let answers = || {
        let log = docker.run(&["logs", &client]);
        log.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    wait("requests", || (answers().len() > 20).then_some(()));

    let plan = done(&rotate(
        &server,
        &[&secret, "-dry-run", "-value-from=-"],
        "",
    ));
    assert!(plan.contains("version 1 to version 2"), "{plan}");
    assert!(plan.contains("3 tasks, 1 at once, start-first"), "{plan}");
    assert_eq!(stored(&server), first, "a dry run writes nothing");

    let said = done(&rotate(&server, &[&secret, "-value-from=-"], &second));
    assert!(said.contains("every task runs it"), "{said}");
    assert!(!said.contains(&first) && !said.contains(&second));
    assert_eq!(values(&docker, &service, 3), vec![second.clone(); 3]);
    let during = answers().len();
    wait("requests after it", || {
        (answers().len() > during + 20).then_some(())
    });
    let answers = answers();
    docker.run(&["rm", "-f", &client]);
    let failed: Vec<_> = answers
        .iter()
        .filter(|answer| !answer.contains(&first) && !answer.contains(&second))
        .collect();
    assert_eq!(
        failed,
        Vec::<&String>::new(),
        "of {} requests",
        answers.len()
    );
    assert!(answers.first().unwrap().contains(&first));
    assert!(answers.last().unwrap().contains(&second));
    eprintln!(
        "{} requests, {} of them after it",
        answers.len(),
        answers.len() - during
    );
    assert_eq!(
        spec(&docker, &service),
        before,
        "the specification is as it was"
    );
    assert_eq!(
        server.run(&["kv", "get", "-field=user", "secret/app"]),
        "app"
    );
    let labels = docker.run(&[
        "secret",
        "inspect",
        "--format",
        "{{json .Spec.Labels}}",
        &secret,
    ]);
    assert!(!labels.contains("rotation"), "{labels}");
}

/// Ends with 7 where the value says so. On a busy machine that takes longer than the monitoring of
/// the other services.
const PICKY: &str = "case $(cat /run/secrets/PASSWORD) in *bad*) exit 7;; esac; exec sleep 600";

#[test]
fn a_value_that_does_not_work_is_taken_back_everywhere() {
    let server = Server::up();
    let docker = Docker::start("rotbad");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "good");
    let secret = password(&docker, &plugin);
    // The first in order takes any value, so it has been moved when the second one fails.
    let two = ["--replicas", "2", "--update-monitor", "6s"];
    let easy = service(&docker, "a-easy", &secret, &two, &SLEEP);
    let picky = service(&docker, "b-picky", &secret, &two, &["sh", "-c", PICKY]);
    assert_eq!(values(&docker, &easy, 2), vec!["good"; 2]);
    assert_eq!(values(&docker, &picky, 2), vec!["good"; 2]);
    let specs = [spec(&docker, &easy), spec(&docker, &picky)];

    let failed = rotate(&server, &[&secret, "-value-from=-"], "bad");
    assert_eq!(failed.status.code(), Some(3), "{}", shown(&failed));
    let said = shown(&failed);
    let moved = format!("{easy}: every task runs it");
    assert!(said.contains(&moved), "{said}");
    assert!(said.contains("non-zero exit (7)"), "{said}");
    assert!(
        said.contains("hint: see why with: docker service ps"),
        "{said}"
    );
    for (service, before) in [&easy, &picky].into_iter().zip(&specs) {
        let values = values_back(&docker, service, 2);
        assert!(values.iter().all(|value| value == "good"), "{values:?}");
        assert_eq!(&spec(&docker, service), before);
    }
    assert_eq!(
        stored(&server),
        "good",
        "the newest version has the old value"
    );
    // A task that starts now, for whatever reason, has it too.
    docker.run(&["service", "scale", "--detach", &format!("{easy}=3")]);
    assert_eq!(values(&docker, &easy, 3), vec!["good"; 3]);
    // Directly after it another value works, also where the last one did not.
    done(&rotate(&server, &[&secret, "-value-from=-"], "better"));
    assert_eq!(values(&docker, &picky, 2), vec!["better"; 2]);
    assert_eq!(values(&docker, &easy, 3), vec!["better"; 3]);
}

#[test]
fn what_was_interrupted_is_continued_or_taken_back() {
    let server = Server::up();
    let docker = Docker::start("rotint");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "one");
    let secret = password(&docker, &plugin);
    let first = service(&docker, "a", &secret, &[], &SLEEP);
    let second = service(&docker, "b", &secret, &[], &SLEEP);
    assert_eq!(values(&docker, &first, 1), ["one"]);
    assert_eq!(values(&docker, &second, 1), ["one"]);
    // Gives the command back when the first service has been moved.
    let begin = |value: &str| {
        let mut child = server
            .command(&["swarm", "rotate", &secret, "-value-from=-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(value.as_bytes()).unwrap();
        drop(stdin);
        wait("a moved service", || {
            let labels = spec(&docker, &first)["Labels"].to_string();
            labels.contains("cofferdam.rotation").then_some(())
        });
        child
    };
    let interrupt = |value: &str| {
        let mut child = begin(value);
        child.kill().unwrap();
        child.wait().unwrap();
    };
    interrupt("two");
    let refused = rotate(&server, &[&secret, "-value-from=-"], "three");
    assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
    assert!(
        shown(&refused).contains("is under way"),
        "{}",
        shown(&refused)
    );
    let said = done(&rotate(&server, &[&secret], ""));
    assert!(said.contains("going on with the rotation"), "{said}");
    assert_eq!(values(&docker, &first, 1), ["two"]);
    assert_eq!(values(&docker, &second, 1), ["two"]);

    interrupt("four");
    // A task that has to start meanwhile gets what belongs to its service: the old value here.
    let task = docker.task(&second, None);
    docker.run(&["kill", &task]);
    let task = docker.task(&second, Some(&task));
    let value = docker.run(&["exec", &task, "cat", "/run/secrets/PASSWORD"]);
    assert_eq!(value, "two");
    done(&rotate(&server, &[&secret, "-abort"], ""));
    assert_eq!(values(&docker, &first, 1), ["two"]);
    assert_eq!(stored(&server), "two");
    let nothing = rotate(&server, &[&secret, "-abort"], "");
    assert_eq!(nothing.status.code(), Some(1), "{}", shown(&nothing));

    // A service that somebody removes meanwhile is not said to run anything.
    let under_way = begin("five");
    docker.run(&["service", "rm", &second]);
    let said = done(&under_way.wait_with_output().unwrap());
    let removed = format!("{second}: somebody has removed it");
    assert!(said.contains(&removed), "{said}");
    assert_eq!(values(&docker, &first, 1), ["five"]);
}

#[test]
fn a_plain_secret_gets_a_successor_under_the_same_file() {
    let server = Server::up();
    let docker = Docker::start("rotplain");
    let name = docker.name("secret");
    let file = server.directory().path().join("value");
    std::fs::write(&file, "one").unwrap();
    let path = file.display().to_string();
    docker.run(&["secret", "create", "--label", "env=test", &name, &path]);
    let two = ["--replicas", "2", "--update-monitor", "6s"];
    let service = service(&docker, "web", &name, &two, &["sh", "-c", PICKY]);
    assert_eq!(values(&docker, &service, 2), ["one", "one"]);

    let without = rotate(&server, &[&name], "");
    assert_eq!(without.status.code(), Some(1));
    assert!(
        shown(&without).contains("hint: give it on stdin"),
        "{}",
        shown(&without)
    );
    let empty = rotate(&server, &[&name, "-value-from=-"], "");
    assert_eq!(empty.status.code(), Some(1), "{}", shown(&empty));
    let bad = rotate(&server, &[&name, "-value-from=-"], "bad");
    assert_eq!(bad.status.code(), Some(3), "{}", shown(&bad));
    let back = values_back(&docker, &service, 2);
    assert!(back.iter().all(|value| value == "one"), "{back:?}");
    let names = || {
        let filter = format!("name={name}");
        docker.run(&["secret", "ls", "--format", "{{.Name}}", "--filter", &filter])
    };
    assert_eq!(names(), name, "the one that failed is gone");

    server.run(&["kv", "put", "secret/new", "value=two"]);
    done(&rotate(&server, &[&name, "-value-from=secret/new"], ""));
    assert_eq!(values(&docker, &service, 2), ["two", "two"]);
    let (second, third) = (format!("{name}.v2"), format!("{name}.v3"));
    assert_eq!(names(), second, "the old one is gone");
    done(&rotate(
        &server,
        &[&second, "-value-from=-", "-keep-old"],
        "three",
    ));
    assert_eq!(values(&docker, &service, 2), ["three", "three"]);
    let both = names();
    assert!(both.contains(&second) && both.contains(&third), "{both}");
    let labels = [
        "secret",
        "inspect",
        "--format",
        "{{json .Spec.Labels}}",
        &third,
    ];
    assert_eq!(docker.run(&labels), r#"{"env":"test"}"#);
}

#[test]
fn a_rendered_config_follows_and_versions_stored_by_others_are_rolled_out() {
    let server = Server::up();
    let docker = Docker::start("rotconf");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "one");
    let secret = password(&docker, &plugin);
    let config = docker.name("config");
    let template = server.directory().path().join("app.conf");
    std::fs::write(&template, "password={{ secret \"PASSWORD\" }}\n").unwrap();
    let path = template.display().to_string();
    docker.run(&[
        "config",
        "create",
        "--template-driver",
        "golang",
        &config,
        &path,
    ]);
    let mount = format!("source={config},target=/app.conf");
    let service = service(&docker, "web", &secret, &["--config", &mount], &SLEEP);
    let rendered = || {
        let task = docker.running(&service, 1).remove(0);
        docker.run(&["exec", &task, "cat", "/app.conf"])
    };
    assert_eq!(rendered(), "password=one");
    let alone = rotate(&server, &[&secret], "");
    assert_eq!(
        alone.status.code(),
        Some(2),
        "one version: {}",
        shown(&alone)
    );
    put(&server, "two");
    let said = done(&rotate(&server, &[&secret], ""));
    assert!(said.contains(&format!("rotated: {secret}")), "{said}");
    assert_eq!(rendered(), "password=two");
    assert_eq!(values(&docker, &service, 1), ["two"]);
}
