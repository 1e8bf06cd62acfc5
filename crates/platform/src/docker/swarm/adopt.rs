//! `swarm adopt`: a plain Swarm secret becomes a store-backed one.
//!
//! Swarm never gives a value back. So it is read where a task of this node has it, on the tmpfs
//! that the engine made for the container, or it comes from the caller. Several tasks have to
//! agree. It is written to the store, read back and compared, and only then are the services moved
//! to a new object with our driver, under the same file name, like in a rotation. An object cannot
//! change its name in Swarm: the new one is `NAME.stored`, unless the old one is removed and the
//! name is asked for, which costs the services a second update.

use super::api::{Object, Swarm};
use super::labels::{ADOPTED, ENCODING, FIELD, Labels, OURS, REFERENCE, Source, Stored};
use super::movement::{self, Event, Options, Report, Step};
use super::rotate::{object_change, remove_unused, require_size};
use super::stored::Shelf;
use super::{Error, MAX_SIZE};
use cofferdam_agent::sink::memory;
use cofferdam_api::{Client, Error as ApiError, Reference};
use cofferdam_secret::{Buffer, Secret, constant_time_eq};
use rustix::fs::{Mode, OFlags, open};
use std::io::Read as _;
use std::path::Path;

/// What is to be adopted, and how.
pub struct Adopt<'a> {
    /// A manager.
    pub swarm: &'a Swarm,
    /// The server, with the right to write the path.
    pub client: &'a Client,
    /// How services are moved.
    pub options: Options,
    /// The driver's name.
    pub driver: String,
    /// Where the values go, instead of the place that the driver would look in.
    pub below: Option<String>,
    /// Whether the plain secret is removed at the end.
    pub remove: bool,
    /// Whether the new one gets the old one's name, in a second update.
    pub keep_name: bool,
}

/// What an adoption would do.
pub struct Plan {
    /// The secret.
    pub name: String,
    /// Where its value goes.
    pub path: String,
    /// Where its value comes from, in words.
    pub from: String,
    /// The services, in order.
    pub steps: Vec<Step>,
    /// Jobs that go on with the plain one.
    pub jobs: Vec<String>,
    plain: Option<Object>,
    stored: Option<Object>,
}

