//! Which groups of places are taken, under which names, by which way.

use super::sites::{File, Form, Site};
use super::words::Word;
use super::{Found, Left, Way, Work};
use crate::fix::tree::{Kind, Style as Written};
use crate::fix::words::variable_name;
use cofferdam_agent::shim::table::{self, Convention};
use cofferdam_detect::pattern::Judgement;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The decision.
#[derive(Default)]
pub(super) struct Settled {
    /// Groups of sites that are taken.
    pub(super) groups: BTreeSet<usize>,
    /// The secret's name, by site.
    pub(super) names: BTreeMap<usize, String>,
    /// What carries the path, by group and variable.
    pub(super) pointers: BTreeMap<(usize, String), String>,
    /// Variables that a service's own script uses by name: the shim has to set them.
    pub(super) forced: BTreeSet<(String, String)>,
    /// Variables that an image of ours sets no more, by service.
    pub(super) runtime: BTreeMap<String, BTreeSet<String>>,
    /// Variables of `.env` in what builds were given.
    pub(super) used: BTreeSet<String>,
    /// Services that start through the shim.
    pub(super) shims: BTreeSet<String>,
}

impl Settled {
    pub(super) fn taken(&self, group: usize) -> bool {
        self.groups.contains(&group)
    }
}

/// Names after which a value of several lines is nobody's variable.
fn legal(name: &str) -> bool {
    name.parse::<cofferdam_agent::FileName>().is_ok()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Work<'_> {
    pub(super) fn decide(&mut self) {
        let wanted: BTreeSet<usize> = self
            .sites
            .iter()
            .filter(|site| site.judgement == Judgement::Secret)
            .map(|site| site.group)
            .collect();
        self.settled.groups = wanted;
        self.collect_words();
        // Refusing one can refuse another, so until nothing changes.
        loop {
            let mut refused: BTreeMap<usize, String> = BTreeMap::new();
            self.settle_ways();
            for (index, site) in self.sites.iter().enumerate() {
                if self.settled.taken(site.group)
                    && let Some(why) = self.objection(index)
                {
                    refused.entry(site.group).or_insert(why);
                }
            }
            let words = self.refuse_words();
            if refused.is_empty() && !words {
                break;
            }
            for (group, why) in refused {
                self.settled.groups.remove(&group);
                self.refuse_group(group, &why);
            }
        }
        self.report_weak();
        self.name_all();
    }

    fn refuse_group(&mut self, group: usize, why: &str) {
        let places: Vec<_> = self
            .sites
            .iter()
            .filter(|site| site.group == group && site.judgement == Judgement::Secret)
            .map(|site| (self.place(site.file, site.line), site.variable.clone()))
            .collect();
        for (place, variable) in places {
            self.left(place, format!("{variable}: {why}"));
        }
    }

    fn report_weak(&mut self) {
        let weak: Vec<_> = self
            .sites
            .iter()
            .filter(|site| site.judgement == Judgement::Weak && !self.settled.taken(site.group))
            .map(|site| Left {
                place: self.place(site.file, site.line),
                what: site.variable.clone(),
            })
            .collect();
        self.outcome.weak.extend(weak);
    }

    /// Why a site cannot be taken, if so.
    fn objection(&self, index: usize) -> Option<String> {
        let site = self.sites.get(index)?;
        if let Some(why) = &site.refused {
            return Some(format!(
                "{} line {}: {why}",
                self.short(site.file),
                site.line
            ));
        }
        if site.value.is_none() {
            return Some("it is empty in another place".to_owned());
        }
        if !legal(&site.variable) {
            return Some("its name is none that a file can have".to_owned());
        }
        if let Some(why) = self.form_objection(site) {
            return Some(why);
        }
        if let (Some(shared), File::Doc(doc)) = (site.shared, site.file) {
            let aliases = self
                .project
                .docs
                .get(doc)?
                .tree
                .aliases
                .get(&shared)
                .copied()
                .unwrap_or(0);
            let used = self.sites.iter().filter(|other| {
                other.file == site.file && other.shared == Some(shared) && aliased(other)
            });
            if used.count() < aliases {
                return Some("its text is used elsewhere through an alias".to_owned());
            }
        }
        site.services
            .iter()
            .find_map(|service| self.service_objection(service, &site.variable))
    }

    fn short(&self, file: File) -> String {
        let place = self.place(file, 0);
        place.strip_suffix(" line 0").unwrap_or(&place).to_owned()
    }

    fn form_objection(&self, site: &Site) -> Option<String> {
        let text = self.text(site.file);
        match &site.form {
            Form::Entry(entry) => match &entry.value.node.kind {
                Kind::Scalar {
                    style: Written::Block,
                    ..
                } => {
                    let head = text.get(entry.key_span.end..entry.value.node.span.start)?;
                    let head = head.trim_start_matches([' ', ':']);
                    let plain = head
                        .trim_end()
                        .chars()
                        .all(|c| matches!(c, '|' | '>' | '-' | '+'));
                    (!plain).then(|| {
                        "a block of several lines with more than its mark before it".to_owned()
                    })
                }
                _ => None,
            },
            Form::Item(item) => match &item.node.kind {
                Kind::Scalar {
                    style: Written::Block,
                    ..
                } => Some("a block of several lines in a list".to_owned()),
                _ => None,
            },
            Form::Line(_) => None,
        }
    }

    fn service_objection(&self, service: &str, variable: &str) -> Option<String> {
        let pointer = self.settled_pointer(service, variable);
        let clash = self.sites.iter().any(|other| {
            other.services.contains(service)
                && (Some(&other.variable) == pointer.as_ref()
                    || other.variable == format!("{variable}_FILE"))
        });
        if clash {
            return Some(format!("service {service}: {variable}_FILE is set, too"));
        }
        if let Some(why) = self.target_objection(service) {
            return Some(format!("service {service}: {why}"));
        }
        if self.settled.shims.contains(service)
            && let Some(why) = self.shim_objection(service)
        {
            return Some(format!("service {service}: {why}"));
        }
        self.health_objection(service, variable)
            .map(|why| format!("service {service}: {why}"))
    }

    fn settled_pointer(&self, service: &str, variable: &str) -> Option<String> {
        let site = self.sites.iter().find(|site| {
            site.variable == variable
                && site.services.contains(service)
                && self.settled.taken(site.group)
        })?;
        self.settled
            .pointers
            .get(&(site.group, variable.to_owned()))
            .cloned()
    }

    /// The variable of each group that carries the path, and who needs the shim for it.
    pub(super) fn settle_ways(&mut self) {
        self.settled.pointers.clear();
        self.settled.shims.clear();
        let mut wants: BTreeMap<(usize, String), BTreeSet<String>> = BTreeMap::new();
        for site in self
            .sites
            .iter()
            .filter(|site| self.settled.taken(site.group))
        {
            let services = wants
                .entry((site.group, site.variable.clone()))
                .or_default();
            services.extend(site.services.iter().cloned());
        }
        for ((group, variable), services) in wants {
            let own = |service: &String| {
                let forced = self
                    .settled
                    .forced
                    .contains(&(service.clone(), variable.clone()));
                self.convention(service, &variable)
                    .variable(&variable)
                    .filter(|_| !forced)
            };
            let all: BTreeSet<_> = services.iter().map(own).collect();
            let agreed = match all.first() {
                Some(Some(only)) if all.len() == 1 => only.clone(),
                _ => format!("{variable}_FILE"),
            };
            let through: Vec<_> = services
                .iter()
                .filter(|service| own(service).as_ref() != Some(&agreed))
                .cloned()
                .collect();
            let way = |service: &String| {
                if through.contains(service) && own(service).is_none() {
                    Way::Same
                } else {
                    Way::File(own(service).unwrap_or_else(|| agreed.clone()))
                }
            };
            let ways: Vec<_> = services
                .iter()
                .map(|service| (service.clone(), way(service)))
                .collect();
            for (service, way) in ways {
                self.outcome
                    .ways
                    .entry(service)
                    .or_default()
                    .insert(variable.clone(), way);
            }
            self.settled.shims.extend(through);
            self.settled.pointers.insert((group, variable), agreed);
        }
        for (service, names) in &self.settled.runtime {
            self.settled.shims.insert(service.clone());
            let ways = self.outcome.ways.entry(service.clone()).or_default();
            ways.extend(names.iter().map(|name| (name.clone(), Way::Same)));
        }
        let words: Vec<_> = self
            .words
            .iter()
            .filter(|word| word.refused.is_none() && word.needs_shim())
            .collect();
        let services: BTreeSet<String> = words
            .iter()
            .flat_map(|word| word.services.clone())
            .collect();
        self.settled.shims.extend(services);
    }

    pub(super) fn convention(&self, service: &str, variable: &str) -> Convention {
        let image = self
            .project
            .setting_text(service, "image")
            .unwrap_or_default();
        table::convention(&image, variable).unwrap_or(Convention::Plain)
    }

    /// Names for what is stored: the variable's, with more before it where two values would meet.
    fn name_all(&mut self) {
        // Only what is still taken comes in another way.
        let mut ways = BTreeMap::new();
        for site in self
            .sites
            .iter()
            .filter(|site| self.settled.taken(site.group))
        {
            for service in &site.services {
                let way = self
                    .outcome
                    .ways
                    .get(service)
                    .and_then(|ways| ways.get(&site.variable));
                let all: &mut BTreeMap<String, Way> = ways.entry(service.clone()).or_default();
                all.extend(way.map(|way| (site.variable.clone(), way.clone())));
            }
        }
        for (service, names) in &self.settled.runtime {
            let all = ways.entry(service.clone()).or_default();
            all.extend(names.iter().map(|name| (name.clone(), Way::Same)));
        }
        self.outcome.ways = ways;
        let mut order: Vec<usize> = (0..self.sites.len()).collect();
        // The one that an alias names first: others take its name.
        order.sort_by_key(|index| self.sites.get(*index).is_some_and(aliased));
        for index in order {
            let Some(site) = self
                .sites
                .get(index)
                .filter(|site| self.settled.taken(site.group))
            else {
                continue;
            };
            let Some(value) = site.value.as_ref().map(cofferdam_secret::Secret::duplicate) else {
                continue;
            };
            let shared = site.shared.and_then(|shared| {
                let mut others = self.sites.iter().enumerate();
                let other = others.find(|(n, other)| {
                    other.file == site.file
                        && other.shared == Some(shared)
                        && self.settled.names.contains_key(n)
                });
                other.and_then(|(n, _)| self.settled.names.get(&n).cloned())
            });
            let service = site.services.first().cloned().unwrap_or_default();
            let (variable, seen) = (site.variable.clone(), self.place(site.file, site.line));
            let name = match shared {
                Some(name) => self.store_as(name, value, seen),
                None => self.store(&variable, &service, value, seen),
            };
            self.settled.names.insert(index, name);
        }
        for index in 0..self.words.len() {
            let Some(word) = self
                .words
                .get(index)
                .filter(|word| word.refused.is_none() && !word.use_only)
            else {
                continue;
            };
            let service = word.services.first().cloned().unwrap_or_default();
            let (name, value) = (word.name.clone(), word.value.duplicate());
            let seen = self.place(File::Doc(word.doc), word.line);
            // A word has no name of its own: one value is one secret.
            let known = self.outcome.secrets.iter().find(|secret| {
                cofferdam_secret::constant_time_eq(
                    secret.value.expose().as_bytes(),
                    value.expose().as_bytes(),
                )
            });
            let name = match known.map(|secret| secret.name.clone()) {
                Some(known) => self.store_as(known, value, seen),
                None => self.store(&name, &service, value, seen),
            };
            if let Some(word) = self.words.get_mut(index) {
                word.name = name;
            }
        }
    }

    pub(super) fn store_as(
        &mut self,
        name: String,
        value: cofferdam_secret::Secret<String>,
        seen: String,
    ) -> String {
        match self
            .outcome
            .secrets
            .iter_mut()
            .find(|secret| secret.name == name)
        {
            Some(known) => known.seen.push(seen),
            None => self.outcome.secrets.push(Found {
                name: name.clone(),
                value,
                seen: vec![seen],
            }),
        }
        name
    }

    fn store(
        &mut self,
        variable: &str,
        service: &str,
        value: cofferdam_secret::Secret<String>,
        seen: String,
    ) -> String {
        let service = variable_name(service);
        let candidates = [variable.to_owned(), format!("{service}_{variable}")];
        let numbered = (2..).map(|n: usize| format!("{service}_{variable}_{n}"));
        let free = candidates.into_iter().chain(numbered).find(|name| {
            let known = self
                .outcome
                .secrets
                .iter()
                .find(|secret| secret.name == *name);
            known.is_none_or(|known| {
                cofferdam_secret::constant_time_eq(
                    known.value.expose().as_bytes(),
                    value.expose().as_bytes(),
                )
            })
        });
        self.store_as(free.unwrap_or_else(|| variable.to_owned()), value, seen)
    }

    /// The bytes of a value as it is written, where there is one.
    pub(super) fn written(&self, site: &Site) -> Option<Range<usize>> {
        let range = match &site.form {
            Form::Entry(entry) => entry.value.node.span.clone(),
            Form::Item(item) => {
                let raw = self.text(site.file).get(item.node.span.clone())?;
                let equals = raw.find('=')?;
                let quote = usize::from(raw.ends_with(['"', '\'']) && raw.starts_with(['"', '\'']));
                item.node.span.start + equals + 1..item.node.span.end - quote
            }
            Form::Line(index) => {
                let File::Vars(vars) = site.file else {
                    return None;
                };
                self.project
                    .vars
                    .get(vars)?
                    .lines
                    .get(*index)?
                    .written
                    .clone()
            }
        };
        // `${X}` shows nothing.
        let hidden = self.text(site.file).get(range.clone())?;
        let only_reference =
            hidden.trim_matches(['"', '\'']).starts_with("${") && !hidden.contains('-');
        (!range.is_empty() && !only_reference).then_some(range)
    }
}

