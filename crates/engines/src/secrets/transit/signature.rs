//! Signatures under a version of a key: ECDSA, Ed25519, RSA with PSS and PKCS #1 v1.5.
//!
//! aws-lc does the curves, Ed25519 and RSA with SHA-2. What it has no name for (SHA-1 and SHA-3 under
//! RSA, salts of any length) the `rsa` crate does, whose private operations are constant-time and
//! blinded.

use super::encoding::{self, Versioned};
use super::hash::{Hash, with_digest};
use super::key::{Key, Version};
use super::kind::Kind;
use super::material::{Material, ec_algorithm};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::RsaPssSaltLength;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, EcdsaKeyPair,
    Ed25519KeyPair, RsaEncoding, RsaKeyPair, RsaSignatureEncoding, UnparsedPublicKey,
};
use cofferdam_core::Fault;
use cofferdam_secret::Secret;
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, Pss};

/// How an RSA signature is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    Pss(Salt),
    Pkcs1,
}

/// Bytes of salt in PSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Salt {
    /// As many as fit, or whatever is found.
    Auto,
    /// As many as the hash has.
    Hash,
    Bytes(usize),
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marshaling {
    Asn1,
    Jws,
}

/// How to sign.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) hash: Hash,
    pub(super) padding: Padding,
    pub(super) marshaling: Marshaling,
}

/// What signing gives.
pub(super) struct Signed {
    pub(super) text: String,
    pub(super) version: u64,
    /// Of a key that was derived for it.
    pub(super) public: Option<Vec<u8>>,
}

fn failed<E>(what: &'static str) -> impl FnOnce(E) -> Fault {
    move |_| Fault::internal(what)
}

impl Key {
    /// The Ed25519 key derived from a version with a context.
    pub(super) fn derived_ed25519(
        &self,
        version: &Version,
        context: &[u8],
    ) -> Result<Material, Fault> {
        Material::of_ed25519(self.derive(version, context, 32)?)
    }

    /// Signs `input`: a hash where the kind signs hashes, else the message.
    pub(super) fn sign(
        &self,
        asked: i64,
        context: &[u8],
        input: &[u8],
        manner: Manner,
    ) -> Result<Signed, Fault> {
        self.usable()?;
        let number = self.to_make(asked, "signing")?;
        let version = self.version(number)?;
        if !version.material.has_private() {
            return Err(Fault::invalid(
                "requested version for signing does not contain a private part",
            ));
        }
        let derived = (self.derived)
            .then(|| self.derived_ed25519(version, context))
            .transpose()?;
        let material = derived.as_ref().unwrap_or(&version.material);
        let raw = material.sign(self.kind, input, manner)?;
        let encoded = match manner.marshaling {
            Marshaling::Asn1 => encoding::encode(&raw),
            Marshaling::Jws => encoding::encode_jws(&raw),
        };
        Ok(Signed {
            text: encoding::header(number) + &encoded,
            version: number,
            public: derived.map(|derived| derived.public().to_vec()),
        })
    }

    /// Whether `text` is a signature of `input`.
    pub(super) fn verify(
        &self,
        context: &[u8],
        input: &[u8],
        text: &str,
        manner: Manner,
    ) -> Result<bool, Fault> {
        self.usable()?;
        let refuse = |why: &str| Fault::invalid(format!("invalid signature: {why}"));
        let found = Versioned::parse(text).map_err(|bad| refuse(bad.text()))?;
        let version = self.version(self.that_made(found.version, "signature")?)?;
        let raw = match manner.marshaling {
            Marshaling::Asn1 => encoding::decode(found.body),
            Marshaling::Jws => encoding::decode_jws(found.body),
        };
        let raw = raw.map_err(|_| Fault::invalid("invalid base64 signature value"))?;
        let raw = raw.expose().as_slice();
        let derived = (self.derived)
            .then(|| self.derived_ed25519(version, context))
            .transpose()?;
        match derived.as_ref().unwrap_or(&version.material) {
            Material::Ed25519 { public, .. } => {
                let key = UnparsedPublicKey::new(&signature::ED25519, public);
                Ok(key.verify(input, raw).is_ok())
            }
            Material::Ec { point, .. } => verify_ec(self.kind, point, input, raw, manner),
            Material::Rsa { public, .. } => verify_rsa(public, input, raw, manner),
            Material::Symmetric(_) => Err(Fault::internal("nothing to verify with")),
        }
    }
}

