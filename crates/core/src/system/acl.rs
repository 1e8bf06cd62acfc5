//! `sys/internal/ui/resultant-acl`: the caller's rules put together; and policies listed with their
//! text (`sys/policies/detailed/acl`).

use super::System;
use crate::engine::Route;
use crate::fault::Fault;
use crate::operation::Verb::{List, Read};
use crate::outcome::Outcome;
use crate::request::Call;
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) const RESULTANT: Route<System> = Route::new(
    "internal/ui/resultant-acl",
    &[(Read, |e, c| Box::pin(resultant(e, c)))],
);
pub(super) const DETAILED: Route<System> = Route::new(
    "policies/detailed/acl",
    &[(List, |e, c| Box::pin(detailed(e, c)))],
)
.asks(&["after", "limit"]);

#[derive(Serialize)]
struct Granted {
    capabilities: Vec<&'static str>,
}

/// Vault's shape: rules by their text, those that go on (`*`) apart. Rules with `+` have no place in
/// it and are left out, as Vault does; conditions on parameters are not shown.
async fn resultant(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Root {
        root: bool,
    }
    #[derive(Serialize)]
    struct Shape {
        exact_paths: BTreeMap<String, Granted>,
        glob_paths: BTreeMap<String, Granted>,
        root: bool,
    }
    let acl = super::internal::acl(engine, &call).await?;
    if acl.is_root() {
        return Outcome::data(&Root { root: true });
    }
    let (mut exact_paths, mut glob_paths) = (BTreeMap::new(), BTreeMap::new());
    for rule in acl.rules().filter(|rule| !rule.has_segments()) {
        let granted = Granted {
            capabilities: rule.capabilities().names(),
        };
        let pattern = rule.pattern();
        match pattern.strip_suffix('*') {
            Some(stem) if !rule.is_exact() => glob_paths.insert(stem.to_owned(), granted),
            _ => exact_paths.insert(pattern, granted),
        };
    }
    Outcome::data(&Shape {
        exact_paths,
        glob_paths,
        root: false,
    })
}

async fn detailed(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        key_info: BTreeMap<&'a str, super::policies::Shape<'a>>,
        keys: Vec<&'a str>,
    }
    let tables = engine.services()?.registry.fresh().await?;
    let names = super::policies::names(engine).await?;
    let after = call.query.get("after").unwrap_or_default();
    let limit = match call.query.get("limit").unwrap_or_default() {
        "" => None,
        text => Some(
            text.parse::<usize>()
                .map_err(|_| Fault::invalid("'limit' is not a whole number"))?,
        ),
    };
    let names: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| after.is_empty() || *name > after)
        .take(limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX))
        .collect();
    let detail = |name| (name, super::policies::Shape::of(name, tables.policy(name)));
    Outcome::data(&Shape {
        key_info: names.iter().copied().map(detail).collect(),
        keys: names,
    })
}
