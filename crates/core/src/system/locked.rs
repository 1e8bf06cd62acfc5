//! `sys/locked-users`: whom wrong passwords locked out, and letting them in again.

use super::System;
use crate::fault::Fault;
use crate::json::field::Text;
use crate::lockout::{self, Rules};
use crate::mount::Class;
use crate::outcome::Outcome;
use crate::request::Call;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    mount_accessor: Text,
}

#[derive(Serialize)]
struct OfMount {
    mount_accessor: String,
    counts: usize,
    alias_identifiers: Vec<String>,
}

#[derive(Serialize)]
struct OfNamespace {
    namespace_id: &'static str,
    namespace_path: &'static str,
    counts: usize,
    mount_accessors: Vec<OfMount>,
}

pub(super) async fn list(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        by_namespace: Vec<OfNamespace>,
        total: usize,
    }
    let wanted: Wanted = call.body.parse()?;
    let from_query = call.query.get("mount_accessor").unwrap_or_default();
    let only = match wanted.mount_accessor.0.expose().as_str() {
        "" => from_query,
        body => body,
    };
    let tables = engine.services()?.registry.fresh().await?;
    let mut found = Vec::new();
    for mount in tables.mounts().iter() {
        let Some(point) = tables.point(&mount.path) else {
            continue;
        };
        let asked = only.is_empty() || only == mount.accessor;
        let Some(rules) = Rules::of(&mount.config).filter(|_| asked && mount.class == Class::Auth)
        else {
            continue;
        };
        let names = lockout::all(&point.view, &rules, call.now).await?;
        if !names.is_empty() {
            found.push(OfMount {
                mount_accessor: mount.accessor.clone(),
                counts: names.len(),
                alias_identifiers: names,
            });
        }
    }
    found.sort_by_key(|mount| std::cmp::Reverse(mount.counts));
    let total = found.iter().map(|mount| mount.counts).sum();
    let by_namespace = match total {
        0 => Vec::new(),
        counts => vec![OfNamespace {
            namespace_id: "root",
            namespace_path: "",
            counts,
            mount_accessors: found,
        }],
    };
    Outcome::data(&Shape {
        by_namespace,
        total,
    })
}

pub(super) async fn unlock(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let tables = engine.services()?.registry.fresh().await?;
    let accessor = call.capture("accessor");
    let mut mounts = tables.mounts().iter();
    let mount = mounts.find(|mount| mount.class == Class::Auth && mount.accessor == accessor);
    let point = mount.and_then(|mount| tables.point(&mount.path));
    // OpenBao says done where there is no such mount; here nothing says done without its effect.
    let point = point.ok_or_else(|| {
        Fault::invalid("no auth method has this accessor; list them with: cofferdam auth list")
    })?;
    lockout::forget(&point.view, &call.capture("alias").to_lowercase()).await?;
    Ok(Outcome::Done)
}
