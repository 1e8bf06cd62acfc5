//! The executable. What it can do is the table in [`cli`]; every verb is one file there.

mod assemble;
mod cli;
mod config;
mod daemon;
mod doctor;
mod files;
mod fingerprinter;
mod install;
mod serve;
mod systemd;

fn main() -> std::process::ExitCode {
    cli::main()
}
