//! What operators set for the whole vault and requests need to know at once: web origins, request
//! headers in audit records, limits of rates and of leases. One immutable snapshot beside mounts and policies: a
//! change on one replica holds on all.
//!
//! Writing is in `system`; reading what is stored, and what it means for a request, is here.

pub mod cors;
pub(crate) mod leases;
pub mod quota;

pub use cors::Cors;
pub use quota::{Pace, Quotas};

use crate::fault::Fault;
use crate::record::decode;
use cofferdam_barrier::{Barrier, Unsealed};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Below it lies everything of this room.
pub(crate) const BELOW: &str = "core/settings/";
/// Where allowed origins are kept.
pub(crate) const CORS: &str = "core/settings/cors";
/// Where headers that audit records show are kept.
pub(crate) const HEADERS: &str = "core/settings/request-headers";

/// The snapshot.
#[derive(Default)]
pub struct Settings {
    cors: Option<Cors>,
    /// Lower-case names; whether values are hashed.
    headers: BTreeMap<String, bool>,
    quotas: Quotas,
    leases: leases::Leases,
}

impl Settings {
    /// Reads what is stored. Windows of limits that did not change go on.
    pub(crate) async fn load(
        barrier: &Barrier<Unsealed>,
        before: Option<&Self>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            cors: stored(barrier, CORS).await?,
            headers: stored(barrier, HEADERS).await?.unwrap_or_default(),
            quotas: Quotas::load(barrier, before.map(|before| &before.quotas)).await?,
            leases: leases::Leases::load(barrier).await?,
        })
    }

    /// Who may call from a web page; `None`: nobody.
    #[must_use]
    pub const fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// Request headers that audit records show, and whether hashed.
    #[must_use]
    pub const fn headers(&self) -> &BTreeMap<String, bool> {
        &self.headers
    }

    /// Limits of leases.
    pub(crate) const fn leases(&self) -> &leases::Leases {
        &self.leases
    }

    /// Limits of rates.
    #[must_use]
    pub const fn quotas(&self) -> &Quotas {
        &self.quotas
    }
}

/// A record of this room.
pub(crate) async fn stored<T: DeserializeOwned>(
    barrier: &Barrier<Unsealed>,
    key: &str,
) -> Result<Option<T>, Fault> {
    let Some(found) = barrier.get(key).await? else {
        return Ok(None);
    };
    decode(&found.value).map(Some)
}
