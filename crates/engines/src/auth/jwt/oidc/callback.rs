//! `oidc/callback`: the browser is back with a code, or with the provider's refusal.

use super::exchange::NoTokens;
use super::{FAILED, claims, exchange, state};
use crate::auth::cidr;
use crate::auth::jose::{Algorithm, Token};
use crate::auth::jwt::claims::{check_bound, identify};
use crate::auth::jwt::config::{self, Config};
use crate::auth::jwt::role::{Role, Sort};
use crate::auth::jwt::{Jwt, login};
use crate::auth::role::Stored;
use crate::auth::roles;
use cofferdam_core::engine::{Access, Pending, Route};
use cofferdam_core::{Call, Fault, Kind, Outcome, Verb};

/// Reading it is how Vault has it: what a browser was sent back to is handed on. It makes a token and
/// remembers the state, so it counts as a change.
pub(in crate::auth::jwt) const ROUTE: Route<Jwt> =
    Route::new("oidc/callback", &[(Verb::Read, callback)])
        .asks(&[
            "state",
            "code",
            "client_nonce",
            "error",
            "error_description",
            "id_token",
        ])
        .access(Access::Anonymous)
        .changing();

/// Refusals that RFC 6749 (section 4.1.2.1) names; others are not repeated.
const REFUSALS: [&str; 7] = [
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
];

fn failed(why: &str) -> Fault {
    Fault::invalid(format!("{FAILED} {why}"))
}

/// Nothing is wrong with who comes.
fn away() -> Fault {
    Fault::unavailable(
        "Vault login failed. The provider cannot be reached.",
        "the documents of a provider cannot be read",
    )
}

fn refused(error: &str) -> Fault {
    let known = REFUSALS
        .iter()
        .find(|known| **known == error.trim().to_ascii_lowercase());
    failed(known.unwrap_or(&"An unknown error occurred during OIDC authentication."))
}

fn callback<'a>(method: &'a Jwt, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let given = |name: &str| call.query.get(name).unwrap_or_default();
        let stored = config::load(call.view)
            .await?
            .ok_or_else(|| failed("Could not load configuration"))?;
        let config = &stored.record;
        let stale = || failed("Expired or missing OAuth state.");
        let login = state::arrive(&config.state_key, given("state"), call.now);
        let login = login.filter(|_| config.has_flow()).ok_or_else(stale)?;
        let role = roles::load::<Role>(call.view, &login.begun.role).await?;
        let role = role
            .map(|role| role.record)
            .filter(|role| role.sort == Sort::Oidc);
        let role = role.ok_or_else(|| failed("Role could not be found"))?;
        if !given("error").is_empty() {
            return Err(refused(given("error")));
        }
        if !login.begun.is_of(given("client_nonce")) {
            return Err(Fault::invalid("invalid client_nonce"));
        }
        if !cidr::admits(&role.token.bound_cidrs, call.peer.ip()) {
            return Err(Fault::denied());
        }
        let code = given("code");
        if code.is_empty() {
            return Err(failed("No code or id_token received."));
        }
        let claims = vouched_claims(method, &call, &stored, &role, &login, code).await?;
        let identity = identify(&role, &claims).map_err(|fault| failed(fault.public()))?;
        check_bound(&role, &claims).map_err(|fault| failed(fault.public()))?;
        let contest = method.contests.enter(call.view.prefix(), &login.state);
        if !state::spend(call.view, &login, call.now, contest).await? {
            return Err(stale());
        }
        Ok(Outcome::Login(Box::new(login::vouched(
            &role,
            identity,
            call.peer.ip(),
        ))))
    })
}

/// What the provider says of who came, for this login and nobody else's.
async fn vouched_claims(
    method: &Jwt,
    call: &Call<'_>,
    stored: &Stored<Config>,
    role: &Role,
    login: &state::Login,
    code: &str,
) -> Result<crate::auth::jose::Claims, Fault> {
    let config = &stored.record;
    let signer = method.keys.signer(call.view, stored, call.steady).await;
    let signer = signer.ok_or_else(away)?;
    let provider = signer.provider.as_ref().ok_or_else(away)?;
    let turn = method.exchanges.0.try_acquire();
    let _turn =
        turn.map_err(|_| Fault::too_many("too many logins with a browser at once; try again"))?;
    let tokens = exchange::tokens(config, provider, login, code).await;
    let tokens = tokens.map_err(|why| match why {
        NoTokens::Silence(why) => away().noting(why),
        NoTokens::Refused(why) => failed(&format!("Error exchanging oidc code: {why}.")),
    })?;
    let text = tokens
        .id_token
        .ok_or_else(|| failed("No id_token found in response."))?;
    let bad = |why: &str| failed(&format!("Token verification failed. {why}"));
    let token = Token::parse(text.expose()).map_err(|why| bad(&why.to_string()))?;
    let algorithm = token.algorithm();
    // Here the usual algorithm is the one that every provider must have, and no other.
    let allowed = match config.jwt_supported_algs.is_empty() {
        true => &[Algorithm::Rs256],
        false => config.jwt_supported_algs.as_slice(),
    };
    let verified = method
        .keys
        .verify(call.view, stored, &token, allowed, call.steady);
    let mut claims = verified.await.map_err(|fault| match fault.kind() {
        Kind::Unavailable => away(),
        _ => bad(fault.public()),
    })?;
    claims::check(&claims, config, role, &login.nonce, call.now).map_err(failed)?;
    if claims::contradicts(&claims, "c_hash", code, algorithm) {
        return Err(bad("the code is another one"));
    }
    claims.remove("nonce");
    let subject = claims
        .get("sub")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    if let Some(access) = &tokens.access_token {
        if claims::contradicts(&claims, "at_hash", access.expose(), algorithm) {
            return Err(bad("the access token is another one"));
        }
        if let Some(about) = exchange::about(config, provider, access, subject).await {
            // What was signed stays: the page adds to it.
            for (name, value) in about {
                claims.entry(name).or_insert(value);
            }
        }
    }
    Ok(claims)
}
