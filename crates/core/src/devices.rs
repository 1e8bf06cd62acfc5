//! The audit devices of this vault: which there are, what their keys are, and the broker that feeds
//! them.
//!
//! The table is one entry under a compare, like the mount table. Each device has a chain key of its
//! own; values are hashed under one salt for the whole vault, so that a record is formatted once.
//! A table with a device and a broker without one refuses everything: audit is fail-closed.

mod options;

use crate::audit::TokenFragment;
use crate::audit::device::{Device, File, Stream};
use crate::audit::record::Unrecordable;
use crate::audit::{
    Broker, ChainKey, Fragment, Fragments, Head, Limits, Names, Receipt, Record, Salt,
};
use crate::fault::Fault;
use crate::registry::AUDIT;
use cofferdam_barrier::{Barrier, Batch, Commit, Revision, Unsealed};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Tokens whose part of records is kept ready, some 1 kB each; beyond it the cache starts again.
const FRAGMENTS: usize = 4096;
const SALT: &str = "core/audit-salt";

/// One row of the audit table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The name it was enabled under, without slashes.
    pub path: String,
    /// `file` or `stdout`.
    pub kind: String,
    /// What people wrote about it.
    pub description: String,
    /// As given.
    pub options: BTreeMap<String, String>,
    /// Accepted and shown.
    pub local: bool,
    /// Names its keys; never reused.
    pub uuid: String,
}

/// The devices, and what feeds them.
pub(crate) struct Devices {
    salt: Salt,
    broker: Broker,
    /// The table has a row: nothing may be answered without a record.
    required: AtomicBool,
    /// Tokens' parts of records, by the token's hash: what they show of a token never changes.
    fragments: Mutex<HashMap<String, Arc<TokenFragment>>>,
    /// Answers' parts of records.
    answers: Fragments,
    /// One change at a time: a device that is being opened for a request must not be opened again
    /// for the table that names it.
    changing: tokio::sync::Mutex<()>,
    /// Rows that are enabled here, by their uuid.
    enabled: Mutex<BTreeMap<String, String>>,
}

