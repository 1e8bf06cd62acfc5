//! Chores of the workspace, run as `cargo xtask NAME`.
//!
//! `demo` runs the main job on this machine, `test` is what CI runs, `bench` measures beside a real
//! OpenBao, `tidy` holds the code against its written rules, `dist` builds the static binary and
//! `image` an image of it.

mod bench;
mod demo;
mod dist;
mod image;
mod order;
mod peers;
mod sh;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

/// One chore: its name, what it is for, and what does it.
type Chore = (&'static str, &'static str, fn(&[String]) -> Result<()>);

const CHORES: &[Chore] = &[
    (
        "demo",
        "the main job, end to end, on a real Docker engine; ends with the two leak matrices",
        demo::run,
    ),
    (
        "test",
        "everything CI checks; `test quick` leaves out the flows that need servers",
        test::run,
    ),
    (
        "bench",
        "our figures beside OpenBao's, in the same run; `bench scan TREE` beside other scanners'",
        bench::run,
    ),
    (
        "tidy",
        "crate edges, sizes, sites that expose secrets, names in documents; `--bless` accepts new sites",
        tidy::run,
    ),
    ("dist", "the static release binary, and its size", dist::run),
    (
        "image",
        "the image from nothing with that binary; `image TAG PROFILE`",
        image::run,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            sh::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        bail!("name a chore:\n{}", usage())
    };
    match CHORES.iter().find(|(chore, ..)| chore == name) {
        Some((.., work)) => work(rest),
        None => bail!("no such chore: {name}\n{}", usage()),
    }
}

fn usage() -> String {
    CHORES
        .iter()
        .map(|(name, purpose, _)| format!("  cargo xtask {name:6} {purpose}\n"))
        .collect()
}
