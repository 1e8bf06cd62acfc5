//! `sys/rotate/root/backup`, `sys/rotate/recovery/backup`, and Vault's older names for them: the
//! messages to the holders of the shares in force, for the day one of them lost hers.
//!
//! They are put in the transaction that puts the shares in force: what is kept here opens the store,
//! or would if its holders came together. OpenBao keeps messages that wait for verification, too.

use super::super::System;
use super::{Operations, Whose};
use crate::fault::Fault;
use crate::operation::Verb;
use crate::outcome::Outcome;
use crate::record::decode;
use crate::request::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_barrier::Batch;
use cofferdam_secret::{Buffer, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reading and deleting.
pub(in super::super) const BACKUP: Operations = &[
    (Verb::Read, |e, c| Box::pin(read(e, c))),
    (Verb::Delete, |e, c| Box::pin(delete(e, c))),
];

impl Whose {
    /// Where its messages are kept.
    pub(super) const fn backup(self) -> &'static str {
        match self {
            Self::Unseal => "core/ceremony/backup/unseal",
            Self::Recovery => "core/ceremony/backup/recovery",
        }
    }
}

/// Messages in hex, by whose they are.
#[derive(Serialize, Deserialize)]
pub(super) struct Backup {
    nonce: String,
    keys: BTreeMap<String, Vec<String>>,
}

impl Backup {
    /// Of messages to the owners of these fingerprints, in their order.
    pub(super) fn new(nonce: &str, of: &[String], messages: &[Secret<Vec<u8>>]) -> Self {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (fingerprint, message) in of.iter().zip(messages) {
            let message = hex::encode(message.expose());
            keys.entry(fingerprint.clone()).or_default().push(message);
        }
        Self {
            nonce: nonce.to_owned(),
            keys,
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Secret<Vec<u8>>, Fault> {
        let mut out = Buffer::with_capacity(1024);
        serde_json::to_writer(&mut out, self).map_err(Fault::internal)?;
        Ok(out.finish())
    }
}

async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        nonce: String,
        keys: BTreeMap<String, Vec<String>>,
        keys_base64: BTreeMap<String, Vec<String>>,
    }
    let services = engine.services()?;
    let found = services.barrier().get(Whose::of(&call).backup()).await?;
    let found = found.ok_or_else(|| Fault::invalid("no backed-up keys found"))?;
    let Backup { nonce, keys } = decode(&found.value)?;
    let mut keys_base64 = BTreeMap::new();
    for (fingerprint, messages) in &keys {
        let messages = messages
            .iter()
            .map(|hex| hex::decode(hex).map(|m| STANDARD.encode(m)));
        let messages: Vec<_> = messages
            .collect::<Result<_, _>>()
            .map_err(Fault::internal)?;
        keys_base64.insert(fingerprint.clone(), messages);
    }
    Outcome::data(&Shape {
        nonce,
        keys,
        keys_base64,
    })
}

async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let batch = Batch::new().delete(Whose::of(&call).backup());
    let _unconditional = services.barrier().commit(batch).await?;
    Ok(Outcome::Done)
}
