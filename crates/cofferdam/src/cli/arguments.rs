//! Vault's single-dash long flags, brought into the form that clap reads.
//!
//! Go's flag package takes `-format=json`, `--format json` and `-force=true` alike. Only words
//! before `--` are touched: what stands behind it belongs to another program.

use clap::{ArgAction, Command};
use cofferdam_api::places;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Rewrites `-flag` to `--flag`, and `-switch=true` or `-switch=false` to the switch or nothing.
pub(crate) fn normalise(command: &Command, arguments: Vec<OsString>) -> Vec<OsString> {
    let mut switches = BTreeSet::new();
    collect_switches(command, &mut switches);
    let mut arguments = arguments.into_iter();
    let mut normal: Vec<OsString> = arguments.next().into_iter().collect();
    for argument in arguments.by_ref() {
        if argument == "--" {
            normal.push(argument);
            break;
        }
        normal.extend(normal_form(&switches, argument));
    }
    normal.extend(arguments);
    normal
}

fn collect_switches(command: &Command, switches: &mut BTreeSet<String>) {
    let flags = command.get_arguments();
    let flags = flags.filter(|flag| matches!(flag.get_action(), ArgAction::SetTrue));
    switches.extend(flags.filter_map(|flag| flag.get_long()).map(str::to_owned));
    for inner in command.get_subcommands() {
        collect_switches(inner, switches);
    }
}

fn normal_form(switches: &BTreeSet<String>, argument: OsString) -> Option<OsString> {
    let Some(text) = argument.to_str() else {
        return Some(argument);
    };
    let Some(flag) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
        return Some(argument);
    };
    let is_word = flag.len() > 1 && flag.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_word {
        return Some(argument);
    }
    if let Some((name, value)) = flag
        .split_once('=')
        .filter(|(name, _)| switches.contains(*name))
    {
        match places::parse_bool(value) {
            Some(true) => return Some(format!("--{name}").into()),
            Some(false) => return None,
            None => {}
        }
    }
    Some(format!("--{flag}").into())
}
