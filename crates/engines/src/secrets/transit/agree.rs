//! `derive-key/NAME`: a key that two sides have without having sent it (ECDH, cofactor one, as in
//! SP 800-56A), made of a key of ours and of somebody else's public key.
//!
//! Follows OpenBao: of the shared secret, the x coordinate, HKDF with SHA-256 and neither salt nor
//! context takes as many bytes as the new key has (RFC 5869). So the same two keys give the same new
//! key, on any server; whoever wants several makes a key pair for each. What is made is like an
//! imported key: it is not rotated, and does not leave unless somebody switches that on.

use super::fields::{Int, Sent, text};
use super::import::read_public;
use super::key::{Kdf, Key, Version, Wanted};
use super::kind::Kind;
use super::material::Material;
use super::{Transit, store};
use aws_lc_rs::agreement::{
    self, Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey,
};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::Deserialize;

pub(super) const DERIVE_KEY: Route<Transit> =
    Route::new("derive-key/:name", &[(Verb::Write, derive)]).takes::<Body>();

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    key_derivation_algorithm: Sent,
    peer_public_key: Sent,
    base_key_name: Sent,
    base_key_version: Option<Int>,
    derived_key_type: Sent,
}

impl Body {
    /// The kind of the new key: those that are bytes and nothing else.
    fn kind(&self) -> Result<Kind, Fault> {
        let wanted = match text(&self.derived_key_type) {
            "" => return Ok(Kind::Aes256),
            named => named.to_ascii_lowercase(),
        };
        let kinds = [Kind::Aes128, Kind::Aes256, Kind::ChaCha, Kind::XChaCha];
        let mut kinds = kinds.into_iter();
        kinds
            .find(|kind| kind.name() == wanted)
            .ok_or_else(|| Fault::invalid("unknown key type"))
    }
}

fn algorithm(kind: Kind) -> Option<&'static Algorithm> {
    match kind {
        Kind::EcP256 => Some(&ECDH_P256),
        Kind::EcP384 => Some(&ECDH_P384),
        Kind::EcP521 => Some(&ECDH_P521),
        _ => None,
    }
}

/// What a version of a key and a public key of the same curve agree on, as so many bytes.
fn agreed(base: &Key, asked: i64, peer: &str, length: usize) -> Result<Secret<Vec<u8>>, Fault> {
    base.usable()?;
    let refuse = |why: &str| Fault::invalid(format!("requested version of the base key is {why}"));
    let number = match u64::try_from(asked) {
        Err(_) => return Err(refuse("negative")),
        Ok(0) => base.latest,
        Ok(number) if number > base.latest => {
            return Err(refuse("higher than the latest key version"));
        }
        Ok(number) if number < base.min_available => {
            return Err(refuse("less than the minimum available key version"));
        }
        Ok(number) => number,
    };
    let algorithm = algorithm(base.kind).ok_or_else(|| {
        Fault::invalid(format!(
            "base key type {} does not support key agreement",
            base.kind.name()
        ))
    })?;
    let version = base.version(number)?;
    let Material::Ec {
        scalar: Some(scalar),
        ..
    } = &version.material
    else {
        return Err(Fault::invalid(
            "requested version of the base key does not contain a private part",
        ));
    };
    // Of another curve it is none of this kind; a point that is on no curve is refused there as well.
    let peer = read_public(base.kind, peer).map_err(|_| {
        Fault::invalid(format!(
            "peer_public_key: expected a public key in PEM on the curve of the base key, {}",
            base.kind.name()
        ))
    })?;
    let own = PrivateKey::from_private_key(algorithm, scalar.expose())
        .map_err(|_| Fault::internal("a curve key does not load"))?;
    let shared = agreement::agree(
        &own,
        UnparsedPublicKey::new(algorithm, peer.public()),
        Fault::invalid("the keys agree on nothing"),
        |shared| Ok(Secret::new(shared.to_vec())),
    )?;
    super::crypt::hkdf(&shared, &[], length)
}

fn derive<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let body: Body = call.body.parse()?;
        if !matches!(text(&body.key_derivation_algorithm), "" | "ecdh") {
            return Err(Fault::invalid("key_derivation_algorithm: expected ecdh"));
        }
        let peer = text(&body.peer_public_key);
        if peer.is_empty() {
            return Err(Fault::invalid("peer public key not provided"));
        }
        let kind = body.kind()?;
        let length = kind.key_bytes();
        let length = length.ok_or_else(|| Fault::internal("no length"))?;
        let missing = || Fault::invalid("specified base key not found");
        let base = match text(&body.base_key_name) {
            "" => None,
            base => transit.load(call.view, store::name(base)?).await?,
        };
        let base = base.ok_or_else(missing)?;
        let Int(asked) = body.base_key_version.unwrap_or(Int(0));
        let material = Material::Symmetric(agreed(&base, asked, peer, length)?);
        let mut key = Key::new(&Wanted {
            kind,
            derived: false,
            convergent: false,
            exportable: false,
            allow_plaintext_backup: false,
            auto_rotate: 0,
            key_size: 0,
        })?;
        key.kdf = Kdf::Counter;
        key.imported = true;
        key.add(Version::new(call.now, material.hmac_key(kind)?, material));
        match transit.insert(call.view, name, &key).await? {
            true => Ok(Outcome::Done),
            false => Err(Fault::invalid("a key of this name exists already")),
        }
    })
}
