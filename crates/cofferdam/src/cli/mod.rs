//! The command line: one table of verbs, one file per verb.
//!
//! A verb is a type with clap's `Args` and [`Verb`]; to add one, write its file and one line in
//! [`VERBS`]. Vault's words have Vault's flags, output shapes and exit codes. What people read in
//! a refusal is a [`Failure`]: what happened, then the next command to type.

mod agent_marker;
mod arguments;
mod context;
mod daemon;
mod delivery;
mod exact;
mod exit;
mod failure;
mod input;
mod link;
mod mounts;
mod names;
mod output;
mod shelf;
mod terminal;
mod usage;
mod verb;

// One file per verb.
mod audit;
mod auth;
mod blast;
mod build;
mod compose;
mod delete;
mod docker_credential;
mod docker_plugin;
mod doctor;
mod down;
mod events;
mod fingerprints;
mod fix;
mod guard;
mod hook;
mod import;
mod install;
mod kv;
mod list;
mod login;
mod operator;
mod plugin;
mod podman_secret;
mod policy;
mod print;
mod read;
mod redact;
mod report;
mod run;
mod scan;
mod secret;
mod secrets;
mod server;
mod shim;
mod status;
mod swarm;
mod token;
mod uninstall;
mod unwrap;
mod up;
mod version;
mod write;

pub(crate) use context::Context;
pub(crate) use exit::Exit;
pub(crate) use failure::Failure;
pub(crate) use verb::{Runtime, Verb};

use std::process::ExitCode;
use verb::Entry;

/// Every verb, in the order of `cofferdam help`.
const VERBS: &[Entry] = &[
    Entry::of::<up::Up>(),
    Entry::of::<down::Down>(),
    Entry::of::<run::Run>(),
    Entry::of::<build::Build>(),
    Entry::of::<shim::Shim>(),
    Entry::of::<compose::Compose>(),
    Entry::of::<server::Server>(),
    Entry::of::<status::Status>(),
    Entry::of::<doctor::Doctor>(),
    Entry::of::<login::Login>(),
    Entry::of::<import::Import>(),
    Entry::of::<kv::Kv>(),
    Entry::of::<secret::SecretVerb>(),
    Entry::of::<read::Read>(),
    Entry::of::<write::Write>(),
    Entry::of::<list::List>(),
    Entry::of::<delete::Delete>(),
    Entry::of::<unwrap::Unwrap>(),
    Entry::of::<token::Token>(),
    Entry::of::<policy::Policy>(),
    Entry::of::<secrets::Secrets>(),
    Entry::of::<auth::Auth>(),
    Entry::of::<audit::Audit>(),
    Entry::of::<events::Events>(),
    Entry::of::<operator::Operator>(),
    Entry::of::<print::Print>(),
    Entry::of::<report::Report>(),
    Entry::of::<blast::Blast>(),
    Entry::of::<scan::Scan>(),
    Entry::of::<fix::Fix>(),
    Entry::of::<hook::Hook>(),
    Entry::of::<redact::Redact>(),
    Entry::of::<fingerprints::Fingerprints>(),
    Entry::of::<plugin::Plugin>(),
    Entry::of::<docker_plugin::DockerPlugin>(),
    Entry::of::<docker_credential::DockerCredential>(),
    Entry::of::<podman_secret::PodmanSecret>(),
    Entry::of::<guard::Guard>(),
    Entry::of::<install::Install>(),
    Entry::of::<uninstall::Uninstall>(),
    Entry::of::<swarm::Swarm>(),
    Entry::of::<version::Version>(),
];

/// Parses, runs one verb and turns its outcome into an exit code.
pub(crate) fn main() -> ExitCode {
    let outcome = dispatch(std::env::args_os().collect());
    crate::serve::log::finish();
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn dispatch(arguments: Vec<std::ffi::OsString>) -> Result<Exit, Failure> {
    let arguments = match names::interpret(arguments)? {
        Ok(arguments) => arguments,
        Err(exit) => return Ok(exit),
    };
    let verb = arguments.get(1).and_then(|word| word.to_str());
    let named = VERBS.iter().position(|entry| Some(entry.name) == verb);
    // The other verbs' flags are neither needed nor loaded: a daemon would keep them for its life.
    let verbs = named.and_then(|at| VERBS.get(at..=at)).unwrap_or(VERBS);
    let refused = named.and_then(|at| VERBS.get(at)).map(|entry| entry.error);
    let mut command = usage::command(verbs);
    let arguments = arguments::normalise(&command, arguments);
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let explained = usage::explain(&error);
            return match refused {
                Some(exit) => explained.map_err(|failure| failure.with_exit(exit)),
                None => explained,
            };
        }
    };
    let Some((name, verb_matches)) = matches.subcommand() else {
        return usage::overview(&mut command);
    };
    let entry = VERBS.iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| Failure::usage(format!("unknown command: {name}")))?;
    entry.launch(verb_matches)
}

#[cfg(test)]
mod tests;
