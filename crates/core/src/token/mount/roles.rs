//! `auth/token/roles`, `auth/token/roles/NAME`, as Vault's.

use super::role::{self, Role};
use crate::fault::Fault;
use crate::json::field::{Count, Flag, Ttl, Words};
use crate::operation::Operation;
use crate::outcome::Outcome;
use crate::path::Name;
use crate::request::Call;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Rounds of the compare with the store.
const ROUNDS: u32 = 64;

/// The name in the path, as it is written: names of roles are case sensitive, as in Vault.
pub(super) fn name(call: &Call<'_>) -> Result<String, Fault> {
    let name = Name::parse(call.capture("role"));
    let name = name.map_err(|_| {
        Fault::invalid("the name of a role has letters, digits, '-', '_' and '.' only")
    })?;
    Ok(name.as_str().to_owned())
}

pub(super) async fn exists(call: &Call<'_>) -> Result<bool, Fault> {
    Ok(role::load(call.view, &name(call)?).await?.is_some())
}

pub(super) async fn list(call: Call<'_>) -> Result<Outcome, Fault> {
    Outcome::keys(&call.view.list("role/", None, usize::MAX).await?.names)
}

#[derive(Deserialize)]
pub(super) struct Change {
    allowed_policies: Option<Words>,
    allowed_policies_glob: Option<Words>,
    disallowed_policies: Option<Words>,
    disallowed_policies_glob: Option<Words>,
    allowed_entity_aliases: Option<Words>,
    orphan: Option<Flag>,
    renewable: Option<Flag>,
    path_suffix: Option<String>,
    period: Option<Ttl>,
    token_period: Option<Ttl>,
    explicit_max_ttl: Option<Ttl>,
    token_explicit_max_ttl: Option<Ttl>,
    bound_cidrs: Option<Words>,
    token_bound_cidrs: Option<Words>,
    token_num_uses: Option<Count>,
    token_no_default_policy: Option<Flag>,
    token_type: Option<String>,
}

impl Change {
    fn apply(&self, role: &mut Role) -> Result<(), Fault> {
        if let Some(Words(words)) = &self.allowed_entity_aliases {
            let mut globs: Vec<_> = words.iter().map(|word| word.to_lowercase()).collect();
            globs.sort_unstable();
            globs.dedup();
            role.entity_aliases = Some(globs);
        }
        self.policies(role)?;
        if let Some(Flag(orphan)) = self.orphan {
            role.orphan = orphan;
        }
        if let Some(Flag(renewable)) = self.renewable {
            role.renewable = renewable;
        }
        if let Some(Flag(none)) = self.token_no_default_policy {
            role.no_default_policy = none;
        }
        if let Some(span) = self.token_period.or(self.period) {
            role.period = span.seconds();
        }
        if let Some(span) = self.token_explicit_max_ttl.or(self.explicit_max_ttl) {
            role.explicit_max_ttl = span.seconds();
        }
        if let Some(Words(ranges)) = self
            .token_bound_cidrs
            .as_ref()
            .or(self.bound_cidrs.as_ref())
        {
            role.bound_cidrs = ranges
                .iter()
                .map(|text| range(text))
                .collect::<Result<_, _>>()?;
        }
        if let Some(Count(uses)) = self.token_num_uses {
            role.num_uses =
                u32::try_from(uses).map_err(|_| Fault::invalid("token_num_uses: too large"))?;
        }
        if let Some(suffix) = &self.path_suffix {
            role.path_suffix = checked_suffix(suffix)?;
        }
        if let Some(kind) = self.token_type.as_deref() {
            (role.service, role.batch) = match kind {
                "" | "default" | "default-service" => (false, false),
                "service" => (true, false),
                "default-batch" => (false, true),
                "batch" => (true, true),
                _ => return Err(Fault::invalid("invalid 'token_type' value")),
            };
        }
        possible(role)
    }

    fn policies(&self, role: &mut Role) -> Result<(), Fault> {
        let named = |from: &Option<Words>, to: &mut Vec<String>, one: fn(&str) -> _| {
            if let Some(Words(words)) = from {
                *to = words
                    .iter()
                    .map(|word| one(word))
                    .collect::<Result<_, Fault>>()?;
                to.sort_unstable();
                to.dedup();
            }
            Ok::<(), Fault>(())
        };
        named(&self.allowed_policies, &mut role.allowed, policy)?;
        named(&self.disallowed_policies, &mut role.disallowed, any_policy)?;
        named(&self.allowed_policies_glob, &mut role.allowed_glob, glob)?;
        named(
            &self.disallowed_policies_glob,
            &mut role.disallowed_glob,
            glob,
        )
    }
}

