//! The secret driver on a real Swarm of one node.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::{canary, contains, files_with};
use flows::docker::{Docker, IMAGE, Plugin, wait};
use flows::swarm::{SLEEP, secret, service};
use std::path::Path;

/// A secret that stands for `secret/app/PASSWORD`, and a service of one task whose user 1000 alone
/// may read it.
fn password(docker: &Docker, plugin: &Plugin) -> (String, String) {
    let label = "cofferdam.ref=cd://secret/app/PASSWORD#value";
    let secret = secret(docker, plugin, "secret", &[label]);
    let owned = format!("{secret},uid=1000,gid=1000,mode=0400");
    let user = ["--user", "1000:1000"];
    let service = service(docker, "service", &owned, &user, &SLEEP);
    (secret, service)
}

fn read(docker: &Docker, container: &str) -> String {
    docker.run(&["exec", container, "cat", "/run/secrets/PASSWORD"])
}

#[test]
fn each_task_reads_the_value_of_its_own_start_and_nothing_else_holds_it() {
    let server = Server::up();
    let docker = Docker::start("task");
    let plugin = Plugin::start(&docker, &server);
    let (first, second) = (canary(), canary());
    server.run(&[
        "kv",
        "put",
        "secret/app/PASSWORD",
        &format!("value={first}"),
    ]);
    let (secret, service) = password(&docker, &plugin);
    let task = docker.task(&service, None);
    assert_eq!(read(&docker, &task), first);
    let stat = docker.run(&[
        "exec",
        &task,
        "stat",
        "-c",
        "%u:%g %a",
        "/run/secrets/PASSWORD",
    ]);
    assert_eq!(stat, "1000:1000 400");

    server.run(&[
        "kv",
        "put",
        "secret/app/PASSWORD",
        &format!("value={second}"),
    ]);
    assert_eq!(
        read(&docker, &task),
        first,
        "a running task keeps what it has"
    );
    docker.run(&["kill", &task]);
    let task = docker.task(&service, Some(&task));
    assert_eq!(read(&docker, &task), second);

    for value in [&first, &second] {
        for command in [
            &["inspect", &task][..],
            &["service", "inspect", &service],
            &["secret", "inspect", &secret],
            &["export", &task],
        ] {
            let output = docker.output(command);
            assert!(
                output.status.success() && !output.stdout.is_empty(),
                "{command:?}"
            );
            assert!(
                !contains(&output.stdout, value.as_bytes()),
                "in docker {command:?}"
            );
        }
        for directory in ["/var/lib/docker", "/var/lib/containerd", "/run/docker"] {
            assert_eq!(
                files_with(Path::new(directory), value),
                Vec::<std::path::PathBuf>::new()
            );
        }
        assert!(!plugin.log().contains(value));
    }
}

#[test]
fn with_the_server_stopped_a_task_fails_and_our_log_says_why() {
    let mut server = Server::up();
    let docker = Docker::start("closed");
    let plugin = Plugin::start(&docker, &server);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=first"]);
    let (secret, service) = password(&docker, &plugin);
    let task = docker.task(&service, None);
    assert_eq!(read(&docker, &task), "first");

    server.kill();
    docker.run(&["kill", &task]);
    wait("a task that failed", || {
        docker
            .tasks(&service)
            .contains("unable to get secret")
            .then_some(())
    });
    let log = plugin.says("refused a Swarm task");
    let refusal = log
        .lines()
        .find(|line| line.contains("refused a Swarm task"))
        .unwrap();
    for part in [service.as_str(), secret.as_str(), "no server at"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    assert!(!log.contains("first"));

    let server = server.again();
    let task = docker.task(&service, Some(&task));
    assert_eq!(read(&docker, &task), "first", "it comes back by itself");
    drop(server);
}

#[test]
fn a_secret_that_is_not_stored_is_named_in_our_log() {
    let server = Server::up();
    let docker = Docker::start("missing");
    let plugin = Plugin::start(&docker, &server);
    let (_, service) = password(&docker, &plugin);
    wait("a task that failed", || {
        docker
            .tasks(&service)
            .contains("unable to get secret")
            .then_some(())
    });
    plugin.says("no secret at cd://secret/app/PASSWORD");
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=late"]);
    assert_eq!(read(&docker, &docker.task(&service, None)), "late");
}

#[test]
fn a_service_may_use_a_volume_of_the_driver() {
    let server = Server::up();
    let docker = Docker::start("mount");
    let plugin = Plugin::start(&docker, &server);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=a"]);
    server.run(&["kv", "put", "secret/OTHER", "value=b"]);
    // Swarm places a task only where the driver has been used before.
    docker.run(&[
        "volume",
        "create",
        "-d",
        plugin.driver(),
        &docker.name("first"),
    ]);
    let service = docker.name("service");
    let mount = format!(
        "type=volume,volume-driver={},source={},target=/run/secrets,\
         volume-opt=secrets=PASSWORD:secret/app/PASSWORD;OTHER",
        plugin.driver(),
        docker.name("volume"),
    );
    docker.run(&[
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--name",
        &service,
        "--mount",
        &mount,
        IMAGE,
        "sleep",
        "600",
    ]);
    let task = docker.task(&service, None);
    let both = [
        "exec",
        &task,
        "cat",
        "/run/secrets/PASSWORD",
        "/run/secrets/OTHER",
    ];
    assert_eq!(docker.run(&both), "ab");
}
