//! Reports that the store keeps, and what changed between two of them.

use super::{Cell, Column, Matrix, Place};
use crate::source::clean;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Exposures of one report that the store takes.
const MOST: usize = 1000;

/// A report as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Its name; the store gives it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When, by the clock of the store.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// Who, as the store knows the caller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Where it was made.
    pub host: String,
    /// Its title.
    pub title: String,
    /// How many secrets were searched for.
    pub secrets: u64,
    /// How many exposures are not in it.
    pub more: u64,
    /// Kinds of places, and how far each was looked at.
    pub places: Vec<KeptPlace>,
    /// What was found: the first location of each cell.
    pub exposures: Vec<KeptExposure>,
}

/// A kind of place in a kept report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPlace {
    /// Which.
    pub place: String,
    /// `looked`, `in-part`, `failed` or `skipped`.
    pub state: String,
}

/// An exposure in a kept report.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptExposure {
    /// Path of the secret.
    pub path: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Field.
    pub field: String,
    /// Kind of place.
    pub place: String,
    /// How it is written there.
    pub form: String,
    /// Where.
    pub location: String,
    /// When a report had it first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub first_seen: String,
    /// When a report had it last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_seen: String,
}

/// A cell by its names.
type Key<'k> = (&'k str, Option<u64>, &'k str, &'k str);

impl KeptExposure {
    fn key(&self) -> Key<'_> {
        (&self.path, self.version, &self.field, &self.place)
    }

    fn shown(&self) -> String {
        let label = crate::Label::new(&self.path, self.version, &self.field);
        clean(&format!("{label}  {}: {}", self.place, self.location))
    }
}

/// What changed from one report to a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Between which.
    pub from: String,
    /// And which.
    pub to: String,
    /// Only in the later one.
    pub new: Vec<KeptExposure>,
    /// Only in the earlier one, and the later one looked there.
    pub gone: Vec<KeptExposure>,
    /// In both.
    pub still: Vec<KeptExposure>,
    /// Only in the earlier one, and the later one did not look there, or not at everything.
    pub unknown: Vec<KeptExposure>,
}

impl Diff {
    /// What changed.
    #[must_use]
    pub fn between(from: &Kept, to: &Kept) -> Self {
        let keys: BTreeSet<_> = to.exposures.iter().map(KeptExposure::key).collect();
        let before: BTreeSet<_> = from.exposures.iter().map(KeptExposure::key).collect();
        let looked = |place: &str| {
            let known = to.places.iter().find(|known| known.place == place);
            known.is_some_and(|known| known.state == "looked") && to.more == 0
        };
        let mut diff = Self {
            from: from.id.clone(),
            to: to.id.clone(),
            ..Self::default()
        };
        for exposure in &to.exposures {
            if before.contains(&exposure.key()) {
                diff.still.push(exposure.clone());
            } else {
                diff.new.push(exposure.clone());
            }
        }
        let left = from.exposures.iter();
        for exposure in left.filter(|exposure| !keys.contains(&exposure.key())) {
            if looked(&exposure.place) {
                diff.gone.push(exposure.clone());
            } else {
                diff.unknown.push(exposure.clone());
            }
        }
        diff
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (word, list) in [
            ("new", &self.new),
            ("gone", &self.gone),
            ("still there", &self.still),
            ("not looked at again", &self.unknown),
        ] {
            if !list.is_empty() {
                out.push_str(&format!("{word}\n"));
            }
            for exposure in list {
                out.push_str(&format!("  {}\n", exposure.shown()));
            }
        }
        out.push_str(&format!(
            "{} new, {} gone, {} still there, {} not looked at again\n",
            self.new.len(),
            self.gone.len(),
            self.still.len(),
            self.unknown.len()
        ));
        out
    }
}

