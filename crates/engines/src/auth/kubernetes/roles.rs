//! `role`, `role/NAME`: making, changing, showing, listing and removing roles.

use super::Kubernetes;
use super::role::{Role, Source};
use crate::auth::roles::{self, Changed, Roles};
use crate::auth::{old_names, token};
use crate::contest::Contests;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::Words;
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};

pub(super) const LIST: Route<Kubernetes> = Route::new("role", &[(Verb::List, roles::list)]);

pub(super) const ROUTE: Route<Kubernetes> = Route::new(
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

#[derive(Deserialize)]
struct Change {
    bound_service_account_names: Option<Words>,
    bound_service_account_namespaces: Option<Words>,
    bound_service_account_namespace_selector: Option<String>,
    audience: Option<String>,
    alias_name_source: Option<String>,
}

impl Change {
    fn apply(&self, role: &mut Role) -> Result<(), Fault> {
        let selector = self.bound_service_account_namespace_selector.as_deref();
        if !selector.unwrap_or_default().is_empty() {
            return Err(Fault::invalid(
                "bound_service_account_namespace_selector: not served; name the namespaces, with * where it helps",
            ));
        }
        let lists = [
            (&self.bound_service_account_names, &mut role.names),
            (&self.bound_service_account_namespaces, &mut role.namespaces),
        ];
        for (from, to) in lists {
            if let Some(Words(words)) = from {
                to.clone_from(words);
            }
        }
        if let Some(audience) = &self.audience {
            role.audience.clone_from(audience);
        }
        match self.alias_name_source.as_deref() {
            None => {}
            Some("" | "serviceaccount_uid") => role.alias = Source::Uid,
            Some("serviceaccount_name") => role.alias = Source::Name,
            Some(_) => {
                return Err(Fault::invalid(
                    "invalid alias_name_source, must be one of: serviceaccount_uid, serviceaccount_name",
                ));
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    alias_name_source: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    audience: &'a str,
    bound_service_account_names: &'a [String],
    bound_service_account_namespace_selector: &'static str,
    bound_service_account_namespaces: &'a [String],
    #[serde(flatten)]
    token: token::Shown<'a>,
    #[serde(flatten)]
    old: old_names::Shown<'a>,
}

impl<'a> From<&'a Role> for Shown<'a> {
    fn from(role: &'a Role) -> Self {
        Self {
            alias_name_source: role.alias.name(),
            audience: &role.audience,
            bound_service_account_names: &role.names,
            bound_service_account_namespace_selector: "",
            bound_service_account_namespaces: &role.namespaces,
            token: (&role.token).into(),
            old: role.old.shown(&role.token),
        }
    }
}

impl Roles for Kubernetes {
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
            let mut role = before.unwrap_or_default();
            name.clone_into(&mut role.name);
            role.old.apply(call.body, &mut role.token)?;
            let warnings = role.token.apply(call.body, call.mount)?;
            change.apply(&mut role)?;
            role.check()?;
            Ok((role, warnings))
        })
    }

    fn shown(role: &Role) -> Result<Outcome, Fault> {
        Outcome::data(&Shown::from(role))
    }
}
