//! `auth/token/create`, `create-orphan` and `create/ROLE`.

use super::role::{self, Role};
use super::{Tokens, roles};
use crate::fault::Fault;
use crate::identity;
use crate::json::field::{Count, Flag, Pairs, Ttl, Words};
use crate::outcome::Outcome;
use crate::path::{Name, Path};
use crate::policy::Verdict;
use crate::request::{Call, Caller};
use crate::token::lifetime::{Limits, grant};
use crate::token::{Entry, NewToken, Purpose};
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    id: Option<Secret<String>>,
    policies: Option<Words>,
    meta: Pairs,
    metadata: Pairs,
    no_parent: Flag,
    no_default_policy: Flag,
    ttl: Ttl,
    lease: Ttl,
    explicit_max_ttl: Ttl,
    period: Ttl,
    display_name: String,
    num_uses: Count,
    renewable: Option<Flag>,
    r#type: String,
    entity_alias: String,
}

pub(super) async fn create(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    make(engine, &call, false, None).await
}

pub(super) async fn create_by_role(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let found = role::load(call.view, &roles::name(&call)?).await?;
    let found = found.ok_or_else(|| Fault::invalid("unknown role"))?;
    make(engine, &call, found.role.orphan, Some(&found.role)).await
}

pub(super) async fn create_orphan(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    make(engine, &call, true, None).await
}

async fn make(
    engine: &Tokens,
    call: &Call<'_>,
    orphan: bool,
    role: Option<&Role>,
) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let mut wanted: Wanted = call.body.parse()?;
    let parent = parent(call)?;
    let powerful = has_sudo(&services, call, parent.as_deref()).await?;
    let alias = entity_alias(&wanted, role)?;
    if parent.as_ref().is_some_and(|parent| parent.is_batch()) {
        return Err(Fault::invalid("batch tokens cannot create more tokens"));
    }
    let batch = is_batch(&wanted, role)?;
    if parent.as_ref().is_some_and(|parent| parent.num_uses > 0) {
        return Err(Fault::invalid(
            "restricted use token cannot generate child tokens",
        ));
    }
    let root_caller = parent.as_ref().is_none_or(|parent| parent.is_root());
    if wanted.id.is_some() && !root_caller {
        return Err(Fault::invalid(
            "root or sudo privileges required to specify token id",
        ));
    }
    if wanted.no_parent.0 && !powerful {
        return Err(Fault::invalid(
            "root or sudo privileges required to create orphan token",
        ));
    }
    if !wanted.period.is_zero() && !powerful {
        return Err(Fault::invalid(
            "root or sudo privileges required to create periodic token",
        ));
    }
    let mut warnings = Vec::new();
    if let Some(role) = role {
        wanted.no_default_policy.0 |= role.no_default_policy;
    }
    let holder = Holder {
        parent: parent.as_deref(),
        powerful,
        root: root_caller,
    };
    let policies = policies(&wanted, &holder, role)?;
    for missing in services.registry.fresh().await?.unknown(&policies) {
        warnings.push(format!("Policy \"{missing}\" does not exist"));
    }
    let mut wanted = wanted;
    if let Some(role) = role {
        role_limits(role, &mut wanted);
    }
    if batch {
        possible_for_batch(&wanted, &policies)?;
    }
    // Where it may be used from is inherited, unless a role decides: else a child would be a way
    // around its parent's bounds.
    let inherited = parent.as_ref().map(|parent| parent.bound_cidrs.clone());
    let mut new = describe(
        call,
        wanted,
        policies,
        parent.filter(|_| !orphan),
        &mut warnings,
    )?;
    new.bound_cidrs = inherited.unwrap_or_default();
    if batch {
        new.purpose = Purpose::Batch;
        new.renewable = false;
    }
    if let Some(role) = role {
        new.bound_cidrs.clone_from(&role.bound_cidrs);
        new.renewable &= role.renewable;
        new.binding.insert(ROLE.to_owned(), role.name.clone());
        if !role.path_suffix.is_empty() {
            new.path = format!("{}/{}", new.path, role.path_suffix);
        }
    }
    if let Some(alias) = alias {
        new.entity_id = of_alias(&services, call, &alias).await?;
    }
    new.counted = services.counted(&new.path, None);
    let issued = services.tokens.create(call.now, new).await?;
    Ok(Outcome::Auth(Box::new(issued), warnings))
}

/// The name of the entity that the token is made for, where the request gives one. The case does not
/// matter, so it is in lower case from here on.
fn entity_alias(wanted: &Wanted, role: Option<&Role>) -> Result<Option<String>, Fault> {
    if wanted.entity_alias.is_empty() {
        return Ok(None);
    }
    let role = role.ok_or_else(|| {
        Fault::invalid("'entity_alias' is only allowed in combination with token role")
    })?;
    let alias = wanted.entity_alias.to_lowercase();
    if role.gives(&alias) {
        Ok(Some(alias))
    } else {
        Err(Fault::invalid("invalid 'entity_alias' value"))
    }
}

