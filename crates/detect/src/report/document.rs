//! The matrix as a JSON document.

use super::{Cell, Column, Matrix, Place, Verdict};
use crate::findings::{self, Findings};
use crate::pattern::{DigestKey, Finding};
use crate::source::Looked;
use cofferdam_secret::Secret;
use serde::Serialize;

#[derive(Serialize)]
struct Document<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'r str>,
    verdict: Verdict,
    places: Vec<PlaceDocument<'r>>,
    secrets: Vec<Row<'r>>,
}

#[derive(Serialize)]
struct PlaceDocument<'r> {
    place: Place,
    state: &'static str,
    objects: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    not_looked_at: Vec<GapDocument<'r>>,
    more_not_looked_at: u64,
}

#[derive(Serialize)]
struct GapDocument<'r> {
    location: &'r str,
    reason: &'r str,
}

#[derive(Serialize)]
struct Row<'r> {
    #[serde(flatten)]
    label: &'r crate::Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unprotectable: Option<String>,
    cells: Vec<CellDocument>,
}

#[derive(Serialize)]
struct CellDocument {
    place: Place,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "is_zero")]
    more: u64,
}

#[derive(Serialize)]
struct Location {
    location: String,
    form: crate::Form,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape serde asks for"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Matrix {
    /// The whole matrix as JSON: places with what was not looked at, secrets with their cells.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let document = Document {
            title: self.title.as_deref(),
            verdict: self.verdict(),
            places: self
                .columns
                .iter()
                .map(|(place, column)| of_place(*place, column))
                .collect(),
            secrets: (0..self.rows.len())
                .filter_map(|row| self.row(row))
                .collect(),
        };
        // Plain structs with text keys: this cannot fail, and null would be seen at once if it did.
        serde_json::to_value(document).unwrap_or_default()
    }

    /// What is exposed, as SARIF 2.1.0: code hosts show it.
    #[must_use]
    pub fn to_sarif(&self) -> String {
        // The digests tell cells apart; what they are made of is the name of the secret.
        let key = DigestKey::new(&Secret::new(b"cofferdam report".to_vec()));
        let mut all = Looked::default();
        for (row, entry) in self.rows.iter().enumerate() {
            for &place in self.columns.keys() {
                let Cell::Exposed(exposed) = self.cell(row, place) else {
                    continue;
                };
                if place == Place::OtherSecrets {
                    continue;
                }
                for at in &exposed.at {
                    let mut finding = Finding::of_stored(&key, &entry.label, at);
                    finding.note = Some(place.words().join(" "));
                    all.finding(finding);
                }
            }
        }
        for column in self.columns.values() {
            if let Column::Looked(looked) = column {
                looked.gaps.iter().cloned().for_each(|gap| all.gap(gap));
                all.more_gaps += looked.more_gaps;
            }
        }
        Findings::new(all).shown(findings::Form::Sarif, findings::Style::default())
    }

    fn row(&self, row: usize) -> Option<Row<'_>> {
        let entry = self.rows.get(row)?;
        Some(Row {
            label: &entry.label,
            owner: entry.owner.as_deref().map(crate::source::clean),
            newest: entry.newest,
            unprotectable: entry.weakness.map(|weakness| weakness.to_string()),
            cells: self
                .columns
                .keys()
                .map(|&place| {
                    let mut cell = of_cell(place, &self.cell(row, place));
                    if cell.state == "exposed" && place == Place::OtherSecrets {
                        cell.state = "reused";
                    } else if cell.state == "exposed" && self.is_rotated(row) {
                        cell.state = "exposed-then-rotated";
                    }
                    let seen = self.seen(row, place);
                    cell.first_seen = seen.map(|(first, _)| first.to_owned());
                    cell.last_seen = seen.map(|(_, last)| last.to_owned());
                    cell
                })
                .collect(),
        })
    }
}

fn of_place(place: Place, column: &Column) -> PlaceDocument<'_> {
    let (state, reason, looked) = match column {
        Column::Looked(looked) => ("looked", None, Some(looked)),
        Column::Failed(why) => ("failed", Some(why.as_str()), None),
        Column::Skipped(why) => ("skipped", Some(why.as_str()), None),
    };
    let gaps = looked.into_iter().flat_map(|looked| &looked.gaps);
    PlaceDocument {
        place,
        state,
        objects: looked.map_or(0, |looked| looked.objects),
        bytes: looked.map_or(0, |looked| looked.bytes),
        reason,
        not_looked_at: gaps
            .map(|gap| GapDocument {
                location: &gap.location,
                reason: &gap.reason,
            })
            .collect(),
        more_not_looked_at: looked.map_or(0, |looked| looked.more_gaps),
    }
}

fn of_cell(place: Place, cell: &Cell<'_>) -> CellDocument {
    let mut document = CellDocument {
        place,
        state: "clean",
        reason: None,
        first_seen: None,
        last_seen: None,
        locations: Vec::new(),
        more: 0,
    };
    match cell {
        Cell::Clean => {}
        Cell::InPart => document.state = "in-part",
        Cell::NotLooked(why) => {
            document.state = "not-looked-at";
            document.reason = Some(why.clone());
        }
        Cell::Exposed(exposed) => {
            document.state = "exposed";
            document.more = exposed.more;
            let locations = exposed.at.iter();
            document.locations = locations
                .map(|at| Location {
                    location: at.location.clone(),
                    form: at.form,
                })
                .collect();
        }
    }
    document
}
