//! One private key, and what signs with it: aws-lc, whose RSA takes the same time for every key.

use super::openssh::{File, Numbers};
use super::rsa;
use super::wire::push;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use cofferdam_secret::Secret;

/// `SSH_AGENT_RSA_SHA2_256` and `SSH_AGENT_RSA_SHA2_512`.
const SHA2_256: u32 = 2;
const SHA2_512: u32 = 4;

/// A key that signs. It has no `Debug` beyond its comment.
pub struct Key {
    public: Vec<u8>,
    comment: String,
    signer: Signer,
}

enum Signer {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair, &'static str),
    Rsa(RsaKeyPair),
}

/// Why a value is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not OpenSSH's format, or damaged.
    #[error("not a private key in OpenSSH's format")]
    Form,
    /// It has a passphrase, which nobody could type during a build.
    #[error("the key has a passphrase")]
    Encrypted,
    /// DSA, a security key, a size that is not allowed.
    #[error(
        "a kind of key that this agent does not sign with: use ed25519, ecdsa or rsa of 2048 bits or more"
    )]
    Kind,
}

impl KeyError {
    /// The next thing to do.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Form => "rewrite it in that format with: ssh-keygen -p -f FILE",
            Self::Encrypted => {
                "the store encrypts it already: take the passphrase off with: ssh-keygen -p -N '' -f FILE"
            }
            Self::Kind => "make one with: ssh-keygen -t ed25519 -f FILE",
        }
    }
}

impl Key {
    /// Reads a private key; `name` stands for a comment that it does not have.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &Secret<Vec<u8>>, name: &str) -> Result<Self, KeyError> {
        let file = File::read(text)?;
        let content = file.content()?;
        let signer = match &content.numbers {
            Numbers::Ed25519 { seed, public } => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public);
                Signer::Ed25519(pair.map_err(|_| KeyError::Form)?)
            }
            Numbers::Ecdsa {
                curve,
                point,
                secret,
            } => ecdsa(curve, point, secret)?,
            Numbers::Rsa(numbers) => rsa(numbers)?,
        };
        let comment = match content.comment {
            b"" => name.to_owned(),
            comment => String::from_utf8_lossy(comment).into_owned(),
        };
        Ok(Self {
            public: content.public.to_vec(),
            comment,
            signer,
        })
    }

    /// The public key, as the agent protocol has it.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// What people call it.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// A signature with its algorithm before it; `None` for SHA-1, which nobody should take.
    pub(super) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let (algorithm, signature) = match &self.signer {
            Signer::Ed25519(pair) => ("ssh-ed25519".to_owned(), pair.sign(data).as_ref().to_vec()),
            Signer::Ecdsa(pair, curve) => {
                let fixed = pair.sign(&SystemRandom::new(), data).ok()?;
                let (r, s) = fixed.as_ref().split_at(fixed.as_ref().len() / 2);
                let mut signature = Vec::new();
                push_positive(&mut signature, r);
                push_positive(&mut signature, s);
                (format!("ecdsa-sha2-{curve}"), signature)
            }
            Signer::Rsa(pair) => {
                let (algorithm, encoding): (_, &'static dyn RsaEncoding) = if flags & SHA2_512 != 0
                {
                    ("rsa-sha2-512", &RSA_PKCS1_SHA512)
                } else if flags & SHA2_256 != 0 {
                    ("rsa-sha2-256", &RSA_PKCS1_SHA256)
                } else {
                    return None;
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), data, &mut signature)
                    .ok()?;
                (algorithm.to_owned(), signature)
            }
        };
        let mut out = Vec::new();
        push(&mut out, algorithm.as_bytes());
        push(&mut out, &signature);
        Some(out)
    }
}

fn ecdsa(curve: &[u8], point: &[u8], secret: &[u8]) -> Result<Signer, KeyError> {
    let (algorithm, name, size): (&'static EcdsaSigningAlgorithm, _, usize) = match curve {
        b"nistp256" => (&ECDSA_P256_SHA256_FIXED_SIGNING, "nistp256", 32),
        b"nistp384" => (&ECDSA_P384_SHA384_FIXED_SIGNING, "nistp384", 48),
        b"nistp521" => (&ECDSA_P521_SHA512_FIXED_SIGNING, "nistp521", 66),
        _ => return Err(KeyError::Kind),
    };
    // OpenSSH leaves zeros before the number away, aws-lc wants all bytes of the curve.
    let zeros = secret.iter().take_while(|byte| **byte == 0).count();
    let secret = secret.get(zeros..).unwrap_or_default();
    let missing = size.checked_sub(secret.len()).ok_or(KeyError::Form)?;
    let mut padded = Secret::new(vec![0; missing]);
    padded.expose_mut().reserve_exact(secret.len());
    padded.expose_mut().extend_from_slice(secret);
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, padded.expose(), point);
    Ok(Signer::Ecdsa(pair.map_err(|_| KeyError::Form)?, name))
}

fn rsa(numbers: &rsa::Numbers<'_>) -> Result<Signer, KeyError> {
    if numbers.bits() < 2048 {
        return Err(KeyError::Kind);
    }
    let pair = RsaKeyPair::from_der(numbers.to_der().expose());
    Ok(Signer::Rsa(pair.map_err(|_| KeyError::Form)?))
}

/// An `mpint` (RFC 4251, section 5): no needless zeros, and one where the first bit would be a sign.
fn push_positive(out: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let mut number = number.get(zeros..).unwrap_or_default().to_vec();
    if number.first().is_some_and(|byte| byte & 0x80 != 0) {
        number.insert(0, 0);
    }
    push(out, &number);
}
