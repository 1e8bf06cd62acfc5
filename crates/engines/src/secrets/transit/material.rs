//! Key material: made, kept, and taken in and out of the forms other programs know.
//!
//! Private halves are secrets and wiped with them. Public halves are kept beside, so that a version of
//! which only the public half was imported is the same thing with a part missing.

use super::der;
use super::kind::{HMAC_BYTES, Kind};
use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use cofferdam_core::Fault;
use cofferdam_secret::Secret;

/// What a version is made of.
pub(super) enum Material {
    /// AES, ChaCha20 and HMAC keys.
    Symmetric(Secret<Vec<u8>>),
    Ed25519 {
        seed: Option<Secret<Vec<u8>>>,
        public: Vec<u8>,
    },
    Ec {
        /// Big-endian, as long as the field.
        scalar: Option<Secret<Vec<u8>>>,
        /// Uncompressed: `04 | x | y`.
        point: Vec<u8>,
    },
    Rsa {
        /// PKCS #8, DER.
        private: Option<Secret<Vec<u8>>>,
        /// SubjectPublicKeyInfo, DER.
        public: Vec<u8>,
    },
}

/// The signing algorithm that is bound to a curve and to a digest as long as its field, or longer.
pub(super) fn ec_algorithm(kind: Kind) -> Result<&'static EcdsaSigningAlgorithm, Fault> {
    match kind {
        Kind::EcP256 => Ok(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Kind::EcP384 => Ok(&ECDSA_P384_SHA384_ASN1_SIGNING),
        Kind::EcP521 => Ok(&ECDSA_P521_SHA512_ASN1_SIGNING),
        _ => Err(Fault::internal("not a curve")),
    }
}

fn random(length: usize) -> Result<Secret<Vec<u8>>, Fault> {
    let mut out = Secret::new(vec![0; length]);
    cofferdam_secret::fill(out.expose_mut()).map_err(Fault::internal)?;
    Ok(out)
}

/// A failure that only a defect or a kernel without entropy can cause.
fn failed<E>(what: &'static str) -> impl FnOnce(E) -> Fault {
    move |_| Fault::internal(what)
}

impl Material {
    /// Fresh material; `size` is for HMAC keys.
    pub(super) fn generate(kind: Kind, size: u64) -> Result<Self, Fault> {
        match kind {
            Kind::Hmac => {
                if !HMAC_BYTES.contains(&size) {
                    return Err(Fault::invalid(
                        "invalid key size for HMAC key, must be between 32 and 512 bytes",
                    ));
                }
                random(usize::try_from(size).map_err(Fault::internal)?).map(Self::Symmetric)
            }
            Kind::Ed25519 => Self::of_ed25519(random(32)?),
            Kind::EcP256 | Kind::EcP384 | Kind::EcP521 => {
                let pair = EcdsaKeyPair::generate(ec_algorithm(kind)?);
                Self::of_ec(&pair.map_err(failed("generating a curve key"))?)
            }
            Kind::Rsa2048 | Kind::Rsa3072 | Kind::Rsa4096 => {
                let size = match kind {
                    Kind::Rsa2048 => KeySize::Rsa2048,
                    Kind::Rsa3072 => KeySize::Rsa3072,
                    _ => KeySize::Rsa4096,
                };
                let key = PrivateDecryptingKey::generate(size);
                Self::of_rsa(&key.map_err(failed("generating an RSA key"))?)
            }
            _ => {
                let length = kind
                    .key_bytes()
                    .ok_or_else(|| Fault::internal("no length"))?;
                random(length).map(Self::Symmetric)
            }
        }
    }

