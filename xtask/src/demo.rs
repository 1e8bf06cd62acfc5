//! The main job, end to end: an example `.env` goes into a new store, an app reads it from tmpfs in a
//! Swarm service, in a plain container and in a build, a secret is rotated, and two leak matrices
//! show the app done right beside the same app done wrong.
//!
//! Everything it makes is named `cofferdam-demo` and removed at the end. Without a Docker engine it
//! says so and runs processes in a private mount namespace instead.

mod engine;
mod own;
mod plain;
mod right;
mod wrong;

use crate::{dist, sh};
use anyhow::{Context as _, Result, bail};
use engine::Engine;
use own::Own;
use std::path::PathBuf;

/// What everything the demo makes is called.
const NAME: &str = "cofferdam-demo";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let without = match arguments {
        [] => false,
        [word] if word == "--no-docker" => true,
        _ => bail!("usage: cargo xtask demo [--no-docker]"),
    };
    let binary = dist::build("fast")?;
    let directory = staged()?;
    let engine = if without {
        None
    } else {
        engine::find_or_install(&directory)?
    };
    let own = Own::up(&binary, &directory, engine.is_some())?;
    step("importing examples/shop/.env");
    own.show(&[
        "import",
        &sh::root().join("examples/shop/.env").to_string_lossy(),
        "-app",
        "shop",
    ])?;
    let done = match &engine {
        Some(engine) => with_docker(engine, &own, &directory),
        None => plain::run(&own),
    };
    // While the plugin still answers: Docker keeps a volume whose driver does not.
    if let Some(engine) = &engine {
        engine.clean();
    }
    drop(own);
    drop(engine);
    std::fs::remove_dir_all(&directory)
        .with_context(|| format!("cannot remove {}", directory.display()))?;
    done
}

fn with_docker(engine: &Engine, own: &Own, directory: &std::path::Path) -> Result<()> {
    let context = engine.prepare(directory)?;
    right::run(engine, own, &context)?;
    wrong::run(engine, &context)?;
    step("where the secrets of the app done right can be read");
    let right = own.report(&right::places())?;
    step("where the secrets of the same app done wrong can be read");
    let wrong = own.report(&wrong::places())?;
    verdict(right, wrong)
}

/// The report's exit codes: 0 clean, 1 exposed.
fn verdict(right: i32, wrong: i32) -> Result<()> {
    match (right, wrong) {
        (0, 1) => {
            sh::say("\ndone right: nothing found; done wrong: found. This is what it is for.");
            Ok(())
        }
        _ => bail!(
            "the matrices are not as they should be: right {right} (expected 0), wrong {wrong} (expected 1)"
        ),
    }
}

fn staged() -> Result<PathBuf> {
    let directory = sh::target().join("demo");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// A headline.
fn step(text: &str) {
    sh::say(&format!("\n== {text}"));
}
