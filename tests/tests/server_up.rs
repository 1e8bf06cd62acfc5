//! `cofferdam up` and `down`: no configuration, no token, nothing to do by hand after a restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::server::{bare, shown};
use flows::{Server, binary};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[test]
fn a_value_goes_in_without_any_token_and_survives_a_power_cut() {
    let mut server = Server::up();
    server.run(&["kv", "put", "secret/app", "password=correct-horse"]);
    assert_eq!(
        server.run(&["kv", "get", "-field=password", "secret/app"]),
        "correct-horse"
    );
    server.kill();
    let server = server.again();
    assert_eq!(
        server.run(&["kv", "get", "-field=password", "secret/app"]),
        "correct-horse"
    );
}

#[test]
fn nothing_secret_is_printed_and_nobody_keeps_a_root_token() {
    let server = Server::up();
    let said = server.said();
    assert!(
        !said.contains("hvs.") && !said.contains("recovery shares: any"),
        "{said}"
    );
    assert!(said.contains("no shares were made"), "{said}");
    assert!(said.contains("the root token was revoked"), "{said}");
    let output = server
        .command(&["list", "-format=json", "auth/token/accessors"])
        .output()
        .unwrap();
    let accessors: Vec<String> = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert!(accessors.is_empty(), "a token is left: {}", shown(&output));
    let (status, _) = server.curl("", "GET", "secret/data/app", "");
    assert_eq!(status, 403, "the network needs a token");
}

#[test]
fn the_first_request_is_audited() {
    let server = Server::up();
    server.run(&["kv", "put", "secret/app", "password=correct-horse"]);
    let audit = std::fs::read_to_string(server.data().join("audit.log")).unwrap();
    assert!(
        audit.contains("secret/data/app") && !audit.contains("correct-horse"),
        "{audit}"
    );
}

#[test]
fn no_umask_opens_anything_to_others() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let places = Server::places(directory.path());
    let script = format!(
        "umask 000; exec {} up -no-docker -listen=127.0.0.1:0 {}",
        binary().display(),
        places.join(" ")
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("HOME", directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let mut seen = 0;
    walk(directory.path(), &mut |path, mode| {
        seen += 1;
        let public = path.ends_with("ca.pem") || path.ends_with("server.pid");
        assert!(
            mode & 0o077 == 0 || public && mode & 0o022 == 0,
            "{}: {mode:o}",
            path.display()
        );
    });
    assert!(seen >= 8, "store, key, CA, logs and socket: {seen}");
    let down = bare(directory.path())
        .args(["down", "-no-docker", &places[1]])
        .output()
        .unwrap();
    assert!(down.status.success(), "{}", shown(&down));
}

fn walk(directory: &Path, look: &mut impl FnMut(&Path, u32)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let found = std::fs::symlink_metadata(&path).unwrap();
        look(&path, found.mode() & 0o777);
        if found.is_dir() {
            walk(&path, look);
        }
    }
}

#[test]
fn up_runs_once_and_down_stops_it() {
    let directory = tempfile::tempdir().unwrap();
    let places = Server::places(directory.path());
    let up = || {
        bare(directory.path())
            .args(["up", "-no-docker", "-listen=127.0.0.1:0"])
            .args(&places)
            .output()
            .unwrap()
    };
    let first = up();
    assert!(first.status.success(), "{}", shown(&first));
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(
        said.contains("server running: process")
            && said.contains("you are admin via your unix user"),
        "{said}"
    );
    let second = up();
    assert!(
        second.status.success() && shown(&second).contains("already running"),
        "{}",
        shown(&second)
    );
    let down = || {
        bare(directory.path())
            .args(["down", "-no-docker", &places[1]])
            .output()
            .unwrap()
    };
    let stopped = down();
    assert!(
        stopped.status.success() && shown(&stopped).contains("server stopped"),
        "{}",
        shown(&stopped)
    );
    let nobody = down();
    assert!(
        nobody.status.success() && shown(&nobody).contains("not running"),
        "{}",
        shown(&nobody)
    );
    let again = up();
    assert!(
        again.status.success() && !shown(&again).contains("no shares were made"),
        "{}",
        shown(&again)
    );
    assert!(down().status.success());
}

#[test]
fn a_linked_or_foreign_data_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let places = Server::places(directory.path());
    let up = || {
        bare(directory.path())
            .args(["up", "-no-docker", "-listen=127.0.0.1:0"])
            .args(&places)
            .output()
            .unwrap()
    };
    let data = directory.path().join("data");
    let elsewhere = directory.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &data).unwrap();
    let linked = up();
    assert_eq!(linked.status.code(), Some(1));
    assert!(
        shown(&linked).contains("symbolic link"),
        "{}",
        shown(&linked)
    );
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    std::fs::remove_file(&data).unwrap();
    std::fs::create_dir_all(data.join("core")).unwrap();
    let foreign = up();
    assert!(
        shown(&foreign).contains("holds something else: core"),
        "{}",
        shown(&foreign)
    );
}

#[test]
fn a_lost_seal_key_is_named_and_never_replaced() {
    let mut server = Server::up();
    server.run(&["kv", "put", "secret/app", "password=correct-horse"]);
    server.kill();
    let key = server.directory().path().join("etc/seal.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let places = Server::places(server.directory().path());
    let output = bare(server.directory().path())
        .args(["up", "-no-docker", "-listen=127.0.0.1:0"])
        .args(&places)
        .output()
        .unwrap();
    assert!(
        !output.status.success() && shown(&output).contains("seal.key"),
        "{}",
        shown(&output)
    );
    assert!(
        !key.exists(),
        "a new key would hide that the old one is lost"
    );
    std::fs::write(&key, kept).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let server = server.again();
    assert_eq!(
        server.run(&["kv", "get", "-field=password", "secret/app"]),
        "correct-horse"
    );
}

#[test]
fn a_server_told_to_stop_ends_well() {
    let server = Server::up();
    let socket = server.socket();
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stopped"), "{said}");
    assert!(!socket.exists());
}