impl Adopt<'_> {
    /// The plain secrets that no adoption and no rotation has made.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub async fn candidates(&self) -> Result<Vec<String>, Error> {
        let secrets = self.swarm.secrets().await?;
        let plain = secrets.into_iter().filter(|secret| secret.driver.is_none());
        Ok(plain.map(|secret| secret.name).collect())
    }

    /// Looks at everything and changes nothing.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn plan(&self, name: &str, has_value: bool) -> Result<Plan, Error> {
        let secrets = self.swarm.secrets().await?;
        let named = |name: &str| secrets.iter().find(|secret| secret.name == name).cloned();
        let of = |secret: &Object| secret.labels.get(ADOPTED).is_some_and(|of| of == name);
        let stored = named(&interim(name)).filter(of);
        let plain = match named(name) {
            Some(found) if found.driver.is_none() => Some(found),
            Some(_) if stored.is_none() => return Err(Error::Adopted(name.to_owned())),
            None if stored.is_none() => return Err(Error::NoSecret(name.to_owned())),
            None if !self.keep_name => return Err(Error::Adopted(name.to_owned())),
            _ => None,
        };
        let path = match (&self.below, &plain) {
            (Some(below), _) => format!("{}/{name}", below.trim_matches('/')),
            (None, Some(plain)) => default_path(name, &plain.labels)?,
            (None, None) => String::new(),
        };
        let from = match (&plain, has_value) {
            (None, _) => "the store, where it is already".to_owned(),
            (Some(_), true) => "stdin".to_owned(),
            (Some(plain), false) => match self.holders(plain).await?.len() {
                0 if stored.is_some() => "the store, where it is already".to_owned(),
                0 => return Err(Error::NoTask(name.to_owned())),
                count => format!("{count} running tasks on this node"),
            },
        };
        let old: Vec<Object> = plain.iter().cloned().collect();
        let change = object_change(name, "", "", &old);
        let steps = movement::steps(self.swarm, &change, &self.options).await?;
        let jobs = movement::jobs(self.swarm, &old).await?;
        Ok(Plan {
            name: name.to_owned(),
            path,
            from,
            steps,
            jobs,
            plain,
            stored,
        })
    }

    /// Carries a plan out; `value` is used instead of a task's.
    ///
    /// # Errors
    /// [`Error`]; the value stays in the store.
    pub async fn run(
        &self,
        plan: Plan,
        value: Option<&Secret<Vec<u8>>>,
        report: Report<'_>,
    ) -> Result<(), Error> {
        let name = plan.name.as_str();
        let stored = match (&plan.plain, plan.stored) {
            (None, Some(stored)) => stored,
            (Some(plain), found) => {
                let stored = match found {
                    Some(stored) => stored,
                    None => self.keep(plain, &plan.path, value, report).await?,
                };
                self.shift(name, &stored, std::slice::from_ref(plain), report)
                    .await?;
                if !self.remove {
                    let kept = format!("{name}: kept; remove it with: docker secret rm {name}");
                    report(Event::Did(kept));
                    return Ok(());
                }
                remove_unused(self.swarm, std::slice::from_ref(plain), report).await?;
                stored
            }
            (None, None) => return Err(Error::NoSecret(name.to_owned())),
        };
        if self.keep_name {
            self.rename(name, stored, report).await?;
        }
        Ok(())
    }

    /// The value into the store, and an object that stands for it.
    async fn keep(
        &self,
        plain: &Object,
        path: &str,
        value: Option<&Secret<Vec<u8>>>,
        report: Report<'_>,
    ) -> Result<Object, Error> {
        let read;
        let value = match value {
            Some(value) => value,
            None => {
                read = self.read(plain).await?;
                &read
            }
        };
        require_size(value)?;
        let reference = Reference::new(path).map_err(ApiError::from)?;
        let reference = reference.with_field("value");
        let base64 = std::str::from_utf8(value.expose()).is_err();
        let wanted = Stored { reference, base64 };
        let mut labels: Labels = plain.labels.clone();
        labels.retain(|label, _| !label.starts_with(OURS));
        labels.insert(REFERENCE.to_owned(), wanted.reference.to_string());
        labels.insert(ADOPTED.to_owned(), plain.name.clone());
        if base64 {
            labels.insert(ENCODING.to_owned(), "base64".to_owned());
        }
        self.store(wanted, value, report).await?;
        let name = interim(&plain.name);
        self.swarm
            .create_driven(&name, &self.driver, &labels)
            .await?;
        report(Event::Did(format!(
            "{name}: created, with the driver {}",
            self.driver
        )));
        self.named(&name).await
    }

    /// Writes the value, unless it is there already, and reads it back.
    async fn store(
        &self,
        wanted: Stored,
        value: &Secret<Vec<u8>>,
        report: Report<'_>,
    ) -> Result<(), Error> {
        let shelf = Shelf::find(self.client, wanted).await?;
        let newest = shelf.newest().await?;
        let there = match shelf.value(None).await {
            Err(Error::Server(ApiError::NotFound(_))) => None,
            // There, but without a field of ours: another secret.
            Err(Error::Server(ApiError::Reference(_))) => {
                return Err(Error::Occupied(shelf.path().to_owned()));
            }
            found => Some(found?),
        };
        match there {
            Some(found) if constant_time_eq(found.expose(), value.expose()) => {
                report(Event::Did(format!(
                    "{}: has the value already",
                    shelf.path()
                )));
                return Ok(());
            }
            Some(_) => return Err(Error::Occupied(shelf.path().to_owned())),
            None => {}
        }
        let version = shelf.write(value, newest).await?;
        let back = shelf.value(Some(version)).await?;
        if !constant_time_eq(back.expose(), value.expose()) {
            let path = shelf.path().to_owned();
            return Err(Error::NotRotatable(format!(
                "{path} does not give back what was written"
            )));
        }
        report(Event::Did(format!(
            "{}: version {version} written and read back",
            shelf.path()
        )));
        Ok(())
    }

    /// Moves the services from `old` to `new`, or everything back.
    async fn shift(
        &self,
        name: &str,
        new: &Object,
        old: &[Object],
        report: Report<'_>,
    ) -> Result<(), Error> {
        let change = object_change(name, &new.id, &new.name, old);
        let steps = movement::steps(self.swarm, &change, &self.options).await?;
        let failed = movement::advance(self.swarm, &change, &steps, &self.options, report).await?;
        if let Some(failed) = failed {
            report(Event::Did("going back to the plain secret".to_owned()));
            movement::retreat(self.swarm, &change, &steps, &self.options, report).await?;
            movement::settle(self.swarm, name).await?;
            self.swarm.remove(&new.id).await?;
            return Err(Error::RolledBack {
                service: failed.service,
                reason: failed.reason,
                left: None,
            });
        }
        movement::settle(self.swarm, name).await?;
        Ok(())
    }

    /// The store-backed object once more under the name that is free now.
    async fn rename(&self, name: &str, stored: Object, report: Report<'_>) -> Result<(), Error> {
        let secrets = self.swarm.secrets().await?;
        let found = secrets.into_iter().find(|secret| secret.name == name);
        let named = match found {
            Some(found) if found.driver.is_some() => found,
            // In use by a job: its name is not free.
            Some(_) => return Ok(()),
            None => {
                self.swarm
                    .create_driven(name, &self.driver, &stored.labels)
                    .await?;
                self.named(name).await?
            }
        };
        self.shift(name, &named, std::slice::from_ref(&stored), report)
            .await?;
        remove_unused(self.swarm, &[stored], report).await
    }

    async fn named(&self, name: &str) -> Result<Object, Error> {
        let secrets = self.swarm.secrets().await?;
        let found = secrets.into_iter().find(|secret| secret.name == name);
        found.ok_or_else(|| Error::NoSecret(name.to_owned()))
    }

    /// The files of this node's tasks that hold the value: container and path.
    async fn holders(&self, plain: &Object) -> Result<Vec<(String, std::path::PathBuf)>, Error> {
        let mut found = Vec::new();
        for service in self.swarm.services().await? {
            if !super::spec::uses(&service.spec, &plain.id) {
                continue;
            }
            for task in self.swarm.tasks(&service.id).await? {
                if let Some(path) = self.swarm.file_of(&task, &plain.id) {
                    found.push((task.container, path));
                }
            }
        }
        Ok(found)
    }

    async fn read(&self, plain: &Object) -> Result<Secret<Vec<u8>>, Error> {
        let mut value: Option<Secret<Vec<u8>>> = None;
        for (container, path) in self.holders(plain).await? {
            let copy = read_file(&path).map_err(|error| Error::Unreadable {
                name: plain.name.clone(),
                container: container.chars().take(12).collect(),
                reason: error.kind().to_string(),
            })?;
            match &value {
                Some(first) if !constant_time_eq(first.expose(), copy.expose()) => {
                    return Err(Error::Disagree(plain.name.clone()));
                }
                Some(_) => {}
                None => value = Some(copy),
            }
        }
        value.ok_or_else(|| Error::NoTask(plain.name.clone()))
    }
}

