//! The edits themselves.

use super::deliver::{Delivery, SHIM, json, own, volume_lines, words_of};
use super::sites::{File, Form, Site, names_variable};
use super::words::Carrier;
use super::{Style, Work};
use crate::fix::edit::{line_end, line_of};
use crate::fix::shell;
use crate::fix::tree::{Entry, Kind, Node, Style as Written};
use std::collections::BTreeMap;
use std::rc::Rc;

impl Work<'_> {
    /// All edits but those of `.env`.
    pub(super) fn write(&mut self) {
        let deliveries: BTreeMap<String, Delivery> = self
            .project
            .services
            .keys()
            .filter_map(|service| Some((service.clone(), self.delivery(service)?)))
            .collect();
        for index in 0..self.sites.len() {
            self.write_site(index, &deliveries);
        }
        for index in 0..self.words.len() {
            self.write_word(index, &deliveries);
        }
        // What others merge or extend comes first.
        let mut order: Vec<&String> = deliveries.keys().collect();
        order.sort_by_key(|service| self.bases(service).len());
        let mut done: Vec<(String, *const Node)> = Vec::new();
        let mut tops: Vec<(usize, Vec<String>)> = Vec::new();
        for service in order {
            if let (Some(delivery), Some(part)) = (deliveries.get(service), self.target(service)) {
                let bases = self.bases(service);
                let inherited = done.iter().any(|(other, node)| {
                    bases.contains(node)
                        && self.inherits(service, delivery, other, deliveries.get(other))
                });
                if !inherited {
                    self.write_service(service, delivery, &mut tops);
                    done.push((service.clone(), Rc::as_ptr(part.node())));
                }
            }
            if deliveries.get(service).is_some_and(|d| {
                d.shim
                    .as_ref()
                    .is_some_and(|s| s.iter().any(|w| w == "-fill"))
            }) {
                self.outcome.arguments.insert(service.clone());
            }
        }
        for (doc, lines) in tops {
            self.write_top(doc, &lines);
        }
    }

    fn edit(&mut self, file: File) -> &mut crate::fix::edit::Edits {
        self.edits.entry(file).or_default()
    }

    /// Whether what another service was given is this one's, too.
    fn inherits(
        &self,
        service: &str,
        mine: &Delivery,
        other: &str,
        theirs: Option<&Delivery>,
    ) -> bool {
        let Some(theirs) = theirs else {
            return false;
        };
        let keys = ["volumes", "entrypoint", "secrets"];
        let Some(part) = self.target(service) else {
            return false;
        };
        let start = |name: &str| {
            let of = |key| {
                self.project
                    .setting(name, key)
                    .map(|(_, entry)| Rc::as_ptr(&entry))
            };
            (of("entrypoint"), self.project.setting_text(name, "image"))
        };
        keys.iter().all(|key| own(part.node(), key).is_none())
            && mine.secrets.is_subset(&theirs.secrets)
            && (&mine.user, mine.directory, &mine.shim, mine.mounted)
                == (&theirs.user, theirs.directory, &theirs.shim, theirs.mounted)
            && start(service) == start(other)
    }

    /// The file that a secret is in, for all services of a site alike, or for the first.
    fn file_of(
        &self,
        services: &std::collections::BTreeSet<String>,
        name: &str,
        all: &BTreeMap<String, Delivery>,
    ) -> String {
        let directory = services
            .iter()
            .find_map(|service| all.get(service))
            .map_or("/run/secrets", |d| d.directory);
        format!("{directory}/{name}")
    }

    fn write_site(&mut self, index: usize, deliveries: &BTreeMap<String, Delivery>) {
        let Some(site) = self
            .sites
            .get(index)
            .filter(|site| self.settled.taken(site.group))
        else {
            return;
        };
        let (Some(name), Some(pointer)) = (
            self.settled.names.get(&index),
            self.settled
                .pointers
                .get(&(site.group, site.variable.clone())),
        ) else {
            return;
        };
        let path = self.file_of(&site.services, name, deliveries);
        let (file, pointer) = (site.file, pointer.clone());
        let edits = site_edits(site, self.text(file), self.project, &pointer, &path);
        for (range, text) in edits {
            self.edit(file).replace(range, text);
        }
    }

    fn write_word(&mut self, index: usize, deliveries: &BTreeMap<String, Delivery>) {
        let Some(word) = self.words.get(index).filter(|word| word.refused.is_none()) else {
            return;
        };
        let name = if word.use_only {
            let of = self.sites.iter().enumerate().find(|(_, site)| {
                site.variable == word.name
                    && self.settled.taken(site.group)
                    && site
                        .services
                        .iter()
                        .any(|service| word.services.contains(service))
            });
            match of.and_then(|(n, _)| self.settled.names.get(&n)) {
                Some(name) => name.clone(),
                None => return,
            }
        } else {
            word.name.clone()
        };
        let path = self.file_of(&word.services, &name, deliveries);
        let text = match word.carrier {
            Carrier::Fill | Carrier::HealthFill => Some(format!("cofferdam({name})")),
            Carrier::Script(quoting) => shell::read_file(quoting, &path, "$$"),
            Carrier::Use => Some(format!("$$(cat {path})")),
        };
        let text = text.map(|text| match word.style {
            Written::Double => text.replace('"', "\\\""),
            Written::Single => text.replace('\'', "''"),
            Written::Plain | Written::Block => text,
        });
        let (doc, raw, health) = (
            word.doc,
            word.raw.clone(),
            word.carrier == Carrier::HealthFill,
        );
        let services = word.services.clone();
        if let Some(text) = text {
            self.edit(File::Doc(doc)).replace(raw, text);
        }
        if health {
            for service in services {
                self.fill_health(&service, deliveries.get(&service));
            }
        }
    }

    /// The shim before the program of a health check.
    fn fill_health(&mut self, service: &str, delivery: Option<&Delivery>) {
        let Some((doc, entry)) = self.project.setting(service, "healthcheck") else {
            return;
        };
        let Some(test) = entry.value.node.get("test") else {
            return;
        };
        let mut words = vec![SHIM.to_owned(), "-fill".to_owned()];
        if let Some(delivery) = delivery.filter(|d| d.directory != "/run/secrets") {
            words.extend(["-dir".to_owned(), delivery.directory.to_owned()]);
        }
        words.push("--".to_owned());
        if let Some(second) = test.value.node.items().get(1) {
            self.insert_words(doc, &test.value.node, second.start(), &words);
        }
    }

    /// Words before an item of a list.
    fn insert_words(&mut self, doc: usize, list: &Node, before: usize, words: &[String]) {
        let text = self.text(File::Doc(doc));
        let flow = matches!(list.kind, Kind::Sequence { flow: true, .. });
        let new = if flow {
            let words: Vec<String> = words
                .iter()
                .map(|word| format!("{}, ", json(word)))
                .collect();
            (before, words.concat())
        } else {
            let line = line_of(text, before);
            let indent = text.get(line.start..before).unwrap_or_default();
            let end = line_end(text);
            let words: Vec<String> = words
                .iter()
                .map(|word| format!("{indent}{}{end}", plain(word)))
                .collect();
            (line.start, words.concat())
        };
        let edits = self.edit(File::Doc(doc));
        let again = edits
            .sorted()
            .iter()
            .any(|(range, text)| range.start == new.0 && range.is_empty() && *text == new.1);
        if !again {
            edits.insert(new.0, new.1);
        }
    }

    fn write_service(
        &mut self,
        service: &str,
        delivery: &Delivery,
        tops: &mut Vec<(usize, Vec<String>)>,
    ) {
        let Some(part) = self.target(service) else {
            return;
        };
        let node = Rc::clone(part.node());
        let doc = part.doc;
        if let Some(words) = &delivery.shim {
            self.write_entrypoint(service, doc, &node, words);
        }
        let mut mounts = Vec::new();
        match self.options.style {
            Style::Volume => {
                let name = self.volume_name(service, tops);
                mounts.push(format!("{name}:{}:nocopy", delivery.directory));
                tops.push((doc, volume_lines(self.options, &name, delivery)));
            }
            Style::Secrets => {
                for secret in &delivery.secrets {
                    let lines = vec![
                        format!("{secret}:"),
                        format!(
                            "  file: {}",
                            json(&format!("cofferdam:{}/{secret}", self.options.place))
                        ),
                    ];
                    if !tops
                        .iter()
                        .any(|(other, known)| *other == doc && *known == lines)
                    {
                        tops.push((doc, lines));
                    }
                }
                let items: Vec<String> = delivery.secrets.iter().cloned().collect();
                self.add_items(service, doc, &node, "secrets", &items);
            }
        }
        if let (true, Ok(program)) = (delivery.mounted, &self.options.program) {
            mounts.push(format!("{program}:{SHIM}:ro"));
        }
        if !mounts.is_empty() {
            self.add_items(service, doc, &node, "volumes", &mounts);
        }
    }

    fn volume_name(&self, service: &str, tops: &[(usize, Vec<String>)]) -> String {
        let taken = |name: &str| {
            let docs = self.project.docs.iter();
            let roots = docs.filter_map(|doc| doc.tree.root.as_ref());
            let known = roots
                .filter_map(|root| root.get("volumes"))
                .any(|v| v.value.node.own_entry(name).is_some());
            known
                || tops.iter().any(|(_, lines)| {
                    lines
                        .first()
                        .is_some_and(|l| l.strip_suffix(':') == Some(name))
                })
        };
        let first = format!("{service}-secrets");
        let more = (2..).map(|n: usize| format!("{service}-secrets-{n}"));
        std::iter::once(first.clone())
            .chain(more)
            .find(|name| !taken(name))
            .unwrap_or(first)
    }

    fn write_entrypoint(&mut self, service: &str, doc: usize, node: &Rc<Node>, words: &[String]) {
        let effective = self.project.setting(service, "entrypoint");
        let Some((from, entry)) = effective else {
            let Some(Ok(image)) = self.images.get(service) else {
                return;
            };
            let escaped = |word: &String| word.replace('$', "$$");
            let mut all = words.to_vec();
            all.extend(image.entrypoint.iter().map(escaped));
            let mut lines = vec![format!("entrypoint: {}", list(&all))];
            let has_command = self.project.setting(service, "command").is_some();
            if !has_command && !image.command.is_empty() {
                let command: Vec<String> = image.command.iter().map(escaped).collect();
                lines.push(format!("command: {}", list(&command)));
            }
            for line in lines {
                self.add_key(doc, node, &line);
            }
            return;
        };
        let owned = own(node, "entrypoint").is_some_and(|own| Rc::ptr_eq(own, &entry));
        let shared = entry.value.alias.is_some() || entry.value.node.anchored;
        if owned && from == doc && !shared {
            match &entry.value.node.kind {
                Kind::Sequence { items, .. } => {
                    if let Some(first) = items.first() {
                        let list = Rc::clone(&entry.value.node);
                        self.insert_words(doc, &list, first.start(), words);
                    }
                }
                Kind::Scalar { style, .. } => {
                    let quote = usize::from(matches!(style, Written::Single | Written::Double));
                    let at = entry.value.node.span.start + quote;
                    self.edit(File::Doc(doc))
                        .insert(at, format!("{} ", words.join(" ")));
                }
                Kind::Mapping { .. } => {}
            }
            return;
        }
        // It comes from elsewhere: a copy of its own, behind the shim.
        let line = match entry.value.node.text() {
            Some(text) => format!(
                "entrypoint: {}",
                json(&format!("{} {text}", words.join(" ")))
            ),
            None => {
                let mut all = words.to_vec();
                all.extend(words_of(&entry.value.node));
                format!("entrypoint: {}", list(&all))
            }
        };
        if owned {
            let span = entry
                .value
                .alias
                .clone()
                .unwrap_or_else(|| entry.value.node.span.clone());
            let value = line
                .strip_prefix("entrypoint: ")
                .unwrap_or_default()
                .to_owned();
            self.edit(File::Doc(doc)).replace(span, value);
        } else {
            self.add_key(doc, node, &line);
        }
    }

    /// Items at the end of a service's list; what the list is inherited from is copied before them.
    fn add_items(
        &mut self,
        service: &str,
        doc: usize,
        node: &Rc<Node>,
        key: &str,
        items: &[String],
    ) {
        let text = self.text(File::Doc(doc));
        let file = File::Doc(doc);
        let Some(entry) = own(node, key).cloned() else {
            // Compose joins lists of files and of what is extended; a merge key joins nothing.
            let merged = node.get(key);
            let mut all: Vec<String> = merged
                .iter()
                .flat_map(|entry| words_of(&entry.value.node))
                .collect();
            all.extend(items.iter().cloned());
            self.add_list(doc, node, key, &all);
            return;
        };
        let _ = service;
        if entry.value.node.is_null() {
            let at = after_colon(text, &entry);
            self.edit(file).insert(at, format!(" {}", list(items)));
            return;
        }
        if let Some(alias) = &entry.value.alias {
            let mut all = words_of(&entry.value.node);
            all.extend(items.iter().cloned());
            self.edit(file).replace(alias.clone(), list(&all));
            return;
        }
        match &entry.value.node.kind {
            Kind::Sequence {
                flow: true,
                items: known,
            } => {
                let at = known.last().map_or(
                    entry.value.node.span.start + 1,
                    super::super::tree::Value::end,
                );
                let new: Vec<String> = items.iter().map(|item| json(item)).collect();
                let comma = if known.is_empty() { "" } else { ", " };
                self.edit(file)
                    .insert(at, format!("{comma}{}", new.join(", ")));
            }
            Kind::Sequence { items: known, .. } => {
                let Some((first, last)) = known.first().zip(known.last()) else {
                    return;
                };
                let line = line_of(text, first.start());
                let indent = text.get(line.start..first.start()).unwrap_or_default();
                let dash = indent.find('-').unwrap_or(indent.len());
                let indent = indent.get(..dash).unwrap_or_default().to_owned();
                let at = line_of(text, last.end()).end;
                let end = line_end(text);
                let new: Vec<String> = items
                    .iter()
                    .map(|item| format!("{end}{indent}- {}", plain(item)))
                    .collect();
                self.edit(file).insert(at, new.concat());
            }
            _ => {}
        }
    }

    fn add_list(&mut self, doc: usize, node: &Rc<Node>, key: &str, items: &[String]) {
        if matches!(node.kind, Kind::Mapping { flow: true, .. }) {
            self.add_key(doc, node, &format!("{key}: {}", list(items)));
            return;
        }
        let mut lines = vec![format!("{key}:")];
        lines.extend(items.iter().map(|item| format!("  - {}", plain(item))));
        self.add_lines(doc, node, &lines);
    }

    /// One more key of a mapping.
    fn add_key(&mut self, doc: usize, node: &Rc<Node>, line: &str) {
        if matches!(node.kind, Kind::Mapping { flow: true, .. }) {
            let at = node.own().last().map_or(node.span.start + 1, |entry| {
                entry.value.end().max(entry.key_span.end)
            });
            self.edit(File::Doc(doc)).insert(at, format!(", {line}"));
            return;
        }
        self.add_lines(doc, node, &[line.to_owned()]);
    }

    /// Lines in a block mapping, behind the variables where it has them.
    fn add_lines(&mut self, doc: usize, node: &Rc<Node>, lines: &[String]) {
        let text = self.text(File::Doc(doc));
        let Some(first) = node.own().first() else {
            return;
        };
        let column = first.key_span.start - line_of(text, first.key_span.start).start;
        let after = own(node, "environment").or(node.own().last());
        let at = after.map_or(0, |entry| {
            line_of(text, entry.value.end().max(entry.key_span.end)).end
        });
        let end = line_end(text);
        let new: Vec<String> = lines
            .iter()
            .map(|line| format!("{end}{:column$}{line}", ""))
            .collect();
        self.edit(File::Doc(doc)).insert(at, new.concat());
    }

    /// An entry of the file's own `volumes` or `secrets`.
    fn write_top(&mut self, doc: usize, lines: &[String]) {
        let key = self.top_key();
        let text = self.text(File::Doc(doc));
        let Some(root) = self
            .project
            .docs
            .get(doc)
            .and_then(|doc| doc.tree.root.clone())
        else {
            return;
        };
        let end = line_end(text);
        let unit = unit(text, &root);
        let file = File::Doc(doc);
        let block = |indent: usize| -> String {
            let of = |line: &String| {
                let inner = line.len() - line.trim_start().len();
                format!(
                    "{end}{:1$}{2}",
                    "",
                    indent + inner / 2 * unit,
                    line.trim_start()
                )
            };
            lines.iter().map(of).collect()
        };
        let flow = || {
            let first = lines.first().map_or("", |line| line.as_str());
            let rest: Vec<&str> = lines.iter().skip(1).map(|line| line.trim()).collect();
            format!("{first} {{{}}}", rest.join(", "))
        };
        if matches!(root.kind, Kind::Mapping { flow: true, .. }) {
            let at = root.span.end - 1;
            if root.own_entry(key).is_none() {
                self.edit(file)
                    .insert(at, format!(", {key}: {{{}}}", flow()));
            }
            return;
        }
        let Some(entry) = root.own_entry(key) else {
            let last = root.own().last();
            let at = last.map_or(0, |entry| {
                line_of(text, entry.value.end().max(entry.key_span.end)).end
            });
            let begun = self.edit(file).sorted().iter().any(|(range, new)| {
                let new = new.trim_start_matches(['\r', '\n']);
                range.start == at && new.starts_with(&format!("{key}:"))
            });
            let spaced = last.is_some_and(|entry| {
                let line = line_of(text, entry.key_span.start).start;
                text.get(..line)
                    .is_some_and(|before| before.ends_with("\n\n") || before.ends_with("\r\n\r\n"))
            });
            let head = match (begun, spaced) {
                (true, _) => String::new(),
                (false, true) => format!("{end}{end}{key}:"),
                (false, false) => format!("{end}{key}:"),
            };
            let new = format!("{head}{}", block(unit));
            self.edit(file).insert(at, new);
            return;
        };
        let value = &entry.value.node;
        match &value.kind {
            Kind::Mapping {
                flow: true,
                entries,
            } => {
                let comma = if entries.is_empty() { "" } else { ", " };
                let at = entries
                    .last()
                    .map_or(value.span.start + 1, |e| e.value.end().max(e.key_span.end));
                self.edit(file).insert(at, format!("{comma}{}", flow()));
            }
            Kind::Mapping { entries, .. } => {
                let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                    return;
                };
                let column = first.key_span.start - line_of(text, first.key_span.start).start;
                let at = line_of(text, last.value.end().max(last.key_span.end)).end;
                self.edit(file).insert(at, block(column));
            }
            _ => {
                let at = line_of(text, entry.key_span.end).end;
                self.edit(file).insert(at, block(unit));
            }
        }
    }

    /// Takes variables out of `.env` that nothing names any more.
    pub(super) fn drop_dot_env(&mut self) {
        let Some(index) = self.project.dot_env else {
            return;
        };
        let Some(vars) = self.project.vars.get(index) else {
            return;
        };
        let taken = self
            .sites
            .iter()
            .filter(|site| self.settled.taken(site.group));
        let words = self.words.iter().filter(|word| word.refused.is_none());
        let mut used: std::collections::BTreeSet<String> =
            taken.flat_map(|site| site.used.clone()).collect();
        used.extend(words.flat_map(|word| word.used.clone()));
        used.extend(self.settled.used.iter().cloned());
        let docs: Vec<String> = (0..self.project.docs.len())
            .map(|doc| {
                let text = self.text(File::Doc(doc));
                let edits = self.edits.get(&File::Doc(doc));
                edits
                    .and_then(|edits| edits.apply(text))
                    .unwrap_or_else(|| text.to_owned())
            })
            .collect();
        let mut removals = Vec::new();
        for line in &vars.lines {
            let name = vars.text.get(line.name.clone()).unwrap_or_default();
            // Host names and the like stay, unless they are secrets by themselves.
            let secret = self.options.also.contains(name)
                || self.scanner.judge(name, &line.value)
                    == cofferdam_detect::pattern::Judgement::Secret
                || self
                    .outcome
                    .secrets
                    .iter()
                    .any(|s| s.value.expose() == &line.value);
            if !used.contains(name) || !secret {
                continue;
            }
            let passed = self.sites.iter().any(|site| {
                site.used.contains(name) && site.variable == name && !self.settled.taken(site.group)
            });
            let mut others = vars.lines.iter().filter(|other| other.name != line.name);
            let inside = others.any(|other| {
                names_variable(
                    vars.text.get(other.written.clone()).unwrap_or_default(),
                    name,
                )
            });
            let named = docs.iter().any(|doc| names_variable(doc, name));
            let as_file = self
                .sites
                .iter()
                .any(|site| site.file == File::Vars(index) && site.variable == name);
            if passed || inside || named {
                let place = self.place(File::Vars(index), line.number);
                let what = format!("{name}: still named in another place");
                removals.push(Err((place, what)));
            } else if !as_file {
                removals.push(Ok(line.whole.clone()));
            }
        }
        for removal in removals {
            match removal {
                Ok(range) => {
                    self.edit(File::Vars(index)).remove(range);
                }
                Err((place, what)) => self.left(place, what),
            }
        }
    }
}

