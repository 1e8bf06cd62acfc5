//! `oidc/auth_url`: the address of the provider's page for a login.
//!
//! As in Vault the answer is an empty address where the role is not for browsers, or the browser
//! would be sent back to somewhere else than the role allows: who asks is not known yet.

use super::redirect::is_allowed;
use super::state::Begun;
use crate::auth::jwt::role::Sort;
use crate::auth::jwt::{Jwt, config, login};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_core::engine::{Access, Pending, Route};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Nothing is changed: what must be known again goes with the browser.
pub(in crate::auth::jwt) const ROUTE: Route<Jwt> =
    Route::new("oidc/auth_url", &[(Verb::Write, auth_url)])
        .takes::<Sent>()
        .access(Access::Anonymous)
        .computing();

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    role: String,
    redirect_uri: String,
    client_nonce: String,
}

#[derive(Serialize)]
struct Answer {
    auth_url: String,
}

/// What stands for itself in a query (RFC 3986, section 2.3).
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Bytes of the nonce that a client makes up.
const MOST_NONCE: usize = 256;

/// Parameters as a query or a form has them.
pub(super) fn encoded(parameters: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in parameters {
        let and = if out.is_empty() { "" } else { "&" };
        let _ = write!(out, "{and}{name}={}", utf8_percent_encode(value, PLAIN));
    }
    out
}

fn auth_url<'a>(method: &'a Jwt, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: Sent = call.body.parse()?;
        let stored = config::load(call.view)
            .await?
            .ok_or_else(|| Fault::invalid("could not load configuration"))?;
        let config = &stored.record;
        if !config.has_flow() {
            return Err(Fault::invalid(
                "OIDC login is not configured for this mount",
            ));
        }
        let role = login::chosen(&call, &sent.role, config).await?;
        if sent.redirect_uri.is_empty() {
            return Err(Fault::invalid("missing redirect_uri"));
        }
        if sent.client_nonce.len() > MOST_NONCE {
            return Err(Fault::invalid("client_nonce: at most 256 bytes"));
        }
        let allowed = role.allowed_redirect_uris.as_deref().unwrap_or_default();
        let nowhere = || {
            Outcome::data(&Answer {
                auth_url: String::new(),
            })
        };
        if role.sort != Sort::Oidc || !is_allowed(&sent.redirect_uri, allowed) {
            tracing::warn!(
                role = role.name,
                mount = call.mount.path,
                "a login with a browser was not begun: the role is not for browsers, or does not allow the redirect_uri"
            );
            return nowhere();
        }
        let Some(signer) = method.keys.signer(call.view, &stored, call.steady).await else {
            return nowhere();
        };
        let Some(page) = signer
            .provider
            .as_ref()
            .and_then(|provider| provider.page())
        else {
            tracing::warn!(
                mount = call.mount.path,
                "the provider names no page for logins"
            );
            return nowhere();
        };
        let begun = Begun::new(&role.name, &sent.redirect_uri, &sent.client_nonce, call.now);
        let login = begun.depart(&config.state_key)?;
        let challenge = digest(&SHA256, login.verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        let own = role.oidc_scopes.iter().flatten();
        let own = own.filter(|scope| *scope != "openid").map(String::as_str);
        let scopes: Vec<_> = std::iter::once("openid").chain(own).collect();
        let (scopes, age) = (scopes.join(" "), role.max_age.to_string());
        let mut parameters = vec![
            ("client_id", config.oidc_client_id.as_str()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("nonce", &login.nonce),
            ("redirect_uri", &login.begun.redirect_uri),
            ("response_type", "code"),
            ("scope", &scopes),
            ("state", &login.state),
        ];
        if role.max_age > 0 {
            parameters.push(("max_age", &age));
        }
        let and = if page.contains('?') { '&' } else { '?' };
        Outcome::data(&Answer {
            auth_url: format!("{page}{and}{}", encoded(&parameters)),
        })
    })
}