/// The entity that has this alias of the token mount, made now if there is none.
async fn of_alias(
    services: &crate::vault::Services,
    call: &Call<'_>,
    alias: &str,
) -> Result<String, Fault> {
    let known = identity::Known {
        accessor: &call.mount.accessor,
        name: alias,
        metadata: &BTreeMap::new(),
        groups: &[],
    };
    let (entity, _) = services.identity.logged_in(known, call.now).await?;
    Ok(entity)
}

/// The token that becomes the parent; the local admin has none, so what it makes is an orphan.
fn parent(call: &Call<'_>) -> Result<Option<Arc<Entry>>, Fault> {
    match call.caller {
        Caller::Token(entry) => Ok(Some(entry.clone())),
        Caller::Local { .. } => Ok(None),
        Caller::Anonymous => Err(Fault::denied()),
    }
}

async fn has_sudo(
    services: &crate::vault::Services,
    call: &Call<'_>,
    parent: Option<&Entry>,
) -> Result<bool, Fault> {
    let Some(parent) = parent else {
        return Ok(true);
    };
    let path = Path::parse(&format!("{}/{}", call.mount.path, call.path.as_str()))
        .map_err(Fault::internal)?;
    let acl = services.registry.fresh().await?.acl(parent);
    let verdict = acl.allows(
        &path,
        call.operation,
        &crate::policy::ParameterFacts::default(),
    );
    Ok(matches!(verdict, Verdict::Allowed { sudo: true }))
}

/// Whether it becomes a batch token: the role decides, or leaves it to the request.
fn is_batch(wanted: &Wanted, role: Option<&Role>) -> Result<bool, Fault> {
    let asked = wanted.r#type.as_str();
    match role {
        Some(role) if role.service || (role.batch && asked.is_empty()) => Ok(role.batch),
        _ => match asked {
            "" | "default" | "service" => Ok(false),
            "batch" => Ok(true),
            _ => Err(Fault::invalid("invalid 'token_type' value")),
        },
    }
}

/// Refuses what only a stored token can have.
fn possible_for_batch(wanted: &Wanted, policies: &[String]) -> Result<(), Fault> {
    let set = [
        ("explicit_max_ttl", !wanted.explicit_max_ttl.is_zero()),
        ("num_uses", wanted.num_uses.0 > 0),
        ("period", !wanted.period.is_zero()),
        ("id", wanted.id.as_ref().is_some_and(|id| !id.is_empty())),
    ];
    if let Some((name, _)) = set.iter().find(|(_, set)| *set) {
        return Err(Fault::invalid(format!(
            "batch tokens cannot have {name:?} set"
        )));
    }
    if policies.iter().any(|policy| policy == "root") {
        return Err(Fault::invalid("batch tokens cannot be root tokens"));
    }
    Ok(())
}

/// Names the role in a token's binding.
pub(super) const ROLE: &str = "token_role";

/// Puts the role's limits in the place of what was asked for, where they are narrower or say more.
fn role_limits(role: &Role, wanted: &mut Wanted) {
    let span = |seconds: u64| Ttl(Duration::from_secs(seconds));
    if role.period > 0 {
        wanted.period = span(role.period);
    }
    if role.explicit_max_ttl > 0 {
        let own = span(role.explicit_max_ttl);
        if wanted.explicit_max_ttl.is_zero() || own.0 < wanted.explicit_max_ttl.0 {
            wanted.explicit_max_ttl = own;
        }
    }
    let uses = u64::from(role.num_uses);
    if uses > 0 && (wanted.num_uses.0 == 0 || uses < wanted.num_uses.0) {
        wanted.num_uses = Count(uses);
    }
}

/// Who asks.
struct Holder<'a> {
    parent: Option<&'a Entry>,
    powerful: bool,
    root: bool,
}

/// The policies of the new token: those asked for, else the role's or the parent's. Without sudo
/// they must be a subset of the parent's, unless a role decides.
fn policies(
    wanted: &Wanted,
    holder: &Holder<'_>,
    role: Option<&Role>,
) -> Result<Vec<String>, Fault> {
    let role = role.filter(|role| role.decides());
    let asked = wanted
        .policies
        .as_ref()
        .map(|words| words.0.as_slice())
        .unwrap_or_default();
    let mut names = Vec::new();
    for text in asked {
        // Only the exact word asks for root; every other spelling of it is refused.
        let name = if text == Name::ROOT {
            Name::root()
        } else {
            policy_name(text)?
        };
        names.push(name.as_str().to_owned());
    }
    if names.is_empty() {
        match (role, holder.parent) {
            // As in OpenBao: where the role limits, it says what there is. A glob names nothing.
            (Some(role), _) if role.limits() => names.clone_from(&role.allowed),
            (_, Some(parent)) => names.clone_from(&parent.policies),
            (_, None) => names.push("root".to_owned()),
        }
    }
    let unwanted = wanted.no_default_policy.0 || role.is_some_and(|role| role.disallows("default"));
    if let Some(role) = role {
        role.judge(&names, !unwanted)?;
    }
    if names.iter().any(|name| name == "root") {
        if !holder.root {
            return Err(Fault::invalid(
                "root tokens may not be created without parent token being root",
            ));
        }
        if names.len() > 1 {
            return Err(Fault::invalid("root tokens may not have other policies"));
        }
        return Ok(names);
    }
    if names.iter().any(|name| name == "response-wrapping") {
        return Err(Fault::invalid("cannot assign policy response-wrapping"));
    }
    let given = |name: &String| {
        let parent = holder.parent;
        parent.is_some_and(|parent| parent.policies.contains(name)) || name == "default"
    };
    if role.is_none() && !holder.powerful && !names.iter().all(given) {
        return Err(Fault::invalid("child policies must be subset of parent"));
    }
    if !unwanted && !names.iter().any(|name| name == "default") {
        names.push("default".to_owned());
    }
    Ok(names)
}

