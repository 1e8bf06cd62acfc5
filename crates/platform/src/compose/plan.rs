//! What each service gets, and where: volumes of our driver, by reference.

use super::Flavour;
use super::model::{Definition, Fault, Origin, Project, Service, Use};
use cofferdam_agent::FileName;
use cofferdam_agent::plan::Prefix;
use cofferdam_agent::sink::Access;
use cofferdam_api::Reference;
use std::collections::{BTreeMap, BTreeSet};

/// Where Compose puts secrets.
const DIRECTORY: &str = "/run/secrets";
/// Ways to write a reference where Compose has a path.
const SCHEMES: [&str; 3] = ["cofferdam://", "cofferdam:", "cd://"];

/// What the files do not say.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Where the names of external secrets are looked up.
    pub prefix: Option<Prefix>,
    /// Name of our driver.
    pub driver: String,
}

/// What is to be done for a project.
#[derive(Debug, Default)]
pub struct Plan {
    /// By service; those that use none of our secrets are not there.
    pub services: BTreeMap<String, Delivery>,
    /// The project's secrets that are ours, with their references.
    pub secrets: BTreeMap<String, Ours>,
}

/// One secret that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// Where it is.
    pub reference: Reference,
    /// Its name outside, where the file says that it is external.
    pub external: Option<String>,
}

/// What one service gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// What stays with Compose.
    pub rest: Vec<Use>,
}

/// One volume of our driver.
#[derive(Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name within the project; it changes with the options, since Docker keeps a volume with
    /// the options that it was made with.
    pub name: String,
    /// Where it is mounted.
    pub directory: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

impl Plan {
    /// Decides for all services.
    ///
    /// # Errors
    /// [`Fault`] for what cannot be delivered as the files ask.
    pub fn make(project: &Project, defaults: &Defaults, flavour: Flavour) -> Result<Self, Fault> {
        let mut plan = Self::default();
        let top = project.settings.from.as_deref();
        let prefix = match (&defaults.prefix, top) {
            (Some(prefix), _) => prefix.clone(),
            (None, Some(from)) => prefix(from)?,
            (None, None) => Prefix::default(),
        };
        for (name, definition) in &project.secrets {
            if let Some(ours) = ours(name, definition, &prefix, defaults)? {
                plan.secrets.insert(name.clone(), ours);
            }
        }
        if flavour == Flavour::Stack {
            return Ok(plan);
        }
        for (name, service) in &project.services {
            let delivery = plan.deliver(project, name, service)?;
            if !delivery.volumes.is_empty() {
                plan.services.insert(name.clone(), delivery);
            }
        }
        Ok(plan)
    }

    fn deliver(&self, project: &Project, name: &str, service: &Service) -> Result<Delivery, Fault> {
        let mut delivery = Delivery::default();
        let mut rest = Vec::new();
        let mut directories: BTreeMap<String, Vec<(&Use, FileName, &Ours)>> = BTreeMap::new();
        for one in &service.secrets {
            let Some(definition) = project.secrets.get(&one.source) else {
                let text = format!("service {name} uses a secret that is not defined");
                return Err(Fault::at(&one.place, text));
            };
            match self.secrets.get(&one.source) {
                Some(ours) => {
                    let (directory, file) = target(one)?;
                    let files = directories.entry(directory).or_default();
                    if files.iter().any(|(_, other, _)| *other == file) {
                        let text = format!("service {name} has two secrets called {file}");
                        return Err(Fault::at(&one.place, text));
                    }
                    files.push((one, file, ours));
                }
                None => rest.push((one, definition)),
            }
        }
        if directories.is_empty() {
            return Ok(delivery);
        }
        if service.provider {
            let text = format!("service {name} is run by a provider and takes no secrets");
            return Err(Fault::at(&service.place, text));
        }
        for (one, definition) in rest {
            require_file(name, one, definition)?;
            delivery.rest.push(one.clone());
        }
        require_apart(name, service, directories.keys())?;
        for (directory, files) in &directories {
            let mut options = options(service, project, files)?;
            let points = mountpoints(name, directory, &delivery.rest)?;
            if !points.is_empty() {
                options.insert("mountpoints".to_owned(), points.join(";"));
            }
            if directory != DIRECTORY {
                options.insert("target".to_owned(), directory.clone());
            }
            delivery.volumes.push(Volume {
                name: volume_name(name, directory, &options),
                directory: directory.clone(),
                options,
            });
        }
        Ok(delivery)
    }
}

