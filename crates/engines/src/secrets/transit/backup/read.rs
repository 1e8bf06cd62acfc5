//! Reading a backup.

use super::super::certificate::{Certificate, MOST as MOST_CERTIFICATES};
use super::super::import::{read_private, read_public, read_spki};
use super::super::key::{Kdf, Key, Moment, Version, Wanted};
use super::super::kind::{HMAC_BYTES, Kind};
use super::super::material::{Material, ec_algorithm};
use super::super::{der, encoding};
use aws_lc_rs::signature::EcdsaKeyPair;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_core::json::{Body, Budget, Raw};
use cofferdam_secret::Secret;
use rsa::BoxedUint;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use serde::Deserialize;
use std::time::Duration;

/// What a backup may cost: versions are objects of a dozen fields, RSA primes have 600 digits.
const BUDGET: Budget = Budget {
    bytes: 24 << 20,
    depth: 8,
    keys: 2_000_000,
    strings: 1_000_000,
    values: 4_000_000,
    key_bytes: 64,
    string_bytes: 1 << 14,
    number_bytes: 4096,
    large_numbers: true,
};

/// Why a backup cannot be read. Names what, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

fn unreadable(what: impl Into<String>) -> Unreadable {
    Unreadable(what.into())
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        unreadable(fault.public())
    }
}

/// A backup whose settings are read, and whose key material is not yet.
pub struct Backup {
    body: Body,
    policy: Policy,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Policy {
    name: String,
    key_size: u64,
    derived: bool,
    kdf: u64,
    convergent_encryption: bool,
    exportable: bool,
    min_decryption_version: u64,
    min_encryption_version: u64,
    latest_version: u64,
    min_available_version: u64,
    deletion_allowed: bool,
    #[serde(rename = "type")]
    kind: u64,
    backup_info: Option<Info>,
    allow_plaintext_backup: bool,
    version_template: String,
    auto_rotate_period: u64,
    #[serde(rename = "Imported")]
    imported: bool,
    #[serde(rename = "AllowImportedKeyRotation")]
    allow_rotation: bool,
    soft_deleted: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    time: String,
    version: u64,
}

/// Most versions of one restored key: each is an entry that takes room for as long as the key is there.
const MOST_VERSIONS: u64 = 100_000;

impl Backup {
    /// Reads the settings of a decoded backup.
    ///
    /// # Errors
    /// [`Unreadable`] when it is no backup, or one of a key that this server could not have made.
    pub fn read(json: Secret<Vec<u8>>) -> Result<Self, Unreadable> {
        let body =
            Body::checked(json, &BUDGET).map_err(|refusal| unreadable(refusal.to_string()))?;
        let policy = body
            .raw("policy")
            .ok_or_else(|| unreadable("there is no policy in it"))?;
        let policy: Policy = policy
            .parse()
            .map_err(|error| unreadable(format!("policy: {error}")))?;
        if !matches!(policy.version_template.as_str(), "" | "vault:v{{version}}:") {
            return Err(unreadable("version_template is not the usual one"));
        }
        let latest = policy.latest_version;
        let lowest = policy.min_decryption_version;
        let sound = (1..=MOST_VERSIONS).contains(&latest)
            && (1..=latest).contains(&lowest)
            && policy.min_encryption_version <= latest
            && policy.min_available_version <= lowest;
        match sound {
            true => Ok(Self { body, policy }),
            false => Err(unreadable("its version numbers contradict each other")),
        }
    }

    /// The name of the key when it was backed up.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// Whether the key it holds could be restored: reads all of it.
    ///
    /// # Errors
    /// [`Unreadable`]: what is wrong with it.
    pub fn check(self) -> Result<(), Unreadable> {
        self.into_key().map(|_| ())
    }

