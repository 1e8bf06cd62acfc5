//! The two keys: one that fingerprints are made with, one that packs are signed with.

use crate::fault::Fault;
use cofferdam_barrier::{Barrier, Batch, Commit, Revision, Unsealed};
use cofferdam_secret::Secret;

/// Where they are: generation, key of fingerprints, seed of the signer.
const PLACE: &str = "core/fingerprint-keys";

pub(super) struct Keys {
    /// Counts rotations, from one.
    pub(super) generation: u64,
    pub(super) print: Secret<[u8; 32]>,
    pub(super) seed: Secret<[u8; 32]>,
    revision: Option<Revision>,
}

/// The keys, made on first use.
pub(super) async fn load(barrier: &Barrier<Unsealed>) -> Result<Keys, Fault> {
    loop {
        if let Some(stored) = barrier.get(PLACE).await? {
            let bytes = stored.value.expose().as_slice();
            return parsed(bytes, stored.revision)
                .ok_or_else(|| Fault::internal("the stored keys of fingerprints do not parse"));
        }
        // Lost to another replica: its keys are read then.
        put(barrier, &fresh(1)?).await?;
    }
}

/// Other keys of the next generation.
pub(super) async fn rotate(barrier: &Barrier<Unsealed>, signer: bool) -> Result<Keys, Fault> {
    for _ in 0..64 {
        let old = load(barrier).await?;
        let mut new = fresh(old.generation + 1)?;
        new.revision = old.revision;
        if !signer {
            new.seed = old.seed;
        }
        if put(barrier, &new).await? {
            return Ok(new);
        }
    }
    Err(Fault::unavailable(
        "the keys of fingerprints are too busy; try again",
        "lost every race",
    ))
}

fn fresh(generation: u64) -> Result<Keys, Fault> {
    Ok(Keys {
        generation,
        print: cofferdam_secret::random::<32>().map_err(Fault::internal)?,
        seed: cofferdam_secret::random::<32>().map_err(Fault::internal)?,
        revision: None,
    })
}

async fn put(barrier: &Barrier<Unsealed>, keys: &Keys) -> Result<bool, Fault> {
    let mut bytes = Secret::new(Vec::with_capacity(72));
    let out = bytes.expose_mut();
    out.extend(keys.generation.to_be_bytes());
    out.extend(keys.print.expose());
    out.extend(keys.seed.expose());
    let batch = Batch::new().expect(PLACE, keys.revision).put(PLACE, bytes);
    Ok(matches!(barrier.commit(batch).await?, Commit::Done(_)))
}

fn parsed(bytes: &[u8], revision: Revision) -> Option<Keys> {
    let (generation, rest) = bytes.split_first_chunk::<8>()?;
    let (print, rest) = rest.split_first_chunk::<32>()?;
    let seed: [u8; 32] = rest.try_into().ok()?;
    Some(Keys {
        generation: u64::from_be_bytes(*generation),
        print: Secret::new(*print),
        seed: Secret::new(seed),
        revision: Some(revision),
    })
}
