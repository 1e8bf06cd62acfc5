//! Who shares and root tokens are encrypted to: OpenPGP keys that a request names.
//!
//! A key is judged when it is given, before anything is made or changed, and is kept judged: what was
//! accepted at the beginning of a ceremony counts at its end. As in Vault's family the text of a share
//! is encrypted, in hex, and one person may hold several shares.

use crate::clock::Time;
use crate::fault::Fault;
use crate::json::field::Words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_barrier::seal::shamir;
use cofferdam_openpgp::Recipient;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

/// One key for each share, in their order; none where shares are handed out as they are.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Judges the keys in the field `name`, which there must be `shares` of, or none.
    ///
    /// # Errors
    /// Which key is not taken, and why.
    pub(crate) fn judge(
        keys: &Words,
        shares: u8,
        name: &'static str,
        now: Time,
    ) -> Result<Self, Fault> {
        let keys = &keys.0;
        if !keys.is_empty() && keys.len() != usize::from(shares) {
            return Err(Fault::invalid(format!(
                "count mismatch between number of provided PGP keys and number of shares: {} in {name}, and {shares} shares",
                keys.len()
            )));
        }
        let judged = keys.iter().enumerate().map(|(index, key)| {
            let of = format!("{name}, key {} of {}", index + 1, keys.len());
            recipient(key, &of, now)
        });
        judged.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of the primary keys, as the answers show them.
    pub(crate) fn fingerprints(&self) -> Option<Vec<String>> {
        let all = || self.0.iter().map(Recipient::fingerprint).collect();
        (!self.is_empty()).then(all)
    }

    /// The shares as they leave: a message to each holder, or as they are.
    ///
    /// # Errors
    /// When there is no entropy.
    pub(crate) fn handed(
        &self,
        shares: Vec<Secret<Vec<u8>>>,
    ) -> Result<Vec<Secret<Vec<u8>>>, Fault> {
        if self.is_empty() {
            return Ok(shares);
        }
        if self.0.len() != shares.len() {
            return Err(Fault::internal("as many recipients as shares were judged"));
        }
        let messages = self.0.iter().zip(&shares).map(|(recipient, share)| {
            let message = recipient.encrypt(shamir::to_hex(share).expose().as_bytes());
            message.map(Secret::new).map_err(Fault::internal)
        });
        messages.collect()
    }
}

/// Judges one key.
///
/// # Errors
/// Why it is not taken; `of` says which it is.
pub(crate) fn recipient(key: &str, of: &str, now: Time) -> Result<Recipient, Fault> {
    Recipient::from_base64(key, now.seconds())
        .map_err(|refused| Fault::invalid(format!("{of}: {refused}")))
}

/// A token as it leaves, to somebody's key: base64 of a message.
///
/// # Errors
/// When there is no entropy.
pub(crate) fn sealed_token(
    recipient: &Recipient,
    token: &Secret<String>,
) -> Result<Secret<String>, Fault> {
    let message = recipient.encrypt(token.expose().as_bytes());
    let message = message.map_err(Fault::internal)?;
    Ok(Secret::new(STANDARD.encode(message)))
}