    /// The key.
    pub(super) fn into_key(self) -> Result<Key, Unreadable> {
        let policy = &self.policy;
        let kind = Kind::numbered(policy.kind).ok_or_else(|| unreadable("unknown key type"))?;
        if kind == Kind::Hmac && !HMAC_BYTES.contains(&policy.key_size) {
            return Err(unreadable("key_size is out of range"));
        }
        let mut key = Key::new(&Wanted {
            kind,
            derived: policy.derived,
            convergent: policy.convergent_encryption,
            exportable: policy.exportable,
            allow_plaintext_backup: policy.allow_plaintext_backup,
            auto_rotate: policy.auto_rotate_period / 1_000_000_000,
            key_size: if kind == Kind::Hmac {
                policy.key_size
            } else {
                0
            },
        })?;
        key.kdf = match policy.kdf {
            1 => Kdf::Hkdf,
            _ => Kdf::Counter,
        };
        key.deletion_allowed = policy.deletion_allowed;
        key.imported = policy.imported;
        key.allow_rotation = policy.allow_rotation;
        key.soft_deleted = policy.soft_deleted;
        key.min_decryption = policy.min_decryption_version;
        key.min_encryption = policy.min_encryption_version;
        key.min_available = policy.min_available_version;
        key.latest = policy.latest_version;
        key.backed_up = policy.backup_info.as_ref().and_then(|info| {
            Some(Moment {
                time: Time::parse(&info.time)?,
                version: info.version,
            })
        });
        self.versions(&mut key)?;
        Ok(key)
    }

