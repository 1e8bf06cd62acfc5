//! What CI checks, in the order in which it fails fastest.

use crate::{peers, sh, tidy};
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
    // Bans and sources; licences are in tidy, and advisories need a database that a closed network does not have.
    let mut deny = sh::command(peers.deny(), ["check", "bans", "sources"]);
    deny.env("CARGO_NET_OFFLINE", "true");
    sh::run(deny)?;
    sh::run(sh::command(
        "cargo",
        ["build", "--profile", "fast", "-p", "cofferdam"],
    ))?;
    let mut tests = sh::command("cargo", ["test", "--workspace", "--all-features"]);
    tests
        .env("COFFERDAM_BIN", sh::target().join("fast/cofferdam"))
        .env("COFFERDAM_BAO", peers.bao())
        .env("COFFERDAM_PYTHON", peers.python())
        .env("COFFERDAM_CRASHES", CRASHES);
    sh::run(tests)
}
