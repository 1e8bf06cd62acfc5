//! `role/NAME/FIELD`: one setting of a role at a time.
//!
//! Each field is a type with three rules: how it is shown, set and cleared. The handlers are the
//! same for all.

use super::key::Key;
use super::role::{self, Role, Stored};
use super::{AppRole, roles};
use crate::auth::{cidr, token};
use cofferdam_core::engine::{Handler, Pending, Route};
use cofferdam_core::fields::Kind;
use cofferdam_core::json::Data;
use cofferdam_core::json::field::{Count, Flag, Ttl, Words};
use cofferdam_core::json::{FieldError, Raw};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

pub(super) const ROLE_ID: Route<AppRole> = Table::<RoleId>::without_delete("role/~name/role-id");
pub(super) const POLICIES: Route<AppRole> = Table::<Policies>::whole("role/~name/policies");
pub(super) const BIND_SECRET_ID: Route<AppRole> =
    Table::<BindSecretId>::whole("role/~name/bind-secret-id");
pub(super) const SECRET_ID_BOUND_CIDRS: Route<AppRole> =
    Table::<SecretIdBoundCidrs>::whole("role/~name/secret-id-bound-cidrs");
pub(super) const BOUND_CIDR_LIST: Route<AppRole> =
    Table::<BoundCidrList>::whole("role/~name/bound-cidr-list");
pub(super) const SECRET_ID_NUM_USES: Route<AppRole> =
    Table::<SecretIdNumUses>::whole("role/~name/secret-id-num-uses");
pub(super) const SECRET_ID_TTL: Route<AppRole> =
    Table::<SecretIdTtl>::whole("role/~name/secret-id-ttl");
pub(super) const TOKEN_BOUND_CIDRS: Route<AppRole> =
    Table::<TokenBoundCidrs>::whole("role/~name/token-bound-cidrs");
pub(super) const TOKEN_NUM_USES: Route<AppRole> =
    Table::<TokenNumUses>::whole("role/~name/token-num-uses");
pub(super) const TOKEN_TTL: Route<AppRole> = Table::<TokenTtl>::whole("role/~name/token-ttl");
pub(super) const TOKEN_MAX_TTL: Route<AppRole> =
    Table::<TokenMaxTtl>::whole("role/~name/token-max-ttl");
pub(super) const PERIOD: Route<AppRole> = Table::<Period>::whole("role/~name/period");
pub(super) const LOCAL_SECRET_IDS: Route<AppRole> =
    Table::<LocalSecretIds>::read_only("role/~name/local-secret-ids");

/// What a write takes, by names.
type Takes = &'static [(&'static str, Kind)];

/// As Vault calls what the patterns capture.
const ROLE_NAME: &[(&str, &str)] = &[("name", "role_name")];

/// One setting.
trait Field: Send + Sync + 'static {
    /// Vault's name of it in bodies and answers.
    const NAME: &'static str;

    /// What a write takes.
    const TAKES: Takes = &[];

    /// It, as an answer.
    fn show(role: &Role) -> Result<Data, Fault>;

    /// Sets it from the request.
    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault>;

    /// Sets it back to its default.
    fn clear(role: &mut Role);

    /// What is to be said of it.
    fn warnings() -> Vec<String> {
        Vec::new()
    }
}

/// The operations on a field.
struct Table<F>(PhantomData<F>);

impl<F: Field> Table<F> {
    const WHOLE: &'static [(Verb, Handler<AppRole>)] = &[
        (Verb::Read, read::<F>),
        (Verb::Write, write::<F>),
        (Verb::Delete, delete::<F>),
    ];
    const WITHOUT_DELETE: &'static [(Verb, Handler<AppRole>)] =
        &[(Verb::Read, read::<F>), (Verb::Write, write::<F>)];
    const READ_ONLY: &'static [(Verb, Handler<AppRole>)] = &[(Verb::Read, read::<F>)];

    const fn whole(pattern: &'static str) -> Route<AppRole> {
        Route::new(pattern, Self::WHOLE)
            .takes_each(F::TAKES)
            .captures(ROLE_NAME)
    }

    const fn without_delete(pattern: &'static str) -> Route<AppRole> {
        Route::new(pattern, Self::WITHOUT_DELETE)
            .takes_each(F::TAKES)
            .captures(ROLE_NAME)
    }

    const fn read_only(pattern: &'static str) -> Route<AppRole> {
        Route::new(pattern, Self::READ_ONLY).captures(ROLE_NAME)
    }
}

fn read<'a, F: Field>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let stored = roles::called(&call).await?.ok_or_else(Fault::missing)?;
        let shown = Response::of(F::show(&stored.role)?);
        Ok(Outcome::Data(shown.warning(F::warnings())))
    })
}

fn write<'a, F: Field>(method: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let changed = change(method, &call, |role| F::set(role, &call)).await?;
        if changed {
            Ok(Outcome::Done)
        } else {
            Err(Fault::unsupported("unsupported path"))
        }
    })
}

