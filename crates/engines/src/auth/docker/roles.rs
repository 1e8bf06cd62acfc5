//! `role`, `role/NAME`: making, changing, showing, listing and removing roles.

use super::Docker;
use super::role::{Bounds, Role};
use crate::auth::roles::{self, Changed, Roles};
use crate::auth::token;
use crate::contest::Contests;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Pairs, Words};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) const LIST: Route<Docker> = Route::new("role", &[(Verb::List, roles::list)]);

pub(super) const ROUTE: Route<Docker> = Route::new(
    "role/~name",
    &[
        (Verb::Read, roles::read),
        (Verb::Write, roles::write),
        (Verb::Delete, roles::delete),
    ],
)
.takes::<Change>()
.takes::<token::Change>()
.creating(roles::exists);

#[derive(Deserialize)]
struct Change {
    bound_image_ids: Option<Words>,
    bound_image_digests: Option<Words>,
    bound_labels: Option<Pairs>,
    bound_compose_projects: Option<Words>,
    bound_compose_services: Option<Words>,
    bound_swarm_services: Option<Words>,
    bound_hosts: Option<Words>,
}

impl Change {
    fn apply(&self, bounds: &mut Bounds) {
        let lists = [
            (&self.bound_image_ids, &mut bounds.image_ids),
            (&self.bound_image_digests, &mut bounds.image_digests),
            (&self.bound_compose_projects, &mut bounds.compose_projects),
            (&self.bound_compose_services, &mut bounds.compose_services),
            (&self.bound_swarm_services, &mut bounds.swarm_services),
            (&self.bound_hosts, &mut bounds.hosts),
        ];
        for (from, to) in lists {
            if let Some(Words(words)) = from {
                to.clone_from(words);
            }
        }
        if let Some(Pairs(labels)) = &self.bound_labels {
            bounds.labels.clone_from(labels);
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    bound_compose_projects: &'a [String],
    bound_compose_services: &'a [String],
    bound_hosts: &'a [String],
    bound_image_digests: &'a [String],
    bound_image_ids: &'a [String],
    bound_labels: &'a BTreeMap<String, String>,
    bound_swarm_services: &'a [String],
    #[serde(flatten)]
    token: token::Shown<'a>,
}

impl<'a> From<&'a Role> for Shown<'a> {
    fn from(role: &'a Role) -> Self {
        let bounds = &role.bounds;
        Self {
            bound_compose_projects: &bounds.compose_projects,
            bound_compose_services: &bounds.compose_services,
            bound_hosts: &bounds.hosts,
            bound_image_digests: &bounds.image_digests,
            bound_image_ids: &bounds.image_ids,
            bound_labels: &bounds.labels,
            bound_swarm_services: &bounds.swarm_services,
            token: (&role.token).into(),
        }
    }
}

impl Roles for Docker {
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
            change.apply(&mut role.bounds);
            let warnings = role.token.apply(call.body, call.mount)?;
            role.check()?;
            Ok((role, warnings))
        })
    }

    fn shown(role: &Role) -> Result<Outcome, Fault> {
        Outcome::data(&Shown::from(role))
    }
}
