//! `config`: setting and showing the signer. A write replaces all of it, as in Vault.

use super::config::{self, Config, Source, public_keys};
use super::{Jwt, keys, oidc};
use crate::auth::jose::Algorithm;
use crate::auth::role::{finished, save};
use crate::outbound::{Trust, Url};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::Data;
use cofferdam_core::json::field::{Flag, Text, Words};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) const ROUTE: Route<Jwt> =
    Route::new("config", &[(Verb::Read, read), (Verb::Write, write)]).takes::<Sent>();

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    oidc_discovery_url: String,
    oidc_discovery_ca_pem: String,
    oidc_client_id: String,
    oidc_client_secret: Text,
    oidc_response_mode: String,
    oidc_response_types: Words,
    default_role: String,
    jwt_validation_pubkeys: Words,
    jwt_supported_algs: Words,
    jwks_url: String,
    jwks_ca_pem: String,
    bound_issuer: String,
    provider_config: Option<Map<String, Value>>,
    override_allowed_server_names: Words,
    namespace_in_state: Option<Flag>,
    skip_jwks_validation: Flag,
}

impl Sent {
    /// The rules between the fields, in Vault's order.
    fn check(&self) -> Result<(), Fault> {
        let ways = [
            !self.oidc_discovery_url.is_empty(),
            !self.jwt_validation_pubkeys.0.is_empty(),
            !self.jwks_url.is_empty(),
        ];
        if self
            .provider_config
            .as_ref()
            .is_some_and(|own| !own.is_empty())
        {
            return Err(Fault::invalid(
                "provider_config: rules of single providers are not served",
            ));
        }
        if ways.into_iter().filter(|set| *set).count() != 1 {
            return Err(Fault::invalid(
                "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set",
            ));
        }
        if self.oidc_client_id.is_empty() != self.oidc_client_secret.is_empty() {
            return Err(Fault::invalid(
                "both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC",
            ));
        }
        if self
            .oidc_discovery_url
            .contains(".well-known/openid-configuration")
        {
            return Err(Fault::invalid(
                "'oidc_discovery_url' contains '.well-known' component",
            ));
        }
        if !self.oidc_client_id.is_empty() && self.oidc_discovery_url.is_empty() {
            return Err(Fault::invalid("'oidc_discovery_url' must be set for OIDC"));
        }
        Ok(())
    }

    /// How the provider answers a browser: by a code in the address, and in no other way.
    fn check_flow(&self) -> Result<(), Fault> {
        let types = &self.oidc_response_types.0;
        if types.iter().any(|kind| kind != "code") {
            return Err(Fault::invalid(
                "oidc_response_types: only code is served; an id_token in the address of a page is refused",
            ));
        }
        match self.oidc_response_mode.as_str() {
            "" | "query" => Ok(()),
            "form_post" => Err(Fault::invalid("oidc_response_mode: only query is served")),
            _ => Err(Fault::invalid("invalid response_mode")),
        }
    }

    fn algorithms(&self) -> Result<Vec<Algorithm>, Fault> {
        let names = self.jwt_supported_algs.0.iter();
        names
            .map(|name| {
                Algorithm::parse(name).ok_or_else(|| {
                    Fault::invalid("invalid jwt_supported_algs: unsupported signing algorithm")
                })
            })
            .collect()
    }

    fn into_config(self, before: Option<&Config>) -> Result<Config, Fault> {
        let algorithms = self.algorithms()?;
        Ok(Config {
            oidc_discovery_url: self.oidc_discovery_url,
            oidc_discovery_ca_pem: self.oidc_discovery_ca_pem,
            oidc_client_id: self.oidc_client_id,
            oidc_client_secret: self.oidc_client_secret.0,
            oidc_response_mode: self.oidc_response_mode,
            oidc_response_types: self.oidc_response_types.0,
            default_role: self.default_role.to_lowercase(),
            jwt_validation_pubkeys: self.jwt_validation_pubkeys.0,
            jwt_supported_algs: algorithms,
            jwks_url: self.jwks_url,
            jwks_ca_pem: self.jwks_ca_pem,
            bound_issuer: self.bound_issuer,
            override_allowed_server_names: self.override_allowed_server_names.0,
            namespace_in_state: match self.namespace_in_state {
                Some(Flag(set)) => set,
                None => before.is_none_or(|before| before.namespace_in_state),
            },
            state_key: oidc::new_key()?,
        })
    }
}

