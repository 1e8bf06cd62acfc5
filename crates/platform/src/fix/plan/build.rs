//! Builds of a project: arguments that are secrets, and the Dockerfiles that take them.

use super::sites::{File, fill};
use super::{Change, Left, Work};
use crate::fix::dockerfile::{self, BUILD_FILES, Fixed, Given};
use crate::fix::edit::{line_of, next_line};
use crate::fix::project::{Open, normal};
use crate::fix::tree::{Entry, Kind, Node, Value};
use cofferdam_detect::pattern::Judgement;
use cofferdam_secret::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// One `build.args` of a secret.
struct Argument {
    doc: usize,
    line: usize,
    name: String,
    value: Option<Secret<String>>,
    used: BTreeSet<String>,
    refused: Option<String>,
    list: Value,
    /// `args` itself, which goes with its last entry.
    holder: Rc<Entry>,
    at: Range<usize>,
}

/// An argument that is taken out: its bytes, its list, and the list's own entry.
type Gone = (Range<usize>, Value, Rc<Entry>);

/// A Dockerfile of some services.
#[derive(Default)]
struct Recipe {
    context: PathBuf,
    services: BTreeSet<String>,
    arguments: Vec<Argument>,
    /// Which services give a secret to an argument, by its name.
    givers: BTreeMap<String, BTreeSet<String>>,
}

impl Recipe {
    /// Refuses arguments to which services give different values, or some of them none: whichever were
    /// taken, the images of the other services would be built with it. Gives their names.
    fn refuse_differing(&mut self) -> BTreeSet<String> {
        let mut lines: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
        for one in &self.arguments {
            if let Some(value) = &one.value {
                let all = lines.entry(&one.name).or_default();
                all.push((one.line, value.expose()));
            }
        }
        let differs = |all: &[(usize, &str)]| {
            let mut values = all.iter().map(|(_, value)| value);
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        lines.retain(|_, all| differs(all));
        let mut names: BTreeSet<String> = lines.into_keys().map(str::to_owned).collect();
        let some = self.givers.iter();
        let some = some.filter(|(_, givers)| givers.len() < self.services.len());
        names.extend(some.map(|(name, _)| name.clone()));
        for one in &mut self.arguments {
            if names.contains(&one.name) && one.refused.is_none() {
                one.refused = Some(
                    "services that share its Dockerfile give it different values, or none; give each a name of its own, or a Dockerfile"
                        .to_owned(),
                );
            }
        }
        names
    }
}

impl Work<'_> {
    /// Changes Dockerfiles of the project and takes their arguments out of the files.
    pub(super) fn builds(&mut self, open: Open<'_>) {
        let services: Vec<String> = self.project.services.keys().cloned().collect();
        let mut recipes: BTreeMap<PathBuf, Recipe> = BTreeMap::new();
        for service in services {
            if let Some((path, recipe)) = self.recipe(&service) {
                let known = recipes.entry(path).or_default();
                known.context = recipe.context;
                known.services.extend(recipe.services);
                for (name, givers) in recipe.givers {
                    known.givers.entry(name).or_default().extend(givers);
                }
                let new = recipe.arguments.into_iter();
                let new: Vec<_> = new
                    .filter(|one| {
                        !known
                            .arguments
                            .iter()
                            .any(|old| (old.doc, old.at.start) == (one.doc, one.at.start))
                    })
                    .collect();
                known.arguments.extend(new);
            }
        }
        for (path, recipe) in recipes {
            self.build(&path, recipe, open);
        }
    }

