//! `cofferdam uninstall`: takes away what `cofferdam install` made, and data only on request.

use super::install::{Place, explained, summed};
use super::{Context, Exit, Failure, Verb, terminal};
use crate::daemon::process::{is_held_by_systemd, listening_on};
use crate::install::{Removed, data, uninstall};
use clap::Args;
use std::path::PathBuf;

/// What has to be typed before data goes.
const PHRASE: &str = "delete all secrets";

/// Removes what `cofferdam install` made. Secrets, keys and logs stay.
#[derive(Args)]
pub(crate) struct Uninstall {
    #[command(flatten)]
    place: Place,
    /// Remove files that were changed since, and units that are enabled
    #[arg(long)]
    force: bool,
    /// Remove all data as well: the store, its key, its logs; has to be confirmed
    #[arg(long)]
    purge: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

impl Verb for Uninstall {
    const NAME: &'static str = "uninstall";
    const ABOUT: &'static str =
        "take away what install made; data stays unless -purge is confirmed";
    const EXAMPLE: &'static str = "systemctl disable --now cofferdam.socket cofferdam-plugin.socket\n\
         cofferdam uninstall";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let layout = self.place.layout()?;
        let directories = if self.purge {
            data(&layout)
        } else {
            Vec::new()
        };
        if self.purge && !self.dry_run {
            confirm(&directories, context)?;
        }
        let removed = uninstall(&layout, self.force, self.dry_run)
            .map_err(|error| explained(&error, "uninstall"))?;
        show(&removed, self.dry_run, context)?;
        for directory in &directories {
            if !self.dry_run {
                std::fs::remove_dir_all(directory).map_err(|error| {
                    Failure::local(format!("cannot remove {}: {error}", directory.display()))
                        .hint("stop what uses it: cofferdam down")
                })?;
            }
            let would = if self.dry_run {
                "would remove"
            } else {
                "removed"
            };
            context.out(
                format!("{would} {} with everything in it\n", directory.display()).as_bytes(),
            )?;
        }
        let kept = data(&layout);
        if !self.purge && !kept.is_empty() {
            let names: Vec<_> = kept.iter().map(|path| path.display().to_string()).collect();
            context.say(&format!("data stays: {}", names.join(" ")));
        }
        Ok(Exit::Success)
    }
}

/// Data is removed only when nobody uses it and somebody has typed that he means it.
fn confirm(directories: &[PathBuf], context: &Context) -> Result<(), Failure> {
    for directory in directories {
        let socket = directory.join("cofferdam.sock");
        if is_held_by_systemd(&socket) || listening_on(&socket).is_some() {
            return Err(Failure::local(format!(
                "the server is running: it answers at {}",
                socket.display()
            ))
            .hint(
                "cofferdam down, or: systemctl disable --now cofferdam.socket cofferdam.service",
            ));
        }
    }
    for directory in directories {
        context.say(&format!(
            "everything in {} will be lost",
            directory.display()
        ));
    }
    if terminal::stdin_is_terminal() {
        context.say(&format!("type \"{PHRASE}\" to go on:"));
    }
    let answer = terminal::read_answer()?;
    if answer == PHRASE {
        return Ok(());
    }
    Err(Failure::local("not confirmed: nothing was removed")
        .hint(format!("type or pipe exactly: {PHRASE}")))
}

fn show(removed: &Removed, dry_run: bool, context: &Context) -> Result<(), Failure> {
    let mut text = String::new();
    let mut lines = |what: &str, paths: &[PathBuf]| {
        for path in summed(paths) {
            text.push_str(&format!("{what} {path}\n"));
        }
    };
    lines(
        if dry_run { "would remove" } else { "removed" },
        &removed.gone,
    );
    let back = if dry_run {
        "would put back"
    } else {
        "put back"
    };
    lines(back, &removed.back);
    context.out(terminal::clean(&text).as_bytes())?;
    for path in &removed.left {
        context.say(&format!(
            "left, because something else is in it: {}",
            path.display()
        ));
    }
    Ok(())
}