    /// From a seed of 32 bytes.
    pub(super) fn of_ed25519(seed: Secret<Vec<u8>>) -> Result<Self, Fault> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose());
        let pair = pair.map_err(failed("an Ed25519 seed"))?;
        Ok(Self::Ed25519 {
            public: pair.public_key().as_ref().to_vec(),
            seed: Some(seed),
        })
    }

    pub(super) fn of_ec(pair: &EcdsaKeyPair) -> Result<Self, Fault> {
        let scalar = pair.private_key().as_be_bytes();
        let scalar = scalar.map_err(failed("reading a curve key"))?;
        Ok(Self::Ec {
            scalar: Some(Secret::new(scalar.as_ref().to_vec())),
            point: pair.public_key().as_ref().to_vec(),
        })
    }

    pub(super) fn of_rsa(key: &PrivateDecryptingKey) -> Result<Self, Fault> {
        let private = key.as_der().map_err(failed("writing an RSA key"))?;
        let public = key.public_key().as_der();
        Ok(Self::Rsa {
            private: Some(Secret::new(private.as_ref().to_vec())),
            public: public
                .map_err(failed("writing an RSA public key"))?
                .as_ref()
                .to_vec(),
        })
    }

    /// A second copy, wiped on its own.
    pub(super) fn duplicate(&self) -> Self {
        let copy = |secret: &Option<Secret<Vec<u8>>>| secret.as_ref().map(Secret::duplicate);
        match self {
            Self::Symmetric(key) => Self::Symmetric(key.duplicate()),
            Self::Ed25519 { seed, public } => Self::Ed25519 {
                seed: copy(seed),
                public: public.clone(),
            },
            Self::Ec { scalar, point } => Self::Ec {
                scalar: copy(scalar),
                point: point.clone(),
            },
            Self::Rsa { private, public } => Self::Rsa {
                private: copy(private),
                public: public.clone(),
            },
        }
    }

    /// The symmetric key.
    pub(super) fn symmetric(&self) -> Result<&Secret<Vec<u8>>, Fault> {
        match self {
            Self::Symmetric(key) => Ok(key),
            _ => Err(Fault::internal("no symmetric key")),
        }
    }

    /// What keys are derived from: of Ed25519 the seed and the public key, as in Vault.
    pub(super) fn base(&self) -> Result<Secret<Vec<u8>>, Fault> {
        match self {
            Self::Symmetric(key) => Ok(key.duplicate()),
            Self::Ed25519 {
                seed: Some(seed),
                public,
            } => Ok(Secret::new([seed.expose().as_slice(), public].concat())),
            _ => Err(Fault::internal("nothing to derive from")),
        }
    }

    /// The key for HMACs of a new version with this material: its own where it is for nothing else.
    pub(super) fn hmac_key(&self, kind: Kind) -> Result<Secret<Vec<u8>>, Fault> {
        match self {
            Self::Symmetric(key) if kind == Kind::Hmac => Ok(key.duplicate()),
            _ => random(32),
        }
    }

    pub(super) const fn has_private(&self) -> bool {
        match self {
            Self::Symmetric(_) => true,
            Self::Ed25519 { seed, .. } => seed.is_some(),
            Self::Ec { scalar, .. } => scalar.is_some(),
            Self::Rsa { private, .. } => private.is_some(),
        }
    }

    /// The public half alone, to compare with.
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::Symmetric(_) => &[],
            Self::Ed25519 { public, .. } | Self::Rsa { public, .. } => public,
            Self::Ec { point, .. } => point,
        }
    }

    /// SubjectPublicKeyInfo, DER.
    pub(super) fn spki(&self, kind: Kind) -> Vec<u8> {
        match self {
            Self::Symmetric(_) => Vec::new(),
            Self::Rsa { public, .. } => public.clone(),
            Self::Ed25519 { public, .. } => der::spki(&der::ED25519, public),
            Self::Ec { point, .. } => der::spki(der::curve(kind), point),
        }
    }

    /// PKCS #8, DER; `None` without a private half.
    pub(super) fn pkcs8(&self, kind: Kind) -> Option<Secret<Vec<u8>>> {
        Some(match self {
            Self::Symmetric(_) => return None,
            Self::Rsa { private, .. } => private.as_ref()?.duplicate(),
            Self::Ed25519 { seed, .. } => {
                let seed = seed.as_ref()?.expose();
                der::pkcs8(&der::ED25519, der::octets(seed).expose())
            }
            Self::Ec { scalar, point } => {
                let inner = der::sec1(scalar.as_ref()?.expose(), point, None);
                der::pkcs8(der::curve(kind), inner.expose())
            }
        })
    }

    /// As Vault shows a public key: base64 of Ed25519, PEM of the others.
    pub(super) fn shown_public(&self, kind: Kind) -> String {
        match self {
            Self::Symmetric(_) => String::new(),
            Self::Ed25519 { public, .. } => super::encoding::encode(public),
            _ => der::pem("PUBLIC KEY", &self.spki(kind)),
        }
    }
}
