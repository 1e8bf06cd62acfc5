//! Which web pages may call the API (`sys/config/cors`). This room decides; the door speaks HTTP.

use serde::{Deserialize, Serialize};

/// Headers a page may send whatever is configured: what Vault's own clients send.
pub const ALWAYS: [&str; 10] = [
    "Content-Type",
    "Authorization",
    "X-Vault-Token",
    "X-Vault-MFA",
    "X-Vault-No-Request-Forwarding",
    "X-Vault-Wrap-Format",
    "X-Vault-Wrap-TTL",
    "X-Requested-With",
    "X-Vault-AWS-IAM-Server-ID",
    "X-Vault-Policy-Override",
];

/// Allowed origins and headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    pub(crate) origins: Vec<String>,
    /// Beside [`ALWAYS`].
    pub(crate) headers: Vec<String>,
    pub(crate) credentials: bool,
}

impl Cors {
    /// May pages of this origin call? Compared as browsers send it: scheme, host and port.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|allowed| allowed == "*" || allowed == origin)
    }

    /// Headers that may be sent.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        ALWAYS
            .into_iter()
            .chain(self.headers.iter().map(String::as_str))
    }

    /// May credentials of the browser come along?
    #[must_use]
    pub const fn credentials(&self) -> bool {
        self.credentials
    }
}
