//! `sys/policy` and `sys/policies/acl`: the same policies in Vault's old and new shapes.
//!
//! Every change is a version. A writer may name the one it has seen (`cas`), and a policy may demand
//! it (`cas_required`) and end by itself (`ttl`, `expiration`): OpenBao's fields, which Vault lacks.

use super::System;
use crate::clock::Time;
use crate::fault::Fault;
use crate::json::field::{Flag, Moment, Ttl, Whole};
use crate::outcome::Outcome;
use crate::path::Name;
use crate::policy::Policy;
use crate::registry::{About, Change, Kept};
use crate::request::Call;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest policy text.
const LONGEST: usize = 1 << 20;

pub(super) async fn list_old(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        keys: Vec<String>,
        policies: Vec<String>,
    }
    let names = names(engine).await?;
    Outcome::data(&Shape {
        keys: names.clone(),
        policies: names,
    })
}

pub(super) async fn list(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    Outcome::keys(&names(engine).await?)
}

pub(super) async fn names(engine: &System) -> Result<Vec<String>, Fault> {
    let mut names = engine.services()?.registry.fresh().await?.policy_names();
    names.retain(|name| name != "response-wrapping");
    Ok(names)
}

/// What is told of a policy: in the new shape its text is `policy`, in the old one `rules`.
#[derive(Serialize)]
pub(super) struct Shape<'a> {
    allow_slashes_in_identity_templates: bool,
    allow_wildcards_in_identity_templates: bool,
    cas_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Arc<str>>,
    version: u64,
}

impl<'a> Shape<'a> {
    /// The new shape. The root policy has no text.
    pub(super) fn of(name: &'a str, kept: Option<&Kept>) -> Self {
        let about = kept.map(|kept| kept.about).unwrap_or_default();
        Self {
            // A value in a template stands for one whole segment, whatever is in it.
            allow_slashes_in_identity_templates: false,
            allow_wildcards_in_identity_templates: false,
            cas_required: about.cas_required,
            expiration: about.expiration.map(Time::rfc3339),
            modified: about.modified.map(Time::rfc3339),
            name,
            policy: Some(kept.map_or_else(|| "".into(), |kept| kept.text.clone())),
            rules: None,
            version: about.version,
        }
    }

    fn old(mut self) -> Self {
        self.rules = self.policy.take();
        self
    }
}

pub(super) async fn read_old(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (name, kept) = found(engine, &call).await?;
    Outcome::data(&Shape::of(&name, kept.as_ref()).old())
}

pub(super) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (name, kept) = found(engine, &call).await?;
    Outcome::data(&Shape::of(&name, kept.as_ref()))
}

async fn found(engine: &System, call: &Call<'_>) -> Result<(String, Option<Kept>), Fault> {
    let name = name(call)?;
    if name == Name::ROOT {
        return Ok((name, None));
    }
    let tables = engine.services()?.registry.fresh().await?;
    let kept = tables.policy(&name).ok_or_else(Fault::missing)?;
    Ok((name, Some(kept.clone())))
}

