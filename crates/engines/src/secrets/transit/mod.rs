//! Transit: encryption, signatures and HMACs with keys that do not leave.
//!
//! Follows OpenBao's transit API (Vault's open source edition with soft deletion and XChaCha20):
//! shapes, status, texts, and every format, so that what one server encrypted, signed or backed up
//! the other decrypts, verifies and restores. Where the two differ from what is here: what is the
//! caller's mistake is a 400 and never a 500, error texts do not quote input, and keys in other systems
//! are not served.
//!
//! Storage, relative to the mount:
//!
//! | Key | Holds |
//! |---|---|
//! | `k/NAME` | a key with all its versions |
//! | `import` | the RSA key that imported keys are wrapped with |
//! | `config/cache`, `config/keys` | settings of the mount |
//!
//! A change of a key is one compare-and-swap of its entry. Keys are kept decoded and expanded in
//! [`cache`], which the store's watch empties. A key whose time has come is rotated by whoever uses
//! it first ([`Transit::current`]).
//!
//! Nonces are random, 96 bits: NIST SP 800-38D allows 2³² encryptions under one version of an AES
//! key. They are not counted: replicas would have to agree on each. `auto_rotate_period` is the
//! answer for those who come near, XChaCha20 with its 192 bits the other.

mod agree;
mod backup;
mod batch;
mod cache;
mod certificate;
mod cipher;
mod config;
mod crypt;
mod der;
pub mod encoding;
mod encrypt;
mod export;
mod fields;
mod hash;
mod import;
mod key;
pub(super) mod keys;
mod kind;
mod material;
mod record;
mod rewrap;
mod settings;
mod sign;
mod signature;
mod store;

#[cfg(test)]
mod tests;

pub use backup::{Backup, Unreadable};
pub use import::envelope;

use crate::contest::Contests;
use cache::Cache;
use cofferdam_core::engine::{Route, Routed};

/// The engine's name in mount tables.
pub const KIND: &str = "transit";

/// The engine.
#[derive(Default)]
pub struct Transit {
    contests: Contests,
    cache: Cache,
}

impl Routed for Transit {
    const ROUTES: &'static [Route<Self>] = &[
        encrypt::ENCRYPT,
        encrypt::DECRYPT,
        keys::LIST,
        keys::ONE,
        settings::CONFIG,
        settings::ROTATE,
        settings::TRIM,
        keys::SOFT_DELETE,
        keys::RESTORE,
        rewrap::REWRAP,
        rewrap::DATAKEY,
        sign::SIGN,
        sign::VERIFY,
        sign::HMAC,
        hash::HASH,
        hash::RANDOM,
        config::CACHE,
        config::KEYS,
        export::EXPORT,
        import::WRAPPING_KEY,
        import::IMPORT,
        import::IMPORT_VERSION,
        import::BYOK_EXPORT,
        agree::DERIVE_KEY,
        certificate::CSR,
        certificate::SET,
        backup::BACKUP,
        backup::RESTORE,
    ];

    fn forget(&self, keys: Option<&[String]>) {
        self.cache.forget(keys);
    }
}
