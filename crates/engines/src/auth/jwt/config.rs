//! The signer, as it is stored.

use crate::auth::jose::{Algorithm, Key};
use crate::auth::role::{self, Stored};
use crate::outbound::Trust;
use cofferdam_core::Fault;
use cofferdam_core::engine::View;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize, Serializer};

pub(super) const KEY: &str = "config";

/// What is configured of the signer. Exactly one of the three ways to its keys is set.
#[derive(Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) oidc_discovery_url: String,
    pub(super) oidc_discovery_ca_pem: String,
    pub(super) oidc_client_id: String,
    #[serde(serialize_with = "kept")]
    pub(super) oidc_client_secret: Secret<String>,
    pub(super) oidc_response_mode: String,
    pub(super) oidc_response_types: Vec<String>,
    pub(super) default_role: String,
    /// PEM, as they came.
    pub(super) jwt_validation_pubkeys: Vec<String>,
    pub(super) jwt_supported_algs: Vec<Algorithm>,
    pub(super) jwks_url: String,
    pub(super) jwks_ca_pem: String,
    pub(super) bound_issuer: String,
    pub(super) override_allowed_server_names: Vec<String>,
    pub(super) namespace_in_state: bool,
    /// Seals what a browser carries; another one with each write.
    #[serde(serialize_with = "kept")]
    pub(super) state_key: Secret<String>,
}

/// Where the signer's keys are.
pub(super) enum Source<'a> {
    Keys(&'a [String]),
    /// A document with keys.
    KeySet(&'a str, Trust<'a>),
    /// The issuer's name, below which a document says where its keys are.
    Issuer(&'a str, Trust<'a>),
}

/// Stored only, behind the barrier.
fn kept<S: Serializer>(secret: &Secret<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

impl Config {
    pub(super) fn source(&self) -> Source<'_> {
        let trust = |authority| Trust {
            authority,
            names: &self.override_allowed_server_names,
        };
        if !self.jwt_validation_pubkeys.is_empty() {
            Source::Keys(&self.jwt_validation_pubkeys)
        } else if !self.jwks_url.is_empty() {
            Source::KeySet(&self.jwks_url, trust(&self.jwks_ca_pem))
        } else {
            Source::Issuer(&self.oidc_discovery_url, trust(&self.oidc_discovery_ca_pem))
        }
    }

    /// The algorithms that count: those that were named, else all that sign with a private key.
    pub(super) fn algorithms(&self) -> &[Algorithm] {
        match self.jwt_supported_algs.is_empty() {
            true => &Algorithm::ALL,
            false => &self.jwt_supported_algs,
        }
    }

    /// Whether people can log in with a browser.
    pub(super) const fn has_flow(&self) -> bool {
        !self.oidc_discovery_url.is_empty()
            && !self.oidc_client_id.is_empty()
            && !self.oidc_client_secret.is_empty()
    }
}

/// Reads keys that were given one by one.
pub(super) fn public_keys(texts: &[String]) -> Result<Vec<Key>, Fault> {
    let read = |text: &String| {
        Key::from_pem(text)
            .map_err(|why| Fault::invalid(format!("error parsing public key: {why}")))
    };
    texts.iter().map(read).collect()
}

/// The configuration, if there is one.
pub(super) async fn load(view: &View) -> Result<Option<Stored<Config>>, Fault> {
    role::load(view, KEY).await
}
