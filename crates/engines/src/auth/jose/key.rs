//! Public keys, from PEM and from JWK, and signatures under them.
//!
//! A key that could be weak is not taken at all: RSA has 2048 to 8192 bits, a point has its curve's
//! length, and a key that was published with its private part counts for nothing.

use super::Algorithm;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use serde_json::{Map, Value};
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Bytes of the modulus.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// A PEM block with a certificate of many names.
const MOST_PEM: usize = 64 << 10;

/// Members of a JWK that are private (RFC 7518, sections 6.2.2 and 6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A public key.
#[derive(Debug)]
pub struct Key {
    /// The name under which a key set has it.
    id: Option<String>,
    /// The one algorithm that its owner signs with, where that is said.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    /// Without leading zeros.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    Point(Curve, Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Bytes of a coordinate.
    const fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// Why a key is not taken. Says no byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitKey {
    /// Not PEM, or not of a public key.
    #[error("expected a public key or a certificate in PEM")]
    Unreadable,
    /// Of a sort that signs no tokens.
    #[error("expected an RSA, P-256, P-384, P-521 or Ed25519 key")]
    Sort,
    /// An RSA key outside the bounds.
    #[error("an RSA key has 2048 to 8192 bits")]
    Size,
    /// Told to the world.
    #[error("the key is published with its private part")]
    Private,
    /// A key for something else than signatures.
    #[error("the key is not for signatures")]
    Purpose,
}

impl Key {
    /// From one PEM block: a public key (`PUBLIC KEY`) or a certificate.
    ///
    /// # Errors
    /// [`UnfitKey`] for anything else.
    pub fn from_pem(text: &str) -> Result<Self, UnfitKey> {
        if text.len() > MOST_PEM {
            return Err(UnfitKey::Unreadable);
        }
        let blocks = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()).next();
        let (kind, der) = blocks.and_then(Result::ok).ok_or(UnfitKey::Unreadable)?;
        let material = match kind {
            SectionKind::PublicKey => {
                let (rest, info) =
                    SubjectPublicKeyInfo::from_der(&der).map_err(|_| UnfitKey::Unreadable)?;
                if !rest.is_empty() {
                    return Err(UnfitKey::Unreadable);
                }
                Material::of(&info)?
            }
            SectionKind::Certificate => {
                let (_, certificate) =
                    X509Certificate::from_der(&der).map_err(|_| UnfitKey::Unreadable)?;
                Material::of(certificate.public_key())?
            }
            _ => return Err(UnfitKey::Unreadable),
        };
        Ok(Self {
            id: None,
            algorithm: None,
            material,
        })
    }

    /// From a JWK.
    pub(super) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, UnfitKey> {
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return Err(UnfitKey::Private);
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let verifies = |uses: &Vec<Value>| uses.iter().any(|one| one.as_str() == Some("verify"));
        let used = text("use").is_none_or(|purpose| purpose == "sig");
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        if !used || !operations.is_none_or(verifies) {
            return Err(UnfitKey::Purpose);
        }
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or(UnfitKey::Sort)?),
        };
        let bytes = |name: &str| {
            let decoded = text(name).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
            decoded.ok_or(UnfitKey::Unreadable)
        };
        let material = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => Material::rsa(&bytes("n")?, &bytes("e")?)?,
            (Some("EC"), Some(name)) => {
                let curve = match name {
                    "P-256" => Curve::P256,
                    "P-384" => Curve::P384,
                    "P-521" => Curve::P521,
                    _ => return Err(UnfitKey::Sort),
                };
                let point = [vec![4], bytes("x")?, bytes("y")?].concat();
                Material::point(curve, &point)?
            }
            (Some("OKP"), Some("Ed25519")) => Material::ed25519(&bytes("x")?)?,
            _ => return Err(UnfitKey::Sort),
        };
        Ok(Self {
            id: text("kid").map(str::to_owned),
            algorithm,
            material,
        })
    }

    /// Whether a token that names this key may mean it; one that names none may mean any.
    pub(super) fn is_called(&self, id: Option<&str>, named: bool) -> bool {
        match id {
            // Keys that were given one by one have no names.
            Some(id) if named => self.id.as_deref() == Some(id),
            _ => true,
        }
    }

    /// Whether `signature` is one of `message`, by an algorithm of this key's sort.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if self.algorithm.is_some_and(|own| own != algorithm) {
            return false;
        }
        let by = |verifier: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(verifier, key)
                .verify(message, signature)
                .is_ok()
        };
        match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, _) => {
                let parameters = match algorithm {
                    Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
                    Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                let key = RsaPublicKeyComponents {
                    n: modulus.as_slice(),
                    e: exponent.as_slice(),
                };
                key.verify(parameters, message, signature).is_ok()
            }
            (Material::Point(Curve::P256, point), Algorithm::Es256) => {
                by(&ECDSA_P256_SHA256_FIXED, point)
            }
            (Material::Point(Curve::P384, point), Algorithm::Es384) => {
                by(&ECDSA_P384_SHA384_FIXED, point)
            }
            (Material::Point(Curve::P521, point), Algorithm::Es512) => {
                by(&ECDSA_P521_SHA512_FIXED, point)
            }
            (Material::Ed25519(public), Algorithm::EdDsa) => by(&ED25519, public),
            _ => false,
        }
    }
}

impl Material {
    fn of(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, UnfitKey> {
        if info.algorithm.algorithm == OID_SIG_ED25519 {
            return Self::ed25519(&info.subject_public_key.data);
        }
        match info.parsed().map_err(|_| UnfitKey::Unreadable)? {
            PublicKey::RSA(key) => Self::rsa(key.modulus, key.exponent),
            PublicKey::EC(point) => {
                let named = info.algorithm.parameters.as_ref();
                let curve = named
                    .and_then(|parameters| parameters.as_oid().ok())
                    .ok_or(UnfitKey::Sort)?;
                let curve = match curve {
                    curve if curve == OID_EC_P256 => Curve::P256,
                    curve if curve == OID_NIST_EC_P384 => Curve::P384,
                    curve if curve == OID_NIST_EC_P521 => Curve::P521,
                    _ => return Err(UnfitKey::Sort),
                };
                Self::point(curve, point.data())
            }
            _ => Err(UnfitKey::Sort),
        }
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, UnfitKey> {
        let short = |number: &[u8]| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number.get(zeros..).unwrap_or_default().to_vec()
        };
        let (modulus, exponent) = (short(modulus), short(exponent));
        // A modulus of 256 bytes may have 2041 bits.
        let full = modulus.len() > *RSA_BYTES.start()
            || modulus.first().is_some_and(|first| *first >= 0x80);
        if !RSA_BYTES.contains(&modulus.len()) || !full {
            return Err(UnfitKey::Size);
        }
        // Odd, at least 3, and at most 33 bits: what aws-lc verifies with.
        let odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if !odd || exponent == [1] || exponent.len() > 5 {
            return Err(UnfitKey::Size);
        }
        Ok(Self::Rsa { modulus, exponent })
    }

    fn point(curve: Curve, point: &[u8]) -> Result<Self, UnfitKey> {
        let whole = point.len() == 1 + 2 * curve.bytes() && point.first() == Some(&4);
        // Whether it lies on the curve, aws-lc asks at each use.
        whole
            .then(|| Self::Point(curve, point.to_vec()))
            .ok_or(UnfitKey::Unreadable)
    }

    fn ed25519(public: &[u8]) -> Result<Self, UnfitKey> {
        (public.len() == 32)
            .then(|| Self::Ed25519(public.to_vec()))
            .ok_or(UnfitKey::Unreadable)
    }
}
