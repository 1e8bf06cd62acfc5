//! The server's log as a stream: what is heard, by whom, until when, and that nobody waits for a
//! listener. Judges: the real `bao monitor` on our server, and ours on a real OpenBao.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod bao;

use bao::Bao;
use flows::Server;
use flows::server::bare;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Lines that are read as they come, of a process or of a connection.
struct Heard {
    child: Option<Child>,
    stream: Option<TcpStream>,
    lines: Receiver<String>,
    /// What was passed over.
    before: Vec<String>,
}

/// Lines of the log alone: between them stand the sizes of chunks.
fn lines_of(out: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let all = BufReader::new(out).lines().map_while(Result::ok);
        for line in all.filter(|line| line.len() > 8) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Heard {
    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        Self {
            lines: lines_of(child.stdout.take().unwrap()),
            child: Some(child),
            stream: None,
            before: Vec::new(),
        }
    }

    /// Listens as this token; has begun when this returns.
    fn begin(server: &Server, token: &str, query: &str) -> Self {
        let address = server.address().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET /v1/sys/monitor?{query} HTTP/1.1\r\nHost: {address}\r\nX-Vault-Token: {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut heard = Self {
            lines: lines_of(stream.try_clone().unwrap()),
            child: None,
            stream: Some(stream),
            before: Vec::new(),
        };
        let status = heard.until("HTTP/1.1 ");
        assert!(status.contains(" 200 "), "{status}");
        heard.until("text/plain");
        heard
    }

    /// The next line with this in it.
    fn until(&mut self, wanted: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(line) => self.before.push(line),
                Err(error) => panic!("no {wanted:?} ({error}) behind {:#?}", self.before),
            }
        }
    }

    /// Whether a line with this comes while `again` is done over and over.
    fn until_with(&mut self, wanted: &str, again: impl Fn()) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            again();
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(line) => self.before.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(error) => panic!("no {wanted:?} ({error}) behind {:#?}", self.before),
            }
            assert!(Instant::now() < end, "no {wanted:?}: {:#?}", self.before);
        }
    }

    /// Waits for the end of the stream; the last line.
    fn last(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        let mut last = String::new();
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => last = line,
                Err(RecvTimeoutError::Disconnected) => return last,
                Err(RecvTimeoutError::Timeout) => panic!("the stream goes on"),
            }
        }
    }

    fn interrupt(mut self) -> Option<i32> {
        let mut child = self.child.take().expect("a process");
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        child.wait().unwrap().code()
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Already gone after its stream ended.
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// What leaves a line at level "info".
fn speak(server: &Server) {
    let (status, answer) = server.curl("root", "PUT", "sys/loggers/audit", r#"{"level":"info"}"#);
    assert_eq!(status, 204, "{answer}");
}

/// What leaves one at level "debug", with the path in it.
fn whisper(server: &Server, path: &str) {
    let (status, answer) = server.curl("root", "GET", path, "");
    assert_eq!(status, 404, "{answer}");
}

/// A token with these rules.
fn token(server: &Server, name: &str, rules: &str, more: &Value) -> String {
    let policy = json!({ "policy": rules }).to_string();
    let (status, answer) = server.curl("root", "PUT", &format!("sys/policy/{name}"), &policy);
    assert_eq!(status, 204, "{answer}");
    let mut asked = json!({"policies": [name], "no_default_policy": true, "no_parent": true});
    asked
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    let (status, answer) = server.curl("root", "POST", "auth/token/create", &asked.to_string());
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["auth"]["client_token"].as_str().unwrap().to_owned()
}

const MAY: &str = "path \"sys/monitor\" { capabilities = [\"read\", \"sudo\"] }";

#[test]
fn each_hears_the_log_from_now_on_at_a_level_of_its_own() {
    let server = Server::dev("root");
    whisper(&server, "nowhere/before");
    let mut debug = Heard::begin(&server, "root", "log_level=DEBUG");
    let mut info = Heard::begin(&server, "root", "");
    let mut json = Heard::begin(&server, "root", "log_format=json&log_level=debug");
    whisper(&server, "nowhere/heard");
    let line = debug.until("nowhere/heard");
    assert!(
        line.contains("DEBUG") && line.contains("request refused"),
        "{line}"
    );
    let line: Value = serde_json::from_str(&json.until("nowhere/heard")).unwrap();
    assert_eq!(line["level"], "DEBUG");
    assert_eq!(line["fields"]["path"], "nowhere/heard");
    speak(&server);
    info.until("a log level was changed");
    debug.until("a log level was changed");
    let before = info.before.join("\n");
    assert!(
        !before.contains("DEBUG") && !before.contains("nowhere"),
        "{before}"
    );
    assert!(!debug.before.join("\n").contains("nowhere/before"));
    // Whoever listens changes nothing for others: neither the log nor what the loggers say.
    let said = server.says("a log level was changed");
    assert!(!said.contains("DEBUG"), "{said}");
    // A credential in a path is told to nobody.
    let strange = "hvs.CAESIGJvZ3VzLXRva2VuLW9mLWEtdGVzdA";
    whisper(&server, &format!("nowhere/token/{strange}"));
    assert!(
        debug
            .until("nowhere/token/")
            .contains("nowhere/token/[token]")
    );
}

#[test]
fn who_may_not_is_refused_and_every_call_is_on_record_when_it_begins() {
    let server = Server::dev("root");
    let theirs = Bao::start();
    let log = server.directory().path().join("audit.log");
    let audit = json!({"type": "file", "options": {"file_path": log}}).to_string();
    assert_eq!(server.curl("root", "PUT", "sys/audit/file", &audit).0, 204);
    let reader = token(
        &server,
        "reader",
        "path \"sys/monitor\" { capabilities = [\"read\"] }",
        &Value::Null,
    );
    for token in ["", "hvs.unknown", &reader] {
        assert_eq!(
            server.curl(token, "GET", "sys/monitor", "").0,
            403,
            "{token}"
        );
    }
    for query in ["log_level=loud", "log_format=xml", "log_format="] {
        let path = format!("sys/monitor?{query}");
        let (status, answer) = server.curl("root", "GET", &path, "");
        let (their_status, their_answer) = theirs.ask("GET", &path, &Value::Null);
        assert_eq!(status, their_status, "{query}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer, their_answer, "{query}");
        assert_eq!(status, 400);
    }
    let records = || {
        let log = std::fs::read_to_string(&log).unwrap();
        let of_monitor = |line: &&str| line.contains("\"path\":\"sys/monitor\"");
        log.lines().filter(of_monitor).count()
    };
    assert_eq!(records(), 12, "two for each refusal");
    let may = token(&server, "may", MAY, &Value::Null);
    let mut heard = Heard::begin(&server, &may, "");
    assert_eq!(records(), 14, "while it goes on");
    speak(&server);
    heard.until("a log level was changed");
    drop(heard);
    assert_eq!(records(), 14);
}

#[test]
fn the_stream_ends_with_the_right_to_it_and_says_why() {
    let server = Server::dev("root");
    // By its time.
    let short = token(&server, "short", MAY, &json!({"ttl": "4s"}));
    let mut ending = Heard::begin(&server, &short, "log_level=trace");
    let begun = Instant::now();
    // By revocation, while it hears a lot.
    let revoked = token(&server, "revoked", MAY, &Value::Null);
    let mut heard = Heard::begin(&server, &revoked, "log_level=trace");
    whisper(&server, "nowhere/heard");
    heard.until("nowhere/heard");
    let body = json!({ "token": revoked }).to_string();
    assert_eq!(
        server.curl("root", "POST", "auth/token/revoke", &body).0,
        204
    );
    let last = heard.last();
    assert!(
        last.contains("this stream ends: permission denied"),
        "{last}"
    );
    assert_eq!(server.curl(&revoked, "GET", "sys/monitor", "").0, 403);
    let last = ending.last();
    assert!(
        last.contains("this stream ends: permission denied"),
        "{last}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "{:?}",
        begun.elapsed()
    );
    // With the vault.
    let mut heard = Heard::begin(&server, "root", "log_format=json");
    assert_eq!(server.curl("root", "PUT", "sys/seal", "").0, 204);
    let last: Value = serde_json::from_str(&heard.last()).unwrap();
    assert_eq!(
        last["fields"]["message"],
        "this stream ends: Vault is sealed"
    );
}

/// Opens a stream as the admin of the local socket; nothing is read but the head.
fn open(server: &Server) -> (String, BufReader<UnixStream>) {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /v1/sys/monitor?log_level=trace HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(answer.read_line(&mut head).unwrap(), 0, "{head}");
    }
    (head, answer)
}

/// Asks for so many paths of 4 KB that are not there, one after the other, on one connection.
fn whisper_much(server: &Server, count: usize) {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..count {
        let path = format!("nowhere/{}", "x".repeat(4000));
        let request = format!("GET /v1/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let (mut head, mut length) = (String::new(), 0);
        while head != "\r\n" {
            head.clear();
            assert_ne!(answers.read_line(&mut head).unwrap(), 0);
            let head = head.to_lowercase();
            if let Some(text) = head.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        answers.read_exact(&mut body).unwrap();
    }
}

#[test]
fn whoever_does_not_read_loses_lines_and_holds_up_nobody() {
    let server = Server::up();
    let (head, mut idle) = open(&server);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    // Far more than pipes and queues take.
    whisper_much(&server, 600);
    let (mut line, mut lost) = (String::new(), 0);
    // A short one may come first, where the connection was slower than the queue for a moment.
    while lost < 50 {
        line.clear();
        assert_ne!(idle.read_line(&mut line).unwrap(), 0, "no word of a loss");
        if line.contains("lines of this log were dropped") {
            let mut words = line.split_whitespace();
            lost += words.find_map(|word| word.parse::<u64>().ok()).unwrap();
        }
    }
    assert!(lost < 3000, "{lost}");
    // It hears again from then on.
    server.run(&["write", "sys/loggers/audit", "level=info"]);
    let mut line = String::new();
    while !line.contains("a log level was changed") {
        line.clear();
        assert_ne!(idle.read_line(&mut line).unwrap(), 0);
    }
    drop(idle);
    // So many and no more; a place is free when its listener hung up.
    let end = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    while all.len() < 16 {
        let (head, stream) = open(&server);
        if head.starts_with("HTTP/1.1 200") {
            all.push(stream);
        }
        assert!(Instant::now() < end, "{} of 16", all.len());
    }
    let (head, _) = open(&server);
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    all.pop();
    while !open(&server).0.starts_with("HTTP/1.1 200") {
        assert!(
            Instant::now() < end,
            "the place of one that left is not free"
        );
    }
    // None of them reads, and the server ends at once all the same.
    whisper_much(&server, 200);
    let begun = Instant::now();
    let (status, said) = server.stop();
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("were cut"), "{said}");
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn openbao_s_command_line_listens_to_our_server() {
    let server = Server::dev("root");
    let mut command = Command::new(std::env::var_os("COFFERDAM_BAO").unwrap_or("bao".into()));
    command
        .args(["monitor", "-log-level=debug"])
        .env("HOME", server.directory().path())
        .env("BAO_ADDR", server.address())
        .env("BAO_TOKEN", "root");
    let mut heard = Heard::of(&mut command);
    let line = heard.until_with("nowhere/heard", || whisper(&server, "nowhere/heard"));
    assert!(line.contains("DEBUG"), "{line}");
    assert_eq!(heard.interrupt(), Some(0));
}

#[test]
fn our_command_line_listens_to_either_server() {
    let (server, theirs) = (Server::dev("root"), Bao::start());
    let listen = |address: &str, level: &str| {
        let mut command = bare(server.directory().path());
        command
            .args(["monitor", &format!("-log-level={level}")])
            .env("VAULT_ADDR", address)
            .env("VAULT_TOKEN", "root");
        Heard::of(&mut command)
    };
    let mut ours = listen(server.address(), "Debug");
    ours.until_with("nowhere/heard", || whisper(&server, "nowhere/heard"));
    assert_eq!(ours.interrupt(), Some(0));
    let mut other = listen(&theirs.url(), "info");
    let number = std::cell::Cell::new(0);
    let line = other.until_with("successful mount", || {
        number.set(number.get() + 1);
        let path = format!("sys/mounts/kv{}", number.get());
        theirs.ask("POST", &path, &json!({"type": "kv"}));
    });
    assert!(line.contains("[INFO]"), "{line}");
    assert_eq!(other.interrupt(), Some(0));
    // The end of the server is the end of the command, with its reason.
    let mut ours = listen(server.address(), "info");
    ours.until_with("a log level was changed", || speak(&server));
    let (status, said) = server.stop();
    assert_eq!(status, Some(0), "{said}");
    let last = ours.last();
    assert!(
        last.contains("this stream ends: the server is shutting down"),
        "{last}"
    );
    let ended = ours.child.as_mut().unwrap().wait().unwrap();
    assert_eq!(ended.code(), Some(0));
}
