//! The hash chain: each line carries its number, the code of the line before it and its own.
//!
//! A line is `BODY,"chain":{"seq":N,"prev":"P","mac":"M"}}` where `BODY` is the record's JSON object
//! without its closing brace, `N` counts from 1, `P` is the `M` of the line before (zeros for the
//! first) and `M` is the first 128 bits of HMAC-SHA256 over `P` (16 bytes), `N` (8 bytes, big
//! endian) and `BODY`. There is exactly one way to write a link, so no byte of it can be changed
//! unnoticed.

use super::Pieces;
use super::salt::keyed;
use cofferdam_secret::Secret;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;

/// Bytes of a code in the log.
const MAC: usize = 16;
/// Digits of a code in the log.
const DIGITS: usize = 2 * MAC;

/// The end of a chain: everything before it is fixed by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Its code; zeros before the first.
    pub mac: [u8; MAC],
}

impl fmt::Display for Head {
    /// `17:0f3a…`: number and 32 hex digits.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.seq, hex::encode(self.mac))
    }
}

/// Text that is not a chain head.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a chain head: expected a number, a colon and 32 hex digits")]
pub struct NotAHead;

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (seq, digits) = text.split_once(':').ok_or(NotAHead)?;
        let mac = code(digits.as_bytes()).ok_or(NotAHead)?;
        Ok(Self {
            seq: seq.parse().map_err(|_| NotAHead)?,
            mac,
        })
    }
}

/// The key of one device's chain, expanded. Whoever has it can forge the chain: it lives behind
/// the barrier. Not wiped on drop; the 32 bytes it was made from are the caller's.
#[derive(Clone)]
pub struct ChainKey(Hmac<Sha256>);

impl ChainKey {
    /// Expands the key.
    #[must_use]
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(keyed(key))
    }

    /// The key of the device called `name`, made from one key for all of them. A device that is
    /// disabled and enabled again under its name goes on with its old chain.
    #[must_use]
    pub fn derive(root: &Secret<[u8; 32]>, name: &str) -> Self {
        let mut mac = keyed(root);
        mac.update(b"cofferdam audit chain ");
        mac.update(name.as_bytes());
        let key: Secret<[u8; 32]> = Secret::new(mac.finalize().into_bytes().into());
        Self::new(&key)
    }

    fn code<'a>(
        &self,
        prev: &[u8; MAC],
        seq: u64,
        body: impl Iterator<Item = &'a [u8]>,
    ) -> [u8; MAC] {
        let mut mac = self.0.clone();
        mac.update(prev);
        mac.update(&seq.to_be_bytes());
        body.for_each(|part| mac.update(part));
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut code = [0; MAC];
        for (to, from) in code.iter_mut().zip(full) {
            *to = from;
        }
        code
    }

    /// Appends `body` as the line after `prev`, and gives the new head.
    pub(super) fn append(&self, prev: Head, body: &Pieces, out: &mut Pieces) -> Head {
        let seq = prev.seq.saturating_add(1);
        let head = Head {
            seq,
            mac: self.code(&prev.mac, seq, body.parts()),
        };
        out.extend(body);
        out.push(b",\"chain\":{\"seq\":");
        out.push(seq.to_string().as_bytes());
        out.push(b",\"prev\":\"");
        push_hex(out, &prev.mac);
        out.push(b"\",\"mac\":\"");
        push_hex(out, &head.mac);
        out.push(b"\"}}\n");
        head
    }

    /// Whether the link was made with this key over this body.
    pub(super) fn is_authentic(&self, link: &Link<'_>) -> bool {
        let code = self.code(&link.prev, link.head.seq, std::iter::once(link.body));
        cofferdam_secret::constant_time_eq(&code, &link.head.mac)
    }
}

fn push_hex(out: &mut Pieces, code: &[u8; MAC]) {
    let mut digits = [0; DIGITS];
    // Cannot fail: the lengths are constants that fit.
    let _fits = hex::encode_to_slice(code, &mut digits);
    out.push(&digits);
}

/// A line taken apart.
pub(super) struct Link<'a> {
    pub(super) body: &'a [u8],
    pub(super) prev: [u8; MAC],
    pub(super) head: Head,
}

impl<'a> Link<'a> {
    /// Takes a line (without its line end) apart; `None` when it does not end in a link written
    /// exactly as [`ChainKey::append`] writes it.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(b"\"}}")?;
        let (rest, mac) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
        let rest = rest.strip_suffix(b"\",\"mac\":\"")?;
        let (rest, prev) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
        let rest = rest.strip_suffix(b",\"prev\":\"")?;
        let digits = rest
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (rest, seq) = rest.split_at_checked(rest.len().checked_sub(digits)?)?;
        let body = rest.strip_suffix(b",\"chain\":{\"seq\":")?;
        if seq.starts_with(b"0") {
            return None;
        }
        let seq = std::str::from_utf8(seq).ok()?.parse().ok()?;
        Some(Self {
            body,
            prev: code(prev)?,
            head: Head {
                seq,
                mac: code(mac)?,
            },
        })
    }
}

/// 32 lower-case hex digits.
fn code(digits: &[u8]) -> Option<[u8; MAC]> {
    if digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut code = [0; MAC];
    hex::decode_to_slice(digits, &mut code).ok()?;
    Some(code)
}