fn delete<'a, F: Field>(method: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let clear = |role: &mut Role| {
            F::clear(role);
            Ok(())
        };
        change(method, &call, clear).await.map(|_| Outcome::Done)
    })
}

/// Changes the role of the called path; `false` when there is none.
async fn change(
    method: &AppRole,
    call: &Call<'_>,
    edit: impl Fn(&mut Role) -> Result<(), Fault> + Send,
) -> Result<bool, Fault> {
    let key = Key::load(call.view).await?;
    let mut contest = method
        .contests
        .enter(call.view.prefix(), &role::name(call.capture("name"))?);
    loop {
        let Some(before) = roles::called(call).await? else {
            return Ok(false);
        };
        let Stored { mut role, .. } = Stored {
            role: before.role.clone(),
            revision: before.revision,
        };
        edit(&mut role)?;
        if role::save(call.view, &key, Some(&before), &role).await? {
            return Ok(true);
        }
        contest.lost().await?;
    }
}

/// `{NAME: VALUE}`.
fn single(name: &str, value: &impl serde::Serialize) -> Result<Data, Fault> {
    Ok(Data::object()
        .value(name, value)
        .map_err(Fault::internal)?
        .finish())
}

/// The field of the body, which must be there.
fn required<T: DeserializeOwned>(call: &Call<'_>, name: &'static str) -> Result<T, Fault> {
    optional(call, name)?.ok_or_else(|| Fault::invalid(format!("missing {name}")))
}

fn optional<T: DeserializeOwned>(call: &Call<'_>, name: &'static str) -> Result<Option<T>, Fault> {
    let named = |error: FieldError| Fault::from(FieldError::new(name, error.problem().clone()));
    call.body
        .raw(name)
        .map(Raw::parse)
        .transpose()
        .map_err(named)
}

struct RoleId;

impl Field for RoleId {
    const NAME: &'static str = "role_id";
    const TAKES: Takes = &[(Self::NAME, Kind::Text)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.role_id)
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        let id: String = required(call, Self::NAME)?;
        if id.is_empty() {
            return Err(Fault::invalid("missing role_id"));
        }
        role.role_id = id;
        Ok(())
    }

    fn clear(_: &mut Role) {}
}

struct Policies;

impl Field for Policies {
    const NAME: &'static str = "token_policies";
    const TAKES: Takes = &[(Self::NAME, Kind::List), ("policies", Kind::List)];

    fn show(role: &Role) -> Result<Data, Fault> {
        let token = &role.token;
        let shown = Data::object()
            .value(Self::NAME, &token.policies)
            .map_err(Fault::internal)?;
        if token.old_policies && !token.policies.is_empty() {
            return Ok(shown
                .value("policies", &token.policies)
                .map_err(Fault::internal)?
                .finish());
        }
        Ok(shown.finish())
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        let old: Option<Words> = optional(call, "policies")?;
        role.token.old_policies = old.is_some();
        let names = optional(call, Self::NAME)?.or(old);
        let Words(names) = names.ok_or_else(|| Fault::invalid("missing token_policies"))?;
        role.token.policies = token::policies(&names)?;
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.token.policies.clear();
    }
}

struct BindSecretId;

impl Field for BindSecretId {
    const NAME: &'static str = "bind_secret_id";
    const TAKES: Takes = &[(Self::NAME, Kind::Boolean)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.bind_secret_id)
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        let Flag(bind) = required(call, Self::NAME)?;
        role.bind_secret_id = bind;
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.bind_secret_id = true;
    }
}

fn set_secret_id_ranges(role: &mut Role, call: &Call<'_>, name: &'static str) -> Result<(), Fault> {
    // Without the field nothing changes, as in Vault.
    let Some(Words(ranges)) = optional(call, name)? else {
        return Ok(());
    };
    if ranges.is_empty() {
        return Err(Fault::invalid("missing bound_cidr_list"));
    }
    role.secret_id_bound_cidrs = cidr::ranges(
        &ranges,
        "failed to validate CIDR blocks: invalid CIDR address",
    )?;
    Ok(())
}

struct SecretIdBoundCidrs;

impl Field for SecretIdBoundCidrs {
    const NAME: &'static str = "secret_id_bound_cidrs";
    const TAKES: Takes = &[(Self::NAME, Kind::List)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &roles::some(&role.secret_id_bound_cidrs))
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        set_secret_id_ranges(role, call, Self::NAME)
    }

    fn clear(role: &mut Role) {
        role.secret_id_bound_cidrs.clear();
    }
}

/// The old name of [`SecretIdBoundCidrs`].
struct BoundCidrList;

