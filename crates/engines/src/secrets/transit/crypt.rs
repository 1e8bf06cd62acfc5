//! Encryption and decryption under a version of a key: what `encrypt`, `decrypt`, `rewrap` and
//! `datakey` have in common.

use super::cipher::Cipher;
use super::encoding::{self, Versioned};
use super::key::{Kdf, Key, Version};
use super::kind::Kind;
use super::material::Material;
use aws_lc_rs::hkdf;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use cofferdam_core::Fault;
use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};

/// A context was needed and not sent. Vault's sentence.
const NO_CONTEXT: &str = "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key";

/// What an operation gets beside the key and the text.
#[derive(Clone, Copy, Default)]
pub(super) struct Extra<'a> {
    pub(super) context: &'a [u8],
    /// Associated data.
    pub(super) aad: &'a [u8],
}

/// As many bytes as an output of HKDF is to have.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF (RFC 5869) with SHA-256 and no salt.
pub(super) fn hkdf(
    base: &Secret<Vec<u8>>,
    context: &[u8],
    length: usize,
) -> Result<Secret<Vec<u8>>, Fault> {
    let failed = |_| Fault::internal("HKDF refused to derive");
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]);
    let mut out = Secret::new(vec![0; length]);
    let info = [context];
    salt.extract(base.expose())
        .expand(&info, Length(length))
        .map_err(failed)?
        .fill(out.expose_mut())
        .map_err(failed)?;
    Ok(out)
}

impl Key {
    /// `length` bytes derived from a version and a context.
    pub(super) fn derive(
        &self,
        version: &Version,
        context: &[u8],
        length: usize,
    ) -> Result<Secret<Vec<u8>>, Fault> {
        if context.is_empty() {
            return Err(Fault::invalid(NO_CONTEXT));
        }
        let base = version.material.base()?;
        match self.kdf {
            Kdf::Hkdf => hkdf(&base, context, length),
            Kdf::Counter if length != 32 => Err(Fault::invalid(
                "keys of this type that were imported cannot be derived from",
            )),
            Kdf::Counter => {
                // One round of SP 800-108: counter 0, no label, 256 bits.
                let mac = Hmac::<Sha256>::new_from_slice(base.expose()).map_err(Fault::internal)?;
                let bits = 256_u32.to_be_bytes();
                let mac = mac
                    .chain_update(0_u32.to_be_bytes())
                    .chain_update(context)
                    .chain_update(bits);
                Ok(Secret::new(mac.finalize().into_bytes().to_vec()))
            }
        }
    }

    /// Encrypts under version `asked` (0: the newest); the ciphertext with its header, and the version.
    pub(super) fn encrypt(
        &self,
        asked: i64,
        extra: Extra<'_>,
        plain: &[u8],
    ) -> Result<(String, u64), Fault> {
        self.usable()?;
        if !self.kind.encrypts() {
            return Err(Fault::invalid(format!(
                "message encryption not supported for key type {}",
                self.kind.name()
            )));
        }
        let number = self.to_make(asked, "encryption")?;
        let version = self.version(number)?;
        let sealed = if self.kind.is_rsa() {
            seal_rsa(version, plain)?
        } else {
            self.seal(version, extra, plain)?
        };
        let mut text = encoding::header(number);
        text.push_str(&encoding::encode(&sealed));
        Ok((text, number))
    }

    fn seal(&self, version: &Version, extra: Extra<'_>, plain: &[u8]) -> Result<Vec<u8>, Fault> {
        if !self.derived {
            let cipher = version.cipher(self.kind)?;
            return cipher.seal(&cipher.fresh_nonce()?, extra.aad, plain);
        }
        let length = self.cipher_bytes()?;
        let wanted = if self.convergent { length + 32 } else { length };
        let derived = self.derive(version, extra.context, wanted)?;
        let (key, rest) = derived.expose().split_at(length);
        let cipher = Cipher::new(self.kind, key)?;
        if !self.convergent {
            return cipher.seal(&cipher.fresh_nonce()?, extra.aad, plain);
        }
        let sum = convergent(rest, extra.aad, plain)?;
        let nonce = sum.get(..cipher.nonce_bytes()).unwrap_or_default();
        cipher.seal(nonce, extra.aad, plain)
    }

    fn cipher_bytes(&self) -> Result<usize, Fault> {
        let bytes = self.kind.key_bytes();
        bytes.ok_or_else(|| Fault::internal("not a cipher"))
    }

