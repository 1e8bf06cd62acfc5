//! What a commit waits for: the hook over a staged change of one kilobyte, beside gitleaks over the same
//! repository in the same run.
//!
//! Start to end as git would wait, the two in turn so that a busy moment meets both; the median counts.

use super::scan;
use crate::sh;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const RUNS: usize = 21;

/// Files of the commit that the change is made to.
const FILES: usize = 200;

pub(super) fn run(binary: &Path, gitleaks: Option<&Path>) -> Result<()> {
    let repository = repository()?;
    let ours = vec![
        binary.display().to_string(),
        "hook".to_owned(),
        "run".to_owned(),
        format!("-key-file={}", scan::key().display()),
        "pre-commit".to_owned(),
    ];
    let mut all = vec![("cofferdam hook run pre-commit", ours)];
    if let Some(program) = gitleaks {
        let mut theirs = vec![program.display().to_string()];
        theirs.extend(["git", "--pre-commit", "--staged", "--no-banner", "."].map(str::to_owned));
        all.push(("gitleaks git --pre-commit --staged", theirs));
    }
    let mut times = vec![Vec::new(); all.len()];
    // One more: the first of each warms the cache.
    for run in 0..=RUNS {
        for ((_, command), times) in all.iter().zip(&mut times) {
            let took = once(command, &repository)?;
            if run > 0 {
                times.push(took);
            }
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let ours = medians.first().copied().unwrap_or_default();
    sh::print(&format!(
        "\n| One staged kilobyte, median of {RUNS} | wall | ours / its |\n|---|---:|---:|"
    ));
    for ((name, _), wall) in all.iter().zip(&medians) {
        sh::print(&format!("| {name} | {wall:.1} ms | {:.3} |", ours / wall));
    }
    std::fs::remove_dir_all(repository)?;
    Ok(())
}

pub(super) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds of one run, which must find nothing.
fn once(command: &[String], repository: &Path) -> Result<f64> {
    let (program, arguments) = command.split_first().context("no command")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(repository)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    if !status.success() {
        bail!("{} ended with {status}", command.join(" "));
    }
    Ok(took)
}

/// A commit of some files, and one kilobyte more that is staged.
fn repository() -> Result<PathBuf> {
    let directory = sh::target().join(format!("bench-hook-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("src"))?;
    let git = |arguments: &[&str]| {
        let mut command = sh::command("git", ["-c", "user.name=bench"]);
        command
            .args(["-c", "user.email=bench@example.org"])
            .args(arguments)
            .current_dir(&directory)
            .stdout(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => bail!("git {} ended with {status}", arguments.join(" ")),
            Err(error) => Err(error).context("cannot start git"),
        }
    };
    let line = "a line of a file that holds nothing\n";
    for number in 0..FILES {
        let text = format!("{number}\n{}", line.repeat(100));
        std::fs::write(directory.join(format!("src/{number}.txt")), text)?;
    }
    git(&["init", "--quiet"])?;
    git(&["add", "."])?;
    git(&["commit", "--quiet", "--no-verify", "-m", "files"])?;
    let change = format!(
        "7\n{}{}",
        line.repeat(100),
        "a line of a change\n".repeat(54)
    );
    std::fs::write(directory.join("src/7.txt"), change)?;
    git(&["add", "."])?;
    Ok(directory)
}
