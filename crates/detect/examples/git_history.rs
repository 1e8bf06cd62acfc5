//! What the search of a whole history costs beside `git cat-file`, and beside other scanners.
//!
//! ```console
//! $ cargo run --profile fast -p cofferdam-detect --example git_history [REPOSITORY] [PROGRAM…]
//! ```
//!
//! Without a repository one is made whose pack has some 350 MB. Every further argument is a command that
//! is run with the repository's path behind it, such as `gitleaks git --no-banner --exit-code 0`. Nothing
//! passes or fails here: these are readings.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for readings"
)]

use cofferdam_detect::findings::Findings;
use cofferdam_detect::pattern::{DigestKey, Scanner};
use cofferdam_detect::source::Limits;
use cofferdam_detect::source::git::{History, Repository, Selection, Setting};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::time::Instant;

/// Clock ticks of `/proc`, a second.
const TICKS: f64 = 100.0;

/// Processor seconds of this process and of those it waited for (`proc_pid_stat(5)`).
fn used() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let rest = stat.rsplit(") ").next().unwrap();
    let field = |at: usize| rest.split(' ').nth(at).unwrap().parse::<f64>().unwrap() / TICKS;
    (field(11) + field(12), field(13) + field(14))
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1000
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let made = tempfile::tempdir().unwrap();
    let repository = match arguments.next() {
        Some(path) => PathBuf::from(path),
        None => make(made.path()),
    };
    println!("| what | processor seconds | seconds | peak MB |\n|---|---:|---:|---:|");
    let git = child(
        &[
            "git",
            "cat-file",
            "--batch-all-objects",
            "--batch",
            "--buffer",
            "--unordered",
        ],
        &repository,
        false,
    );
    let ours = ours(&repository);
    for command in arguments {
        let words: Vec<&str> = command.split(' ').collect();
        child(&words, &repository, true);
    }
    println!("\nours / git cat-file: {:.2}", ours / git);
}

/// Runs a program; its processor seconds.
fn child(words: &[&str], repository: &Path, with_path: bool) -> f64 {
    let (before, start) = (used().1, Instant::now());
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(repository);
    if with_path {
        command.arg(repository);
    }
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let cost = used().1 - before;
    let wall = start.elapsed().as_secs_f64();
    println!(
        "| {} ({}) | {cost:.2} | {wall:.2} | |",
        words[..2].join(" "),
        status.unwrap()
    );
    cost
}

fn ours(path: &Path) -> f64 {
    let (before, start) = (used().0, Instant::now());
    let repository = Repository::open(path, &Setting::default()).unwrap();
    let (scanner, key) = (
        Scanner::new(),
        DigestKey::new(&Secret::new(b"a key for readings".to_vec())),
    );
    let matcher = Matcher::new(Needles::new());
    let progress = AtomicU64::new(0);
    let history = History {
        matcher: &matcher,
        rules: Some((&scanner, &key)),
        limits: Limits::default(),
        progress: &progress,
        threads: 0,
    };
    let looked = history.search(&repository, &Selection::all()).unwrap();
    let (bytes, objects) = (looked.bytes >> 20, looked.objects);
    let gaps = looked.gaps.len() as u64 + looked.more_gaps;
    let findings = Findings::new(looked);
    let cost = used().0 - before;
    let wall = start.elapsed().as_secs_f64();
    println!(
        "| cofferdam, all objects | {cost:.2} | {wall:.2} | {} |",
        peak()
    );
    println!(
        "\n{} findings, {gaps} gaps, {objects} objects, {bytes} MiB\n",
        findings.findings.len()
    );
    cost
}

/// A history of some 350 MB: files of words that are edited again and again, and files that are new.
fn make(directory: &Path) -> PathBuf {
    let path = directory.join("big");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(directory).args(arguments);
        command
    };
    assert!(
        git(&["init", "-q", "--bare", "big"])
            .status()
            .unwrap()
            .success()
    );
    let mut import = git(&["-C", "big", "fast-import", "--quiet"]);
    let mut import = import.stdin(Stdio::piped()).spawn().unwrap();
    let mut to = std::io::BufWriter::new(import.stdin.take().unwrap());
    let mut dice: u64 = 1;
    let mut roll = move || {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        dice >> 33
    };
    let mut files: Vec<String> = vec![String::new(); 400];
    for number in 0..24_000_u64 {
        let at = usize::try_from(roll()).unwrap() % files.len();
        let file = &mut files[at];
        if file.len() > 200_000 {
            file.clear();
        }
        for _ in 0..60 {
            let _ = writeln!(
                file,
                "let value_{:x} = key_of({:x}{:x}, \"{:x}\");",
                roll(),
                roll(),
                roll(),
                roll()
            );
        }
        let message = format!("change {number}");
        write!(
            to,
            "commit refs/heads/main\ncommitter A <a@b> {} +0000\ndata {}\n{message}\nM 100644 inline d{}/f{at}.rs\ndata {}\n{file}\n",
            1_600_000_000 + number,
            message.len(),
            at % 20,
            file.len()
        )
        .unwrap();
    }
    drop(to);
    assert!(import.wait().unwrap().success());
    assert!(
        git(&["-C", "big", "repack", "-q", "-a", "-d", "-f"])
            .status()
            .unwrap()
            .success()
    );
    path
}
