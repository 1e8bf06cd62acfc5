//! Collecting shares until there are enough.
//!
//! A ceremony lives in one process and holds shares only until it is complete, reset or dropped.
//! Its answers tell how many shares were given and nothing else: a wrong, foreign or ill-numbered
//! share is counted like a right one, and only the whole set succeeds or fails, always with
//! [`Error::WrongKey`]. After either outcome the next share begins anew under a new nonce.

use super::Config;
use super::shamir::{Shamir, ShareError, combine};
use crate::Error;
use cofferdam_secret::{Secret, constant_time_eq, random};

/// Shares being collected.
pub struct Ceremony {
    config: Config,
    /// Empty while nothing was given.
    nonce: String,
    parts: Vec<Secret<Vec<u8>>>,
}

/// How far it is; what `sys/seal-status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Shares given.
    pub given: u8,
    /// Shares needed.
    pub threshold: u8,
    /// Names this round; empty while nothing was given.
    pub nonce: String,
}

/// What a share led to.
pub enum Step {
    /// It was counted, more are needed.
    More,
    /// It had been given before and was not counted again.
    Known,
    /// The shares make this key. Whether it is the right one shows when it unwraps the root key.
    Complete(Shamir),
}

impl Ceremony {
    /// A ceremony for a Shamir seal of this shape.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            nonce: String::new(),
            parts: Vec::new(),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            given: u8::try_from(self.parts.len()).unwrap_or(u8::MAX),
            threshold: self.config.threshold,
            nonce: self.nonce.clone(),
        }
    }

    /// Forgets what was given.
    pub fn reset(&mut self) {
        self.parts.clear();
        self.nonce.clear();
    }

    /// Takes a share; with a `nonce`, only if it names this round.
    ///
    /// # Errors
    /// [`ShareError::Malformed`] for what has not the length of a share or the number 0, and
    /// [`ShareError::Stale`]: these leave the ceremony as it was. [`Error::WrongKey`] when the set
    /// does not join: the ceremony is reset.
    pub fn give(&mut self, share: Secret<Vec<u8>>, nonce: Option<&str>) -> Result<Step, Error> {
        if nonce.is_some_and(|nonce| nonce != self.nonce) {
            return Err(ShareError::Stale.into());
        }
        self.check(&share)?;
        let same = |part: &Secret<Vec<u8>>| constant_time_eq(part.expose(), share.expose());
        // No early end: time does not tell which of the given shares it was.
        if self
            .parts
            .iter()
            .fold(false, |seen, part| seen | same(part))
        {
            return Ok(Step::Known);
        }
        if self.parts.is_empty() {
            self.nonce = new_nonce()?;
        }
        self.parts.push(share);
        if self.parts.len() < usize::from(self.config.threshold) {
            return Ok(Step::More);
        }
        let parts = std::mem::take(&mut self.parts);
        self.reset();
        self.join(&parts).map(Step::Complete)
    }

    fn check(&self, share: &Secret<Vec<u8>>) -> Result<(), ShareError> {
        let whole = match share.expose().split_last() {
            _ if self.config.threshold < 2 => share.len() == 32,
            Some((number, y)) => y.len() == 32 && *number != 0,
            None => false,
        };
        whole.then_some(()).ok_or(ShareError::Malformed)
    }

    fn join(&self, parts: &[Secret<Vec<u8>>]) -> Result<Shamir, Error> {
        match parts {
            [key] if self.config.threshold < 2 => Shamir::new(key),
            parts => Shamir::new(&combine(parts).map_err(|_| Error::WrongKey)?),
        }
    }
}

/// A random UUID (RFC 9562, version 4).
fn new_nonce() -> Result<String, Error> {
    let mut bits = random::<16>().map_err(|_| Error::Entropy)?;
    let [.., six, _, eight, _, _, _, _, _, _, _] = bits.expose_mut();
    *six = (*six & 0x0f) | 0x40;
    *eight = (*eight & 0x3f) | 0x80;
    let text = hex::encode(bits.expose());
    let part = |range| text.get(range).unwrap_or_default();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    ))
}

#[cfg(test)]
mod tests;
