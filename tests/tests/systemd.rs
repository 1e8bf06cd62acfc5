//! The units under systemd's own tools, and its sockets: a first request arrives while nobody runs,
//! and a killed service leaves its socket connectable.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::docker::wait;
use flows::ports;
use flows::server::{bare, binary, shown};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(directory.path(), mode).unwrap();
    directory
}

/// The answer to one request without a body, or `None` while there is none.
fn ask(socket: &Path, method: &str, target: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1").then_some(answer)
}

#[test]
fn the_units_are_valid_and_closed_as_far_as_their_work_allows() {
    let directory = directory();
    let prefix = directory.path().join("prefix");
    let installed = bare(directory.path())
        .args(["install", "-prefix"])
        .arg(&prefix)
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", shown(&installed));
    let units = prefix.join("lib/systemd/system");
    let all: Vec<PathBuf> = std::fs::read_dir(&units)
        .unwrap()
        .map(|unit| unit.unwrap().path())
        .collect();
    assert_eq!(all.len(), 6);
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .args(&all)
        .output()
        .expect("systemd is installed");
    assert!(
        verified.status.success() && verified.stderr.is_empty(),
        "{}",
        shown(&verified)
    );
    // Tenths; the plugin has to mount for containers, so it cannot have a namespace of its own.
    for (unit, most) in [
        ("cofferdam", "30"),
        ("cofferdam-guard", "20"),
        ("cofferdam-plugin", "65"),
    ] {
        let judged = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold", most])
            .arg(units.join(format!("{unit}.service")))
            .output()
            .unwrap();
        assert!(judged.status.success(), "{}", shown(&judged));
    }
    let plugin = std::fs::read_to_string(units.join("cofferdam-plugin.service")).unwrap();
    let settings = plugin.lines().filter(|line| !line.starts_with('#'));
    for line in settings {
        for namespace in ["Private", "Protect", "ReadWritePaths", "RestrictNamespaces"] {
            assert!(
                !line.starts_with(namespace),
                "a mount would not reach containers: {line}"
            );
        }
    }
}

/// What each service is started with, and how it is asked.
struct Service {
    arguments: Vec<String>,
    sockets: Vec<String>,
    socket: PathBuf,
    method: &'static str,
    target: &'static str,
}

fn services(directory: &Path) -> Vec<Service> {
    let at = |name: &str| directory.join(name).display().to_string();
    let address = ports::address();
    let server = [
        "up",
        "-foreground",
        "-no-docker",
        "-data",
        &at("data"),
        "-socket",
        &at("s.sock"),
        "-listen",
        &address,
        "-seal-key",
        &at("seal/key"),
    ];
    let guard = ["guard", "-socket", &at("guard.sock")];
    let plugin = [
        "plugin",
        "-socket",
        &at("plugin.sock"),
        "-data",
        &at("plugin"),
        "-runtime",
        &at("plugin-run"),
    ];
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    vec![
        Service {
            arguments: words(&server),
            sockets: vec![at("s.sock"), address.clone()],
            socket: directory.join("s.sock"),
            method: "GET",
            target: "/v1/sys/seal-status",
        },
        Service {
            arguments: words(&guard),
            sockets: vec![at("guard.sock")],
            socket: directory.join("guard.sock"),
            method: "POST",
            target: "/Plugin.Activate",
        },
        Service {
            arguments: words(&plugin),
            sockets: vec![at("plugin.sock")],
            socket: directory.join("plugin.sock"),
            method: "POST",
            target: "/Plugin.Activate",
        },
    ]
}

#[test]
fn systemd_starts_each_service_with_its_first_request() {
    let directory = directory();
    for service in services(directory.path()) {
        let mut command = Command::new("systemd-socket-activate");
        for socket in &service.sockets {
            command.args(["-l", socket]);
        }
        command.args(["-E", &format!("HOME={}", directory.path().display())]);
        let log = std::fs::File::create(directory.path().join("activated.log")).unwrap();
        command
            .arg(binary())
            .args(&service.arguments)
            .stdin(Stdio::null())
            .stderr(log);
        let process = Ended(command.spawn().expect("systemd is installed"));
        wait("the socket", || service.socket.exists().then_some(()));
        let answer = wait("an answer to the first request", || {
            ask(&service.socket, service.method, service.target)
        });
        assert!(
            answer.contains(" 200 "),
            "{:?}: {answer}",
            service.arguments
        );
        drop(process);
        std::fs::remove_file(&service.socket).unwrap();
    }
}

/// As systemd starts a service: the sockets are descriptors from 3 on, and outlive it.
fn start(service: &Service, kept: &[OwnedFd], notify: &Path) -> Ended {
    // One descriptor is all that a child can be given without unsafe code: its stdin.
    assert_eq!(kept.len(), 1);
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"",
            "sh",
        ])
        .arg(binary())
        .args(&service.arguments)
        .env("NOTIFY_SOCKET", notify)
        .env("WATCHDOG_USEC", "200000")
        .env("HOME", notify.parent().unwrap())
        .stdin(Stdio::from(kept[0].try_clone().unwrap()))
        .stderr(Stdio::null());
    Ended(command.spawn().unwrap())
}

fn heard(notify: &UnixDatagram, what: &str) {
    wait(what, || {
        let mut text = [0; 512];
        let read = notify.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..read])
            .contains(what)
            .then_some(())
    });
}

#[test]
fn a_killed_service_leaves_its_socket_and_the_next_one_answers() {
    let directory = directory();
    // The server's second socket would need a second descriptor.
    for service in services(directory.path())
        .iter()
        .filter(|service| service.sockets.len() == 1)
    {
        let kept = [OwnedFd::from(UnixListener::bind(&service.socket).unwrap())];
        let place = directory.path().join("notify.sock");
        let _ = std::fs::remove_file(&place);
        let notify = UnixDatagram::bind(&place).unwrap();
        notify
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut first = start(service, &kept, &place);
        heard(&notify, "READY=1");
        heard(&notify, "WATCHDOG=1");
        assert!(ask(&service.socket, service.method, service.target).is_some());
        first.0.kill().unwrap();
        first.0.wait().unwrap();
        // Nobody runs: the request waits in the socket that systemd keeps.
        let (socket, method, target) = (service.socket.clone(), service.method, service.target);
        let asked = std::thread::spawn(move || ask(&socket, method, target));
        let mut second = start(service, &kept, &place);
        let answer = asked.join().unwrap();
        assert!(
            answer.is_some_and(|answer| answer.contains(" 200 ")),
            "{:?}",
            service.arguments
        );
        let sent = Command::new("kill")
            .args(["-TERM", &second.0.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
        heard(&notify, "STOPPING=1");
        assert!(second.0.wait().unwrap().success());
        assert!(service.socket.exists(), "the name is not ours to remove");
    }
}

#[test]
fn a_socket_that_nobody_configured_is_refused() {
    let directory = directory();
    let other = directory.path().join("other.sock");
    let kept = UnixListener::bind(&other).unwrap();
    let mut command = Command::new("sh");
    let output = command
        .args([
            "-c",
            "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"",
            "sh",
        ])
        .arg(binary())
        .args(["guard", "-socket"])
        .arg(directory.path().join("guard.sock"))
        .env("HOME", directory.path())
        .stdin(Stdio::from(OwnedFd::from(kept)))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        shown(&output).contains("nothing here listens on"),
        "{}",
        shown(&output)
    );
}