/// The name of the object with our driver while the plain one is there.
fn interim(name: &str) -> String {
    format!("{name}.stored")
}

/// Where the driver would look for a secret of this name.
fn default_path(name: &str, labels: &Labels) -> Result<String, Error> {
    let mut labels = labels.clone();
    labels.retain(|label, _| !label.starts_with(OURS) || label == FIELD);
    let source = Source::of(name, &labels).map_err(|source| Error::Labels {
        name: name.to_owned(),
        source,
    })?;
    match source {
        Source::Stored(stored) => Ok(stored.reference.path().to_owned()),
        Source::Issued(_) => Err(Error::NoSecret(name.to_owned())),
    }
}

/// The content of a file on a tmpfs; a link, or a file of another filesystem, is not read.
fn read_file(path: &Path) -> std::io::Result<Secret<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = open(path, flags, Mode::empty())?;
    memory::require(&file, path).map_err(|_| std::io::ErrorKind::Unsupported)?;
    let mut file = std::fs::File::from(file);
    let mut content = Buffer::with_capacity(4096);
    let mut chunk = Secret::new([0_u8; 4096]);
    loop {
        let count = file.read(chunk.expose_mut())?;
        let Some(read) = chunk.expose().get(..count).filter(|read| !read.is_empty()) else {
            return Ok(content.finish());
        };
        if content.len() + count > MAX_SIZE {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        content.push(read);
    }
}