/// The reference of a secret that is ours.
fn ours(
    name: &str,
    definition: &Definition,
    prefix: &Prefix,
    defaults: &Defaults,
) -> Result<Option<Ours>, Fault> {
    let external = match &definition.origin {
        Origin::External(outside) => Some(outside.clone()),
        _ => None,
    };
    let from = definition.settings.from.as_deref();
    let prefix = from.map_or_else(|| Ok(prefix.clone()), self::prefix)?;
    let below = |name: &str| format!("{}/{name}", prefix.path());
    let text = match (&definition.settings.reference, &definition.origin) {
        (Some(reference), _) => reference.clone(),
        (None, Origin::External(outside)) => below(outside),
        (None, Origin::File(path)) => {
            let rest = SCHEMES.iter().find_map(|scheme| path.strip_prefix(scheme));
            match rest {
                Some(rest) => rest.to_owned(),
                None => return Ok(None),
            }
        }
        (None, Origin::Driver(driver)) if *driver == defaults.driver => below(name),
        (None, _) if from.is_some() => below(name),
        (None, _) => return Ok(None),
    };
    let text = text.strip_prefix("cofferdam:").unwrap_or(&text);
    let reference: Result<Reference, _> = text.trim_start_matches("//").parse();
    let reference = reference.map_err(|error| {
        Fault::at(&definition.place, format!("secret {name}: {error}"))
            .with_hint("a reference looks like secret/shop/DB_PASSWORD#field")
    })?;
    if reference.to_string().contains([',', ';']) {
        let text = format!("secret {name}: no \",\" and no \";\" in a reference here");
        return Err(Fault::at(&definition.place, text));
    }
    Ok(Some(Ours {
        reference,
        external,
    }))
}

fn prefix(from: &str) -> Result<Prefix, Fault> {
    Prefix::parse(from).map_err(|error| Fault::new(format!("from: {error}")))
}

/// What Compose itself delivers beside ours. A value of the environment is copied into the
/// container's own filesystem after it was created, which our read-only volume is in the way of,
/// and which is a disk.
fn require_file(service: &str, one: &Use, definition: &Definition) -> Result<(), Fault> {
    match &definition.origin {
        Origin::File(_) => Ok(()),
        Origin::Plain => Err(Fault::at(
            &one.place,
            format!(
                "service {service}: Compose would write {} to the container's disk",
                one.source
            ),
        )
        .with_hint(
            "put it into the store: cofferdam kv put secret/NAME value=-, and say external: true",
        )),
        Origin::Driver(_) => Err(Fault::at(
            &one.place,
            format!("service {service}: {} has a driver of Swarm", one.source),
        )),
        Origin::External(_) | Origin::Nowhere => Err(Fault::at(
            &one.place,
            format!("service {service}: {} has no source", one.source),
        )),
    }
}

/// Directory and name in the container.
fn target(one: &Use) -> Result<(String, FileName), Fault> {
    let fault = |text: String, hint: &str| Fault::at(&one.place, text).with_hint(hint);
    let target = one.target.as_deref().unwrap_or(&one.source);
    let path = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("{DIRECTORY}/{target}")
    };
    let unclear =
        |part: &str| matches!(part, "" | "." | "..") || part.chars().any(char::is_control);
    if path.split('/').skip(1).any(unclear) {
        let text = format!("secret {}: not a clear target", one.source);
        return Err(fault(text, "a target is a name, or a path without \"..\""));
    }
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if directory.is_empty() {
        let text = format!("secret {}: no secret is mounted at the root", one.source);
        return Err(fault(text, "give it a target in a directory of its own"));
    }
    let file = name.parse().map_err(|error: cofferdam_agent::NameError| {
        fault(
            format!("secret {}: {error}", one.source),
            "give it a target: NAME",
        )
    })?;
    Ok((directory.to_owned(), file))
}

/// Our volumes lie neither in each other nor over what the service mounts itself.
fn require_apart<'d>(
    name: &str,
    service: &Service,
    directories: impl Iterator<Item = &'d String>,
) -> Result<(), Fault> {
    let mut all: Vec<&str> = directories.map(String::as_str).collect();
    let inside = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for mount in &service.mounts {
        let mount = mount.trim_end_matches('/');
        if all.iter().any(|ours| inside(mount, ours)) {
            let text =
                format!("service {name} mounts something of its own where its secrets go: {mount}");
            return Err(
                Fault::at(&service.place, text).with_hint("give one of them another target")
            );
        }
    }
    all.sort_unstable();
    let nested = all.windows(2).any(|pair| match pair {
        [outer, inner] => inside(inner, outer),
        _ => false,
    });
    if nested {
        let text = format!("service {name}: the targets of its secrets lie in each other");
        return Err(
            Fault::at(&service.place, text).with_hint("use one directory, or two side by side")
        );
    }
    Ok(())
}

