//! Bad states that are planted for real, found by `cofferdam doctor`, mended by the command that it
//! names, and gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::docker::wait;
use flows::engine::Engine;
use flows::server::{bare, shown};
use flows::{Server, ports};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// What the report says of one check: states and hints.
fn found(output: &Output, check: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", shown(output)));
    let checks = report["checks"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    checks
        .filter(|one| one["check"] == check)
        .map(|one| (text(&one["state"]), text(&one["hint"])))
        .collect()
}

fn mend(directory: &Path, hint: &str) {
    let command = hint.split([';', ',']).next().unwrap();
    let done = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .status();
    assert!(done.is_ok_and(|status| status.success()), "{command}");
}

#[test]
fn readable_files_are_found_and_the_hint_mends_them() {
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    std::fs::create_dir(at.join("secrets")).unwrap();
    for (name, mode) in [
        (".env", 0o644),
        ("secrets/db", 0o644),
        (".vault-token", 0o640),
        ("secrets/ok", 0o600),
    ] {
        std::fs::write(at.join(name), "PASSWORD=never-shown\n").unwrap();
        std::fs::set_permissions(at.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let doctor = || {
        let mut command = bare(at);
        command.args(["doctor", "-no-docker", "-no-server", "-format=json"]);
        command.current_dir(at).env("HOME", at).output().unwrap()
    };
    let output = doctor();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert!(!shown(&output).contains("never-shown"));
    let findings = found(&output, "readable-secrets");
    assert_eq!(findings.len(), 3, "{findings:?}");
    for (state, hint) in &findings {
        assert_eq!(state, "finding");
        mend(at, hint);
    }
    let output = doctor();
    assert_eq!(
        found(&output, "readable-secrets")[0].0,
        "good",
        "{}",
        shown(&output)
    );
    // What is left is the machine's own; an error has a code of its own.
    let wrong = bare(at).args(["doctor", "-format=xml"]).output().unwrap();
    assert!(
        shown(&wrong).contains("unknown output format"),
        "{}",
        shown(&wrong)
    );
}

#[test]
fn an_engine_that_logs_values_and_a_swarm_without_a_lock_are_found() {
    let engine = Engine::start("{\"debug\": true}");
    let (listen, data) = (ports::address(), ports::free().to_string());
    engine.run(&[
        "swarm",
        "init",
        "--advertise-addr",
        "127.0.0.1",
        "--listen-addr",
        &listen,
        "--data-path-port",
        &data,
    ]);
    let doctor = || engine.ours(&["doctor", "-no-server", "-format=json"]);
    let output = doctor();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert_eq!(
        found(&output, "docker-debug")[0].0,
        "finding",
        "{}",
        shown(&output)
    );
    let lock = found(&output, "swarm-autolock");
    assert_eq!(lock[0].0, "finding", "{}", shown(&output));
    assert!(lock[0].1.starts_with("docker swarm update --autolock=true"));

    engine.run(&["swarm", "update", "--autolock=true"]);
    std::fs::write(engine.path("daemon.json"), "{\"debug\": false}").unwrap();
    engine.reload();
    wait("both to be mended", || {
        let output = doctor();
        let good = |check: &str| found(&output, check)[0].0 == "good";
        (good("docker-debug") && good("swarm-autolock")).then_some(())
    });
}

#[test]
fn a_server_that_is_away_or_records_nothing_is_found() {
    let server = Server::up();
    let doctor = |server: &Server| {
        let mut command = server.command(&["doctor", "-no-docker", "-format=json"]);
        command.output().unwrap()
    };
    let output = doctor(&server);
    assert_eq!(found(&output, "server")[0].0, "good", "{}", shown(&output));
    assert_eq!(found(&output, "audit")[0].0, "good");
    server.run(&["audit", "disable", "file"]);
    let output = doctor(&server);
    let audit = found(&output, "audit");
    assert_eq!(audit[0].0, "finding", "{}", shown(&output));
    assert!(audit[0].1.starts_with("cofferdam audit enable file"));
    let mut server = server;
    server.kill();
    let output = doctor(&server);
    let silent = found(&output, "server");
    assert_eq!(
        (silent[0].0.as_str(), silent[0].1.as_str()),
        ("finding", "cofferdam up")
    );
}
