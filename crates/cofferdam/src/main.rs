//! The executable. What it can do is the table in [`cli`]; every verb is one file there.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