fn write<'a>(method: &'a Jwt, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: Sent = call.body.parse()?;
        sent.check()?;
        sent.check_flow()?;
        let skip = sent.skip_jwks_validation.0;
        let mut before = config::load(call.view).await?;
        let mut config = sent.into_config(before.as_ref().map(|before| &before.record))?;
        let warnings = reach(&config, skip).await?;
        let chosen = call.body.raw("namespace_in_state").is_some();
        let mut contest = method.contests.enter(call.view.prefix(), config::KEY);
        loop {
            if save(
                call.view,
                config::KEY,
                before.as_ref().map(|before| before.revision),
                &config,
            )
            .await?
            {
                return Ok(finished(warnings));
            }
            contest.lost().await?;
            before = config::load(call.view).await?;
            if let (false, Some(before)) = (chosen, &before) {
                config.namespace_in_state = before.record.namespace_in_state;
            }
        }
    })
}

/// Whether the keys can be had; what to warn of, where the caller wants to go on without.
async fn reach(config: &Config, skip: bool) -> Result<Vec<String>, Fault> {
    let usable =
        |url: &str, trust: Trust<'_>| Url::parse(url).map(drop).and_then(|()| trust.check());
    let what = match config.source() {
        Source::Keys(texts) => {
            public_keys(texts)?;
            return Ok(Vec::new());
        }
        // What can never work is refused, reachable or not.
        Source::KeySet(url, trust) => {
            usable(url, trust).map_err(|why| Fault::invalid(format!("jwks_url: {why}")))?;
            "error checking jwks URL"
        }
        Source::Issuer(url, trust) => {
            usable(url, trust)
                .map_err(|why| Fault::invalid(format!("oidc_discovery_url: {why}")))?;
            "error checking oidc discovery URL"
        }
    };
    match keys::fetch(config).await {
        Ok(_) => Ok(Vec::new()),
        Err(why) if skip => Ok(vec![format!("{what}: {why}")]),
        Err(why) => Err(Fault::invalid(format!("{what}: {why}"))),
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    bound_issuer: &'a str,
    default_role: &'a str,
    jwks_ca_pem: &'a str,
    jwks_url: &'a str,
    jwt_supported_algs: Vec<&'static str>,
    jwt_validation_pubkeys: &'a [String],
    namespace_in_state: bool,
    oidc_client_id: &'a str,
    oidc_discovery_ca_pem: &'a str,
    oidc_discovery_url: &'a str,
    oidc_response_mode: &'a str,
    oidc_response_types: &'a [String],
    override_allowed_server_names: &'a [String],
    provider_config: Map<String, Value>,
    status: &'static str,
}

fn read<'a>(_: &'a Jwt, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let stored = config::load(call.view).await?.ok_or_else(Fault::missing)?;
        let config = &stored.record;
        let problem = match config.source() {
            Source::Issuer(issuer, trust) => keys::discover(issuer, trust).await.err(),
            // As in Vault, a key set is not read for this.
            Source::Keys(_) | Source::KeySet(..) => None,
        };
        let algorithms = config.jwt_supported_algs.iter();
        let shown = Shown {
            bound_issuer: &config.bound_issuer,
            default_role: &config.default_role,
            jwks_ca_pem: &config.jwks_ca_pem,
            jwks_url: &config.jwks_url,
            jwt_supported_algs: algorithms.map(|algorithm| algorithm.name()).collect(),
            jwt_validation_pubkeys: &config.jwt_validation_pubkeys,
            namespace_in_state: config.namespace_in_state,
            oidc_client_id: &config.oidc_client_id,
            oidc_discovery_ca_pem: &config.oidc_discovery_ca_pem,
            oidc_discovery_url: &config.oidc_discovery_url,
            oidc_response_mode: &config.oidc_response_mode,
            oidc_response_types: &config.oidc_response_types,
            override_allowed_server_names: &config.override_allowed_server_names,
            provider_config: Map::new(),
            status: match problem {
                None => "valid",
                Some(_) => "invalid",
            },
        };
        let warnings = problem.map(|why| format!("the signer's keys cannot be read: {why}"));
        let data = Data::of(&shown).map_err(Fault::internal)?;
        Ok(Outcome::Data(
            Response::of(data).warning(warnings.into_iter().collect()),
        ))
    })
}
