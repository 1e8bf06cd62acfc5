//! Answers in OAuth's form (RFC 6749, sections 4.1.2.1 and 5.2): `error` and words, with its status.

use crate::fault::Fault;
use crate::json::Data;
use crate::outcome::Outcome;
use serde_json::json;

/// Why not. The words are fixed: nothing that was sent comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: &'static str,
    pub(super) why: &'static str,
}

impl Refusal {
    pub(super) const fn new(error: &'static str, why: &'static str) -> Self {
        Self { error, why }
    }

    const fn status(self) -> u16 {
        match self.error.as_bytes() {
            b"invalid_client" | b"invalid_token" => 401,
            _ => 400,
        }
    }

    pub(super) fn outcome(self, status: Option<u16>) -> Result<Outcome, Fault> {
        let text = json!({"error": self.error, "error_description": self.why});
        let data = Data::of(&text).map_err(Fault::internal)?;
        Ok(Outcome::Told(data, status.unwrap_or(self.status())))
    }

    /// As the answer of the authorization endpoint, which says whose answer it is.
    pub(super) fn with_state(self, state: &str) -> Result<Outcome, Fault> {
        let text = json!({"error": self.error, "error_description": self.why, "state": state});
        let data = Data::of(&text).map_err(Fault::internal)?;
        Ok(Outcome::Told(data, 400))
    }
}

/// Done, refused, or failed.
pub(super) type Judged<T> = Result<Result<T, Refusal>, Fault>;

/// Leaves a function with a refusal.
macro_rules! refuse {
    ($error:literal, $why:literal) => {
        return Ok(Err($crate::identity::oidc::provider::answer::Refusal::new(
            $error, $why,
        )))
    };
}
pub(super) use refuse;
