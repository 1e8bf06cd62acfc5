//! What is sent: a session key for one recipient, and data under it.
//!
//! The session key goes in a packet of version 3, the data in one with an integrity check (SEIPD
//! version 1): the pair that `gpg` and the library of Vault's family read and write. The check is a
//! SHA-1 under the cipher, which the form asks for; the session key is used once.

use crate::packet::{number, written};
use crate::public_key::{Ecdh, Encryption};
use crate::{Failed, Recipient};
use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use cofferdam_secret::{Buffer, Secret, fill};

pub(crate) fn encrypt(recipient: &Recipient, plain: &[u8]) -> Result<Vec<u8>, Failed> {
    let (length, cipher) = if recipient.aes256 { (32, 9) } else { (16, 7) };
    let mut session = Secret::new(vec![0; length]);
    fill(session.expose_mut()).map_err(|_| Failed)?;
    let mut out = written(1, &for_recipient(recipient, cipher, &session)?);
    out.extend(written(18, &data(&session, plain)?));
    Ok(out)
}

/// The packet that holds the session key.
fn for_recipient(
    recipient: &Recipient,
    cipher: u8,
    session: &Secret<Vec<u8>>,
) -> Result<Vec<u8>, Failed> {
    let sum: u16 = session
        .expose()
        .iter()
        .fold(0, |sum: u16, byte| sum.wrapping_add(u16::from(*byte)));
    let mut inside = Buffer::with_capacity(48);
    inside.push(&[cipher]);
    inside.push(session.expose());
    inside.push(&sum.to_be_bytes());
    let inside = inside.finish();
    let mut body = vec![3];
    body.extend(recipient.part.id());
    match &recipient.encryption {
        Encryption::Rsa { n, e } => {
            body.push(1);
            body.extend(number(&rsa(n, e, &inside)?));
        }
        Encryption::Ecdh(curve) => {
            body.push(18);
            body.extend(ecdh(curve, &recipient.part.fingerprint(), &inside)?);
        }
    }
    Ok(body)
}

fn rsa(n: &[u8], e: &[u8], inside: &Secret<Vec<u8>>) -> Result<Vec<u8>, Failed> {
    let key: PublicEncryptingKey = PublicKeyComponents { n, e }
        .try_into()
        .map_err(|_| Failed)?;
    let key = Pkcs1PublicEncryptingKey::new(key).map_err(|_| Failed)?;
    let mut out = vec![0; key.ciphertext_size()];
    let written = key.encrypt(inside.expose(), &mut out).map_err(|_| Failed)?;
    Ok(written.to_vec())
}

/// RFC 6637, sections 7 and 8: a one-time key agrees with the recipient's, and wraps.
fn ecdh(to: &Ecdh, fingerprint: &[u8; 20], inside: &Secret<Vec<u8>>) -> Result<Vec<u8>, Failed> {
    let own = PrivateKey::generate(to.algorithm).map_err(|_| Failed)?;
    let public = own.compute_public_key().map_err(|_| Failed)?;
    let peer = agreement::UnparsedPublicKey::new(to.algorithm, &to.point);
    let mut parameters = vec![u8::try_from(to.curve.len()).map_err(|_| Failed)?];
    parameters.extend(&to.curve);
    parameters.extend([18, 3]);
    parameters.extend(to.derivation);
    parameters.extend(b"Anonymous Sender    ");
    parameters.extend(fingerprint);
    let wrapped = agreement::agree(&own, peer, Failed, |shared| {
        let mut context = Context::new(to.hash);
        context.update(&[0, 0, 0, 1]);
        context.update(shared);
        context.update(&parameters);
        let derived = Secret::new(context.finish().as_ref().to_vec());
        wrap(derived.expose().get(..to.wrapping).ok_or(Failed)?, inside)
    })?;
    let mut point = Vec::new();
    if to.algorithm == &agreement::X25519 {
        point.push(0x40);
    }
    point.extend(public.as_ref());
    let mut out = number(&point);
    out.push(u8::try_from(wrapped.len()).map_err(|_| Failed)?);
    out.extend(wrapped);
    Ok(out)
}

/// Fills to a multiple of eight bytes, and wraps (RFC 3394, section 2.2.1). By hand, for the library
/// has no AES-192 for this, which is what GnuPG's keys on P-384 ask for.
fn wrap(key: &[u8], inside: &Secret<Vec<u8>>) -> Result<Vec<u8>, Failed> {
    let more = 8 - inside.len() % 8;
    let mut filled = Buffer::with_capacity(inside.len() + more);
    filled.push(inside.expose());
    filled.push(&vec![u8::try_from(more).map_err(|_| Failed)?; more]);
    let mut filled = filled.finish();
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| Failed)?;
    let key = EncryptingKey::ecb(key).map_err(|_| Failed)?;
    let mut head = [0xa6; 8];
    let mut count: u64 = 0;
    for _ in 0..6 {
        for part in filled.expose_mut().chunks_exact_mut(8) {
            let mut block = Secret::new([0; 16]);
            let (left, right) = block.expose_mut().split_at_mut(8);
            left.copy_from_slice(&head);
            right.copy_from_slice(part);
            key.encrypt(block.expose_mut()).map_err(|_| Failed)?;
            count += 1;
            let (left, right) = block.expose().split_at(8);
            let numbered = left.iter().zip(count.to_be_bytes());
            head.iter_mut()
                .zip(numbered)
                .for_each(|(head, (left, count))| *head = left ^ count);
            part.copy_from_slice(right);
        }
    }
    let mut out = head.to_vec();
    out.extend(filled.expose());
    Ok(out)
}

/// The packet that holds the data.
fn data(session: &Secret<Vec<u8>>, plain: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut start = [0; 18];
    let (random, repeated) = start.split_at_mut(16);
    fill(random).map_err(|_| Failed)?;
    repeated.copy_from_slice(random.last_chunk::<2>().ok_or(Failed)?);
    let mut literal = Buffer::with_capacity(plain.len() + 6);
    // Binary, without a name and without a time.
    literal.push(&[b'b', 0, 0, 0, 0, 0]);
    literal.push(plain);
    let literal = Secret::new(written(11, literal.as_slice()));
    let mut inside = Buffer::with_capacity(literal.len() + 64);
    inside.push(&start);
    inside.push(literal.expose());
    inside.push(&[0xd3, 0x14]);
    let check = digest(&SHA1_FOR_LEGACY_USE_ONLY, inside.as_slice());
    inside.push(check.as_ref());
    let mut inside = inside.finish();
    let algorithm = if session.len() == 32 {
        &AES_256
    } else {
        &AES_128
    };
    let key = UnboundCipherKey::new(algorithm, session.expose()).map_err(|_| Failed)?;
    let key = EncryptingKey::cfb128(key).map_err(|_| Failed)?;
    // The form has no other start than zero: the random bytes at the beginning stand for it.
    let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(inside.expose_mut(), zero)
        .map_err(|_| Failed)?;
    let mut out = vec![1];
    out.extend(inside.expose());
    Ok(out)
}
