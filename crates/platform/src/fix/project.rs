//! The project that files make together, with the bytes that each part stands in.
//!
//! [`crate::compose::load`] has read the same files first and refused what cannot be read as
//! Compose would; here only provenance is kept.

use super::env_file;
use super::tree::{self, Document, Entry, Node};
use crate::compose;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// Files that are looked at.
const MAX_FILES: usize = 128;

/// Why a project is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A file as Compose would not take it.
    #[error("{0}")]
    Fault(compose::Fault),
    /// A file that is no text, is too long, or cannot be opened.
    #[error("{path}: {what}")]
    File {
        /// Which.
        path: String,
        /// What is wrong.
        what: String,
    },
}

/// What can be read: the caller opens files, so that tests and fuzzing need none.
pub type Open<'o> = &'o dyn Fn(&Path) -> Result<Option<String>, String>;

/// A YAML file.
pub(super) struct Doc {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) tree: Document,
}

/// A file of variables.
pub(super) struct Vars {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) lines: Vec<env_file::Line>,
    /// Why it is not understood, with the line.
    pub(super) mistake: Option<env_file::Mistake>,
}

/// A service's mapping in one file.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) doc: usize,
    pub(super) entry: Rc<Entry>,
    /// Stands under `services:` of the project itself, and not only in what it extends.
    pub(super) own: bool,
}

impl Part {
    pub(super) fn node(&self) -> &Rc<Node> {
        &self.entry.value.node
    }
}

/// Everything.
#[derive(Default)]
pub(super) struct Project {
    pub(super) docs: Vec<Doc>,
    pub(super) vars: Vec<Vars>,
    /// Parts from the least to the most that counts.
    pub(super) services: BTreeMap<String, Vec<Part>>,
    /// `.env`, as an index into `vars`.
    pub(super) dot_env: Option<usize>,
    pub(super) directory: PathBuf,
}

/// A path without `.` and `..`, as far as its text goes.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

impl Project {
    /// Reads files in their order; `env_files` are those of `--env-file`, or `.env`.
    pub(super) fn read(
        files: &[PathBuf],
        directory: &Path,
        open: Open<'_>,
    ) -> Result<Self, Unreadable> {
        let mut project = Self {
            directory: directory.to_owned(),
            ..Self::default()
        };
        project.dot_env = project.variables(&directory.join(".env"), open)?;
        for file in files {
            project.add(file, open, 0)?;
        }
        Ok(project)
    }

