//! Directory scan beside gitleaks, betterleaks and kingfisher, over the same tree with a warm cache, each
//! as its own documentation runs it without asking providers; and `cat`, as what reading alone costs.
//!
//! Processor time and memory are what the kernel counted (`time`). The best of some runs is shown: the
//! machine may be shared, and nothing makes a program faster than it is.

use super::hook;
use crate::{dist, peers, sh};
use anyhow::{Context as _, Result, bail};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const RUNS: usize = 3;

/// What one program took.
#[derive(Clone, Copy)]
struct Cost {
    processor: f64,
    wall: f64,
    memory: u64,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    peers::programs(&[("time", "time")])?;
    let tree = match arguments.first() {
        Some(tree) => PathBuf::from(tree),
        None => sources()?,
    };
    let binary = match std::env::var_os("COFFERDAM_BIN") {
        Some(binary) => PathBuf::from(binary),
        None => dist::build("release")?,
    };
    let others = peers::scanners()?;
    let cat = best(&shell(&format!(
        "find '{}' -type f -print0 | xargs -0 cat >/dev/null",
        tree.display()
    )))?;
    let ours = best(&ours(&binary, &tree))?;
    let mut rows = vec![("cat", cat), ("cofferdam", ours)];
    for (name, program) in &others {
        rows.push((name, best(&theirs(program, &tree))?));
    }
    sh::print("| What | processor | wall | memory | our processor time / its | our wall / its |");
    sh::print("|---|---:|---:|---:|---:|---:|");
    for (name, cost) in rows {
        sh::print(&format!(
            "| {name} | {:.2} s | {:.2} s | {} MiB | {:.2} | {:.2} |",
            cost.processor,
            cost.wall,
            cost.memory >> 10,
            ours.processor / cost.processor,
            ours.wall / cost.wall,
        ));
    }
    sh::print(&format!(
        "\n`scan stdin` with 1 KB, start to end, median of 21: {:.1} ms",
        small(&binary)?
    ));
    let gitleaks = others.iter().find(|(name, _)| name.starts_with("gitleaks"));
    hook::run(&binary, gitleaks.map(|(_, program)| program.as_path()))
}

/// The sources of the crates that this workspace is built from.
fn sources() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .context("no home directory")?;
    Ok(home.join("registry/src"))
}

fn shell(line: &str) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()]
}

fn ours(binary: &Path, tree: &Path) -> Vec<String> {
    let mut command = vec![binary.display().to_string()];
    command.extend(["scan", "dir", "-format=json"].map(str::to_owned));
    command.push(format!("-key-file={}", key().display()));
    command.push(tree.display().to_string());
    command
}

/// The key of digests, made here so that no run makes one.
pub(super) fn key() -> PathBuf {
    let key = sh::target().join("bench-scan.key");
    if !key.exists() {
        let _ = std::fs::write(&key, "a key of the benchmark, which is nobody's secret");
    }
    key
}

fn theirs(program: &Path, tree: &Path) -> Vec<String> {
    let report = sh::target().join("bench-scan.json").display().to_string();
    let tree = tree.display().to_string();
    let name = program
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let arguments: Vec<String> = match name.as_str() {
        "gitleaks" => ["dir", &tree, "--no-banner", "-f", "json", "-r", &report]
            .map(str::to_owned)
            .to_vec(),
        "betterleaks" => [&tree, "--no-banner", "-s", "-o", &report]
            .map(str::to_owned)
            .to_vec(),
        _ => [
            "scan",
            &tree,
            "--no-validate",
            "--no-update-check",
            "--format",
            "json",
            "--output",
            &report,
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    let mut command = vec![program.display().to_string()];
    command.extend(arguments);
    command
}

/// The run that took the least processor time. The first one warms the cache, and a program's own.
fn best(command: &[String]) -> Result<Cost> {
    measured(command)?;
    let mut best = measured(command)?;
    for _ in 1..RUNS {
        let cost = measured(command)?;
        best.processor = best.processor.min(cost.processor);
        best.wall = best.wall.min(cost.wall);
        best.memory = best.memory.max(cost.memory);
    }
    Ok(best)
}

fn measured(command: &[String]) -> Result<Cost> {
    let report = sh::target().join("bench-scan.time");
    let report = report.to_string_lossy();
    let mut timed = sh::command("time", ["-q", "-o", &report, "-f", "%U %S %e %M"]);
    let status = timed
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", command.join(" ")))?;
    // Findings are exit code 1 with some and 200 with others; what failed wrote no times that make sense.
    if status.code().is_none() {
        bail!("killed: {}", command.join(" "));
    }
    let text = std::fs::read_to_string(report.as_ref())?;
    let figures: Vec<f64> = text
        .split_whitespace()
        .filter_map(|figure| figure.parse().ok())
        .collect();
    let [user, system, wall, memory] = figures.as_slice() else {
        bail!("no times of: {}", command.join(" "));
    };
    Ok(Cost {
        processor: user + system,
        wall: *wall,
        memory: *memory as u64,
    })
}

/// Milliseconds for one kilobyte on stdin.
fn small(binary: &Path) -> Result<f64> {
    let text = "a line of a change that holds nothing\n".repeat(27);
    let mut times = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        let mut child = Command::new(binary)
            .args(["scan", "stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text.as_bytes())?;
        }
        child.wait()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(hook::median(times))
}
