//! As much of a Compose project as concerns secrets.

use super::yaml::YamlError;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// The project that the files make together.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// `version:` of the first file, which Compose 1.29 wants to be the same in all.
    pub version: Option<String>,
    /// `name:`.
    pub name: Option<String>,
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// By the name that services use.
    pub secrets: BTreeMap<String, Definition>,
    /// What the file says to us as a whole.
    pub settings: Settings,
}

/// One service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Where it stands.
    pub place: Place,
    /// `user:`.
    pub user: Option<String>,
    /// What it uses.
    pub secrets: Vec<Use>,
    /// Where it mounts something, by `volumes:`, `tmpfs:` and `configs:`.
    pub mounts: BTreeSet<String>,
    /// Variables with a value written out, which is not kept.
    pub literals: BTreeSet<String>,
    /// `env_file:`.
    pub env_files: BTreeSet<String>,
    /// Whether a provider runs it: then it is no container.
    pub provider: bool,
    /// What it says to us.
    pub settings: Settings,
}

/// A secret that a service uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Where it stands.
    pub place: Place,
    /// Name in the project.
    pub source: String,
    /// Name or path in the container.
    pub target: Option<String>,
    /// Owner.
    pub uid: Option<String>,
    /// Group.
    pub gid: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// A secret of the project.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    /// Where it stands.
    pub place: Place,
    /// Where its value comes from.
    pub origin: Origin,
    /// What it says to us.
    pub settings: Settings,
}

/// Where Compose would take a value from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nothing is said.
    #[default]
    Nowhere,
    /// `external`, with the name it has there.
    External(String),
    /// `file`, as written.
    File(String),
    /// `environment`, or the value itself in the file.
    Plain,
    /// A driver of Swarm.
    Driver(String),
}

/// What is said to us, in `x-cofferdam` and in labels that begin with `cofferdam.`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The secret's place in the store, with field and version.
    pub reference: Option<String>,
    /// Where bare names are looked up.
    pub from: Option<String>,
    /// What is done when a value changes.
    pub on_change: Option<String>,
}

impl Settings {
    /// The same with what `later` says instead.
    #[must_use]
    pub(super) fn under(self, later: Self) -> Self {
        Self {
            reference: later.reference.or(self.reference),
            from: later.from.or(self.from),
            on_change: later.on_change.or(self.on_change),
        }
    }
}

/// A line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} line {}", self.file.display(), self.line)
    }
}

/// A file that is not understood, or that asks for what cannot be. Names lines, services and
/// secrets; never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", place.as_ref().map_or_else(String::new, |place| format!("{place}: ")))]
pub struct Fault {
    place: Option<Place>,
    what: String,
    hint: Option<String>,
}

impl Fault {
    /// Something about a line.
    pub(super) fn at(place: &Place, what: impl Into<String>) -> Self {
        Self {
            place: Some(place.clone()),
            what: what.into(),
            hint: None,
        }
    }

    /// Something about no line.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            place: None,
            what: what.into(),
            hint: None,
        }
    }

    pub(super) fn yaml(file: &Path, error: &YamlError) -> Self {
        let place = Place {
            file: file.to_owned(),
            line: error.line,
        };
        Self::at(&place, error.what)
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The next thing to do, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
