//! Bringing keys from outside (`wrapping_key`, `keys/NAME/import`, `keys/NAME/import_version`), and
//! taking them to another server in the same envelope (`byok-export`).
//!
//! The envelope is PKCS #11's `CKM_RSA_AES_KEY_WRAP`: an AES-256 key under RSA-OAEP, and behind it the
//! key itself under AES-KWP (RFC 5649). What is inside an envelope was sent by a stranger; aws-lc reads
//! it, and what it wrote again is kept.

use super::fields::{Int, Sent, text};
use super::key::{Kdf, Key, Version, Wanted};
use super::keys::{kind, period};
use super::kind::{HMAC_BYTES, Kind};
use super::material::{Material, ec_algorithm};
use super::{Transit, der, encoding, export, store};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384,
    OAEP_SHA512_MGF1SHA512, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair};
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::json::field::{Flag, Ttl};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::Secret;
use rsa::pkcs8::DecodePrivateKey as _;
use serde::Deserialize;

pub(super) const WRAPPING_KEY: Route<Transit> =
    Route::new("wrapping_key", &[(Verb::Read, wrapping_key)]);
pub(super) const IMPORT: Route<Transit> = Route::new("keys/:name/import", &[(Verb::Write, import)])
    .takes::<Body>()
    .takes_each(&[(
        "convergent_encryption",
        cofferdam_core::fields::Kind::Boolean,
    )]);
pub(super) const IMPORT_VERSION: Route<Transit> = Route::new(
    "keys/:name/import_version",
    &[(Verb::Write, import_version)],
)
.takes::<Body>();
pub(super) const BYOK_EXPORT: Route<Transit> = Route::new(
    "byok-export/:destination/:name/*version",
    &[(Verb::Read, byok_export)],
)
.captures(&[("name", "source")])
.asks(&["hash"]);

/// Where the wrapping key lies.
const WRAPPING_AT: &str = "import";
/// Bytes of the wrapped AES key: those of the modulus of RSA-4096.
const WRAPPED_AES: usize = 512;

fn failed<E>(what: &'static str) -> impl FnOnce(E) -> Fault {
    move |_| Fault::internal(what)
}

/// The key that imported ones are wrapped with, made when it is first asked for.
async fn wrapping(view: &View) -> Result<PrivateDecryptingKey, Fault> {
    loop {
        if let Some(found) = view.get(WRAPPING_AT).await? {
            return PrivateDecryptingKey::from_pkcs8(found.value.expose())
                .map_err(failed("the wrapping key does not load"));
        }
        let fresh = tokio::task::spawn_blocking(|| {
            let key = PrivateDecryptingKey::generate(KeySize::Rsa4096).ok()?;
            let bytes = key.as_der().ok()?;
            Some(Secret::new(bytes.as_ref().to_vec()))
        });
        let fresh = fresh.await.map_err(Fault::internal)?;
        let fresh = fresh.ok_or_else(|| Fault::internal("generating the wrapping key"))?;
        let batch = view
            .batch()
            .expect_absent(WRAPPING_AT)
            .put(WRAPPING_AT, fresh);
        // Whoever was faster: theirs is read now.
        let _either = view.commit(batch).await?;
    }
}

fn wrapping_key<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = wrapping(call.view).await?;
        let public = key.public_key().as_der();
        let public = public.map_err(failed("the wrapping key does not write"))?;
        let pem = der::pem("PUBLIC KEY", public.as_ref());
        Ok(super::keys::one_text("public_key", &pem))
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "type")]
    kind: Sent,
    hash_function: Sent,
    ciphertext: Sent,
    public_key: Sent,
    allow_rotation: Flag,
    derived: Flag,
    exportable: Flag,
    allow_plaintext_backup: Flag,
    auto_rotate_period: Ttl,
    version: Option<Int>,
}

impl Body {
    /// The material in the envelope, or the public half that was sent.
    async fn material(&self, view: &View, kind: Kind, derived: bool) -> Result<Material, Fault> {
        let Some(ciphertext) = &self.ciphertext else {
            if !kind.has_public() {
                return Err(Fault::invalid(
                    "provided type does not support public_key import",
                ));
            }
            if derived {
                return Err(Fault::invalid(
                    "unable to import only public key for derived Ed25519 key: imported key should not be an Ed25519 key pair but is instead an HKDF key",
                ));
            }
            return read_public(kind, text(&self.public_key));
        };
        let hash = HashFunction::parse(text(&self.hash_function))?;
        let envelope = encoding::decode(ciphertext.expose());
        let envelope = envelope.map_err(|error| Fault::invalid(format!("ciphertext: {error}")))?;
        let opened = unwrap(&wrapping(view).await?, hash, envelope.expose())?;
        read_private(kind, opened.expose())
    }
}

