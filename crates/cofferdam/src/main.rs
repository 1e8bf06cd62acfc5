//! The executable. What it can do is the table in [`cli`]; every verb is one file there.

mod assemble;
mod cli;
mod config;
mod daemon;
mod files;
mod serve;

fn main() -> std::process::ExitCode {
    cli::main()
}
