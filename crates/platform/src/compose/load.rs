//! Reads Compose files into a [`Project`], as Compose would put them together.
//!
//! Later files win; lists of secrets are joined, one entry a target; `extends` and local `include`
//! are followed, within bounds and never over a network. What Compose would fetch (`oci://`,
//! `https://`, `git@`) is refused.

use super::interpolate::interpolate;
use super::model::{Definition, Fault, Origin, Place, Project, Service, Settings, Use};
use super::yaml::{self, Mark, Node};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How far `extends` and `include` may go.
const MAX_CHAIN: usize = 32;
/// Files of one project.
const MAX_FILES: usize = 64;

/// What variables are, by name.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Reads the files of a project, in their order.
///
/// # Errors
/// [`Fault`].
pub fn load(files: &[PathBuf], environment: Environment<'_>) -> Result<Project, Fault> {
    let mut loader = Loader {
        environment,
        trees: BTreeMap::new(),
    };
    let mut project = Project::default();
    for file in files {
        loader.add(file, &mut project, 0)?;
    }
    Ok(project)
}

/// Reads one file that is given as text; others that it names are read as ever.
///
/// # Errors
/// [`Fault`].
pub fn read(file: &Path, text: &str, environment: Environment<'_>) -> Result<Project, Fault> {
    let tree = yaml::read(text).map_err(|error| Fault::yaml(file, &error))?;
    let mut loader = Loader {
        environment,
        trees: BTreeMap::from([(file.to_owned(), tree)]),
    };
    let mut project = Project::default();
    loader.add(file, &mut project, 0)?;
    Ok(project)
}

struct Loader<'e> {
    environment: Environment<'e>,
    trees: BTreeMap<PathBuf, Option<Rc<Node>>>,
}

