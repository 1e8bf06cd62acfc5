//! `identity/oidc/key`: keys with a name, which sign, change by themselves, and stay published until
//! what they signed has ended.
//!
//! The key that comes next is made and published one period ahead, so whoever keeps what is published
//! knows it before it signs. Of the replicas that find a key too old one rotates it: the transaction
//! compares the key with what was read.

use super::provider::client::Client;
use super::published::Public;
use super::role::Role;
use super::signing::{Algorithm, Jwk, Pair};
use super::store::{CLIENTS, KEYS, Kept, ROLES, Shelf, name};
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::store::{ATTEMPTS, busy};
use crate::json::field::{Ttl, Words};
use crate::outcome::Outcome;
use crate::record::{self, Sound, encode};
use crate::request::Call;
use crate::vault::Services;
use cofferdam_barrier::{Batch, Revision};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// The key that is always there.
pub(super) const DEFAULT: &str = "default";
const DAY: u64 = 24 * 60 * 60;
/// How many are looked at in one go.
const AT_ONCE: usize = 64;

/// A key with a name.
#[derive(Serialize, Deserialize)]
pub(super) struct NamedKey {
    pub(super) algorithm: Algorithm,
    /// Seconds.
    rotation_period: u64,
    /// Seconds for which a key stays published after its last signature.
    pub(super) verification_ttl: u64,
    allowed_client_ids: Vec<String>,
    next_rotation: Time,
    /// `None`: the default key before anybody has used it.
    pub(super) pairs: Option<Pairs>,
    /// Keys that do not sign any more.
    former: Vec<Former>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Pairs {
    pub(super) signing: Pair,
    next: Pair,
}

#[derive(Clone, Serialize, Deserialize)]
struct Former {
    public: Jwk,
    until: Time,
}

impl Pairs {
    async fn generate(algorithm: Algorithm) -> Result<Self, Fault> {
        Ok(Self {
            signing: generate(algorithm).await?,
            next: generate(algorithm).await?,
        })
    }
}

/// RSA keys take a moment, in which the thread would serve nobody.
async fn generate(algorithm: Algorithm) -> Result<Pair, Fault> {
    let made = tokio::task::spawn_blocking(move || Pair::generate(algorithm)).await;
    made.map_err(Fault::internal)?
}

impl NamedKey {
    fn new(now: Time) -> Self {
        Self {
            algorithm: Algorithm::RS256,
            rotation_period: DAY,
            verification_ttl: DAY,
            allowed_client_ids: Vec::new(),
            next_rotation: now.after(Duration::from_secs(DAY)),
            pairs: None,
            former: Vec::new(),
        }
    }

    /// As it is before anybody has used it.
    fn unused_default(now: Time) -> Self {
        Self {
            allowed_client_ids: vec!["*".to_owned()],
            ..Self::new(now)
        }
    }

    pub(super) fn allows(&self, client: &str) -> bool {
        let mut allowed = self.allowed_client_ids.iter();
        allowed.any(|one| one == "*" || one == client)
    }

    /// All public keys that may be trusted, each until its time.
    fn public(&self) -> impl Iterator<Item = Public> {
        let pairs = self.pairs.iter();
        let pairs = pairs.flat_map(|pairs| [&pairs.signing.public, &pairs.next.public]);
        let former = self.former.iter();
        let former = former.map(|former| (&former.public, Some(former.until)));
        let all = pairs.map(|public| (public, None)).chain(former);
        all.map(|(jwk, until)| Public {
            jwk: jwk.clone(),
            until,
        })
    }

    /// What signed so far stays published for `left`.
    fn retire(&mut self, public: Jwk, now: Time, left: u64) {
        self.former.retain(|former| former.until > now);
        self.former.push(Former {
            public,
            until: now.after(Duration::from_secs(left)),
        });
    }

