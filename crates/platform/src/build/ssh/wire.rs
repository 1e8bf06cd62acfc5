//! The few messages of the agent protocol that are spoken (draft-ietf-sshm-ssh-agent).

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const FAILURE: u8 = 5;

/// What a peer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Which keys there are.
    Identities,
    /// A signature.
    Sign {
        /// The public key, as listed.
        key: &'a [u8],
        /// What to sign.
        data: &'a [u8],
        /// Which hash, for RSA.
        flags: u32,
    },
}

impl<'a> Request<'a> {
    /// Reads a message without its length; `None` for all others and for what breaks off.
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (kind, mut rest) = message.split_first()?;
        match *kind {
            REQUEST_IDENTITIES if rest.is_empty() => Some(Self::Identities),
            SIGN_REQUEST => {
                let key = string(&mut rest)?;
                let data = string(&mut rest)?;
                let (flags, end) = rest.split_first_chunk::<4>()?;
                end.is_empty().then_some(Self::Sign {
                    key,
                    data,
                    flags: u32::from_be_bytes(*flags),
                })
            }
            _ => None,
        }
    }
}

/// Takes one string off the front.
pub(super) fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (string, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(string)
}

/// Appends one string. What is written here is short; a length that does not fit is a defect that
/// the peer notices.
pub(super) fn push(out: &mut Vec<u8>, string: &[u8]) {
    let length = u32::try_from(string.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend(string);
}

/// A message with its length before it.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 4);
    push(&mut out, message);
    out
}

pub(super) fn failure() -> Vec<u8> {
    vec![FAILURE]
}

pub(super) fn identities<'k>(keys: impl ExactSizeIterator<Item = (&'k [u8], &'k str)>) -> Vec<u8> {
    let mut out = vec![IDENTITIES_ANSWER];
    out.extend(u32::try_from(keys.len()).unwrap_or_default().to_be_bytes());
    for (public, comment) in keys {
        push(&mut out, public);
        push(&mut out, comment.as_bytes());
    }
    out
}

pub(super) fn signature(signature: &[u8]) -> Vec<u8> {
    let mut out = vec![SIGN_RESPONSE];
    push(&mut out, signature);
    out
}