fn site_edits(
    site: &Site,
    text: &str,
    project: &crate::fix::project::Project,
    pointer: &str,
    path: &str,
) -> Vec<(std::ops::Range<usize>, String)> {
    match &site.form {
        Form::Entry(entry) => {
            let raw = text.get(entry.key_span.clone()).unwrap_or_default();
            let mut edits = vec![(entry.key_span.clone(), requoted(raw, pointer))];
            let node = &entry.value.node;
            if node.is_null() && node.span.is_empty() {
                let at = after_colon(text, entry);
                edits.push((at..at, format!(" {path}")));
            } else if let Kind::Scalar {
                style: Written::Block,
                ..
            } = &node.kind
            {
                let at = after_colon(text, entry);
                edits.push((at..node.span.end, format!(" {path}")));
            } else {
                edits.push((node.span.clone(), path.to_owned()));
            }
            edits
        }
        Form::Item(item) => {
            let raw = text.get(item.node.span.clone()).unwrap_or_default();
            vec![(
                item.node.span.clone(),
                requoted(raw, &format!("{pointer}={path}")),
            )]
        }
        Form::Line(index) => {
            let File::Vars(vars) = site.file else {
                return Vec::new();
            };
            let line = project
                .vars
                .get(vars)
                .and_then(|vars| vars.lines.get(*index));
            let range = line.map(|line| line.name.start..line.written.end);
            range
                .map(|range| vec![(range, format!("{pointer}={path}"))])
                .unwrap_or_default()
        }
    }
}