impl Devices {
    /// Reads the table and opens what is in it. A device that does not open is named in the log; if
    /// none does, every request is refused until one can be opened.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn open(barrier: &Barrier<Unsealed>) -> Result<Self, Fault> {
        let salt = Salt::new(&key(barrier, SALT).await?);
        let devices = Self {
            salt,
            broker: Broker::new(Limits::default()),
            required: AtomicBool::new(false),
            fragments: Mutex::default(),
            answers: Fragments::default(),
            changing: tokio::sync::Mutex::default(),
            enabled: Mutex::default(),
        };
        devices.reconcile(barrier).await?;
        Ok(devices)
    }

    /// The salt of values.
    pub(crate) const fn salt(&self) -> &Salt {
        &self.salt
    }

    /// A token's part of records, hashed and formatted on first use.
    pub(crate) fn token_fragment(
        &self,
        hash: &str,
        make: impl FnOnce() -> TokenFragment,
    ) -> Arc<TokenFragment> {
        let mut known = self
            .fragments
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(fragment) = known.get(hash) {
            return fragment.clone();
        }
        if known.len() >= FRAGMENTS {
            known.clear();
        }
        let fragment = Arc::new(make());
        known.insert(hash.to_owned(), fragment.clone());
        fragment
    }

    /// An answer's part of its record; `identity` as of [`crate::Response::identified`].
    pub(crate) fn fragment(
        &self,
        mount: &str,
        identity: &str,
        json: &[u8],
    ) -> Result<Fragment, Unrecordable> {
        self.answers.of(&self.salt, mount, identity, json)
    }

    /// Whether any device wants names of lists like this.
    pub(crate) fn wants(&self, names: Names) -> bool {
        self.broker.wants(names)
    }

    /// Queues a record.
    pub(crate) fn submit(&self, record: Record) -> Pending {
        if self.required.load(Ordering::Acquire) && !self.broker.is_enabled() {
            return Pending(None);
        }
        Pending(Some(self.broker.submit(record)))
    }

    /// Opens what the table has and we have not, and closes what it no longer has.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn reconcile(&self, barrier: &Barrier<Unsealed>) -> Result<(), Fault> {
        let _one = self.changing.lock().await;
        let (rows, _) = table(barrier).await?;
        self.required.store(!rows.is_empty(), Ordering::Release);
        for row in &rows {
            if self.has(row) {
                continue;
            }
            if let Err(fault) = self.start(barrier, row).await {
                tracing::error!(
                    device = row.path,
                    reason = fault.public(),
                    "an audit device cannot be opened"
                );
            }
        }
        let gone: Vec<(String, String)> = {
            let enabled = self
                .enabled
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            enabled
                .iter()
                .filter(|(uuid, _)| !rows.iter().any(|row| row.uuid == **uuid))
                .map(|(a, b)| (a.clone(), b.clone()))
                .collect()
        };
        for (uuid, path) in gone {
            self.stop(&uuid, &path).await;
        }
        Ok(())
    }

    fn has(&self, row: &Row) -> bool {
        self.enabled
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .contains_key(&row.uuid)
    }

    async fn start(&self, barrier: &Barrier<Unsealed>, row: &Row) -> Result<(), Fault> {
        let key = ChainKey::new(&key(barrier, &format!("core/audit-key/{}", row.uuid)).await?);
        let noted = noted_head(barrier, &row.uuid).await?;
        let mut device = device(row)?;
        let found = device
            .head(&key)
            .map_err(|failure| Fault::invalid(format!("audit device: {failure}")))?;
        if let (Some(noted), Some(found)) = (noted, found)
            && found.seq < noted.seq
        {
            tracing::error!(
                device = row.path,
                noted = noted.seq,
                found = found.seq,
                "audit records are missing at the end of the log: it was cut or replaced"
            );
        }
        self.broker
            .enable(&row.path, device, key, noted)
            .map_err(|error| Fault::invalid(format!("audit device: {error}")))?;
        self.enabled
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(row.uuid.clone(), row.path.clone());
        Ok(())
    }

    async fn stop(&self, uuid: &str, path: &str) {
        self.enabled
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(uuid);
        let (broker, path) = (&self.broker, path.to_owned());
        // Waits for what is queued; other tasks of this thread go on meanwhile.
        let _head: Option<Head> = if tokio::runtime::Handle::current().runtime_flavor()
            == tokio::runtime::RuntimeFlavor::MultiThread
        {
            tokio::task::block_in_place(|| broker.disable(&path))
        } else {
            broker.disable(&path)
        };
    }

    /// Adds a device and writes to it from this request's answer on.
    ///
    /// # Errors
    /// When the path is taken, an option is not served, or the device does not open.
    pub(crate) async fn enable(
        &self,
        barrier: &Barrier<Unsealed>,
        row: &Row,
    ) -> Result<Revision, Fault> {
        options::check(row)?;
        let _one = self.changing.lock().await;
        // Opened before it is in the table: one that does not open must not lock everybody out.
        drop(device(row)?);
        let revision = change(barrier, |rows| {
            if rows.iter().any(|other| other.path == row.path) {
                return Err(Fault::invalid("path already in use"));
            }
            rows.push(row.clone());
            Ok(())
        })
        .await?;
        if !self.has(row)
            && let Err(fault) = self.start(barrier, row).await
            && !self.has(row)
        {
            change(barrier, |rows| {
                rows.retain(|other| other.uuid != row.uuid);
                Ok(())
            })
            .await?;
            return Err(fault);
        }
        self.required.store(true, Ordering::Release);
        Ok(revision)
    }

    /// Removes a device; one that is not there is removed already.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn disable(
        &self,
        barrier: &Barrier<Unsealed>,
        path: &str,
    ) -> Result<(), Fault> {
        change(barrier, |rows| {
            rows.retain(|row| row.path != path);
            Ok(())
        })
        .await?;
        self.reconcile(barrier).await
    }

    /// The table.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn rows(&self, barrier: &Barrier<Unsealed>) -> Result<Vec<Row>, Fault> {
        Ok(table(barrier).await?.0)
    }

    /// What `audit verify` needs: the chain key of a device, and where its chain ends now.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn chain(
        &self,
        barrier: &Barrier<Unsealed>,
        path: &str,
    ) -> Result<Option<(Secret<[u8; 32]>, Head)>, Fault> {
        let rows = self.rows(barrier).await?;
        let Some(row) = rows.iter().find(|row| row.path == path) else {
            return Ok(None);
        };
        let key = key(barrier, &format!("core/audit-key/{}", row.uuid)).await?;
        let status = self
            .broker
            .status()
            .into_iter()
            .find(|status| status.name == path);
        Ok(Some((
            key,
            status.map(|status| status.head).unwrap_or_default(),
        )))
    }

    /// Lets the devices finish, and notes where their chains end.
    pub(crate) async fn close(&self, barrier: &Barrier<Unsealed>) {
        let enabled = std::mem::take(
            &mut *self
                .enabled
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        for (uuid, path) in enabled {
            if let Some(head) = self.broker.disable(&path) {
                note(barrier, &uuid, head).await;
            }
        }
    }

    /// Notes where the chains end now, so that a log whose end was cut off while the server was down
    /// is noticed at the next start, up to what was written since the last note.
    pub(crate) async fn note_heads(&self, barrier: &Barrier<Unsealed>) {
        for status in self.broker.status() {
            let uuid = {
                let enabled = self
                    .enabled
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                enabled
                    .iter()
                    .find(|(_, path)| **path == status.name)
                    .map(|(uuid, _)| uuid.clone())
            };
            let Some(uuid) = uuid else { continue };
            let noted = noted_head(barrier, &uuid).await.ok().flatten();
            if noted != Some(status.head) {
                note(barrier, &uuid, status.head).await;
            }
        }
    }
}

