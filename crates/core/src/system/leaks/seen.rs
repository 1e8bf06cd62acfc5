//! When each exposure was seen first and last, by the hash of the secret's path.

use super::{Exposure, Report};
use crate::fault::Fault;
use crate::record::{decode, encode};
use cofferdam_barrier::{Commit, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Most exposures of one secret that are remembered with their time: a value that lies in more kinds
/// of places, over all its fields and versions, has been understood.
const CELLS: usize = 1000;
/// Attempts to note what was seen beside another report that is stored at the same moment.
const ATTEMPTS: usize = 32;

/// When something was seen.
#[derive(Clone, Serialize, Deserialize)]
struct Seen {
    first: String,
    last: String,
}

/// Says of every exposure when it was seen first, and remembers that it was seen now.
pub(super) async fn note(view: &View, report: &mut Report) -> Result<(), Fault> {
    for (path, numbers) in by_path(report) {
        change(view, &path, |all| {
            for &number in &numbers {
                let Some(exposure) = report.exposures.get_mut(number) else {
                    continue;
                };
                let seen = all.entry(cell(exposure)).or_insert_with(|| Seen {
                    first: report.at.clone(),
                    last: report.at.clone(),
                });
                seen.last.clone_from(&report.at);
                exposure.first_seen.clone_from(&seen.first);
                exposure.last_seen.clone_from(&seen.last);
            }
            bound(all);
        })
        .await?;
    }
    Ok(())
}

/// Forgets what nobody has seen since this report, which is about to go.
pub(super) async fn forget(view: &View, report: &Report) -> Result<(), Fault> {
    for (path, numbers) in by_path(report) {
        change(view, &path, |all| {
            for exposure in numbers.iter().filter_map(|&n| report.exposures.get(n)) {
                let cell = cell(exposure);
                if all.get(&cell).is_some_and(|seen| seen.last == report.at) {
                    all.remove(&cell);
                }
            }
        })
        .await?;
    }
    Ok(())
}

/// The exposures of a report by the path of their secret.
fn by_path(report: &Report) -> BTreeMap<String, Vec<usize>> {
    let mut by_path: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, exposure) in report.exposures.iter().enumerate() {
        let numbers = by_path.entry(exposure.path.clone()).or_default();
        numbers.push(number);
    }
    by_path
}

/// Forgets what was seen longest ago, where it is too much.
fn bound(all: &mut BTreeMap<String, Seen>) {
    let surplus = all.len().saturating_sub(CELLS);
    if surplus == 0 {
        return;
    }
    let mut oldest: Vec<(String, String)> = all
        .iter()
        .map(|(cell, seen)| (seen.last.clone(), cell.clone()))
        .collect();
    oldest.sort_unstable();
    for (_, cell) in oldest.into_iter().take(surplus) {
        all.remove(&cell);
    }
}

/// Changes what is remembered of one secret, beside other reports that are stored at the same moment.
async fn change(
    view: &View,
    path: &str,
    mut how: impl FnMut(&mut BTreeMap<String, Seen>),
) -> Result<(), Fault> {
    let key = format!("seen/{}", hex::encode(Sha256::digest(path)));
    for _ in 0..ATTEMPTS {
        let known = view.get(&key).await?;
        let revision = known.as_ref().map(|known| known.revision);
        let mut all: BTreeMap<String, Seen> = match &known {
            Some(known) => decode(&known.value)?,
            None => BTreeMap::new(),
        };
        how(&mut all);
        let batch = view.batch().expect(&key, revision);
        let batch = match all.is_empty() {
            true => batch.delete(&key),
            false => batch.put(&key, encode(&all)?),
        };
        if let Commit::Done(_) = view.commit(batch).await? {
            return Ok(());
        }
    }
    Err(Fault::unavailable(
        "too many reports are stored at once; try again",
        "lost every race",
    ))
}

/// A cell of the matrix: one value in one kind of place.
fn cell(exposure: &Exposure) -> String {
    let version = exposure.version.map(|version| version.to_string());
    format!(
        "{}#{} {}",
        version.unwrap_or_default(),
        exposure.field,
        exposure.place
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_longest_ago_goes_first() {
        let seen = |number: usize| Seen {
            first: "2023".to_owned(),
            last: format!("{:05}", 5000 - number),
        };
        let mut all: BTreeMap<String, Seen> = (0..CELLS + 2)
            .map(|number| (format!("1#field{number} git"), seen(number)))
            .collect();
        bound(&mut all);
        assert_eq!(all.len(), CELLS);
        assert!(!all.contains_key(&format!("1#field{} git", CELLS)));
        assert!(!all.contains_key(&format!("1#field{} git", CELLS + 1)));
    }
}
