//! Making tokens.

use super::{ATTEMPTS, ByAccessor, Store, expiry_key};
use crate::clock::Time;
use crate::fault::Fault;
use crate::record::encode;
use crate::token::batch;
use crate::token::counted::Counted;
use crate::token::entry::{Entry, Issued, Purpose};
use cofferdam_barrier::{Batch, Commit};
use cofferdam_secret::{Secret, random_base62};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The prefix of service tokens.
pub const SERVICE_PREFIX: &str = "hvs.";
/// Bytes of a token's text.
pub(crate) const LENGTH: usize = SERVICE_PREFIX.len() + RANDOM;
/// Of them the random ones, as in Vault.
const RANDOM: usize = 95;

/// What a new token shall be.
#[derive(Default)]
pub struct NewToken {
    /// `None`: an orphan.
    pub parent: Option<Arc<Entry>>,
    /// Policies, in any order.
    pub policies: Vec<String>,
    /// Shown at lookup.
    pub display_name: String,
    /// Shown at lookup.
    pub metadata: BTreeMap<String, String>,
    /// For the auth method's check at renewal.
    pub binding: BTreeMap<String, String>,
    /// Where it is made.
    pub path: String,
    /// The mount that makes it.
    pub mount: String,
    /// Its uuid, where its tokens end with it.
    pub mount_id: String,
    /// Lifetime; `None`: it does not end.
    pub ttl: Option<Duration>,
    /// Hard end from now.
    pub explicit_max_ttl: Option<Duration>,
    /// Renewable for ever, for this long each time.
    pub period: Option<Duration>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Requests; 0: no limit.
    pub num_uses: u32,
    /// Where it may be used from.
    pub bound_cidrs: Vec<ipnet::IpNet>,
    /// What it is for.
    pub purpose: Purpose,
    /// A token chosen by the caller (root only).
    pub chosen: Option<Secret<String>>,
    /// The reply it holds, for wrapping.
    pub wrapped: Option<Secret<Vec<u8>>>,
    /// Who holds it, where identity knows.
    pub entity_id: String,
    /// Names of groups that the login gave.
    pub groups: Vec<String>,
    /// The role of the login, where a limit asks for it.
    pub role: String,
    /// The limit of leases it counts against.
    pub counted: Option<Counted>,
}

impl Store {
    /// Makes a token and stores it with its indexes.
    ///
    /// # Errors
    /// When the parent is no longer alive, or the chosen token exists.
    pub async fn create(&self, now: Time, new: NewToken) -> Result<Issued, Fault> {
        if new.purpose == Purpose::Batch {
            return self.create_batch(now, &new).await;
        }
        let token = match &new.chosen {
            Some(token) => token.duplicate(),
            None => mint()?,
        };
        let accessor = random_base62(24).map_err(Fault::internal)?.expose().clone();
        let mut entry = describe(self.hash("id:", token.expose()), accessor, now, &new);
        self.stand(&mut entry).await?;
        let wrapped = new.wrapped;
        // What does not end is no lease.
        let counted = new.counted.filter(|_| entry.expires.is_some());
        entry.counted = counted.as_ref().map(|counted| counted.id.clone());
        let _turn = match counted {
            Some(_) => Some(self.turn.lock().await),
            None => None,
        };
        for _ in 0..ATTEMPTS {
            let mut batch = self.insert(&entry)?;
            if let Some(counted) = &counted {
                batch = self.count_up(batch, counted).await?;
            }
            if let Some(reply) = &wrapped {
                batch = batch.put(format!("wrapped/{}", entry.hash), reply.duplicate());
            }
            if let Some(parent) = &new.parent {
                let live = self
                    .stored(&parent.hash)
                    .await?
                    .filter(|(live, _)| !live.revoking && !live.expired(now));
                let (_, revision) = live.ok_or_else(Fault::denied)?;
                batch = batch.expect(format!("id/{}", parent.hash), Some(revision));
            }
            if let Commit::Done(_) = self.view.commit(batch).await? {
                let lease = entry.ttl(now).map_or(0, |ttl| ttl.as_secs());
                return Ok(Issued {
                    token: Some(token),
                    made: true,
                    entry,
                    lease,
                });
            }
            if self.stored(&entry.hash).await?.is_some() {
                return Err(Fault::invalid("cannot create a token with a duplicate ID"));
            }
            // The parent changed meanwhile (a use was counted), or the counter: look again.
        }
        Err(Fault::unavailable(
            "the parent token is too busy; try again",
            "create lost every race",
        ))
    }

    /// Makes a token that is stored nowhere.
    async fn create_batch(&self, now: Time, new: &NewToken) -> Result<Issued, Fault> {
        if let Some(parent) = &new.parent
            && self.by_hash(now, &parent.hash).await?.is_none()
        {
            return Err(Fault::denied());
        }
        let mut entry = describe(String::new(), String::new(), now, new);
        let token = batch::enclose(&self.view, &entry).await?;
        entry.hash = self.hash("id:", token.expose());
        let lease = entry.ttl(now).map_or(0, |ttl| ttl.as_secs());
        Ok(Issued {
            token: Some(token),
            made: true,
            entry,
            lease,
        })
    }

    pub(super) fn insert(&self, entry: &Entry) -> Result<Batch, Fault> {
        let by = ByAccessor {
            hash: entry.hash.clone(),
            accessor: entry.accessor.clone(),
        };
        let mut batch = Batch::new()
            .expect_absent(format!("id/{}", entry.hash))
            .put(format!("id/{}", entry.hash), encode(entry)?)
            .put(
                format!("accessor/{}", self.hash("accessor:", &entry.accessor)),
                encode(&by)?,
            );
        if let Some(parent) = &entry.parent {
            batch = batch.put(
                format!("parent/{parent}/{}", entry.hash),
                Secret::new(Vec::new()),
            );
        }
        if let Some(end) = entry.expires {
            batch = batch.put(expiry_key(end, &entry.hash), Secret::new(Vec::new()));
        }
        Ok(batch)
    }
}

pub(super) fn mint() -> Result<Secret<String>, Fault> {
    let random = random_base62(RANDOM).map_err(Fault::internal)?;
    Ok(Secret::new(format!("{SERVICE_PREFIX}{}", random.expose())))
}

pub(super) fn describe(hash: String, accessor: String, now: Time, new: &NewToken) -> Entry {
    let mut policies = new.policies.clone();
    policies.sort();
    policies.dedup();
    Entry {
        hash,
        accessor,
        parent: new.parent.as_ref().map(|parent| parent.hash.clone()),
        policies,
        display_name: new.display_name.clone(),
        metadata: new.metadata.clone(),
        binding: new.binding.clone(),
        path: new.path.clone(),
        mount: new.mount.clone(),
        mount_id: new.mount_id.clone(),
        created: now,
        creation_ttl: new.ttl.map_or(0, |ttl| ttl.as_secs()),
        expires: new.ttl.map(|ttl| now.after(ttl)),
        renewed: None,
        explicit_max_ttl: new.explicit_max_ttl.map_or(0, |ttl| ttl.as_secs()),
        period: new.period.map_or(0, |period| period.as_secs()),
        renewable: new.renewable,
        uses_left: (new.num_uses > 0).then_some(new.num_uses),
        num_uses: new.num_uses,
        bound_cidrs: new.bound_cidrs.clone(),
        purpose: new.purpose,
        revoking: false,
        entity_id: new.entity_id.clone(),
        groups: new.groups.clone(),
        role: new.role.clone(),
        counted: None,
        standing: None,
    }
}