fn policy_name(text: &str) -> Result<Name, Fault> {
    Name::policy(text).map_err(|_| {
        Fault::invalid("field policies: a policy name has letters, digits, '-', '_' and '.' only")
    })
}

fn describe(
    call: &Call<'_>,
    wanted: Wanted,
    policies: Vec<String>,
    parent: Option<Arc<Entry>>,
    warnings: &mut Vec<String>,
) -> Result<NewToken, Fault> {
    let root = policies.iter().any(|policy| policy == "root");
    let asked = [wanted.ttl, wanted.lease]
        .into_iter()
        .find(|ttl| !ttl.is_zero())
        .map(|ttl| ttl.0);
    let explicit = nonzero(wanted.explicit_max_ttl);
    let period = nonzero(wanted.period);
    let limits = Limits {
        asked,
        period,
        explicit_max: explicit,
        mount_default: call.mount.default_ttl(),
        mount_max: call.mount.max_ttl(),
        ..Limits::default()
    };
    let mut granted = grant(call.now, call.now, &limits);
    let endless = root && asked.is_none() && explicit.is_none() && period.is_none();
    if endless {
        granted.warnings.clear();
    }
    warnings.append(&mut granted.warnings);
    let ttl = (!endless).then_some(granted.ttl);
    // A child never outlives its parent: revoking the parent ends it, and so does the parent's end.
    let ttl = match (
        ttl,
        parent
            .as_ref()
            .and_then(|parent| parent.ttl(call.now))
            .filter(|_| !wanted.no_parent.0),
    ) {
        (None, Some(left)) => Some(left),
        (ttl, _) => ttl,
    };
    let name = if wanted.display_name.is_empty() {
        "token".to_owned()
    } else {
        display_name(&wanted.display_name)?
    };
    let mut metadata = wanted.meta.0;
    metadata.extend(wanted.metadata.0);
    // A child is its parent's holder; an orphan is nobody's.
    let entity_id = parent
        .as_ref()
        .filter(|_| !wanted.no_parent.0)
        .map(|parent| parent.entity_id.clone());
    Ok(NewToken {
        entity_id: entity_id.unwrap_or_default(),
        parent: parent.filter(|_| !wanted.no_parent.0),
        policies,
        display_name: name,
        metadata,
        path: format!("{}/{}", call.mount.path, call.path.as_str()),
        mount: call.mount.path.clone(),
        ttl,
        explicit_max_ttl: explicit,
        period,
        renewable: wanted.renewable.is_none_or(|flag| flag.0) && ttl.is_some(),
        num_uses: u32::try_from(wanted.num_uses.0)
            .map_err(|_| Fault::invalid("field num_uses: too large"))?,
        chosen: checked_id(wanted.id)?,
        ..NewToken::default()
    })
}

fn nonzero(ttl: Ttl) -> Option<Duration> {
    (!ttl.is_zero()).then_some(ttl.0)
}

fn display_name(text: &str) -> Result<String, Fault> {
    if text.len() > 256 || text.chars().any(char::is_control) {
        return Err(Fault::invalid(
            "field display_name: at most 256 bytes without control characters",
        ));
    }
    let kept: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect();
    Ok(format!("token-{}", kept.trim_matches('-')))
}

fn checked_id(id: Option<Secret<String>>) -> Result<Option<Secret<String>>, Fault> {
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let text = id.expose();
    if text.starts_with("hvs.")
        || text.starts_with("hvb.")
        || text.starts_with("hvr.")
        || text.starts_with("s.")
    {
        return Err(Fault::invalid(
            "custom token ID cannot have the reserved prefixes hvs., hvb., hvr., s.",
        ));
    }
    let plain = |c: char| c.is_ascii_graphic() && c != '/';
    if text.len() > 256 || !text.chars().all(plain) {
        return Err(Fault::invalid(
            "field id: at most 256 printable ASCII characters without slash",
        ));
    }
    Ok(Some(id))
}