/// The hash inside OAEP.
#[derive(Clone, Copy)]
enum HashFunction {
    Known(&'static OaepAlgorithm),
    Sha224,
}

impl HashFunction {
    fn parse(name: &str) -> Result<Self, Fault> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "SHA1" => Self::Known(&OAEP_SHA1_MGF1SHA1),
            "SHA224" => Self::Sha224,
            "" | "SHA256" => Self::Known(&OAEP_SHA256_MGF1SHA256),
            "SHA384" => Self::Known(&OAEP_SHA384_MGF1SHA384),
            "SHA512" => Self::Known(&OAEP_SHA512_MGF1SHA512),
            _ => return Err(Fault::invalid("unknown hash function")),
        })
    }
}

/// Opens an envelope. One text for whatever is wrong with either part: an oracle needs two.
fn unwrap(
    key: &PrivateDecryptingKey,
    hash: HashFunction,
    envelope: &[u8],
) -> Result<Secret<Vec<u8>>, Fault> {
    let refused = || Fault::invalid("the ciphertext is not a key wrapped with the wrapping key");
    let (wrapped_aes, wrapped) = envelope
        .split_at_checked(WRAPPED_AES)
        .filter(|(_, rest)| !rest.is_empty())
        .ok_or_else(|| Fault::invalid("provided ciphertext is too short"))?;
    let aes = match hash {
        HashFunction::Known(algorithm) => {
            let key = OaepPrivateDecryptingKey::new(key.clone());
            let key = key.map_err(failed("the wrapping key does not load"))?;
            let mut out = Secret::new(vec![0; key.min_output_size()]);
            let opened = key.decrypt(algorithm, wrapped_aes, out.expose_mut(), None);
            let length = opened.map_err(|_| refused())?.len();
            out.expose_mut().truncate(length);
            out
        }
        HashFunction::Sha224 => {
            let der = key.as_der().map_err(failed("the wrapping key"))?;
            let key = rsa::PrivateKey::from_pkcs8_der(der.as_ref());
            let key = key.map_err(failed("the wrapping key does not load"))?;
            let opened = key.oaep_decrypt::<sha2::Sha224>(wrapped_aes);
            Secret::new(opened.map_err(|_| refused())?)
        }
    };
    let kek = AesKek::new(&AES_256, aes.expose()).map_err(|_| refused())?;
    let mut out = Secret::new(vec![0; wrapped.len()]);
    let opened = kek.unwrap_with_padding(wrapped, out.expose_mut());
    let length = opened.map_err(|_| refused())?.len();
    out.expose_mut().truncate(length);
    Ok(out)
}

/// Key material as strangers send it.
pub(super) fn read_private(kind: Kind, bytes: &[u8]) -> Result<Material, Fault> {
    let refused = || {
        Fault::invalid(format!(
            "error parsing asymmetric key: not a PKCS #8 key of type {}",
            kind.name()
        ))
    };
    if let Some(length) = kind.key_bytes() {
        return symmetric(kind, bytes, bytes.len() == length);
    }
    match kind {
        Kind::Hmac => symmetric(kind, bytes, HMAC_BYTES.contains(&(bytes.len() as u64))),
        Kind::Ed25519 => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes);
            let pair = pair.map_err(|_| refused())?;
            let seed = pair.seed().map_err(failed("reading a seed"))?;
            let seed = aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&seed);
            let seed = seed.map_err(failed("reading a seed"))?;
            Material::of_ed25519(Secret::new(seed.as_ref().to_vec()))
        }
        Kind::EcP256 | Kind::EcP384 | Kind::EcP521 => {
            let pair = EcdsaKeyPair::from_pkcs8(ec_algorithm(kind)?, bytes);
            Material::of_ec(&pair.map_err(|_| refused())?)
        }
        _ => {
            let key = PrivateDecryptingKey::from_pkcs8(bytes).map_err(|_| refused())?;
            if Some(key.key_size_bytes()) != kind.modulus_bytes() {
                return Err(refused());
            }
            Material::of_rsa(&key)
        }
    }
}

fn symmetric(kind: Kind, bytes: &[u8], fits: bool) -> Result<Material, Fault> {
    match fits {
        true => Ok(Material::Symmetric(Secret::new(bytes.to_vec()))),
        false => Err(Fault::invalid(format!(
            "invalid key size for key type {}",
            kind.name()
        ))),
    }
}

