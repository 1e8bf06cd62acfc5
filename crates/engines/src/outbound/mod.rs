//! Requests that a login method sends to somebody else: a key set to read, a token to ask about.
//!
//! Whom we ask is in the method's configuration, written by an administrator, and in the documents of
//! who is named there; nothing of it comes from a request that somebody logs in with. (What is asked
//! may: a request to AWS is carried on as it was signed, where `auth/aws` let it through.) Even so, what
//! a server can be made to fetch is dangerous (SSRF), and what it reads may not come to an end:
//!
//! * `https` only, and `http` to this machine;
//! * no redirect is followed, no proxy used, and no link-local address connected to: there clouds keep the
//!   identity of the machine;
//! * one exchange has ten seconds and an answer a bound on its bytes;
//! * what came back is never in an error: a caller learns that something failed, and how.
//!
//! Start reading at [`send`].

mod exchange;
mod trust;
mod url;

pub(crate) use exchange::{Answered, Asked, Carried, carry, secret_value, send, send_with};
pub(crate) use trust::Trust;
pub(crate) use url::Url;

impl Failed {
    /// Nobody answered: nothing was said about whoever wanted to log in, and a later attempt may
    /// fare better. Not what came back and was of no use: a caller might have brought that about.
    pub(crate) const fn is_silence(self) -> bool {
        match self {
            Self::TooLarge | Self::Redirect => false,
            Self::Url
            | Self::Authority
            | Self::Name
            | Self::NoRoots
            | Self::Unknown
            | Self::Forbidden
            | Self::Unreachable
            | Self::Untrusted
            | Self::Late
            | Self::Broken => true,
        }
    }
}

/// Whether an answer of this status says as little: whoever was asked is busy or broken.
pub(crate) const fn is_silence(status: u16) -> bool {
    matches!(status, 429 | 500..)
}

/// Why there is no answer. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// Not a URL that we would ask.
    #[error("expected an https URL without user and fragment; http is for this machine only")]
    Url,
    /// The CA is none.
    #[error("no CA certificate in the PEM text")]
    Authority,
    /// Not a name that a certificate can have.
    #[error("not a name of a server")]
    Name,
    /// No CA at all.
    #[error("no CA was given, and this system has none")]
    NoRoots,
    /// No such name.
    #[error("the server's name cannot be resolved")]
    Unknown,
    /// Only addresses that are not connected to.
    #[error("the server's address is link-local or no address of a server")]
    Forbidden,
    /// Nobody there.
    #[error("the server cannot be reached")]
    Unreachable,
    /// Somebody else.
    #[error("the server's certificate is not trusted, or it speaks no TLS")]
    Untrusted,
    /// Too slow.
    #[error("the server did not answer in time")]
    Late,
    /// Too much.
    #[error("the server's answer is too large")]
    TooLarge,
    /// Somewhere else.
    #[error("the server redirects, which is not followed")]
    Redirect,
    /// Not HTTP, or broken off.
    #[error("the server's answer is not complete")]
    Broken,
}
