//! The signer's keys: given, or fetched and kept for a while.
//!
//! Anybody may send a token that names a key nobody knows. So a document with keys is read again for
//! such a token only when the last attempt lies [`INTERVAL`] back, by one request of all; the others
//! wait for that one. A flood of tokens costs the signer six requests a minute.

use super::config::{Config, Source, public_keys};
use crate::auth::jose::{self, Algorithm, Claims, KeySet, MOST_KEY_SET_BYTES, Refused, Token};
use crate::auth::role::Stored;
use crate::outbound::{self, Asked, Failed, Trust, Url};
use cofferdam_core::Fault;
use cofferdam_core::clock::Steady;
use cofferdam_core::engine::{Revision, View};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two attempts to read the signer's documents.
const INTERVAL: Duration = Duration::from_secs(10);
/// A set older than this is read again before it is used: a key that the signer took back is out then.
const FRESH: Duration = Duration::from_mins(10);
/// While the signer cannot be reached, a set is used no longer than this.
const USABLE: Duration = Duration::from_hours(1);

/// The key sets of all mounts, by the prefix of their storage.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<String, Arc<Place>>>);

/// Of one mount.
#[derive(Default)]
struct Place {
    now: Mutex<Kept>,
    /// Held by the one who fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Kept {
    /// Of the configuration it was fetched by.
    revision: Option<Revision>,
    signer: Option<(Arc<Signer>, Steady)>,
    attempted: Option<Steady>,
}

impl Kept {
    /// One that may be used.
    fn usable(&self, at: Steady) -> Option<Arc<Signer>> {
        let (signer, fetched) = self.signer.as_ref()?;
        (at.since(*fetched) < USABLE).then(|| Arc::clone(signer))
    }

    fn is_fresh(&self, at: Steady) -> bool {
        let fetched = self.signer.as_ref().map(|(_, fetched)| *fetched);
        fetched.is_some_and(|fetched| at.since(fetched) < FRESH)
    }

    fn may_ask(&self, at: Steady) -> bool {
        self.attempted
            .is_none_or(|attempted| at.since(attempted) >= INTERVAL)
    }
}

impl Place {
    /// What is kept for this configuration.
    fn kept(&self, revision: Revision) -> Kept {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match now.revision == Some(revision) {
            true => now.clone(),
            false => Kept::default(),
        }
    }

    fn keep(&self, kept: Kept) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// What is kept, read again if it is old; and whether it was not.
    async fn recent(&self, stored: &Stored<Config>, at: Steady) -> (Kept, bool) {
        let kept = self.kept(stored.revision);
        match kept.is_fresh(at) {
            true => (kept, true),
            false => (self.refresh(stored, at).await, false),
        }
    }

    /// Reads the documents again, if the last attempt lies long enough back; what is kept then.
    async fn refresh(&self, stored: &Stored<Config>, at: Steady) -> Kept {
        let _turn = self.turn.lock().await;
        let mut kept = self.kept(stored.revision);
        if !kept.may_ask(at) {
            return kept;
        }
        // Before the attempt: one that is broken off in the middle counts as well.
        kept.attempted = Some(at);
        kept.revision = Some(stored.revision);
        self.keep(kept.clone());
        match fetch(&stored.record).await {
            Ok(signer) => kept.signer = Some((Arc::new(signer), at)),
            Err(why) => tracing::warn!(reason = %why, "cannot read the key set of a jwt mount"),
        }
        self.keep(kept.clone());
        kept
    }
}