    /// Decrypts what some version of this key made.
    pub(super) fn decrypt(&self, extra: Extra<'_>, text: &str) -> Result<Secret<Vec<u8>>, Fault> {
        self.usable()?;
        if !self.kind.encrypts() {
            return Err(Fault::invalid(format!(
                "message decryption not supported for key type {}",
                self.kind.name()
            )));
        }
        let refuse = |why: &str| Fault::invalid(format!("invalid ciphertext: {why}"));
        let found = Versioned::parse(text).map_err(|bad| refuse(bad.text()))?;
        // Version 0 is what the first releases of Vault called the first version.
        let claimed = if found.version == 0 { 1 } else { found.version };
        let version = self.version(self.that_made(claimed, "ciphertext")?)?;
        let sealed = encoding::decode(found.body).map_err(|_| refuse("could not decode base64"))?;
        if self.kind.is_rsa() {
            return open_rsa(version, sealed.expose());
        }
        let opened = if self.derived {
            let key = self.derive(version, extra.context, self.cipher_bytes()?)?;
            Cipher::new(self.kind, key.expose())?.open(extra.aad, sealed.expose())
        } else {
            version.cipher(self.kind)?.open(extra.aad, sealed.expose())
        };
        opened.map_err(|unopened| Fault::invalid(unopened.text(self.kind)))
    }
}

/// What a convergent nonce is cut from: a MAC of all that is encrypted and authenticated. The same only
/// for the same text with the same associated data under the same context, and then the whole
/// ciphertext is the same, which is what convergence means. One nonce for two associated data would be
/// two messages under one nonce: that gives away the key that authenticates.
///
/// Without associated data it is Vault's. The two cases use two hash functions, so no text of the one
/// can be made to meet the other. A nonce travels with its ciphertext: either server opens both.
fn convergent(key: &[u8], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
    if aad.is_empty() {
        let mac = Hmac::<Sha256>::new_from_slice(key).map_err(Fault::internal)?;
        return Ok(mac.chain_update(plain).finalize().into_bytes().to_vec());
    }
    let mac = Hmac::<Sha512>::new_from_slice(key).map_err(Fault::internal)?;
    let length = (aad.len() as u64).to_be_bytes();
    let mac = mac
        .chain_update(length)
        .chain_update(aad)
        .chain_update(plain);
    Ok(mac.finalize().into_bytes().to_vec())
}

fn seal_rsa(version: &Version, plain: &[u8]) -> Result<Vec<u8>, Fault> {
    let failed = |_| Fault::internal("an RSA public key does not load");
    let key = PublicEncryptingKey::from_der(version.material.public());
    let key = OaepPublicEncryptingKey::new(
        key.map_err(|_| Fault::internal("an RSA public key does not load"))?,
    )
    .map_err(failed)?;
    if plain.len() > key.max_plaintext_size(&OAEP_SHA256_MGF1SHA256) {
        return Err(Fault::invalid(
            "failed to RSA encrypt the plaintext: message too long for RSA key size",
        ));
    }
    let mut out = vec![0; key.ciphertext_size()];
    let sealed = key.encrypt(&OAEP_SHA256_MGF1SHA256, plain, &mut out, None);
    let length = sealed
        .map_err(|_| Fault::internal("an RSA encryption failed"))?
        .len();
    out.truncate(length);
    Ok(out)
}

fn open_rsa(version: &Version, sealed: &[u8]) -> Result<Secret<Vec<u8>>, Fault> {
    let Material::Rsa {
        private: Some(private),
        ..
    } = &version.material
    else {
        return Err(Fault::invalid(
            "cannot decrypt ciphertext, key version does not have a private counterpart",
        ));
    };
    let failed = |_| Fault::internal("an RSA private key does not load");
    let key = PrivateDecryptingKey::from_pkcs8(private.expose());
    let key = OaepPrivateDecryptingKey::new(
        key.map_err(|_| Fault::internal("an RSA private key does not load"))?,
    )
    .map_err(failed)?;
    let mut out = Secret::new(vec![0; key.min_output_size()]);
    // One text for whatever is wrong: an oracle needs two.
    let opened = key.decrypt(&OAEP_SHA256_MGF1SHA256, sealed, out.expose_mut(), None);
    let length = opened
        .map_err(|_| Fault::invalid("failed to RSA decrypt the ciphertext: decryption error"))?
        .len();
    out.expose_mut().truncate(length);
    Ok(out)
}

/// Whether associated data can be given to keys of this kind.
pub(super) fn check_associated(kind: Kind) -> Result<(), Fault> {
    match kind.is_aead() {
        true => Ok(()),
        false => Err(Fault::invalid(format!(
            "'associated_data' provided for non-AEAD cipher suite {}",
            kind.name()
        ))),
    }
}
