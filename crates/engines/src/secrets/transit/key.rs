//! A key: its settings, and its versions. What is stored of it is in [`super::record`].

use super::cipher::Cipher;
use super::kind::Kind;
use super::material::Material;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// How keys are derived from a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kdf {
    /// NIST SP 800-108 counter mode: what imported keys get, as in Vault.
    Counter,
    /// RFC 5869.
    Hkdf,
}

/// When something was done to a key, and what its newest version was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) time: Time,
    pub(super) version: u64,
}

/// A key with all its versions.
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) derived: bool,
    pub(super) kdf: Kdf,
    pub(super) convergent: bool,
    pub(super) exportable: bool,
    pub(super) allow_plaintext_backup: bool,
    pub(super) deletion_allowed: bool,
    pub(super) imported: bool,
    /// An imported key may be rotated here.
    pub(super) allow_rotation: bool,
    pub(super) soft_deleted: bool,
    /// At least 1.
    pub(super) min_decryption: u64,
    /// 0: any that can decrypt.
    pub(super) min_encryption: u64,
    /// Versions below were trimmed; 0: none were.
    pub(super) min_available: u64,
    pub(super) latest: u64,
    /// Seconds; 0: never.
    pub(super) auto_rotate: u64,
    /// Bytes of an HMAC key; 0 for other kinds.
    pub(super) key_size: u64,
    pub(super) backed_up: Option<Moment>,
    pub(super) restored: Option<Moment>,
    /// All that were not trimmed.
    pub(super) versions: BTreeMap<u64, Version>,
}

/// One version of a key.
pub(super) struct Version {
    pub(super) created: Time,
    /// For HMACs; of a key for HMACs only it is the key itself.
    pub(super) hmac: Secret<Vec<u8>>,
    pub(super) material: Material,
    /// Certificates, as DER: the key's own, then authorities.
    pub(super) chain: Vec<Vec<u8>>,
    /// The expanded key, made when it is first used.
    cipher: OnceLock<Cipher>,
}

/// Everything a new key is asked to be.
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) derived: bool,
    pub(super) convergent: bool,
    pub(super) exportable: bool,
    pub(super) allow_plaintext_backup: bool,
    pub(super) auto_rotate: u64,
    pub(super) key_size: u64,
}

/// Fresh material, and what it is for.
pub(super) struct Fresh {
    kind: Kind,
    key_size: u64,
    material: Material,
}

impl Fresh {
    /// Makes some. RSA takes seconds, which no other request shall wait.
    pub(super) async fn make(kind: Kind, key_size: u64) -> Result<Self, Fault> {
        let material = if kind.is_rsa() {
            let made = tokio::task::spawn_blocking(move || Material::generate(kind, key_size));
            made.await.map_err(Fault::internal)??
        } else {
            Material::generate(kind, key_size)?
        };
        Ok(Self {
            kind,
            key_size,
            material,
        })
    }
}

/// Refused: the key is marked as deleted.
pub(super) const SOFT_DELETED: &str = "refusing to use soft-deleted key";

impl Version {
    pub(super) fn new(created: Time, hmac: Secret<Vec<u8>>, material: Material) -> Self {
        Self {
            created,
            hmac,
            material,
            chain: Vec::new(),
            cipher: OnceLock::new(),
        }
    }

    /// With certificates.
    pub(super) fn with_chain(self, chain: Vec<Vec<u8>>) -> Self {
        Self { chain, ..self }
    }

    /// The expanded key of a version that is not derived from.
    pub(super) fn cipher(&self, kind: Kind) -> Result<&Cipher, Fault> {
        if let Some(ready) = self.cipher.get() {
            return Ok(ready);
        }
        let fresh = Cipher::new(kind, self.material.symmetric()?.expose())?;
        Ok(self.cipher.get_or_init(|| fresh))
    }
}