/// A public half in PEM.
pub(super) fn read_public(kind: Kind, pem: &str) -> Result<Material, Fault> {
    let found = der::unpem("PUBLIC KEY", pem)
        .ok_or_else(|| Fault::invalid("error parsing public key: not in PEM format"))?;
    read_spki(kind, found.expose()).ok_or_else(|| {
        Fault::invalid(format!(
            "error parsing public key: not one of type {}",
            kind.name()
        ))
    })
}

/// A SubjectPublicKeyInfo, if it is of this kind.
pub(super) fn read_spki(kind: Kind, spki: &[u8]) -> Option<Material> {
    if kind.is_rsa() {
        let key = PublicEncryptingKey::from_der(spki).ok()?;
        (Some(key.key_size_bytes()) == kind.modulus_bytes()).then_some(())?;
        let public = key.as_der().ok()?.as_ref().to_vec();
        return Some(Material::Rsa {
            private: None,
            public,
        });
    }
    // The only form of the others that is written: the point or key is what follows the algorithm.
    let point = der::inside_spki(spki)?;
    let material = match kind {
        Kind::Ed25519 => Material::Ed25519 {
            seed: None,
            public: point.to_vec(),
        },
        kind if kind.is_ec() => {
            super::signature::check_point(kind, point)?;
            Material::Ec {
                scalar: None,
                point: point.to_vec(),
            }
        }
        _ => return None,
    };
    let right = kind != Kind::Ed25519 || point.len() == 32;
    (right && material.spki(kind) == spki).then_some(material)
}

fn import<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let body: Body = call.body.parse()?;
        if call.body.raw("convergent_encryption").is_some() {
            return Err(Fault::invalid(
                "import cannot be used on keys with convergent encryption enabled",
            ));
        }
        let auto_rotate = period(body.auto_rotate_period)?;
        if auto_rotate > 0 && !body.allow_rotation.0 {
            return Err(Fault::invalid(
                "allow_rotation must be set to true if auto-rotation is enabled",
            ));
        }
        let kind = kind(&body.kind)?;
        let wanted = Wanted {
            kind,
            derived: body.derived.0,
            convergent: false,
            exportable: body.exportable.0,
            allow_plaintext_backup: body.allow_plaintext_backup.0,
            auto_rotate,
            key_size: 0,
        };
        let mut key = Key::new(&wanted)?;
        let taken = || {
            Fault::invalid(
                "the import path cannot be used with an existing key; use import-version to rotate an existing imported key",
            )
        };
        if transit.load(call.view, name).await?.is_some() {
            return Err(taken());
        }
        let material = body.material(call.view, kind, key.derived).await?;
        key.kdf = Kdf::Counter;
        key.imported = true;
        key.allow_rotation = body.allow_rotation.0;
        if let (Kind::Hmac, Ok(bytes)) = (kind, material.symmetric()) {
            key.key_size = bytes.len() as u64;
        }
        key.add(Version::new(call.now, material.hmac_key(kind)?, material));
        match transit.insert(call.view, name, &key).await? {
            true => Ok(Outcome::Done),
            false => Err(taken()),
        }
    })
}

fn import_version<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let body: Body = call.body.parse()?;
        let key = transit.load(call.view, name).await?;
        let key = key.ok_or_else(|| {
            Fault::invalid(
                "no key of this name found; to import a new key, use the import/ endpoint",
            )
        })?;
        if !key.imported {
            return Err(Fault::invalid(
                "the import_version endpoint can only be used with an imported key",
            ));
        }
        key.usable()?;
        let material = body.material(call.view, key.kind, key.derived).await?;
        let kind = key.kind;
        let mut edit = |key: &mut Key| {
            key.usable()?;
            if key.kind != kind || !key.imported {
                return Err(Fault::invalid("the key is not what it was; try again"));
            }
            place(key, body.version, &material, call.now)
        };
        let changed = transit.change(&call, name, &mut edit).await?;
        changed.map(|_| Outcome::Done).ok_or_else(Fault::missing)
    })
}