/// Whether the site names its text by an alias.
fn aliased(site: &Site) -> bool {
    match &site.form {
        Form::Entry(entry) => entry.value.alias.is_some(),
        Form::Item(item) => item.alias.is_some(),
        Form::Line(_) => false,
    }
}

/// Words that are part of the decision; here so that the loop reads in one place.
impl Work<'_> {
    /// Refuses words whose service cannot carry them; says whether any was.
    fn refuse_words(&mut self) -> bool {
        let mut refused = Vec::new();
        for (index, word) in self
            .words
            .iter()
            .enumerate()
            .filter(|(_, word)| word.refused.is_none())
        {
            let why = word.services.iter().find_map(|service| {
                let why = self.target_objection(service).or_else(|| {
                    word.needs_shim()
                        .then(|| self.shim_objection(service))
                        .flatten()
                });
                why.map(|why| format!("service {service}: {why}"))
            });
            refused.extend(why.map(|why| (index, why)));
        }
        let any = !refused.is_empty();
        for (index, why) in refused {
            let Some(word) = self.words.get(index) else {
                continue;
            };
            let (place, use_only) = (self.place(File::Doc(word.doc), word.line), word.use_only);
            if !use_only {
                self.left(place, format!("{}: {why}", Word::kind_name(word)));
            }
            if let Some(word) = self.words.get_mut(index) {
                word.refused = Some(why);
            }
        }
        any
    }
}
