//! Batch tokens: the text of one is all there is of it, sealed by the barrier's keyring.
//!
//! Nothing is stored when one is made, so nothing can be counted, renewed or revoked; it ends with its
//! time or with its parent. Follows Vault's documentation, "Tokens: Token types".
//!
//! `hvb.` and base64url of the enclosed bytes: a form byte, then [`Carried`] by postcard.

use super::entry::{Entry, Purpose};
use crate::clock::Time;
use crate::fault::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_barrier::View;
use cofferdam_secret::{Buffer, Secret};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The prefix of batch tokens.
const PREFIX: &str = "hvb.";
/// Longest text made, and looked at: headers of that size pass servers and proxies.
pub(super) const LONGEST: usize = 4096;
/// What the enclosure is bound to.
const PURPOSE: &str = "batch";
/// The form of what is inside.
const FORM: u8 = 1;

/// What a token brings along. A new member means a new form.
#[derive(Serialize, Deserialize)]
struct Carried {
    parent: Option<String>,
    policies: Vec<String>,
    display_name: String,
    metadata: BTreeMap<String, String>,
    path: String,
    mount: String,
    created: Time,
    seconds: u64,
    bound_cidrs: Vec<IpNet>,
    entity_id: String,
}

/// Whether the text is that of a batch token.
pub(super) fn is(token: &Secret<String>) -> bool {
    token.expose().starts_with(PREFIX)
}

/// The text of a token that is as `entry` says.
///
/// # Errors
/// When it would be too long; the barrier's.
pub(super) async fn enclose(view: &View, entry: &Entry) -> Result<Secret<String>, Fault> {
    let carried = Carried {
        parent: entry.parent.clone(),
        policies: entry.policies.clone(),
        display_name: entry.display_name.clone(),
        metadata: entry.metadata.clone(),
        path: entry.path.clone(),
        mount: entry.mount.clone(),
        created: entry.created,
        seconds: entry.creation_ttl,
        bound_cidrs: entry.bound_cidrs.clone(),
        entity_id: entry.entity_id.clone(),
    };
    let mut plain = Buffer::with_capacity(512);
    plain.push(&[FORM]);
    let plain = postcard::to_io(&carried, plain).map_err(Fault::internal)?;
    let sealed = view.enclose(PURPOSE, &plain.finish()).await?;
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed));
    if text.len() > LONGEST {
        return Err(Fault::invalid(
            "the batch token would be longer than 4096 bytes: fewer policies, or less metadata",
        ));
    }
    Ok(Secret::new(text))
}

/// What a text holds; `None` where it is not one of ours. `hash` names it in caches.
///
/// # Errors
/// The barrier's.
pub(super) async fn disclose(
    view: &View,
    token: &Secret<String>,
    hash: &str,
) -> Result<Option<Entry>, Fault> {
    let text = token.expose().strip_prefix(PREFIX).unwrap_or_default();
    let Ok(sealed) = URL_SAFE_NO_PAD.decode(text) else {
        return Ok(None);
    };
    let Some(plain) = view.disclose(PURPOSE, &sealed).await? else {
        return Ok(None);
    };
    let Some((&FORM, body)) = plain.expose().split_first() else {
        return Ok(None);
    };
    let carried: Carried = postcard::from_bytes(body).map_err(|_| {
        Fault::internal("a batch token of ours does not have the form that it says it has")
    })?;
    Ok(Some(entry(carried, hash)))
}

fn entry(carried: Carried, hash: &str) -> Entry {
    let life = Duration::from_secs(carried.seconds);
    Entry {
        hash: hash.to_owned(),
        accessor: String::new(),
        parent: carried.parent,
        policies: carried.policies,
        display_name: carried.display_name,
        metadata: carried.metadata,
        binding: BTreeMap::new(),
        path: carried.path,
        mount: carried.mount,
        created: carried.created,
        creation_ttl: carried.seconds,
        expires: Some(carried.created.after(life)),
        renewed: None,
        explicit_max_ttl: 0,
        period: 0,
        renewable: false,
        uses_left: None,
        num_uses: 0,
        bound_cidrs: carried.bound_cidrs,
        purpose: Purpose::Batch,
        revoking: false,
        mount_id: String::new(),
        entity_id: carried.entity_id,
        groups: Vec::new(),
        role: String::new(),
        counted: None,
        standing: None,
    }
}
