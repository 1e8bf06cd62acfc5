//! Secrets among the words of commands, entrypoints and health checks.
//!
//! A script reads the file itself; a program that takes a word gets it from the shim, which fills it
//! in behind `docker inspect`'s back (`cofferdam(NAME)`). A health check of Docker's runs with the
//! container's configured variables, not with those that the shim made: where it uses one that is
//! moved, it reads the file, too.

use super::Work;
use super::sites::{File, fill};
use crate::fix::shell::{self, Quoting};
use crate::fix::tree::{Kind, Node, Style, Value};
use cofferdam_detect::pattern::Judgement;
use cofferdam_secret::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

/// Shorter values are not looked for in other places: they stand everywhere.
const SHORTEST_KNOWN: usize = 6;

/// Who puts the value where the word stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// The shim, before the program.
    Fill,
    /// The shim, before a health check's program.
    HealthFill,
    /// The script.
    Script(Quoting),
    /// What was `$$NAME` and is read from the file now.
    Use,
}

/// One piece of a word.
pub(super) struct Word {
    pub(super) doc: usize,
    pub(super) line: usize,
    /// Its bytes in the file.
    pub(super) raw: Range<usize>,
    pub(super) style: Style,
    /// The secret's name; of a use, the variable's.
    pub(super) name: String,
    pub(super) value: Secret<String>,
    pub(super) used: BTreeSet<String>,
    pub(super) services: BTreeSet<String>,
    pub(super) carrier: Carrier,
    pub(super) key: &'static str,
    pub(super) refused: Option<String>,
    /// It holds no value, only the name of a variable.
    pub(super) use_only: bool,
}

impl Word {
    pub(super) fn needs_shim(&self) -> bool {
        self.carrier == Carrier::Fill
    }

    pub(super) fn kind_name(word: &Self) -> String {
        format!("a secret in {}", word.key)
    }
}

/// The words of one setting.
struct Phrase {
    doc: usize,
    key: &'static str,
    nodes: Vec<Rc<Node>>,
    /// Which of them is a script.
    script: Option<usize>,
    /// One text that Compose splits.
    joined: bool,
    health: bool,
}

struct Piece {
    node: usize,
    range: Range<usize>,
    name: String,
    value: Secret<String>,
    used: BTreeSet<String>,
    use_only: bool,
    refused: Option<String>,
}

