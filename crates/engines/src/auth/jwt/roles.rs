//! `role`, `role/NAME`: making, changing, showing, listing and removing roles.

use super::Jwt;
use super::role::{Role, Sort};
use crate::auth::roles::{self, Changed, Roles};
use crate::auth::{old_names, token};
use crate::contest::Contests;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Flag, Pairs, SignedTtl, Ttl, Words};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const LIST: Route<Jwt> = Route::new("role", &[(Verb::List, roles::list)]);

pub(super) const ROUTE: Route<Jwt> = Route::new(
    "role/~name",
    &[
        (Verb::Read, roles::read),
        (Verb::Write, roles::write),
        (Verb::Delete, roles::delete),
    ],
)
.takes::<Change>()
.takes::<token::Change>()
.takes::<old_names::Change>()
.creating(roles::exists);

/// Metadata that the method writes itself.
const RESERVED: &str = "role";

#[derive(Deserialize)]
struct Change {
    role_type: Option<String>,
    expiration_leeway: Option<SignedTtl>,
    not_before_leeway: Option<SignedTtl>,
    clock_skew_leeway: Option<SignedTtl>,
    bound_audiences: Option<Words>,
    bound_subject: Option<String>,
    bound_claims_type: Option<String>,
    bound_claims: Option<Map<String, Value>>,
    claim_mappings: Option<Pairs>,
    user_claim: Option<String>,
    user_claim_json_pointer: Option<Flag>,
    groups_claim: Option<String>,
    oidc_scopes: Option<Words>,
    allowed_redirect_uris: Option<Words>,
    max_age: Option<Ttl>,
    callback_mode: Option<String>,
    oauth2_metadata: Option<Words>,
    verbose_oidc_logging: Option<Flag>,
    token_policies_template_claims: Option<Flag>,
}

impl Change {
    /// What Vault has and this method has not: said, and not half done.
    fn check_served(&self) -> Result<(), Fault> {
        let refuse = |text: &'static str| Err(Fault::invalid(text));
        match self.callback_mode.as_deref() {
            None | Some("" | "client") => {}
            Some("direct" | "device") => return refuse("callback_mode: only client is served"),
            Some(_) => return refuse("invalid 'callback_mode'"),
        }
        if self
            .oauth2_metadata
            .as_ref()
            .is_some_and(|names| !names.0.is_empty())
        {
            return refuse("oauth2_metadata: tokens of the provider are not written into metadata");
        }
        if self.verbose_oidc_logging == Some(Flag(true)) {
            return refuse("verbose_oidc_logging: tokens and claims are not written into logs");
        }
        if self.token_policies_template_claims == Some(Flag(true)) {
            return refuse(
                "token_policies_template_claims: a claim is never part of a policy's name",
            );
        }
        Ok(())
    }

    fn apply(&self, role: &mut Role) -> Result<(), Fault> {
        // What is not said here is set back, as in Vault.
        role.sort = match self.role_type.as_deref() {
            Some("jwt") => Sort::Jwt,
            None | Some("" | "oidc") => Sort::Oidc,
            Some(_) => return Err(Fault::invalid("invalid 'role_type'")),
        };
        role.globs = match self.bound_claims_type.as_deref() {
            None | Some("string") => false,
            Some("glob") => true,
            Some(_) => return Err(Fault::invalid("invalid 'bound_claims_type'")),
        };
        let leeways = [
            (self.expiration_leeway, &mut role.expiration_leeway),
            (self.not_before_leeway, &mut role.not_before_leeway),
            (self.clock_skew_leeway, &mut role.clock_skew_leeway),
        ];
        for (from, to) in leeways {
            if let Some(span) = from {
                let seconds = i64::try_from(span.length.as_secs()).unwrap_or(i64::MAX);
                *to = if span.negative { -seconds } else { seconds };
            }
        }
        let lists = [
            (&self.bound_audiences, &mut role.bound_audiences),
            (&self.oidc_scopes, &mut role.oidc_scopes),
            (&self.allowed_redirect_uris, &mut role.allowed_redirect_uris),
        ];
        for (from, to) in lists {
            if let Some(Words(words)) = from {
                *to = Some(words.clone());
            }
        }
        let texts = [
            (&self.bound_subject, &mut role.bound_subject),
            (&self.user_claim, &mut role.user_claim),
            (&self.groups_claim, &mut role.groups_claim),
        ];
        for (from, to) in texts {
            if let Some(text) = from {
                to.clone_from(text);
            }
        }
        if let Some(Flag(pointer)) = self.user_claim_json_pointer {
            role.user_claim_json_pointer = pointer;
        }
        if let Some(age) = self.max_age {
            role.max_age = age.seconds();
        }
        self.apply_claims(role)
    }