impl Material {
    /// The bytes of a signature of `input`: a hash where the kind signs hashes, else the message.
    pub(super) fn sign(&self, kind: Kind, input: &[u8], manner: Manner) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Ed25519 {
                seed: Some(seed), ..
            } => sign_ed25519(seed, input),
            Self::Ec {
                scalar: Some(scalar),
                point,
            } => {
                let asn1 = sign_ec(kind, scalar, point, input)?;
                match manner.marshaling {
                    Marshaling::Asn1 => Ok(asn1),
                    Marshaling::Jws => fixed(kind, &asn1)
                        .ok_or_else(|| Fault::internal("a signature of ours does not parse")),
                }
            }
            Self::Rsa {
                private: Some(private),
                ..
            } => sign_rsa(private, input, manner),
            _ => Err(Fault::internal("nothing to sign with")),
        }
    }
}

fn sign_ed25519(seed: &Secret<Vec<u8>>, input: &[u8]) -> Result<Vec<u8>, Fault> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose());
    let pair = pair.map_err(failed("an Ed25519 key does not load"))?;
    Ok(pair.sign(input).as_ref().to_vec())
}

/// A hash as the integer that ECDSA signs (SEC 1, section 4.1.3), in the length of the digest that the
/// algorithm is bound to: a shorter one gets zeros before it, of a longer one the first bytes count.
fn field_digest(kind: Kind, hash: &[u8]) -> Result<Digest, Fault> {
    let algorithm = match kind {
        Kind::EcP256 => &digest::SHA256,
        Kind::EcP384 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    let length = algorithm.output_len();
    if kind == Kind::EcP521 && hash.len() > length {
        return Err(Fault::invalid(
            "a prehashed input is at most 64 bytes long for this key",
        ));
    }
    let mut padded = vec![0; length.saturating_sub(hash.len())];
    padded.extend_from_slice(hash.get(..length).unwrap_or(hash));
    Digest::import_less_safe(&padded, algorithm).map_err(failed("length of a digest"))
}

fn sign_ec(
    kind: Kind,
    scalar: &Secret<Vec<u8>>,
    point: &[u8],
    hash: &[u8],
) -> Result<Vec<u8>, Fault> {
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(ec_algorithm(kind)?, scalar.expose(), point);
    let pair = pair.map_err(failed("a curve key does not load"))?;
    let signed = pair.sign_digest(&field_digest(kind, hash)?);
    Ok(signed
        .map_err(failed("a curve key refused to sign"))?
        .as_ref()
        .to_vec())
}

fn verify_ec(
    kind: Kind,
    point: &[u8],
    hash: &[u8],
    raw: &[u8],
    manner: Manner,
) -> Result<bool, Fault> {
    let algorithm = match kind {
        Kind::EcP256 => &ECDSA_P256_SHA256_ASN1,
        Kind::EcP384 => &ECDSA_P384_SHA384_ASN1,
        _ => &ECDSA_P521_SHA512_ASN1,
    };
    let asn1 = match manner.marshaling {
        Marshaling::Asn1 => {
            if asn1_integers(raw).is_none() {
                return Err(Fault::invalid("supplied signature is invalid"));
            }
            raw.to_vec()
        }
        Marshaling::Jws => {
            let (r, s) = raw.split_at(raw.len() / 2);
            asn1_of(r, s)
        }
    };
    let key = UnparsedPublicKey::new(algorithm, point);
    Ok(key.verify_digest(&field_digest(kind, hash)?, &asn1).is_ok())
}

/// Whether a point lies on its curve: only aws-lc can say, and it says so when it reads the key.
pub(super) fn check_point(kind: Kind, point: &[u8]) -> Option<()> {
    let algorithm = match kind {
        Kind::EcP256 => &ECDSA_P256_SHA256_ASN1,
        Kind::EcP384 => &ECDSA_P384_SHA384_ASN1,
        _ => &ECDSA_P521_SHA512_ASN1,
    };
    signature::ParsedPublicKey::new(algorithm, point).ok()?;
    Some(())
}

/// The two integers of an ASN.1 signature, without leading zeros.
fn asn1_integers(asn1: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut outer = super::der::Reader::new(asn1);
    let mut inner = super::der::Reader::new(outer.expect(0x30)?);
    let (r, s) = (inner.expect(0x02)?, inner.expect(0x02)?);
    let done = outer.next().is_none() && inner.next().is_none() && !r.is_empty() && !s.is_empty();
    done.then(|| (trimmed(r), trimmed(s)))
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// `r | s`, each as long as the field (RFC 7518, section 3.4).
fn fixed(kind: Kind, asn1: &[u8]) -> Option<Vec<u8>> {
    let length = match kind {
        Kind::EcP256 => 32,
        Kind::EcP384 => 48,
        _ => 66,
    };
    let (r, s) = asn1_integers(asn1)?;
    let mut out = Vec::with_capacity(2 * length);
    for part in [r, s] {
        out.resize(out.len() + length.checked_sub(part.len())?, 0);
        out.extend_from_slice(part);
    }
    Some(out)
}

/// The ASN.1 form of two integers.
fn asn1_of(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(r.len() + s.len() + 8);
    for part in [trimmed(r), trimmed(s)] {
        // Positive: a first bit that is set wants a zero before it; zero itself is one byte.
        let sign: &[u8] = match part.first() {
            Some(first) if *first < 0x80 => &[],
            _ => &[0],
        };
        body.push(0x02);
        push_length(&mut body, sign.len() + part.len());
        body.extend_from_slice(sign);
        body.extend_from_slice(part);
    }
    let mut out = vec![0x30];
    push_length(&mut out, body.len());
    out.extend_from_slice(&body);
    out
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(short) => out.extend_from_slice(&[0x81, short]),
        Err(_) => {
            // Longer than any signature: what comes of it does not verify.
            let [.., high, low] = length.to_be_bytes();
            out.extend_from_slice(&[0x82, high, low]);
        }
    }
}

const PSS_256: RsaSignatureEncoding = signature::RSA_PSS_SHA256;
const PSS_384: RsaSignatureEncoding = signature::RSA_PSS_SHA384;
const PSS_512: RsaSignatureEncoding = signature::RSA_PSS_SHA512;
static MOST_256: RsaSignatureEncoding = PSS_256.with_pss_salt_length(RsaPssSaltLength::Max);
static MOST_384: RsaSignatureEncoding = PSS_384.with_pss_salt_length(RsaPssSaltLength::Max);
static MOST_512: RsaSignatureEncoding = PSS_512.with_pss_salt_length(RsaPssSaltLength::Max);

/// What aws-lc has a name for.
fn known(manner: Manner) -> Option<(&'static dyn RsaEncoding, &'static digest::Algorithm)> {
    let encoding: &'static dyn RsaEncoding = match (manner.hash, manner.padding) {
        (Hash::Sha256, Padding::Pss(Salt::Auto)) => &MOST_256,
        (Hash::Sha384, Padding::Pss(Salt::Auto)) => &MOST_384,
        (Hash::Sha512, Padding::Pss(Salt::Auto)) => &MOST_512,
        (Hash::Sha256, Padding::Pss(Salt::Hash)) => &PSS_256,
        (Hash::Sha384, Padding::Pss(Salt::Hash)) => &PSS_384,
        (Hash::Sha512, Padding::Pss(Salt::Hash)) => &PSS_512,
        (Hash::Sha256, Padding::Pkcs1) => &signature::RSA_PKCS1_SHA256,
        (Hash::Sha384, Padding::Pkcs1) => &signature::RSA_PKCS1_SHA384,
        (Hash::Sha512, Padding::Pkcs1) => &signature::RSA_PKCS1_SHA512,
        _ => return None,
    };
    let digest = match manner.hash {
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
        _ => &digest::SHA256,
    };
    Some((encoding, digest))
}

