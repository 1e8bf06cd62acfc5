//! A session that whoever reads or changes what passes on the way (the bus between processor and
//! TPM) neither reads along nor forges: its key comes of a secret that is agreed on with the primary
//! key, every command and answer carries an HMAC, and secrets are encrypted (TPM 2.0 Library, Part 1,
//! 11.4.10, 19.6 and 21). SHA-256 and AES-128-CFB throughout.

use super::code::{Command, Problem};
use super::wire::{Reader, sized};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{
    AES_128, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use cofferdam_secret::{Secret, constant_time_eq};
use sha2::{Digest as _, Sha256};

const NONCE: usize = 32;
/// The session is used again (`continueSession`).
const CONTINUE: u8 = 0x01;
/// The first parameter of the command is encrypted.
const DECRYPT: u8 = 0x20;
/// The first parameter of the answer is encrypted.
const ENCRYPT: u8 = 0x40;

/// What of a command is secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hide {
    Command,
    Answer,
}

/// A point of P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: [u8; 32],
    pub(super) y: [u8; 32],
}

impl Point {
    fn sec1(&self) -> Vec<u8> {
        [&[4], self.x.as_slice(), self.y.as_slice()].concat()
    }
}

/// The half of an agreement that is sent, and what both sides have of it then.
pub(super) struct Salt {
    secret: Secret<[u8; 32]>,
    /// `TPM2B_ENCRYPTED_SECRET`, without its length.
    pub(super) sent: Vec<u8>,
}

impl Salt {
    /// Agrees with who has the other half of `key`.
    pub(super) fn agree(key: &Point) -> Result<Self, Problem> {
        let own = PrivateKey::generate(&ECDH_P256).map_err(|_| Problem::Entropy)?;
        let public = own.compute_public_key().map_err(|_| Problem::Entropy)?;
        let mut point = Reader::new(public.as_ref());
        let (_, x, y) = (point.u8()?, point.take(32)?, point.take(32)?);
        let peer = UnparsedPublicKey::new(&ECDH_P256, key.sec1());
        // A point off the curve is refused here.
        let secret = agreement::agree(&own, peer, Problem::Malformed, |z| {
            let mut secret = Secret::new([0; 32]);
            let mut digest = Sha256::new();
            digest.update(1_u32.to_be_bytes());
            digest.update(z);
            digest.update(b"SECRET\0");
            digest.update(x);
            digest.update(key.x);
            digest.finalize_into(secret.expose_mut().into());
            Ok(secret)
        })?;
        let mut sent = Vec::new();
        sized(&mut sent, x);
        sized(&mut sent, y);
        Ok(Self { secret, sent })
    }
}

/// KDFa: 32 bytes of a key (Part 1, 11.4.10.2).
fn derive(key: &[u8], label: &[u8], first: &[u8], second: &[u8]) -> Secret<[u8; 32]> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    context.update(&1_u32.to_be_bytes());
    context.update(label);
    context.update(&[0]);
    context.update(first);
    context.update(second);
    context.update(&256_u32.to_be_bytes());
    let tag = context.sign();
    let mut out = Secret::new([0; 32]);
    for (to, from) in out.expose_mut().iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    out
}

/// An open session.
pub(super) struct Session {
    pub(super) handle: u32,
    key: Secret<[u8; 32]>,
    ours: [u8; NONCE],
    theirs: Vec<u8>,
}

/// A nonce of ours.
pub(super) fn nonce() -> Result<[u8; NONCE], Problem> {
    let mut nonce = [0; NONCE];
    cofferdam_secret::fill(&mut nonce).map_err(|_| Problem::Entropy)?;
    Ok(nonce)
}

impl Session {
    pub(super) fn new(handle: u32, salt: &Salt, ours: [u8; NONCE], theirs: &[u8]) -> Self {
        Self {
            handle,
            key: derive(salt.secret.expose(), b"ATH", theirs, &ours),
            ours,
            theirs: theirs.to_vec(),
        }
    }