impl Keys {
    /// Forgets everything, as a sealed vault must.
    pub(super) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn place(&self, view: &View) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(view.prefix().to_owned()).or_default())
    }

    /// The claims of a token that the signer signed, by one of the `allowed` algorithms.
    ///
    /// # Errors
    /// When it did not, or cannot be asked.
    pub(super) async fn verify(
        &self,
        view: &View,
        stored: &Stored<Config>,
        token: &Token<'_>,
        allowed: &[Algorithm],
        at: Steady,
    ) -> Result<Claims, Fault> {
        // Nobody is asked about a token that no key could have signed.
        if !allowed.contains(&token.algorithm()) {
            return Err(refused(Refused::Algorithm));
        }
        if let Source::Keys(texts) = stored.record.source() {
            let set = KeySet::of(public_keys(texts)?);
            return set.verify(token, allowed).map_err(refused);
        }
        let place = self.place(view);
        let (kept, fresh) = place.recent(stored, at).await;
        let signer = kept.usable(at).ok_or_else(unreachable)?;
        match signer.keys.verify(token, allowed) {
            // The signer may have a new key.
            Err(Refused::Signature) if fresh && kept.may_ask(at) => {
                let kept = place.refresh(stored, at).await;
                let signer = kept.usable(at).ok_or_else(unreachable)?;
                signer.keys.verify(token, allowed).map_err(refused)
            }
            other => other.map_err(refused),
        }
    }

    /// What is known of the signer, if it can be had.
    pub(super) async fn signer(
        &self,
        view: &View,
        stored: &Stored<Config>,
        at: Steady,
    ) -> Option<Arc<Signer>> {
        self.place(view).recent(stored, at).await.0.usable(at)
    }
}

/// Nothing is wrong with the token: whoever comes again may be luckier.
fn unreachable() -> Fault {
    Fault::unavailable(
        "error validating token: error verifying token signature: the signer's keys cannot be read; try again",
        "the key set of a jwt mount cannot be read",
    )
}

/// A token that is not taken, in Vault's words.
pub(super) fn refused(why: Refused) -> Fault {
    Fault::invalid(format!("error validating token: {why}"))
}

/// Why the signer's documents are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("the server answers with status {0}")]
    Status(u16),
    #[error("the answer is not a JSON document of the form that is expected")]
    Form,
    #[error("the document names another issuer than oidc_discovery_url")]
    Issuer,
    #[error("the document has no key that can be used")]
    Empty,
}

/// What is known of a signer.
pub(super) struct Signer {
    keys: KeySet,
    /// What it says of itself, where it was found by its name.
    pub(super) provider: Option<Provider>,
}

/// Reads the signer's documents now.
pub(super) async fn fetch(config: &Config) -> Result<Signer, Unread> {
    let (provider, trust) = match config.source() {
        Source::Keys(_) => return Err(Unread::Empty),
        Source::KeySet(_, trust) => (None, trust),
        Source::Issuer(issuer, trust) => (Some(discover(issuer, trust).await?), trust),
    };
    let url = provider
        .as_ref()
        .map_or(&config.jwks_url, |provider| &provider.jwks_uri);
    let document = read(url, trust).await?;
    let (keys, unfit) = KeySet::parse(&document).ok_or(Unread::Form)?;
    if let Some(why) = unfit.first() {
        tracing::debug!(count = unfit.len(), reason = %why, "keys of a key set are left out");
    }
    match keys.is_empty() {
        true => Err(Unread::Empty),
        false => Ok(Signer { keys, provider }),
    }
}

/// What a provider says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
pub(super) struct Provider {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Provider {
    /// The page where people log in.
    pub(super) fn page(&self) -> Option<&str> {
        let page = self.authorization_endpoint.as_deref()?;
        Url::parse(page).is_ok().then_some(page)
    }

    /// Whether a client proves itself in a header, which is how it is where nothing is said.
    pub(super) fn takes_basic(&self) -> bool {
        let ways = self.token_endpoint_auth_methods_supported.as_ref();
        ways.is_none_or(|ways| ways.iter().any(|way| way == "client_secret_basic"))
    }
}

/// Reads what the provider of this name says of itself.
pub(super) async fn discover(issuer: &str, trust: Trust<'_>) -> Result<Provider, Unread> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let url = format!("{base}/.well-known/openid-configuration");
    let document = read(&url, trust).await?;
    let provider: Provider = jose::document(&document).ok_or(Unread::Form)?;
    // To the letter, with its slash: RFC 8414, section 3.3.
    match provider.issuer == issuer {
        true => Ok(provider),
        false => Err(Unread::Issuer),
    }
}

async fn read(url: &str, trust: Trust<'_>) -> Result<Vec<u8>, Unread> {
    let url = Url::parse(url)?;
    let answer = outbound::send(Asked {
        url: &url,
        trust,
        body: None,
        authorization: None,
        most: MOST_KEY_SET_BYTES,
    });
    let answer = answer.await?;
    match answer.status {
        200 => Ok(answer.body.expose().clone()),
        other => Err(Unread::Status(other)),
    }
}
