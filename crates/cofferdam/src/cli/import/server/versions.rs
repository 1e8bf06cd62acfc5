//! The history of one secret of KV version 2, and whether that of another server is its beginning.

use cofferdam_api::{Response, Tree};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One version, without its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) created_time: String,
    pub(super) deletion_time: String,
    pub(super) destroyed: bool,
}

/// A secret without its data, as `metadata/PATH` shows it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct History {
    pub(super) created_time: String,
    pub(super) updated_time: String,
    pub(super) current_version: u64,
    pub(super) oldest_version: u64,
    current_metadata_version: u64,
    max_versions: u64,
    cas_required: bool,
    metadata_cas_required: bool,
    delete_version_after: String,
    custom_metadata: Option<BTreeMap<String, String>>,
    versions: Option<BTreeMap<String, State>>,
    #[serde(skip)]
    pub(super) numbered: BTreeMap<u64, State>,
}

/// How what is here stands to what is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Same,
    /// What is here is the beginning; its newest version.
    Behind(u64),
    Different(&'static str),
}

impl History {
    /// Reads an answer; `None` where it is none.
    pub(super) fn of(answer: &Response) -> Option<Self> {
        let mut history: Self = answer.data()?;
        for (number, state) in history.versions.take().unwrap_or_default() {
            let number = number.parse().ok().filter(|number| *number <= 1 << 53)?;
            history.numbered.insert(number, state);
        }
        let newest = history.numbered.keys().next_back().copied().unwrap_or(0);
        let oldest = history.numbered.keys().next().copied().unwrap_or(1);
        let gapless = newest + 1 - oldest == history.numbered.len() as u64;
        (newest == history.current_version && oldest > 0 && gapless).then_some(history)
    }

    fn first(&self) -> u64 {
        let first = self.numbered.keys().next().copied();
        first.unwrap_or(self.current_version + 1)
    }

    /// The settings, as `import/PATH` takes them.
    pub(super) fn settings(&self) -> Tree {
        let custom = self.custom_metadata.iter().flatten();
        let custom = custom.fold(Tree::map(), |tree, (name, value)| {
            tree.with(name.clone(), value.clone())
        });
        Tree::map()
            .with("created_time", self.created_time.clone())
            .with("updated_time", self.updated_time.clone())
            .with("oldest_version", self.oldest_version)
            .with("current_metadata_version", self.current_metadata_version)
            .with("max_versions", self.max_versions)
            .with("cas_required", self.cas_required)
            .with("metadata_cas_required", self.metadata_cas_required)
            .with("delete_version_after", self.delete_version_after.clone())
            .with("custom_metadata", custom)
    }

    fn same_settings(&self, here: &Self) -> bool {
        let custom = |one: &Self| one.custom_metadata.clone().unwrap_or_default();
        (
            self.max_versions,
            self.cas_required,
            self.metadata_cas_required,
        ) == (
            here.max_versions,
            here.cas_required,
            here.metadata_cas_required,
        ) && self.delete_version_after == here.delete_version_after
            && custom(self) == custom(here)
    }

    /// Compares with what is here.
    pub(super) fn standing(&self, here: &Self) -> Standing {
        if self.created_time != here.created_time {
            return Standing::Different("another secret of this name");
        }
        if here.current_version > self.current_version {
            return Standing::Different("newer versions here");
        }
        for (number, state) in &here.numbered {
            match self.numbered.get(number) {
                Some(there) if there.becomes(state) => {}
                None if *number < self.first() => {}
                _ => return Standing::Different("other versions"),
            }
        }
        if !self.same_settings(here) {
            return Standing::Different("other settings");
        }
        if here.current_version == self.current_version {
            return Standing::Same;
        }
        if here.current_version == 0 || here.current_version + 1 < self.first() {
            return Standing::Different("a history that ended before this one begins");
        }
        Standing::Behind(here.current_version)
    }

    /// Versions that are marked deleted there: nobody is given their data, so here they are destroyed.
    pub(super) fn undeletable(&self, here: &Self) -> Vec<u64> {
        let gone = self.numbered.iter().filter(|(number, there)| {
            !there.destroyed
                && here
                    .numbered
                    .get(number)
                    .is_some_and(|state| state.destroyed)
        });
        gone.map(|(number, _)| *number).collect()
    }
}

impl State {
    /// Whether this, copied, is that: a deleted version comes without its data.
    fn becomes(&self, here: &Self) -> bool {
        self.created_time == here.created_time
            && self.deletion_time == here.deletion_time
            && (self.destroyed == here.destroyed
                || (here.destroyed && !self.deletion_time.is_empty()))
    }
}

/// A second copy of a value, wiped on its own.
pub(super) fn copied(value: &Tree) -> Tree {
    match value {
        Tree::Null => Tree::Null,
        Tree::Bool(on) => Tree::Bool(*on),
        Tree::Number(text) => Tree::Number(text.duplicate()),
        Tree::Text(text) => Tree::Text(text.duplicate()),
        Tree::List(items) => Tree::List(items.iter().map(copied).collect()),
        Tree::Map(entries) => {
            let entries = entries.iter();
            Tree::Map(
                entries
                    .map(|(name, value)| (name.clone(), copied(value)))
                    .collect(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(versions: &[(u64, &str, bool)], created: &str) -> History {
        let numbered = versions.iter().map(|(number, deleted, destroyed)| {
            let state = State {
                created_time: format!("t{number}"),
                deletion_time: (*deleted).to_owned(),
                destroyed: *destroyed,
            };
            (*number, state)
        });
        let numbered: BTreeMap<_, _> = numbered.collect();
        History {
            created_time: created.to_owned(),
            current_version: numbered.keys().next_back().copied().unwrap_or(0),
            numbered,
            ..History::default()
        }
    }

    #[test]
    fn what_is_here_is_the_same_a_beginning_or_another() {
        let there = history(&[(3, "", false), (4, "x", false), (5, "", true)], "a");
        for (here, standing) in [
            (
                vec![(3, "", false), (4, "x", true), (5, "", true)],
                Standing::Same,
            ),
            (vec![(3, "", false), (4, "x", true)], Standing::Behind(4)),
            (
                vec![(1, "", false), (2, "", false), (3, "", false)],
                Standing::Behind(3),
            ),
            (vec![(2, "", false)], Standing::Behind(2)),
            (
                vec![(1, "", false)],
                Standing::Different("a history that ended before this one begins"),
            ),
            (vec![(3, "", true)], Standing::Different("other versions")),
            (vec![(3, "y", false)], Standing::Different("other versions")),
            (
                vec![(6, "", false)],
                Standing::Different("newer versions here"),
            ),
            (
                vec![],
                Standing::Different("a history that ended before this one begins"),
            ),
        ] {
            let here = history(&here, "a");
            assert_eq!(there.standing(&here), standing, "{here:?}");
        }
        let other = history(&[(3, "", false)], "b");
        assert_eq!(
            there.standing(&other),
            Standing::Different("another secret of this name")
        );
    }

    #[test]
    fn deleted_versions_come_without_their_data() {
        let there = history(&[(1, "x", false), (2, "x", true), (3, "", false)], "a");
        let here = history(&[(1, "x", true), (2, "x", true), (3, "", false)], "a");
        assert_eq!(there.undeletable(&here), [1]);
    }
}
