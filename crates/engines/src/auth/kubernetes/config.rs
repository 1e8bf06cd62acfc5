//! `config`: the cluster, and how we prove ourselves to it. A write replaces all of it, as in Vault.

use super::Kubernetes;
use crate::auth::jose::Key;
use crate::auth::role::{self, Stored, save};
use crate::outbound::{Trust, Url};
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::json::field::{Flag, Text, Words};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize, Serializer};

pub(super) const ROUTE: Route<Kubernetes> =
    Route::new("config", &[(Verb::Read, read), (Verb::Write, write)]).takes::<Sent>();

const KEY: &str = "config";

/// Where a pod finds the CA of its cluster and the token of its own account.
const LOCAL_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const LOCAL_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The issuer of clusters that name none.
const USUAL_ISSUER: &str = "kubernetes/serviceaccount";

/// The cluster, as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Config {
    host: String,
    ca_cert: String,
    #[serde(serialize_with = "kept")]
    reviewer: Secret<String>,
    pem_keys: Vec<String>,
    issuer: String,
    disable_iss_validation: bool,
    disable_local_ca_jwt: bool,
}

/// Stored only, behind the barrier.
fn kept<S: Serializer>(secret: &Secret<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

/// What a login needs of it, with what lies on this machine where nothing was given.
pub(super) struct Cluster {
    pub(super) url: Url,
    pub(super) authority: String,
    /// Proves us to the cluster; without one the token that logs in does.
    pub(super) reviewer: Option<Secret<String>>,
}

impl Config {
    /// The keys that tokens are signed with, where they are known.
    pub(super) fn keys(&self) -> Result<Vec<Key>, Fault> {
        let read =
            |text: &String| Key::from_pem(text).map_err(|why| Fault::invalid(why.to_string()));
        self.pem_keys.iter().map(read).collect()
    }

    /// What `iss` must be; empty: anything.
    pub(super) fn issuer(&self) -> &str {
        match (self.disable_iss_validation, self.issuer.as_str()) {
            (true, _) => "",
            (false, "") => USUAL_ISSUER,
            (false, issuer) => issuer,
        }
    }

    /// Where tokens are reviewed. A host without a scheme is one with TLS.
    fn url(&self) -> Result<Url, Fault> {
        let host = self.host.trim_end_matches('/');
        let scheme = if host.contains("://") { "" } else { "https://" };
        Url::parse(&format!("{scheme}{host}{}", super::review::PATH))
            .map_err(|why| Fault::invalid(format!("kubernetes_host: {why}")))
    }

    pub(super) async fn cluster(&self) -> Result<Cluster, Fault> {
        let local = |path: &'static str| async move {
            match self.disable_local_ca_jwt {
                true => None,
                false => tokio::fs::read_to_string(path).await.ok(),
            }
        };
        let authority = match self.ca_cert.is_empty() {
            true => local(LOCAL_CA).await.unwrap_or_default(),
            false => self.ca_cert.clone(),
        };
        let reviewer = match self.reviewer.is_empty() {
            true => local(LOCAL_TOKEN)
                .await
                .map(|token| Secret::new(token.trim().to_owned())),
            false => Some(self.reviewer.duplicate()),
        };
        Ok(Cluster {
            url: self.url()?,
            authority,
            reviewer,
        })
    }
}

/// The configuration, if there is one.
pub(super) async fn load(view: &View) -> Result<Option<Stored<Config>>, Fault> {
    role::load(view, KEY).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    kubernetes_host: String,
    kubernetes_ca_cert: String,
    token_reviewer_jwt: Text,
    pem_keys: Words,
    issuer: String,
    disable_iss_validation: Option<Flag>,
    disable_local_ca_jwt: Flag,
}

fn write<'a>(method: &'a Kubernetes, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: Sent = call.body.parse()?;
        if sent.kubernetes_host.is_empty() {
            return Err(Fault::invalid("no host provided"));
        }
        if sent.disable_local_ca_jwt.0 && sent.kubernetes_ca_cert.is_empty() {
            return Err(Fault::invalid(
                "kubernetes_ca_cert must be given when disable_local_ca_jwt is true",
            ));
        }
        // Without one nobody could tell the cluster from whoever answers in its place.
        if sent.kubernetes_ca_cert.is_empty()
            && let Err(why) = tokio::fs::metadata(LOCAL_CA).await
        {
            return Err(Fault::invalid(format!(
                "kubernetes_ca_cert is not given, and {LOCAL_CA} cannot be read: {}",
                why.kind()
            )));
        }
        let config = Config {
            host: sent.kubernetes_host,
            ca_cert: sent.kubernetes_ca_cert,
            reviewer: sent.token_reviewer_jwt.0,
            pem_keys: sent.pem_keys.0,
            issuer: sent.issuer,
            disable_iss_validation: sent.disable_iss_validation.is_none_or(|Flag(set)| set),
            disable_local_ca_jwt: sent.disable_local_ca_jwt.0,
        };
        config.keys()?;
        config.url()?;
        let trust = Trust {
            authority: &config.ca_cert,
            names: &[],
        };
        if !config.ca_cert.is_empty() {
            trust
                .check()
                .map_err(|why| Fault::invalid(format!("kubernetes_ca_cert: {why}")))?;
        }
        let mut contest = method.contests.enter(call.view.prefix(), KEY);
        loop {
            let before = load(call.view).await?;
            if save(
                call.view,
                KEY,
                before.map(|before| before.revision),
                &config,
            )
            .await?
            {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    disable_iss_validation: bool,
    disable_local_ca_jwt: bool,
    issuer: &'a str,
    kubernetes_ca_cert: &'a str,
    kubernetes_host: &'a str,
    pem_keys: &'a [String],
    token_reviewer_jwt_set: bool,
}

fn read<'a>(_: &'a Kubernetes, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let stored = load(call.view).await?.ok_or_else(Fault::missing)?;
        let config = &stored.record;
        Outcome::data(&Shown {
            disable_iss_validation: config.disable_iss_validation,
            disable_local_ca_jwt: config.disable_local_ca_jwt,
            issuer: &config.issuer,
            kubernetes_ca_cert: &config.ca_cert,
            kubernetes_host: &config.host,
            pem_keys: &config.pem_keys,
            token_reviewer_jwt_set: !config.reviewer.is_empty(),
        })
    })
}