/// In the quotes that stood there.
fn requoted(raw: &str, text: &str) -> String {
    match raw.chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{text}{quote}"),
        _ => text.to_owned(),
    }
}

/// Behind the colon of an entry.
fn after_colon(text: &str, entry: &Rc<Entry>) -> usize {
    let rest = text.get(entry.key_span.end..).unwrap_or_default();
    entry.key_span.end + rest.find(':').map_or(0, |at| at + 1)
}

/// A flow list of texts.
fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| json(word)).collect();
    format!("[{}]", words.join(", "))
}

/// A text without quotes where YAML needs none.
fn plain(text: &str) -> String {
    let inner = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '/' | '.' | '_' | '-' | ':' | '$' | '{' | '}' | '=' | '@')
    };
    let first =
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '$'));
    if first && text.chars().all(inner) && !text.ends_with(':') {
        text.to_owned()
    } else {
        json(text)
    }
}

/// How far a level is indented in this file.
fn unit(text: &str, root: &Node) -> usize {
    let column = |at: usize| at - line_of(text, at).start;
    let services = root.own_entry("services");
    let first = services.and_then(|services| services.value.node.own().first());
    let unit = first.map_or(2, |entry| column(entry.key_span.start));
    if (1..=8).contains(&unit) { unit } else { 2 }
}