fn options(
    service: &Service,
    project: &Project,
    files: &[(&Use, FileName, &Ours)],
) -> Result<BTreeMap<String, String>, Fault> {
    let mut options = BTreeMap::new();
    let list: Vec<_> = files
        .iter()
        .map(|(_, file, ours)| format!("{file}:{}", ours.reference))
        .collect();
    options.insert("secrets".to_owned(), list.join(";"));
    // Without a user the image's own; who that is, the driver finds when the image is there.
    let user = service.user.as_deref().filter(|user| !user.is_empty());
    options.insert("user".to_owned(), user.unwrap_or("@image").to_owned());
    for (one, file, _) in files {
        if let Some(access) = access(one)? {
            options.insert(format!("access.{file}"), access);
        }
    }
    if let Some(what) = on_change(service, project, files)? {
        options.insert("on_change".to_owned(), what);
    }
    Ok(options)
}

/// The driver's `UID:GID:MODE`, if the service asks for one.
fn access(one: &Use) -> Result<Option<String>, Fault> {
    let id = |name: &str, text: &Option<String>| match text {
        None => Ok(String::new()),
        Some(text) if Access::parse_id(text).is_some() => Ok(text.clone()),
        Some(_) => Err(Fault::at(
            &one.place,
            format!("secret {}: {name} is not a number", one.source),
        )
        .with_hint("leave it out: then it is the user of the service or of the image")),
    };
    if one.uid.is_none() && one.gid.is_none() && one.mode.is_none() {
        return Ok(None);
    }
    let (uid, gid) = (id("uid", &one.uid)?, id("gid", &one.gid)?);
    let mode = one
        .mode
        .map_or_else(String::new, |mode| format!("{mode:04o}"));
    Ok(Some(format!("{uid}:{gid}:{mode}")))
}

/// What the service or its secrets say is done on a change; one answer for all.
fn on_change(
    service: &Service,
    project: &Project,
    files: &[(&Use, FileName, &Ours)],
) -> Result<Option<String>, Fault> {
    if let Some(what) = &service.settings.on_change {
        return Ok(Some(what.clone()));
    }
    let said: BTreeSet<_> = files
        .iter()
        .filter_map(|(one, _, _)| project.secrets.get(&one.source))
        .filter_map(|definition| definition.settings.on_change.clone())
        .collect();
    if said.len() > 1 {
        let text = "the secrets of this service differ in on_change";
        return Err(Fault::at(&service.place, text)
            .with_hint("say it once, at the service: x-cofferdam: {on_change: …}"));
    }
    let what = said.into_iter().next();
    Ok(what.or_else(|| project.settings.on_change.clone()))
}

/// Files that Compose mounts into our read-only directory.
fn mountpoints(name: &str, directory: &str, rest: &[Use]) -> Result<Vec<String>, Fault> {
    let mut points = Vec::new();
    for one in rest {
        let target = one.target.as_deref().unwrap_or(&one.source);
        let path = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("{DIRECTORY}/{target}")
        };
        let below = path
            .strip_prefix(directory)
            .and_then(|p| p.strip_prefix('/'));
        match below.map(str::parse::<FileName>) {
            None => {}
            Some(Ok(file)) => points.push(file.to_string()),
            Some(Err(_)) => {
                let text = format!(
                    "service {name}: {} cannot be mounted among secrets of the store",
                    one.source
                );
                return Err(Fault::at(&one.place, text)
                    .with_hint("give it a target of letters, digits, \"_\", \"-\" and \".\""));
            }
        }
    }
    Ok(points)
}

/// `cofferdam-SERVICE-HASH`.
fn volume_name(service: &str, directory: &str, options: &BTreeMap<String, String>) -> String {
    // FNV-1a: only that other options give another name.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let pairs = options
        .iter()
        .flat_map(|(key, value)| [key.as_str(), value]);
    for part in std::iter::once(directory).chain(pairs) {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    let short: String = service.chars().take(60).collect();
    format!("cofferdam-{short}-{hash:016x}")
}

#[cfg(test)]
mod tests;
