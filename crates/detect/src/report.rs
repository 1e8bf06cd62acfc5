//! The leak matrix: rows are secrets, columns are kinds of places, a cell says what is known.
//!
//! Four words and no others: `EXPOSED`, `clean`, `in part` (nothing found, but not everything could
//! be read) and `not looked`. A place that was not looked at is never shown as clean, and no cell,
//! location or document holds a value.

mod document;
mod html;
mod kept;
mod table;

pub use kept::{Diff, Kept, KeptExposure, KeptPlace};
pub use table::Style;

use crate::needles::{Entry, SecretId};
use crate::source::{Exposed, Looked};
use serde::Serialize;
use std::collections::BTreeMap;

/// Kinds of places, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// `docker inspect` of containers, running or not.
    ContainerInspect,
    /// What the log driver keeps.
    ContainerLogs,
    /// `/proc/PID/environ` of host processes.
    ProcessEnviron,
    /// `/proc/PID/cmdline` of host processes.
    ProcessArguments,
    /// `docker service inspect` and the tasks of services.
    ServiceInspect,
    /// `docker config inspect`.
    ConfigInspect,
    /// `docker volume inspect`: labels and driver options.
    VolumeInspect,
    /// `docker image inspect`.
    ImageInspect,
    /// `docker history --no-trunc`.
    ImageHistory,
    /// Configuration and manifests inside `docker save`.
    ImageConfig,
    /// Every layer inside `docker save`, deleted files included.
    ImageLayers,
    /// Every object of a git repository.
    Git,
    /// Logs of a CI, named by the caller.
    CiLogs,
    /// Other secrets of the store that have the same value.
    OtherSecrets,
    /// Directories named by the caller.
    Directories,
}

impl Place {
    /// All places, in order.
    pub const ALL: [Self; 15] = [
        Self::ContainerInspect,
        Self::ContainerLogs,
        Self::ProcessEnviron,
        Self::ProcessArguments,
        Self::ServiceInspect,
        Self::ConfigInspect,
        Self::VolumeInspect,
        Self::ImageInspect,
        Self::ImageHistory,
        Self::ImageConfig,
        Self::ImageLayers,
        Self::Git,
        Self::CiLogs,
        Self::OtherSecrets,
        Self::Directories,
    ];

    /// The name in documents.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::ContainerInspect => "container-inspect",
            Self::ContainerLogs => "container-logs",
            Self::ProcessEnviron => "process-environ",
            Self::ProcessArguments => "process-arguments",
            Self::ServiceInspect => "service-inspect",
            Self::ConfigInspect => "config-inspect",
            Self::VolumeInspect => "volume-inspect",
            Self::ImageInspect => "image-inspect",
            Self::ImageHistory => "image-history",
            Self::ImageConfig => "image-config",
            Self::ImageLayers => "image-layers",
            Self::Git => "git",
            Self::CiLogs => "ci-logs",
            Self::OtherSecrets => "other-secrets",
            Self::Directories => "directories",
        }
    }

    /// The two words for people, which also make the head of the column.
    #[must_use]
    pub const fn words(self) -> [&'static str; 2] {
        match self {
            Self::ContainerInspect => ["container", "inspect"],
            Self::ContainerLogs => ["container", "logs"],
            Self::ProcessEnviron => ["/proc", "environ"],
            Self::ProcessArguments => ["/proc", "cmdline"],
            Self::ServiceInspect => ["service", "inspect"],
            Self::ConfigInspect => ["config", "inspect"],
            Self::VolumeInspect => ["volume", "inspect"],
            Self::ImageInspect => ["image", "inspect"],
            Self::ImageHistory => ["image", "history"],
            Self::ImageConfig => ["image", "config"],
            Self::ImageLayers => ["image", "layers"],
            Self::Git => ["git", "history"],
            Self::CiLogs => ["CI", "logs"],
            Self::OtherSecrets => ["other", "secrets"],
            Self::Directories => ["given", "places"],
        }
    }
}

/// What is known of one kind of place.
#[derive(Clone, Debug)]
pub enum Column {
    /// It was looked at, as far as the gaps inside say.
    Looked(Looked),
    /// It was asked for and could not be looked at: why.
    Failed(String),
    /// It was not asked for: why.
    Skipped(String),
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'r> {
    /// Found here.
    Exposed(&'r Exposed),
    /// Everything was read and it is not there.
    Clean,
    /// Not found, and not everything could be read.
    InPart,
    /// Nothing can be said: why.
    NotLooked(String),
}

/// The outcome, which is also the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing found in what was asked for.
    Clean,
    /// At least one value lies in a plain place.
    Exposed,
    /// Nothing found, but a place that was asked for could not be looked at at all.
    Incomplete,
}

