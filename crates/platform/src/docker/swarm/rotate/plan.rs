//! What a rotation would do: read from the cluster and the store, with nothing changed in either.

use super::super::Error;
use super::super::api::Object;
use super::super::labels::{ROTATION, Rotation, Source, Stored};
use super::super::movement::{self, Step};
use super::super::spec;
use super::super::stored::Shelf;
use super::{Rotate, object_change, version_change};

/// What a rotation of a name would do, as far as it is known before it does.
pub struct Plan {
    /// The name that was asked for.
    pub name: String,
    /// What happens to the value, in words.
    pub value: String,
    /// The services, in order.
    pub steps: Vec<Step>,
    /// Jobs that use it and get the new value when they run again.
    pub jobs: Vec<String>,
    /// Whether an earlier run is continued.
    pub resumes: bool,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Stored {
        object: Object,
        stored: Stored,
        rotation: Rotation,
        write: bool,
    },
    Plain {
        base: String,
        old: Vec<Object>,
        next: Next,
    },
    /// Marks of a run that ended between its last two steps.
    Leftover { object: Object },
}

pub(super) enum Next {
    Make(String),
    Made(Object),
}

impl Rotate<'_> {
    /// Looks at everything and changes nothing.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn plan(&self, name: &str, has_value: bool) -> Result<Plan, Error> {
        let secrets = self.swarm.secrets().await?;
        let exact = secrets.iter().find(|secret| secret.name == name);
        if let Some(object) = exact.filter(|secret| secret.driver.is_some()) {
            return self.plan_stored(object.clone(), has_value).await;
        }
        let base = base(name);
        let mut family: Vec<Object> = secrets
            .into_iter()
            .filter(|secret| secret.driver.is_none() && generation(&secret.name, base).is_some())
            .collect();
        family.sort_by_key(|secret| generation(&secret.name, base));
        if family.is_empty() {
            return Err(Error::NoSecret(name.to_owned()));
        }
        self.plan_plain(base, family, has_value).await
    }

    async fn plan_stored(&self, object: Object, has_value: bool) -> Result<Plan, Error> {
        let unclear = |source| Error::Labels {
            name: object.name.clone(),
            source,
        };
        let Source::Stored(stored) = Source::of(&object.name, &object.labels).map_err(unclear)?
        else {
            let reason = format!(
                "{} is issued to each task anew: a new task has a new value",
                object.name
            );
            return Err(Error::NotRotatable(reason));
        };
        let shelf = Shelf::find(self.client, stored.clone()).await?;
        let newest = shelf.newest().await?;
        let under_way = Rotation::of(&object.labels).map_err(unclear)?;
        if under_way.is_none() && !has_value && self.has_leftovers(&object.name).await? {
            return Ok(leftover(object));
        }
        let (rotation, write) = match under_way {
            Some(rotation) => (rotation, newest < rotation.new),
            None => {
                let new = if has_value { newest + 1 } else { newest };
                let old = match stored.reference.version() {
                    Some(pinned) => Some(pinned),
                    None => shelf.before(new).await?,
                };
                let path = shelf.path().to_owned();
                let old = old.filter(|old| *old < new);
                let old = old.ok_or(Error::NothingBefore { path })?;
                (Rotation { old, new }, has_value)
            }
        };
        if has_value && !write {
            return Err(Error::UnderWay(object.name));
        }
        let change = version_change(&object, rotation.new);
        let steps = movement::steps(self.swarm, &change, &self.options).await?;
        let jobs = movement::jobs(self.swarm, std::slice::from_ref(&object)).await?;
        let said = if write { "written" } else { "stored already" };
        let Rotation { old, new } = rotation;
        Ok(Plan {
            name: object.name.clone(),
            value: format!("{}: version {old} to version {new} ({said})", shelf.path()),
            steps,
            jobs,
            resumes: under_way.is_some(),
            kind: Kind::Stored {
                object,
                stored,
                rotation,
                write,
            },
        })
    }

    async fn has_leftovers(&self, secret: &str) -> Result<bool, Error> {
        let services = self.swarm.services().await?;
        let mut services = services.iter();
        Ok(services.any(|service| spec::is_marked(&service.spec, secret)))
    }

    async fn plan_plain(
        &self,
        base: &str,
        mut family: Vec<Object>,
        has_value: bool,
    ) -> Result<Plan, Error> {
        let marked = |secret: &Object| secret.labels.contains_key(ROTATION);
        let made = family.iter().position(marked).map(|at| family.remove(at));
        let resumes = made.is_some();
        if resumes && has_value {
            return Err(Error::UnderWay(base.to_owned()));
        }
        if !resumes && !has_value {
            return Err(Error::NoValue(base.to_owned()));
        }
        let next = match made {
            Some(object) => Next::Made(object),
            None => {
                let newest = family.last().and_then(|last| generation(&last.name, base));
                Next::Make(format!("{base}.v{}", newest.unwrap_or(1) + 1))
            }
        };
        let name = match &next {
            Next::Make(name) => name.clone(),
            Next::Made(object) => object.name.clone(),
        };
        let id = match &next {
            Next::Make(_) => String::new(),
            Next::Made(object) => object.id.clone(),
        };
        let change = object_change(base, &id, &name, &family);
        let steps = movement::steps(self.swarm, &change, &self.options).await?;
        let jobs = movement::jobs(self.swarm, &family).await?;
        let from = family.iter().map(|old| old.name.as_str());
        let from = from.collect::<Vec<_>>().join(", ");
        Ok(Plan {
            name: base.to_owned(),
            value: format!("{from} to {name}, under the same file name"),
            steps,
            jobs,
            resumes,
            kind: Kind::Plain {
                base: base.to_owned(),
                old: family,
                next,
            },
        })
    }
}

fn leftover(object: Object) -> Plan {
    Plan {
        name: object.name.clone(),
        value: "the marks of an earlier run are removed".to_owned(),
        steps: Vec::new(),
        jobs: Vec::new(),
        resumes: true,
        kind: Kind::Leftover { object },
    }
}

/// `db` of `db` and of `db.v3`.
fn base(name: &str) -> &str {
    match name.rsplit_once(".v") {
        Some((base, number)) if !base.is_empty() && is_number(number) => base,
        _ => name,
    }
}

/// Which of a family: `db` is the first, `db.v3` the third.
fn generation(name: &str, base: &str) -> Option<u64> {
    match name.strip_prefix(base)? {
        "" => Some(1),
        rest => {
            let number = rest.strip_prefix(".v").filter(|number| is_number(number))?;
            number.parse().ok()
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