/// Refuses a role whose batch tokens would lack what else it says of them.
fn possible(role: &Role) -> Result<(), Fault> {
    let cannot = |what: &str| {
        Err(Fault::invalid(format!(
            "'token_type' cannot be 'batch' when role is set to generate {what}"
        )))
    };
    match role {
        role if !role.service || !role.batch => Ok(()),
        role if !role.orphan => cannot("non-orphan tokens"),
        role if role.period > 0 => cannot("periodic tokens"),
        role if role.renewable => cannot("renewable tokens"),
        role if role.explicit_max_ttl > 0 => cannot("tokens with an explicit max TTL"),
        role if role.num_uses > 0 => cannot("tokens with limited use count"),
        _ => Ok(()),
    }
}

/// The root policy, too: it may be among those that are not handed out.
fn any_policy(text: &str) -> Result<String, Fault> {
    match text.eq_ignore_ascii_case(Name::ROOT) {
        true => Ok(Name::ROOT.to_owned()),
        false => policy(text),
    }
}

fn policy(text: &str) -> Result<String, Fault> {
    let name = Name::policy(text)
        .map_err(|error| Fault::invalid(format!("a policy of the role: {error}")))?;
    Ok(name.as_str().to_owned())
}

/// A glob over names: what stands between the stars must be a piece of one.
fn glob(text: &str) -> Result<String, Fault> {
    let piece = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*');
    if text.is_empty() || text.len() > 255 || !text.chars().all(piece) {
        return Err(Fault::invalid(
            "a glob over policies has letters, digits, '-', '_', '.' and '*' only",
        ));
    }
    Ok(text.to_ascii_lowercase())
}

fn range(text: &str) -> Result<IpNet, Fault> {
    let address = |text: &str| {
        text.parse::<IpAddr>()
            .map(|address| IpNet::from(address.to_canonical()))
    };
    text.parse::<IpNet>()
        .or_else(|_| address(text))
        .map_err(|_| Fault::invalid("token_bound_cidrs: expected addresses or CIDR blocks"))
}

fn checked_suffix(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let name = Name::parse(text)
        .map_err(|_| Fault::invalid("given role path suffix contains invalid characters"))?;
    Ok(name.as_str().to_owned())
}

pub(super) async fn write(call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    let change: Change = call.body.parse()?;
    for _ in 0..ROUNDS {
        let before = role::load(call.view, &name).await?;
        // Policy allowed an update only: what was there a moment ago must not be made anew.
        if before.is_none() && call.operation == Operation::Update {
            return Err(Fault::unsupported("unsupported path"));
        }
        let revision = before.as_ref().map(|before| before.revision);
        let mut role = before.map_or_else(|| Role::new(name.clone()), |before| before.role);
        change.apply(&mut role)?;
        let longest = call.mount.max_ttl().as_secs();
        if role.period > longest {
            return Err(Fault::invalid(
                "period: longer than the mount's maximum lease TTL",
            ));
        }
        if role::save(call.view, &name, revision, Some(&role)).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(busy())
}

fn busy() -> Fault {
    Fault::unavailable(
        "too many writers of the same role; try again",
        "lost every round of a contest",
    )
}

pub(super) async fn delete(call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    for _ in 0..ROUNDS {
        let Some(found) = role::load(call.view, &name).await? else {
            return Ok(Outcome::Done);
        };
        if role::save(call.view, &name, Some(found.revision), None).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(busy())
}

#[derive(Serialize)]
struct Shown<'a> {
    allowed_entity_aliases: Option<&'a [String]>,
    allowed_policies: &'a [String],
    allowed_policies_glob: &'a [String],
    disallowed_policies: &'a [String],
    disallowed_policies_glob: &'a [String],
    explicit_max_ttl: u64,
    name: &'a str,
    orphan: bool,
    path_suffix: &'a str,
    period: u64,
    renewable: bool,
    #[serde(skip_serializing_if = "<[IpNet]>::is_empty")]
    token_bound_cidrs: &'a [IpNet],
    token_explicit_max_ttl: u64,
    token_no_default_policy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_num_uses: Option<u32>,
    token_period: u64,
    token_type: &'static str,
}

pub(super) async fn read(call: Call<'_>) -> Result<Outcome, Fault> {
    let found = role::load(call.view, &name(&call)?).await?;
    let role = found.ok_or_else(Fault::missing)?.role;
    Outcome::data(&Shown {
        allowed_entity_aliases: role.entity_aliases.as_deref(),
        allowed_policies: &role.allowed,
        allowed_policies_glob: &role.allowed_glob,
        disallowed_policies: &role.disallowed,
        disallowed_policies_glob: &role.disallowed_glob,
        explicit_max_ttl: role.explicit_max_ttl,
        name: &role.name,
        orphan: role.orphan,
        path_suffix: &role.path_suffix,
        period: role.period,
        renewable: role.renewable,
        token_bound_cidrs: &role.bound_cidrs,
        token_explicit_max_ttl: role.explicit_max_ttl,
        token_no_default_policy: role.no_default_policy,
        token_num_uses: (role.num_uses > 0).then_some(role.num_uses),
        token_period: role.period,
        token_type: match (role.service, role.batch) {
            (true, true) => "batch",
            (true, false) => "service",
            (false, true) => "default-batch",
            (false, false) => "default-service",
        },
    })
}
