//! Codes: what somebody agreed to, for the client to fetch once.
//!
//! A code is stored by its hash and is gone with the transaction that takes it: of any number who show
//! it, on any replicas, one gets the record.

use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::oidc::store::Shelf;
use crate::record::{self, encode};
use cofferdam_barrier::Batch;
use cofferdam_secret::{Secret, random_base62};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

const CODES: &str = "code/";
/// For so long a code is good, as in OpenBao.
const LIFE: Duration = Duration::from_mins(5);
/// How many are looked at in one go.
const AT_ONCE: usize = 256;

/// What a code stands for.
#[derive(Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) provider: String,
    pub(super) client_id: String,
    pub(super) entity_id: String,
    pub(super) redirect_uri: String,
    pub(super) nonce: String,
    pub(super) scopes: Vec<String>,
    pub(super) challenge: Option<Challenge>,
    /// Seconds since 1970, where the client asked.
    pub(super) auth_time: Option<u64>,
    pub(super) expires: Time,
}

/// PKCE (RFC 7636). What is not hashed is the verifier itself: this is never shown.
#[derive(Serialize, Deserialize)]
pub(super) struct Challenge {
    pub(super) value: String,
    pub(super) hashed: bool,
}

fn key(code: &Secret<String>) -> String {
    format!(
        "{CODES}{}",
        hex::encode(Sha256::digest(code.expose().as_bytes()))
    )
}

/// When a code made now ends.
pub(super) fn end(now: Time) -> Time {
    now.after(LIFE)
}

/// A new code.
pub(super) async fn give(shelf: &Shelf, grant: &Grant) -> Result<Secret<String>, Fault> {
    let code = random_base62(32).map_err(Fault::internal)?;
    let at = key(&code);
    let batch = Batch::new().expect_absent(at.clone());
    if shelf.commit(batch.put(at, encode(grant)?)).await? {
        Ok(code)
    } else {
        Err(Fault::internal("a random code came twice"))
    }
}

/// Takes a code away; `None`: there is none, or somebody else was first.
pub(super) async fn take(
    shelf: &Shelf,
    code: &Secret<String>,
    now: Time,
) -> Result<Option<Grant>, Fault> {
    let at = key(code);
    let Some(kept) = shelf.get::<Grant>(&at).await? else {
        return Ok(None);
    };
    let batch = Batch::new().expect_at(at.clone(), kept.revision).delete(at);
    let first = shelf.commit(batch).await?;
    Ok(Some(kept.record).filter(|grant| first && grant.expires > now))
}

/// Removes codes that nobody came for.
pub(in super::super) async fn sweep(shelf: &Shelf, now: Time) -> Result<(), Fault> {
    let mut after: Option<String> = None;
    loop {
        let page = record::page::<Grant>(&shelf.0, CODES, after.as_deref(), AT_ONCE).await?;
        let mut batch = Batch::new();
        let mut ended = false;
        for found in page.records {
            if found.record.expires <= now {
                ended = true;
                batch = batch.delete(found.key);
            }
        }
        if ended {
            shelf.commit(batch).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