/// An input that is said to be a hash already must be as long as one.
fn check_length(input: &[u8], hash: Hash) -> Result<(), Fault> {
    match hash == Hash::None || input.len() == hash.length() {
        true => Ok(()),
        false => Err(Fault::invalid(
            "the input is not as long as a sum of the hash algorithm",
        )),
    }
}

fn sign_rsa(private: &Secret<Vec<u8>>, input: &[u8], manner: Manner) -> Result<Vec<u8>, Fault> {
    check_length(input, manner.hash)?;
    if let Some((encoding, algorithm)) = known(manner) {
        let pair = RsaKeyPair::from_pkcs8(private.expose());
        let pair = pair.map_err(failed("an RSA key does not load"))?;
        let digest = Digest::import_less_safe(input, algorithm);
        let digest = digest.map_err(failed("length of a digest"))?;
        let mut out = vec![0; pair.public_modulus_len()];
        pair.sign_digest(encoding, &digest, &mut out)
            .map_err(failed("an RSA key refused to sign"))?;
        return Ok(out);
    }
    let key = rsa::PrivateKey::from_pkcs8_der(private.expose());
    let key = key.map_err(failed("an RSA key does not load"))?;
    let mut rng = rsa::rand_core::UnwrapErr(SystemRandom);
    let salt = salt_bytes(manner, key.size())?;
    let signed = match manner.padding {
        Padding::Pkcs1 => key.sign_with_rng(&mut rng, pkcs1(manner.hash), input),
        Padding::Pss(_) => with_digest!(manner.hash, D => {
            let mut scheme = Pss::<D>::new_with_salt(salt.unwrap_or(manner.hash.length()));
            scheme.blinded = true;
            key.sign_with_rng(&mut rng, scheme, input)
        }, none => return Err(no_hash())),
    };
    signed.map_err(|_| Fault::invalid("the key cannot sign an input of this length"))
}