    /// Encrypts the first parameter if it is to be hidden, and writes the authorization of a command
    /// over entities of these names.
    pub(super) fn authorize(
        &mut self,
        command: Command,
        names: &[u8],
        parameters: &mut [u8],
        hide: Hide,
    ) -> Result<Vec<u8>, Problem> {
        self.ours = nonce()?;
        if hide == Hide::Command {
            self.encrypt(parameters)?;
        }
        let mut digest = Sha256::new();
        digest.update(command.code().to_be_bytes());
        digest.update(names);
        digest.update(&*parameters);
        let attributes = CONTINUE
            | match hide {
                Hide::Command => DECRYPT,
                Hide::Answer => ENCRYPT,
            };
        let code = self.code(&digest.finalize(), &self.ours, &self.theirs, attributes);
        let mut out = self.handle.to_be_bytes().to_vec();
        sized(&mut out, &self.ours);
        out.push(attributes);
        sized(&mut out, code.as_ref());
        Ok(out)
    }

    /// Checks what authorizes an answer, and decrypts its first parameter if it was hidden.
    pub(super) fn verify(
        &mut self,
        command: Command,
        parameters: &mut [u8],
        authorization: &[u8],
        hide: Hide,
    ) -> Result<(), Problem> {
        let mut reader = Reader::new(authorization);
        let theirs = reader.sized()?;
        let attributes = reader.u8()?;
        let given = reader.sized()?;
        reader.end()?;
        let mut digest = Sha256::new();
        digest.update(0_u32.to_be_bytes());
        digest.update(command.code().to_be_bytes());
        digest.update(&*parameters);
        let code = self.code(&digest.finalize(), theirs, &self.ours, attributes);
        if !constant_time_eq(code.as_ref(), given) {
            return Err(Problem::Forged);
        }
        self.theirs = theirs.to_vec();
        match (hide, attributes & ENCRYPT != 0) {
            (Hide::Answer, true) => self.decrypt(parameters),
            (Hide::Command, false) => Ok(()),
            // In the clear what should be hidden, or the other way about.
            _ => Err(Problem::Forged),
        }
    }

    fn code(&self, digest: &[u8], newer: &[u8], older: &[u8], attributes: u8) -> hmac::Tag {
        let key = hmac::Key::new(HMAC_SHA256, self.key.expose());
        let mut context = hmac::Context::with_key(&key);
        context.update(digest);
        context.update(newer);
        context.update(older);
        context.update(&[attributes]);
        context.sign()
    }

    /// Key and initialization vector for one parameter.
    fn cipher(&self, newer: &[u8], older: &[u8]) -> Result<(UnboundCipherKey, [u8; 16]), Problem> {
        let derived = derive(self.key.expose(), b"CFB", newer, older);
        let (key, vector) = derived.expose().split_at(16);
        let key = UnboundCipherKey::new(&AES_128, key).map_err(|_| Problem::Entropy)?;
        Ok((key, vector.try_into().map_err(|_| Problem::Entropy)?))
    }

    fn encrypt(&self, parameters: &mut [u8]) -> Result<(), Problem> {
        let (key, vector) = self.cipher(&self.ours, &self.theirs)?;
        let key = EncryptingKey::cfb128(key).map_err(|_| Problem::Entropy)?;
        let context = EncryptionContext::Iv128(vector.into());
        key.less_safe_encrypt(first(parameters)?, context)
            .map_err(|_| Problem::Entropy)?;
        Ok(())
    }

    fn decrypt(&self, parameters: &mut [u8]) -> Result<(), Problem> {
        let (key, vector) = self.cipher(&self.theirs, &self.ours)?;
        let key = DecryptingKey::cfb128(key).map_err(|_| Problem::Entropy)?;
        let context = DecryptionContext::Iv128(vector.into());
        key.decrypt(first(parameters)?, context)
            .map_err(|_| Problem::Entropy)?;
        Ok(())
    }
}

/// The content of the first parameter, whose length stays in the clear.
fn first(parameters: &mut [u8]) -> Result<&mut [u8], Problem> {
    let length = Reader::new(parameters).sized()?.len();
    parameters.get_mut(2..2 + length).ok_or(Problem::Malformed)
}
