//! What is to change in a Compose project, and what is to be stored first.
//!
//! Pure: files come in as texts and go out as edits; images are told, nothing is asked. A secret is
//! taken only where every place that gives the same variable to the same service can be taken too.

mod build;
mod deliver;
mod settle;
mod sites;
mod words;
mod write;

use super::diff::Mask;
use super::edit::Edits;
use super::project::{Open, Project, Unreadable};
use crate::fix::words::line_at;
use cofferdam_detect::pattern::{Judgement, Scanner};
use cofferdam_secret::Secret;
use settle::Settled;
use sites::{File, Site, Sites};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How services get the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A volume of the driver: an unchanged `docker compose up` starts it.
    Volume,
    /// `secrets:`, for `cofferdam compose -- up`.
    Secrets,
}

/// What the caller decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where secrets are kept: `secret/shop`.
    pub place: String,
    /// Name of the volume driver.
    pub driver: String,
    /// This program on the host, for the shim; or why it cannot be one.
    pub program: Result<String, String>,
    /// Variables that are secrets whatever they look like.
    pub also: BTreeSet<String>,
    /// Variables that are none.
    pub not: BTreeSet<String>,
    /// How services get the files.
    pub style: Style,
}

/// What an image starts and how it looks after itself.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// Its command.
    pub command: Vec<String>,
    /// Its health check.
    pub health: Vec<String>,
}

/// A changed file.
#[derive(Debug)]
pub struct Change {
    /// Which.
    pub path: PathBuf,
    /// As it is now.
    pub text: String,
    /// What changes.
    pub edits: Edits,
    /// What is not to be shown of it.
    pub masks: Vec<Mask>,
}

/// A secret to be stored.
pub struct Found {
    /// Its name below [`Options::place`].
    pub name: String,
    /// What stands in the files. Wiped on drop; the files' own texts are not.
    pub value: Secret<String>,
    /// Where it stood: `FILE line N`.
    pub seen: Vec<String>,
}

/// Something that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// File and line.
    pub place: String,
    /// What it is about, by name, and why; never a value.
    pub what: String,
}

/// What a container's process gets instead of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The same variable with the same value: the shim reads the file.
    Same,
    /// Another variable, with the path: the image reads the file.
    File(String),
}

/// All that was decided.
#[derive(Default)]
pub struct Outcome {
    /// Files that change.
    pub changes: Vec<Change>,
    /// What has to be stored before they do.
    pub secrets: Vec<Found>,
    /// What stays, and why.
    pub left: Vec<Left>,
    /// Placeholders and weak values under telling names, which are not taken unasked.
    pub weak: Vec<Left>,
    /// By service: its variables that come in another way.
    pub ways: BTreeMap<String, BTreeMap<String, Way>>,
    /// Services that get a secret among their arguments, which `ps` shows inside of the container.
    pub arguments: BTreeSet<String>,
    /// Services whose image is built with secrets now.
    pub builds: BTreeSet<String>,
    /// Every file that was read.
    pub read: Vec<PathBuf>,
}

/// Decides about a project. `images` are told by service.
///
/// # Errors
/// [`Unreadable`].
pub fn plan(
    files: &[PathBuf],
    directory: &Path,
    open: Open<'_>,
    images: &BTreeMap<String, Result<Image, String>>,
    scanner: &Scanner,
    options: &Options,
) -> Result<Outcome, Unreadable> {
    let mut project = Project::read(files, directory, open)?;
    for path in env_files(&project) {
        project.variables(&path, open)?;
    }
    let sites = Sites::collect(&project, scanner, options);
    let mut work = Work::new(&project, images, scanner, options, sites);
    work.builds(open);
    work.decide();
    work.write();
    Ok(work.finish())
}

/// All that `env_file` names.
fn env_files(project: &Project) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for part in project.services.values().flatten() {
        let Some(files) = part.node().get("env_file") else {
            continue;
        };
        let value = &files.value;
        for item in value.one_or_more() {
            let path = item.node.get("path").map(|entry| entry.value.clone());
            let path = path.unwrap_or_else(|| item.clone());
            let name = path.node.text().and_then(|text| project.filled(text));
            let beside = project.docs.get(part.doc).and_then(|doc| doc.path.parent());
            all.extend(name.map(|name| beside.unwrap_or(Path::new(".")).join(name)));
        }
    }
    all
}

/// The work on one project.
struct Work<'p> {
    project: &'p Project,
    images: &'p BTreeMap<String, Result<Image, String>>,
    scanner: &'p Scanner,
    options: &'p Options,
    sites: Vec<Site>,
    words: Vec<words::Word>,
    settled: Settled,
    edits: BTreeMap<File, Edits>,
    outcome: Outcome,
}

impl<'p> Work<'p> {
    fn new(
        project: &'p Project,
        images: &'p BTreeMap<String, Result<Image, String>>,
        scanner: &'p Scanner,
        options: &'p Options,
        sites: Vec<Site>,
    ) -> Self {
        Self {
            project,
            images,
            scanner,
            options,
            sites,
            words: Vec::new(),
            settled: Settled::default(),
            edits: BTreeMap::new(),
            outcome: Outcome::default(),
        }
    }

