//! Fingerprints of values, as far as the vault knows them: bytes that somebody else makes and reads.
//!
//! What the forms of a value are is the business of the room that searches for them. The binary puts
//! it in as a [`Fingerprinter`], so that neither room knows the other.

use crate::fault::Fault;
use cofferdam_secret::Secret;

/// Makes fingerprints.
pub trait Fingerprinter: Send + Sync + 'static {
    /// The fingerprint of a value under a key, for a search on this host.
    fn print(&self, key: &Secret<[u8; 32]>, value: &Secret<Vec<u8>>) -> Vec<u8>;

    /// What others know a signer by.
    ///
    /// # Errors
    /// When it cannot sign.
    fn public(&self, seed: &Secret<[u8; 32]>) -> Result<[u8; 32], Fault>;

    /// Fingerprints that leave the host.
    ///
    /// # Errors
    /// When they cannot be made.
    fn pack(&self, order: Order<'_>) -> Result<Packed, Fault>;
}

/// A value that may go into a pack.
pub struct Stored {
    /// Path with its mount.
    pub path: String,
    /// Version.
    pub version: u64,
    /// Field inside the secret.
    pub field: String,
    /// The newest version.
    pub newest: u64,
    /// Who is to be told.
    pub owner: Option<String>,
    /// The value.
    pub value: Secret<Vec<u8>>,
}

/// What a pack is to be.
pub struct Order<'a> {
    /// Made for this pack alone.
    pub key: &'a Secret<[u8; 32]>,
    /// Of the signer.
    pub seed: &'a Secret<[u8; 32]>,
    /// Seconds of Unix time.
    pub issued: u64,
    /// Seconds of Unix time.
    pub expires: u64,
    /// What goes in, if it is strong enough.
    pub values: Vec<Stored>,
}

/// A pack.
pub struct Packed {
    /// It.
    pub bytes: Vec<u8>,
    /// How many values are in it.
    pub taken: usize,
    /// Names of those that are not, as they are too weak.
    pub weak: Vec<String>,
}