    fn apply_claims(&self, role: &mut Role) -> Result<(), Fault> {
        if let Some(bound) = &self.bound_claims {
            role.bound_claims = Some(bound.clone());
        }
        // Also when only the type changed: a number would match no token any more.
        check_bound(role.bound_claims.as_ref(), role.globs)?;
        if let Some(Pairs(mappings)) = &self.claim_mappings {
            if mappings.values().any(|target| target == RESERVED) {
                return Err(Fault::invalid(
                    "metadata key \"role\" is reserved and may not be a mapping destination",
                ));
            }
            let targets: BTreeSet<_> = mappings.values().collect();
            if targets.len() < mappings.len() {
                return Err(Fault::invalid(
                    "multiple keys are mapped to the same metadata key",
                ));
            }
            role.claim_mappings = Some(mappings.clone());
        }
        Ok(())
    }
}

/// Values that a claim can be compared with: texts, numbers, switches and lists of them; of patterns,
/// texts only.
fn check_bound(bound: Option<&Map<String, Value>>, globs: bool) -> Result<(), Fault> {
    let scalar = |value: &Value| match value {
        Value::String(_) => true,
        Value::Bool(_) | Value::Number(_) => !globs,
        _ => false,
    };
    let fits = |value: &Value| match value {
        Value::Array(list) => list.iter().all(scalar),
        single => scalar(single),
    };
    if bound.is_none_or(|bound| bound.values().all(fits)) {
        return Ok(());
    }
    Err(Fault::invalid(match globs {
        true => "bound_claims: a claim is not a string or a list of strings",
        false => "bound_claims: a claim is not a string, number, bool or list of them",
    }))
}

#[derive(Serialize)]
struct Shown<'a> {
    allowed_redirect_uris: Option<&'a [String]>,
    bound_audiences: Option<&'a [String]>,
    bound_claims: Option<&'a Map<String, Value>>,
    bound_claims_type: &'static str,
    bound_subject: &'a str,
    callback_mode: &'static str,
    claim_mappings: Option<&'a BTreeMap<String, String>>,
    clock_skew_leeway: i64,
    expiration_leeway: i64,
    groups_claim: &'a str,
    max_age: u64,
    not_before_leeway: i64,
    oauth2_metadata: Option<()>,
    oidc_disable_confirmation: bool,
    oidc_scopes: Option<&'a [String]>,
    role_type: &'static str,
    token_policies_template_claims: bool,
    user_claim: &'a str,
    user_claim_json_pointer: bool,
    verbose_oidc_logging: bool,
    #[serde(flatten)]
    token: token::Shown<'a>,
    #[serde(flatten)]
    old: old_names::Shown<'a>,
}

impl<'a> From<&'a Role> for Shown<'a> {
    fn from(role: &'a Role) -> Self {
        Self {
            allowed_redirect_uris: role.allowed_redirect_uris.as_deref(),
            bound_audiences: role.bound_audiences.as_deref(),
            bound_claims: role.bound_claims.as_ref(),
            bound_claims_type: if role.globs { "glob" } else { "string" },
            bound_subject: &role.bound_subject,
            callback_mode: "client",
            claim_mappings: role.claim_mappings.as_ref(),
            clock_skew_leeway: role.clock_skew_leeway,
            expiration_leeway: role.expiration_leeway,
            groups_claim: &role.groups_claim,
            max_age: role.max_age,
            not_before_leeway: role.not_before_leeway,
            oauth2_metadata: None,
            oidc_disable_confirmation: false,
            oidc_scopes: role.oidc_scopes.as_deref(),
            role_type: match role.sort {
                Sort::Jwt => "jwt",
                Sort::Oidc => "oidc",
            },
            token_policies_template_claims: false,
            user_claim: &role.user_claim,
            user_claim_json_pointer: role.user_claim_json_pointer,
            verbose_oidc_logging: false,
            token: (&role.token).into(),
            old: role.old.shown(&role.token),
        }
    }
}

impl Roles for Jwt {
    type Role = Role;

    fn contests(&self) -> &Contests {
        &self.contests
    }

    fn changed<'a>(
        &'a self,
        call: &'a Call<'_>,
        name: &'a str,
        before: Option<Role>,
    ) -> Pending<'a, Changed<Role>> {
        Box::pin(async move {
            let change: Change = call.body.parse()?;
            change.check_served()?;
            let mut role = before.unwrap_or_default();
            name.clone_into(&mut role.name);
            change.apply(&mut role)?;
            role.old.apply(call.body, &mut role.token)?;
            let warnings = role.token.apply(call.body, call.mount)?;
            role.check()?;
            Ok((role, warnings))
        })
    }

    fn shown(role: &Role) -> Result<Outcome, Fault> {
        Outcome::data(&Shown::from(role))
    }
}
