//! Seals: who can open the root key.
//!
//! A seal wraps the 32-byte root key into a blob that is stored beside the keyring. [`shamir`] is
//! opened by people holding shares, [`machine`] opens by itself on the machine it was made on,
//! [`static_key`] and [`systemd_creds`] wherever their key is given, [`tpm`] where its chip is.
//!
//! Which seal is in force is one record, and whatever puts another in force (new shares, a migration)
//! changes it in the transaction that changes the keyring: there is no moment between two seals.

pub mod ceremony;
mod key_file;
pub mod machine;
pub mod shamir;
pub mod static_key;
pub mod systemd_creds;
pub mod tpm;

use crate::{Error, RootKey};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_secret::constant_time_eq;
use cofferdam_store::Revision;
use serde::{Deserialize, Serialize};

/// Where the record is kept.
pub(crate) const RECORD: &str = "barrier/seal";

/// Wraps and unwraps the root key.
#[async_trait]
pub trait Seal: Send + Sync {
    /// The word for it in configuration and status, as Vault writes it where Vault has it.
    fn kind(&self) -> &'static str;

    /// The root key in a form only this seal can open.
    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error>;

    /// The root key back.
    ///
    /// # Errors
    /// [`Error::WrongKey`] for a blob of another seal or a changed one.
    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error>;

    /// Whether another machine is asked, so that a failure may pass by itself.
    fn asks(&self) -> bool {
        false
    }

    /// One sentence: what someone with the disk can and cannot do.
    fn promise(&self) -> String;
}

/// [`Seal::wrap`], and a look whether it opens again: who may only encrypt at the other end would
/// close the store for good.
///
/// # Errors
/// Those of the seal, and [`Error::Seal`] where another key comes back.
pub async fn close(seal: &dyn Seal, root: &RootKey) -> Result<Vec<u8>, Error> {
    let wrapped = seal.wrap(root).await?;
    let opened = seal.unwrap(&wrapped).await?;
    if constant_time_eq(opened.bytes().expose(), root.bytes().expose()) {
        Ok(wrapped)
    } else {
        Err(Error::Seal("what it closes does not open again".to_owned()))
    }
}

/// What everybody may know about the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// [`Seal::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Shares handed out; 0 for a seal that opens by itself.
    pub shares: u8,
    /// Shares needed.
    pub threshold: u8,
}

/// The stored record: public configuration and the wrapped root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Public.
    pub config: Config,
    /// What [`Seal::wrap`] returned.
    pub wrapped: Vec<u8>,
    /// For a seal that opens by itself: the root key wrapped once more by people's shares, for the
    /// day the machine is gone. `config` then counts those shares.
    pub recovery: Option<Vec<u8>>,
    /// How often the store was moved to another seal. A replica that was opened under another one
    /// holds a seal that is not in force any more, though it may be of the same kind.
    #[serde(default)]
    pub generation: u32,
    /// What is public of the key that people share ([`shamir::Absent`]), for a root key that is put under
    /// the same shares. Who may write to the store may change it: it counts where the same is kept
    /// behind the barrier.
    #[serde(default)]
    pub people: Option<shamir::Absent>,
}

/// A record as it was read.
pub struct Found {
    /// What is in force.
    pub record: Record,
    /// What a change of it must compare with.
    pub revision: Revision,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    config: Config,
    root: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<String>,
    #[serde(default, skip_serializing_if = "is_first")]
    generation: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    people: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde gives what it asks about by reference"
)]
const fn is_first(generation: &u32) -> bool {
    *generation == 0
}

impl Record {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let stored = Stored {
            config: self.config.clone(),
            root: STANDARD.encode(&self.wrapped),
            recovery: self
                .recovery
                .as_ref()
                .map(|wrapped| STANDARD.encode(wrapped)),
            generation: self.generation,
            people: self
                .people
                .as_ref()
                .map(|people| STANDARD.encode(people.to_bytes())),
        };
        serde_json::to_vec(&stored).map_err(|_| Error::Damaged(RECORD.to_owned()))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged(RECORD.to_owned());
        let stored: Stored = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        let wrapped = STANDARD.decode(stored.root).map_err(|_| damaged())?;
        let recovery = stored
            .recovery
            .map(|text| STANDARD.decode(text))
            .transpose();
        let recovery = recovery.map_err(|_| damaged())?;
        // Only a new root key under the same shares needs it: what is no key is none.
        let people = stored.people.and_then(|text| STANDARD.decode(text).ok());
        let people = people.and_then(|bytes| shamir::Absent::from_bytes(&bytes));
        Ok(Self {
            config: stored.config,
            wrapped,
            recovery,
            generation: stored.generation,
            people,
        })
    }
}