async fn note(barrier: &Barrier<Unsealed>, uuid: &str, head: Head) {
    let text = Secret::new(head.to_string().into_bytes());
    if let Err(error) = barrier.commit(Batch::new().put(head_key(uuid), text)).await {
        tracing::warn!(%error, "cannot note the end of an audit chain");
    }
}

/// A record on its way.
#[must_use = "nothing may be answered before the record is accepted"]
pub(crate) struct Pending(Option<Receipt>);

impl Pending {
    /// Waits until one device has written it.
    pub(crate) async fn accepted(self) -> Result<(), Fault> {
        let refused = || {
            Fault::unavailable(
                "the audit record could not be written; the request is refused",
                "no audit device accepted the record",
            )
        };
        match self.0 {
            Some(receipt) => receipt.accepted().await.map_err(|_| refused()),
            None => Err(refused()),
        }
    }
}

fn device(row: &Row) -> Result<Box<dyn Device>, Fault> {
    let failed = |failure| Fault::invalid(format!("audit device: {failure}"));
    Ok(match row.kind.as_str() {
        _ if options::is_stdout(row) => {
            let stream = Stream::stdout().map_err(failed)?;
            Box::new(stream.with_names(options::names(row)?))
        }
        _ => Box::new(File::open(options::file(row)?).map_err(failed)?),
    })
}

fn head_key(uuid: &str) -> String {
    format!("core/audit-head/{uuid}")
}

async fn noted_head(barrier: &Barrier<Unsealed>, uuid: &str) -> Result<Option<Head>, Fault> {
    let stored = barrier.get(&head_key(uuid)).await?;
    Ok(stored.and_then(|stored| {
        std::str::from_utf8(stored.value.expose())
            .ok()?
            .parse()
            .ok()
    }))
}

/// A 32-byte key at this place, made on first use.
pub(crate) async fn key(
    barrier: &Barrier<Unsealed>,
    place: &str,
) -> Result<Secret<[u8; 32]>, Fault> {
    loop {
        if let Some(stored) = barrier.get(place).await? {
            let bytes = stored.value.expose().as_slice().try_into();
            return bytes
                .map(Secret::new)
                .map_err(|_| Fault::internal("a stored key has the wrong length"));
        }
        let fresh = cofferdam_secret::random::<32>().map_err(Fault::internal)?;
        barrier
            .commit(
                Batch::new()
                    .expect_absent(place)
                    .put(place, Secret::new(fresh.expose().to_vec())),
            )
            .await?
            .ignore();
    }
}

async fn table(barrier: &Barrier<Unsealed>) -> Result<(Vec<Row>, Option<Revision>), Fault> {
    let Some(stored) = barrier.get(AUDIT).await? else {
        return Ok((Vec::new(), None));
    };
    let rows = serde_json::from_slice(stored.value.expose())
        .map_err(|_| Fault::internal("the stored audit table does not parse"))?;
    Ok((rows, Some(stored.revision)))
}

async fn change(
    barrier: &Barrier<Unsealed>,
    edit: impl Fn(&mut Vec<Row>) -> Result<(), Fault>,
) -> Result<Revision, Fault> {
    for _ in 0..64 {
        let (mut rows, revision) = table(barrier).await?;
        edit(&mut rows)?;
        let value = serde_json::to_vec(&rows)
            .map(Secret::new)
            .map_err(Fault::internal)?;
        if let Commit::Done(revision) = barrier
            .commit(Batch::new().expect(AUDIT, revision).put(AUDIT, value))
            .await?
        {
            return Ok(revision);
        }
    }
    Err(Fault::unavailable(
        "the audit table is too busy; try again",
        "lost every race",
    ))
}
