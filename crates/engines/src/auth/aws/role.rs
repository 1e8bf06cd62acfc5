//! A role: which users and roles of AWS it is for, and what their tokens are like.

use super::arn::{Bound, Unfit};
use super::config::Config;
use super::iam;
use super::sts::Line;
use crate::auth::old_names::OldNames;
use crate::auth::token::Settings;
use cofferdam_core::Fault;
use serde::{Deserialize, Serialize};

/// The only type of logins that is served.
pub(super) const TYPE: &str = "iam";

/// A role as it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::auth) struct Role {
    /// Lower case.
    pub(super) name: String,
    /// Its own for ever: one that is made again under the name has another.
    pub(super) id: String,
    /// With patterns.
    pub(super) arns: Vec<String>,
    /// AWS' ids of those ARNs that are no patterns, where they are resolved.
    pub(super) ids: Vec<String>,
    /// Whether an ARN means whoever had it when the role was written.
    pub(super) resolves: bool,
    pub(super) token: Settings,
    pub(super) old: OldNames,
}

impl Default for Role {
    fn default() -> Self {
        Self {
            name: String::new(),
            id: String::new(),
            arns: Vec::new(),
            ids: Vec::new(),
            resolves: true,
            token: Settings::default(),
            old: OldNames::default(),
        }
    }
}

impl Role {
    /// Whom the role is for.
    ///
    /// # Errors
    /// For what admits nobody, or more than an account.
    pub(super) fn bounds(&self) -> Result<Vec<Bound>, Fault> {
        if self.arns.is_empty() {
            return Err(Fault::invalid(
                "at least one bound parameter should be specified on the role",
            ));
        }
        let refuse = |why: Unfit| Fault::invalid(format!("bound_iam_principal_arn: {why}"));
        let read = |text: &String| Bound::parse(text).map_err(refuse);
        let bounds: Vec<Bound> = self.arns.iter().map(read).collect::<Result<_, _>>()?;
        let with_path = |bound: &Bound| match bound {
            Bound::One(principal) => principal.path.as_deref() != Some("/"),
            Bound::Pattern(_) => false,
        };
        if !self.resolves && bounds.iter().any(with_path) {
            return Err(Fault::invalid(
                "bound_iam_principal_arn: with resolve_aws_unique_ids=false an ARN has no path: of a role that was \
                 taken on, AWS does not tell it",
            ));
        }
        Ok(bounds)
    }

    /// Asks IAM for the ids of those that are named.
    pub(super) async fn resolve(&mut self, line: &Line, config: &Config) -> Result<(), Fault> {
        let mut ids = Vec::new();
        for bound in self.bounds()? {
            let Bound::One(principal) = bound else {
                continue;
            };
            let found = iam::resolve(line, config, &principal).await;
            let found = found.map_err(|why| {
                Fault::invalid(format!(
                    "unable to resolve a bound ARN to its internal id: {why}"
                ))
            })?;
            if found.principal.path != principal.path {
                return Err(Fault::invalid(
                    "bound_iam_principal_arn: there is nobody of this name at this path",
                ));
            }
            ids.push(found.unique_id);
        }
        self.ids = ids;
        Ok(())
    }
}
