//! Values that change under running containers, on a real Docker engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::docker::{Docker, IMAGE, Plugin, wait};
use flows::server::shown;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn volume(docker: &Docker, plugin: &Plugin, name: &str, options: &[&str]) -> String {
    let name = docker.name(name);
    let mut create = vec!["volume", "create", "-d", plugin.driver()];
    for option in options {
        create.extend(["-o", option]);
    }
    create.push(&name);
    docker.run(&create);
    name
}

/// A container on the volume that runs a script, and waits where the script does not.
fn container(docker: &Docker, name: &str, volume: &str, script: &str) -> String {
    let name = docker.name(name);
    let mount = format!("{volume}:/run/secrets");
    let run = [
        "run",
        "-d",
        "--stop-timeout=1",
        "--name",
        &name,
        "-v",
        &mount,
        IMAGE,
        "sh",
        "-c",
        script,
    ];
    docker.run(&run);
    name
}

/// A file in a running container, as its processes see it.
fn inside(docker: &Docker, container: &str, file: &str) -> PathBuf {
    let pid = docker.run(&["inspect", "-f", "{{.State.Pid}}", container]);
    PathBuf::from(format!("/proc/{pid}/root/run/secrets/{file}"))
}

/// Reads with nothing between us and the container but the kernel.
fn read(docker: &Docker, container: &str, file: &str) -> String {
    docker.run(&["exec", container, "cat", &format!("/run/secrets/{file}")])
}

fn put(server: &Server, path: &str, value: &str) {
    server.run(&["kv", "put", path, value]);
}

fn follows(plugin: &Plugin, times: usize) {
    plugin.says_often("following the server's events", times);
}

fn arrives(docker: &Docker, container: &str, file: &str, value: &str) {
    wait("the new value in the container", || {
        let output = docker.output(&["exec", container, "cat", &format!("/run/secrets/{file}")]);
        (output.status.success() && output.stdout == value.as_bytes()).then_some(())
    });
}

fn log(docker: &Docker, container: &str) -> String {
    String::from_utf8_lossy(&docker.output(&["logs", container]).stdout).into_owned()
}

#[test]
fn a_write_reaches_the_running_container_and_the_container_is_told() {
    let server = Server::up();
    let docker = Docker::start("renew");
    let plugin = Plugin::start(&docker, &server);
    follows(&plugin, 1);
    put(&server, "secret/app/PASSWORD", "value=0");
    let options = [
        "from=secret/app",
        "uid=1000",
        "gid=1000",
        "on_change=signal:HUP",
    ];
    let volume = volume(&docker, &plugin, "volume", &options);
    let script = "trap 'echo hup' HUP; echo ready; while :; do sleep 0.1; done";
    let app = container(&docker, "app", &volume, script);
    wait("the script", || {
        log(&docker, &app).contains("ready").then_some(())
    });
    let file = inside(&docker, &app, "PASSWORD");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "0");
    let old = std::fs::File::open(&file).unwrap();

    let mut slowest = Duration::ZERO;
    for round in 1..=10 {
        let (value, begin) = (round.to_string(), Instant::now());
        put(&server, "secret/app/PASSWORD", &format!("value={value}"));
        let stored = begin.elapsed();
        while std::fs::read_to_string(&file).unwrap() != value {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{}",
                plugin.log()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let seen = begin.elapsed();
        println!("kv put took {stored:?}, the file was new after {seen:?}");
        slowest = slowest.max(seen);
    }
    println!("slowest of ten: {slowest:?}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    wait("SIGHUP", || {
        log(&docker, &app).contains("hup").then_some(())
    });

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
    assert_eq!(
        std::io::read_to_string(old).unwrap(),
        "0",
        "an open file keeps what it had"
    );
    let write = docker.output(&["exec", &app, "touch", "/run/secrets/..data/x"]);
    assert!(
        !write.status.success(),
        "the container may not write: {}",
        shown(&write)
    );

    // Names come and go as well.
    put(&server, "secret/app/USER", "value=web");
    arrives(&docker, &app, "USER", "web");
    server.run(&["kv", "delete", "secret/app/USER"]);
    wait("the file's end", || {
        let gone = docker.output(&["exec", &app, "ls", "/run/secrets"]);
        (!String::from_utf8_lossy(&gone.stdout).contains("USER")).then_some(())
    });
    assert_eq!(read(&docker, &app, "PASSWORD"), "10");
    // Of everything that was ever there one generation is left, within the grace and some.
    let data = inside(&docker, &app, "");
    wait("the end of old generations", || {
        let names = std::fs::read_dir(&data).unwrap().flatten();
        let old = names.filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("..cofferdam-")
        });
        (old.count() == 1).then_some(())
    });
    let resident = std::fs::read_to_string(format!("/proc/{}/status", plugin.id())).unwrap();
    println!(
        "the daemon of this profile: {:?}",
        resident.lines().find(|line| line.starts_with("VmRSS"))
    );
    docker.run(&["rm", "-f", &app]);
    assert_eq!(plugin.mounts(), 0);
}