    /// The next key signs from now on.
    async fn turn(&mut self, now: Time, left: u64) -> Result<(), Fault> {
        match self.pairs.take() {
            None => self.pairs = Some(Pairs::generate(self.algorithm).await?),
            Some(Pairs { signing, next }) => {
                let fresh = generate(self.algorithm).await?;
                self.retire(signing.public, now, left);
                self.pairs = Some(Pairs {
                    signing: next,
                    next: fresh,
                });
            }
        }
        self.next_rotation = now.after(Duration::from_secs(self.rotation_period));
        Ok(())
    }
}

/// The key of this name; the default one is there before it is stored.
pub(super) async fn load(
    shelf: &Shelf,
    name: &str,
    now: Time,
) -> Result<Option<(NamedKey, Option<Revision>)>, Fault> {
    match shelf.get(&format!("{KEYS}{name}")).await? {
        Some(Kept { record, revision }) => Ok(Some((record, Some(revision)))),
        None if name == DEFAULT => Ok(Some((NamedKey::unused_default(now), None))),
        None => Ok(None),
    }
}

/// Adds the key of this name, as it was read, to the transaction of whoever begins to refer to it: it
/// is still so, and ready to sign.
pub(super) async fn ready(
    batch: Batch,
    name: &str,
    (mut key, revision): (NamedKey, Option<Revision>),
    now: Time,
) -> Result<Batch, Fault> {
    let at = format!("{KEYS}{name}");
    let batch = batch.expect(at.clone(), revision);
    if key.pairs.is_some() {
        return Ok(batch);
    }
    key.turn(now, 0).await?;
    Ok(batch.put(at, encode(&key)?))
}

/// The public keys of several named keys. The default key has none before it is stored.
pub(super) async fn public(shelf: &Shelf, names: BTreeSet<&String>) -> Result<Vec<Public>, Fault> {
    let mut all = Vec::new();
    for name in names {
        if let Some(kept) = shelf.get::<NamedKey>(&format!("{KEYS}{name}")).await? {
            all.extend(kept.record.public());
        }
    }
    Ok(all)
}

pub(super) async fn exists(engine: &Identities, call: &Call<'_>) -> Result<bool, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    Ok(load(&shelf, call.capture("name"), call.now)
        .await?
        .is_some())
}

pub(super) async fn list(engine: &Identities) -> Result<Outcome, Fault> {
    let mut names = Shelf::of(&*engine.services()?).names(KEYS).await?;
    if !names.iter().any(|name| name == DEFAULT) {
        names.push(DEFAULT.to_owned());
        names.sort();
    }
    Outcome::keys(&names)
}

