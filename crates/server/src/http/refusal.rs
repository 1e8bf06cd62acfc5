//! Refusals of the door itself, before the vault sees the request.

use super::payload::Payload;
use http::{Response, StatusCode};

/// A status and one fixed sentence; never anything the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status to answer.
    pub status: StatusCode,
    /// What was wrong.
    pub text: &'static str,
}

impl Refusal {
    /// 400 with `text`.
    #[must_use]
    pub const fn invalid(text: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text,
        }
    }

    /// Any status with `text`.
    #[must_use]
    pub const fn new(status: StatusCode, text: &'static str) -> Self {
        Self { status, text }
    }

    /// As Vault's error envelope.
    #[must_use]
    pub fn response(self) -> Response<Payload> {
        super::respond::json(
            self.status,
            Payload::public(super::respond::envelope(&[self.text])),
        )
    }
}
