//! `operator validate-config`: reads configuration files as a server would, and starts nothing.

use super::super::names::Name;
use super::super::output::Format;
use super::super::{Context, Exit, Failure, version};
use crate::config;
use clap::Args;
use cofferdam_api::{Tree, places};
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_secret::Secret;
use std::path::PathBuf;

/// What is looked at, as OpenBao's command calls it.
const NAME: &str = "Validate Config";

/// Reads configuration files, and starts nothing: 0 good, 2 with warnings, 1 not to be used.
#[derive(Args)]
pub(super) struct ValidateConfig {
    /// Configuration file, or directory of .hcl and .json files; may repeat (VAULT_CONFIG_PATH)
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
}

impl ValidateConfig {
    pub(super) fn run(mut self, context: &Context) -> Result<Exit, Failure> {
        if self.config.is_empty() {
            let set = places::setting(&places::environment, "CONFIG_PATH");
            self.config.extend(set.map(|(_, path)| PathBuf::from(path)));
        }
        if self.config.is_empty() {
            return Err(Failure::usage("no configuration: name a file with -config")
                .hint("cofferdam operator validate-config -config=/etc/cofferdam/server.hcl")
                .with_exit(Exit::Code(3)));
        }
        let found = config::load(&self.config);
        let (status, exit, sentences) = match found {
            Ok((_, warnings)) if warnings.is_empty() => ("ok", Exit::Success, Vec::new()),
            Ok((_, warnings)) => {
                let warnings = warnings.iter().map(ToString::to_string);
                ("warn", Exit::Code(2), warnings.collect())
            }
            Err(error) => ("fail", Exit::Local, vec![error.to_string()]),
        };
        if context.format() != Format::Table {
            let mut document = Tree::map()
                .with("time", WallClock.now().rfc3339())
                .with("name", NAME)
                .with("status", status);
            match status {
                "warn" => drop(document.insert("warnings", sentences)),
                "fail" => drop(document.insert("message", sentences.join("; "))),
                _ => {}
            }
            context.print(&document.with("Advice", ""), || Secret::new(String::new()))?;
            return Ok(exit);
        }
        let mut text = version::line(Name::called());
        let word = match status {
            "ok" => "success",
            "warn" => "warning",
            _ => "failure",
        };
        match sentences.is_empty() {
            true => text.push_str(&format!("[ {word} ] {NAME}\n")),
            false => {
                for sentence in sentences {
                    text.push_str(&format!("[ {word} ] {NAME}: {sentence}\n"));
                }
            }
        }
        context.print_table(&Secret::new(text))?;
        Ok(exit)
    }
}
