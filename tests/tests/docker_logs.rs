//! The log driver on a real Docker engine: a container prints its own secret, and nobody reads it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::{canary, files_with};
use flows::docker::{Docker, IMAGE, Plugin, client, wait};
use flows::server::{portable, shown};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const NAME: &str = "‹secret:secret/app/PASSWORD@1›";

struct Site {
    server: Server,
    docker: Docker,
    plugin: Plugin,
    value: String,
    volume: String,
}

impl Site {
    fn open(test: &str) -> Self {
        let server = Server::up();
        let docker = Docker::start(test);
        let plugin = Plugin::start(&docker, &server);
        let value = canary();
        let put = format!("value={value}");
        server.run(&["kv", "put", "secret/app/PASSWORD", &put]);
        let volume = docker.name("volume");
        let driver = plugin.driver();
        docker.run(&[
            "volume",
            "create",
            "-d",
            driver,
            "-o",
            "from=secret/app",
            &volume,
        ]);
        Self {
            server,
            docker,
            plugin,
            value,
            volume,
        }
    }

    /// A container with the secret whose logs pass us.
    fn container(&self, name: &str, options: &[&str], script: &str) -> String {
        let name = self.docker.name(name);
        let mount = format!("{}:/run/secrets", self.volume);
        let mut words = vec![
            "run",
            "-d",
            "--log-driver",
            self.plugin.driver(),
            "--name",
            &name,
        ];
        words.extend(options);
        words.extend(["-v", &mount, IMAGE, "sh", "-c", script]);
        self.docker.run(&words);
        name
    }

    fn ended(&self, container: &str) {
        wait("the container's end", || {
            let state = self
                .docker
                .run(&["inspect", "-f", "{{.State.Running}}", container]);
            (state == "false").then_some(())
        });
    }

    fn logs(&self, words: &[&str]) -> (String, String) {
        let output = self.docker.output(&[&["logs"], words].concat());
        assert!(output.status.success(), "{}", shown(&output));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// No file of the engine's or ours holds the value.
    fn nowhere_on_disk(&self) {
        let own = self.plugin.data();
        let docker = Path::new("/var/lib/docker/containers");
        for directory in [docker, Path::new("/run/docker"), &own] {
            let found = files_with(directory, &self.value);
            assert!(found.is_empty(), "{found:?}");
        }
    }
}

#[test]
fn a_container_that_prints_its_secret_shows_the_name() {
    let site = Site::open("logs");
    let script = "P=/run/secrets/PASSWORD
        echo plain; cat $P; echo; base64 $P; od -An -v -tx1 $P | tr -d ' \\n'; echo
        head -c 10 $P; sleep 0.3; tail -c +11 $P; echo
        dd if=/dev/zero bs=16370 count=1 2>/dev/null | tr '\\0' x; cat $P; echo
        cat $P >&2; echo >&2; echo last";
    let app = site.container("app", &[], script);
    site.ended(&app);
    let (out, err) = site.logs(&[&app]);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "plain", "{out}");
    assert_eq!(lines[1], NAME, "raw");
    assert!(
        lines[2].starts_with(NAME) && lines[2].len() < NAME.len() + 5,
        "base64: {}",
        lines[2]
    );
    assert_eq!(lines[3], NAME, "hex");
    assert_eq!(lines[4], NAME, "in two writes");
    assert_eq!(
        lines[5],
        format!("{}{NAME}", "x".repeat(16370)),
        "over the cut of a long line"
    );
    assert_eq!(lines[6], "last");
    assert_eq!(err, format!("{NAME}\n"));
    site.nowhere_on_disk();

    // Docker carries the two streams side by side: which of the two is beside the last line is not said.
    let (out, err) = site.logs(&["--tail", "2", &app]);
    assert!(out.ends_with("last\n"), "{out}");
    assert_eq!(out.lines().count() + err.lines().count(), 2, "{out}{err}");
    assert_eq!(site.logs(&["--since", "2100-01-01T00:00:00Z", &app]).0, "");
    let (timed, _) = site.logs(&["-t", "--tail", "2", &app]);
    assert!(
        timed.starts_with("20") && timed.ends_with("Z last\n"),
        "{timed}"
    );
}

