//! Logins with a browser: an address to send it to (`oidc/auth_url`), and what it comes back with
//! (`oidc/callback`).
//!
//! The authorization code flow of OpenID Connect Core 1.0, section 3.1, with PKCE (RFC 7636). Between the
//! two requests nothing is kept here: all that must be known again is in `state`, sealed (`state`).
//! So any replica ends what another began, and who asks for addresses in vain changes nothing.

mod auth_url;
mod callback;
mod claims;
mod exchange;
mod redirect;
mod state;

#[cfg(test)]
mod tests;

pub(super) use auth_url::ROUTE as AUTH_URL;
pub(super) use callback::ROUTE as CALLBACK;
pub(super) use state::new_key;

use tokio::sync::Semaphore;

/// Codes that are exchanged at one time in a process: anybody may send made-up ones.
const AT_ONCE: usize = 16;

/// The exchanges under way.
pub(super) struct Exchanges(Semaphore);

impl Default for Exchanges {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// Begins the text of a login that failed, as people's pages look for it.
const FAILED: &str = "Vault login failed.";
