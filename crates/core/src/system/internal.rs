//! `sys/internal/ui/mounts`: what the caller may see of mounts. Clients ask it to find out which
//! version of the key-value engine answers a path.

use super::System;
use super::mounts::{listed_name, show};
use crate::fault::Fault;
use crate::mount::{Class, Mount};
use crate::outcome::Outcome;
use crate::path::Path;
use crate::policy::Acl;
use crate::request::{Call, Caller};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) async fn mounts(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        auth: BTreeMap<String, super::mounts::Shown<'a>>,
        secret: BTreeMap<String, super::mounts::Shown<'a>>,
    }
    let tables = engine.services()?.registry.fresh().await?;
    let acl = acl(engine, &call).await?;
    let visible = |class| {
        let seen = tables
            .mounts()
            .iter()
            .filter(|mount| mount.class == class && sees(&acl, mount));
        seen.map(|mount| (listed_name(mount), show(mount)))
            .collect()
    };
    Outcome::data(&Shape {
        auth: visible(Class::Auth),
        secret: visible(Class::Secret),
    })
}

pub(super) async fn mount(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        #[serde(flatten)]
        shown: super::mounts::Shown<'a>,
        path: String,
    }
    let tables = engine.services()?.registry.fresh().await?;
    let path =
        Path::parse(call.capture("path")).map_err(|error| Fault::invalid(error.to_string()))?;
    let acl = acl(engine, &call).await?;
    // The same refusal for no mount and for one the caller has no rule about.
    let (point, _) = tables
        .route(&path)
        .filter(|(point, _)| sees(&acl, &point.mount))
        .ok_or_else(Fault::denied)?;
    Outcome::data(&Shape {
        shown: show(&point.mount),
        path: format!("{}/", point.mount.path),
    })
}

pub(super) async fn acl(engine: &System, call: &Call<'_>) -> Result<Arc<Acl>, Fault> {
    match call.caller {
        Caller::Token(entry) => Ok(engine.services()?.registry.fresh().await?.acl(entry)),
        Caller::Local { .. } => Ok(Arc::new(Acl::root())),
        Caller::Anonymous => Err(Fault::denied()),
    }
}

pub(super) fn sees(acl: &Acl, mount: &Mount) -> bool {
    mount.config.listing_visibility == "unauth"
        || Path::parse(&mount.path).is_ok_and(|path| acl.reaches(&path))
}
