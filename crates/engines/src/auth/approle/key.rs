//! The mount's own key, and the hashes that name things in its storage.

use super::role::Role;
use cofferdam_core::Fault;
use cofferdam_core::engine::{Commit, View};
use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const KEY: &str = "key";

/// Where the role lies that is looked at instead of an unknown one.
pub(super) const DECOY: &str = "decoy";

/// Keys the hashes under which RoleIDs, SecretIDs and accessors are stored: whoever reads the
/// storage cannot try guesses against it. Wiped on drop.
pub(super) struct Key(Secret<Vec<u8>>);

impl Key {
    /// The key of the mount with this storage; made when there is none yet.
    ///
    /// # Errors
    /// When the store fails, or without entropy.
    pub(super) async fn load(view: &View) -> Result<Self, Fault> {
        if let Some(found) = view.get(KEY).await? {
            return Ok(Self(found.value));
        }
        let fresh = cofferdam_secret::random::<32>().map_err(Fault::internal)?;
        let copy = Secret::new(fresh.expose().to_vec());
        let batch = view
            .batch()
            .expect_absent(KEY)
            .put(KEY, copy)
            .put(DECOY, Role::decoy()?.encode()?);
        match view.commit(batch).await? {
            Commit::Done(_) => Ok(Self(Secret::new(fresh.expose().to_vec()))),
            // Somebody else made one at the same time.
            Commit::Conflict => {
                let found = view.get(KEY).await?;
                found
                    .map(|found| Self(found.value))
                    .ok_or_else(|| Fault::internal("the approle key vanished"))
            }
        }
    }

    pub(super) fn role_id(&self, role_id: &str) -> Result<String, Fault> {
        self.hash(&["role-id", role_id])
    }

    /// Bound to the role: one custom SecretID may serve two roles.
    pub(super) fn secret_id(&self, incarnation: &str, secret_id: &str) -> Result<String, Fault> {
        self.hash(&["secret-id", incarnation, secret_id])
    }

    pub(super) fn accessor(&self, accessor: &str) -> Result<String, Fault> {
        self.hash(&["accessor", accessor])
    }

    fn hash(&self, parts: &[&str]) -> Result<String, Fault> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).map_err(Fault::internal)?;
        for part in parts {
            // Lengths keep one list of parts from reading like another.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(hex::encode(mac.finalize().into_bytes()))
    }
}
