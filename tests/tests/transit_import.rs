//! `transit import`: keys that Python's cryptography made come into our server and a real OpenBao, by
//! our command line and by the real one; and what is made with them then is judged by that library.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flows::bao::Bao;
use flows::server::binary;
use flows::{Server, peers};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const KINDS: [&str; 5] = [
    "aes256-gcm96",
    "aes128-gcm96",
    "ed25519",
    "ecdsa-p256",
    "rsa-2048",
];

fn fed(mut command: Command, stdin: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn python(arguments: &[&str], stdin: &[u8]) {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/clients/transit_import.py"
    );
    let mut command = Command::new(peers::python());
    command.arg(script).args(arguments);
    let output = fed(command, stdin);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        flows::server::shown(&output)
    );
}

/// A command line, and the server that it talks with.
struct Line<'a> {
    program: PathBuf,
    address: &'a str,
    home: &'a Path,
}

impl Line<'_> {
    fn run(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home)
            .env("BAO_ADDR", self.address)
            .env("BAO_TOKEN", "root");
        fed(command, stdin)
    }

    fn done(&self, arguments: &[&str], stdin: &[u8]) -> String {
        let output = self.run(arguments, stdin);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            flows::server::shown(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the server makes of the text, for the library to judge.
    fn judged(&self, mount: &str, key: &str, kind: &str, keys: &str) {
        let text = STANDARD.encode("attack at dawn");
        let made = if kind.starts_with("aes") {
            let path = format!("{mount}/encrypt/{key}");
            self.done(
                &[
                    "write",
                    "-field=ciphertext",
                    &path,
                    &format!("plaintext={text}"),
                ],
                b"",
            )
        } else {
            let path = format!("{mount}/sign/{key}");
            self.done(
                &["write", "-field=signature", &path, &format!("input={text}")],
                b"",
            )
        };
        python(&["judge", keys, kind], made.as_bytes());
    }
}

#[test]
fn a_key_from_elsewhere_is_the_same_key_in_the_server() {
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().display().to_string();
    python(&["make", &keys], b"");
    let link = home.path().join("bao");
    std::os::unix::fs::symlink(binary(), &link).unwrap();
    let (ours, theirs) = (Server::dev("root"), Bao::start());
    for (number, (program, address)) in [
        (link.clone(), ours.address()),
        (link.clone(), theirs.url()),
        (peers::bao_binary(), ours.address()),
    ]
    .into_iter()
    .enumerate()
    {
        let line = Line {
            program,
            address,
            home: home.path(),
        };
        let mount = format!("t{number}");
        line.done(
            &["secrets", "enable", &format!("-path={mount}"), "transit"],
            b"",
        );
        for kind in KINDS {
            let path = format!("{mount}/keys/{kind}");
            let file = format!("@{keys}/{kind}.b64");
            let said = line.done(
                &["transit", "import", &path, &file, &format!("type={kind}")],
                b"",
            );
            assert!(
                said.ends_with("Submitting wrapped key.\nSuccess!\n"),
                "{said}"
            );
            line.judged(&mount, kind, kind, &keys);
        }
        let next = format!("@{keys}/next.b64");
        let path = format!("{mount}/keys/ed25519");
        line.done(&["transit", "import-version", &path, &next], b"");
        line.judged(&mount, "ed25519", "next", &keys);
    }

    // Ours also reads stdin, hashes otherwise, and names what is wrong without the key.
    let line = Line {
        program: link,
        address: ours.address(),
        home: home.path(),
    };
    let text = std::fs::read(home.path().join("aes256-gcm96.b64")).unwrap();
    let import = |path: &str, key: &str, more: &[&str], stdin: &[u8]| {
        line.run(&[&["transit", "import", path, key], more].concat(), stdin)
    };
    let hash = ["hash_function=SHA512"];
    assert!(import("t0/keys/stdin", "-", &hash, &text).status.success());
    line.judged("t0", "stdin", "aes256-gcm96", &keys);
    for (path, key, more, code) in [
        ("t0/keys/bad", "hunter2! hunter2!", &[][..], 1),
        ("t0/keys/bad", "", &[], 1),
        ("t0/keys/bad", "@/nowhere", &[], 1),
        ("t0/bad", "AAAA", &[], 1),
        (
            "t0/keys/bad",
            "QUFBQUFBQUFBQUFBQUFBQQ==",
            &["hash_function=MD5"],
            1,
        ),
        // Sixteen bytes are no key of this type.
        ("t0/keys/bad", "QUFBQUFBQUFBQUFBQUFBQQ==", &[], 3),
        (
            "t0/keys/stdin",
            "QUFBQUFBQUFBQUFBQUFBQQ==",
            &["type=aes128-gcm96"],
            3,
        ),
        ("nowhere/keys/a", "QUFBQUFBQUFBQUFBQUFBQQ==", &[], 3),
    ] {
        let output = import(path, key, more, b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{path} {key}: {said}");
        assert!(
            key.len() < 8 || key.starts_with('@') || !said.contains(key),
            "{said}"
        );
    }
    let said = ours.said();
    let text = String::from_utf8(text).unwrap();
    assert!(!said.contains(text.trim()));
}
