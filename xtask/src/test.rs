//! What CI checks, in the order in which it fails fastest.

mod lanes;

use crate::peers::{self, Peers};
use crate::{dist, sh, tidy};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// How often the store is killed in the middle of writes.
const CRASHES: &str = "1000";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let quick = match arguments {
        [] => false,
        [word] if word == "quick" => true,
        _ => bail!("usage: cargo xtask test [quick]"),
    };
    sh::run(sh::command("cargo", ["fmt", "--all", "--check"]))?;
    tidy::run(&[])?;
    if quick {
        clippy()?;
        return sh::run(sh::command(
            "cargo",
            ["test", "--workspace", "--exclude", "flows"],
        ));
    }
    // Peers are mostly waited for, clippy computes.
    let (peers, node, vaultrs) = std::thread::scope(|scope| {
        let fetched = scope.spawn(fetch);
        clippy()?;
        let fetched = fetched.join();
        fetched.unwrap_or_else(|_| bail!("fetching the peers ended in a panic"))
    })?;
    // What `tidy` checks of dependencies holds everywhere; cargo-deny says more where it is installed.
    if sh::has("cargo-deny") {
        sh::run(sh::command(
            "cargo",
            ["deny", "check", "bans", "licenses", "sources"],
        ))?;
    } else {
        sh::say("cargo-deny is not installed: advisories and duplicates are not looked at");
    }
    // The linkage that is shipped: what is mounted into foreign images must not need their libraries.
    let binary = dist::build("ci")?;
    let (compose, gitleaks) = (peers.compose()?, peers.gitleaks()?);
    lanes::run(|tests| {
        tests
            .env("COFFERDAM_BIN", &binary)
            .env("COFFERDAM_BAO", peers.bao())
            .env("COFFERDAM_PYTHON", peers.python())
            .env("COFFERDAM_COMPOSE", &compose)
            .env("COFFERDAM_GITLEAKS", &gitleaks)
            .env("COFFERDAM_NODE_MODULES", &node)
            .env("COFFERDAM_VAULTRS", &vaultrs)
            .env("COFFERDAM_CRASHES", CRASHES);
    })
}

fn clippy() -> Result<()> {
    sh::run(sh::command(
        "cargo",
        [
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ],
    ))
}

/// What the tests run beside: programs, and where the clients of node and Rust are.
fn fetch() -> Result<(Peers, PathBuf, PathBuf)> {
    let peers = peers::python()?;
    peers::programs(&[])?;
    Ok((peers, peers::node()?, peers::vaultrs()?))
}
