//! What is stored of a key, and the code it gives at a moment.

use cofferdam_core::Fault;
use cofferdam_core::engine::View;
use cofferdam_secret::{Buffer, Secret};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};

/// Keys, by name.
pub(super) const KEYS: &str = "key/";

/// The hash inside the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    fn mac(self, key: &[u8], input: &[u8]) -> Result<Vec<u8>, Fault> {
        macro_rules! sum {
            ($hash:ty) => {{
                let mac = Hmac::<$hash>::new_from_slice(key).map_err(Fault::internal)?;
                mac.chain_update(input).finalize().into_bytes().to_vec()
            }};
        }
        Ok(match self {
            Self::Sha1 => sum!(sha1::Sha1),
            Self::Sha256 => sum!(sha2::Sha256),
            Self::Sha512 => sum!(sha2::Sha512),
        })
    }
}

/// A key.
pub(super) struct Key {
    pub(super) secret: Secret<Vec<u8>>,
    pub(super) issuer: String,
    pub(super) account_name: String,
    /// Seconds; never zero.
    pub(super) period: u64,
    pub(super) algorithm: Algorithm,
    pub(super) digits: u32,
    /// Periods before and after that count as well: 0 or 1.
    pub(super) skew: u64,
}

/// Borrows from the bytes it is read from, so that the secret is copied once.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    secret: &'a [u8],
    issuer: &'a str,
    account_name: &'a str,
    period: u64,
    algorithm: Algorithm,
    digits: u32,
    skew: u64,
}

/// The first byte of a stored record: its form.
const FORM: u8 = 1;

impl Key {
    pub(super) fn encode(&self) -> Result<Secret<Vec<u8>>, Fault> {
        let stored = Stored {
            secret: self.secret.expose(),
            issuer: &self.issuer,
            account_name: &self.account_name,
            period: self.period,
            algorithm: self.algorithm,
            digits: self.digits,
            skew: self.skew,
        };
        let mut out = Buffer::with_capacity(256);
        out.push(&[FORM]);
        Ok(postcard::to_io(&stored, out)
            .map_err(Fault::internal)?
            .finish())
    }

    fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let unreadable = || Fault::internal("a totp key's record cannot be read");
        let Some((&FORM, body)) = bytes.split_first() else {
            return Err(unreadable());
        };
        let stored: Stored<'_> = postcard::from_bytes(body).map_err(|_| unreadable())?;
        if stored.period == 0 {
            return Err(unreadable());
        }
        Ok(Self {
            secret: Secret::new(stored.secret.to_vec()),
            issuer: stored.issuer.to_owned(),
            account_name: stored.account_name.to_owned(),
            period: stored.period,
            algorithm: stored.algorithm,
            digits: stored.digits,
            skew: stored.skew,
        })
    }

    /// The key of this name.
    pub(super) async fn load(view: &View, name: &str) -> Result<Option<Self>, Fault> {
        let found = view.get(&format!("{KEYS}{name}")).await?;
        found
            .map(|found| Self::decode(found.value.expose()))
            .transpose()
    }

    /// The code of a period (RFC 4226, section 5.3).
    pub(super) fn code(&self, counter: u64) -> Result<Secret<String>, Fault> {
        let sum = self
            .algorithm
            .mac(self.secret.expose(), &counter.to_be_bytes())?;
        let offset = usize::from(sum.last().copied().unwrap_or_default() & 0xf);
        let part = sum.get(offset..offset + 4).unwrap_or_default();
        let number = part
            .iter()
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let number = (number & 0x7fff_ffff) % 10_u32.pow(self.digits);
        let width = self.digits as usize;
        Ok(Secret::new(format!("{number:0width$}")))
    }
}

/// A name that a key can have: letters, digits and `_`, inside also `-`, `.` and `@`.
///
/// # Errors
/// Vault has no route for others.
pub(super) fn name(text: &str) -> Result<&str, Fault> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let legal = text.len() <= 255
        && text.starts_with(word)
        && text.ends_with(word)
        && text
            .chars()
            .all(|c| word(c) || matches!(c, '-' | '.' | '@'));
    legal.then_some(text).ok_or_else(|| {
        Fault::unsupported(
            "unsupported path: a key's name is made of letters, digits, '_', '-', '.' and '@'",
        )
    })
}
