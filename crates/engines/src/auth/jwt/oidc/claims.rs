//! What an ID token must say (OpenID Connect Core 1.0, section 3.1.3.7), beside its signature.

use crate::auth::jose::{Algorithm, Claims, Expected, Leeways, audiences};
use crate::auth::jwt::config::Config;
use crate::auth::jwt::role::Role;
use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_core::clock::Time;
use serde_json::Value;

/// What a provider's clock may be wrong by, in seconds. Vault's.
const SKEW: u64 = 60;

/// Holds an ID token to the login it is for.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn check(
    claims: &Claims,
    config: &Config,
    role: &Role,
    nonce: &str,
    now: Time,
) -> Result<(), &'static str> {
    let expected = Expected {
        issuer: &config.oidc_discovery_url,
        subject: &role.bound_subject,
        audiences: role.audiences(),
        leeways: Leeways {
            clock_skew: SKEW.cast_signed(),
            ..Leeways::default()
        },
    };
    expected.check(claims, now).map_err(|why| match why {
        crate::auth::jose::Refused::Subject => "sub claim does not match bound subject",
        crate::auth::jose::Refused::Audience => "the audience is none that is bound",
        crate::auth::jose::Refused::Issuer => "the issuer is another one",
        _ => "the token is not valid at this time",
    })?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("sub").is_none_or(str::is_empty) {
        return Err("the token names nobody");
    }
    // Here an end is a must, and so is the moment it was made.
    if !["exp", "iat"]
        .iter()
        .all(|name| claims.get(*name).is_some_and(Value::is_number))
    {
        return Err("the token has no exp or no iat");
    }
    if text("nonce") != Some(nonce) {
        return Err("invalid ID token nonce.");
    }
    for_us(claims, &config.oidc_client_id)?;
    if role.max_age > 0 {
        let seen = claims.get("auth_time").and_then(Value::as_u64);
        let old = seen.ok_or("the token does not say when its owner was last there")?;
        if old + SKEW + role.max_age < now.seconds() {
            return Err("its owner was last there longer ago than max_age");
        }
    }
    Ok(())
}

/// Whether the token was made for us, as its audience or as its authorized party.
fn for_us(claims: &Claims, client: &str) -> Result<(), &'static str> {
    let audiences = audiences(claims).map_err(|_| "the audience is none that is bound")?;
    let party = claims
        .get("azp")
        .map(|party| party.as_str().unwrap_or_default());
    let named = party == Some(client);
    let fits = match audiences.as_slice() {
        [] => false,
        [one] => *one == client || named,
        several => several.contains(&client) && named,
    };
    match fits && party.is_none_or(|party| party == client) {
        true => Ok(()),
        false => Err("the token is for another client"),
    }
}

/// Whether a hash claim (`at_hash`, `c_hash`) is there and is of another text (section 3.1.3.6).
pub(super) fn contradicts(claims: &Claims, name: &str, text: &str, algorithm: Algorithm) -> bool {
    let Some(claimed) = claims.get(name) else {
        return false;
    };
    let by = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::EdDsa => &SHA512,
    };
    let sum = digest(by, text.as_bytes());
    let half = sum
        .as_ref()
        .get(..sum.as_ref().len() / 2)
        .unwrap_or_default();
    claimed.as_str() != Some(URL_SAFE_NO_PAD.encode(half).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_for_another_client_is_not_for_us() {
        let fits = |claims: Value| for_us(claims.as_object().unwrap(), "us").is_ok();
        assert!(fits(json!({"aud": "us"})));
        assert!(fits(json!({"aud": ["us"], "azp": "us"})));
        assert!(fits(json!({"aud": ["us", "them"], "azp": "us"})));
        assert!(fits(json!({"aud": "api", "azp": "us"})));
        for bad in [
            json!({}),
            json!({"aud": []}),
            json!({"aud": "them"}),
            json!({"aud": "us", "azp": "them"}),
            json!({"aud": "us", "azp": 5}),
            json!({"aud": ["us", "them"]}),
            json!({"aud": ["us", "them"], "azp": "them"}),
            json!({"aud": ["them", "others"], "azp": "us"}),
            json!({"aud": {"us": 1}}),
        ] {
            assert!(!fits(bad.clone()), "{bad}");
        }
    }

    #[test]
    fn the_hash_of_an_access_token_is_its_own() {
        // RFC-style example of OpenID Connect Core 1.0, appendix A.3.
        let text = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        let claims = |value: Value| json!({"at_hash": value}).as_object().unwrap().clone();
        let right = claims(json!("77QmUPtjPfzWtF2AnpK9RQ"));
        assert!(!contradicts(&right, "at_hash", text, Algorithm::Rs256));
        assert!(contradicts(&right, "at_hash", "another", Algorithm::Rs256));
        assert!(contradicts(
            &claims(json!(5)),
            "at_hash",
            text,
            Algorithm::Rs256
        ));
        assert!(!contradicts(&right, "c_hash", text, Algorithm::Rs256));
    }
}
