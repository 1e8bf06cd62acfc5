//! What is stored of a key: one entry with all its versions, so that each change is one compare and
//! nobody reads half of one.

use super::key::{Kdf, Key, Moment, Version};
use super::kind::Kind;
use super::material::Material;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_secret::{Buffer, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first byte of a stored record, its form: the second has certificates. A key without any is
/// written in the first one, which every version of this program reads.
const PLAIN: u8 = 1;
const CERTIFIED: u8 = 2;

/// Borrows from the bytes it is read from, so that secrets are copied once.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    kind: u64,
    switches: [bool; 9],
    min_decryption: u64,
    min_encryption: u64,
    min_available: u64,
    latest: u64,
    auto_rotate: u64,
    key_size: u64,
    backed_up: Option<(Time, u64)>,
    restored: Option<(Time, u64)>,
    #[serde(borrow)]
    versions: Vec<(u64, StoredVersion<'a>)>,
}

/// Certificates of a version, by its number; of those that have some.
type Chains<'a> = Vec<(u64, Vec<&'a [u8]>)>;

#[derive(Serialize, Deserialize)]
struct StoredVersion<'a> {
    created: Time,
    hmac: &'a [u8],
    /// Empty where there is none.
    private: &'a [u8],
    public: &'a [u8],
}

impl Key {
    /// The stored form.
    ///
    /// # Errors
    /// When it does not serialize: a defect.
    pub(super) fn encode(&self) -> Result<Secret<Vec<u8>>, Fault> {
        let versions = self.versions.iter();
        let stored = Stored {
            kind: self.kind.number(),
            switches: [
                self.derived,
                self.kdf == Kdf::Counter,
                self.convergent,
                self.exportable,
                self.allow_plaintext_backup,
                self.deletion_allowed,
                self.imported,
                self.allow_rotation,
                self.soft_deleted,
            ],
            min_decryption: self.min_decryption,
            min_encryption: self.min_encryption,
            min_available: self.min_available,
            latest: self.latest,
            auto_rotate: self.auto_rotate,
            key_size: self.key_size,
            backed_up: self.backed_up.map(|moment| (moment.time, moment.version)),
            restored: self.restored.map(|moment| (moment.time, moment.version)),
            versions: versions
                .map(|(number, version)| (*number, StoredVersion::of(version)))
                .collect(),
        };
        let chains = self.chains();
        let mut out = Buffer::with_capacity(256 * (1 + self.versions.len()));
        let out = match chains.as_slice() {
            [] => {
                out.push(&[PLAIN]);
                postcard::to_io(&stored, out)
            }
            _ => {
                out.push(&[CERTIFIED]);
                postcard::to_io(&(&stored, &chains), out)
            }
        };
        Ok(out.map_err(Fault::internal)?.finish())
    }

    fn chains(&self) -> Chains<'_> {
        let some = self
            .versions
            .iter()
            .filter(|(_, version)| !version.chain.is_empty());
        some.map(|(number, version)| (*number, version.chain.iter().map(Vec::as_slice).collect()))
            .collect()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When it is not one: the store was changed under us, or by a newer program.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let (stored, chains): (Stored<'_>, Chains<'_>) = match bytes.split_first() {
            Some((&PLAIN, body)) => (postcard::from_bytes(body).map_err(unreadable)?, Vec::new()),
            Some((&CERTIFIED, body)) => postcard::from_bytes(body).map_err(unreadable)?,
            _ => return Err(unreadable("form")),
        };
        let kind = Kind::numbered(stored.kind).ok_or_else(|| unreadable("kind"))?;
        let [
            derived,
            counter,
            convergent,
            exportable,
            allow_plaintext_backup,
            deletion_allowed,
            imported,
            allow_rotation,
            soft_deleted,
        ] = stored.switches;
        let moment = |(time, version)| Moment { time, version };
        let mut versions = BTreeMap::new();
        for (number, version) in stored.versions {
            versions.insert(number, version.read(kind));
        }
        for (number, chain) in chains {
            if let Some(version) = versions.get_mut(&number) {
                version.chain = chain.into_iter().map(<[u8]>::to_vec).collect();
            }
        }
        Ok(Self {
            kind,
            derived,
            kdf: if counter { Kdf::Counter } else { Kdf::Hkdf },
            convergent,
            exportable,
            allow_plaintext_backup,
            deletion_allowed,
            imported,
            allow_rotation,
            soft_deleted,
            min_decryption: stored.min_decryption,
            min_encryption: stored.min_encryption,
            min_available: stored.min_available,
            latest: stored.latest,
            auto_rotate: stored.auto_rotate,
            key_size: stored.key_size,
            backed_up: stored.backed_up.map(moment),
            restored: stored.restored.map(moment),
            versions,
        })
    }
}

impl<'a> StoredVersion<'a> {
    fn of(version: &'a Version) -> Self {
        let private = match &version.material {
            Material::Symmetric(key) => Some(key),
            Material::Ed25519 { seed, .. } => seed.as_ref(),
            Material::Ec { scalar, .. } => scalar.as_ref(),
            Material::Rsa { private, .. } => private.as_ref(),
        };
        Self {
            created: version.created,
            hmac: version.hmac.expose(),
            private: private.map_or(&[], |private| private.expose()),
            public: version.material.public(),
        }
    }

    fn read(&self, kind: Kind) -> Version {
        let secret = |bytes: &[u8]| Secret::new(bytes.to_vec());
        let private = (!self.private.is_empty()).then(|| secret(self.private));
        let public = self.public.to_vec();
        let material = if kind == Kind::Ed25519 {
            Material::Ed25519 {
                seed: private,
                public,
            }
        } else if kind.is_ec() {
            Material::Ec {
                scalar: private,
                point: public,
            }
        } else if kind.is_rsa() {
            Material::Rsa { private, public }
        } else {
            Material::Symmetric(private.unwrap_or_else(|| secret(&[])))
        };
        Version::new(self.created, secret(self.hmac), material)
    }
}

fn unreadable(why: impl std::fmt::Display) -> Fault {
    Fault::internal(format!("a transit key's record cannot be read: {why}"))
}