/// The one spelling of a policy's name: lower case, ASCII.
fn name(call: &Call<'_>) -> Result<String, Fault> {
    if call.capture("name") == Name::ROOT {
        return Ok(Name::ROOT.to_owned());
    }
    let name = Name::policy(call.capture("name"));
    let name = name
        .map_err(|_| Fault::invalid("a policy name has letters, digits, '-', '_' and '.' only"))?;
    Ok(name.as_str().to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    policy: Option<String>,
    rules: Option<String>,
    cas: Option<Whole>,
    cas_required: Option<Flag>,
    ttl: Option<Ttl>,
    expiration: Option<Moment>,
    allow_slashes_in_identity_templates: Flag,
    allow_wildcards_in_identity_templates: Flag,
}

impl Wanted {
    /// The text, checked; `None` where none was sent.
    fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        let sent = [&self.policy, &self.rules];
        let Some(text) = sent.into_iter().flatten().find(|text| !text.is_empty()) else {
            return match sent.into_iter().flatten().next() {
                Some(_) => Err(empty()),
                None => Ok(None),
            };
        };
        let text = decoded(text.clone());
        if text.len() > LONGEST {
            return Err(Fault::too_large("field policy: at most 1 MiB"));
        }
        Policy::parse(name, &text)
            .map_err(|error| Fault::invalid(format!("failed to parse policy: {error}")))?;
        Ok(Some(text))
    }

    /// When it is to end, where that was said.
    fn end(&self, now: Time) -> Result<Option<Time>, Fault> {
        let end = match (self.ttl, self.expiration) {
            (None, None) => return Ok(None),
            (Some(Ttl(ttl)), None) => now.after(ttl),
            (None, Some(Moment(end))) => end,
            (Some(_), Some(_)) => {
                return Err(Fault::invalid(
                    "cannot supply both 'expiration' and 'ttl' for policies",
                ));
            }
        };
        if end <= now {
            return Err(Fault::invalid(
                "refusing to update policy as expiration time has already elapsed",
            ));
        }
        Ok(Some(end))
    }

    /// Whether what is there is what the writer has seen. -1: there was nothing.
    fn check_cas(&self, standing: Option<About>) -> Result<(), Fault> {
        let version = standing.map_or(0, |about| about.version);
        match self.cas {
            None => Ok(()),
            Some(Whole(-1)) if standing.is_none() => Ok(()),
            Some(Whole(-1)) => Err(Fault::invalid(
                "check-and-set parameter set to -1 on existing entry",
            )),
            Some(Whole(cas)) if u64::try_from(cas) == Ok(version) => Ok(()),
            Some(Whole(cas)) => Err(Fault::invalid(format!(
                "check-and-set parameter {cas} did not match the current version {version}"
            ))),
        }
    }

    fn refuse_what_widens(&self) -> Result<(), Fault> {
        if self.allow_slashes_in_identity_templates.0
            || self.allow_wildcards_in_identity_templates.0
        {
            return Err(Fault::unsupported(
                "what a template stands for is one segment, and no part of a pattern",
            ));
        }
        Ok(())
    }
}

fn empty() -> Fault {
    Fault::invalid("'policy' parameter not supplied or empty")
}

fn may_change(name: &str) -> Result<(), Fault> {
    match name {
        "root" | "response-wrapping" => Err(Fault::invalid("cannot update a built-in policy")),
        _ => Ok(()),
    }
}

pub(super) async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    may_change(&name)?;
    let wanted: Wanted = call.body.parse()?;
    wanted.refuse_what_widens()?;
    let text = wanted.text(&name)?.ok_or_else(empty)?;
    let expiration = wanted.end(call.now)?;
    let cas_required = wanted.cas_required.is_some_and(|flag| flag.0);
    let change = |standing: Option<(&str, About)>| {
        let standing = standing.map(|(_, about)| about);
        let required = cas_required || standing.is_some_and(|about| about.cas_required);
        if required && wanted.cas.is_none() {
            return Err(Fault::invalid(
                "check-and-set parameter required for this call",
            ));
        }
        wanted.check_cas(standing)?;
        Ok(Some(Change {
            text: text.clone(),
            cas_required,
            expiration,
        }))
    };
    let registry = &engine.services()?.registry;
    registry.put_policy(&name, call.now, change).await?;
    Ok(Outcome::Done)
}

/// Changes what is named and leaves the rest, so that it needs no version.
pub(super) async fn patch(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    may_change(&name)?;
    let wanted: Wanted = call.body.parse()?;
    wanted.refuse_what_widens()?;
    let text = wanted.text(&name)?;
    let expiration = wanted.end(call.now)?;
    let change = |standing: Option<(&str, About)>| {
        let (before, about) = standing.ok_or_else(|| Fault::invalid("policy not found"))?;
        wanted.check_cas(Some(about))?;
        Ok(Some(Change {
            text: text.clone().unwrap_or_else(|| before.to_owned()),
            cas_required: wanted
                .cas_required
                .map_or(about.cas_required, |flag| flag.0),
            expiration: expiration.or(about.expiration),
        }))
    };
    let registry = &engine.services()?.registry;
    registry.put_policy(&name, call.now, change).await?;
    Ok(Outcome::Done)
}

/// Vault takes the text as it is or in base64.
fn decoded(text: String) -> String {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or(text)
}

pub(super) async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    if matches!(name.as_str(), "root" | "default" | "response-wrapping") {
        return Err(Fault::invalid("cannot delete a built-in policy"));
    }
    let registry = &engine.services()?.registry;
    registry.put_policy(&name, call.now, |_| Ok(None)).await?;
    Ok(Outcome::Done)
}
