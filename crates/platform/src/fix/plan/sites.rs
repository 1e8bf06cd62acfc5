//! Where variables of services get their values, and which of them are secrets.

use super::Options;
use crate::fix::project::Project;
use crate::fix::shell;
use crate::fix::tree::{Entry, Kind, Style, Value};
use cofferdam_detect::pattern::{Judgement, Scanner};
use cofferdam_secret::Secret;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A file of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum File {
    Doc(usize),
    Vars(usize),
}

/// How a variable is written down.
pub(super) enum Form {
    /// `X: value`.
    Entry(Rc<Entry>),
    /// `- X=value`.
    Item(Value),
    /// A line of an `env_file`.
    Line(usize),
}

/// One place where a variable gets its value.
pub(super) struct Site {
    pub(super) file: File,
    pub(super) line: usize,
    pub(super) variable: String,
    pub(super) form: Form,
    /// What a container gets, if the files say it.
    pub(super) value: Option<Secret<String>>,
    pub(super) judgement: Judgement,
    /// Variables of `.env` in it.
    pub(super) used: BTreeSet<String>,
    pub(super) services: BTreeSet<String>,
    /// The first byte of a text that aliases share.
    pub(super) shared: Option<usize>,
    /// Why it stays as it is.
    pub(super) refused: Option<String>,
    /// Which sites stand or fall together.
    pub(super) group: usize,
}

/// A value as Compose makes it of a text.
pub(super) struct Filled {
    pub(super) value: Option<Secret<String>>,
    pub(super) used: BTreeSet<String>,
    pub(super) refused: Option<String>,
}

/// Replaces variables; only `.env` is known, the caller's own environment is nobody's file.
pub(super) fn fill(project: &Project, text: &str) -> Filled {
    let used = RefCell::new(BTreeSet::new());
    let missing = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        let found = project.variable(name);
        let set = if found.is_some() { &used } else { &missing };
        set.borrow_mut().insert(name.to_owned());
        found.map(str::to_owned)
    };
    let filled = crate::compose::interpolate(text, &lookup);
    let missing = missing.into_inner();
    // `${X:-value}` without X is that value.
    let outside = missing.iter().find(|name| {
        !["-", ":-"]
            .iter()
            .any(|sign| text.contains(&format!("${{{name}{sign}")))
    });
    let refused = match (&filled, outside) {
        (Err(_), _) => Some("its variables cannot be read as Compose reads them".to_owned()),
        (Ok(_), Some(name)) => Some(format!("it depends on {name}, which is not in .env")),
        _ => None,
    };
    Filled {
        value: filled.ok().map(Secret::new),
        used: used.into_inner(),
        refused,
    }
}

/// All sites of all services.
pub(super) struct Sites<'p> {
    project: &'p Project,
    scanner: &'p Scanner,
    options: &'p Options,
    pub(super) all: Vec<Site>,
    known: BTreeMap<(File, usize), usize>,
}

impl<'p> Sites<'p> {
    pub(super) fn collect(
        project: &'p Project,
        scanner: &'p Scanner,
        options: &'p Options,
    ) -> Vec<Site> {
        let mut sites = Self {
            project,
            scanner,
            options,
            all: Vec::new(),
            known: BTreeMap::new(),
        };
        for (service, parts) in &project.services {
            for part in parts {
                if let Some(environment) = part.node().get("environment") {
                    sites.environment(service, part.doc, &environment.value);
                }
                if let Some(files) = part.node().get("env_file") {
                    sites.env_files(service, part.doc, &files.value);
                }
            }
        }
        sites.group();
        sites.all
    }

