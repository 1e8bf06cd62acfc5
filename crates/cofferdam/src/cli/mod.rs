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
mod rehearsal;
mod shelf;
mod signals;
mod terminal;
mod unsupported;
mod usage;
mod variables;
mod verb;

// One file per verb.
mod audit;
mod auth;
mod blast;
mod build;
mod completion;
mod compose;
mod debug;
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
mod lease;
mod list;
mod login;
mod man;
mod monitor;
mod operator;
mod patch;
mod plugin;
mod podman_secret;
mod policy;
mod print;
mod read;
mod redact;
mod report;
mod run;
mod scan;
mod scan_names;
mod secret;
mod secrets;
mod server;
mod shim;
mod status;
mod swarm;
mod token;
mod transit;
mod uninstall;
mod unwrap;
mod up;
mod version;
mod version_history;
mod write;

pub(crate) use context::Context;
pub(crate) use exit::Exit;
pub(crate) use failure::Failure;
pub(crate) use verb::{Runtime, Verb};

use std::process::ExitCode;
use verb::Entry;

/// Every verb, in the order of `cofferdam help`.
const VERBS: &[Entry] = &[
    Entry::of::<up::Up>().ours(),
    Entry::of::<down::Down>().ours(),
    Entry::of::<run::Run>().ours(),
    Entry::of::<build::Build>().ours(),
    Entry::of::<shim::Shim>().ours(),
    Entry::of::<compose::Compose>().ours(),
    Entry::of::<server::Server>(),
    Entry::of::<status::Status>(),
    Entry::of::<doctor::Doctor>().ours(),
    Entry::of::<login::Login>(),
    Entry::of::<import::Import>().ours(),
    Entry::of::<kv::Kv>(),
    Entry::of::<secret::SecretVerb>().ours(),
    Entry::of::<read::Read>(),
    Entry::of::<write::Write>(),
    Entry::of::<list::List>(),
    Entry::of::<scan_names::ScanNames>().only_as(names::Name::Bao),
    Entry::of::<delete::Delete>(),
    Entry::of::<patch::Patch>(),
    Entry::of::<unwrap::Unwrap>(),
    Entry::of::<token::Token>(),
    Entry::of::<lease::Lease>(),
    Entry::of::<policy::Policy>(),
    Entry::of::<secrets::Secrets>(),
    Entry::of::<transit::Transit>(),
    Entry::of::<auth::Auth>(),
    Entry::of::<audit::Audit>(),
    Entry::of::<events::Events>().ours(),
    Entry::of::<monitor::Monitor>(),
    Entry::of::<debug::Debug>(),
    Entry::of::<operator::Operator>(),
    Entry::of::<print::Print>(),
    Entry::of::<report::Report>().ours(),
    Entry::of::<blast::Blast>().ours(),
    Entry::of::<scan::Scan>().ours(),
    Entry::of::<fix::Fix>().ours(),
    Entry::of::<hook::Hook>().ours(),
    Entry::of::<redact::Redact>().ours(),
    Entry::of::<fingerprints::Fingerprints>().ours(),
    Entry::of::<plugin::Plugin>().ours(),
    Entry::of::<docker_plugin::DockerPlugin>().ours(),
    Entry::of::<docker_credential::DockerCredential>().ours(),
    Entry::of::<podman_secret::PodmanSecret>().ours(),
    Entry::of::<guard::Guard>().ours(),
    Entry::of::<install::Install>().ours(),
    Entry::of::<uninstall::Uninstall>().ours(),
    Entry::of::<swarm::Swarm>().ours(),
    Entry::of::<completion::Completion>(),
    Entry::of::<man::Man>().ours(),
    Entry::of::<version::Version>(),
    Entry::of::<version_history::VersionHistory>(),
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
    let name = names::Name::called();
    if let Some(exit) = asked_at_once(name, &arguments)? {
        return Ok(exit);
    }
    unsupported::refuse(name, &arguments)?;
    let known = || VERBS.iter().filter(move |entry| entry.is_known_to(name));
    let verb = arguments.get(1).and_then(|word| word.to_str());
    let named = known().find(|entry| Some(entry.name) == verb);
    // The other verbs' flags are neither needed nor loaded: a daemon would keep them for its life.
    let mut command = match named {
        Some(entry) => usage::command(name, [entry]),
        None => usage::command(name, known()),
    };
    let refused = named.map(|entry| entry.error);
    let arguments = arguments::normalise(&command, arguments);
    let matches = match command.try_get_matches_from_mut(&arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let named = usage::unknown_flag(&error);
            let named = named.and_then(|flag| unsupported::refuse_flag(&arguments, &flag));
            let explained = named.map_or_else(|| usage::explain(&error), Err);
            return match refused {
                Some(exit) => explained.map_err(|failure| failure.with_exit(exit)),
                None => explained,
            };
        }
    };
    let Some((name, verb_matches)) = matches.subcommand() else {
        return usage::overview(&mut command);
    };
    let entry = known().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| Failure::usage(format!("unknown command: {name}")))?;
    entry.launch(verb_matches)
}

/// Flags without a verb that Vault's clients have, and that are no flags of ours.
fn asked_at_once(
    name: names::Name,
    arguments: &[std::ffi::OsString],
) -> Result<Option<Exit>, Failure> {
    let word = arguments.get(1).and_then(|word| word.to_str());
    let word = word.filter(|word| word.starts_with('-'));
    let done = match word.map(|word| word.trim_start_matches('-')) {
        Some("autocomplete-install") => completion::install(name)?,
        Some("autocomplete-uninstall") => completion::uninstall(name)?,
        Some("version" | "v") if name.is_client() => {
            terminal::write_out(version::line(name).as_bytes())?;
            Exit::Success
        }
        _ => return Ok(None),
    };
    Ok(Some(done))
}

#[cfg(test)]
mod tests;
