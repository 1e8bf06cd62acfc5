//! `role`, `role/NAME`: making, changing, showing, listing and removing roles.

use super::role::{Role, TYPE};
use super::{Aws, config};
use crate::auth::roles::{self, Changed, Roles};
use crate::auth::{old_names, token};
use crate::contest::Contests;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Flag, Words};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};

pub(super) const LIST: Route<Aws> = Route::new("role", &[(Verb::List, roles::list)]);
/// An older name, which clients still use.
pub(super) const LIST_OLD: Route<Aws> = Route::new("roles", &[(Verb::List, roles::list)]);

pub(super) const ROUTE: Route<Aws> = Route::new(
    "role/~name",
    &[
        (Verb::Read, roles::read),
        (Verb::Write, roles::write),
        (Verb::Delete, roles::delete),
    ],
)
.takes::<Unserved>()
.takes::<Change>()
.takes::<token::Change>()
.takes::<old_names::Change>()
.captures(&[("name", "role")])
.creating(roles::exists);

#[derive(Deserialize)]
struct Change {
    auth_type: Option<String>,
    bound_iam_principal_arn: Option<Words>,
    resolve_aws_unique_ids: Option<Flag>,
}

/// What is of EC2, or of instances that are inferred: taken where it says nothing.
#[derive(Deserialize)]
struct Unserved {
    inferred_entity_type: Option<String>,
    inferred_aws_region: Option<String>,
    role_tag: Option<String>,
    bound_account_id: Option<Words>,
    bound_ami_id: Option<Words>,
    bound_ec2_instance_id: Option<Words>,
    bound_iam_instance_profile_arn: Option<Words>,
    bound_iam_role_arn: Option<Words>,
    bound_region: Option<Words>,
    bound_subnet_id: Option<Words>,
    bound_vpc_id: Option<Words>,
    allow_instance_migration: Option<Flag>,
    disallow_reauthentication: Option<Flag>,
}

impl Unserved {
    fn refuse(&self) -> Result<(), Fault> {
        let text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let words = |words: &Option<Words>| words.as_ref().is_some_and(|list| !list.0.is_empty());
        let flag = |flag: &Option<Flag>| flag.is_some_and(|Flag(set)| set);
        let said = [
            (text(&self.inferred_entity_type), "inferred_entity_type"),
            (text(&self.inferred_aws_region), "inferred_aws_region"),
            (text(&self.role_tag), "role_tag"),
            (words(&self.bound_account_id), "bound_account_id"),
            (words(&self.bound_ami_id), "bound_ami_id"),
            (words(&self.bound_ec2_instance_id), "bound_ec2_instance_id"),
            (
                words(&self.bound_iam_instance_profile_arn),
                "bound_iam_instance_profile_arn",
            ),
            (words(&self.bound_iam_role_arn), "bound_iam_role_arn"),
            (words(&self.bound_region), "bound_region"),
            (words(&self.bound_subnet_id), "bound_subnet_id"),
            (words(&self.bound_vpc_id), "bound_vpc_id"),
            (
                flag(&self.allow_instance_migration),
                "allow_instance_migration",
            ),
            (
                flag(&self.disallow_reauthentication),
                "disallow_reauthentication",
            ),
        ];
        match said.iter().find(|(said, _)| *said) {
            Some((_, field)) => Err(Fault::invalid(format!(
                "not served: {field}: EC2 instances neither log in nor are inferred here; name their IAM role in \
                 bound_iam_principal_arn"
            ))),
            None => Ok(()),
        }
    }
}

impl Change {
    /// Whether ids have to be asked for.
    fn apply(&self, role: &mut Role) -> Result<bool, Fault> {
        match self.auth_type.as_deref() {
            None | Some(TYPE) => {}
            Some("ec2") => {
                return Err(Fault::invalid(
                    "not served: auth_type=ec2: let the instance log in with its IAM role (auth_type=iam)",
                ));
            }
            Some(_) => return Err(Fault::invalid("auth_type: expected iam")),
        }
        let resolved = role.resolves && !role.ids.is_empty();
        if let Some(Flag(wanted)) = self.resolve_aws_unique_ids {
            if !role.id.is_empty() && role.resolves && !wanted {
                return Err(Fault::invalid(
                    "changing resolve_aws_unique_ids from true to false is not allowed",
                ));
            }
            role.resolves = wanted;
        }
        if let Some(Words(words)) = &self.bound_iam_principal_arn {
            role.arns.clone_from(words);
            role.ids.clear();
        }
        let named = self.bound_iam_principal_arn.is_some();
        Ok(role.resolves && (named || !resolved))
    }
}

const NONE: [&str; 0] = [];

#[derive(Serialize)]
struct Shown<'a> {
    allow_instance_migration: bool,
    auth_type: &'static str,
    bound_account_id: [&'static str; 0],
    bound_ami_id: [&'static str; 0],
    bound_ec2_instance_id: [&'static str; 0],
    bound_iam_instance_profile_arn: [&'static str; 0],
    bound_iam_principal_arn: &'a [String],
    bound_iam_principal_id: &'a [String],
    bound_iam_role_arn: [&'static str; 0],
    bound_region: [&'static str; 0],
    bound_subnet_id: [&'static str; 0],
    bound_vpc_id: [&'static str; 0],
    disallow_reauthentication: bool,
    inferred_aws_region: &'static str,
    inferred_entity_type: &'static str,
    resolve_aws_unique_ids: bool,
    role_id: &'a str,
    role_tag: &'static str,
    #[serde(flatten)]
    token: token::Shown<'a>,
    #[serde(flatten)]
    old: old_names::Shown<'a>,
}

impl<'a> From<&'a Role> for Shown<'a> {
    fn from(role: &'a Role) -> Self {
        Self {
            allow_instance_migration: false,
            auth_type: TYPE,
            bound_account_id: NONE,
            bound_ami_id: NONE,
            bound_ec2_instance_id: NONE,
            bound_iam_instance_profile_arn: NONE,
            bound_iam_principal_arn: &role.arns,
            bound_iam_principal_id: &role.ids,
            bound_iam_role_arn: NONE,
            bound_region: NONE,
            bound_subnet_id: NONE,
            bound_vpc_id: NONE,
            disallow_reauthentication: false,
            inferred_aws_region: "",
            inferred_entity_type: "",
            resolve_aws_unique_ids: role.resolves,
            role_id: &role.id,
            role_tag: "",
            token: (&role.token).into(),
            old: role.old.shown(&role.token),
        }
    }
}

impl Roles for Aws {
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
            call.body.parse::<Unserved>()?.refuse()?;
            let change: Change = call.body.parse()?;
            let mut role = before.unwrap_or_default();
            let asks = change.apply(&mut role)?;
            if role.id.is_empty() {
                role.id = uuid::Uuid::new_v4().to_string();
            }
            name.clone_into(&mut role.name);
            role.old.apply(call.body, &mut role.token)?;
            let warnings = role.token.apply(call.body, call.mount)?;
            role.bounds()?;
            if asks {
                let config = config::load(call.view).await?;
                role.resolve(&self.line, &config).await?;
            }
            Ok((role, warnings))
        })
    }

    fn shown(role: &Role) -> Result<Outcome, Fault> {
        Outcome::data(&Shown::from(role))
    }
}