    fn place(&self, file: File, line: usize) -> String {
        let path = match file {
            File::Doc(doc) => self.project.docs.get(doc).map(|doc| &doc.path),
            File::Vars(vars) => self.project.vars.get(vars).map(|vars| &vars.path),
        };
        let path = path.map_or_else(String::new, |path| {
            let short = path.strip_prefix(&self.project.directory).unwrap_or(path);
            short.display().to_string()
        });
        format!("{path} line {line}")
    }

    fn text(&self, file: File) -> &'p str {
        match file {
            File::Doc(doc) => self.project.docs.get(doc).map_or("", |doc| &doc.text),
            File::Vars(vars) => self.project.vars.get(vars).map_or("", |vars| &vars.text),
        }
    }

    fn left(&mut self, place: String, what: impl Into<String>) {
        let left = Left {
            place,
            what: what.into(),
        };
        if !self.outcome.left.contains(&left) {
            self.outcome.left.push(left);
        }
    }

    fn files(&self) -> Vec<File> {
        let docs = (0..self.project.docs.len()).map(File::Doc);
        docs.chain((0..self.project.vars.len()).map(File::Vars))
            .collect()
    }

    fn path(&self, file: File) -> PathBuf {
        match file {
            File::Doc(doc) => self.project.docs.get(doc).map(|doc| doc.path.clone()),
            File::Vars(vars) => self.project.vars.get(vars).map(|vars| vars.path.clone()),
        }
        .unwrap_or_default()
    }

    /// Changes with masks, what is left by the scanner's word, and everything in order.
    fn finish(mut self) -> Outcome {
        self.drop_dot_env();
        for file in self.files() {
            self.outcome.read.push(self.path(file));
            let masks = self.masks(file);
            self.report_rest(file);
            if let Some(edits) = self.edits.remove(&file).filter(|edits| !edits.is_empty()) {
                let change = Change {
                    path: self.path(file),
                    text: self.text(file).to_owned(),
                    edits,
                    masks,
                };
                self.outcome.changes.push(change);
            }
        }
        for vars in &self.project.vars {
            if let Some(mistake) = vars.mistake {
                let place = format!("{} line {}", vars.path.display(), mistake.line);
                self.outcome.left.push(Left {
                    place,
                    what: mistake.what.to_owned(),
                });
            }
        }
        self.outcome.left.sort();
        self.outcome.weak.sort();
        self.outcome
    }

    /// Every byte of a file that may be a secret's.
    fn masks(&self, file: File) -> Vec<Mask> {
        let text = self.text(file);
        let mut masks: Vec<Mask> = Vec::new();
        let spots = self.scanner.spots(text).into_iter();
        masks.extend(spots.map(|spot| (spot.secret, "secret".to_owned())));
        for site in self.sites.iter().filter(|site| site.file == file) {
            let secret = site.judgement != Judgement::No || self.settled.taken(site.group);
            if secret && let Some(range) = self.written(site) {
                masks.push((range, site.variable.clone()));
            }
        }
        for word in self.words.iter().filter(|word| File::Doc(word.doc) == file) {
            masks.push((word.raw.clone(), word.name.clone()));
        }
        if let File::Doc(doc) = file {
            let arguments = self.argument_masks(doc).into_iter();
            masks.extend(arguments.map(|range| (range, "argument".to_owned())));
        }
        for secret in &self.outcome.secrets {
            let value = secret.value.expose();
            if value.len() >= 4 {
                let all = text.match_indices(value.as_str());
                masks.extend(all.map(|(at, value)| (at..at + value.len(), secret.name.clone())));
            }
        }
        merged(masks)
    }

    /// What the rules still see where nothing changes.
    fn report_rest(&mut self, file: File) {
        let text = self.text(file);
        for spot in self.scanner.spots(text) {
            let covered = self
                .edits
                .get(&file)
                .is_some_and(|edits| edits.covers(&spot.secret));
            let line = line_at(text, spot.secret.start);
            let place = self.place(file, line);
            let known = self.outcome.left.iter().any(|left| left.place == place);
            let line_text = text
                .get(super::edit::line_of(text, spot.secret.start))
                .unwrap_or_default();
            let allowed = line_text.contains(&format!("cofferdam:allow {}", spot.rule.id));
            let chosen = spot
                .name
                .clone()
                .and_then(|name| text.get(name))
                .is_some_and(|name| self.options.not.contains(name));
            if !covered && !known && !allowed && !chosen {
                self.left(
                    place,
                    format!(
                        "looks like a secret ({}), where none can be delivered by us",
                        spot.rule.id
                    ),
                );
            }
        }
    }
}

/// Sorted, without overlaps.
pub(super) fn merged(mut masks: Vec<Mask>) -> Vec<Mask> {
    masks.retain(|(range, _)| !range.is_empty());
    // A name of ours before the word of a rule, where they begin together.
    masks
        .sort_by_key(|(range, name)| (range.start, name == "secret", std::cmp::Reverse(range.end)));
    let mut out: Vec<Mask> = Vec::new();
    for (range, name) in masks {
        match out.last_mut() {
            Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
            _ => out.push((range, name)),
        }
    }
    out
}

#[cfg(test)]
mod tests;