fn verify_rsa(public: &[u8], input: &[u8], raw: &[u8], manner: Manner) -> Result<bool, Fault> {
    if check_length(input, manner.hash).is_err() {
        return Ok(false);
    }
    let key = rsa::PublicKey::from_public_key_der(public);
    let key = key.map_err(failed("an RSA public key does not load"))?;
    let salt = salt_bytes(manner, key.size())?;
    let verified = match manner.padding {
        Padding::Pkcs1 => key.verify(pkcs1(manner.hash), input, raw),
        Padding::Pss(asked) => with_digest!(manner.hash, D => {
            let mut scheme = Pss::<D>::new();
            scheme.salt_len = match asked {
                Salt::Auto => None,
                _ => salt,
            };
            key.verify(scheme, input, raw)
        }, none => return Err(no_hash())),
    };
    Ok(verified.is_ok())
}

fn no_hash() -> Fault {
    Fault::invalid(
        "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15",
    )
}

fn pkcs1(hash: Hash) -> Pkcs1v15Sign {
    with_digest!(hash, D => Pkcs1v15Sign::new::<D>(), none => Pkcs1v15Sign::new_unprefixed())
}

/// Bytes of salt for a modulus of this many bytes; `None` where the padding has none.
///
/// # Errors
/// When more were asked for than fit.
fn salt_bytes(manner: Manner, modulus: usize) -> Result<Option<usize>, Fault> {
    let Padding::Pss(salt) = manner.padding else {
        return Ok(None);
    };
    let most = modulus.saturating_sub(2 + manner.hash.length());
    match salt {
        Salt::Auto => Ok(Some(most)),
        Salt::Hash => Ok(Some(manner.hash.length())),
        Salt::Bytes(count) if count > most => {
            Err(Fault::invalid("requested salt length is invalid"))
        }
        Salt::Bytes(count) => Ok(Some(count)),
    }
}

/// aws-lc's random numbers, for the other library.
struct SystemRandom;

impl rsa::rand_core::TryRng for SystemRandom {
    type Error = std::io::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut out = [0; 4];
        self.try_fill_bytes(&mut out)?;
        Ok(u32::from_le_bytes(out))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut out = [0; 8];
        self.try_fill_bytes(&mut out)?;
        Ok(u64::from_le_bytes(out))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        cofferdam_secret::fill(out)
    }
}

