//! Shamir's secret sharing over GF(2^8), with Vault's share layout.
//!
//! A share is one byte `y` for each byte of the secret, followed by one byte `x`, which is never 0.
//! The field is that of AES (x⁸+x⁴+x³+x+1). Nothing here branches or looks up by a secret byte:
//! multiplication is by shifts and masks, so neither timing nor the cache tells a share.
//!
//! [`Shamir`] is the seal: the shared key wraps the root key. With one share in all, that share is
//! the key itself, as in Vault.

mod absent;

pub use absent::Absent;

use super::Seal;
use crate::aead::{Cipher, Unauthentic};
use crate::{Error, RootKey};
use async_trait::async_trait;
use cofferdam_secret::{Secret, constant_time_eq, fill};
use std::collections::BTreeSet;

/// Why shares cannot be made or joined. Says nothing about their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Threshold below 2 or above the number of shares, or nothing to share.
    #[error("shares: the threshold must be at least 2 and at most the number of shares")]
    Counts,
    /// Not hex and not base64, or not of the length of a share.
    #[error("share: malformed")]
    Malformed,
    /// Fewer than two shares, two with the same number, or of different lengths.
    #[error("shares: these do not belong together")]
    Mismatch,
    /// It was meant for a ceremony that has ended.
    #[error("share: the ceremony it was given for is over")]
    Stale,
}

/// Splits `secret` into `shares` shares, any `threshold` of which restore it.
///
/// # Errors
/// [`ShareError::Counts`] and [`Error::Entropy`].
pub fn split(secret: &[u8], shares: u8, threshold: u8) -> Result<Vec<Secret<Vec<u8>>>, Error> {
    if threshold < 2 || threshold > shares || secret.is_empty() {
        return Err(ShareError::Counts.into());
    }
    let numbers = numbers(shares)?;
    let mut out: Vec<_> = numbers
        .iter()
        .map(|_| Secret::new(Vec::with_capacity(secret.len() + 1)))
        .collect();
    let mut random = Secret::new(vec![0; usize::from(threshold) - 1]);
    for &byte in secret {
        // A fresh polynomial a byte. Its highest coefficient may be 0: to exclude that would tell
        // holders of one share too few that some values are impossible.
        fill(random.expose_mut()).map_err(|_| Error::Entropy)?;
        for (share, &x) in out.iter_mut().zip(&numbers) {
            share.expose_mut().push(evaluate(random.expose(), byte, x));
        }
    }
    for (share, &x) in out.iter_mut().zip(&numbers) {
        share.expose_mut().push(x);
    }
    Ok(out)
}

/// Joins shares. Too few or foreign ones give a wrong secret, which only its use can show.
///
/// # Errors
/// [`ShareError::Mismatch`] for what cannot be joined at all.
pub fn combine(shares: &[Secret<Vec<u8>>]) -> Result<Secret<Vec<u8>>, ShareError> {
    let parts: Option<Vec<(&u8, &[u8])>> = shares
        .iter()
        .map(|share| share.expose().split_last())
        .collect();
    let parts = parts.ok_or(ShareError::Mismatch)?;
    let length = parts.first().map_or(0, |(_, y)| y.len());
    let numbers: BTreeSet<u8> = parts.iter().map(|(x, _)| **x).collect();
    let joinable = parts.len() >= 2
        && length > 0
        && parts.iter().all(|(_, y)| y.len() == length)
        && numbers.len() == parts.len()
        && !numbers.contains(&0);
    if !joinable {
        return Err(ShareError::Mismatch);
    }
    let mut secret = Secret::new(vec![0; length]);
    for (x, y) in &parts {
        let weight = weight(**x, &numbers);
        for (out, y) in secret.expose_mut().iter_mut().zip(*y) {
            *out ^= multiply(weight, *y);
        }
    }
    Ok(secret)
}

/// Reads a share or key as people paste it: hex, else base64.
///
/// # Errors
/// [`ShareError::Malformed`].
pub fn decode(text: &Secret<String>) -> Result<Secret<Vec<u8>>, ShareError> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let text = text.expose().trim();
    // In place: what grows on the way, or is given up halfway, would leave parts of it behind.
    let mut bytes = Secret::new(vec![0; text.len() / 2]);
    if hex::decode_to_slice(text, bytes.expose_mut()).is_ok() {
        return Ok(bytes);
    }
    let mut bytes = Secret::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = STANDARD.decode_slice(text, bytes.expose_mut());
    let length = length.map_err(|_| ShareError::Malformed)?;
    bytes.expose_mut().truncate(length);
    Ok(bytes)
}

