//! `cofferdam redact` and the output of `cofferdam run`: names where values stood, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::canary::canary;
use flows::server::shown;
use flows::{Server, docker::wait};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

fn put(server: &Server, path: &str, value: &str) {
    server.run(&["kv", "put", path, &format!("value={value}")]);
}

/// A filter that is fed by hand.
struct Filter {
    child: Child,
    input: Option<ChildStdin>,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Filter {
    fn start(server: &Server, flags: &[&str]) -> Self {
        let mut command = server.command(&[&["redact"], flags].concat());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            input: child.stdin.take(),
            child,
            lines: Box::new(lines.map(Result::unwrap)),
        }
    }

    fn line(&mut self, text: &str) -> String {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{text}\n").as_bytes()).unwrap();
        self.lines.next().unwrap()
    }

    /// The exit code and the words.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let mut words = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut words).unwrap();
        (self.child.wait().unwrap().code(), words)
    }
}

fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A filter that refuses reads nothing.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn values_of_the_store_are_masked_old_and_new_ones_while_it_runs() {
    let server = Server::up();
    let (first, second, other) = (canary(), canary(), canary());
    put(&server, "secret/shop/DB", &first);
    put(&server, "secret/shop/PIN", "1234");
    put(&server, "secret/other/KEY", &other);
    let mut filter = Filter::start(&server, &["-app", "secret/shop"]);
    let hex: String = first.bytes().map(|byte| format!("{byte:02X}")).collect();
    let wide: String = first.chars().flat_map(|c| [c, '\0']).collect();
    assert_eq!(
        filter.line(&format!("a {first} b")),
        "a ‹secret:secret/shop/DB@1› b"
    );
    for form in [hex, wide, format!("{{\"p\":\"{first}\"}}")] {
        let line = filter.line(&form);
        assert!(
            line.contains("‹secret:secret/shop/DB@1›"),
            "{form} -> {line}"
        );
    }
    assert_eq!(filter.line(&other), other, "another application's");
    put(&server, "secret/shop/DB", &second);
    wait("the new value is masked", || {
        (filter.line(&second) == "‹secret:secret/shop/DB@2›").then_some(())
    });
    assert_eq!(
        filter.line(&first),
        "‹secret:secret/shop/DB@1›",
        "the old one still is"
    );
    server.run(&["kv", "destroy", "-versions=1", "secret/shop/DB"]);
    put(&server, "secret/shop/MORE", &canary());
    let third = canary();
    put(&server, "secret/shop/LAST", &third);
    wait("the last value is masked", || {
        (filter.line(&third) == "‹secret:secret/shop/LAST@1›").then_some(())
    });
    assert_eq!(
        filter.line(&first),
        "‹secret:secret/shop/DB@1›",
        "who got it still has it"
    );
    let (code, words) = filter.end();
    assert_eq!(code, Some(0), "{words}");
    assert!(
        words.contains("not masked: secret/shop/PIN@1: shorter than 8 bytes"),
        "{words}"
    );
    assert!(!words.contains("1234"), "{words}");
}

#[test]
fn bytes_pass_as_they_are_and_readers_may_leave() {
    let server = Server::up();
    put(&server, "secret/shop/DB", &canary());
    let mut bytes = vec![0_u8; 3_000_000];
    std::fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    let output = feed(server.command(&["redact"]), &bytes);
    assert!(output.status.success(), "{}", shown(&output));
    assert!(
        output.stdout == bytes,
        "{} of {}",
        output.stdout.len(),
        bytes.len()
    );
    let output = feed(server.command(&["redact"]), b"");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));

    let mut child = server
        .command(&["redact"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    while input.write_all(&[b'.'; 4096]).is_ok() {}
    assert_eq!(
        child.wait().unwrap().code(),
        Some(0),
        "a broken pipe is no error"
    );
}

#[test]
fn without_values_nothing_passes() {
    let server = Server::up();
    let output = feed(server.command(&["redact"]), b"text");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(
        shown(&output).contains("no secrets to mask"),
        "{}",
        shown(&output)
    );
    let mut command = server.command(&["redact"]);
    command.env("COFFERDAM_ADDR", "unix:///nowhere/at.sock");
    let output = feed(command, b"text");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[test]
fn output_of_a_command_is_masked_on_both_streams_unless_it_is_not_to_be() {
    let server = Server::up();
    let value = canary();
    put(&server, "secret/shop/DB", &value);
    let script = "cat $DB_FILE; cat $DB_FILE | base64 >&2; printf more; exit 7";
    let run = |flags: &[&str]| {
        let words = [&["run", "-app", "shop"], flags, &["--", "sh", "-c", script]].concat();
        server.command(&words).output().unwrap()
    };
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(7));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text(&output.stdout), "‹secret:secret/shop/DB@1›more");
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("‹secret:secret/shop/DB@1›"), "{stderr}");
    let output = run(&["-no-redact"]);
    assert_eq!(text(&output.stdout), format!("{value}more"));

    // One byte at a time, with and without pauses longer than ours.
    for pause in ["", "sleep 0.04;"] {
        let script = format!(
            "fold -w1 $DB_FILE | while read -r c || [ -n \"$c\" ]; do printf %s \"$c\"; {pause} done"
        );
        let output = server
            .command(&["run", "-app", "shop", "--", "sh", "-c", &script])
            .output()
            .unwrap();
        let said = text(&output.stdout);
        let left = said.strip_suffix("‹secret:secret/shop/DB@1›").expect(&said);
        assert!(left.len() <= 3, "{said}");
    }
}

#[test]
fn on_a_terminal_programs_still_see_one() {
    let server = Server::up();
    put(&server, "secret/one", "swordfish-77!");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/masked_terminal.py");
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
