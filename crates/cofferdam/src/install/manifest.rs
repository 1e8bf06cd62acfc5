//! What was made, so that it can be taken away: paths, kinds and digests.

use super::{Error, Layout};
use crate::files;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Component, Path, PathBuf};

/// The form of this file.
const FORM: u32 = 1;

/// The whole manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) form: u32,
    pub(super) version: String,
    pub(super) entries: Vec<Entry>,
    /// Directories that were made, outermost first.
    pub(super) directories: Vec<PathBuf>,
}

/// One file or link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    /// Where what stood here before was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<PathBuf>,
}

/// What it must still be to be ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Kind {
    /// A file with one of these digests: more than one while it is being replaced.
    File { sha256: Vec<String> },
    /// A symbolic link to this.
    Link { target: PathBuf },
}

impl Manifest {
    pub(super) fn new(version: &str) -> Self {
        Self {
            form: FORM,
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// The one below this layout; `None` where nothing is installed.
    pub(super) fn read(layout: &Layout) -> Result<Option<Self>, Error> {
        let path = layout.real(&layout.manifest());
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::system("read", path)(error)),
        };
        let read: Option<Self> = serde_json::from_slice(&text).ok();
        read.filter(|manifest| manifest.is_within(&layout.prefix))
            .map(Some)
            .ok_or(Error::Manifest(path))
    }

    pub(super) fn write(&self, layout: &Layout) -> Result<(), Error> {
        let path = layout.real(&layout.manifest());
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::system("write", &path)(error.into()))?;
        files::replace(&path, 0o644, format!("{text}\n").as_bytes())
            .map_err(Error::system("write", path))
    }

    /// Whatever it says will be removed: so it says nothing outside of the prefix.
    fn is_within(&self, prefix: &Path) -> bool {
        let inside = |path: &PathBuf| {
            let plain =
                |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
            path.starts_with(prefix) && path.components().all(plain)
        };
        let kept = self.entries.iter().filter_map(|entry| entry.kept.as_ref());
        let above = |path: &PathBuf| inside(path) || prefix.starts_with(path);
        self.form == FORM
            && self
                .entries
                .iter()
                .map(|entry| &entry.path)
                .chain(kept)
                .all(inside)
            && self.directories.iter().all(above)
    }

    pub(super) fn entry(&self, path: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }
}

/// How a path stands to what the manifest says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Absent,
    Ours,
    Other,
}

impl Kind {
    pub(super) fn standing(&self, real: &Path) -> Result<Standing, Error> {
        let found = match std::fs::symlink_metadata(real) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Absent),
            Err(error) => return Err(Error::system("look at", real)(error)),
        };
        let ours = match self {
            Self::Link { target } => std::fs::read_link(real).is_ok_and(|link| link == *target),
            Self::File { sha256 } if found.is_file() => {
                let content = std::fs::read(real).map_err(Error::system("read", real))?;
                sha256.contains(&digest(&content))
            }
            Self::File { .. } => false,
        };
        Ok(if ours {
            Standing::Ours
        } else {
            Standing::Other
        })
    }
}

pub(super) fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}
