//! `sys/quotas/lease-count`: limits of leases, after Vault's documentation of its enterprise edition
//! (OpenBao 2.7 has none). What they mean for a login is in [`crate::token`].

use super::System;
use super::quotas::{MOST, place, tables};
use super::settings::commit;
use crate::engine::{Access, Route};
use crate::fault::Fault;
use crate::json::field::Flag;
use crate::operation::Verb::{Delete, List, Read, Write};
use crate::outcome::Outcome;
use crate::record::{decode, encode};
use crate::request::Call;
use crate::settings::leases::{RULES, Rule};
use crate::vault::Services;
use cofferdam_barrier::{Batch, Revision};
use serde::{Deserialize, Serialize};

pub(super) const ALL: Route<System> =
    Route::new("quotas/lease-count", &[(List, |e, _| Box::pin(list(e)))]).access(Access::Sudo);
pub(super) const ONE: Route<System> = Route::new(
    "quotas/lease-count/:name",
    &[
        (Read, |e, c| Box::pin(read(e, c))),
        (Write, |e, c| Box::pin(write(e, c))),
        (Delete, |e, c| Box::pin(delete(e, c))),
    ],
)
.takes::<Wanted>()
.access(Access::Sudo);

async fn list(engine: &System) -> Result<Outcome, Fault> {
    let tables = tables(engine).await?;
    let names: Vec<String> = tables.settings().leases().0.keys().cloned().collect();
    Outcome::keys(&names)
}

async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        inheritable: bool,
        max_leases: u64,
        name: &'a str,
        path: &'a str,
        role: &'a str,
        r#type: &'static str,
    }
    let tables = tables(engine).await?;
    let name = call.capture("name");
    let rule = tables.settings().leases().0.get(name);
    let rule = rule.ok_or_else(Fault::missing)?;
    Outcome::data(&Shape {
        inheritable: rule.inheritable,
        max_leases: rule.max_leases,
        name,
        path: &rule.path,
        role: &rule.role,
        r#type: "lease-count",
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    max_leases: Option<Number>,
    path: Option<String>,
    role: Option<String>,
    inheritable: Option<Flag>,
}

/// A number, or one in text, as Vault's client sends it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u64> {
        let number = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
        };
        number.filter(|number| *number > 0)
    }
}

async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let name = call.capture("name");
    let max_leases = wanted.max_leases.as_ref().and_then(Number::value);
    let max_leases = max_leases.ok_or_else(|| Fault::invalid("'max_leases' is invalid"))?;
    let tables = tables(engine).await?;
    let role = wanted.role.unwrap_or_default();
    let path = place(&tables, wanted.path.as_deref().unwrap_or_default(), &role)?;
    let inheritable = wanted.inheritable.map(|inheritable| inheritable.0);
    if inheritable == Some(true) && !path.is_empty() {
        return Err(Fault::invalid(
            "'inheritable' can only be true where the path is a namespace's: the empty one",
        ));
    }
    let rules = &tables.settings().leases().0;
    let about_the_same = |rule: &Rule| rule.path == path && rule.role == role;
    if rules
        .iter()
        .any(|(other, rule)| other != name && about_the_same(rule))
    {
        return Err(Fault::invalid(
            "a quota rule with similar properties exists under another name",
        ));
    }
    if rules.len() >= MOST && !rules.contains_key(name) {
        return Err(Fault::invalid("at most 1024 limits are kept"));
    }
    let before = rules.get(name);
    let kept = before.filter(|rule| about_the_same(rule));
    let rule = Rule {
        id: match kept {
            Some(rule) => rule.id.clone(),
            None => uuid::Uuid::new_v4().simple().to_string(),
        },
        inheritable: inheritable.unwrap_or(path.is_empty()),
        path,
        role,
        max_leases,
    };
    let services = engine.services()?;
    let gone = before.filter(|before| before.id != rule.id);
    let put = || Ok(Batch::new().put(format!("{RULES}{name}"), encode(&rule)?));
    change(&services, put, gone).await?;
    Ok(Outcome::Done)
}

async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let tables = tables(engine).await?;
    let name = call.capture("name");
    let services = engine.services()?;
    let gone = tables.settings().leases().0.get(name);
    let delete = || Ok(Batch::new().delete(format!("{RULES}{name}")));
    change(&services, delete, gone).await?;
    Ok(Outcome::Done)
}

/// Where it is noted that tokens are to be counted: with the transaction that changes a limit, until
/// it is done. Who dies in between is replaced by whoever looks next.
const TO_COUNT: &str = "core/lease-count/to-count";
/// Attempts to change a limit beside other writers.
const ROUNDS: u32 = 32;

/// What is left to do.
#[derive(Default, Serialize, Deserialize)]
struct ToCount {
    /// Counters that nobody counts against any more.
    gone: Vec<String>,
}

async fn noted(services: &Services) -> Result<Option<(ToCount, Revision)>, Fault> {
    let Some(found) = services.barrier().get(TO_COUNT).await? else {
        return Ok(None);
    };
    Ok(Some((decode(&found.value)?, found.revision)))
}

/// Changes a limit, and counts by what there is then.
async fn change(
    services: &Services,
    batch: impl Fn() -> Result<Batch, Fault>,
    gone: Option<&Rule>,
) -> Result<(), Fault> {
    for _ in 0..ROUNDS {
        let (left, revision) = noted(services).await?.unzip();
        let mut left = left.unwrap_or_default();
        left.gone.extend(gone.map(|rule| rule.id.clone()));
        let batch = batch()?
            .expect(TO_COUNT, revision)
            .put(TO_COUNT, encode(&left)?);
        if commit(services, batch).await? {
            return resume(services).await;
        }
    }
    Err(Fault::unavailable(
        "limits have too many writers; try again",
        "lost every race",
    ))
}

/// Counts what a change of limits left to count, if there is any; whoever did it at the same time did
/// no harm.
///
/// # Errors
/// When the store fails; what is left to do stays noted.
pub(crate) async fn resume(services: &Services) -> Result<(), Fault> {
    let Some((left, revision)) = noted(services).await? else {
        return Ok(());
    };
    count(services).await?;
    for id in &left.gone {
        services.tokens.uncounted(id).await?;
    }
    let done = Batch::new().expect_at(TO_COUNT, revision).delete(TO_COUNT);
    // Where a limit changed meanwhile, whoever changed it counts once more.
    services.barrier().commit(done).await?.ignore();
    Ok(())
}

/// Counts what is there by the limits as they are now.
async fn count(services: &Services) -> Result<(), Fault> {
    let tables = services.registry.fresh().await?;
    let leases = tables.settings().leases();
    services
        .tokens
        .recount(|entry| {
            let role = Some(entry.role.as_str()).filter(|role| !role.is_empty());
            let rule = leases.narrowest(&entry.path, role)?;
            Some(rule.id.clone())
        })
        .await
}
