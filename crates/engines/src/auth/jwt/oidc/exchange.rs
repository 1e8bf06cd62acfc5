//! A code for a token, and more about its owner: the two requests to the provider.

use super::auth_url::{PLAIN, encoded};
use super::state::Login;
use crate::auth::jose::{self, Claims};
use crate::auth::jwt::config::Config;
use crate::auth::jwt::keys::Provider;
use crate::outbound::{self, Asked, Trust, Url};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_secret::{Buffer, Secret};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

/// Bytes of an answer: a token with the groups of a whole company has some 20 KiB.
const MOST: usize = 256 << 10;

const FORM: &str = "application/x-www-form-urlencoded";

/// What the provider gives for a code.
#[derive(Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    pub(super) id_token: Option<Secret<String>>,
    #[serde(default)]
    pub(super) access_token: Option<Secret<String>>,
}

fn trust(config: &Config) -> Trust<'_> {
    Trust {
        authority: &config.oidc_discovery_ca_pem,
        names: &config.override_allowed_server_names,
    }
}

/// Why there is no token, in words that hold nothing of the answer.
pub(super) enum NoTokens {
    /// Nothing was said about the code, which may still be good.
    Silence(String),
    /// It was not taken, or what came is of no use.
    Refused(String),
}

/// Exchanges a code.
///
/// # Errors
/// [`NoTokens`].
pub(super) async fn tokens(
    config: &Config,
    provider: &Provider,
    login: &Login,
    code: &str,
) -> Result<Tokens, NoTokens> {
    let refused = NoTokens::Refused;
    let endpoint = provider.token_endpoint.as_deref().unwrap_or_default();
    let url = Url::parse(endpoint).map_err(|why| refused(why.to_string()))?;
    let secret = &config.oidc_client_secret;
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &login.begun.redirect_uri),
        ("code_verifier", &login.verifier),
    ];
    let authorization = match provider.takes_basic() {
        true => Some(basic(&config.oidc_client_id, secret)),
        false => {
            parameters.push(("client_id", &config.oidc_client_id));
            parameters.push(("client_secret", secret.expose()));
            None
        }
    };
    let body = Secret::new(encoded(&parameters).into_bytes());
    let asked = Asked {
        url: &url,
        trust: trust(config),
        body: Some((body, FORM)),
        authorization,
        most: MOST,
    };
    let answer = outbound::send(asked).await;
    let answer = answer.map_err(|why| match why.is_silence() {
        true => NoTokens::Silence(why.to_string()),
        false => refused(why.to_string()),
    })?;
    if answer.status != 200 {
        let why = format!("the provider answers with status {}", answer.status);
        return Err(match outbound::is_silence(answer.status) {
            true => NoTokens::Silence(why),
            false => refused(why),
        });
    }
    jose::document(answer.body.expose()).ok_or_else(|| {
        refused("the provider's answer is not of the form that is expected".to_owned())
    })
}

/// Name and secret as RFC 6749 (section 2.3.1) wants them: encoded as in a form, then as RFC 7617 does.
/// What needs no escape has none: some providers do not undo it.
fn basic(name: &str, secret: &Secret<String>) -> Secret<Vec<u8>> {
    let mut both = Buffer::with_capacity(256);
    both.push(utf8_percent_encode(name, PLAIN).to_string().as_bytes());
    both.push(b":");
    let encoded = Secret::new(utf8_percent_encode(secret.expose(), PLAIN).to_string());
    both.push(encoded.expose().as_bytes());
    let both = both.finish();
    Secret::new(format!("Basic {}", STANDARD.encode(both.expose())).into_bytes())
}

/// What the provider's page about its user says; `None` where there is none, or it is about another.
pub(super) async fn about(
    config: &Config,
    provider: &Provider,
    access: &Secret<String>,
    subject: &str,
) -> Option<Claims> {
    let url = Url::parse(provider.userinfo_endpoint.as_deref()?).ok()?;
    let mut bearer = Buffer::with_capacity(256);
    bearer.push(b"Bearer ");
    bearer.push(access.expose().as_bytes());
    let asked = Asked {
        url: &url,
        trust: trust(config),
        body: None,
        authorization: Some(bearer.finish()),
        most: MOST,
    };
    let answer = outbound::send(asked).await.ok()?;
    let about: Claims = jose::document(answer.body.expose()).filter(|_| answer.status == 200)?;
    // Without this anybody's page would do (OpenID Connect Core 1.0, section 5.3.2).
    let same = about.get("sub").and_then(serde_json::Value::as_str) == Some(subject);
    same.then_some(about)
}