    fn environment(&mut self, service: &str, doc: usize, value: &Value) {
        for entry in value.node.entries() {
            let shared = self.shared(doc, &entry.value);
            let name = entry.key.clone();
            let (at, line) = (entry.key_span.start, entry.line);
            let filled = self.entry(&name, &entry.value);
            self.add(
                service,
                File::Doc(doc),
                at,
                line,
                name,
                filled,
                shared,
                Form::Entry(entry),
            );
        }
        for item in value.node.items() {
            let Some(text) = item.node.text() else {
                continue;
            };
            let shared = self.shared(doc, item);
            let (name, filled) = match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), fill(self.project, value)),
                None => (text.to_owned(), self.passed(text)),
            };
            let (at, line) = (item.node.span.start, item.node.line);
            self.add(
                service,
                File::Doc(doc),
                at,
                line,
                name,
                filled,
                shared,
                Form::Item(item.clone()),
            );
        }
    }

    fn entry(&self, name: &str, value: &Value) -> Filled {
        match &value.node.kind {
            Kind::Scalar { text, style } if !value.node.is_null() => {
                let mut filled = fill(self.project, text);
                if *style == Style::Block && (value.alias.is_some() || value.node.anchored) {
                    filled.refused = Some("a block of several lines that aliases share".to_owned());
                }
                filled
            }
            Kind::Scalar { .. } => self.passed(name),
            _ => Filled {
                value: None,
                used: BTreeSet::new(),
                refused: Some("its value is no text".to_owned()),
            },
        }
    }

    /// A variable without a value takes the caller's, or that of `.env`.
    fn passed(&self, name: &str) -> Filled {
        match self.project.variable(name) {
            Some(value) => Filled {
                value: Some(Secret::new(value.to_owned())),
                used: BTreeSet::from([name.to_owned()]),
                refused: None,
            },
            None => Filled {
                value: None,
                used: BTreeSet::new(),
                refused: Some("its value comes from the caller's environment".to_owned()),
            },
        }
    }

    fn shared(&self, doc: usize, value: &Value) -> Option<usize> {
        let start = value.node.span.start;
        let aliases = &self.project.docs.get(doc)?.tree.aliases;
        (value.alias.is_some() || aliases.contains_key(&start)).then_some(start)
    }

    fn env_files(&mut self, service: &str, doc: usize, value: &Value) {
        for item in value.one_or_more() {
            let path = item.node.get("path").map(|entry| entry.value.clone());
            let path = path.unwrap_or_else(|| item.clone());
            let Some(name) = path.node.text().and_then(|text| self.project.filled(text)) else {
                continue;
            };
            let beside = self.project.docs.get(doc).and_then(|doc| doc.path.parent());
            let full = crate::fix::project::normal(
                &beside.unwrap_or(std::path::Path::new(".")).join(name),
            );
            let Some(file) = self.project.vars.iter().position(|vars| vars.path == full) else {
                continue;
            };
            let Some(vars) = self.project.vars.get(file) else {
                continue;
            };
            for (index, line) in vars.lines.iter().enumerate() {
                let name = vars
                    .text
                    .get(line.name.clone())
                    .unwrap_or_default()
                    .to_owned();
                let filled = Filled {
                    value: Some(Secret::new(line.value.clone())),
                    used: BTreeSet::new(),
                    refused: line
                        .variables
                        .then(|| "a \"$\" in it that some versions of Compose replace".to_owned()),
                };
                self.add(
                    service,
                    File::Vars(file),
                    line.whole.start,
                    line.number,
                    name,
                    filled,
                    None,
                    Form::Line(index),
                );
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one place, said once each"
    )]
    fn add(
        &mut self,
        service: &str,
        file: File,
        at: usize,
        line: usize,
        variable: String,
        filled: Filled,
        shared: Option<usize>,
        form: Form,
    ) {
        if let Some(known) = self
            .known
            .get(&(file, at))
            .and_then(|n| self.all.get_mut(*n))
        {
            known.services.insert(service.to_owned());
            return;
        }
        let judgement = match &filled.value {
            _ if self.options.not.contains(&variable) => Judgement::No,
            Some(value) if value.is_empty() => Judgement::No,
            Some(_) if self.options.also.contains(&variable) => Judgement::Secret,
            // What cannot be filled in is judged as it is written, so that it is named at least.
            Some(value) => match self.scanner.judge(&variable, value.expose()) {
                Judgement::Secret => Judgement::Secret,
                _ if filled.refused.is_some() && self.in_sight(file, &form) => Judgement::Secret,
                other => other,
            },
            None => Judgement::No,
        };
        self.known.insert((file, at), self.all.len());
        self.all.push(Site {
            file,
            line,
            variable,
            form,
            value: filled.value.filter(|value| !value.is_empty()),
            judgement,
            used: filled.used,
            services: BTreeSet::from([service.to_owned()]),
            shared,
            refused: filled.refused,
            group: 0,
        });
    }

    /// Whether the rules see a secret in what is written.
    fn in_sight(&self, file: File, form: &Form) -> bool {
        let text = match form {
            Form::Entry(entry) => entry.value.node.text(),
            Form::Item(item) => item.node.text(),
            Form::Line(_) => return false,
        };
        matches!(file, File::Doc(_))
            && text.is_some_and(|text| !self.scanner.spots(text).is_empty())
    }

    /// Sites of one variable of one service stand or fall together, and so do those that share a
    /// text: the one that is left would meet the other as `X` beside `X_FILE`.
    fn group(&mut self) {
        let mut parent: Vec<usize> = (0..self.all.len()).collect();
        let mut first: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (index, site) in self.all.iter().enumerate() {
            let mut keys: Vec<_> = site
                .services
                .iter()
                .map(|s| (s.clone(), site.variable.clone()))
                .collect();
            if let (Some(shared), File::Doc(doc)) = (site.shared, site.file) {
                keys.push((format!("\0{doc}"), shared.to_string()));
            }
            for key in keys {
                let other = *first.entry(key).or_insert(index);
                let (a, b) = (root(&parent, index), root(&parent, other));
                if let Some(slot) = parent.get_mut(a) {
                    *slot = b;
                }
            }
        }
        for (index, site) in self.all.iter_mut().enumerate() {
            site.group = root(&parent, index);
        }
    }
}

fn root(parent: &[usize], mut at: usize) -> usize {
    while let Some(&above) = parent.get(at).filter(|above| **above != at) {
        at = above;
    }
    at
}

/// Whether a text names this variable of `.env` (`$X`, `${X…}`), `$$` left aside.
pub(super) fn names_variable(text: &str, name: &str) -> bool {
    let text = text.replace("$$", "");
    !shell::uses(&text, name, "$").is_empty() || shell::uses_otherwise(&text, name, "$")
}
