//! What anybody may read: who issues, and the keys that check.

use super::published::{Public, trusted};
use super::role::Role;
use super::signing::Algorithm;
use super::store::{ROLES, Shelf};
use super::{config, key};
use crate::fault::Fault;
use crate::identity::Identities;
use crate::outcome::Outcome;
use crate::request::Call;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// `identity/oidc/.well-known/openid-configuration`
pub(super) async fn discovery(engine: &Identities) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let issuer = config::issuer(&services, &Shelf::of(&services)).await?;
    let names: Vec<_> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
    Outcome::bare(&json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/keys"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": names,
    }))
}

/// `identity/oidc/.well-known/keys`
pub(super) async fn keys(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let keys = published(engine).await?;
    let keys: Vec<_> = trusted(&keys, call.now).collect();
    Outcome::bare(&json!({ "keys": keys }))
}

/// The public keys of those named keys that some role signs with.
pub(super) async fn published(engine: &Identities) -> Result<Arc<Vec<Public>>, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let read = async {
        let roles = shelf.all::<Role>(ROLES).await?;
        let names: BTreeSet<_> = roles.iter().map(|(_, role)| &role.record.key).collect();
        key::public(&shelf, names).await
    };
    engine.published.of(None, read).await
}