#[test]
fn followers_see_lines_as_they_come_over_files_that_take_turns() {
    let site = Site::open("follow");
    let script = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i of many that fill the file; \
                  done; sleep 1; cat /run/secrets/PASSWORD; echo; sleep 0.3";
    let limits = ["--log-opt", "max-size=8k", "--log-opt", "max-file=2"];
    let app = site.container("app", &limits, script);
    let mut follower = Command::new(client())
        .args(["logs", "-f", "--tail", "5", &app])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(
        follower.wait().unwrap().success(),
        "it ends with the container"
    );
    assert_eq!(lines.last().unwrap(), NAME, "{lines:?}");
    site.ended(&app);
    let (all, _) = site.logs(&[&app]);
    assert!(!all.contains("line 1 of"), "the oldest lines are gone");
    assert!(
        all.contains("line 300 of") && all.len() < 20_000,
        "{}",
        all.len()
    );
    site.nowhere_on_disk();
    let refused = site.docker.output(&[
        "run",
        "--rm",
        "--log-driver",
        site.plugin.driver(),
        "--log-opt",
        "colour=red",
        IMAGE,
        "true",
    ]);
    assert!(!refused.status.success());
    assert!(
        shown(&refused).contains("no log option of this driver: colour"),
        "{}",
        shown(&refused)
    );
}

#[test]
fn what_a_container_asked_for_itself_is_masked() {
    let site = Site::open("asked");
    let server = &site.server;
    let asked = canary();
    server.run(&[
        "kv",
        "put",
        "secret/own/password",
        &format!("value={asked}"),
    ]);
    let policy = server.directory().path().join("own.hcl");
    std::fs::write(
        &policy,
        "path \"secret/data/own/*\" { capabilities = [\"read\"] }",
    )
    .unwrap();
    server.run(&["policy", "write", "own", policy.to_str().unwrap()]);
    server.run(&["auth", "enable", "docker"]);
    server.run(&[
        "write",
        "auth/docker/role/own",
        "bound_labels=app=own",
        "token_policies=own",
    ]);
    let socket = format!("{}:/run/cofferdam:ro", site.plugin.workload().display());
    let program = format!("{}:/cofferdam:ro", portable().display());
    let options = ["-l", "app=own", "-v", &socket, "-v", &program];
    let script = "get() { /cofferdam kv get -field=value secret/own/password; }
        get && echo && get | base64 && /cofferdam token lookup -format=json | grep '\"id\"'; echo last";
    let app = site.container("app", &options, script);
    site.ended(&app);
    let (out, err) = site.logs(&[&app]);
    let lines: Vec<_> = out.lines().filter(|line| !line.is_empty()).collect();
    let name = "‹secret:secret/own/password@1›";
    assert_eq!(lines[0], name, "{out}{err}");
    assert!(lines[1].starts_with(name), "base64: {out}");
    assert!(
        lines[2].contains("‹secret:auth/token/lookup-self#id›"),
        "its token: {out}"
    );
    assert_eq!(lines[3], "last", "{out}");
    assert!(!out.contains(&asked) && !err.contains(&asked));
}

#[test]
fn a_daemon_that_was_killed_goes_on_and_the_container_never_waits() {
    let mut site = Site::open("killed");
    // Each line is more than a FIFO holds together with the others: nobody may wait for a reader.
    let script = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); cat /run/secrets/PASSWORD; \
                  echo \" $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"; \
                  sleep 0.02; done; until [ -e /go ]; do sleep 0.1; done; echo last";
    let app = site.container("app", &[], script);
    wait("the first lines", || {
        site.logs(&[&app]).0.contains(" 20 x").then_some(())
    });
    site.plugin.kill();
    std::thread::sleep(std::time::Duration::from_millis(700));
    // The server is away too: the values are learned again from the memory they were delivered to.
    site.server.kill();
    site.plugin = site.plugin.again();
    // Whatever the engine still has of a container that ends meanwhile is lost with it.
    site.docker.run(&["exec", &app, "touch", "/go"]);
    site.ended(&app);
    let (out, _) = site.logs(&[&app]);
    assert!(out.contains(" 20 x") && out.ends_with("last\n"), "{out}");
    assert!(!out.contains(&site.value));
    let masked = out
        .lines()
        .filter(|line| line.starts_with("‹secret:secret/app/PASSWORD"))
        .count();
    assert!(
        masked + 1 == out.lines().count() && masked > 50,
        "{masked} of {}",
        out.lines().count()
    );
    site.nowhere_on_disk();
}
