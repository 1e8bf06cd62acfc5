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
    server.says("no shares were made");
    let said = server.says("the root token was revoked");
    assert!(
        !said.contains("hvs.") && !said.contains("recovery shares: any"),
        "{said}"
    );
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

/// Runs a command of ours on a terminal of its own, and gives what was shown there.
fn on_a_terminal(home: &Path, arguments: &[&str]) -> String {
    let line = format!("{} {}", binary().display(), arguments.join(" "));
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script is installed");
    assert!(output.status.success(), "{}", shown(&output));
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
fn recovery_shares_are_shown_once_on_a_terminal_and_open_a_store_whose_key_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let places = Server::places(home);
    let up = [
        "up",
        "-no-docker",
        "-listen=127.0.0.1:0",
        &places[0],
        &places[1],
        &places[2],
    ];
    let shown_first = on_a_terminal(home, &up);
    let shares: Vec<&str> = shown_first
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(number, _)| number.parse::<u8>().is_ok())
        .map(|(_, share)| share)
        .collect();
    assert_eq!(shares.len(), 5, "{shown_first}");
    let address = format!("unix://{}", home.join("run/s.sock").display());
    let run = |arguments: &[&str]| {
        bare(home)
            .args(arguments)
            .env("COFFERDAM_ADDR", &address)
            .output()
            .unwrap()
    };
    assert!(
        run(&["kv", "put", "secret/app", "password=correct-horse"])
            .status
            .success()
    );
    assert!(run(&["down", "-no-docker", &places[1]]).status.success());
    std::fs::remove_file(home.join("etc/seal.key")).unwrap();

    let sealed = run(&up);
    assert_eq!(sealed.status.code(), Some(2), "{}", shown(&sealed));
    assert!(
        shown(&sealed).contains("recovery shares"),
        "{}",
        shown(&sealed)
    );
    assert!(!shown(&sealed).contains(shares[0]), "shown once only");
    assert!(
        !home.join("etc/seal.key").exists(),
        "no new key hides that the old one is lost"
    );
    for share in [shares[4], shares[0], shares[2]] {
        let given = run(&["operator", "unseal", share]);
        assert!(given.status.success(), "{}", shown(&given));
    }
    let value = run(&["kv", "get", "-field=password", "secret/app"]);
    assert_eq!(
        String::from_utf8_lossy(&value.stdout),
        "correct-horse",
        "{}",
        shown(&value)
    );
    assert!(run(&["down", "-no-docker", &places[1]]).status.success());
}

#[test]
fn a_replaced_socket_is_reported() {
    let server = Server::up();
    std::fs::remove_file(server.socket()).unwrap();
    let _impostor = std::os::unix::net::UnixListener::bind(server.socket()).unwrap();
    server.says("the local socket was replaced or removed");
}

#[test]
fn a_start_that_was_cut_off_is_finished_by_the_next_one() {
    let mut server = Server::up();
    server.run(&["secrets", "disable", "secret/"]);
    server.run(&["audit", "disable", "file"]);
    server.kill();
    std::fs::write(server.data().join("setup.unfinished"), "").unwrap();
    let server = server.again();
    server.says("finished what an earlier start began");
    server.run(&["kv", "put", "secret/app", "password=correct-horse"]);
    assert!(server.run(&["audit", "list"]).contains("file/"));
    assert!(!server.data().join("setup.unfinished").exists());
}
