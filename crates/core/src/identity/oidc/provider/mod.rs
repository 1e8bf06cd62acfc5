//! The provider: people log in elsewhere with what they are here.
//!
//! A [`client::Client`] is a service that may ask; an [`assignment`] says who may log in there, a
//! [`scope`] what it is told of them; a [`settings::Provider`] joins them under one issuer. Somebody
//! with a token of ours gets a code ([`authorize`]), the service gets tokens for it ([`exchange`]) and
//! may ask once more ([`userinfo`]).
//!
//! Follows OpenID Connect Core 1.0 (code flow), RFC 6749, 7636 (PKCE) and 8252 (loopback addresses),
//! and the API of OpenBao 2.7.2. Codes are in the store, once, so every replica takes them and one of
//! all does.

mod access;
mod answer;
pub(super) mod assignment;
pub(super) mod authorize;
pub(super) mod client;
mod code;
pub(super) mod credentials;
pub(super) mod exchange;
mod redirect;
pub(super) mod scope;
pub(super) mod settings;
#[cfg(test)]
mod tests;
pub(super) mod userinfo;

pub(super) use code::sweep;

use super::store::{ASSIGNMENTS, CLIENTS, Kept, SCOPES, Shelf};
use super::template::Template;
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::store::Subject;
use client::Client;
use serde_json::{Map, Value};

/// What two scopes say with different words is not told at all.
pub(super) struct Conflict;

/// The claims of some scopes for one holder.
async fn claims(
    shelf: &Shelf,
    scopes: &[String],
    subject: &Subject,
    now: Time,
) -> Result<Result<Map<String, Value>, Conflict>, Fault> {
    let mut all = Map::new();
    for name in scopes {
        let Some(Kept { record, .. }) = shelf
            .get::<scope::Scope>(&format!("{SCOPES}{name}"))
            .await?
        else {
            continue;
        };
        for (name, value) in Template::stored(&record.template)?.fill(subject, now) {
            if all.insert(name, value).is_some() {
                return Ok(Err(Conflict));
            }
        }
    }
    Ok(Ok(all))
}

/// Whether a client's assignments name somebody, or a group of theirs.
async fn may_log_in(shelf: &Shelf, client: &Client, subject: &Subject) -> Result<bool, Fault> {
    if subject.entity.disabled {
        return Ok(false);
    }
    for name in &client.assignments {
        if name == assignment::ALL {
            return Ok(true);
        }
        let found = shelf
            .get::<assignment::Assignment>(&format!("{ASSIGNMENTS}{name}"))
            .await?;
        if found.is_some_and(|kept| kept.record.names(subject)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The client of this id.
async fn client_of(shelf: &Shelf, id: &str) -> Result<Option<Client>, Fault> {
    if id.is_empty() || id.len() > 128 || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let Some(name) = shelf.get::<String>(&client::by_id(id)).await? else {
        return Ok(None);
    };
    let found = shelf
        .get::<Client>(&format!("{CLIENTS}{}", name.record))
        .await?;
    Ok(found
        .map(|kept| kept.record)
        .filter(|client| client.client_id == id))
}