impl Key {
    /// A key without versions.
    ///
    /// # Errors
    /// When the kind cannot be what is asked for.
    pub(super) fn new(wanted: &Wanted) -> Result<Self, Fault> {
        let (kind, name) = (wanted.kind, wanted.kind.name());
        if wanted.convergent && !wanted.derived {
            return Err(Fault::invalid(
                "convergent encryption requires derivation to be enabled",
            ));
        }
        if wanted.convergent && kind == Kind::Ed25519 {
            return Err(Fault::invalid(format!(
                "convergent encryption not supported for keys of type {name}"
            )));
        }
        if wanted.derived && !kind.derives() {
            return Err(Fault::invalid(format!(
                "key derivation and convergent encryption not supported for keys of type {name}"
            )));
        }
        Ok(Self {
            kind,
            derived: wanted.derived,
            kdf: Kdf::Hkdf,
            convergent: wanted.convergent,
            exportable: wanted.exportable,
            allow_plaintext_backup: wanted.allow_plaintext_backup,
            deletion_allowed: false,
            imported: false,
            allow_rotation: false,
            soft_deleted: false,
            min_decryption: 1,
            min_encryption: 0,
            min_available: 0,
            latest: 0,
            auto_rotate: wanted.auto_rotate,
            key_size: wanted.key_size,
            backed_up: None,
            restored: None,
            versions: BTreeMap::new(),
        })
    }

    /// # Errors
    /// When it is marked as deleted.
    pub(super) fn usable(&self) -> Result<(), Fault> {
        match self.soft_deleted {
            true => Err(Fault::invalid(SOFT_DELETED)),
            false => Ok(()),
        }
    }

    /// Versions that can still be used.
    pub(super) fn live(&self) -> impl Iterator<Item = (u64, &Version)> {
        let live = self.versions.range(self.min_decryption..);
        live.map(|(number, version)| (*number, version))
    }

    /// A version that can still be used.
    pub(super) fn version(&self, number: u64) -> Result<&Version, Fault> {
        let found = self.versions.get(&number);
        found
            .filter(|_| number >= self.min_decryption)
            .ok_or_else(|| Fault::invalid("no such key version"))
    }

    /// The number of the version to make something new with: the newest for 0.
    ///
    /// # Errors
    /// When it is not to be used for that; `purpose` is the word of the text.
    pub(super) fn to_make(&self, asked: i64, purpose: &str) -> Result<u64, Fault> {
        let refuse = |why| {
            Err(Fault::invalid(format!(
                "requested version for {purpose} is {why}"
            )))
        };
        match u64::try_from(asked) {
            Err(_) => refuse("negative"),
            Ok(0) => Ok(self.latest),
            Ok(number) if number > self.latest => refuse("higher than the latest key version"),
            Ok(number) if number < self.min_encryption => {
                refuse("less than the minimum encryption key version")
            }
            Ok(number) => Ok(number),
        }
    }

    /// The number of the version that made something; `what` is it in the text.
    ///
    /// # Errors
    /// When there is none such, or it is not to be used any more.
    pub(super) fn that_made(&self, claimed: i64, what: &str) -> Result<u64, Fault> {
        let number = u64::try_from(claimed).unwrap_or_default();
        if number > self.latest {
            return Err(Fault::invalid(format!(
                "invalid {what}: version is too new"
            )));
        }
        if number < self.min_decryption {
            return Err(Fault::invalid(
                "ciphertext or signature version is disallowed by policy (too old)",
            ));
        }
        Ok(number)
    }

    /// Whether the newest version has served its time.
    pub(super) fn rotation_due(&self, now: Time) -> bool {
        let newest = self.versions.get(&self.latest);
        self.auto_rotate > 0
            && !self.soft_deleted
            && (!self.imported || self.allow_rotation)
            && newest.is_some_and(|newest| {
                newest.created.after(Duration::from_secs(self.auto_rotate)) < now
            })
    }

    /// Adds a version of this material, which nobody else has.
    ///
    /// # Errors
    /// Without entropy, and when the key is not to be rotated, or is of another kind than it was.
    pub(super) fn rotate(&mut self, now: Time, fresh: &Fresh) -> Result<(), Fault> {
        self.usable()?;
        if self.imported && !self.allow_rotation {
            return Err(Fault::invalid(
                "imported key does not allow rotation within Vault",
            ));
        }
        if (self.kind, self.key_size) != (fresh.kind, fresh.key_size) {
            return Err(Fault::unavailable(
                "the key was replaced meanwhile; try again",
                "a transit key of another kind under the same name",
            ));
        }
        let material = fresh.material.duplicate();
        let version = Version::new(now, material.hmac_key(self.kind)?, material);
        self.add(version);
        self.imported = false;
        Ok(())
    }

    /// Adds a version.
    pub(super) fn add(&mut self, version: Version) {
        self.latest += 1;
        self.versions.insert(self.latest, version);
    }
}
