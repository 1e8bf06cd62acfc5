//! Writing a backup.

use super::super::key::{Kdf, Key, Moment, Version};
use super::super::kind::Kind;
use super::super::material::Material;
use super::super::{der, encoding};
use cofferdam_core::Fault;
use cofferdam_core::json::{Data, Object};
use cofferdam_secret::{Buffer, Secret};
use rsa::BoxedUint;

/// The year of no version: Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The JSON of a key's backup.
pub(super) fn written(name: &str, key: &Key) -> Result<Data, Fault> {
    let mut keys = Data::object();
    for (number, version) in key.live() {
        let entry = entry(key, version)?;
        keys = keys.raw(&number.to_string(), entry.as_bytes());
    }
    let policy = policy(name, key, &keys.finish())?;
    let mut archive = Buffer::default();
    archive.push(b"[");
    // Places count from the oldest version kept; before the first version there is one that is none.
    for number in key.min_available..=key.latest {
        if number != key.min_available {
            archive.push(b",");
        }
        match key.versions.get(&number) {
            Some(version) => archive.push(entry(key, version)?.as_bytes()),
            None => archive.push(nothing().as_bytes()),
        }
    }
    archive.push(b"]");
    let archive = Data::object().raw("keys", archive.finish().expose());
    let whole = Data::object()
        .raw("policy", policy.as_bytes())
        .raw("archived_keys", archive.finish().as_bytes());
    Ok(whole.finish())
}

fn policy(name: &str, key: &Key, keys: &Data) -> Result<Data, Fault> {
    let number = |number: u64| i64::try_from(number).map_err(Fault::internal);
    let mut out = Data::object().text("name", name);
    if key.key_size > 0 {
        out = out.number("key_size", number(key.key_size)?);
    }
    let kdf = match key.kdf {
        Kdf::Hkdf if key.derived => 1,
        _ => 0,
    };
    let nanos = key.auto_rotate.saturating_mul(1_000_000_000);
    let out = out
        .raw("keys", keys.as_bytes())
        .flag("derived", key.derived)
        .number("kdf", kdf)
        .flag("convergent_encryption", key.convergent)
        .flag("exportable", key.exportable)
        .number("min_decryption_version", number(key.min_decryption)?)
        .number("min_encryption_version", number(key.min_encryption)?)
        .number("latest_version", number(key.latest)?)
        .number("archive_version", number(key.latest)?)
        .number("archive_min_version", number(key.min_available)?)
        .number("min_available_version", number(key.min_available)?)
        .flag("deletion_allowed", key.deletion_allowed)
        .number("convergent_version", if key.convergent { -1 } else { 0 })
        .number("type", number(key.kind.number())?);
    let out = moment(out, "backup_info", key.backed_up)?;
    let out = moment(out, "restore_info", key.restored)?;
    Ok(out
        .flag("allow_plaintext_backup", key.allow_plaintext_backup)
        .text("version_template", "")
        .text("storage_prefix", "")
        .number("auto_rotate_period", number(nanos)?)
        .flag("Imported", key.imported)
        .flag("AllowImportedKeyRotation", key.allow_rotation)
        .flag("soft_deleted", key.soft_deleted)
        .finish())
}

fn moment(out: Object, name: &str, moment: Option<Moment>) -> Result<Object, Fault> {
    let Some(moment) = moment else {
        return Ok(out.raw(name, b"null"));
    };
    let version = i64::try_from(moment.version).map_err(Fault::internal)?;
    let inner = Data::object()
        .text("time", &moment.time.rfc3339())
        .number("version", version);
    Ok(out.raw(name, inner.finish().as_bytes()))
}

/// The parts of a version that its kind fills.
#[derive(Default)]
struct Parts {
    key: Option<Secret<String>>,
    ec: Option<[Secret<String>; 2]>,
    scalar: Option<Secret<String>>,
    rsa: Option<Data>,
    rsa_public: Option<Data>,
    public: String,
    chain: Vec<String>,
}

fn entry(key: &Key, version: &Version) -> Result<Data, Fault> {
    let parts = parts(key.kind, version)?;
    let hmac = encoding::encode_secret(version.hmac.expose());
    let seconds = i64::try_from(version.created.seconds()).map_err(Fault::internal)?;
    let time = version.created.rfc3339();
    let convergent = if key.convergent { 3 } else { 0 };
    Ok(fill(&parts, Some(&hmac), &time, convergent, seconds))
}

/// A place in the archive without a version.
fn nothing() -> Data {
    fill(&Parts::default(), None, NEVER, 0, 0)
}

