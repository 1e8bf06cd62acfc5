//! `cofferdam run`: files in memory, and nothing else in the way of the command.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::canary::canary;
use flows::docker::wait;
use flows::server::shown;
use flows::{Server, canary};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Stores a value byte for byte.
fn put(server: &Server, path: &str, value: &[u8]) {
    let mut put = server.command(&["kv", "put", path, "value=-"]);
    let mut put = put
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    put.stdin.take().unwrap().write_all(value).unwrap();
    assert!(put.wait().unwrap().success());
}

/// Its output is looked at for values, so they stay in it.
fn run(server: &Server, arguments: &[&str]) -> Output {
    let mut command = server.command(&["run", "-no-redact"]);
    command
        .env("XDG_RUNTIME_DIR", runtime(server))
        .args(arguments);
    command.output().unwrap()
}

/// For a test that does not run as root.
fn runtime(server: &Server) -> String {
    server.directory().path().join("xdg").display().to_string()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", shown(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn start(server: &Server, script: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut command = server.command(&["run", "-secret", "one", "--", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(Result::unwrap))
}

fn kill(signal: &str, id: u32) {
    let sent = Command::new("kill")
        .args([signal, &id.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_command_reads_its_secrets_from_files_and_they_are_gone_after_it() {
    let server = Server::up();
    let value = canary();
    put(&server, "secret/shop/DB_PASSWORD", value.as_bytes());
    put(&server, "secret/shop/API_KEY", b"k");
    let script = "echo $DB_PASSWORD_FILE; stat -f -c %T $DB_PASSWORD_FILE; stat -c %a $DB_PASSWORD_FILE; \
                  cat $API_KEY_FILE $DB_PASSWORD_FILE; exit 0";
    let said = stdout(&run(&server, &["-app", "shop", "--", "sh", "-c", script]));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(&lines[1..], ["tmpfs", "400", &format!("k{value}")]);
    assert!(!Path::new(lines[0]).exists());
    assert!(!Path::new(lines[0]).parent().unwrap().exists());
}

#[test]
fn values_arrive_byte_for_byte() {
    let server = Server::up();
    // JSON, and so the API, carries text: bytes that are no UTF-8 are tried in the sink's tests.
    let long = "x".repeat(512_000);
    let values = [
        "x",
        "a\0b",
        "\n\n\n",
        "crlf\r\n",
        "\u{feff}bom",
        "$V ${} $$ `id` \"'={{ }}",
        &long,
    ];
    for value in values {
        put(&server, "secret/one", value.as_bytes());
        let output = run(
            &server,
            &["-secret", "one", "--", "sh", "-c", "cat $one_FILE"],
        );
        assert!(output.status.success(), "{}", shown(&output));
        assert!(output.stdout == value.as_bytes(), "{} bytes", value.len());
    }
    put(&server, "secret/one", format!("{long}x").as_bytes());
    let refused = run(&server, &["-secret", "one", "--", "true"]);
    assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
}

#[test]
fn no_value_is_in_the_environment_or_on_the_command_line_unless_asked_for() {
    let server = Server::up();
    let value = canary();
    put(&server, "secret/one", value.as_bytes());
    let look = "cat /proc/self/environ /proc/$PPID/environ /proc/$PPID/cmdline | tr '\\0' '\\n'";
    let said = stdout(&run(&server, &["-secret", "one", "--", "sh", "-c", look]));
    assert!(
        said.contains("one_FILE=") && !said.contains(&value),
        "{said}"
    );
    let said = stdout(&run(
        &server,
        &["-env", "one", "-pristine", "--", "/usr/bin/env"],
    ));
    assert_eq!(said, format!("one={value}\n"));
    put(&server, "secret/nul", b"a\0b");
    let refused = run(&server, &["-env", "nul", "--", "true"]);
    assert!(!refused.status.success());
    assert!(shown(&refused).contains("NUL"), "{}", shown(&refused));
}

#[test]
fn our_token_stays_with_us() {
    let server = Server::up();
    put(&server, "secret/one", b"v");
    let policy = server.directory().path().join("reader.hcl");
    std::fs::write(&policy, "path \"secret/*\" { capabilities = [\"read\"] }").unwrap();
    server.run(&["policy", "write", "reader", policy.to_str().unwrap()]);
    let token = server.run(&["token", "create", "-policy=reader", "-field=token"]);
    let token = token.trim();
    assert!(token.starts_with("hvs."), "{token}");
    let look = |flags: &[&str]| {
        let mut command = server.command(&["run", "-secret", "one"]);
        let command = command.args(flags).args(["--", "env"]);
        stdout(&command.env("VAULT_TOKEN", token).output().unwrap())
    };
    assert!(!look(&[]).contains(token));
    assert!(look(&["-keep-token"]).contains(token), "a way out");
}

#[test]
fn a_secret_that_cannot_be_had_stops_everything_with_the_next_command() {
    let server = Server::up();
    put(&server, "secret/one", b"v");
    put(&server, "secret/empty", b"");
    let witness = server.directory().path().join("witness");
    let touch = format!("touch {}", witness.display());
    let secrets = [
        "-secret", "one", "-secret", "gone", "-secret", "empty", "--", "sh", "-c", &touch,
    ];
    let refused = run(&server, &secrets);
    assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(
        words.contains("gone: no secret at cd://secret/gone"),
        "{words}"
    );
    assert!(words.contains("empty: the secret is empty"), "{words}");
    assert!(
        words.contains("hint: cofferdam kv put secret/gone value=-"),
        "{words}"
    );
    assert!(!witness.exists(), "the command ran");
}

#[test]
fn a_secret_of_several_fields_says_how_one_is_named() {
    let server = Server::up();
    server.run(&["kv", "put", "secret/shop/db", "user=u", "password=p"]);
    let refused = run(&server, &["-app", "shop", "--", "true"]);
    assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
    let words = shown(&refused);
    assert!(
        words.contains(
            "hint: name a field, as in db=secret/shop/db#password; there are password, user"
        ),
        "{words}"
    );
    let named = ["-secret", "db=secret/shop/db#password", "--", "sh", "-c"];
    let read = run(&server, &[&named[..], &["cat $db_FILE"]].concat());
    assert_eq!(stdout(&read), "p");
}

#[test]
fn the_end_of_the_command_is_ours() {
    let server = Server::up();
    put(&server, "secret/one", b"v");
    for (command, code) in [
        (&["sh", "-c", "exit 42"][..], 42),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["no-such-command"], 127),
        (&["/etc/passwd"], 126),
    ] {
        let output = run(&server, &[&["-secret", "one", "--"], command].concat());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{command:?}: {}",
            shown(&output)
        );
    }
}

#[test]
fn signals_reach_the_command_once_and_it_decides() {
    let server = Server::up();
    put(&server, "secret/one", b"v");
    let script = "trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo ready; \
                  while :; do sleep 0.05; done";
    let (mut child, mut lines) = start(&server, script);
    assert_eq!(lines.next().unwrap(), "ready");
    kill("-USR1", child.id());
    assert_eq!(lines.next().unwrap(), "usr1");
    kill("-TERM", child.id());
    assert_eq!(lines.next().unwrap(), "term");
    assert_eq!(lines.next(), None, "nothing came twice");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn after_a_kill_the_command_ends_and_the_next_start_cleans_up() {
    let server = Server::up();
    put(&server, "secret/one", b"v");
    let told = server.directory().path().join("told");
    let script = format!(
        "trap 'touch {}; exit' TERM; echo $one_FILE; while :; do sleep 0.05; done",
        told.display()
    );
    let (mut child, mut lines) = start(&server, &script);
    let file = lines.next().unwrap();
    assert!(Path::new(&file).exists());
    kill("-KILL", child.id());
    child.wait().unwrap();
    // Its output passed us and is nobody's now.
    wait("the kernel tells the command", || {
        told.exists().then_some(())
    });
    assert!(
        run(&server, &["-secret", "one", "--", "true"])
            .status
            .success()
    );
    wait("the sweep", || (!Path::new(&file).exists()).then_some(()));
}

#[test]
fn a_directory_on_a_disk_is_refused_with_a_way_out() {
    let server = Server::up();
    put(&server, "secret/one", b"v");
    let disk = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = disk.path().to_str().unwrap();
    let refused = run(&server, &["-secret", "one", "-dir", path, "--", "true"]);
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(
        words.contains("not a memory filesystem") && words.contains("/dev/shm"),
        "{words}"
    );
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = memory.path().to_str().unwrap();
    let script = format!("cat {path}/one");
    let said = stdout(&run(
        &server,
        &["-secret", "one", "-dir", path, "--", "sh", "-c", &script],
    ));
    assert_eq!(said, "v");
    assert_eq!(std::fs::read_dir(memory.path()).unwrap().count(), 0);
}

#[test]
fn a_private_delivery_is_invisible_to_other_processes() {
    let server = Server::up();
    let value = canary();
    put(&server, "secret/one", value.as_bytes());
    let script = "echo $one_FILE; cksum < $one_FILE; read line";
    let mut command = server.command(&[
        "run", "-secret", "one", "-private", "--", "sh", "-c", script,
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let file = lines.next().unwrap().unwrap();
    assert!(
        lines
            .next()
            .unwrap()
            .unwrap()
            .ends_with(&value.len().to_string())
    );
    assert!(!Path::new(&file).exists(), "seen from outside: {file}");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(canary::files_with(Path::new("/run/cofferdam-run"), &value).is_empty());
}

/// A job in the background is not stopped for touching a terminal that is not its own.
#[test]
fn in_the_background_of_a_terminal_a_command_runs_on_and_comes_back_to_the_front() {
    let server = Server::up();
    put(&server, "secret/one", b"swordfish-77!");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/background.py");
    for shell in [&["bash", "--norc", "-i"][..], &["dash", "-i"]] {
        let output = Command::new("python3")
            .arg(script)
            .arg(flows::binary())
            .args(shell)
            .env(
                "COFFERDAM_ADDR",
                format!("unix://{}", server.socket().display()),
            )
            .output()
            .expect("python3 is installed");
        assert!(output.status.success(), "{shell:?}: {}", shown(&output));
    }
}

#[test]
fn on_a_terminal_keys_reach_the_command_once_and_stopping_works() {
    let server = Server::up();
    put(&server, "secret/one", b"v");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/terminal.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(flows::binary())
        .env(
            "COFFERDAM_ADDR",
            format!("unix://{}", server.socket().display()),
        )
        .output()
        .expect("python3 is installed");
    assert!(output.status.success(), "{}", shown(&output));
}
