//! `swarm rotate`: a secret's new value, brought to every service that uses it.
//!
//! **A store-backed secret** keeps its name and its object. Before anything is written it is told
//! both versions ([`Rotation`]): from then on tasks get the old one, unless their service has been
//! moved. Then the new version is written, the services are moved one by one, and the label goes.
//! Where a service fails, all go back, and the old value is written once more as the newest
//! version, so that everybody else who reads the path has what the tasks have.
//!
//! **A plain secret** cannot change in Swarm: a second object `NAME.v2` takes its place under the
//! same file name, and the old one is removed when no service uses it.
//!
//! Run again after an interruption, it goes on from what the labels say.

mod objects;
mod plan;
mod versions;

pub use plan::Plan;

use super::api::{Object, Swarm};
use super::movement::{self, Event, Failed, Options, Report};
use super::spec::{Change, Target};
use super::stored::Shelf;
use super::{Error, MAX_SIZE};
use cofferdam_api::Client;
use cofferdam_secret::Secret;
use plan::{Kind, Next};

/// What is to be rotated, and how.
pub struct Rotate<'r> {
    /// A manager.
    pub swarm: &'r Swarm,
    /// The server, with the right to write the path.
    pub client: &'r Client,
    /// How services are moved.
    pub options: Options,
    /// Whether a plain secret's old object stays.
    pub keep_old: bool,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Every task runs the new value.
    Rotated,
    /// Every task runs the old value, as was asked.
    TakenBack,
    /// There was nothing to do but to clear up after an earlier run.
    Cleared,
}

impl Rotate<'_> {
    /// Carries a plan out. `value` is the new value where the plan writes one.
    ///
    /// # Errors
    /// [`Error::RolledBack`] when every task has the old value again, [`Error::Stuck`] when hands
    /// are needed.
    pub async fn run(
        &self,
        plan: Plan,
        value: Option<&Secret<Vec<u8>>>,
        report: Report<'_>,
    ) -> Result<Done, Error> {
        if let Some(value) = value {
            require_size(value)?;
        }
        match plan.kind {
            Kind::Stored {
                object,
                stored,
                rotation,
                write,
            } => {
                let shelf = Shelf::find(self.client, stored).await?;
                let object = self
                    .begin(&shelf, object, rotation, write.then_some(value), report)
                    .await?;
                let Some(object) = object else {
                    return Ok(Done::Cleared);
                };
                let change = version_change(&object, rotation.new);
                match self.advance(&change, report).await? {
                    None => self.finish_stored(&object, rotation, report).await,
                    Some(failed) => {
                        let left = self
                            .undo_stored(&shelf, &object, rotation, &change, report)
                            .await?;
                        Err(rolled_back(failed, left))
                    }
                }
            }
            Kind::Plain { base, old, next } => {
                let new = match next {
                    Next::Made(object) => object,
                    Next::Make(name) => {
                        let value = value.ok_or_else(|| Error::NoValue(base.clone()))?;
                        self.make_plain(&name, old.last(), value, report).await?
                    }
                };
                let change = object_change(&base, &new.id, &new.name, &old);
                match self.advance(&change, report).await? {
                    None => self.finish_plain(&base, &new, &old, report).await,
                    Some(failed) => {
                        self.undo_plain(&base, &new, &change, report).await?;
                        Err(rolled_back(failed, None))
                    }
                }
            }
            Kind::Leftover { object } => {
                self.settle(&object.name, report).await?;
                Ok(Done::Cleared)
            }
        }
    }

    /// Takes a rotation that is under way back.
    ///
    /// # Errors
    /// [`Error::NotUnderWay`], [`Error::Stuck`].
    pub async fn abort(&self, plan: Plan, report: Report<'_>) -> Result<Done, Error> {
        if !plan.resumes {
            return Err(Error::NotUnderWay(plan.name));
        }
        match plan.kind {
            Kind::Stored {
                object,
                stored,
                rotation,
                ..
            } => {
                let shelf = Shelf::find(self.client, stored).await?;
                let change = version_change(&object, rotation.new);
                let left = self
                    .undo_stored(&shelf, &object, rotation, &change, report)
                    .await?;
                if let Some(left) = left {
                    report(Event::Did(left));
                }
            }
            Kind::Plain { base, old, next } => {
                let Next::Made(new) = next else {
                    return Err(Error::NotUnderWay(base));
                };
                let change = object_change(&base, &new.id, &new.name, &old);
                self.undo_plain(&base, &new, &change, report).await?;
            }
            Kind::Leftover { object } => self.settle(&object.name, report).await?,
        }
        Ok(Done::TakenBack)
    }

    async fn advance(&self, change: &Change, report: Report<'_>) -> Result<Option<Failed>, Error> {
        // Looked up again: what has begun to use it meanwhile is moved too.
        let steps = movement::steps(self.swarm, change, &self.options).await?;
        movement::advance(self.swarm, change, &steps, &self.options, report).await
    }

    async fn retreat(&self, change: &Change, report: Report<'_>) -> Result<(), Error> {
        let steps = movement::steps(self.swarm, change, &self.options).await?;
        movement::retreat(self.swarm, change, &steps, &self.options, report).await
    }

    async fn settle(&self, secret: &str, report: Report<'_>) -> Result<(), Error> {
        let settled = movement::settle(self.swarm, secret).await?;
        if !settled.is_empty() {
            let names = settled.join(", ");
            report(Event::Did(format!("update settings as before: {names}")));
        }
        Ok(())
    }
}

/// Removes secrets that no service uses; one that is used stays and is named.
pub(super) async fn remove_unused(
    swarm: &Swarm,
    old: &[Object],
    report: Report<'_>,
) -> Result<(), Error> {
    for object in old {
        let services = swarm.services().await?;
        let user = services
            .iter()
            .find(|service| super::spec::uses(&service.spec, &object.id));
        if let Some(user) = user {
            let (name, user) = (&object.name, &user.name);
            report(Event::Did(format!("{name}: kept, {user} uses it")));
            continue;
        }
        swarm.remove(&object.id).await?;
        report(Event::Did(format!("{}: removed", object.name)));
    }
    Ok(())
}

pub(super) fn require_size(value: &Secret<Vec<u8>>) -> Result<(), Error> {
    if (1..=MAX_SIZE).contains(&value.len()) {
        Ok(())
    } else {
        Err(Error::Size(value.len()))
    }
}

pub(super) fn object_change(secret: &str, id: &str, name: &str, old: &[Object]) -> Change {
    let replaces = old.iter().map(|old| (old.id.clone(), old.name.clone()));
    Change {
        secret: secret.to_owned(),
        to: Target::Object {
            id: id.to_owned(),
            name: name.to_owned(),
            replaces: replaces.collect(),
        },
    }
}

fn version_change(object: &Object, new: u64) -> Change {
    Change {
        secret: object.name.clone(),
        to: Target::Version {
            id: object.id.clone(),
            new,
        },
    }
}

fn rolled_back(failed: Failed, left: Option<String>) -> Error {
    Error::RolledBack {
        service: failed.service,
        reason: failed.reason,
        left,
    }
}
