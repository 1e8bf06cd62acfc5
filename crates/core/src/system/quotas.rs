//! `sys/quotas`: limits of rates, and what holds for all of them. What they mean for a request is in
//! [`crate::settings::quota`].

use super::System;
use super::settings::commit;
use crate::engine::{Access, Route};
use crate::fault::Fault;
use crate::json::field::{Flag, Ttl, Words};
use crate::mount::Class;
use crate::operation::Verb::{Delete, List, Read, Write};
use crate::outcome::Outcome;
use crate::path::Path;
use crate::record::encode;
use crate::registry::Tables;
use crate::request::Call;
use crate::settings::quota::{self, Rule};
use cofferdam_barrier::Batch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) const CONFIG: Route<System> = Route::new(
    "quotas/config",
    &[
        (Read, |e, _| Box::pin(read_config(e))),
        (Write, |e, c| Box::pin(write_config(e, c))),
    ],
)
.takes::<WantedConfig>()
.access(Access::Sudo);
pub(super) const ALL: Route<System> =
    Route::new("quotas/rate-limit", &[(List, |e, _| Box::pin(list(e)))]).access(Access::Sudo);
pub(super) const ONE: Route<System> = Route::new(
    "quotas/rate-limit/:name",
    &[
        (Read, |e, c| Box::pin(read(e, c))),
        (Write, |e, c| Box::pin(write(e, c))),
        (Delete, |e, c| Box::pin(delete(e, c))),
    ],
)
.takes::<Wanted>()
.access(Access::Sudo);

/// Limits at most: each is looked at for every request.
pub(super) const MOST: usize = 1024;

pub(super) async fn tables(engine: &System) -> Result<Arc<Tables>, Fault> {
    engine.services()?.registry.fresh().await
}

async fn read_config(engine: &System) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        enable_rate_limit_audit_logging: bool,
        enable_rate_limit_response_headers: bool,
        rate_limit_exempt_paths: &'a [String],
    }
    let tables = tables(engine).await?;
    let config = &tables.settings().quotas().config;
    Outcome::data(&Shape {
        enable_rate_limit_audit_logging: config.audit,
        enable_rate_limit_response_headers: config.headers,
        rate_limit_exempt_paths: &config.exempt,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WantedConfig {
    enable_rate_limit_audit_logging: Flag,
    enable_rate_limit_response_headers: Flag,
    rate_limit_exempt_paths: Words,
}

async fn write_config(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: WantedConfig = call.body.parse()?;
    // As OpenBao has it: what is not said is off, and empty.
    let config = quota::Config {
        audit: wanted.enable_rate_limit_audit_logging.0,
        headers: wanted.enable_rate_limit_response_headers.0,
        exempt: wanted.rate_limit_exempt_paths.0,
    };
    let batch = Batch::new().put(quota::CONFIG, encode(&config)?);
    commit(&*engine.services()?, batch).await?;
    Ok(Outcome::Done)
}

async fn list(engine: &System) -> Result<Outcome, Fault> {
    let tables = tables(engine).await?;
    let names: Vec<String> = tables.settings().quotas().limits.keys().cloned().collect();
    Outcome::keys(&names)
}

async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        block_interval: u64,
        inheritable: bool,
        interval: u64,
        name: &'a str,
        path: &'a str,
        rate: serde_json::Number,
        role: &'a str,
        r#type: &'static str,
    }
    let tables = tables(engine).await?;
    let name = call.capture("name");
    let limit = tables.settings().quotas().limits.get(name);
    let rule = &limit.ok_or_else(Fault::missing)?.rule;
    Outcome::data(&Shape {
        block_interval: rule.block_interval,
        inheritable: rule.inheritable,
        interval: rule.interval,
        name,
        path: &rule.path,
        rate: number(rule.rate)?,
        role: &rule.role,
        r#type: "rate-limit",
    })
}