impl Verdict {
    /// 0 clean, 1 findings, 2 error.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Exposed => 1,
            Self::Incomplete => 2,
        }
    }
}

/// Rows, columns and a title.
#[derive(Clone, Debug)]
pub struct Matrix {
    title: Option<String>,
    rows: Vec<Entry>,
    columns: BTreeMap<Place, Column>,
    /// When a cell was seen first and last, where somebody remembers.
    dates: BTreeMap<(usize, Place), (String, String)>,
}

impl Matrix {
    /// A matrix with one row for each secret and every column skipped as "not asked for".
    #[must_use]
    pub fn new(rows: Vec<Entry>) -> Self {
        let skipped = |place| (place, Column::Skipped("not asked for".to_owned()));
        Self {
            title: None,
            rows,
            columns: Place::ALL.into_iter().map(skipped).collect(),
            dates: BTreeMap::new(),
        }
    }

    /// Gives it a title.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Puts in what is known of a place. Two looks at the same place are added up.
    pub fn set(&mut self, place: Place, column: Column) {
        match (self.columns.get_mut(&place), column) {
            (Some(Column::Looked(known)), Column::Looked(more)) => known.absorb(more),
            (_, column) => {
                self.columns.insert(place, column);
            }
        }
    }

    /// The secrets, in order.
    #[must_use]
    pub fn rows(&self) -> &[Entry] {
        &self.rows
    }

    /// What is known of a place.
    #[must_use]
    pub fn column(&self, place: Place) -> Option<&Column> {
        self.columns.get(&place)
    }

    /// What is known of one secret in one place.
    #[must_use]
    pub fn cell(&self, row: usize, place: Place) -> Cell<'_> {
        let Some(entry) = self.rows.get(row) else {
            return Cell::NotLooked("no such secret".to_owned());
        };
        if let Some(weakness) = entry.weakness {
            return Cell::NotLooked(weakness.to_string());
        }
        let looked = match self.columns.get(&place) {
            Some(Column::Looked(looked)) => looked,
            Some(Column::Failed(why) | Column::Skipped(why)) => {
                return Cell::NotLooked(why.clone());
            }
            None => return Cell::NotLooked("not asked for".to_owned()),
        };
        let secret = u32::try_from(row).map(SecretId);
        if let Some(exposed) = secret.ok().and_then(|secret| looked.exposed.get(&secret)) {
            return Cell::Exposed(exposed);
        }
        match (looked.gaps.first(), looked.objects) {
            (None, _) => Cell::Clean,
            (Some(gap), 0) => Cell::NotLooked(gap.reason.clone()),
            (Some(_), _) => Cell::InPart,
        }
    }

    /// Whether the secret has a newer version: what lies around is the value of before.
    #[must_use]
    pub fn is_rotated(&self, row: usize) -> bool {
        let Some(entry) = self.rows.get(row) else {
            return false;
        };
        matches!((entry.label.version, entry.newest), (Some(version), Some(newest)) if version < newest)
    }

    /// The outcome of the whole.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let looked = |column: &Column| match column {
            Column::Looked(looked) => !looked.exposed.is_empty(),
            Column::Failed(_) | Column::Skipped(_) => false,
        };
        let failed = |column: &Column| match column {
            Column::Looked(looked) => looked.objects == 0 && !looked.gaps.is_empty(),
            Column::Failed(_) => true,
            Column::Skipped(_) => false,
        };
        if self.plain().any(looked) {
            Verdict::Exposed
        } else if self.columns.values().any(failed) {
            Verdict::Incomplete
        } else {
            Verdict::Clean
        }
    }

    /// How many cells are exposed.
    #[must_use]
    pub fn exposed_cells(&self) -> usize {
        let looked = |column: &Column| match column {
            Column::Looked(looked) => looked.exposed.len(),
            Column::Failed(_) | Column::Skipped(_) => 0,
        };
        self.plain().map(looked).sum()
    }

    /// Columns of plain places: a store is none, even where two secrets in it are the same.
    fn plain(&self) -> impl Iterator<Item = &Column> {
        let plain = self.columns.iter();
        plain
            .filter(|(place, _)| **place != Place::OtherSecrets)
            .map(|(_, column)| column)
    }
}

#[cfg(test)]
mod tests;