pub(super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let found = load(&shelf, name(&call)?, call.now).await?;
    let (key, _) = found.ok_or_else(Fault::missing)?;
    Outcome::data(&json!({
        "algorithm": key.algorithm.name(),
        "allowed_client_ids": key.allowed_client_ids,
        "rotation_period": key.rotation_period,
        "verification_ttl": key.verification_ttl,
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    rotation_period: Option<Ttl>,
    verification_ttl: Option<Ttl>,
    algorithm: Option<String>,
    allowed_client_ids: Option<Words>,
}

pub(super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let (name, now) = (name(&call)?, call.now);
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{KEYS}{name}");
    shelf
        .change(|| async {
            let (mut key, revision) = match load(&shelf, name, now).await? {
                Some(found) => found,
                None => (NamedKey::new(now), None),
            };
            settle(&mut key, &wanted, now)?;
            if revision.is_some() {
                refers_within(&shelf, name, key.verification_ttl).await?;
            }
            // Last: what is refused costs nothing.
            if key.pairs.is_none() {
                key.pairs = Some(Pairs::generate(key.algorithm).await?);
            }
            let batch = Batch::new().expect(at.clone(), revision);
            Ok(Some((batch.put(at.clone(), encode(&key)?), Outcome::Done)))
        })
        .await
}

fn settle(key: &mut NamedKey, wanted: &Wanted, now: Time) -> Result<(), Fault> {
    if let Some(period) = wanted.rotation_period {
        key.rotation_period = period.seconds();
    }
    if key.rotation_period < 60 {
        return Err(Fault::invalid(
            "rotation_period must be at least one minute",
        ));
    }
    if let Some(ttl) = wanted.verification_ttl {
        key.verification_ttl = ttl.seconds();
    }
    if key.verification_ttl > key.rotation_period.saturating_mul(10) {
        return Err(Fault::invalid(
            "verification_ttl cannot be longer than 10x rotation_period",
        ));
    }
    if let Some(ids) = &wanted.allowed_client_ids {
        key.allowed_client_ids.clone_from(&ids.0);
    }
    let algorithm = wanted.algorithm.as_deref().map_or(Ok(key.algorithm), |name| {
        Algorithm::parse(name).ok_or_else(|| {
            Fault::invalid(
                "unknown signing algorithm: RS256, RS384, RS512, ES256, ES384, ES512 and EdDSA are known",
            )
        })
    })?;
    if algorithm != key.algorithm {
        key.algorithm = algorithm;
        // The one that was to come has signed nothing.
        if let Some(Pairs { signing, .. }) = key.pairs.take() {
            key.retire(signing.public, now, key.verification_ttl);
        }
    }
    // A shorter period begins now, a longer one after the next rotation.
    let next = now.after(Duration::from_secs(key.rotation_period));
    key.next_rotation = key.next_rotation.min(next);
    Ok(())
}

/// No token of a role may outlive the key that checks it.
async fn refers_within(shelf: &Shelf, key: &str, most: u64) -> Result<(), Fault> {
    let roles = shelf.all::<Role>(ROLES).await?;
    let mut roles = roles.iter().map(|(_, kept)| &kept.record);
    if roles.any(|role| role.key == key && role.ttl > most) {
        return Err(Fault::invalid(
            "unable to update the key: it is currently referenced by one or more roles with a token ttl greater than verification_ttl",
        ));
    }
    let clients = shelf.all::<Client>(CLIENTS).await?;
    let mut clients = clients.iter().map(|(_, kept)| &kept.record);
    if clients.any(|client| client.key == key && client.id_token_ttl > most) {
        return Err(Fault::invalid(
            "unable to update the key: it is currently referenced by one or more clients with an id_token_ttl greater than verification_ttl",
        ));
    }
    Ok(())
}

pub(super) async fn delete(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    if name == DEFAULT {
        return Err(Fault::invalid("deletion of key \"default\" not allowed"));
    }
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{KEYS}{name}");
    shelf
        .change(|| async {
            shelf
                .unreferenced("key", (ROLES, "roles"), |role: &Role| role.key == name)
                .await?;
            shelf
                .unreferenced("key", (CLIENTS, "clients"), |client: &Client| {
                    client.key == name
                })
                .await?;
            let found = shelf.get::<NamedKey>(&at).await?;
            Ok(found.map(|kept| {
                let batch = Batch::new().expect_at(at.clone(), kept.revision);
                (batch.delete(at.clone()), Outcome::Done)
            }))
        })
        .await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Rotation {
    verification_ttl: Option<Ttl>,
}

pub(super) async fn rotate(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Rotation = call.body.parse()?;
    let name = name(&call)?;
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{KEYS}{name}");
    for _ in 0..ATTEMPTS {
        let found = load(&shelf, name, call.now).await?;
        let (mut key, revision) =
            found.ok_or_else(|| Fault::invalid("no named key found of this name"))?;
        let left = wanted.verification_ttl.map(Ttl::seconds);
        let left = left.unwrap_or(key.verification_ttl);
        key.turn(call.now, left).await?;
        let batch = Batch::new().expect(at.clone(), revision);
        let batch = batch.put(at.clone(), encode(&key)?);
        if shelf.commit(batch).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(busy())
}

/// Rotates keys whose time has come, and forgets those that nothing rests on any more. Runs on every
/// replica; whoever comes second finds it done. What cannot be done for one key is done for the others.
///
/// # Errors
/// When the store fails.
pub(crate) async fn keep(services: &Services) -> Result<(), Fault> {
    let (shelf, now) = (Shelf::of(services), services.clock.now());
    let swept = super::provider::sweep(&shelf, now).await;
    let mut after: Option<String> = None;
    loop {
        let page = record::page::<NamedKey>(&shelf.0, KEYS, after.as_deref(), AT_ONCE).await?;
        for found in page.records {
            let name = format!("{}{}", shelf.0.prefix(), found.key);
            if let Err(fault) = keep_one(&shelf, found, now).await {
                record::skipped(&name, &fault);
            }
        }
        after = page.next;
        if after.is_none() {
            return swept;
        }
    }
}

async fn keep_one(shelf: &Shelf, found: Sound<NamedKey>, now: Time) -> Result<(), Fault> {
    let mut key = found.record;
    let ended = key.former.iter().any(|former| former.until <= now);
    let latest = now.after(Duration::from_secs(key.rotation_period));
    if key.next_rotation <= now {
        let left = key.verification_ttl;
        key.turn(now, left).await?;
    } else if ended || key.next_rotation > latest {
        key.former.retain(|former| former.until > now);
        // It would come later than its period from now: the clock was put back.
        key.next_rotation = key.next_rotation.min(latest);
    } else {
        return Ok(());
    }
    let batch = Batch::new().expect_at(found.key.clone(), found.revision);
    let batch = batch.put(found.key, encode(&key)?);
    // Somebody else was first: what there is to do is found again.
    shelf.0.commit(batch).await?.ignore();
    Ok(())
}