    fn recipe(&self, service: &str) -> Option<(PathBuf, Recipe)> {
        let (doc, build) = self.project.setting(service, "build")?;
        let node = &build.value.node;
        let text = |key: &str| {
            node.get(key)
                .and_then(|e| e.value.node.text().and_then(|t| self.project.filled(t)))
        };
        let context = node
            .text()
            .and_then(|t| self.project.filled(t))
            .or_else(|| text("context"));
        let context = context.unwrap_or_else(|| ".".to_owned());
        if context.contains("://") || context.starts_with("git@") {
            return None;
        }
        let beside = self
            .project
            .docs
            .get(doc)?
            .path
            .parent()
            .unwrap_or(Path::new("."));
        let context = normal(&beside.join(context));
        let name = text("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned());
        let mut recipe = Recipe {
            context: context.clone(),
            services: BTreeSet::from([service.to_owned()]),
            arguments: Vec::new(),
            givers: BTreeMap::new(),
        };
        if let Some(args) = node.get("args") {
            recipe.arguments = self.arguments(doc, &args);
        }
        for argument in &recipe.arguments {
            let givers = recipe.givers.entry(argument.name.clone()).or_default();
            givers.insert(service.to_owned());
        }
        Some((normal(&context.join(name)), recipe))
    }

    fn arguments(&self, doc: usize, args: &Rc<Entry>) -> Vec<Argument> {
        let node = &args.value.node;
        let mut all = Vec::new();
        let mut add = |name: &str, value: &str, line: usize, at: Range<usize>| {
            let filled = fill(self.project, value);
            let secret = filled.value.as_ref().is_some_and(|value| {
                !self.options.not.contains(name)
                    && !value.is_empty()
                    && (self.options.also.contains(name)
                        || self.scanner.judge(name, value.expose()) == Judgement::Secret)
            });
            if secret {
                all.push(Argument {
                    doc,
                    line,
                    name: name.to_owned(),
                    value: filled.value,
                    used: filled.used,
                    refused: filled.refused,
                    list: args.value.clone(),
                    holder: Rc::clone(args),
                    at,
                });
            }
        };
        for entry in node.own().iter().filter(|entry| !entry.merge) {
            let value = entry.value.node.text().unwrap_or_default();
            add(
                &entry.key,
                value,
                entry.line,
                entry.key_span.start..entry.value.end(),
            );
        }
        for item in node.items() {
            if let Some((name, value)) = item.node.text().and_then(|text| text.split_once('=')) {
                add(name, value, item.line, item.start()..item.end());
            }
        }
        all
    }

    fn build(&mut self, path: &Path, mut recipe: Recipe, open: Open<'_>) {
        let text = match open(path) {
            Ok(Some(text)) => text,
            Ok(None) => return self.refuse_arguments(&recipe, "its Dockerfile is not here"),
            Err(why) => {
                self.left(path.display().to_string(), why.clone());
                return self.refuse_arguments(&recipe, &why);
            }
        };
        self.outcome.read.push(path.to_owned());
        let mut given = Given {
            also: self.options.also.clone(),
            not: self.options.not.clone(),
            ..Given::default()
        };
        // One Dockerfile has one mount of a name, and one secret comes through it.
        for name in recipe.refuse_differing() {
            given.not.insert(name);
        }
        for argument in recipe.arguments.iter().filter(|one| one.refused.is_none()) {
            if let Some(value) = &argument.value {
                given
                    .arguments
                    .insert(argument.name.clone(), value.duplicate());
            }
        }
        for name in BUILD_FILES {
            if let Ok(Some(content)) = open(&recipe.context.join(name)) {
                given.files.insert(name.to_owned(), Secret::new(content));
            }
        }
        let fixed = dockerfile::fix(&text, &given, self.scanner);
        if let Some(why) = self.runtime_objection(&recipe, &fixed) {
            self.refuse_arguments(&recipe, &why);
            self.left(path.display().to_string(), why);
            return;
        }
        self.take(path, &text, recipe, fixed);
    }

    /// What the finished image wants at run time has to reach every service of it.
    fn runtime_objection(&self, recipe: &Recipe, fixed: &Fixed) -> Option<String> {
        if fixed.runtime.is_empty() {
            return None;
        }
        recipe.services.iter().find_map(|service| {
            let set = self.sites.iter().find(|site| {
                site.services.contains(service) && fixed.runtime.contains(&site.variable)
            });
            if let Some(site) = set {
                return Some(format!(
                    "{}: the Dockerfile and service {service} both set it",
                    site.variable
                ));
            }
            if self.directory(service) != "/run/secrets" {
                return Some(format!(
                    "service {service}: /run/secrets has something of its own"
                ));
            }
            let why = self
                .target_objection(service)
                .or_else(|| self.shim_objection(service));
            why.map(|why| format!("service {service}: {why}"))
        })
    }

    fn refuse_arguments(&mut self, recipe: &Recipe, why: &str) {
        for argument in &recipe.arguments {
            let place = self.place(File::Doc(argument.doc), argument.line);
            self.left(place, format!("build argument {}: {why}", argument.name));
        }
    }

    fn take(&mut self, path: &Path, text: &str, recipe: Recipe, mut fixed: Fixed) {
        let short = path
            .strip_prefix(&self.project.directory)
            .unwrap_or(path)
            .display()
            .to_string();
        for (line, what) in std::mem::take(&mut fixed.left) {
            self.outcome.left.push(Left {
                place: format!("{short} line {line}"),
                what,
            });
        }
        for (name, value) in &fixed.secrets {
            let place = short.clone();
            let known = self.outcome.secrets.iter().any(|s| s.name == *name);
            if known {
                self.left(
                    place,
                    format!("{name}: another Dockerfile has a secret of this name"),
                );
            } else {
                self.store_as(name.clone(), value.duplicate(), place);
            }
        }
        for service in &recipe.services {
            for name in &fixed.runtime {
                self.settled
                    .runtime
                    .entry(service.clone())
                    .or_default()
                    .insert(name.clone());
            }
            if !fixed.edits.is_empty()
                && !fixed
                    .secrets
                    .keys()
                    .all(|name| fixed.runtime.contains(name))
            {
                self.outcome.builds.insert(service.clone());
            }
        }
        let mut gone: Vec<(usize, Range<usize>, Value, Rc<Entry>)> = Vec::new();
        for argument in recipe.arguments {
            let place = self.place(File::Doc(argument.doc), argument.line);
            match (&argument.refused, fixed.arguments.contains(&argument.name)) {
                (Some(why), _) => {
                    self.left(place, format!("build argument {}: {why}", argument.name))
                }
                (None, false) => self.left(
                    place,
                    format!(
                        "build argument {}: the Dockerfile cannot take it as a secret",
                        argument.name
                    ),
                ),
                (None, true) => {
                    self.settled.used.extend(argument.used.clone());
                    gone.push((argument.doc, argument.at, argument.list, argument.holder));
                }
            }
        }
        self.remove_arguments(gone);
        if !fixed.edits.is_empty() {
            let masks = super::merged(std::mem::take(&mut fixed.masks));
            self.outcome.changes.push(Change {
                path: path.to_owned(),
                text: text.to_owned(),
                edits: fixed.edits,
                masks,
            });
        }
    }

    fn remove_arguments(&mut self, gone: Vec<(usize, Range<usize>, Value, Rc<Entry>)>) {
        let mut by_list: BTreeMap<(usize, usize), Vec<Gone>> = BTreeMap::new();
        for (doc, at, list, holder) in gone {
            by_list
                .entry((doc, list.node.span.start))
                .or_default()
                .push((at, list, holder));
        }
        for ((doc, _), all) in by_list {
            let Some((_, list, holder)) = all.first().cloned() else {
                continue;
            };
            let text = self.text(File::Doc(doc));
            let total = list.node.own().len() + list.node.items().len();
            let ranges: Vec<Range<usize>> = if all.len() == total && list.alias.is_none() {
                vec![
                    whole_lines(text, holder.key_span.start..holder.value.end()).unwrap_or_else(
                        || flow_piece(text, holder.key_span.start..holder.value.end()),
                    ),
                ]
            } else {
                let flow = matches!(
                    &list.node.kind,
                    Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. }
                );
                let of = |at: &Range<usize>| {
                    if flow {
                        flow_piece(text, at.clone())
                    } else {
                        whole_lines(text, at.clone()).unwrap_or_else(|| at.clone())
                    }
                };
                all.iter().map(|(at, _, _)| of(at)).collect()
            };
            let edits = self.edits.entry(File::Doc(doc)).or_default();
            for range in ranges {
                edits.remove(range);
            }
        }
    }