/// A whole number without a point, as Go writes it.
fn number(rate: f64) -> Result<serde_json::Number, Fault> {
    if rate.fract() == 0.0 && rate < 9e15 {
        return Ok((rate as u64).into());
    }
    serde_json::Number::from_f64(rate).ok_or_else(|| Fault::internal("a rate that is no number"))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    rate: Option<Rate>,
    path: Option<String>,
    role: Option<String>,
    interval: Option<Ttl>,
    block_interval: Option<Ttl>,
    inheritable: Option<Flag>,
}

/// A number, or one in text, as Vault's client sends it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rate {
    Number(f64),
    Text(String),
}

impl Rate {
    fn value(&self) -> Option<f64> {
        let rate = match self {
            Self::Number(rate) => *rate,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        (rate.is_finite() && rate > 0.0).then_some(rate)
    }
}

async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let name = call.capture("name");
    let rate = wanted.rate.as_ref().and_then(Rate::value);
    let rate = rate.ok_or_else(|| Fault::invalid("'rate' is invalid"))?;
    let tables = tables(engine).await?;
    let role = wanted.role.unwrap_or_default();
    let path = place(&tables, wanted.path.as_deref().unwrap_or_default(), &role)?;
    let span = |ttl: Option<Ttl>| ttl.map(|ttl| ttl.0);
    let interval = span(wanted.interval).filter(|interval| !interval.is_zero());
    let rule = Rule {
        inheritable: wanted
            .inheritable
            .map_or(path.is_empty(), |inheritable| inheritable.0),
        role,
        rate,
        // Shorter than a second is a second: the answer tells whole ones.
        interval: interval.map_or(1, |interval| interval.as_secs().max(1)),
        block_interval: span(wanted.block_interval).map_or(0, |block| block.as_secs()),
        path,
    };
    let limits = &tables.settings().quotas().limits;
    let same = limits.iter().find(|(other, limit)| {
        *other != name && limit.rule.path == rule.path && limit.rule.role == rule.role
    });
    if same.is_some() {
        return Err(Fault::invalid(
            "a quota rule with similar properties exists under another name",
        ));
    }
    if limits.len() >= MOST && !limits.contains_key(name) {
        return Err(Fault::invalid("at most 1024 limits are kept"));
    }
    let key = format!("{}{name}", quota::RULES);
    let batch = Batch::new().put(key, quota::record(&rule)?);
    commit(&*engine.services()?, batch).await?;
    Ok(Outcome::Done)
}

/// The path in the form it is compared in. With a role it has to be a mount whose logins have some.
pub(super) fn place(tables: &Tables, text: &str, role: &str) -> Result<String, Fault> {
    let no_method = || {
        Fault::invalid("this path is no auth method and unsuitable for use with role-based quotas")
    };
    let text = text.trim_start_matches('/');
    if text.is_empty() {
        return if role.is_empty() {
            Ok(String::new())
        } else {
            Err(no_method())
        };
    }
    let plain = text.strip_suffix('*').unwrap_or(text);
    let path = Path::parse(plain.trim_end_matches('/'))
        .map_err(|error| Fault::invalid(error.to_string()))?;
    let (point, rest) = tables
        .route(&path)
        .ok_or_else(|| Fault::invalid("invalid mount path: nothing is mounted there"))?;
    let whole = rest.as_str().is_empty() && plain == text;
    if !role.is_empty() {
        if point.mount.class != Class::Auth {
            return Err(no_method());
        }
        if !whole {
            return Err(Fault::invalid(
                "a limit cannot have both a role and a path below its mount",
            ));
        }
        let role_of = point.engine.as_ref().and_then(|engine| engine.role_of());
        if role_of.is_none() {
            return Err(Fault::invalid(
                "the mount at this path does not support use with role-based quotas",
            ));
        }
    }
    Ok(if whole {
        format!("{}/", point.mount.path)
    } else {
        text.trim_end_matches('/').to_owned()
    })
}

async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let key = format!("{}{}", quota::RULES, call.capture("name"));
    commit(&*engine.services()?, Batch::new().delete(key)).await?;
    Ok(Outcome::Done)
}
