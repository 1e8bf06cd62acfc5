//! `cofferdam doctor`: what of this machine could let a secret out, each with the command that mends it.

use super::output::Format;
use super::{Context, Exit, Failure, Verb};
use crate::assemble;
use crate::doctor::{Report, engine, files, memory, server, versions};
use clap::Args;
use cofferdam_api::places::{self, environment};
use cofferdam_core::clock::{Clock as _, WallClock};
use std::path::{Path, PathBuf};

/// Looks at memory, files, the Docker engine and the server. 0: in order, 1: findings, 2: error.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Do not ask the Docker engine
    #[arg(long)]
    no_docker: bool,
    /// Do not ask the server
    #[arg(long)]
    no_server: bool,
    /// Show findings only
    #[arg(long)]
    quiet: bool,
}

impl Verb for Doctor {
    const NAME: &'static str = "doctor";
    const ABOUT: &'static str =
        "find what could let a secret out of this machine: 0 in order, 1 findings";
    const EXAMPLE: &'static str = "cofferdam doctor\ncofferdam doctor -format=json";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        // An error must not look like findings.
        self.examine(context)
            .await
            .map_err(|failure| failure.with_exit(Exit::Code(2)))
    }
}

impl Doctor {
    async fn examine(self, context: &Context) -> Result<Exit, Failure> {
        let memory = memory::Facts::gather(Path::new("/"));
        let swap = memory.swaps.as_ref().is_none_or(|swaps| !swaps.is_empty());
        let mut checks = memory.judge();
        checks.extend(self.files()?.judge());
        let mut version = None;
        if !self.no_docker {
            let facts = engine::Facts::gather().await;
            if let engine::Answer::Told(info) = &facts.answer {
                version = Some(info.server_version.clone());
            }
            checks.extend(facts.judge());
        }
        if !self.no_server {
            let client = context.client()?.without_wrapping();
            let certificates = certificates(context);
            let now = i64::try_from(WallClock.now().nanos() / 1_000_000_000).unwrap_or(i64::MAX);
            let facts = server::Facts::gather(&client, &certificates, now).await;
            checks.extend(facts.judge(env!("CARGO_PKG_VERSION")));
        }
        checks.extend(versions::Facts::gather(version, swap).judge());
        let mut report = Report::new(checks);
        if self.quiet {
            report.checks.retain(|check| check.hint.is_some());
        }
        print(context, &report)?;
        Ok(match report.findings {
            0 => Exit::Success,
            _ => Exit::Code(1),
        })
    }

    fn files(&self) -> Result<files::Facts, Failure> {
        let working = std::env::current_dir().map_err(|error| {
            Failure::local(format!("the working directory cannot be found: {error}"))
                .hint("cd / && cofferdam doctor")
        })?;
        let home = environment("HOME").map(PathBuf::from);
        let data = places::data_dir(&environment);
        let seal_key = assemble::seal_places(&data, None).key_file;
        Ok(files::Facts::gather(&files::Where {
            runtime: &places::runtime_dir(&environment),
            data: &data,
            seal_key: &seal_key,
            working: &working,
            home: home.as_deref(),
        }))
    }
}

/// What clients pin: our own CA, and the one that was named.
fn certificates(context: &Context) -> Vec<PathBuf> {
    let mut files = vec![places::ca_file(&environment)];
    files.extend(context.trust().ca_cert);
    files.dedup();
    files
}

fn print(context: &Context, report: &Report) -> Result<(), Failure> {
    let unprintable = |error: String| Failure::local(error);
    let text = match context.format() {
        Format::Json => {
            serde_json::to_string_pretty(report).map_err(|error| unprintable(error.to_string()))?
                + "\n"
        }
        Format::Yaml => {
            serde_yaml_ng::to_string(report).map_err(|error| unprintable(error.to_string()))?
        }
        Format::Table => super::terminal::clean(&report.table()),
    };
    context.out(text.as_bytes())?;
    let plural = if report.findings == 1 { "" } else { "s" };
    context.say(&format!(
        "{} finding{plural}, {} not looked at",
        report.findings, report.unknown
    ));
    Ok(())
}
