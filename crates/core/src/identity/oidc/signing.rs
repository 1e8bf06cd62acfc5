//! Pairs of keys: how they are made, sign, are published, and judge a signature.
//!
//! The algorithm is the key's. What a token says of its own algorithm is compared with that and with
//! nothing else: there is no `none` here and no shared secret.

use crate::fault::Fault;
use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding,
    RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cofferdam_secret::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How tokens are signed (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    RS256,
    RS384,
    RS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// A key that signs.
#[derive(Serialize, Deserialize)]
pub(super) struct Pair {
    /// PKCS#8 of an RSA key, the number of a point, or a seed.
    #[serde(serialize_with = "keep", deserialize_with = "take")]
    private: Secret<Vec<u8>>,
    /// The uncompressed point, of a curve key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    point: Vec<u8>,
    pub(super) public: Jwk,
}

/// A public key as it is published (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Jwk {
    #[serde(rename = "use")]
    purpose: String,
    kty: String,
    pub(super) kid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    pub(super) alg: Algorithm,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

/// Bytes that are only ever written into the barrier.
fn keep<S: Serializer>(private: &Secret<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&Base64Display::new(private.expose(), &STANDARD))
}

fn take<'de, D: Deserializer<'de>>(from: D) -> Result<Secret<Vec<u8>>, D::Error> {
    let text = Secret::<String>::deserialize(from)?;
    let bytes = STANDARD.decode(text.expose()).map(Secret::new);
    bytes.map_err(|_| serde::de::Error::custom("not base64"))
}

/// As [`keep`], of a text.
pub(super) fn keep_text<S: Serializer>(text: &Secret<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.expose())
}

pub(super) fn take_text<'de, D: Deserializer<'de>>(from: D) -> Result<Secret<String>, D::Error> {
    Secret::<String>::deserialize(from)
}

fn failed<E>(what: &'static str) -> impl Fn(E) -> Fault {
    move |_| Fault::internal(what)
}

