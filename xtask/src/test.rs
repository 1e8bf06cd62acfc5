//! What CI checks, in the order in which it fails fastest.

use crate::{dist, peers, sh, tidy};
use anyhow::{Result, bail};

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
    ))?;
    if quick {
        return sh::run(sh::command(
            "cargo",
            ["test", "--workspace", "--exclude", "flows"],
        ));
    }
    let peers = peers::python()?;
    peers::programs(&[])?;
    let (node, vaultrs) = (peers::node()?, peers::vaultrs()?);
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
    let binary = dist::build("fast")?;
    // All of what fails is said at once: a second look would cost as much as the first.
    let mut tests = sh::command(
        "cargo",
        ["test", "--workspace", "--all-features", "--no-fail-fast"],
    );
    tests
        .env("COFFERDAM_BIN", binary)
        .env("COFFERDAM_BAO", peers.bao())
        .env("COFFERDAM_PYTHON", peers.python())
        .env("COFFERDAM_COMPOSE", peers.compose()?)
        .env("COFFERDAM_GITLEAKS", peers.gitleaks()?)
        .env("COFFERDAM_NODE_MODULES", node)
        .env("COFFERDAM_VAULTRS", vaultrs)
        .env("COFFERDAM_CRASHES", CRASHES);
    sh::run(tests)
}
