//! The manual: every page is written, and neither mandoc nor groff finds anything in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::process::Command;

fn pages(directory: &std::path::Path) -> Vec<PathBuf> {
    let output = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .arg("man")
        .arg(directory)
        .env("SOURCE_DATE_EPOCH", "1767225600")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn neither_mandoc_nor_groff_finds_anything() {
    let directory = tempfile::tempdir().unwrap();
    let pages = pages(directory.path());
    assert!(pages.len() > 40, "{} pages", pages.len());
    for (program, args) in [
        ("mandoc", &["-T", "lint", "-W", "warning"][..]),
        ("groff", &["-man", "-ww", "-z", "-Tutf8"][..]),
    ] {
        let mut command = Command::new(program);
        let output = command.args(args).args(&pages).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        let found = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&found), "", "{program}");
    }
}

#[test]
fn a_page_reads_as_a_page() {
    let directory = tempfile::tempdir().unwrap();
    pages(directory.path());
    let page = directory.path().join("cofferdam-lease.1");
    let output = Command::new("mandoc")
        .args(["-T", "ascii"])
        .arg(page)
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let plain: String = {
        // Bold and underlined characters are struck twice.
        let mut plain = String::new();
        for c in text.chars() {
            if c == '\u{8}' {
                plain.pop();
            } else {
                plain.push(c);
            }
        }
        plain
    };
    for part in [
        "COFFERDAM-LEASE(1)",
        "cofferdam-lease - show, renew and revoke leases",
        "cofferdam lease revoke",
        "-prefix",
        "-increment=DURATION",
        "2026-01-01",
    ] {
        assert!(plain.contains(part), "{part}: {plain}");
    }
}
