//! Tests in two lanes beside each other: what waits for the one Docker engine of a machine, a program
//! at a time, and everything else, which computes. Each program's lines are printed in one piece when
//! it has ended.

use crate::sh;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::io::{BufRead as _, BufReader, PipeReader, pipe};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package whose tests are about the whole binary.
const FLOWS: &str = "flows";
/// Every run builds and selects alike, so that nothing is built twice.
const ALL: &[&str] = &["test", "--workspace", "--all-features"];
/// How cargo announces the next program.
const NEXT: &[&str] = &["     Running ", "   Doc-tests "];

/// Which test programs run where.
struct Lanes {
    engine: Vec<String>,
    others: Vec<String>,
}

/// Builds all tests, and runs them with what `prepare` adds to the command.
pub(super) fn run(prepare: impl Fn(&mut Command) + Sync) -> Result<()> {
    let lanes = Lanes::read()?;
    sh::run(sh::command("cargo", [ALL, &["--no-run"]].concat()))?;
    let engine = select(&[], &lanes.engine);
    let others = select(&["--lib", "--bins"], &lanes.others);
    let documents = vec!["--doc".to_owned()];
    let (engine, others) = std::thread::scope(|scope| {
        let engine = scope.spawn(|| lane(&engine, &prepare));
        let others = lane(&others, &prepare).and_then(|passed| {
            let documents = lane(&documents, &prepare)?;
            Ok(passed && documents)
        });
        (engine.join(), others)
    });
    let engine = engine.map_err(|_| anyhow::anyhow!("a lane ended in a panic"))??;
    if !(engine && others?) {
        bail!("tests failed: see above, under `failures:`");
    }
    Ok(())
}

/// Runs one lane; whether all of it passed.
fn lane(selected: &[String], prepare: &impl Fn(&mut Command)) -> Result<bool> {
    let mut command = sh::command("cargo", ALL);
    // All of what fails is said at once: a second look would cost as much as the first.
    command.arg("--no-fail-fast").args(selected);
    prepare(&mut command);
    let (lines, end) = pipe().context("cannot make a pipe")?;
    command
        .stdin(std::process::Stdio::null())
        .stdout(end.try_clone().context("cannot share a pipe")?)
        .stderr(end);
    let mut child = command.spawn().context("cannot start cargo")?;
    // It holds the writing ends: without this the lines would not end.
    drop(command);
    print(lines)?;
    Ok(child.wait().context("cannot wait for cargo")?.success())
}

/// Prints what comes, a program at a time.
fn print(lines: PipeReader) -> Result<()> {
    let mut piece = String::new();
    for line in BufReader::new(lines).split(b'\n') {
        let line = line.context("cannot read what a test says")?;
        let line = String::from_utf8_lossy(&line);
        if NEXT.iter().any(|next| line.starts_with(next)) && !piece.is_empty() {
            sh::print(piece.trim_end());
            piece.clear();
        }
        piece.push_str(&line);
        piece.push('\n');
    }
    sh::print(piece.trim_end());
    Ok(())
}

fn select(first: &[&str], tests: &[String]) -> Vec<String> {
    let first = first.iter().map(|&word| word.to_owned());
    let tests = tests
        .iter()
        .flat_map(|test| ["--test".to_owned(), test.clone()]);
    first.chain(tests).collect()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Lanes {
    fn read() -> Result<Self> {
        let metadata = ["metadata", "--no-deps", "--format-version", "1"];
        let metadata = sh::output(sh::command("cargo", metadata))?;
        let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata")?;
        let mut lanes = Self {
            engine: Vec::new(),
            others: Vec::new(),
        };
        for package in metadata.packages {
            let tests = package.targets.into_iter();
            for test in tests.filter(|target| target.kind.iter().any(|kind| kind == "test")) {
                let lane = if package.name == FLOWS && meets_engine(&test.src_path)? {
                    &mut lanes.engine
                } else {
                    &mut lanes.others
                };
                lane.push(test.name);
            }
        }
        // Cargo selects by name: where two packages have one of that name, both run in one lane.
        let engine = &lanes.engine;
        lanes.others.retain(|name| !engine.contains(name));
        Ok(lanes)
    }
}

/// Whether a test's sources speak of Docker: it may start the engine then, or look at its files.
fn meets_engine(source: &Path) -> Result<bool> {
    if source.file_name().is_some_and(|name| name == "main.rs") {
        let directory = source.parent().unwrap_or(source);
        return speaks_below(directory);
    }
    speaks(source)
}

fn speaks_below(directory: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(directory).context("cannot list a test's sources")? {
        let path = entry?.path();
        if path.is_dir() && speaks_below(&path)? || path.is_file() && speaks(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn speaks(source: &Path) -> Result<bool> {
    let text = std::fs::read(source);
    let text = text.with_context(|| format!("cannot read {}", source.display()))?;
    Ok(String::from_utf8_lossy(&text)
        .to_lowercase()
        .contains("docker"))
}
