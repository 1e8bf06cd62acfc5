//! Sealed for a holder outside the store: what is not kept here and comes back from somebody else.
//!
//! Bound to a purpose as a stored value is bound to its key, and never readable as one: the names of
//! purposes are beside those of keys. The term is in front, so a rotation leaves what is outside as
//! readable as what is inside.

use crate::barrier::Unsealed;
use crate::{Barrier, Error};
use cofferdam_secret::Secret;

fn name(purpose: &str) -> String {
    format!("enclosed/{purpose}")
}

impl Barrier<Unsealed> {
    /// Seals `plain` with the newest key. Counts as an encryption and writes nothing.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::Entropy`], and those of the store.
    pub async fn enclose(&self, purpose: &str, plain: &Secret<Vec<u8>>) -> Result<Vec<u8>, Error> {
        let ring = self.spend(1).await?;
        ring.encrypt(&name(purpose), plain.expose())
    }

    /// What was sealed for this purpose; `None` for anything else.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn disclose(
        &self,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Option<Secret<Vec<u8>>>, Error> {
        let name = name(purpose);
        let opened = match self.ring()?.decrypt(&name, sealed) {
            // Another replica may have rotated.
            Err(Error::UnknownTerm(..)) => {
                self.refresh().await?;
                self.ring()?.decrypt(&name, sealed)
            }
            other => other,
        };
        Ok(opened.ok())
    }
}