impl Work<'_> {
    pub(super) fn collect_words(&mut self) {
        let services: Vec<String> = self.project.services.keys().cloned().collect();
        let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        // Twice: what the rules see in one place is known in all others.
        for service in services.iter().chain(&services) {
            for phrase in self.phrases(service) {
                self.force(service, &phrase);
                for piece in self.pieces(service, &phrase) {
                    let Some(word) = self.word(service, &phrase, piece) else {
                        continue;
                    };
                    let key = (word.doc, word.raw.start);
                    if let Some(old) = known.get(&key).and_then(|n| self.words.get_mut(*n)) {
                        old.services.insert(service.clone());
                        continue;
                    }
                    if let Some(why) = word.refused.clone().filter(|_| !word.use_only) {
                        let place = self.place(File::Doc(word.doc), word.line);
                        self.left(place, format!("{}: {why}", Word::kind_name(&word)));
                    }
                    known.insert(key, self.words.len());
                    self.words.push(word);
                }
            }
        }
    }

    fn phrases(&self, service: &str) -> Vec<Phrase> {
        let mut phrases = Vec::new();
        for key in ["entrypoint", "command"] {
            if let Some((doc, entry)) = self.project.setting(service, key) {
                phrases.extend(phrase(doc, key, &entry.value, false));
            }
        }
        if let Some((doc, entry)) = self.project.setting(service, "healthcheck")
            && let Some(test) = entry.value.node.get("test")
        {
            phrases.extend(phrase(doc, "healthcheck", &test.value, true));
        }
        // A shell of the entrypoint takes its script from the command.
        let shell = phrases.iter().any(|p| {
            let words: Vec<&str> = p.nodes.iter().filter_map(|n| n.text()).collect();
            p.key == "entrypoint"
                && words
                    .last()
                    .is_some_and(|w| w.starts_with('-') && w.ends_with('c'))
        });
        if let Some(command) = phrases
            .iter_mut()
            .find(|p| p.key == "command" && shell && !p.joined)
        {
            command.script = Some(0);
        }
        phrases
    }

    /// Variables that a script of the service's own start uses.
    fn force(&mut self, service: &str, phrase: &Phrase) {
        if phrase.health {
            return;
        }
        let text: Vec<&str> = phrase.nodes.iter().filter_map(|node| node.text()).collect();
        let text = text.join(" ");
        let variables: BTreeSet<String> = self
            .sites
            .iter()
            .filter(|site| site.services.contains(service))
            .map(|site| site.variable.clone())
            .collect();
        for variable in variables {
            if !shell::uses(&text, &variable, "$$").is_empty()
                || shell::uses_otherwise(&text, &variable, "$$")
            {
                self.settled.forced.insert((service.to_owned(), variable));
            }
        }
    }

    fn pieces(&self, service: &str, phrase: &Phrase) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let texts: Vec<&str> = phrase
            .nodes
            .iter()
            .map(|node| node.text().unwrap_or_default())
            .collect();
        for (node, text) in texts.iter().enumerate() {
            self.references(node, text, &mut pieces);
            if phrase.health && phrase.script == Some(node) {
                self.uses(service, node, text, &mut pieces);
            }
        }
        self.spotted(service, &texts, &mut pieces);
        for (node, text) in texts.iter().enumerate() {
            self.known_values(service, node, text, &mut pieces);
        }
        // The first to claim a byte has it.
        let mut kept: Vec<Piece> = Vec::new();
        for piece in pieces {
            let clash = kept.iter().any(|other| {
                other.node == piece.node
                    && other.range.start < piece.range.end
                    && piece.range.start < other.range.end
            });
            if !clash {
                kept.push(piece);
            }
        }
        kept
    }

    /// `${X}` where `.env` says a secret.
    fn references(&self, node: usize, text: &str, pieces: &mut Vec<Piece>) {
        let Some(vars) = self.project.dot_env.and_then(|n| self.project.vars.get(n)) else {
            return;
        };
        for line in &vars.lines {
            let name = vars.text.get(line.name.clone()).unwrap_or_default();
            let judged = self.options.also.contains(name)
                || self.scanner.judge(name, &line.value) == Judgement::Secret;
            if !judged || self.options.not.contains(name) || line.value.is_empty() {
                continue;
            }
            for range in shell::uses(text, name, "$") {
                let escaped = text.get(..range.start).is_some_and(|s| s.ends_with('$'));
                if !escaped {
                    pieces.push(Piece {
                        node,
                        range,
                        name: name.to_owned(),
                        value: Secret::new(line.value.clone()),
                        used: BTreeSet::from([name.to_owned()]),
                        use_only: false,
                        refused: line.variables.then(|| {
                            "a \"$\" in .env that some versions of Compose replace".to_owned()
                        }),
                    });
                }
            }
        }
    }

    /// Values that are secrets somewhere else in the project.
    fn known_values(&self, service: &str, node: usize, text: &str, pieces: &mut Vec<Piece>) {
        let mut sites: Vec<_> = self
            .sites
            .iter()
            .filter(|site| site.judgement == Judgement::Secret)
            .collect();
        // A service's own name for it first.
        sites.sort_by_key(|site| !site.services.contains(service));
        let words = self
            .words
            .iter()
            .filter(|word| !word.use_only && word.refused.is_none());
        let known = sites
            .into_iter()
            .filter_map(|site| Some((&site.variable, site.value.as_ref()?)));
        for (name, value) in known.chain(words.map(|word| (&word.name, &word.value))) {
            let value = value.expose();
            if value.len() < SHORTEST_KNOWN || value.contains('$') {
                continue;
            }
            for (at, found) in text.match_indices(value.as_str()) {
                // Inside of a longer word it is another value.
                let around = [
                    text.get(..at).and_then(|s| s.chars().next_back()),
                    text.get(at + found.len()..).and_then(|s| s.chars().next()),
                ];
                if around.iter().flatten().any(|c| c.is_ascii_alphanumeric()) {
                    continue;
                }
                pieces.push(Piece {
                    node,
                    range: at..at + found.len(),
                    name: name.clone(),
                    value: Secret::new(found.to_owned()),
                    used: BTreeSet::new(),
                    use_only: false,
                    refused: None,
                });
            }
        }
    }

    fn uses(&self, service: &str, node: usize, text: &str, pieces: &mut Vec<Piece>) {
        let variables: BTreeSet<&str> = self
            .sites
            .iter()
            .filter(|site| site.services.contains(service) && self.settled.taken(site.group))
            .map(|site| site.variable.as_str())
            .collect();
        for variable in variables {
            for range in shell::uses(text, variable, "$$") {
                pieces.push(Piece {
                    node,
                    range,
                    name: variable.to_owned(),
                    value: Secret::new(String::new()),
                    used: BTreeSet::new(),
                    use_only: true,
                    refused: None,
                });
            }
        }
    }

    /// What the rules see when the words stand side by side.
    fn spotted(&self, service: &str, texts: &[&str], pieces: &mut Vec<Piece>) {
        let line = Secret::new(texts.join(" "));
        for spot in self.scanner.spots(line.expose()) {
            let mut start = 0;
            for (node, text) in texts.iter().enumerate() {
                let span = start..start + text.len();
                start = span.end + 1;
                if spot.secret.start < span.start || spot.secret.end > span.end {
                    continue;
                }
                let range = spot.secret.start - span.start..spot.secret.end - span.start;
                let written = text.get(range.clone()).unwrap_or_default();
                if written.starts_with('$') || written.starts_with("cofferdam(") {
                    continue;
                }
                let name = spot.name.clone().and_then(|name| line.expose().get(name));
                let name = name.unwrap_or(&spot.rule.id);
                if self.options.not.contains(name) {
                    continue;
                }
                let filled = fill(self.project, written);
                pieces.push(Piece {
                    node,
                    range,
                    name: called(service, name),
                    value: filled.value.unwrap_or_else(|| Secret::new(String::new())),
                    used: filled.used,
                    use_only: false,
                    refused: filled.refused,
                });
            }
        }
    }

    fn word(&self, service: &str, phrase: &Phrase, piece: Piece) -> Option<Word> {
        let node = phrase.nodes.get(piece.node)?;
        let Kind::Scalar { text, style } = &node.kind else {
            return None;
        };
        let raw_text = self.text(File::Doc(phrase.doc)).get(node.span.clone())?;
        let part = text.get(piece.range.clone())?;
        let in_text: Vec<usize> = text.match_indices(part).map(|(at, _)| at).collect();
        let in_raw: Vec<usize> = raw_text.match_indices(part).map(|(at, _)| at).collect();
        let ordinal = in_text.iter().position(|at| *at == piece.range.start);
        let found = ordinal
            .filter(|_| in_text.len() == in_raw.len())
            .and_then(|n| in_raw.get(n));
        let mut refused = piece.refused;
        let raw = match found {
            Some(at) => node.span.start + at..node.span.start + at + part.len(),
            None => {
                refused.get_or_insert_with(|| "it is written with escapes".to_owned());
                node.span.clone()
            }
        };
        let carrier = if piece.use_only {
            Carrier::Use
        } else if phrase.script == Some(piece.node) {
            let quoting = shell::quoting(text, piece.range.start);
            if quoting == Quoting::Unclear {
                refused.get_or_insert_with(|| {
                    "it stands in a place of a script that is not followed".to_owned()
                });
            }
            Carrier::Script(quoting)
        } else if phrase.health {
            Carrier::HealthFill
        } else {
            Carrier::Fill
        };
        let exec = matches!(carrier, Carrier::Fill | Carrier::HealthFill);
        if exec && phrase.joined && part.contains(['\'', '"', '\\', ' ']) {
            refused.get_or_insert_with(|| "quotes in it: write the command as a list".to_owned());
        }
        let first = phrase
            .nodes
            .first()
            .and_then(|n| n.text())
            .unwrap_or_default();
        let first: Vec<&str> = first.split_whitespace().collect();
        if exec && phrase.joined && shell::script_of(&first).is_some() {
            refused.get_or_insert_with(|| {
                "a script inside of quotes: write the command as a list".to_owned()
            });
        }
        if !legal(&piece.name) {
            refused.get_or_insert_with(|| "no name for it".to_owned());
        }
        Some(Word {
            doc: phrase.doc,
            line: node.line,
            raw,
            style: *style,
            name: piece.name,
            value: piece.value,
            used: piece.used,
            services: BTreeSet::from([service.to_owned()]),
            carrier,
            key: phrase.key,
            refused,
            use_only: piece.use_only,
        })
    }

    /// Why a variable cannot move because of a health check.
    pub(super) fn health_objection(&self, service: &str, variable: &str) -> Option<String> {
        if let Some(Ok(image)) = self.images.get(service) {
            let own = self.project.setting(service, "healthcheck").is_none();
            let text = image.health.join(" ");
            if own
                && (!shell::uses(&text, variable, "$").is_empty()
                    || shell::uses_otherwise(&text, variable, "$"))
            {
                return Some(format!("the image's own health check reads {variable}"));
            }
        }
        for phrase in self.phrases(service).iter().filter(|phrase| phrase.health) {
            for (index, node) in phrase.nodes.iter().enumerate() {
                let text = node.text().unwrap_or_default();
                let used = !shell::uses(text, variable, "$$").is_empty();
                if shell::uses_otherwise(text, variable, "$$")
                    || (used && phrase.script != Some(index))
                {
                    return Some(format!(
                        "its health check uses {variable} in a way that is not followed"
                    ));
                }
            }
        }
        None
    }
}

