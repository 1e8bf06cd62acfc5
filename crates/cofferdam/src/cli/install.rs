//! `cofferdam install`: this binary, its units, its manual and its other names, where a system looks for
//! them.

use super::{Context, Exit, Failure, Verb, completion, man};
use crate::install::{Error, Installed, Layout, Text, install};
use clap::Args;
use std::path::{Path, PathBuf};

/// Installs this binary; `cofferdam uninstall` takes away exactly what was installed.
#[derive(Args)]
pub(crate) struct Install {
    #[command(flatten)]
    place: Place,
    /// Leave the systemd units out
    #[arg(long)]
    no_systemd: bool,
    /// Move away what stands in the place of something of ours; uninstall puts it back
    #[arg(long)]
    force: bool,
    /// Show what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
}

/// Where: the same for both verbs.
#[derive(Args)]
pub(super) struct Place {
    /// Where it belongs on the system
    #[arg(long, value_name = "DIRECTORY", default_value = "/usr/local")]
    prefix: PathBuf,
    /// Directory that stands for / (for packages and images)
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    root: PathBuf,
}

impl Place {
    pub(super) fn layout(self) -> Result<Layout, Failure> {
        let plain = |path: &Path| {
            let parts = path.components();
            let known = |part| {
                use std::path::Component::{Normal, RootDir};
                matches!(part, RootDir | Normal(_))
            };
            path.is_absolute() && parts.into_iter().all(known)
        };
        if !plain(&self.prefix) {
            return Err(
                Failure::usage(format!("not an absolute path: {}", self.prefix.display()))
                    .hint("for example -prefix=/usr/local"),
            );
        }
        let root = std::path::absolute(&self.root)
            .map_err(|error| Failure::usage(format!("not a usable path for -root: {error}")))?;
        Ok(Layout {
            root,
            prefix: self.prefix,
        })
    }
}

impl Verb for Install {
    const NAME: &'static str = "install";
    const ABOUT: &'static str =
        "install this binary, its systemd units, its manual and Docker's links to it";
    const EXAMPLE: &'static str = "cofferdam install -dry-run\n\
         cofferdam install && systemctl enable --now cofferdam.socket cofferdam-plugin.socket";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let layout = self.place.layout()?;
        let live = layout.root == Path::new("/");
        let binary = own_binary()?;
        let units = !self.no_systemd;
        let done = install(&layout, binary, texts(), units, self.force, self.dry_run)
            .map_err(|error| explained(&error, "install"))?;
        show(&done, self.dry_run, context)?;
        if self.dry_run {
            context.say("nothing was written");
        } else if live && units && Path::new("/run/systemd/system").is_dir() {
            context.say("hint: systemctl daemon-reload && systemctl enable --now cofferdam.socket cofferdam-plugin.socket");
        }
        Ok(Exit::Success)
    }
}

/// The manual, and what shells read to complete our words, below a prefix.
fn texts() -> Vec<Text> {
    let pages = man::pages("").into_iter();
    let pages =
        pages.map(|(name, text)| (Path::new("share/man/man1").join(format!("{name}.1")), text));
    pages.chain(completion::scripts()).collect()
}

/// The file that this process was started from, whatever its name is now.
fn own_binary() -> Result<Vec<u8>, Failure> {
    std::fs::read("/proc/self/exe")
        .map_err(|error| Failure::local(format!("cannot read this binary: {error}")))
}

/// Paths as people read them: the pages of the manual as one.
pub(super) fn summed(paths: &[PathBuf]) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for path in paths {
        let pages = path
            .parent()
            .filter(|parent| parent.ends_with("share/man/man1"));
        let line = match pages {
            Some(pages) => pages.join("cofferdam*.1").display().to_string(),
            None => path.display().to_string(),
        };
        if shown.last() != Some(&line) {
            shown.push(line);
        }
    }
    shown
}

fn show(done: &Installed, dry_run: bool, context: &Context) -> Result<(), Failure> {
    let mut text = String::new();
    let would = if dry_run { "would make" } else { "made" };
    for path in summed(&done.made) {
        text.push_str(&format!("{would} {path}\n"));
    }
    for path in summed(&done.unchanged) {
        text.push_str(&format!("unchanged {path}\n"));
    }
    for (path, kept) in &done.kept {
        text.push_str(&format!("kept {} as {}\n", path.display(), kept.display()));
    }
    context.out(super::terminal::clean(&text).as_bytes())
}

/// The refusals of both verbs, with what to type next.
pub(super) fn explained(error: &Error, verb: &str) -> Failure {
    let failure = Failure::local(error.to_string());
    match error {
        Error::Foreign(_) => {
            failure.hint(format!(
                "move it away with: cofferdam {verb} -force; uninstall puts it back"
            ))
        }
        Error::Changed(_) => failure.hint(format!(
            "if the changes may be lost: cofferdam {verb} -force; changes to units belong into: systemctl edit UNIT"
        )),
        Error::Absent(_) => failure.hint("name the -prefix that it was installed with"),
        Error::Enabled(paths) => {
            let names: Vec<_> = paths
                .iter()
                .filter_map(|path| path.file_name()?.to_str())
                .collect();
            failure.hint(format!("systemctl disable --now {}", names.join(" ")))
        }
        Error::Asked(_) => failure.hint("cofferdam guard disable"),
        Error::Manifest(_) => failure.hint("remove the files by hand; this one says nothing that can be relied on"),
        Error::System { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            failure.hint(format!("sudo cofferdam {verb}"))
        }
        Error::System { .. } => failure,
    }
}
