//! `cofferdam debug`: what a server tells of itself for a while, in one bundle that may be handed on.
//!
//! The files and their form are those of OpenBao's bundle, so that tools for it read ours. What differs:
//! a target that fails is named in the index and ends nothing else, and **no value leaves**: the server
//! tells none, and whatever is written passes the rules of `cofferdam scan` and the redactor before it
//! lies on the disk. Profiles (`pprof`) are not taken: they are pieces of memory, and memory holds
//! values.

mod bundle;
mod clean;
mod gather;
mod plan;

use super::names::Name;
use super::scan::progress::Progress;
use super::signals::told_to_end;
use super::{Context, Exit, Failure, Verb};
use bundle::{Bundle, Index};
use clap::Args;
use clean::Cleaner;
use cofferdam_api::Request;
use cofferdam_core::clock::{Clock as _, WallClock};
use gather::Gather;
use serde_json::Value;
use std::path::PathBuf;

/// Collects what the server tells of itself.
#[derive(Args)]
pub(crate) struct Debug {
    /// Write one .tar.gz file and not a directory
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = clap::ArgAction::Set)]
    compress: bool,
    /// How long to go on
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    duration: String,
    /// Between two looks at the server, at least 5s
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    interval: String,
    /// Between two looks at its figures, at least 5s
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    metrics_interval: String,
    /// Form of the log in the bundle
    #[arg(long, value_name = "FORMAT", default_value = "standard", ignore_case = true, value_parser = ["standard", "json"])]
    log_format: String,
    /// File or directory to write (default: named after the time)
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Only this: config, host, requests, metrics, replication-status, server-status or log; repeatable
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    target: Vec<String>,
}

impl Verb for Debug {
    const NAME: &'static str = "debug";
    const ABOUT: &'static str =
        "collect what the server tells of itself in a bundle without secrets";
    const EXAMPLE: &'static str = "cofferdam debug\n\
         cofferdam debug -duration=1m -interval=10s -output=/tmp/bundle.tar.gz\n\
         cofferdam debug -target=host -target=log -compress=false";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let begun = WallClock.now().rfc3339();
        let plan = self.plan(context, &begun)?;
        let link = context.link()?;
        let client = link.client().clone().without_wrapping();
        let health = client.send_any(Request::get("sys/health")).await;
        let health = health.map_err(|error| link.failure(error).with_exit(Exit::Local))?;
        let health: Value = health.body().unwrap_or_default();
        let bundle = Bundle::begin(&plan, Cleaner::new(client.token()))?;
        if plan.pprof {
            bundle.problem("pprof", NO_PROFILES);
            context.say(&format!("pprof: {NO_PROFILES}"));
        }
        context.say(&format!(
            "capturing {} for {} seconds",
            plan.names().join(", "),
            plan.duration.as_secs()
        ));
        let progress = Progress::new();
        let gather = Gather::new(&link, client, &plan, &bundle, &progress);
        // An interrupt ends the capture, and what is there by then is kept.
        let told = told_to_end()?;
        tokio::select! {
            () = Box::pin(gather.all()) => {}
            () = told => {}
        }
        progress.end();
        gather.keep();
        say_lacking(context, &gather.lacking());
        let index = Index {
            plan: &plan,
            address: link.client().endpoint().to_string(),
            server: health.get("version").cloned().unwrap_or_default(),
            begun,
            arguments: arguments(),
        };
        let problems = bundle.problems();
        let written = bundle.finish(&index)?;
        if problems > 0 {
            context.say(&format!(
                "{problems} problems are in the index.json of the bundle"
            ));
        }
        let line = match Name::called() {
            Name::Own => format!("{}\n", written.display()),
            Name::Vault | Name::Bao => {
                format!("Success! Bundle written to: {}\n", written.display())
            }
        };
        context.out(line.as_bytes())?;
        Ok(Exit::Success)
    }
}

const NO_PROFILES: &str =
    "not taken: a profile is a piece of the server's memory, which holds secrets";

/// The rules that the token would need.
fn say_lacking(context: &Context, lacking: &[gather::Need]) {
    if lacking.is_empty() {
        return;
    }
    let names: Vec<_> = lacking.iter().map(|need| need.target.name()).collect();
    context.say(&format!(
        "permission denied, so not in the bundle: {}",
        names.join(", ")
    ));
    context.say("hint: give the token a policy with:");
    for need in lacking {
        context.say(&format!("  {}", need.rule()));
    }
}

/// The words behind the verb.
fn arguments() -> Vec<String> {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    without_values(words).skip(2).collect()
}

/// Flags whose values may be secrets, in any form that no rule knows.
const SECRET: [&str; 2] = ["header", "mfa"];

/// A command line as it may be handed on.
fn without_values(words: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut before = None;
    words.map(move |word| {
        if let Some(name) = before.take() {
            return format!("<redacted:{name}>");
        }
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            return word;
        };
        let (named, has_value) = match flag.split_once('=') {
            Some((named, _)) => (named, true),
            None => (flag, false),
        };
        let Some(name) = SECRET.into_iter().find(|name| *name == named) else {
            return word;
        };
        if has_value {
            return format!("-{name}=<redacted:{name}>");
        }
        before = Some(name);
        word
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_told_without_what_its_flags_carry() {
        for (line, expected) in [
            (
                "-header=A=tulip debug -mfa tulip",
                "-header=<redacted:header> debug -mfa <redacted:mfa>",
            ),
            (
                "debug --header A=tulip --mfa=tulip x",
                "debug --header <redacted:header> -mfa=<redacted:mfa> x",
            ),
            (
                "debug -target=host header mfa=x",
                "debug -target=host header mfa=x",
            ),
        ] {
            let told: Vec<_> = without_values(line.split(' ').map(str::to_owned)).collect();
            assert_eq!(told.join(" "), expected);
        }
    }
}