/// A share in hex, as `keys` of Vault's answers.
#[must_use]
pub fn to_hex(share: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(hex::encode(share.expose()))
}

/// A share in base64, as `keys_base64` of Vault's answers.
#[must_use]
pub fn to_base64(share: &Secret<Vec<u8>>) -> Secret<String> {
    use base64::Engine as _;
    Secret::new(base64::engine::general_purpose::STANDARD.encode(share.expose()))
}

/// Different random numbers for the shares, none of them 0 (that is where the secret is).
fn numbers(count: u8) -> Result<Vec<u8>, Error> {
    let mut left: Vec<u8> = (1..=u8::MAX).collect();
    let mut chosen = Vec::with_capacity(usize::from(count));
    while chosen.len() < usize::from(count) {
        let mut pick = [0];
        fill(&mut pick).map_err(|_| Error::Entropy)?;
        // Picks beyond the end are thrown again: no number is more likely than another.
        if usize::from(pick[0]) < left.len() {
            chosen.push(left.swap_remove(usize::from(pick[0])));
        }
    }
    Ok(chosen)
}

/// The polynomial with these coefficients (highest first) above `constant`, at `x` (Horner).
fn evaluate(coefficients: &[u8], constant: u8, x: u8) -> u8 {
    let above = coefficients
        .iter()
        .fold(0, |sum, &coefficient| multiply(sum, x) ^ coefficient);
    multiply(above, x) ^ constant
}

/// Lagrange's weight of the share at `x`, for the value at 0.
fn weight(x: u8, numbers: &BTreeSet<u8>) -> u8 {
    let (mut above, mut below) = (1, 1);
    for &other in numbers.iter().filter(|&&other| other != x) {
        above = multiply(above, other);
        below = multiply(below, x ^ other);
    }
    multiply(above, invert(below))
}

/// Product in GF(2^8), in constant time.
fn multiply(left: u8, right: u8) -> u8 {
    let mut product = 0_u8;
    for bit in (0..8).rev() {
        let overflow = (product >> 7).wrapping_neg();
        let chosen = ((right >> bit) & 1).wrapping_neg();
        product = (product << 1) ^ (overflow & 0x1b) ^ (chosen & left);
    }
    product
}

/// Inverse in GF(2^8): a^254. The inverse of 0 comes out as 0 and is never asked for.
fn invert(value: u8) -> u8 {
    let mut power = value;
    let mut inverse = 1;
    for _ in 0..7 {
        power = multiply(power, power);
        inverse = multiply(inverse, power);
    }
    inverse
}

/// The seal opened by people: wraps the root key with the key that was shared.
pub struct Shamir(Secret<[u8; 32]>);

const WRAPPED: &[u8] = b"barrier/seal shamir";

impl Shamir {
    /// A seal with a new key.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn generate() -> Result<Self, Error> {
        cofferdam_secret::random()
            .map(Self)
            .map_err(|_| Error::Entropy)
    }

    /// A seal with the key that shares gave.
    ///
    /// # Errors
    /// [`Error::WrongKey`] unless it is 32 bytes long.
    pub fn new(key: &Secret<Vec<u8>>) -> Result<Self, Error> {
        Ok(Self(RootKey::from_slice(key.expose())?.into_bytes()))
    }

    /// The shares of its key; with `shares` = 1, the key itself.
    ///
    /// # Errors
    /// [`ShareError::Counts`] and [`Error::Entropy`].
    pub fn shares(&self, shares: u8, threshold: u8) -> Result<Vec<Secret<Vec<u8>>>, Error> {
        if (shares, threshold) == (1, 1) {
            return Ok(vec![Secret::new(self.0.expose().to_vec())]);
        }
        split(self.0.expose(), shares, threshold)
    }

    /// Whether `other` is the same key, told in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        constant_time_eq(self.0.expose(), other.0.expose())
    }
}

#[async_trait]
impl Seal for Shamir {
    fn kind(&self) -> &'static str {
        "shamir"
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        Cipher::new(&self.0)?.seal(WRAPPED, root.bytes().expose(), &mut out)?;
        Ok(out)
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        if let Some(root) = self.open_absent(blob) {
            return root;
        }
        let root = Cipher::new(&self.0)?
            .open(WRAPPED, blob)
            .map_err(|Unauthentic| Error::WrongKey)?;
        RootKey::from_slice(root.expose())
    }

    fn promise(&self) -> String {
        "whoever has the disk can read nothing without the threshold of unseal keys".to_owned()
    }
}

#[cfg(test)]
mod tests;