impl Algorithm {
    pub(super) const ALL: [Self; 7] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// How one signs with RSA; `None`: this is no RSA.
    fn rsa(self) -> Option<&'static dyn RsaEncoding> {
        match self {
            Self::RS256 => Some(&signature::RSA_PKCS1_SHA256),
            Self::RS384 => Some(&signature::RSA_PKCS1_SHA384),
            Self::RS512 => Some(&signature::RSA_PKCS1_SHA512),
            _ => None,
        }
    }

    /// Name, algorithm and bytes of a coordinate; `None`: this is no curve of ECDSA.
    fn curve(self) -> Option<(&'static str, &'static EcdsaSigningAlgorithm, usize)> {
        match self {
            Self::ES256 => Some(("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING, 32)),
            Self::ES384 => Some(("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING, 48)),
            Self::ES512 => Some(("P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING, 66)),
            _ => None,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::ES512 => &signature::ECDSA_P521_SHA512_FIXED,
            _ => &signature::ED25519,
        }
    }
}

impl Pair {
    /// A fresh one. Takes its time where it is RSA.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, Fault> {
        if algorithm.rsa().is_some() {
            return Self::of_rsa(algorithm);
        }
        match algorithm.curve() {
            Some(curve) => Self::of_curve(algorithm, curve),
            None => Self::of_ed25519(algorithm),
        }
    }

    fn of_rsa(algorithm: Algorithm) -> Result<Self, Fault> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed("generating RSA"))?;
        let der = pair.as_der().map_err(failed("writing an RSA key"))?;
        let public = pair.public_key();
        let mut jwk = Jwk::new("RSA", algorithm);
        let big = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        jwk.n = big(public.modulus().big_endian_without_leading_zero());
        jwk.e = big(public.exponent().big_endian_without_leading_zero());
        Ok(Self {
            private: Secret::new(der.as_ref().to_vec()),
            point: Vec::new(),
            public: jwk,
        })
    }

    fn of_curve(
        algorithm: Algorithm,
        (name, signing, bytes): (&str, &'static EcdsaSigningAlgorithm, usize),
    ) -> Result<Self, Fault> {
        let pair = EcdsaKeyPair::generate(signing).map_err(failed("generating a curve key"))?;
        let scalar = pair.private_key().as_be_bytes();
        let scalar = scalar.map_err(failed("reading a curve key"))?;
        let point = pair.public_key().as_ref().to_vec();
        let coordinates = point.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at_checked(bytes).unwrap_or_default();
        let mut jwk = Jwk::new("EC", algorithm);
        jwk.crv = Some(name.to_owned());
        jwk.x = Some(URL_SAFE_NO_PAD.encode(x));
        jwk.y = Some(URL_SAFE_NO_PAD.encode(y));
        Ok(Self {
            private: Secret::new(scalar.as_ref().to_vec()),
            point,
            public: jwk,
        })
    }

    fn of_ed25519(algorithm: Algorithm) -> Result<Self, Fault> {
        let mut seed = Secret::new(vec![0; 32]);
        cofferdam_secret::fill(seed.expose_mut()).map_err(failed("no entropy"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose());
        let pair = pair.map_err(failed("an Ed25519 seed"))?;
        let mut jwk = Jwk::new("OKP", algorithm);
        jwk.crv = Some("Ed25519".to_owned());
        jwk.x = Some(URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()));
        Ok(Self {
            private: seed,
            point: Vec::new(),
            public: jwk,
        })
    }

    /// Claims as a JWT in its compact form.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<Secret<String>, Fault> {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'static str,
            kid: &'a str,
        }
        let header = Header {
            alg: self.public.alg.name(),
            kid: &self.public.kid,
        };
        let header = serde_json::to_vec(&header).map_err(Fault::internal)?;
        let claims = serde_json::to_vec(claims).map_err(Fault::internal)?;
        let mut text = URL_SAFE_NO_PAD.encode(header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut text);
        let signature = Secret::new(self.signature(text.as_bytes())?);
        // Without a signature it lets nobody in, so only from here on it must not leave copies.
        text.reserve_exact(1 + signature.len().div_ceil(3) * 4);
        let mut token = Secret::new(text);
        token.expose_mut().push('.');
        URL_SAFE_NO_PAD.encode_string(signature.expose(), token.expose_mut());
        Ok(token)
    }

    fn signature(&self, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let (algorithm, private) = (self.public.alg, self.private.expose());
        if let Some(encoding) = algorithm.rsa() {
            let pair = RsaKeyPair::from_pkcs8(private).map_err(failed("an RSA key"))?;
            let mut out = vec![0; pair.public_modulus_len()];
            let signed = pair.sign(encoding, &SystemRandom::new(), input, &mut out);
            signed.map_err(failed("an RSA key does not sign"))?;
            return Ok(out);
        }
        if let Some((_, signing, _)) = algorithm.curve() {
            let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, private, &self.point);
            let pair = pair.map_err(failed("a curve key"))?;
            let signed = pair.sign(&SystemRandom::new(), input);
            let signed = signed.map_err(failed("a curve key does not sign"))?;
            return Ok(signed.as_ref().to_vec());
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(private);
        let pair = pair.map_err(failed("an Ed25519 key"))?;
        Ok(pair.sign(input).as_ref().to_vec())
    }
}

impl Jwk {
    fn new(kty: &str, alg: Algorithm) -> Self {
        Self {
            purpose: "sig".to_owned(),
            kty: kty.to_owned(),
            kid: uuid::Uuid::new_v4().to_string(),
            crv: None,
            alg,
            x: None,
            y: None,
            n: None,
            e: None,
        }
    }

    /// Whether `signature` is this key's signature of `input`.
    pub(super) fn verifies(&self, input: &[u8], signature: &[u8]) -> bool {
        let bytes = |part: &Option<String>| {
            let part = part.as_deref().unwrap_or_default();
            URL_SAFE_NO_PAD.decode(part).unwrap_or_default()
        };
        let rsa = match self.alg {
            Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            _ => None,
        };
        if let Some(parameters) = rsa {
            let (n, e) = (bytes(&self.n), bytes(&self.e));
            let key = RsaPublicKeyComponents { n, e };
            return key.verify(parameters, input, signature).is_ok();
        }
        let key = match self.alg {
            Algorithm::EdDSA => bytes(&self.x),
            _ => [vec![4], bytes(&self.x), bytes(&self.y)].concat(),
        };
        UnparsedPublicKey::new(self.alg.verification(), key)
            .verify(input, signature)
            .is_ok()
    }
}
