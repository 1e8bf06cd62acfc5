//! The guard on a real Docker engine of its own: what it refuses, what it lets pass, and that the
//! engine is never lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it should be, and shows what it measured"
)]

use flows::canary::canary;
use flows::docker::wait;
use flows::engine::Engine;
use flows::server::{bare, heard, shown};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

const IMAGE: &str = "guarded:1";
const CONFIG: &str = "{\n    \"debug\" : false,\n    \"labels\": [\"a=b\"]\n}\n";

/// `cofferdam guard` in one mode, ended on drop.
struct Guard {
    process: Child,
    socket: String,
    log: PathBuf,
}

impl Guard {
    fn start(engine: &Engine, mode: &str) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cofferdam-guard-{}-{number}", std::process::id());
        let socket = format!("/run/docker/plugins/{name}.sock");
        let log = engine.path(&format!("guard-{mode}.log"));
        let mut process = bare(&engine.path("."))
            .args(["guard", "-socket", &socket, "-mode", mode, "-log"])
            .arg(&log)
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        wait("the guard's socket", || {
            let ended = process.try_wait().ok().flatten();
            assert!(ended.is_none(), "the guard ended: {ended:?}");
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        Self {
            process,
            socket,
            log,
        }
    }

    /// `cofferdam guard VERB` for this guard and that engine.
    fn place(&self, engine: &Engine, verb: &str) -> Output {
        let (config, pid) = (engine.path("daemon.json"), engine.path("docker.pid"));
        let text = |path: &PathBuf| path.display().to_string();
        engine.ours(&[
            "guard",
            verb,
            "-socket",
            &self.socket,
            "-config",
            &text(&config),
            "-pid-file",
            &text(&pid),
            "-format=json",
        ])
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    fn says(&self, text: &str) -> String {
        heard(|| std::fs::read_to_string(&self.log).unwrap(), text, 1)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", shown(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether the engine answers within a time.
fn answers(engine: &Engine, patience: &str) -> bool {
    Command::new("timeout")
        .args([patience, flows::docker::client(), "ps"])
        .env("DOCKER_HOST", engine.host())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn dockerfile(engine: &Engine) -> String {
    let context = engine.path("context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        format!("FROM {IMAGE}\nARG NPM_TOKEN\nRUN [\"/bin/true\"]\n"),
    )
    .unwrap();
    context.display().to_string()
}

#[test]
fn an_enforcing_guard_refuses_every_plain_place_and_a_warning_one_lets_it_pass() {
    let engine = Engine::start(CONFIG);
    engine.import(IMAGE);
    let guard = Guard::start(&engine, "enforce");
    let before = ping(&engine);
    done(&guard.place(&engine, "enable"));
    println!(
        "ping without the guard {before:?}, with it {:?}",
        ping(&engine)
    );
    let value = canary();
    let secret = |name: &str| format!("{name}={value}");
    let container = engine.run(&["run", "-d", IMAGE, "sleep", "600"]);
    let context = dockerfile(&engine);
    let created = engine.run(&["ps", "-aq"]).lines().count();

    let (password, token) = (secret("DB_PASSWORD"), secret("NPM_TOKEN"));
    let label = secret("com.example.password");
    let argument = secret("--password");
    let change = format!("ENV {password}");
    for arguments in [
        &["run", "--rm", "-e", &password, IMAGE, "true"][..],
        &["create", "-e", &password, IMAGE, "true"],
        &["run", "--rm", "-l", &label, IMAGE, "true"],
        &["run", "--rm", IMAGE, "true", &argument],
        &["run", "--rm", IMAGE, "true", "--password", &value],
        &["exec", "-e", &password, &container, "true"],
        &["commit", "-c", &change, &container, "leak:1"],
        &[
            "service",
            "create",
            "--no-resolve-image",
            "-e",
            &password,
            IMAGE,
            "true",
        ],
        &["volume", "create", "-o", &secret("password"), "leak"],
        &["build", "--build-arg", &token, &context],
    ] {
        refused(&engine.docker(arguments), &value, &format!("{arguments:?}"));
    }
    let mut buildkit = engine.client(&["build", "--build-arg", &token, &context]);
    refused(
        &buildkit.env("DOCKER_BUILDKIT", "1").output().unwrap(),
        &value,
        "BuildKit",
    );

    // What no client of Docker's sends: other cases, duplicates, bodies that are hidden.
    let create = "/v1.41/containers/create";
    let padded = format!(
        "{{\"Image\":\"{IMAGE}\",\"Env\":[\"{password}\"],\"x\":\"{}\"}}",
        "a".repeat(1 << 20)
    );
    for (target, body, more) in [
        (
            create,
            format!("{{\"Image\":\"{IMAGE}\",\"env\":[\"{password}\"]}}"),
            &[][..],
        ),
        (
            create,
            format!("{{\"Image\":\"{IMAGE}\",\"ENV\":[\"{password}\"]}}"),
            &[],
        ),
        (
            create,
            format!("{{\"Env\":[\"{password}\"],\"Image\":\"{IMAGE}\",\"Env\":[]}}"),
            &[],
        ),
        (
            "//v1.41/containers/create",
            format!("{{\"Image\":\"{IMAGE}\",\"Env\":[\"{password}\"]}}"),
            &["--path-as-is"],
        ),
        (
            "/v1.41/containers/%63reate",
            format!("{{\"Image\":\"{IMAGE}\",\"Env\":[\"{password}\"]}}"),
            &[],
        ),
        (
            "/v1.41/containers/create?x=/auth",
            format!("{{\"Image\":\"{IMAGE}\",\"Env\":[\"{password}\"]}}"),
            &[],
        ),
        (
            create,
            format!("{{\"Image\":\"{IMAGE}\",\"Env\":[\"{password}\"]}}"),
            &["-H", "Transfer-Encoding: chunked"],
        ),
        (create, padded, &[]),
    ] {
        let (status, answer) = engine.raw(target, &body, more);
        // Newer engines refuse the largest one themselves.
        assert!(
            matches!(status, 400 | 403 | 500 | 301),
            "{target} {more:?}: {status} {answer}"
        );
        assert!(!answer.contains(&value), "{answer}");
        println!("{target} {more:?}: {status} {}", answer.trim());
    }
    assert_eq!(
        engine.run(&["ps", "-aq"]).lines().count(),
        created,
        "something was created"
    );

    // A path is no secret, and files are the way.
    engine.run(&[
        "run",
        "--rm",
        "-e",
        "DB_PASSWORD_FILE=/run/secrets/db",
        "-e",
        "LEVEL=info",
        IMAGE,
        "true",
    ]);
    engine.run(&["exec", "-e", "LEVEL=debug", &container, "true"]);
    let log = guard.says("DB_PASSWORD");
    assert!(!log.contains(&value), "the log holds a value");
    let status = done(&guard.place(&engine, "status"));
    assert!(
        status.contains("\"mode\": \"enforce\"") && status.contains("\"asked_by_engine\": true"),
        "{status}"
    );
    done(&guard.place(&engine, "disable"));
    assert_eq!(engine.config(), CONFIG, "the file is as it was");

    let guard = Guard::start(&engine, "warn");
    done(&guard.place(&engine, "enable"));
    engine.run(&["run", "--rm", "-e", &password, IMAGE, "true"]);
    let log = guard.says("let pass");
    assert!(log.contains("DB_PASSWORD") && log.contains("hint"), "{log}");
    assert!(!log.contains(&value), "the log holds a value");
    done(&guard.place(&engine, "disable"));
}

fn refused(output: &Output, value: &str, what: &str) {
    let said = shown(output);
    assert!(!output.status.success(), "{what} was let pass");
    assert!(
        said.contains("authorization denied by plugin"),
        "{what}: {said}"
    );
    assert!(said.contains("a secret in plain sight"), "{what}: {said}");
    assert!(said.contains("hint: "), "{what}: {said}");
    assert!(!said.contains(value), "{what} shows the value: {said}");
}

/// The fastest of some requests that do nothing.
fn ping(engine: &Engine) -> Duration {
    use std::io::{Read as _, Write as _};
    let once = || {
        let mut stream =
            std::os::unix::net::UnixStream::connect(engine.path("docker.sock")).unwrap();
        let begin = Instant::now();
        stream
            .write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
            .unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        begin.elapsed()
    };
    (0..20).map(|_| once()).min().unwrap()
}

#[test]
fn a_guard_that_hangs_or_is_dead_is_switched_off_without_it() {
    let engine = Engine::start(CONFIG);
    let mut guard = Guard::start(&engine, "enforce");
    done(&guard.place(&engine, "enable"));
    assert!(answers(&engine, "30"));
    assert!(
        engine
            .config()
            .contains("\"authorization-plugins\": [\"cofferdam-guard-")
    );

    guard.signal("-STOP");
    assert!(
        !answers(&engine, "3"),
        "dockerd waits for a guard that hangs"
    );
    let status = guard.place(&engine, "status");
    assert_eq!(status.status.code(), Some(1), "{}", shown(&status));
    let begin = Instant::now();
    done(&guard.place(&engine, "disable"));
    println!("switched off while the guard hung in {:?}", begin.elapsed());
    assert!(answers(&engine, "30"));
    assert_eq!(engine.config(), CONFIG);

    // Not with a guard that does not answer: dockerd would end itself.
    let refused = guard.place(&engine, "enable");
    assert!(
        shown(&refused).contains("no guard answers"),
        "{}",
        shown(&refused)
    );
    assert_eq!(engine.config(), CONFIG);
    guard.signal("-CONT");
    done(&guard.place(&engine, "enable"));

    guard.process.kill().unwrap();
    guard.process.wait().unwrap();
    assert!(
        !answers(&engine, "3"),
        "dockerd refuses while the guard is dead"
    );
    let begin = Instant::now();
    done(&guard.place(&engine, "disable"));
    println!(
        "switched off while the guard was dead in {:?}",
        begin.elapsed()
    );
    assert!(answers(&engine, "30"));
    assert_eq!(engine.config(), CONFIG);
}
