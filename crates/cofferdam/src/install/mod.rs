//! Installing this binary on a host, and taking it away again without a trace.
//!
//! `layout` says what belongs where, `manifest` remembers what was made, `apply` makes it and
//! `remove` takes it away. The manifest is written before the first file, with the digests that the
//! files will have: whatever an installation that breaks off has left behind is known to the next
//! one and to `uninstall`. Nothing is removed that is not, byte for byte, what was made; nothing of
//! somebody else's is overwritten unless that is asked for, and then it is kept and put back.

mod apply;
mod layout;
mod manifest;
mod remove;

pub(crate) use apply::{Installed, install};
pub(crate) use layout::{Layout, Text};
pub(crate) use remove::{Removed, data, uninstall};

use std::io;
use std::path::PathBuf;

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Caller: these are there and not ours.
    #[error("something else stands in the way: {}", shown(.0))]
    Foreign(Vec<PathBuf>),
    /// Caller: somebody changed what was installed.
    #[error("changed since it was installed: {}", shown(.0))]
    Changed(Vec<PathBuf>),
    /// Caller: nothing was installed here.
    #[error("nothing is installed below {}", .0.display())]
    Absent(PathBuf),
    /// Caller: systemd still has the units.
    #[error("the units are enabled: {}", shown(.0))]
    Enabled(Vec<PathBuf>),
    /// Caller: dockerd still asks the guard, and would refuse everything without it.
    #[error("dockerd still asks the guard: {}", .0.display())]
    Asked(PathBuf),
    /// The manifest is not one of ours.
    #[error("not a manifest of an installation: {}", .0.display())]
    Manifest(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    fn system(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::System {
            action,
            path,
            source,
        }
    }
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

#[cfg(test)]
mod tests;