impl Matrix {
    /// What the store keeps of it.
    #[must_use]
    pub fn to_kept(&self, host: &str) -> Kept {
        let searched = self.rows.iter().filter(|row| row.weakness.is_none());
        let mut kept = Kept {
            host: clean(host),
            title: self.title.as_deref().map(clean).unwrap_or_default(),
            secrets: searched.count() as u64,
            places: self
                .columns
                .iter()
                .map(|(place, column)| KeptPlace {
                    place: place.id().to_owned(),
                    state: state(column).to_owned(),
                })
                .collect(),
            ..Kept::default()
        };
        for (row, entry) in self.rows.iter().enumerate() {
            for &place in self.columns.keys() {
                let Cell::Exposed(exposed) = self.cell(row, place) else {
                    continue;
                };
                let Some(first) = exposed.at.first() else {
                    continue;
                };
                if kept.exposures.len() == MOST {
                    kept.more += 1;
                    continue;
                }
                kept.exposures.push(KeptExposure {
                    path: clean(&entry.label.path),
                    version: entry.label.version,
                    field: clean(&entry.label.field),
                    place: place.id().to_owned(),
                    form: first.form.word().to_owned(),
                    location: first.location.clone(),
                    ..KeptExposure::default()
                });
            }
        }
        kept
    }

    /// Takes over when each exposure was seen, from the report as the store kept it.
    pub fn remember(&mut self, kept: &Kept) {
        let known: BTreeMap<_, _> = kept
            .exposures
            .iter()
            .map(|exposure| (exposure.key(), exposure))
            .collect();
        let mut dates = BTreeMap::new();
        for (row, entry) in self.rows.iter().enumerate() {
            for &place in self.columns.keys() {
                let (path, field) = (clean(&entry.label.path), clean(&entry.label.field));
                let key = (
                    path.as_str(),
                    entry.label.version,
                    field.as_str(),
                    place.id(),
                );
                if let Some(seen) = known.get(&key) {
                    dates.insert(
                        (row, place),
                        (seen.first_seen.clone(), seen.last_seen.clone()),
                    );
                }
            }
        }
        self.dates = dates;
    }

    /// When a report had this cell first and last.
    #[must_use]
    pub fn seen(&self, row: usize, place: Place) -> Option<(&str, &str)> {
        let dates = self.dates.get(&(row, place))?;
        Some((&dates.0, &dates.1))
    }
}

fn state(column: &Column) -> &'static str {
    match column {
        Column::Looked(looked) if looked.gaps.is_empty() && looked.more_gaps == 0 => "looked",
        Column::Looked(_) => "in-part",
        Column::Failed(_) => "failed",
        Column::Skipped(_) => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(path: &str, place: &str) -> KeptExposure {
        KeptExposure {
            path: path.to_owned(),
            version: Some(1),
            field: "value".to_owned(),
            place: place.to_owned(),
            location: "a".to_owned(),
            ..KeptExposure::default()
        }
    }

    fn kept(exposures: &[KeptExposure], places: &[(&str, &str)]) -> Kept {
        let place = |(place, state): &(&str, &str)| KeptPlace {
            place: (*place).to_owned(),
            state: (*state).to_owned(),
        };
        Kept {
            places: places.iter().map(place).collect(),
            exposures: exposures.to_vec(),
            ..Kept::default()
        }
    }

    #[test]
    fn gone_is_only_what_was_looked_for_again() {
        let (git, layers, logs) = (
            exposure("secret/a", "git"),
            exposure("secret/a", "image-layers"),
            exposure("secret/b", "container-logs"),
        );
        let fresh = exposure("secret/c", "git");
        let before = kept(
            &[git.clone(), layers.clone(), logs.clone()],
            &[("git", "looked")],
        );
        let after = kept(
            &[layers.clone(), fresh.clone()],
            &[
                ("git", "looked"),
                ("image-layers", "looked"),
                ("container-logs", "in-part"),
            ],
        );
        let diff = Diff::between(&before, &after);
        assert_eq!(diff.new, [fresh]);
        assert_eq!(diff.gone, [git]);
        assert_eq!(diff.still, [layers]);
        assert_eq!(diff.unknown, [logs]);
        assert!(
            diff.to_text()
                .ends_with("1 new, 1 gone, 1 still there, 1 not looked at again\n")
        );
    }
}
