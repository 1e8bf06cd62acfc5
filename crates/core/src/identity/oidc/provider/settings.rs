//! `identity/oidc/provider`: an issuer with its clients and scopes, and what anybody may read of it.

use super::client::Client;
use super::scope::{OPENID, Scope};
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::oidc::published::trusted;
use crate::identity::oidc::signing::Algorithm;
use crate::identity::oidc::store::{CLIENTS, PROVIDERS, SCOPES, Shelf, name};
use crate::identity::oidc::template::Template;
use crate::identity::oidc::{config, key};
use crate::json::field::Words;
use crate::outcome::Outcome;
use crate::record::encode;
use crate::request::Call;
use crate::vault::Services;
use cofferdam_barrier::Batch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The provider that is always there.
const DEFAULT: &str = "default";

/// An issuer.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Provider {
    /// Empty: the server's own address.
    issuer: String,
    allowed_client_ids: Vec<String>,
    pub(super) scopes_supported: Vec<String>,
}

impl Provider {
    pub(super) fn allows(&self, client: &str) -> bool {
        let mut allowed = self.allowed_client_ids.iter();
        allowed.any(|one| one == "*" || one == client)
    }

    /// What it calls itself in tokens.
    pub(super) fn called(&self, services: &Services, name: &str) -> String {
        let base = config::base(services, self.issuer.clone());
        format!("{base}{}/provider/{name}", config::PATH)
    }

    fn shown(&self, services: &Services, name: &str) -> Value {
        json!({
            "allowed_client_ids": self.allowed_client_ids,
            "issuer": self.called(services, name),
            "scopes_supported": self.scopes_supported,
        })
    }
}

/// The provider of this name; the default one is there before it is stored.
pub(super) async fn load(shelf: &Shelf, name: &str) -> Result<Option<Provider>, Fault> {
    let found = shelf.get(&format!("{PROVIDERS}{name}")).await?;
    Ok(found.map(|kept| kept.record).or_else(|| unstored(name)))
}

fn unstored(name: &str) -> Option<Provider> {
    (name == DEFAULT).then(|| Provider {
        allowed_client_ids: vec!["*".to_owned()],
        ..Provider::default()
    })
}

pub(in super::super) async fn exists(engine: &Identities, call: &Call<'_>) -> Result<bool, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    Ok(load(&shelf, call.capture("name")).await?.is_some())
}

pub(in super::super) async fn list(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let shelf = Shelf::of(&services);
    let client = call.query.get("allowed_client_id").unwrap_or_default();
    let mut names: BTreeSet<_> = shelf.names(PROVIDERS).await?.into_iter().collect();
    names.insert(DEFAULT.to_owned());
    let mut info = serde_json::Map::new();
    for name in names {
        if let Some(provider) = load(&shelf, &name).await?
            && (client.is_empty() || provider.allows(client))
        {
            info.insert(name.clone(), provider.shown(&services, &name));
        }
    }
    crate::identity::entities::listing(&info)
}

pub(in super::super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let name = name(&call)?;
    let found = load(&Shelf::of(&services), name).await?;
    Outcome::data(&found.ok_or_else(Fault::missing)?.shown(&services, name))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    issuer: Option<String>,
    allowed_client_ids: Option<Words>,
    scopes_supported: Option<Words>,
}

pub(in super::super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let name = name(&call)?;
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{PROVIDERS}{name}");
    shelf
        .change(|| async {
            let old = shelf.get::<Provider>(&at).await?;
            let revision = old.as_ref().map(|old| old.revision);
            let old = old.map(|old| old.record).or_else(|| unstored(name));
            let mut record = old.unwrap_or_default();
            if let Some(issuer) = &wanted.issuer {
                config::checked(issuer)?;
                record.issuer.clone_from(issuer);
            }
            if let Some(words) = &wanted.allowed_client_ids {
                record.allowed_client_ids = words.each_once();
            }
            if let Some(words) = &wanted.scopes_supported {
                record.scopes_supported = words.each_once();
            }
            no_conflict(&shelf, &record.scopes_supported).await?;
            let batch = Batch::new().expect(at.clone(), revision);
            let batch = batch.put(at.clone(), encode(&record)?);
            Ok(Some((batch, config::told(&record.issuer)?)))
        })
        .await
}

/// No two scopes of a provider say the same claim.
async fn no_conflict(shelf: &Shelf, scopes: &[String]) -> Result<(), Fault> {
    let mut claims = BTreeSet::new();
    for name in scopes {
        let found = shelf.get::<Scope>(&format!("{SCOPES}{name}")).await?;
        let scope = found.ok_or_else(|| Fault::invalid("one of the scopes does not exist"))?;
        let template = Template::stored(&scope.record.template)?;
        if !template
            .claims()
            .all(|claim| claims.insert(claim.to_owned()))
        {
            return Err(Fault::invalid(
                "found scope templates with conflicting top-level keys",
            ));
        }
    }
    Ok(())
}

pub(in super::super) async fn delete(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    if name == DEFAULT {
        return Err(Fault::invalid(
            "deletion of OIDC provider \"default\" not allowed",
        ));
    }
    let shelf = Shelf::of(&*engine.services()?);
    shelf
        .change(|| async {
            let batch = Batch::new().delete(format!("{PROVIDERS}{name}"));
            Ok(Some((batch, Outcome::Done)))
        })
        .await
}

/// `provider/:name/.well-known/openid-configuration`
pub(in super::super) async fn discovery(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let name = name(&call)?;
    let found = load(&Shelf::of(&services), name).await?;
    let provider = found.ok_or_else(Fault::missing)?;
    let issuer = provider.called(&services, name);
    let algorithms: Vec<_> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
    let mut scopes = provider.scopes_supported;
    scopes.push(OPENID.to_owned());
    Outcome::bare(&json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/keys"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "id_token_signing_alg_values_supported": algorithms,
        "response_types_supported": ["code"],
        "scopes_supported": scopes,
        "claims_supported": [],
        "subject_types_supported": ["public"],
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["plain", "S256"],
    }))
}

/// `provider/:name/.well-known/keys`
pub(in super::super) async fn keys(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let name = name(&call)?;
    let keys = match engine.published.known(Some(name)) {
        Some(keys) => keys,
        None => {
            // Whoever asks for one that is not there waits for nobody.
            let found = load(&shelf, name).await?;
            let provider = found.ok_or_else(Fault::missing)?;
            let read = async {
                let clients = shelf.all::<Client>(CLIENTS).await?;
                let clients = clients.iter().map(|(_, kept)| &kept.record);
                let names: BTreeSet<_> = clients
                    .filter(|client| provider.allows(&client.client_id))
                    .map(|client| &client.key)
                    .collect();
                key::public(&shelf, names).await
            };
            engine.published.of(Some(name), read).await?
        }
    };
    let keys: Vec<_> = trusted(&keys, call.now).collect();
    Outcome::bare(&json!({ "keys": keys }))
}
