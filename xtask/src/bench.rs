//! Our figures beside a real OpenBao's, in the same run on the same core.
//!
//! Each server is pinned to core 0 and serves plain HTTP on loopback with a file audit device; the
//! load comes from `wrk` on core 1. Nothing here passes or fails: the ratio is printed, and
//! `docs/benchmarks.md` keeps it with this command.

mod hook;
mod load;
mod scan;
mod server;

use crate::{dist, peers, sh};
use anyhow::Result;
use load::Load;
use server::Server;

/// What is measured of both servers.
const LOADS: &[Load] = &[
    Load {
        name: "KV v2 read, 16 connections",
        connections: 16,
        script: load::READ,
        policies: 1,
    },
    Load {
        name: "KV v2 read, 50 policies, 16 connections",
        connections: 16,
        script: load::READ,
        policies: 50,
    },
    Load {
        name: "KV v2 durable write, 64 connections",
        connections: 64,
        script: load::WRITE,
        policies: 1,
    },
    Load {
        name: "AppRole login, 16 connections",
        connections: 16,
        script: load::LOGIN,
        policies: 1,
    },
    Load {
        name: "token create, 16 connections",
        connections: 16,
        script: load::CREATE,
        policies: 1,
    },
    Load {
        name: "token lookup-self, 16 connections",
        connections: 16,
        script: load::LOOKUP,
        policies: 1,
    },
    Load {
        name: "transit encrypt of 64 bytes, 16 connections",
        connections: 16,
        script: load::ENCRYPT,
        policies: 1,
    },
    Load {
        name: "list of 10,000 keys, 16 connections",
        connections: 16,
        script: load::LIST,
        policies: 1,
    },
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(("scan", rest)) = arguments
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        return scan::run(rest);
    }
    let seconds = arguments
        .first()
        .map_or(Ok(10), |text| text.parse::<u32>())?;
    let peers = peers::python()?;
    peers::programs(&[("wrk", "wrk"), ("taskset", "util-linux")])?;
    // `COFFERDAM_BIN` measures a binary that is built already.
    let binary = match std::env::var_os("COFFERDAM_BIN") {
        Some(binary) => std::path::PathBuf::from(binary),
        None => dist::build("release")?,
    };
    let directory = tempdir()?;
    let bao = measure(
        &Server::bao(&peers, &directory.join("bao"))?,
        &peers,
        seconds,
    )?;
    let ours = measure(
        &Server::ours(&binary, &peers, &directory.join("ours"))?,
        &peers,
        seconds,
    )?;
    sh::print("| What | OpenBao/s | Cofferdam/s | ratio |\n|---|---:|---:|---:|");
    for ((load, theirs), ours) in chosen().zip(&bao.rates).zip(&ours.rates) {
        sh::print(&format!(
            "| {} | {theirs:.0} | {ours:.0} | {:.1} × |",
            load.name,
            ours / theirs
        ));
    }
    sh::print("\n| What | OpenBao | Cofferdam |\n|---|---:|---:|");
    sh::print(&format!(
        "| resident memory, unsealed, before load | {:.1} MiB | {:.1} MiB |",
        bao.idle, ours.idle
    ));
    let size = std::fs::metadata(&binary)?.len();
    sh::print(&format!("| binary | – | {:.1} MiB |", dist::mib(size)));
    let starts = server::starts(&binary, &directory.join("start"), 20)?;
    sh::print(&format!(
        "| start to first answer, median of 20 | – | {:.1} ms |",
        starts
    ));
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

/// Names below the path that is listed.
const KEYS: usize = 10_000;

/// The loads whose name holds `COFFERDAM_BENCH`, or all.
fn chosen() -> impl Iterator<Item = &'static Load> {
    let only = std::env::var("COFFERDAM_BENCH").unwrap_or_default();
    LOADS
        .iter()
        .filter(move |load| load.name.contains(only.as_str()))
}

/// What one server did.
struct Figures {
    /// Requests a second, in the order of [`chosen`].
    rates: Vec<f64>,
    /// MiB.
    idle: f64,
}

fn measure(server: &Server, peers: &peers::Peers, seconds: u32) -> Result<Figures> {
    let prepared = server.prepare(peers)?;
    let idle = server.resident()?;
    if chosen().any(|load| load.script == load::LIST) {
        server.fill(&prepared.token, KEYS)?;
    }
    let mut rates = Vec::new();
    for load in chosen() {
        rates.push(load.run(server, &prepared, seconds)?);
    }
    Ok(Figures { rates, idle })
}

fn tempdir() -> Result<std::path::PathBuf> {
    let directory = sh::target().join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
