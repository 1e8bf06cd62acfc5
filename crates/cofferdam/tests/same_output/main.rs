//! The same session with `bao` and with `cofferdam`, each on its own OpenBao: what is printed on
//! stdout and the exit code must be the same, but for what a server makes up (times, names).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../bao/mod.rs"]
mod bao;
mod kv;
mod operators;
mod steady;
mod tokens;
mod verbs;

use bao::{Bao, Ran, program, run};
use std::path::Path;
use steady::steady;

/// A command and what it reads from stdin.
type Step = (&'static [&'static str], &'static str);

fn environment(bao: &Bao) -> Vec<(String, String)> {
    let pairs = [
        ("HOME", bao.home.path().display().to_string()),
        ("BAO_ADDR", bao.address.clone()),
        ("BAO_TOKEN", "root".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn session(program: &Path, bao: &Bao, steps: &[Step]) -> Vec<Ran> {
    let environment = environment(bao);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let steps = steps.iter();
    steps
        .map(|(args, stdin)| run(program, args, stdin, &environment))
        .collect()
}

/// Runs the session with both command lines, each on an OpenBao, and compares.
fn compare(steps: &[Step]) {
    compare_on(&Bao::start(), steps);
}

/// The same, with our command line on the given server.
fn compare_on(ours: &Bao, steps: &[Step]) {
    let theirs = Bao::start();
    let expected = session(&program(), &theirs, steps);
    // Under the name of the client that it stands for: a link to us is all that scripts see.
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("bao");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cofferdam"), &link).unwrap();
    let found = session(&link, ours, steps);
    let mut different = String::new();
    for ((step, expected), found) in steps.iter().zip(&expected).zip(&found) {
        let wanted = (expected.code, steady(&expected.stdout));
        let got = (found.code, steady(&found.stdout));
        if wanted != got {
            different.push_str(&format!(
                "\n$ {}\n--- bao: exit {}\n{}\n{}\n--- cofferdam: exit {}\n{}\n{}\n",
                step.0.join(" "),
                wanted.0,
                wanted.1,
                expected.stderr,
                got.0,
                got.1,
                found.stderr,
            ));
        }
    }
    assert!(different.is_empty(), "{different}");
}