    /// Masks of values among build arguments.
    pub(super) fn argument_masks(&self, doc: usize) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        for parts in self.project.services.values() {
            for part in parts.iter().filter(|part| part.doc == doc) {
                let Some(args) = part
                    .node()
                    .get("build")
                    .and_then(|build| build.value.node.get("args"))
                else {
                    continue;
                };
                for one in self.arguments(doc, &args) {
                    all.extend(value_of(&args.value.node, &one.at));
                }
            }
        }
        all
    }
}

fn value_of(node: &Node, at: &Range<usize>) -> Option<Range<usize>> {
    let entry = node
        .own()
        .iter()
        .find(|entry| entry.key_span.start == at.start);
    let of_entry = entry.map(|entry| entry.value.node.span.clone());
    of_entry.or_else(|| Some(at.clone()))
}

/// The lines of a range, when nothing else stands on them but a dash and a comment.
fn whole_lines(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let start = line_of(text, range.start).start;
    let before = text.get(start..range.start)?;
    let alone = before.trim().is_empty() || before.trim() == "-";
    let after = text.get(range.end..line_of(text, range.end).end)?.trim();
    (alone && (after.is_empty() || after.starts_with('#')))
        .then(|| start..next_line(text, range.end))
}

/// An entry of a flow collection with one comma.
fn flow_piece(text: &str, range: Range<usize>) -> Range<usize> {
    let after = text.get(range.end..).unwrap_or_default();
    let blanks = after.len() - after.trim_start_matches(' ').len();
    if after.trim_start_matches(' ').starts_with(',') {
        let end = range.end + blanks + 1;
        let more = text.get(end..).unwrap_or_default();
        return range.start..end + (more.len() - more.trim_start_matches(' ').len());
    }
    let before = text.get(..range.start).unwrap_or_default();
    let trimmed = before.trim_end_matches(' ');
    match trimmed.strip_suffix(',') {
        Some(rest) => rest.len()..range.end,
        None => range,
    }
}
