//! Which versions of the server ran on this store: noted when one opens it for the first time.

use crate::clock::Time;
use crate::fault::Fault;
use crate::record::decode;
use cofferdam_barrier::{Barrier, Batch, Commit, Unsealed};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

/// Where they are kept, oldest first.
const KEY: &str = "core/versions";
/// More than a store ever sees; the oldest go first.
const KEPT: usize = 256;

/// A version and when it came.
#[derive(Serialize, Deserialize)]
pub(crate) struct Installed {
    pub(crate) version: String,
    pub(crate) at: Time,
}

/// All of them.
pub(crate) async fn all(barrier: &Barrier<Unsealed>) -> Result<Vec<Installed>, Fault> {
    match barrier.get(KEY).await? {
        Some(found) => decode(&found.value),
        None => Ok(Vec::new()),
    }
}

/// Notes this one, unless it is there.
pub(super) async fn note(
    barrier: &Barrier<Unsealed>,
    version: &str,
    now: Time,
) -> Result<(), Fault> {
    for _ in 0..16 {
        let found = barrier.get(KEY).await?;
        let mut all: Vec<Installed> = match &found {
            Some(found) => decode(&found.value)?,
            None => Vec::new(),
        };
        if all.iter().any(|installed| installed.version == version) {
            return Ok(());
        }
        all.push(Installed {
            version: version.to_owned(),
            at: now,
        });
        let surplus = all.len().saturating_sub(KEPT);
        all.drain(..surplus);
        let bytes = serde_json::to_vec(&all).map_err(Fault::internal)?;
        let batch = Batch::new()
            .expect(KEY, found.map(|found| found.revision))
            .put(KEY, Secret::new(bytes));
        if matches!(barrier.commit(batch).await?, Commit::Done(_)) {
            return Ok(());
        }
    }
    Err(Fault::unavailable(
        "the version could not be noted",
        "lost every round of a contest",
    ))
}
