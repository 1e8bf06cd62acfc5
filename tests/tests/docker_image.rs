//! The image from nothing, on a real engine: no users, no libraries, no shell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::binary;
use flows::docker::{Docker, wait};
use flows::server::shown;
use std::path::Path;
use std::process::Command;

/// The image, from `packaging/Dockerfile` and the binary under test.
fn build(docker: &Docker) -> String {
    let bytes = std::fs::read(binary()).unwrap();
    // A program that needs a loader names it.
    let dynamic = flows::canary::contains(&bytes[..bytes.len().min(1 << 20)], b"/ld-linux");
    assert!(
        !dynamic,
        "COFFERDAM_BIN must name the static binary, as `cargo xtask test` does"
    );
    let context = tempfile::tempdir().unwrap();
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/Dockerfile");
    std::fs::copy(packaging, context.path().join("Dockerfile")).unwrap();
    std::fs::copy(binary(), context.path().join("cofferdam")).unwrap();
    let image = docker.name("image");
    let built = Command::new(flows::docker::client())
        .args(["build", "-q", "-t", &image])
        .arg(context.path())
        .env("DOCKER_BUILDKIT", "1")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", shown(&built));
    image
}

#[test]
fn the_image_from_nothing_serves_and_keeps_its_data() {
    let docker = Docker::start("image");
    let image = build(&docker);
    let version = docker.run(&["run", "--rm", "--network=none", &image, "version"]);
    assert!(version.to_lowercase().contains("cofferdam"), "{version}");

    // A user that no file names, and a file system that cannot be written.
    let dev = docker.name("dev");
    docker.run(&[
        "run",
        "-d",
        "--name",
        &dev,
        "--user",
        "12345:12345",
        "--read-only",
        "--network=none",
        &image,
        "server",
        "-dev",
        "-dev-root-token-id=root",
    ]);
    let status = [
        "exec",
        &dev,
        "/usr/bin/cofferdam",
        "status",
        "-address=http://127.0.0.1:8200",
    ];
    wait("the server for tests", || {
        docker.output(&status).status.success().then_some(())
    });

    let (server, data, key) = (
        docker.name("server"),
        docker.name("data"),
        docker.name("key"),
    );
    docker.run(&[
        "run",
        "-d",
        "--name",
        &server,
        "-v",
        &format!("{data}:/var/lib/cofferdam"),
        "-v",
        &format!("{key}:/etc/cofferdam"),
        &image,
    ]);
    let ours = |arguments: &[&str]| {
        let exec = ["exec", &server, "/usr/bin/cofferdam"];
        docker.output(&[&exec[..], arguments].concat())
    };
    let up = || {
        wait("the server", || {
            ours(&["status"]).status.success().then_some(())
        })
    };
    up();
    // At its first start it is open before its mounts are there.
    wait("the first mount", || {
        let put = ours(&["kv", "put", "secret/app", "value=kept"]);
        put.status.success().then_some(())
    });
    // Names are resolved without any library: through /etc/hosts, which Docker writes.
    let named = ours(&[
        "status",
        "-address=https://localhost:8200",
        "-ca-cert=/var/lib/cofferdam/tls/ca.pem",
    ]);
    assert!(named.status.success(), "{}", shown(&named));
    let unknown = ours(&["status", "-address=https://nowhere.invalid:8200"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", shown(&unknown));
    docker.run(&["restart", "-t", "20", &server]);
    up();
    let got = ours(&["kv", "get", "-field=value", "secret/app"]);
    assert_eq!(
        String::from_utf8_lossy(&got.stdout).trim(),
        "kept",
        "{}",
        shown(&got)
    );
    // Told to stop, the first process of a container has to listen.
    docker.run(&["stop", "-t", "20", &server]);
    let code = docker.run(&["inspect", "-f", "{{.State.ExitCode}}", &server]);
    assert_eq!(code, "0");
}
