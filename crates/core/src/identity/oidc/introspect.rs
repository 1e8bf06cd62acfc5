//! `identity/oidc/introspect`: whether a token of ours is good now, and its entity still there.
//!
//! Follows RFC 7519 and 8725. The key is the one that the token names by its id, of those that are
//! published; the algorithm is that key's, and a header that says another one is refused before
//! anything is computed.

use super::published::trusted;
use super::signing::{Algorithm, Jwk};
use super::store::Shelf;
use super::{config, public};
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::Identities;
use crate::json::field::Text;
use crate::json::{Budget, check};
use crate::outcome::Outcome;
use crate::request::Call;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Longest token that is looked at.
const LONGEST: usize = 64 << 10;
/// Clocks differ by so many seconds, as in OpenBao.
const LEEWAY: u64 = 60;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    token: Text,
    client_id: String,
}

pub(super) async fn introspect(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let Wanted { token, client_id } = call.body.parse()?;
    let services = engine.services()?;
    let shelf = Shelf::of(&services);
    let keys = public::published(engine).await?;
    let issuer = config::issuer(&services, &shelf).await?;
    let judged = judge(token.0.expose(), trusted(&keys, call.now)).and_then(|claims| {
        let fits = |problem| format!("error validating claims: {problem}");
        validate(&claims, &issuer, &client_id, call.now).map_err(fits)?;
        let subject = claims.get("sub").and_then(Value::as_str);
        Ok(subject.unwrap_or_default().to_owned())
    });
    let problem = match judged {
        Err(problem) => Some(problem),
        Ok(subject) => {
            let standing = services.identity.standing(&subject).await?;
            match (standing.subject, standing.live) {
                (None, _) => Some("entity was not found".to_owned()),
                (Some(_), false) => Some("entity is disabled".to_owned()),
                (Some(_), true) => None,
            }
        }
    };
    let answer = match problem {
        None => json!({"active": true}),
        Some(problem) => json!({"active": false, "error": problem}),
    };
    Outcome::bare(&answer)
}

/// The claims of a token that one of `keys` has signed.
pub(super) fn judge<'a>(
    token: &str,
    keys: impl IntoIterator<Item = &'a Jwk>,
) -> Result<Map<String, Value>, String> {
    let malformed = || "error parsing token: expected a signed JWT in its compact form".to_owned();
    let unsigned = || "unable to validate the token signature".to_owned();
    if token.len() > LONGEST {
        return Err(malformed());
    }
    let (input, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = input.split_once('.').ok_or_else(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let header = object(header).ok_or_else(malformed)?;
    let claims = object(claims).ok_or_else(malformed)?;
    if header.contains_key("crit") {
        return Err(malformed());
    }
    let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
    let algorithm = Algorithm::parse(text("alg")).ok_or_else(malformed)?;
    let key = keys.into_iter().find(|key| key.kid == text("kid"));
    let key = key
        .filter(|key| key.alg == algorithm)
        .ok_or_else(unsigned)?;
    if key.verifies(input.as_bytes(), &signature) {
        Ok(claims)
    } else {
        Err(unsigned())
    }
}

/// A part of a token: a JSON object that says no name twice.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    check(&bytes, &Budget::default()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn validate(
    claims: &Map<String, Value>,
    issuer: &str,
    client: &str,
    now: Time,
) -> Result<(), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let moment = |name: &str| claims.get(name).and_then(Value::as_u64);
    let now = now.seconds();
    if text("iss") != issuer {
        return Err("validation failed, invalid issuer claim (iss)");
    }
    if !client.is_empty() && text("aud") != client {
        return Err("validation failed, invalid audience claim (aud)");
    }
    if moment("exp").is_none_or(|end| end.saturating_add(LEEWAY) < now) {
        return Err("validation failed, token is expired (exp)");
    }
    if moment("iat").is_none_or(|begin| begin > now.saturating_add(LEEWAY)) {
        return Err("validation field, token issued in the future (iat)");
    }
    Ok(())
}