/// Puts material in: as the private half of a version that has none, or as a new version.
fn place(
    key: &mut Key,
    asked: Option<Int>,
    material: &Material,
    now: cofferdam_core::clock::Time,
) -> Result<(), Fault> {
    let latest = key.latest;
    let completes = |key: &Key, number: u64| {
        let version = key.versions.get(&number);
        version.is_some_and(|version| {
            !version.material.has_private()
                && material.has_private()
                && version.material.public() == material.public()
        })
    };
    let number = match asked {
        Some(Int(asked)) => {
            let number = u64::try_from(asked).unwrap_or_default();
            let version = key.version(number)?;
            if !key.kind.has_public() {
                return Err(Fault::invalid(
                    "provided type does not support importing key versions",
                ));
            }
            if version.material.has_private() {
                return Err(Fault::invalid(
                    "private key imported, key version cannot be updated",
                ));
            }
            if !material.has_private() {
                return Err(Fault::invalid(
                    "cannot add a public key to a key version that already has a public key set",
                ));
            }
            if !completes(key, number) {
                return Err(Fault::invalid("cannot import key, key pair does not match"));
            }
            Some(number)
        }
        None => Some(latest).filter(|latest| completes(key, *latest)),
    };
    match number.and_then(|number| key.versions.get_mut(&number)) {
        Some(version) => {
            let (created, hmac) = (version.created, version.hmac.duplicate());
            let chain = std::mem::take(&mut version.chain);
            *version = Version::new(created, hmac, material.duplicate()).with_chain(chain);
        }
        None => {
            if let (Kind::Hmac, Ok(bytes)) = (key.kind, material.symmetric()) {
                key.key_size = bytes.len() as u64;
            }
            let hmac = material.hmac_key(key.kind)?;
            key.add(Version::new(now, hmac, material.duplicate()));
        }
    }
    Ok(())
}

fn byok_export<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let destination = transit
            .load(call.view, store::name(call.capture("destination"))?)
            .await?
            .ok_or_else(|| Fault::invalid("no such destination key to export to"))?;
        destination.usable()?;
        let name = store::name(call.capture("name"))?;
        let source = transit.load(call.view, name).await?;
        let source = source.ok_or_else(|| Fault::invalid("no such source key for export"))?;
        if !source.exportable {
            return Err(Fault::invalid("key is not exportable"));
        }
        source.usable()?;
        let hash = HashFunction::parse(call.query.get("hash").unwrap_or_default())?;
        let Material::Rsa { public, .. } = &destination.version(destination.latest)?.material
        else {
            return Err(Fault::invalid(
                "unsupported key type in use; must be a rsa key",
            ));
        };
        let one = |(number, version): (u64, &Version)| {
            let private = match &version.material {
                Material::Symmetric(key) => Some(key.duplicate()),
                other => other.pkcs8(source.kind),
            };
            let private = private.ok_or_else(|| {
                Fault::invalid("a version to export does not contain a private part")
            })?;
            let wrapped = wrap(public, hash, private.expose())?;
            Ok((number.to_string(), Secret::new(encoding::encode(&wrapped))))
        };
        let versions = export::wanted(&source, call.capture("version"))?;
        let keys = versions.into_iter().map(one);
        let keys = keys.collect::<Result<Vec<_>, Fault>>()?;
        Ok(export::answer(name, source.kind, &keys))
    })
}

/// Makes an envelope for a server whose `wrapping_key` this is; `hash` is the one inside OAEP, none of
/// them being SHA-256.
///
/// # Errors
/// Why there is none, without a word of the key.
pub fn envelope(pem: &str, hash: &str, key: &[u8]) -> Result<Vec<u8>, &'static str> {
    let public =
        der::unpem("PUBLIC KEY", pem).ok_or("the wrapping key is not a public key in PEM")?;
    let hash = HashFunction::parse(hash).map_err(|_| "unknown hash_function")?;
    wrap(public.expose(), hash, key).map_err(
        |_| "the wrapping key is no RSA key, or the hash_function not one that is known here",
    )
}

/// Makes an envelope for whoever has the private half of `public`.
fn wrap(public: &[u8], hash: HashFunction, key: &[u8]) -> Result<Vec<u8>, Fault> {
    let HashFunction::Known(algorithm) = hash else {
        return Err(Fault::invalid("unknown hash function"));
    };
    let aes = cofferdam_secret::random::<32>().map_err(Fault::internal)?;
    let rsa = PublicEncryptingKey::from_der(public);
    let rsa = OaepPublicEncryptingKey::new(rsa.map_err(failed("a public key does not load"))?);
    let rsa = rsa.map_err(failed("a public key does not load"))?;
    let mut out = vec![0; rsa.ciphertext_size()];
    rsa.encrypt(algorithm, aes.expose(), &mut out, None)
        .map_err(failed("wrapping an AES key"))?;
    let kek = AesKek::new(&AES_256, aes.expose()).map_err(failed("an AES key"))?;
    // RFC 5649: the next multiple of eight, and eight more.
    let mut wrapped = vec![0; key.len().next_multiple_of(8) + 8];
    let done = kek.wrap_with_padding(key, &mut wrapped);
    out.extend_from_slice(done.map_err(failed("wrapping a key"))?);
    Ok(out)
}
