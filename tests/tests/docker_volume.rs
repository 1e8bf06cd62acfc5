//! The volume driver on a real Docker engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::{canary, contains, files_with};
use flows::docker::{Docker, IMAGE, OWN_DRIVER, OwnDriver, Plugin};
use flows::server::{bare, shown};
use std::path::Path;

/// A volume of everything below `secret/app`, for uid 1000.
fn volume(docker: &Docker, plugin: &Plugin) -> String {
    let name = docker.name("volume");
    let options = ["from=secret/app", "uid=1000", "gid=1000", "mode=0400"];
    let options = options.iter().flat_map(|option| ["-o", option]);
    let create = ["volume", "create", "-d", plugin.driver()].into_iter();
    docker.run(
        &create
            .chain(options)
            .chain([name.as_str()])
            .collect::<Vec<_>>(),
    );
    name
}

/// A container that stays.
fn container(docker: &Docker, volume: &str) -> String {
    let name = docker.name("app");
    let mount = format!("{volume}:/run/secrets");
    docker.run(&[
        "run",
        "-d",
        "--name",
        &name,
        "--user",
        "1000:1000",
        "-v",
        &mount,
        IMAGE,
        "sleep",
        "600",
    ]);
    name
}

fn read(docker: &Docker, container: &str) -> String {
    docker.run(&["exec", container, "cat", "/run/secrets/PASSWORD"])
}

#[test]
fn uid_1000_reads_a_0400_file_and_nothing_else_holds_the_value() {
    let server = Server::up();
    let docker = Docker::start("leak");
    let plugin = Plugin::start(&docker, &server);
    let value = canary();
    server.run(&[
        "kv",
        "put",
        "secret/app/PASSWORD",
        &format!("value={value}"),
    ]);
    let volume = volume(&docker, &plugin);
    let app = container(&docker, &volume);

    assert_eq!(read(&docker, &app), value);
    let stat = docker.run(&[
        "exec",
        &app,
        "stat",
        "-L",
        "-c",
        "%u:%g %a",
        "/run/secrets/PASSWORD",
    ]);
    assert_eq!(stat, "1000:1000 400");
    let mounts = docker.run(&["exec", &app, "grep", "/run/secrets", "/proc/mounts"]);
    assert!(mounts.contains(" tmpfs ro,nosuid,nodev,noexec"), "{mounts}");
    let root = docker.output(&["exec", "-u", "0", &app, "touch", "/run/secrets/new"]);
    assert!(
        !root.status.success(),
        "root in the container may not write either"
    );
    let other = docker.output(&["exec", "-u", "1001", &app, "cat", "/run/secrets/PASSWORD"]);
    assert!(
        !other.status.success(),
        "another user in the container reads it"
    );

    let image = docker.name("committed");
    docker.run(&["commit", &app, &image]);
    for command in [
        &["inspect", &app][..],
        &["volume", "inspect", &volume],
        &["image", "inspect", &image],
        &["history", "--no-trunc", &image],
        &["logs", &app],
        &["export", &app],
        &["save", &image],
    ] {
        let output = docker.output(command);
        assert!(output.status.success(), "{command:?}");
        assert!(
            !output.stdout.is_empty() || command[0] == "logs",
            "{command:?}"
        );
        assert!(
            !contains(&output.stdout, value.as_bytes()),
            "in docker {command:?}"
        );
    }
    for directory in [
        "/var/lib/docker",
        "/var/lib/containerd",
        "/run/docker",
        "/run/containerd",
    ] {
        assert_eq!(
            files_with(Path::new(directory), &value),
            Vec::<std::path::PathBuf>::new()
        );
    }
    let ours = files_with(server.directory().path(), &value);
    assert!(ours.is_empty(), "on our own disk: {ours:?}");
    assert!(!plugin.log().contains(&value));
}

#[test]
fn a_restart_brings_the_new_value_and_the_last_user_takes_it_away() {
    let server = Server::up();
    let docker = Docker::start("rotate");
    let plugin = Plugin::start(&docker, &server);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=first"]);
    let volume = volume(&docker, &plugin);
    let app = container(&docker, &volume);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=second"]);
    docker.run(&["restart", "-t", "0", &app]);
    assert_eq!(read(&docker, &app), "second");
    // docker cp mounts and unmounts with the ID of the running container.
    let copied = docker.output(&["cp", "-L", &format!("{app}:/run/secrets/PASSWORD"), "-"]);
    assert!(contains(&copied.stdout, b"second"), "{}", shown(&copied));
    assert_eq!(plugin.mounts(), 1);
    assert_eq!(read(&docker, &app), "second");
    docker.run(&["rm", "-f", &app]);
    assert_eq!(plugin.mounts(), 0);
}

