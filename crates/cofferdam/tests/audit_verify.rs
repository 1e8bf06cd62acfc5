//! `audit verify` on the log of our own server: whole, then touched in each way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "another test of this module uses the rest")]
mod bao;

use bao::{Bao, Ran, run};
use std::path::{Path, PathBuf};

struct Logged {
    server: Bao,
    log: PathBuf,
}

impl Logged {
    /// A server whose audit log has some twenty records.
    fn start() -> Self {
        let server = Bao::start_own();
        let log = server.home.path().join("audit.log");
        let logged = Self { server, log };
        let path = format!("file_path={}", logged.log.display());
        assert_eq!(
            logged.cofferdam(&["audit", "enable", "file", &path]).code,
            0
        );
        for number in 0..5 {
            let name = format!("secret/app/{number}");
            assert_eq!(logged.cofferdam(&["kv", "put", &name, "value=x"]).code, 0);
        }
        logged
    }

    fn cofferdam(&self, args: &[&str]) -> Ran {
        let home = self.server.home.path().display().to_string();
        let environment = [
            ("HOME", home.as_str()),
            ("VAULT_ADDR", self.server.address.as_str()),
            ("VAULT_TOKEN", "root"),
        ];
        run(
            Path::new(env!("CARGO_BIN_EXE_cofferdam")),
            args,
            "",
            &environment,
        )
    }

    /// Verifies a copy of the log with these lines, which should reach a head.
    fn verify(&self, lines: &[&str], head: &str) -> Ran {
        let copy = self.server.home.path().join("copy.log");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&copy, text).unwrap();
        let head = format!("-head={head}");
        self.cofferdam(&["audit", "verify", &head, copy.to_str().unwrap()])
    }
}

#[test]
fn a_whole_log_is_whole_and_a_touched_one_names_its_lines() {
    let logged = Logged::start();
    let whole = logged.cofferdam(&["audit", "verify", logged.log.to_str().unwrap()]);
    assert_eq!((whole.code, whole.stderr.as_str()), (0, ""), "{whole:?}");
    assert!(whole.stdout.starts_with("whole: "), "{whole:?}");

    let text = std::fs::read_to_string(&logged.log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() > 10, "{}", lines.len());

    let copy = logged.verify(&lines, "none");
    assert_eq!(copy.code, 0, "{copy:?}");
    let head = copy.stdout.trim().rsplit(' ').next().unwrap();
    assert_eq!(logged.verify(&lines, head).code, 0);

    let edited = lines[3].replacen("secret", "sekret", 1);
    let mut with_edit = lines.clone();
    with_edit[3] = &edited;
    let found = logged.verify(&with_edit, head);
    assert_eq!(
        (found.code, found.stdout.as_str()),
        (1, "line 4: edited\n"),
        "{found:?}"
    );

    let mut without_one = lines.clone();
    without_one.remove(4);
    let found = logged.verify(&without_one, head);
    assert_eq!(found.code, 1);
    assert_eq!(found.stdout, "before line 5: record 5 is missing\n");

    let mut swapped = lines.clone();
    swapped.swap(5, 6);
    let found = logged.verify(&swapped, head);
    assert_eq!(found.code, 1);
    assert!(
        found.stdout.contains("stands later than it was written"),
        "{found:?}"
    );

    let found = logged.verify(&lines[..6], head);
    assert_eq!(found.code, 1);
    assert!(
        found
            .stdout
            .starts_with("the log ends with record 6, but reached "),
        "{found:?}"
    );

    let mut with_stranger = lines.clone();
    with_stranger.insert(
        2,
        "{\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"request\"}",
    );
    let found = logged.verify(&with_stranger, head);
    assert_eq!(found.code, 1);
    assert!(
        found.stdout.contains("line 3: not a record of this log"),
        "{found:?}"
    );
}

#[test]
fn what_cannot_be_verified_is_told_apart_from_what_was_touched() {
    let logged = Logged::start();
    let missing = logged.cofferdam(&["audit", "verify", "/nowhere/audit.log"]);
    assert_eq!(missing.code, 2);
    assert_eq!(
        missing.stderr,
        "cannot read /nowhere/audit.log: no such file or directory\n"
    );
    let log = logged.log.to_str().unwrap();
    let unknown = logged.cofferdam(&["audit", "verify", "-path=other", log]);
    assert_eq!(unknown.code, 2);
    let head = logged.cofferdam(&["audit", "verify", "-head=nonsense", log]);
    assert_eq!(head.code, 1);
    assert!(
        head.stderr.starts_with("not the head of a log\nhint: "),
        "{head:?}"
    );
}
