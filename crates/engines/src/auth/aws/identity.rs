//! `config/identity`: what somebody is called beyond this method, and what is told of them.

use super::Aws;
use super::answer::Caller;
use super::role::Role;
use crate::auth::role::{self, Stored, save};
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::json::field::Words;
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) const ROUTE: Route<Aws> = Route::new(
    "config/identity",
    &[(Verb::Read, read), (Verb::Write, write)],
)
.takes::<Change>();

const KEY: &str = "config/identity";

/// What an alias is named after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// The role that was logged in with: one entity for all of them.
    #[default]
    RoleId,
    /// AWS' own id of the user or role.
    UniqueId,
    /// The ARN without path and session.
    CanonicalArn,
    /// The whole ARN, with the session of a role that was taken on.
    FullArn,
}

/// What can be told of a caller; the first two are where nothing is said.
const FIELDS: [&str; 5] = [
    "account_id",
    "auth_type",
    "canonical_arn",
    "client_arn",
    "client_user_id",
];
const USUAL: [&str; 2] = ["account_id", "auth_type"];
/// Vault's, of instances that are inferred: nobody is.
const INFERRED: [&str; 3] = [
    "inferred_aws_region",
    "inferred_entity_id",
    "inferred_entity_type",
];
/// What Vault shows of EC2 where nothing was set.
const EC2_ALIAS: &str = "role_id";

#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    alias: Source,
    metadata: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            alias: Source::default(),
            metadata: USUAL.map(str::to_owned).into(),
        }
    }
}

impl Config {
    /// The name of a caller's alias.
    pub(super) fn alias(&self, role: &Role, caller: &Caller) -> String {
        match self.alias {
            Source::RoleId => role.id.clone(),
            Source::UniqueId => caller.unique_id.clone(),
            Source::CanonicalArn => caller.principal.canonical(),
            Source::FullArn => caller.arn.clone(),
        }
    }

    /// What is told of a caller, with the alias and with the token.
    pub(super) fn metadata(&self, caller: &Caller) -> BTreeMap<String, String> {
        let told = |name: &String| {
            let text = match name.as_str() {
                "account_id" => caller.principal.account.clone(),
                "auth_type" => super::role::TYPE.to_owned(),
                "canonical_arn" => caller.principal.canonical(),
                "client_arn" => caller.arn.clone(),
                "client_user_id" => caller.unique_id.clone(),
                _ => return None,
            };
            Some((name.clone(), text))
        };
        self.metadata.iter().filter_map(told).collect()
    }
}

pub(super) async fn load(view: &View) -> Result<Config, Fault> {
    let stored = role::load(view, KEY).await?;
    Ok(stored.map(|stored| stored.record).unwrap_or_default())
}

#[derive(Deserialize)]
struct Change {
    iam_alias: Option<String>,
    iam_metadata: Option<Words>,
    ec2_alias: Option<String>,
    ec2_metadata: Option<Words>,
}

/// The fields that a list names; `default` stands for the usual ones.
fn fields(words: &[String]) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for word in words {
        match word.as_str() {
            "default" => found.extend(USUAL.map(str::to_owned)),
            name if FIELDS.contains(&name) => found.push(word.clone()),
            name if INFERRED.contains(&name) => {
                return Err(Fault::invalid(
                    "iam_metadata: inferred entities are not served",
                ));
            }
            _ => {
                return Err(Fault::invalid(format!(
                    "iam_metadata: expected default or some of {}",
                    FIELDS.join(", ")
                )));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

impl Change {
    fn apply(&self, to: &mut Config) -> Result<(), Fault> {
        if let Some(alias) = &self.iam_alias {
            let read = serde_json::from_value(serde_json::Value::String(alias.clone()));
            to.alias = read.map_err(|_| {
                Fault::invalid(
                    "iam_alias: expected one of role_id, unique_id, canonical_arn, full_arn",
                )
            })?;
        }
        if let Some(Words(words)) = &self.iam_metadata {
            to.metadata = fields(words)?;
        }
        let other_alias = self
            .ec2_alias
            .as_ref()
            .is_some_and(|alias| alias != EC2_ALIAS);
        let usual = |words: &Words| fields(&words.0).is_ok_and(|found| found == USUAL);
        let other_metadata = self
            .ec2_metadata
            .as_ref()
            .is_some_and(|words| !usual(words));
        match other_alias || other_metadata {
            true => Err(Fault::invalid(
                "not served: ec2_alias, ec2_metadata: EC2 instances do not log in here",
            )),
            false => Ok(()),
        }
    }
}

fn write<'a>(method: &'a Aws, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let change: Change = call.body.parse()?;
        let mut contest = method.contests.enter(call.view.prefix(), KEY);
        loop {
            let (before, revision) = Stored::apart(role::load::<Config>(call.view, KEY).await?);
            let mut config = before.unwrap_or_default();
            change.apply(&mut config)?;
            if save(call.view, KEY, revision, &config).await? {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    ec2_alias: &'static str,
    ec2_metadata: [&'static str; 2],
    iam_alias: Source,
    iam_metadata: &'a [String],
}

fn read<'a>(_: &'a Aws, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let config = load(call.view).await?;
        Outcome::data(&Shown {
            ec2_alias: EC2_ALIAS,
            ec2_metadata: USUAL,
            iam_alias: config.alias,
            iam_metadata: &config.metadata,
        })
    })
}