#[test]
fn a_container_is_restarted_or_runs_a_command_as_its_volume_says() {
    let server = Server::up();
    let docker = Docker::start("tell");
    let plugin = Plugin::start(&docker, &server);
    follows(&plugin, 1);
    put(&server, "secret/app/PASSWORD", "value=first");
    let from = "secrets=PASSWORD:secret/app/PASSWORD";
    let restart = volume(&docker, &plugin, "restart", &[from, "on_change=restart"]);
    let exec =
        "on_change=exec:[\"sh\",\"-c\",\"echo run $(cat /run/secrets/PASSWORD) >/proc/1/fd/1\"]";
    let exec = volume(&docker, &plugin, "exec", &[from, exec]);
    let failing = volume(
        &docker,
        &plugin,
        "failing",
        &[from, "on_change=exec:no-such-program"],
    );
    let quiet = volume(&docker, &plugin, "quiet", &[from]);
    let wait_script = "echo ready; sleep 600";
    let restarted = container(&docker, "restarted", &restart, wait_script);
    let commanded = container(&docker, "commanded", &exec, wait_script);
    let failed = container(&docker, "failed", &failing, wait_script);
    let left = container(&docker, "left", &quiet, wait_script);
    let started = |name: &str| docker.run(&["inspect", "-f", "{{.State.StartedAt}}", name]);
    let before = [&restarted, &commanded, &failed, &left].map(|name| started(name));

    put(&server, "secret/app/PASSWORD", "value=second");
    wait("the restart", || {
        (started(&restarted) != before[0]).then_some(())
    });
    wait("the command", || {
        let said = log(&docker, &commanded);
        said.contains("run second").then_some(())
    });
    for name in [&restarted, &commanded, &failed, &left] {
        arrives(&docker, name, "PASSWORD", "second");
    }
    plugin.says("could not be told");
    let after = [&restarted, &commanded, &failed, &left].map(|name| started(name));
    assert_eq!(before[1..], after[1..], "only one of them restarts");
    assert!(!plugin.log().contains("second"), "{}", plugin.log());
}

/// DELIV-4.
#[test]
fn a_reader_never_misses_a_file_nor_mixes_two_generations() {
    let server = Server::up();
    let docker = Docker::start("reader");
    let plugin = Plugin::start(&docker, &server);
    follows(&plugin, 1);
    let write = |number: u32| {
        let (user, password) = (format!("user=u{number}"), format!("password=u{number}"));
        server.run(&["kv", "put", "secret/app/pair", &user, &password]);
    };
    write(0);
    let options = ["secrets=user:secret/app/pair#user;password:secret/app/pair#password"];
    let volume = volume(&docker, &plugin, "volume", &options);
    let script = "cd /run/secrets; n=0; while :; do \
        cd /run/secrets/..data || { echo BAD missing directory; continue; }; \
        read a <user || [ -n \"$a\" ] || echo BAD missing user; \
        read b <password || [ -n \"$b\" ] || echo BAD missing password; \
        [ \"$a\" = \"$b\" ] || echo BAD mixed $a $b; \
        cat /run/secrets/user /run/secrets/password >/dev/null || echo BAD missing by name; \
        n=$((n+1)); [ $((n%100)) = 0 ] && echo rounds $n $a; done";
    let app = container(&docker, "app", &volume, script);
    wait("the reader", || {
        log(&docker, &app).contains("rounds").then_some(())
    });
    let renewals = || plugin.log().matches("renewed a volume's files").count();
    for number in 1..=200 {
        // One after the other: what comes at once is renewed at once.
        let before = renewals();
        write(number);
        wait("a renewal", || (renewals() > before).then_some(()));
    }
    arrives(&docker, &app, "user", "u200");
    wait("a reader of the last one", || {
        log(&docker, &app).contains("u200").then_some(())
    });
    let output = docker.output(&["logs", &app]);
    let said = shown(&output);
    assert!(
        !said.contains("BAD") && !said.contains("can't open"),
        "{said}"
    );
    let renewals = renewals();
    println!(
        "200 writes, {renewals} renewals; {}",
        said.lines().last().unwrap_or_default()
    );
    assert!(renewals >= 200, "{renewals} renewals");
}