    /// A variable of `.env`.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let vars = self.vars.get(self.dot_env?)?;
        let mut lines = vars.lines.iter().rev();
        let line = lines.find(|line| vars.text.get(line.name.clone()) == Some(name))?;
        Some(&line.value)
    }

    /// A file of variables, once.
    pub(super) fn variables(
        &mut self,
        path: &Path,
        open: Open<'_>,
    ) -> Result<Option<usize>, Unreadable> {
        let path = normal(path);
        if let Some(at) = self.vars.iter().position(|vars| vars.path == path) {
            return Ok(Some(at));
        }
        let Some(text) = self.text(&path, open)? else {
            return Ok(None);
        };
        let (lines, mistake) = match env_file::read(&text) {
            Ok(lines) => (lines, None),
            Err(mistake) => (Vec::new(), Some(mistake)),
        };
        self.vars.push(Vars {
            path,
            text,
            lines,
            mistake,
        });
        Ok(Some(self.vars.len() - 1))
    }

    fn text(&self, path: &Path, open: Open<'_>) -> Result<Option<String>, Unreadable> {
        let wrong = |what: String| Unreadable::File {
            path: path.display().to_string(),
            what,
        };
        if self.docs.len() + self.vars.len() > MAX_FILES {
            return Err(wrong("the project has more than 128 files".to_owned()));
        }
        open(path).map_err(wrong)
    }

    fn doc(&mut self, path: &Path, open: Open<'_>) -> Result<usize, Unreadable> {
        let path = normal(path);
        if let Some(at) = self.docs.iter().position(|doc| doc.path == path) {
            return Ok(at);
        }
        let missing = |what: &str| Unreadable::File {
            path: path.display().to_string(),
            what: what.to_owned(),
        };
        let text = self
            .text(&path, open)?
            .ok_or_else(|| missing("no such file"))?;
        let tree = tree::read(&text).map_err(|error| Unreadable::File {
            path: path.display().to_string(),
            what: error.to_string(),
        })?;
        self.docs.push(Doc { path, text, tree });
        Ok(self.docs.len() - 1)
    }

    fn root(&self, doc: usize) -> Option<Rc<Node>> {
        self.docs.get(doc)?.tree.root.clone()
    }

    fn beside(&self, doc: usize, name: &str) -> Option<PathBuf> {
        let directory = self.docs.get(doc)?.path.parent().unwrap_or(Path::new("."));
        Some(directory.join(self.filled(name)?))
    }

    /// A text with its variables.
    pub(super) fn filled(&self, text: &str) -> Option<String> {
        let lookup = |name: &str| self.variable(name).map(str::to_owned);
        compose::interpolate(text, &lookup).ok()
    }

    fn add(&mut self, file: &Path, open: Open<'_>, depth: usize) -> Result<(), Unreadable> {
        let doc = self.doc(file, open)?;
        let Some(root) = self.root(doc) else {
            return Ok(());
        };
        if let Some(include) = root.get("include").filter(|_| depth < 32) {
            for item in include.value.node.items() {
                let path = item.node.get("path").map(|entry| entry.value.clone());
                let path = path.unwrap_or_else(|| item.clone());
                let single = std::slice::from_ref(&path);
                let all = if path.node.items().is_empty() {
                    single
                } else {
                    path.node.items()
                };
                for path in all {
                    if let Some(path) = path.node.text().and_then(|name| self.beside(doc, name)) {
                        self.add(&path, open, depth + 1)?;
                    }
                }
            }
        }
        let services = root.get("services");
        for entry in services
            .iter()
            .flat_map(|services| services.value.node.entries())
        {
            let mut parts = Vec::new();
            self.parts(doc, &entry, true, &mut parts, open)?;
            let known = self.services.entry(entry.key.clone()).or_default();
            known.extend(parts);
        }
        Ok(())
    }

    /// A service after what it extends.
    fn parts(
        &mut self,
        doc: usize,
        entry: &Rc<Entry>,
        own: bool,
        parts: &mut Vec<Part>,
        open: Open<'_>,
    ) -> Result<(), Unreadable> {
        if let Some(extends) = entry.value.node.get("extends").filter(|_| parts.len() < 32) {
            let node = &extends.value.node;
            let named = |key: &str| {
                node.get(key)
                    .and_then(|e| e.value.node.text().map(str::to_owned))
            };
            let service = named("service").or_else(|| node.text().map(str::to_owned));
            let other = match named("file").and_then(|name| self.beside(doc, &name)) {
                Some(path) => self.doc(&path, open)?,
                None => doc,
            };
            let services = self.root(other).and_then(|root| root.get("services"));
            let wanted = service.and_then(|name| self.filled(&name));
            let base = services
                .zip(wanted)
                .and_then(|(services, name)| services.value.node.get(&name));
            if let Some(base) = base.filter(|base| !Rc::ptr_eq(base, entry)) {
                self.parts(other, &base, false, parts, open)?;
            }
        }
        parts.push(Part {
            doc,
            entry: Rc::clone(entry),
            own,
        });
        Ok(())
    }

    /// The value of a service that counts, and the file it stands in.
    pub(super) fn setting(&self, service: &str, key: &str) -> Option<(usize, Rc<Entry>)> {
        let parts = self.services.get(service)?;
        parts
            .iter()
            .rev()
            .find_map(|part| Some((part.doc, part.node().get(key)?)))
    }

    /// The same as a text, filled in.
    pub(super) fn setting_text(&self, service: &str, key: &str) -> Option<String> {
        let (_, entry) = self.setting(service, key)?;
        self.filled(entry.value.node.text()?)
    }
}

/// Images that the services of a project run: by service.
///
/// # Errors
/// [`Unreadable`].
pub fn images(
    files: &[PathBuf],
    directory: &Path,
    open: Open<'_>,
) -> Result<BTreeMap<String, Option<String>>, Unreadable> {
    let project = Project::read(files, directory, open)?;
    let names = project.services.keys();
    Ok(names
        .map(|name| (name.clone(), project.setting_text(name, "image")))
        .collect())
}