    /// Reads every version: those in use by their number, older ones from the archive.
    fn versions(&self, key: &mut Key) -> Result<(), Unreadable> {
        let policy = self.body.raw("policy");
        let in_use: Vec<_> = policy
            .and_then(|policy| policy.field("keys"))
            .into_iter()
            .flat_map(Raw::fields)
            .filter_map(|(name, raw)| Some((name.decoded().parse::<u64>().ok()?, raw)))
            .collect();
        for (number, raw) in in_use {
            if (key.min_decryption..=key.latest).contains(&number) {
                key.versions.insert(number, version(key, raw)?);
            }
        }
        let first = key.min_available.max(1);
        if first < key.min_decryption {
            let archive: Option<Vec<cofferdam_core::json::OwnedRaw>> = self
                .body
                .raw("archived_keys")
                .and_then(|archive| archive.field("keys"))
                .and_then(|list| list.parse().ok());
            for (place, raw) in (key.min_available..).zip(archive.unwrap_or_default()) {
                if (first..key.min_decryption).contains(&place) {
                    key.versions.insert(place, version(key, raw.as_raw())?);
                }
            }
        }
        let complete = (first..=key.latest).all(|number| key.versions.contains_key(&number));
        complete
            .then_some(())
            .ok_or_else(|| unreadable("a version of the key is missing"))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    key: Option<Secret<String>>,
    hmac_key: Option<Secret<String>>,
    time: String,
    public_key: String,
    convergent_version: i64,
    creation_time: i64,
    certificate_chain: Option<Vec<String>>,
}

fn version(key: &Key, raw: Raw<'_>) -> Result<Version, Unreadable> {
    let entry: Entry = raw
        .parse()
        .map_err(|error| unreadable(format!("a version: {error}")))?;
    if key.convergent && entry.convergent_version != 3 {
        return Err(unreadable(
            "a version has a form of convergent encryption that is not served",
        ));
    }
    let decoded = |text: &Option<Secret<String>>| {
        let text = text.as_ref().map_or("", |text| text.expose());
        encoding::decode(text).map_err(|_| unreadable("a version holds what is not base64"))
    };
    let secret = decoded(&entry.key)?;
    let material = if key.kind.is_ec() {
        curve(key.kind, &entry, raw)?
    } else if key.kind.is_rsa() {
        rsa(key.kind, raw)?
    } else if key.kind == Kind::Ed25519 {
        ed25519(&entry, &secret)?
    } else {
        read_private(key.kind, secret.expose())?
    };
    let mut hmac = decoded(&entry.hmac_key)?;
    if key.kind == Kind::Hmac || hmac.is_empty() {
        hmac = material.hmac_key(key.kind)?;
    }
    let seconds = u64::try_from(entry.creation_time).unwrap_or_default();
    let seconds = Time::from_nanos(0).after(Duration::from_secs(seconds));
    let created = Time::parse(&entry.time).unwrap_or(seconds);
    let chain = chain(entry.certificate_chain.as_deref().unwrap_or_default())?;
    Ok(Version::new(created, hmac, material).with_chain(chain))
}

/// Certificates of a version: each has to be one.
fn chain(entries: &[String]) -> Result<Vec<Vec<u8>>, Unreadable> {
    let wrong = || unreadable("a certificate of a version is not one");
    if entries.len() > MOST_CERTIFICATES {
        return Err(unreadable("a version has too many certificates"));
    }
    let read = |text: &String| {
        let der = encoding::decode(text).map_err(|_| wrong())?;
        let certificate = Certificate::parse(der.expose()).ok_or_else(wrong)?;
        Ok(certificate.into_der())
    };
    entries.iter().map(read).collect()
}

fn ed25519(entry: &Entry, secret: &Secret<Vec<u8>>) -> Result<Material, Unreadable> {
    let public = encoding::decode(entry.public_key.trim());
    let public = public.map_err(|_| unreadable("a public key is not base64"))?;
    if secret.is_empty() {
        return match public.len() {
            32 => Ok(Material::Ed25519 {
                seed: None,
                public: public.expose().clone(),
            }),
            _ => Err(unreadable("a version holds no key")),
        };
    }
    let wrong = || unreadable("an Ed25519 key is not one");
    let (seed, half) = secret.expose().split_at_checked(32).ok_or_else(wrong)?;
    let material = Material::of_ed25519(Secret::new(seed.to_vec()))?;
    match material.public() == half {
        true => Ok(material),
        false => Err(wrong()),
    }
}

/// A number of any size, as big-endian bytes of this length.
fn number(raw: Option<Raw<'_>>, length: usize) -> Option<Secret<Vec<u8>>> {
    let number = Secret::new(big(raw?)?);
    let bytes = Secret::new(number.expose().to_be_bytes_trimmed_vartime().into_vec());
    let zeros = length.checked_sub(bytes.len())?;
    let mut out = Secret::new(vec![0; length]);
    out.expose_mut()
        .get_mut(zeros..)?
        .copy_from_slice(bytes.expose());
    Some(out)
}

fn big(raw: Raw<'_>) -> Option<BoxedUint> {
    let text = raw.as_str();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| BoxedUint::from_str_radix_vartime(text, 10).ok())?
}

fn curve(kind: Kind, entry: &Entry, raw: Raw<'_>) -> Result<Material, Unreadable> {
    let length = match kind {
        Kind::EcP256 => 32,
        Kind::EcP384 => 48,
        _ => 66,
    };
    let wrong = || unreadable("a curve key is not one");
    let scalar = raw.field("ec_d").filter(|scalar| !scalar.is_null());
    let Some(scalar) = scalar else {
        return read_public(kind, &entry.public_key).map_err(Into::into);
    };
    let scalar = number(Some(scalar), length).ok_or_else(wrong)?;
    let x = number(raw.field("ec_x"), length).ok_or_else(wrong)?;
    let y = number(raw.field("ec_y"), length).ok_or_else(wrong)?;
    let point = [&[4], x.expose().as_slice(), y.expose().as_slice()].concat();
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(ec_algorithm(kind)?, scalar.expose(), &point);
    Ok(Material::of_ec(&pair.map_err(|_| wrong())?)?)
}

fn rsa(kind: Kind, raw: Raw<'_>) -> Result<Material, Unreadable> {
    let wrong = || unreadable("an RSA key is not one");
    let private = raw.field("rsa_key").filter(|key| key.is_object());
    let Some(private) = private else {
        let public = raw.field("rsa_public_key").filter(|key| key.is_object());
        let public = public.ok_or_else(wrong)?;
        let part = |name| public.field(name).and_then(big).ok_or_else(wrong);
        let key = rsa::PublicKey::new(part("N")?, part("E")?).map_err(|_| wrong())?;
        let spki = key.to_public_key_der().map_err(|_| wrong())?;
        return read_spki(kind, spki.as_bytes()).ok_or_else(wrong);
    };
    let part = |name| private.field(name).and_then(big).ok_or_else(wrong);
    let primes: Vec<cofferdam_core::json::OwnedRaw> = private
        .field("Primes")
        .and_then(|list| list.parse().ok())
        .unwrap_or_default();
    let primes = primes
        .iter()
        .map(|prime| big(prime.as_raw()).ok_or_else(wrong));
    let primes = primes.collect::<Result<Vec<_>, _>>()?;
    if primes.len() != 2 {
        return Err(wrong());
    }
    let key = rsa::PrivateKey::from_components(part("N")?, part("E")?, part("D")?, primes);
    let pkcs8 = key
        .map_err(|_| wrong())?
        .to_pkcs8_der()
        .map_err(|_| wrong())?;
    debug_assert!(der::inside_pkcs8(pkcs8.as_bytes()).is_some());
    Ok(read_private(kind, pkcs8.as_bytes())?)
}