fn phrase(doc: usize, key: &'static str, value: &Value, health: bool) -> Option<Phrase> {
    let joined = value.node.text().is_some();
    let nodes: Vec<Rc<Node>> = if joined {
        vec![Rc::clone(&value.node)]
    } else {
        value
            .node
            .items()
            .iter()
            .map(|item| Rc::clone(&item.node))
            .collect()
    };
    let words: Vec<&str> = nodes
        .iter()
        .map(|node| node.text().unwrap_or_default())
        .collect();
    let script = if health {
        match words.first() {
            Some(_) if joined => Some(0),
            Some(&"CMD-SHELL") => Some(1),
            Some(&"CMD") => shell::script_of(words.get(1..)?).map(|n| n + 1),
            _ => return None,
        }
    } else if joined {
        None
    } else {
        shell::script_of(&words)
    };
    Some(Phrase {
        doc,
        key,
        nodes,
        script,
        joined,
        health,
    })
}

fn legal(name: &str) -> bool {
    name.parse::<cofferdam_agent::FileName>().is_ok()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `CACHE_REQUIREPASS`.
fn called(service: &str, name: &str) -> String {
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = name.trim_start_matches('-').chars().map(upper).collect();
    let service: String = service.chars().map(upper).collect();
    format!("{service}_{name}")
}