/// DELIV-5.
#[test]
fn whoever_is_killed_comes_back_without_hand_work() {
    let mut server = Server::up();
    let docker = Docker::start("killed");
    let mut plugin = Plugin::start(&docker, &server);
    follows(&plugin, 1);
    put(&server, "secret/app/PASSWORD", "value=1");
    let options = ["from=secret/app", "on_change=signal:HUP"];
    let volume = volume(&docker, &plugin, "volume", &options);
    let script = "trap 'echo hup' HUP; echo ready; while :; do sleep 0.1; done";
    let app = container(&docker, "app", &volume, script);
    // Before its trap is there a signal is lost.
    wait("the script", || {
        log(&docker, &app).contains("ready").then_some(())
    });
    let hups = || log(&docker, &app).matches("hup").count();

    // The daemon is away while the value changes: the next one brings it, and tells.
    plugin.kill();
    put(&server, "secret/app/PASSWORD", "value=2");
    assert_eq!(read(&docker, &app, "PASSWORD"), "1");
    let mut plugin = plugin.again();
    arrives(&docker, &app, "PASSWORD", "2");
    wait("SIGHUP", || (hups() == 1).then_some(()));

    // The server is away: the last good files stay; then updates go on by themselves.
    server.kill();
    wait("the end of the stream", || {
        let log = plugin.log();
        let ended = log.contains("stream of events broke") || log.contains("ended the stream");
        ended.then_some(())
    });
    assert_eq!(read(&docker, &app, "PASSWORD"), "2");
    let server = server.again();
    put(&server, "secret/app/PASSWORD", "value=3");
    arrives(&docker, &app, "PASSWORD", "3");
    wait("SIGHUP", || (hups() == 2).then_some(()));

    // Both at once.
    plugin.kill();
    let mut server = server;
    server.kill();
    assert_eq!(read(&docker, &app, "PASSWORD"), "3");
    let plugin = plugin.again();
    let server = server.again();
    put(&server, "secret/app/PASSWORD", "value=4");
    arrives(&docker, &app, "PASSWORD", "4");
    wait("SIGHUP", || (hups() == 3).then_some(()));
    drop(plugin);
}

/// The daemon is killed at any step of a renewal, again and again.
#[test]
fn a_daemon_that_is_killed_while_it_renews_leaves_whole_files_and_no_mounts() {
    let server = Server::up();
    let docker = Docker::start("steps");
    // Dropped after the one that runs: what is dropped tidies up behind all of them.
    let mut killed = Vec::new();
    let mut plugin = Plugin::start(&docker, &server);
    let write = |number: usize| {
        let (user, password) = (format!("user=u{number}"), format!("password=u{number}"));
        server.run(&["kv", "put", "secret/app/pair", &user, &password]);
    };
    write(0);
    let options = ["secrets=user:secret/app/pair#user;password:secret/app/pair#password"];
    let volume = volume(&docker, &plugin, "volume", &options);
    let app = container(&docker, "app", &volume, "sleep 600");
    let data = inside(&docker, &app, "..data");
    for number in 1..=12 {
        write(number);
        // From before the event to after the swap: the daemon gathers for 50 ms, then writes.
        std::thread::sleep(Duration::from_millis(12 * number as u64));
        plugin.kill();
        let generation = std::fs::File::open(&data).unwrap();
        let below = format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&generation)
        );
        let read = |file: &str| std::fs::read_to_string(format!("{below}/{file}")).unwrap();
        assert_eq!(read("user"), read("password"), "round {number}");
        let next = plugin.again();
        let took_over = "took over a mounted volume";
        let log = next.says_often(took_over, number);
        assert_eq!(log.matches(took_over).count(), number, "{log}");
        killed.push(std::mem::replace(&mut plugin, next));
    }
    write(13);
    arrives(&docker, &app, "user", "u13");
    arrives(&docker, &app, "password", "u13");
    assert_eq!(plugin.mounts(), 1);
    let table = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let writing = server.directory().path().join("plugin-run/writing");
    wait("the end of every mount for writing", || {
        (!table().contains(writing.to_str().unwrap())).then_some(())
    });
    wait("the end of old generations", || {
        let names = std::fs::read_dir(inside(&docker, &app, ""))
            .unwrap()
            .flatten();
        let ours = names.filter(|entry| entry.file_name().to_string_lossy().contains("cofferdam-"));
        (ours.count() == 1).then_some(())
    });
    let write = docker.output(&["exec", &app, "touch", "/run/secrets/..data/x"]);
    assert!(
        !write.status.success(),
        "the container may not write: {}",
        shown(&write)
    );
}
