//! What the programs for readings search, and how they measure.

#![allow(dead_code, reason = "each of the programs uses some of it")]

use std::fmt::Write as _;
use std::time::Duration;

/// Bytes of a text.
pub(crate) const SIZE: usize = 64 << 20;

/// Lines of JSON, as services write them; `colour` stands before the level.
pub(crate) fn log(colour: &str) -> Vec<u8> {
    let end = if colour.is_empty() { "" } else { "\x1b[0m" };
    let mut text = String::with_capacity(SIZE + 200);
    let mut number = 0_u64;
    while text.len() < SIZE {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        writeln!(
            text,
            "{{\"time\":\"2026-11-23T20:{:02}:{:02}Z\",\"level\":\"{colour}info{end}\",\"request\":\"{number:016x}\",\"path\":\"/v1/secret/data/app\",\"status\":200,\"took_us\":{}}}",
            number >> 58, number >> 59, number >> 50
        )
        .unwrap();
    }
    text.into_bytes()
}

/// This machine's shared libraries, as the scan of an image sees them.
pub(crate) fn libraries() -> Vec<u8> {
    let mut text = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/x86_64-linux-gnu")
        .unwrap()
        .flatten()
    {
        if text.len() < SIZE && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            text.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    text.truncate(SIZE);
    text
}

/// Rust, C and what lies beside it, as cargo has unpacked it, without its tests of large data.
pub(crate) fn source() -> Vec<u8> {
    let home = std::env::home_dir().unwrap_or_default();
    let mut folders = vec![home.join(".cargo/registry/src")];
    let mut text = Vec::new();
    while let Some(folder) = folders.pop().filter(|_| text.len() < SIZE) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let code = path.extension().is_some_and(|end| {
                ["rs", "c", "h", "toml", "md"]
                    .iter()
                    .any(|known| end == *known)
            });
            if kind.is_dir() {
                folders.push(path);
            } else if code && entry.metadata().is_ok_and(|about| about.len() < 1 << 20) {
                text.extend(std::fs::read(path).unwrap_or_default());
            }
        }
    }
    text.truncate(SIZE);
    text
}

/// Processor time of the least of some runs: the machine may be shared.
pub(crate) fn best(runs: usize, mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..runs {
        let start = processor_time();
        work();
        best = best.min(processor_time().saturating_sub(start));
    }
    best
}

fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Resident memory in KiB.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
