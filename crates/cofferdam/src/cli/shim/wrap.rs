//! `shim run` and `shim compose`: put the shim in front of an image's own entrypoint, which only the
//! engine knows.

use super::super::names::SHIM;
use super::super::terminal::clean;
use super::super::{Context, Exit, Failure};
use super::{Flags, portable};
use clap::Args;
use cofferdam_platform::docker::engine::{Engine, encoded};
use cofferdam_platform::docker::run_command::{RunCommand, RunCommandError, Start};
use serde::Deserialize;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Runs a container through the shim.
#[derive(Args)]
pub(super) struct Run {
    #[command(flatten)]
    flags: Flags,
    /// Print the command instead of running it
    #[arg(long)]
    print: bool,
    /// docker run or docker create, as it would be without us
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Prints the lines of a service.
#[derive(Args)]
pub(super) struct Compose {
    #[command(flatten)]
    flags: Flags,
    /// The image of the service
    #[arg(value_name = "IMAGE")]
    of: String,
}

impl Run {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let command = RunCommand::parse(&self.command).map_err(|error| refused(&error))?;
        let program = program()?;
        let start = start(&command.image).await?;
        if command.start(&start).is_empty() {
            return Err(nothing_to_start(&command.image));
        }
        let arguments = self.flags.words(&command.image);
        let words = command.through(&program, &inside(), &arguments, &start);
        if self.print {
            let words: Vec<String> = words
                .iter()
                .map(|word| super::super::delivery::quoted(&word.to_string_lossy()))
                .collect();
            context.out(format!("{}\n", words.join(" ")).as_bytes())?;
            return Ok(Exit::Success);
        }
        let Some((docker, rest)) = words.split_first() else {
            return Err(refused(&RunCommandError::NotARun));
        };
        let error = Command::new(docker).args(rest).exec();
        Err(Failure::local(format!(
            "cannot start {}: {error}",
            docker.to_string_lossy()
        ))
        .with_exit(Exit::Code(127)))
    }
}

impl Compose {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let program = program()?;
        let start = start(&self.of).await?;
        let words = |words: Vec<OsString>| -> Vec<String> {
            // In Compose a dollar begins a variable.
            words
                .iter()
                .map(|word| word.to_string_lossy().replace('$', "$$"))
                .collect()
        };
        let mut entrypoint = vec![inside()];
        entrypoint.extend(words(self.flags.words(&self.of)));
        entrypoint.extend(words(start.entrypoint.iter().map(OsString::from).collect()));
        let command = words(start.command.iter().map(OsString::from).collect());
        let list =
            |words: &[String]| serde_json::to_string(words).unwrap_or_else(|_| "[]".to_owned());
        let text = format!(
            "    entrypoint: {}\n    command: {}\n    volumes: {}\n",
            list(&entrypoint),
            list(&command),
            list(&[format!("{program}:{}:ro", inside())])
        );
        context.out(text.as_bytes())?;
        Ok(Exit::Success)
    }
}

/// Where the shim is in the container.
fn inside() -> String {
    format!("/{SHIM}")
}

/// This program's path on this machine, if it can run anywhere.
pub(in crate::cli) fn program() -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::local(format!("cannot find this program: {error}")))?;
    let shown = program.display().to_string();
    let is_static = portable::is_static(&program)
        .map_err(|error| Failure::local(format!("cannot read {shown}: {error}")))?;
    if !is_static {
        return Err(Failure::local(format!(
            "this program needs libraries that an image may not have: {shown}"
        ))
        .hint("use the statically linked one: cargo xtask dist"));
    }
    // Both ways to name a mount have separators that no path can quote.
    if shown.contains([',', ':']) {
        return Err(
            Failure::local(format!("docker cannot mount this path: {shown}"))
                .hint("move the program to a path without commas and colons"),
        );
    }
    Ok(shown)
}

/// Asks the engine what an image starts.
async fn start(image: &str) -> Result<Start, Failure> {
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "Config", default)]
        config: Option<Config>,
    }
    #[derive(Default, Deserialize)]
    struct Config {
        #[serde(rename = "Entrypoint", default)]
        entrypoint: Option<Vec<String>>,
        #[serde(rename = "Cmd", default)]
        command: Option<Vec<String>>,
    }
    let engine = Engine::local().map_err(|error| Failure::local(error.to_string()))?;
    let target = format!("/images/{}/json", encoded(image));
    let found: Image = engine.get(&target).await.map_err(|error| {
        let shown = clean(image);
        if error.is_missing() {
            Failure::local(format!("no such image here: {shown}"))
                .hint(format!("docker pull {shown}"))
        } else {
            Failure::local(error.to_string())
        }
    })?;
    let config = found.config.unwrap_or_default();
    Ok(Start {
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.command.unwrap_or_default(),
    })
}

fn nothing_to_start(image: &str) -> Failure {
    Failure::usage(format!(
        "the image has no command, and none is given: {}",
        clean(image)
    ))
    .hint("cofferdam shim run -- docker run IMAGE COMMAND")
}

fn refused(error: &RunCommandError) -> Failure {
    Failure::usage(error.to_string()).hint(error.hint())
}