impl Loader<'_> {
    fn tree(&mut self, path: &Path) -> Result<Option<Rc<Node>>, Fault> {
        if let Some(tree) = self.trees.get(path) {
            return Ok(tree.clone());
        }
        if self.trees.len() >= MAX_FILES {
            return Err(Fault::new("the project has more than 64 files"));
        }
        let unreadable =
            |error: std::io::Error| Fault::new(format!("cannot read {}: {error}", path.display()));
        // A pipe would be empty for Compose after us, or never end.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(Fault::new(format!("not a plain file: {}", path.display())));
        }
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut file = file.take(yaml::MAX_BYTES as u64 + 1);
        file.read_to_string(&mut text).map_err(unreadable)?;
        let tree = yaml::read(&text).map_err(|error| Fault::yaml(path, &error))?;
        self.trees.insert(path.to_owned(), tree.clone());
        Ok(tree)
    }

    /// Lays a file over what was read before.
    fn add(&mut self, file: &Path, project: &mut Project, depth: usize) -> Result<(), Fault> {
        let Some(root) = self.tree(file)? else {
            return Ok(());
        };
        if !matches!(root.kind, yaml::Kind::Mapping(_)) {
            return Err(Fault::at(&place(file, &root), "not a Compose file"));
        }
        if let Some(include) = root.get("include") {
            for included in self.includes(file, include)? {
                if depth >= MAX_CHAIN {
                    return Err(Fault::at(&place(file, include), "include goes in a circle"));
                }
                self.add(&included, project, depth + 1)?;
            }
        }
        if project.version.is_none() {
            project.version = root
                .get("version")
                .and_then(|n| n.text())
                .map(str::to_owned);
        }
        if let Some(name) = root.get("name") {
            project.name = self.value(file, name)?;
        }
        let settings = self.settings(file, &root)?;
        project.settings = std::mem::take(&mut project.settings).under(settings);
        let services = root.get("services").cloned();
        for (name, node) in services.iter().flat_map(|services| services.entries()) {
            let before = project.services.remove(name);
            if node.mark == Some(Mark::Reset) {
                continue;
            }
            let before = before.filter(|_| node.mark != Some(Mark::Override));
            let service = self.service(file, name, node, &mut Vec::new())?;
            let merged = service.over(before.unwrap_or_default());
            project.services.insert(name.clone(), merged);
        }
        let secrets = root.get("secrets").cloned();
        for (name, node) in secrets.iter().flat_map(|secrets| secrets.entries()) {
            let before = project.secrets.remove(name);
            if node.mark == Some(Mark::Reset) {
                continue;
            }
            let definition = self.definition(file, name, node)?;
            project
                .secrets
                .insert(name.clone(), over(definition, before));
        }
        Ok(())
    }

    fn includes(&self, file: &Path, include: &Node) -> Result<Vec<PathBuf>, Fault> {
        let mut paths = Vec::new();
        for item in include.items() {
            let path = match item.get("path") {
                Some(path) => path,
                None => item,
            };
            let single = std::slice::from_ref(path);
            let all = if path.items().is_empty() {
                single
            } else {
                path.items()
            };
            for path in all {
                let text = self.value(file, path)?.unwrap_or_default();
                paths.push(local(file, path, &text)?);
            }
        }
        Ok(paths)
    }

    /// A service with what it extends; `chain` is who extends it.
    fn service(
        &mut self,
        file: &Path,
        name: &str,
        node: &Node,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Result<Partial, Fault> {
        let own = self.partial(file, node)?;
        let Some(extends) = node.get("extends") else {
            return Ok(own);
        };
        let at = place(file, extends);
        let here = (file.to_owned(), name.to_owned());
        if chain.contains(&here) || chain.len() >= MAX_CHAIN {
            return Err(Fault::at(&at, "extends goes in a circle"));
        }
        chain.push(here);
        let (other, wanted) = match extends.get("service") {
            Some(service) => {
                let other = match extends.get("file") {
                    Some(named) => {
                        let text = self.value(file, named)?.unwrap_or_default();
                        local(file, named, &text)?
                    }
                    None => file.to_owned(),
                };
                (other, self.value(file, service)?)
            }
            None => (file.to_owned(), self.value(file, extends)?),
        };
        let wanted = wanted.unwrap_or_default();
        let root = self.tree(&other)?;
        let services = root.as_ref().and_then(|root| root.get("services"));
        let found = services.and_then(|services| services.get(&wanted)).cloned();
        let Some(found) = found else {
            let text = format!("extends a service that {} does not have", other.display());
            return Err(Fault::at(&at, text));
        };
        let base = self.service(&other, &wanted, &found, chain)?;
        Ok(own.over_partial(base))
    }

    fn partial(&self, file: &Path, node: &Node) -> Result<Partial, Fault> {
        let mut service = Service {
            place: place(file, node),
            settings: self.settings(file, node)?,
            provider: node.get("provider").is_some(),
            ..Service::default()
        };
        if let Some(user) = node.get("user") {
            service.user = self.value(file, user)?;
        }
        let secrets = node.get("secrets");
        for item in secrets.iter().flat_map(|secrets| secrets.items()) {
            service.secrets.push(self.secret_use(file, item)?);
        }
        for key in ["volumes", "tmpfs", "configs"] {
            let list = node.get(key);
            let items = list.iter().flat_map(|list| list.items());
            for item in items.chain(list.filter(|list| list.text().is_some())) {
                service.mounts.extend(self.mount(file, key, item)?);
            }
        }
        if let Some(environment) = node.get("environment") {
            service.literals = literals(environment);
        }
        if let Some(files) = node.get("env_file") {
            let items = files.items().iter().chain(Some(files));
            let paths = items.map(|item| item.get("path").unwrap_or(item));
            service.env_files = paths.filter_map(|p| p.text()).map(str::to_owned).collect();
        }
        let mark = |key: &str| match &node.kind {
            yaml::Kind::Mapping(entries) => entries.get(key).and_then(|node| node.mark),
            _ => None,
        };
        Ok(Partial {
            service,
            user: mark("user"),
            secrets: mark("secrets"),
        })
    }

    fn secret_use(&self, file: &Path, item: &Node) -> Result<Use, Fault> {
        let at = place(file, item);
        let field = |key: &str| match item.get(key) {
            Some(node) => self.value(file, node),
            None => Ok(None),
        };
        let source = match self.value(file, item)? {
            Some(source) => Some(source),
            None => field("source")?,
        };
        let source = source.ok_or_else(|| Fault::at(&at, "a secret without a source"))?;
        let mode = match item.get("mode") {
            Some(node) => Some(mode(
                file,
                node,
                &self.value(file, node)?.unwrap_or_default(),
            )?),
            None => None,
        };
        Ok(Use {
            source,
            target: field("target")?,
            uid: field("uid")?,
            gid: field("gid")?,
            mode,
            place: at,
        })
    }

    /// Where something is mounted.
    fn mount(&self, file: &Path, key: &str, item: &Node) -> Result<Option<String>, Fault> {
        if let Some(target) = item.get("target") {
            return self.value(file, target);
        }
        let Some(text) = self.value(file, item)? else {
            return Ok(None);
        };
        let mut parts = text.split(':');
        Ok(match key {
            "tmpfs" => parts.next().map(str::to_owned),
            "volumes" => {
                let first = parts.next().map(str::to_owned);
                parts.next().map(str::to_owned).or(first)
            }
            _ => None,
        })
    }

    fn definition(&self, file: &Path, name: &str, node: &Node) -> Result<Definition, Fault> {
        let field = |key: &str| match node.get(key) {
            Some(node) => self.value(file, node),
            None => Ok(None),
        };
        let external = node.get("external");
        let is_external = external.is_some_and(|n| n.is_true() || n.get("name").is_some());
        let origin = if is_external {
            let old = external.and_then(|external| external.get("name"));
            let old = old.map(|old| self.value(file, old)).transpose()?.flatten();
            let name = old.or(field("name")?).unwrap_or_else(|| name.to_owned());
            Origin::External(name)
        } else if let Some(path) = field("file")? {
            Origin::File(path)
        } else if node.get("environment").or(node.get("content")).is_some() {
            Origin::Plain
        } else if let Some(driver) = field("driver")? {
            Origin::Driver(driver)
        } else {
            Origin::Nowhere
        };
        Ok(Definition {
            place: place(file, node),
            origin,
            settings: self.settings(file, node)?,
        })
    }

    /// `x-cofferdam`, then labels.
    fn settings(&self, file: &Path, node: &Node) -> Result<Settings, Fault> {
        let mut said = BTreeMap::new();
        if let Some(labels) = node.get("labels") {
            for (key, value) in labels.entries() {
                if let Some(key) = key.strip_prefix("cofferdam.") {
                    said.insert(key.to_owned(), self.value(file, value)?.unwrap_or_default());
                }
            }
            for item in labels.items() {
                let text = self.value(file, item)?.unwrap_or_default();
                let (key, value) = text.split_once('=').unwrap_or((&text, ""));
                if let Some(key) = key.strip_prefix("cofferdam.") {
                    said.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        if let Some(extension) = node.get("x-cofferdam") {
            if let Some(reference) = self.value(file, extension)? {
                said.insert("ref".to_owned(), reference);
            }
            for (key, value) in extension.entries() {
                let known = ["ref", "path", "field", "from", "on_change"];
                if !known.contains(&key.as_str()) {
                    let text = "x-cofferdam has an unknown key: it takes ref, path, field, from \
                                and on_change";
                    return Err(Fault::at(&place(file, value), text));
                }
                said.insert(key.clone(), self.value(file, value)?.unwrap_or_default());
            }
        }
        let reference = said.remove("ref").or_else(|| {
            let path = said.remove("path")?;
            Some(match said.remove("field") {
                Some(field) => format!("{path}#{field}"),
                None => path,
            })
        });
        Ok(Settings {
            reference,
            from: said.remove("from"),
            on_change: said.remove("on_change"),
        })
    }

    /// A text with its variables replaced.
    fn value(&self, file: &Path, node: &Node) -> Result<Option<String>, Fault> {
        let Some(text) = node.text() else {
            return Ok(None);
        };
        let filled = interpolate(text, self.environment);
        let filled = filled.map_err(|error| Fault::at(&place(file, node), error.to_string()))?;
        Ok(Some(filled))
    }
}

/// A service of one file, with the marks that matter when it is laid over another.
struct Partial {
    service: Service,
    user: Option<Mark>,
    secrets: Option<Mark>,
}

impl Partial {
    fn over(self, before: Service) -> Service {
        let base = Self {
            service: before,
            user: None,
            secrets: None,
        };
        self.over_partial(base).service
    }

    fn over_partial(self, base: Self) -> Self {
        let (own, mut before) = (self.service, base.service);
        let user = match self.user {
            Some(Mark::Reset) => None,
            _ => own.user.or(before.user),
        };
        let mut secrets = match self.secrets {
            Some(_) => Vec::new(),
            None => before.secrets,
        };
        if self.secrets != Some(Mark::Reset) {
            let again = |old: &Use| own.secrets.iter().any(|one| key(one) == key(old));
            secrets.retain(|old| !again(old));
            secrets.extend(own.secrets);
        }
        before.mounts.extend(own.mounts);
        before.literals.extend(own.literals);
        before.env_files.extend(own.env_files);
        Self {
            service: Service {
                place: own.place,
                user,
                secrets,
                mounts: before.mounts,
                literals: before.literals,
                env_files: before.env_files,
                provider: own.provider || before.provider,
                settings: before.settings.under(own.settings),
            },
            user: self.user,
            secrets: self.secrets,
        }
    }
}

/// What makes two entries of `secrets` the same one.
fn key(one: &Use) -> &str {
    one.target.as_deref().unwrap_or(&one.source)
}

fn over(later: Definition, before: Option<Definition>) -> Definition {
    let Some(before) = before else {
        return later;
    };
    let origin = match later.origin {
        Origin::Nowhere => before.origin,
        origin => origin,
    };
    Definition {
        place: later.place,
        origin,
        settings: before.settings.under(later.settings),
    }
}

fn place(file: &Path, node: &Node) -> Place {
    Place {
        file: file.to_owned(),
        line: node.line,
    }
}

/// A path beside `file`; what Compose would fetch is refused.
fn local(file: &Path, node: &Node, text: &str) -> Result<PathBuf, Fault> {
    let remote =
        text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/");
    if remote || text.is_empty() || text.contains('\0') {
        let what = "a file from elsewhere is not fetched";
        return Err(Fault::at(&place(file, node), what)
            .with_hint("download it, look at it, and name the copy"));
    }
    let directory = file.parent().unwrap_or(Path::new("."));
    Ok(directory.join(text))
}

/// Names of variables whose value is written out.
fn literals(environment: &Node) -> std::collections::BTreeSet<String> {
    let is_literal = |value: &str| !value.is_empty() && !value.contains('$');
    let pairs = environment.entries().filter_map(|(key, value)| {
        let text = value.text()?;
        is_literal(text).then(|| key.clone())
    });
    let items = environment.items().iter().filter_map(|item| {
        let (key, value) = item.text()?.split_once('=')?;
        is_literal(value).then(|| key.to_owned())
    });
    pairs.chain(items).collect()
}

/// Permission bits as Compose reads them: a number of YAML 1.1, octal with a zero before it; a
/// quoted text is octal to Compose v2.
fn mode(file: &Path, node: &Node, text: &str) -> Result<u32, Fault> {
    let plain = matches!(node.kind, yaml::Kind::Scalar { plain: true, .. });
    let digits = text.strip_prefix("0o").unwrap_or(text);
    if plain && !text.starts_with('0') {
        let what = "to Compose this mode is a decimal number";
        return Err(Fault::at(&place(file, node), what).with_hint("write it in octal: 0400"));
    }
    let octal = !digits.is_empty() && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let bits = u32::from_str_radix(digits, 8).ok();
    bits.filter(|bits| octal && *bits <= 0o777 && *bits != 0)
        .ok_or_else(|| Fault::at(&place(file, node), "mode must be octal bits like 0400"))
}

#[cfg(test)]
mod tests;
