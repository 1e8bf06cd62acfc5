//! What is made for one task: a token, a SecretID, whatever a write answers with.
//!
//! Swarm asks again for a task that it has asked for before: when a node reconnects, when the
//! leader changes. Within [`REMEMBERED`] such a task gets what it got, so that a hiccup of the
//! cluster leaves no second credential behind. That is the one place where the plugin keeps a value,
//! in memory that is wiped, and only of what is issued. A later question, or another manager's,
//! makes a new one; what nobody uses ends with its own lifetime.

use super::Fault;
use cofferdam_agent::fetch;
use cofferdam_api::{Client, Request, Response, Tree};
use cofferdam_secret::Secret;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

use crate::docker::swarm::labels::{FIELD, Issued};

/// How long the answer for a task is kept. Swarm places a task within seconds of asking.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Most answers that are kept; the oldest goes first.
const MOST: usize = 1024;

/// Who asks: what the credential's own metadata says, for the audit log.
pub(super) struct Taker<'a> {
    pub(super) secret: &'a str,
    pub(super) service: &'a str,
    pub(super) task: &'a str,
}

type Slot = Arc<OnceCell<Secret<Vec<u8>>>>;

/// What was issued lately.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<(String, String), (Instant, Slot)>>);

impl Recent {
    /// Issues for a task, or gives what the same task got a moment ago.
    pub(super) async fn issue(
        &self,
        client: &Client,
        issued: &Issued,
        taker: &Taker<'_>,
    ) -> Result<Secret<Vec<u8>>, Fault> {
        if taker.task.is_empty() {
            return write(client, issued, taker).await;
        }
        let slot = self.slot(taker);
        let value = slot
            .get_or_try_init(|| write(client, issued, taker))
            .await?;
        Ok(value.duplicate())
    }

    fn slot(&self, taker: &Taker<'_>) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        slots.retain(|_, (made, _)| now.duration_since(*made) < REMEMBERED);
        if slots.len() >= MOST {
            let oldest = slots.iter().min_by_key(|(_, (made, _))| *made);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                slots.remove(&key);
            }
        }
        let key = (taker.task.to_owned(), taker.secret.to_owned());
        let (_, slot) = slots.entry(key).or_insert_with(|| (now, Slot::default()));
        Arc::clone(slot)
    }
}

async fn write(
    client: &Client,
    issued: &Issued,
    taker: &Taker<'_>,
) -> Result<Secret<Vec<u8>>, Fault> {
    let mut body = Tree::map();
    for (name, value) in &issued.parameters {
        body.insert(name.as_str(), value.as_str());
    }
    describe(&mut body, &issued.path, taker);
    let mut request = Request::put(issued.path.as_str(), &body);
    if let Some(ttl) = &issued.wrap {
        request = request.wrapped(ttl.as_str());
    }
    let response = client.send(request).await.map_err(fetch::Error::Server)?;
    let value = chosen(response, issued).ok_or_else(|| {
        Fault::Request(format!(
            "the answer of {} has no single value: name its field with the label {FIELD}",
            issued.path
        ))
    })?;
    if value.is_empty() {
        let path = &issued.path;
        return Err(Fault::Request(format!("what {path} issued is empty")));
    }
    Ok(value)
}

/// Says in the credential's metadata whose it is, where its maker takes such.
fn describe(body: &mut Tree, path: &str, taker: &Taker<'_>) {
    let whose = Tree::map()
        .with("service", taker.service)
        .with("task", taker.task)
        .with("secret", taker.secret);
    if path.starts_with("auth/token/create") && body.get("meta").is_none() {
        body.insert("meta", whose);
    } else if path.ends_with("/secret-id") && body.get("metadata").is_none() {
        // AppRole takes it as text.
        if let Some(text) = whose.to_json().into_text() {
            body.insert("metadata", Tree::Text(text));
        }
    }
}

fn chosen(mut response: Response, issued: &Issued) -> Option<Secret<Vec<u8>>> {
    if issued.wrap.is_some() {
        return response
            .wrap_info
            .take()
            .map(|info| info.token.into_bytes());
    }
    if let Some(auth) = response.auth.take() {
        let asked = issued.field.as_deref();
        return asked
            .is_none_or(|field| field == "client_token")
            .then(|| auth.client_token.into_bytes());
    }
    if let Some(field) = &issued.field {
        return response.field(field);
    }
    let data = response.tree()?;
    if data.get("secret_id").is_some() {
        return response.field("secret_id");
    }
    let mut names = data.entries().map(|(name, _)| name.to_owned());
    match (names.next(), names.next()) {
        (Some(only), None) => response.field(&only),
        _ => None,
    }
}
