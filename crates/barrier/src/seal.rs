//! Seals: who can open the root key.
//!
//! A seal wraps the 32-byte root key into a blob that is stored beside the keyring. [`shamir`] is
//! opened by people holding shares, [`machine`] opens by itself on the machine it was made on,
//! [`static_key`] wherever its key is given.

pub mod ceremony;
pub mod machine;
pub mod shamir;
pub mod static_key;

use crate::{Error, RootKey};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    config: Config,
    root: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<String>,
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
        Ok(Self {
            config: stored.config,
            wrapped,
            recovery,
        })
    }
}