impl Field for BoundCidrList {
    const NAME: &'static str = "bound_cidr_list";
    const TAKES: Takes = &[(Self::NAME, Kind::List)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &roles::some(&role.secret_id_bound_cidrs))
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        set_secret_id_ranges(role, call, Self::NAME)
    }

    fn clear(role: &mut Role) {
        SecretIdBoundCidrs::clear(role);
    }

    fn warnings() -> Vec<String> {
        let text = "The \"bound_cidr_list\" field is deprecated and will be removed. \
                    Please use \"secret_id_bound_cidrs\" instead.";
        vec![text.to_owned()]
    }
}

struct SecretIdNumUses;

impl Field for SecretIdNumUses {
    const NAME: &'static str = "secret_id_num_uses";
    const TAKES: Takes = &[(Self::NAME, Kind::Integer)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.secret_id_num_uses)
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        role.secret_id_num_uses = token::uses(required::<Count>(call, Self::NAME)?, Self::NAME)?;
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.secret_id_num_uses = 0;
    }
}

struct SecretIdTtl;

impl Field for SecretIdTtl {
    const NAME: &'static str = "secret_id_ttl";
    const TAKES: Takes = &[(Self::NAME, Kind::Duration)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.secret_id_ttl)
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        role.secret_id_ttl = required::<Ttl>(call, Self::NAME)?.seconds();
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.secret_id_ttl = 0;
    }
}

struct TokenBoundCidrs;

impl Field for TokenBoundCidrs {
    const NAME: &'static str = "token_bound_cidrs";
    const TAKES: Takes = &[(Self::NAME, Kind::List)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(
            Self::NAME,
            &roles::some(&cidr::shown(&role.token.bound_cidrs)),
        )
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        if let Some(Words(ranges)) = optional(call, Self::NAME)? {
            let refusal = "failed to parse token_bound_cidrs: expected addresses or CIDR blocks";
            role.token.bound_cidrs = cidr::ranges_or_addresses(&ranges, refusal)?;
        }
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.token.bound_cidrs.clear();
    }
}

struct TokenNumUses;

impl Field for TokenNumUses {
    const NAME: &'static str = "token_num_uses";
    const TAKES: Takes = &[(Self::NAME, Kind::Integer)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.token.num_uses)
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        role.token.num_uses = token::uses(required::<Count>(call, Self::NAME)?, Self::NAME)?;
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.token.num_uses = 0;
    }
}

struct TokenTtl;

impl Field for TokenTtl {
    const NAME: &'static str = "token_ttl";
    const TAKES: Takes = &[(Self::NAME, Kind::Duration)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.token.ttl)
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        role.token.ttl = required::<Ttl>(call, Self::NAME)?.seconds();
        if role.token.max_ttl > 0 && role.token.ttl > role.token.max_ttl {
            return Err(Fault::invalid(
                "token_ttl should not be greater than token_max_ttl",
            ));
        }
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.token.ttl = 0;
    }
}

struct TokenMaxTtl;

impl Field for TokenMaxTtl {
    const NAME: &'static str = "token_max_ttl";
    const TAKES: Takes = &[(Self::NAME, Kind::Duration)];

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.token.max_ttl)
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        role.token.max_ttl = required::<Ttl>(call, Self::NAME)?.seconds();
        if role.token.max_ttl > 0 && role.token.ttl > role.token.max_ttl {
            return Err(Fault::invalid(
                "token_max_ttl should be greater than or equal to token_ttl",
            ));
        }
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.token.max_ttl = 0;
    }
}

struct Period;

impl Field for Period {
    const NAME: &'static str = "token_period";
    const TAKES: Takes = &[(Self::NAME, Kind::Duration), ("period", Kind::Duration)];

    fn show(role: &Role) -> Result<Data, Fault> {
        let token = &role.token;
        let shown = Data::object()
            .value(Self::NAME, &token.period)
            .map_err(Fault::internal)?;
        if token.old_period && token.period > 0 {
            return Ok(shown
                .value("period", &token.period)
                .map_err(Fault::internal)?
                .finish());
        }
        Ok(shown.finish())
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Fault> {
        let old: Option<Ttl> = optional(call, "period")?;
        role.token.old_period = old.is_some();
        let period = optional::<Ttl>(call, Self::NAME)?
            .or(old)
            .ok_or_else(|| Fault::invalid("missing period"))?;
        token::check_period(period.seconds(), call.mount)?;
        role.token.period = period.seconds();
        Ok(())
    }

    fn clear(role: &mut Role) {
        role.token.period = 0;
    }
}

struct LocalSecretIds;

impl Field for LocalSecretIds {
    const NAME: &'static str = "local_secret_ids";

    fn show(role: &Role) -> Result<Data, Fault> {
        single(Self::NAME, &role.local_secret_ids)
    }

    fn set(_: &mut Role, _: &Call<'_>) -> Result<(), Fault> {
        Err(Fault::unsupported("unsupported operation"))
    }

    fn clear(_: &mut Role) {}
}