fn fill(
    parts: &Parts,
    hmac: Option<&Secret<String>>,
    time: &str,
    convergent: i64,
    seconds: i64,
) -> Data {
    let text = |out: Object, name: &str, text: Option<&Secret<String>>| match text {
        Some(text) => out.text(name, text.expose()),
        None => out.raw(name, b"null"),
    };
    let number = |out: Object, name: &str, number: Option<&Secret<String>>| match number {
        Some(number) => out.raw(name, number.expose().as_bytes()),
        None => out.raw(name, b"null"),
    };
    let out = text(Data::object(), "key", parts.key.as_ref());
    let out = text(out, "hmac_key", hmac).text("time", time);
    let [x, y] = match &parts.ec {
        Some([x, y]) => [Some(x), Some(y)],
        None => [None, None],
    };
    let out = number(number(out, "ec_x", x), "ec_y", y);
    let out = number(out, "ec_d", parts.scalar.as_ref());
    let null: &[u8] = b"null";
    out.raw("rsa_key", parts.rsa.as_ref().map_or(null, Data::as_bytes))
        .raw(
            "rsa_public_key",
            parts.rsa_public.as_ref().map_or(null, Data::as_bytes),
        )
        .text("public_key", &parts.public)
        .number("convergent_version", convergent)
        .number("creation_time", seconds)
        .raw("certificate_chain", &certificates(&parts.chain))
        .text("external_key_ref", "")
        .finish()
}

/// A list of base64, or nothing.
fn certificates(chain: &[String]) -> Vec<u8> {
    match chain {
        [] => b"null".to_vec(),
        chain => format!("[\"{}\"]", chain.join("\",\"")).into_bytes(),
    }
}

/// A number in decimal, as Go writes large ones.
fn decimal(bytes: &[u8]) -> Secret<String> {
    let number = Secret::new(BoxedUint::from_be_slice_vartime(bytes));
    Secret::new(number.expose().to_string_radix_vartime(10))
}

fn parts(kind: Kind, version: &Version) -> Result<Parts, Fault> {
    let mut parts = Parts {
        chain: version
            .chain
            .iter()
            .map(|der| encoding::encode(der))
            .collect(),
        ..Parts::default()
    };
    match &version.material {
        Material::Symmetric(key) => parts.key = Some(encoding::encode_secret(key.expose())),
        Material::Ed25519 { seed, public } => {
            parts.key = seed.as_ref().map(|seed| {
                let whole = Secret::new([seed.expose().as_slice(), public].concat());
                encoding::encode_secret(whole.expose())
            });
            parts.public = encoding::encode(public);
        }
        Material::Ec { scalar, point } => {
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            parts.ec = Some([decimal(x), decimal(y)]);
            parts.scalar = scalar.as_ref().map(|scalar| decimal(scalar.expose()));
            parts.public = version.material.shown_public(kind);
        }
        Material::Rsa { private, public } => match private {
            Some(private) => parts.rsa = Some(rsa_private(private)?),
            None => parts.rsa_public = Some(rsa_public(public)?),
        },
    }
    Ok(parts)
}

/// `N` and `E`; the exponent is a number that fits.
fn rsa_public(spki: &[u8]) -> Result<Data, Fault> {
    let unreadable = || Fault::internal("an RSA key of ours does not read");
    let inner = der::inside_spki(spki).ok_or_else(unreadable)?;
    let mut numbers = der::Reader::new(inner);
    let mut numbers = der::Reader::new(numbers.expect(0x30).ok_or_else(unreadable)?);
    let n = numbers.expect(0x02).ok_or_else(unreadable)?;
    let e = numbers.expect(0x02).ok_or_else(unreadable)?;
    Ok(Data::object()
        .raw("N", decimal(n).expose().as_bytes())
        .raw("E", decimal(e).expose().as_bytes())
        .finish())
}

/// PKCS #1's numbers, by Go's names.
fn rsa_private(pkcs8: &Secret<Vec<u8>>) -> Result<Data, Fault> {
    let unreadable = || Fault::internal("an RSA key of ours does not read");
    let inner = der::inside_pkcs8(pkcs8.expose()).ok_or_else(unreadable)?;
    let mut sequence = der::Reader::new(inner);
    let mut numbers = der::Reader::new(sequence.expect(0x30).ok_or_else(unreadable)?);
    let mut next = || numbers.expect(0x02).map(decimal).ok_or_else(unreadable);
    let [_version, n, e, d, p, q, dp, dq, qinv] = [
        next()?,
        next()?,
        next()?,
        next()?,
        next()?,
        next()?,
        next()?,
        next()?,
        next()?,
    ];
    let mut primes = Buffer::default();
    primes.push(b"[");
    primes.push(p.expose().as_bytes());
    primes.push(b",");
    primes.push(q.expose().as_bytes());
    primes.push(b"]");
    let precomputed = Data::object()
        .raw("Dp", dp.expose().as_bytes())
        .raw("Dq", dq.expose().as_bytes())
        .raw("Qinv", qinv.expose().as_bytes())
        .raw("CRTValues", b"[]");
    Ok(Data::object()
        .raw("N", n.expose().as_bytes())
        .raw("E", e.expose().as_bytes())
        .raw("D", d.expose().as_bytes())
        .raw("Primes", primes.finish().expose())
        .raw("Precomputed", precomputed.finish().as_bytes())
        .finish())
}