#[test]
fn a_plugin_that_was_killed_takes_its_volumes_over() {
    let server = Server::up();
    let docker = Docker::start("adopt");
    let mut plugin = Plugin::start(&docker, &server);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=first"]);
    let volume = volume(&docker, &plugin);
    let app = container(&docker, &volume);
    plugin.kill();
    let mut plugin = plugin.again();
    plugin.says("took over a mounted volume");
    assert_eq!(read(&docker, &app), "first");
    // Docker ends the container while nobody answers: the count is wrong afterwards, the value is not.
    plugin.kill();
    docker.run(&["kill", &app]);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=second"]);
    let plugin = plugin.again();
    docker.run(&["start", &app]);
    assert_eq!(read(&docker, &app), "second");
    docker.run(&["rm", "-f", &app]);
    assert_eq!(plugin.mounts(), 0);
    docker.run(&["volume", "rm", &volume]);
    let left = std::fs::read_dir(plugin.data().join("volumes"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "a record stays");
}

#[test]
fn without_the_server_no_container_starts() {
    let mut server = Server::up();
    let docker = Docker::start("closed");
    let plugin = Plugin::start(&docker, &server);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=first"]);
    let volume = volume(&docker, &plugin);
    server.kill();
    let mount = format!("{volume}:/run/secrets");
    let refused = docker.output(&[
        "run",
        "--rm",
        "-v",
        &mount,
        IMAGE,
        "cat",
        "/run/secrets/PASSWORD",
    ]);
    assert!(
        !refused.status.success() && refused.stdout.is_empty(),
        "{}",
        shown(&refused)
    );
    assert!(
        shown(&refused).contains("no server at"),
        "{}",
        shown(&refused)
    );
    plugin.says("no server at");
    assert_eq!(plugin.mounts(), 0);
}

#[test]
fn bad_options_are_refused_when_the_volume_is_made() {
    let server = Server::up();
    let docker = Docker::start("options");
    let plugin = Plugin::start(&docker, &server);
    for (option, reason) in [
        ("uid=app", "option uid must be a number"),
        ("uid=4294967295", "option uid must be a number"),
        ("mode=rwx", "option mode must be octal"),
        ("secrets=../x", "not a file name"),
        ("password=x", "unknown volume option"),
    ] {
        let name = docker.name("bad");
        let refused = docker.output(&[
            "volume",
            "create",
            "-d",
            plugin.driver(),
            "-o",
            option,
            &name,
        ]);
        assert!(!refused.status.success(), "{option}");
        assert!(
            shown(&refused).contains(reason),
            "{option}: {}",
            shown(&refused)
        );
    }
}

#[test]
fn what_up_has_started_can_be_used_by_the_next_command() {
    let docker = Docker::start("up");
    let _room = OwnDriver::room(&docker);
    let directory = tempfile::tempdir().unwrap();
    let places = Server::places(directory.path());
    let run = |words: &[&str]| {
        let output = bare(directory.path()).args(words).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        shown(&output)
    };
    let mut up = vec!["up", "-listen=127.0.0.1:0"];
    up.extend(places.iter().map(String::as_str));
    let _down = Down(directory.path(), &places[1]);
    let said = run(&up);
    assert!(said.contains("plugin started: process"), "{said}");
    let name = docker.name("next");
    docker.run(&["volume", "create", "-d", OWN_DRIVER, &name]);
    docker.run(&["volume", "rm", &name]);
    let said = run(&up);
    assert!(said.contains("the plugin is running: process"), "{said}");
    let nowhere = bare(directory.path())
        .args(["kv", "get", "nowhere/x"])
        .arg(format!(
            "-address=unix://{}",
            directory.path().join("run/s.sock").display()
        ))
        .output()
        .unwrap();
    let said = shown(&nowhere);
    assert!(said.contains("nothing mounted: nowhere/x"), "{said}");
    run(&["down", &places[1]]);
}

/// Ends what `up` started, however the test ends.
struct Down<'a>(&'a Path, &'a str);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let _ = bare(self.0).args(["down", self.1]).output();
    }
}