impl rsa::rand_core::TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MANNERS: [Hash; 9] = [
        Hash::Sha1,
        Hash::Sha224,
        Hash::Sha256,
        Hash::Sha384,
        Hash::Sha512,
        Hash::Sha3_224,
        Hash::Sha3_256,
        Hash::Sha3_384,
        Hash::Sha3_512,
    ];

    #[test]
    fn rsa_signs_and_verifies_with_every_hash_and_padding() {
        let Material::Rsa {
            private: Some(private),
            public,
        } = Material::generate(Kind::Rsa2048, 0).unwrap()
        else {
            panic!("an RSA key")
        };
        let paddings = [
            Padding::Pkcs1,
            Padding::Pss(Salt::Auto),
            Padding::Pss(Salt::Hash),
            Padding::Pss(Salt::Bytes(7)),
        ];
        for hash in MANNERS {
            let input = hash.sum(b"message");
            for padding in paddings {
                let manner = Manner {
                    hash,
                    padding,
                    marshaling: Marshaling::Asn1,
                };
                let signed = sign_rsa(&private, &input, manner).unwrap();
                assert!(
                    verify_rsa(&public, &input, &signed, manner).unwrap(),
                    "{hash:?} {padding:?}"
                );
                assert!(!verify_rsa(&public, &hash.sum(b"other"), &signed, manner).unwrap());
                // What was signed with any salt verifies where none is asked for.
                if matches!(padding, Padding::Pss(_)) {
                    let auto = Manner {
                        padding: Padding::Pss(Salt::Auto),
                        ..manner
                    };
                    assert!(verify_rsa(&public, &input, &signed, auto).unwrap());
                }
            }
        }
        let bare = Manner {
            hash: Hash::None,
            padding: Padding::Pkcs1,
            marshaling: Marshaling::Asn1,
        };
        let signed = sign_rsa(&private, b"anything", bare).unwrap();
        assert!(verify_rsa(&public, b"anything", &signed, bare).unwrap());
        assert!(sign_rsa(&private, &[1; 300], bare).is_err());
    }

    #[test]
    fn curves_sign_and_verify_hashes_of_any_length() {
        for kind in [Kind::EcP256, Kind::EcP384, Kind::EcP521] {
            let Material::Ec {
                scalar: Some(scalar),
                point,
            } = Material::generate(kind, 0).unwrap()
            else {
                panic!("a curve key")
            };
            for hash in MANNERS {
                let input = hash.sum(b"message");
                let asn1 = sign_ec(kind, &scalar, &point, &input).unwrap();
                let manner = |marshaling| Manner {
                    hash,
                    padding: Padding::Pkcs1,
                    marshaling,
                };
                let fixed = fixed(kind, &asn1).unwrap();
                for (marshaling, raw) in [(Marshaling::Asn1, &asn1), (Marshaling::Jws, &fixed)] {
                    assert!(verify_ec(kind, &point, &input, raw, manner(marshaling)).unwrap());
                    let other = hash.sum(b"other");
                    assert!(!verify_ec(kind, &point, &other, raw, manner(marshaling)).unwrap());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_as_a_signature_are_judged(raw: Vec<u8>, jws: bool) {
            let point = [&[4][..], &[0; 64]].concat();
            let marshaling = if jws { Marshaling::Jws } else { Marshaling::Asn1 };
            let manner = Manner { hash: Hash::Sha256, padding: Padding::Pkcs1, marshaling };
            let judged = verify_ec(Kind::EcP256, &point, &[1; 32], &raw, manner);
            prop_assert!(!judged.unwrap_or(false));
        }

        #[test]
        fn both_forms_of_a_curve_signature_are_the_same(r: [u8; 32], s: [u8; 32]) {
            let asn1 = asn1_of(&r, &s);
            let (mut a, mut b) = (r, s);
            // Zero has no form of its own.
            a[31] |= 1;
            b[31] |= 1;
            prop_assert_eq!(fixed(Kind::EcP256, &asn1_of(&a, &b)).unwrap(), [a, b].concat());
            prop_assert!(asn1_integers(&asn1).is_some());
        }
    }
}
