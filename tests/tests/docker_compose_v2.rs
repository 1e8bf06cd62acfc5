//! The same files with Compose v2, as `docker compose` calls it: a plugin of Docker's client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::canary::{canary, contains};
use flows::compose::{image, put};
use flows::docker::{Docker, IMAGE, Plugin, client, wait};
use flows::server::shown;
use flows::{Server, peers};
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

#[test]
fn docker_compose_takes_the_file_as_it_is_and_asks_our_provider() {
    let server = Server::up();
    let docker = Docker::start("v2");
    let plugin = Plugin::start(&docker, &server);
    let (db, key) = (canary(), canary());
    put(&server, "secret/db", db.as_bytes());
    put(&server, "secret/key", key.as_bytes());
    let by_name = image(
        &docker,
        "named",
        &format!("FROM {IMAGE}\nCOPY passwd /etc/\nUSER app\n"),
        &[("passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n")],
    );
    // Docker's client finds Compose among its plugins, and Compose finds us in the path.
    let home = tempfile::tempdir().unwrap();
    let plugins = home.path().join(".docker/cli-plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    let real = Command::new("which")
        .arg(peers::compose())
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    symlink(real.trim(), plugins.join("docker-compose")).unwrap();
    symlink(flows::binary(), home.path().join("cofferdam")).unwrap();

    let name = docker.name("compose");
    let driver = plugin.driver();
    let text = format!(
        "name: {name}\nservices:\n  web:\n    image: {by_name}\n    command: sleep 600\n    \
         network_mode: none\n    read_only: true\n    secrets: [db, plain]\n  \
         vault:\n    provider:\n      type: cofferdam\n      \
         options: {{driver: {driver}, secrets: 'db,key'}}\n  \
         app:\n    image: {IMAGE}\n    command: sleep 600\n    user: '7:7'\n    \
         network_mode: none\n    depends_on: [vault]\n    \
         volumes: ['mine:/run/secrets:nocopy']\n\
         secrets:\n  db: {{external: true}}\n  plain: {{file: ./plain}}\n\
         volumes:\n  mine:\n    driver: {driver}\n    \
         driver_opts: {{secrets: 'db;key', uid: '7', access.key: ':7:0440'}}\n"
    );
    let file = home.path().join("compose.yaml");
    std::fs::write(&file, &text).unwrap();
    std::fs::write(home.path().join("plain"), "plain").unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", home.path().display());
    let compose = |words: &[&str]| -> Output {
        let ours = ["compose", "-driver", driver, "--", client(), "compose"];
        let mut command = server.command(&[&ours, words].concat());
        command
            .env("HOME", home.path())
            .env("PATH", &path)
            .current_dir(home.path())
            .output()
            .unwrap()
    };

    for _ in 0..2 {
        let up = compose(&["up", "-d"]);
        assert!(up.status.success(), "{}", shown(&up));
    }
    let exec = |service: &str, words: &[&str]| {
        let container = format!("{name}-{service}-1");
        docker.run(&[&["exec", &container], words].concat())
    };
    assert_eq!(exec("web", &["cat", "/run/secrets/db"]), db);
    assert_eq!(exec("web", &["cat", "/run/secrets/plain"]), "plain");
    let stat = ["stat", "-Lc", "%u:%g %a", "/run/secrets/db"];
    assert_eq!(exec("web", &stat), "1000:1001 400");
    assert_eq!(exec("app", &["cat", "/run/secrets/key"]), key);
    let stat = ["stat", "-Lc", "%u:%g %a", "/run/secrets/key"];
    assert_eq!(exec("app", &stat), "7:7 440");
    let inspect = docker.run(&[
        "inspect",
        &format!("{name}-app-1"),
        &format!("{name}-web-1"),
    ]);
    assert!(
        inspect.contains("VAULT_db_FILE=/run/secrets/db"),
        "{inspect}"
    );
    for value in [&db, &key] {
        assert!(!contains(inspect.as_bytes(), value.as_bytes()));
    }
    let listed = compose(&["ps", "-q"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 2);

    let down = compose(&["down", "-t", "0", "-v"]);
    assert!(down.status.success(), "{}", shown(&down));
    wait("the end of the volumes", || {
        let filter = format!("name={name}");
        let left = docker.run(&["volume", "ls", "-q", "--filter", &filter]);
        (left.is_empty() && plugin.mounts() == 0).then_some(())
    });
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);

    // A secret that is missing stops it before a container is made.
    server.run(&["kv", "metadata", "delete", "secret/key"]);
    let up = compose(&["up", "-d"]);
    assert!(!up.status.success());
    assert!(
        shown(&up).contains("no secret at cd://secret/key"),
        "{}",
        shown(&up)
    );
    compose(&["down", "-t", "0", "-v"]);
}
