//! Secrets of a Dockerfile become secret mounts: `ARG`, `ENV`, `COPY` of a file, words of a `RUN`.
//!
//! | there was | there is |
//! |---|---|
//! | `ARG X` | `ARG COFFERDAM_SECRET_ID_X`, which reruns its steps with a new version; steps that use `$X` mount it and set it |
//! | `ENV X=value` | `ENV X_FILE=/run/secrets/X`: for the shim, at run time |
//! | a value in a `RUN` | `$(cat /run/secrets/X)`, and the mount |
//! | `COPY .npmrc ./` | a mount at that path for the steps behind it |
//!
//! A name changes everywhere or nowhere: a first walk finds what cannot be lent, and the walk whose
//! changes count leaves those names as they are.
//!
//! BuildKit's own frontend knows these mounts since Docker 20.10 (frontend 1.2), so no `# syntax` is
//! added; one that names an older version is raised.

mod copy;
mod lend;
mod mask;
mod parse;

use super::edit::Edits;
use super::shell;
use crate::build::dockerfile::version_argument;
use crate::fix::words::line_at;
use cofferdam_detect::pattern::{Judgement, Scanner};
use cofferdam_secret::Secret;
use parse::{Instruction, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What is known from outside.
#[derive(Default)]
pub struct Given {
    /// Build arguments that are secrets, with their values.
    pub arguments: BTreeMap<String, Secret<String>>,
    /// Variables that are secrets whatever they look like.
    pub also: BTreeSet<String>,
    /// Variables that are none.
    pub not: BTreeSet<String>,
    /// Files of the context that `COPY` may name, by path.
    pub files: BTreeMap<String, Secret<String>>,
}

/// What is to be done to a Dockerfile.
#[derive(Default)]
pub struct Fixed {
    /// The changes.
    pub edits: Edits,
    /// Bytes that are not to be shown.
    pub masks: Vec<super::diff::Mask>,
    /// What has to be stored: id and value.
    pub secrets: BTreeMap<String, Secret<String>>,
    /// Variables that the finished image wanted and now gets from a file.
    pub runtime: BTreeSet<String>,
    /// Arguments of the build that are no arguments any more.
    pub arguments: BTreeSet<String>,
    /// What stays, by line, and why.
    pub left: Vec<(usize, String)>,
}

/// A secret of a stage that steps behind it may use.
struct Scoped {
    name: String,
    /// Where it was declared.
    line: usize,
}

/// One variable of an `ENV`.
struct Pair {
    name: String,
    value: String,
    /// Name and value.
    span: Range<usize>,
    expands: bool,
    /// What stands between them.
    sign: &'static str,
}

const TWO_VALUES: &str = "another value has this name already";

/// Files that hold credentials for a build.
pub const BUILD_FILES: [&str; 7] = [
    ".npmrc",
    ".netrc",
    ".pypirc",
    ".git-credentials",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
];

/// Names that stay as they are, and why, by line.
type Held = BTreeMap<String, BTreeSet<(usize, String)>>;

/// Decides what changes. A Dockerfile with a secret that cannot be moved keeps that one.
#[must_use]
pub fn fix(text: &str, given: &Given, scanner: &Scanner) -> Fixed {
    let all = parse::instructions(text);
    let mut held = Held::new();
    loop {
        let before = held.len();
        let mut work = Work {
            text,
            given,
            scanner,
            all: &all,
            fixed: Fixed::default(),
            mounts: BTreeMap::new(),
            held,
            seen: Vec::new(),
        };
        work.stages();
        // What was changed for a name before it turned out to stay is not to be kept. Every walk
        // but the last holds one name more, and there are not more names than words.
        if work.held.len() > before {
            held = work.held;
            continue;
        }
        return work.finish();
    }
}

struct Work<'w> {
    text: &'w str,
    given: &'w Given,
    scanner: &'w Scanner,
    all: &'w [Instruction],
    fixed: Fixed,
    /// What steps mount and run first, by the first byte behind their word.
    mounts: BTreeMap<usize, Vec<(String, String)>>,
    held: Held,
    /// Values that were met, whether they can be moved or not.
    seen: Vec<(String, Secret<String>)>,
}

impl Work<'_> {
    fn stages(&mut self) {
        let mut begun = false;
        let mut stage: Vec<&Instruction> = Vec::new();
        for instruction in self.all {
            if instruction.word == "from" {
                self.stage(&stage, begun);
                begun = true;
                stage.clear();
            }
            stage.push(instruction);
        }
        self.stage(&stage, begun);
    }

    fn finish(mut self) -> Fixed {
        for (line, what) in std::mem::take(&mut self.held).into_values().flatten() {
            self.refuse(line, what);
        }
        self.write_mounts();
        self.raise_syntax();
        self.report();
        self.mask();
        self.fixed
    }

    fn is_secret(&self, name: &str, value: &str) -> bool {
        !self.given.not.contains(name)
            && !value.is_empty()
            && (self.given.also.contains(name)
                || self.scanner.judge(name, value) == Judgement::Secret)
    }

    fn refuse(&mut self, line: usize, what: impl Into<String>) {
        let entry = (line, what.into());
        if !self.fixed.left.contains(&entry) {
            self.fixed.left.push(entry);
        }
    }

    /// A name that stays as it is in the whole file.
    fn hold(&mut self, name: &str, line: usize, what: impl Into<String>) {
        let why = self.held.entry(name.to_owned()).or_default();
        why.insert((line, what.into()));
    }

    /// One stage; what stands before the first `FROM` declares for all.
    fn stage(&mut self, stage: &[&Instruction], begun: bool) {
        let mut scoped: Vec<Scoped> = Vec::new();
        for instruction in stage {
            match instruction.word.as_str() {
                "arg" if begun => scoped.extend(self.arguments(instruction, stage)),
                "arg" => self.early(instruction),
                "env" => scoped.extend(self.variables(instruction, stage, &scoped)),
                _ => {}
            }
        }
        for one in &scoped {
            self.lend(one, stage);
        }
        for instruction in stage.iter().filter(|it| it.word == "run") {
            self.inline(instruction);
        }
        self.copies(stage);
    }

    fn early(&mut self, instruction: &Instruction) {
        let all = self.all;
        for token in parse::tokens(self.text, instruction.rest.clone()) {
            let (name, value) = token.text.split_once('=').unwrap_or((&token.text, ""));
            let secret = self.is_secret(name, value);
            let known = self.given.arguments.contains_key(name);
            if secret || known {
                self.hide(&token, name);
                self.see(name, value);
            }
            let used = |it: &Instruction| {
                let global = it.word == "from" || it.line < self.first_stage();
                global && self.names(it, name)
            };
            if secret || (known && all.iter().any(used)) {
                let what = format!("{name}: an argument before the first FROM");
                self.hold(name, instruction.line, what);
            }
        }
    }

    /// The line of the first `FROM`.
    fn first_stage(&self) -> usize {
        let first = self.all.iter().find(|it| it.word == "from");
        first.map_or(usize::MAX, |it| it.line)
    }

    fn arguments(&mut self, instruction: &Instruction, stage: &[&Instruction]) -> Vec<Scoped> {
        let mut scoped = Vec::new();
        for token in parse::tokens(self.text, instruction.rest.clone()) {
            let (name, value) = token.text.split_once('=').unwrap_or((&token.text, ""));
            let known = self.given.arguments.get(name).map(Secret::duplicate);
            if known.is_none() && (token.expands || !self.is_secret(name, value)) {
                continue;
            }
            self.hide(&token, name);
            self.see(name, value);
            let value = known.unwrap_or_else(|| Secret::new(value.to_owned()));
            if !legal(name) || self.held.contains_key(name) {
                continue;
            }
            if let Some(why) = self.outside(name, instruction, stage) {
                self.hold(name, instruction.line, why);
                continue;
            }
            if !self.note(name, value) {
                self.hold(name, instruction.line, format!("{name}: {TWO_VALUES}"));
                continue;
            }
            self.fixed
                .edits
                .replace(token.span.clone(), version_argument(name));
            self.fixed.arguments.insert(name.to_owned());
            scoped.push(Scoped {
                name: name.to_owned(),
                line: instruction.line,
            });
        }
        scoped
    }

    fn names(&self, instruction: &Instruction, name: &str) -> bool {
        let text = self.text.get(instruction.whole.clone()).unwrap_or_default();
        uses(text, name)
    }

    /// Notes a value; two values under one name are one too many.
    fn note(&mut self, name: &str, value: Secret<String>) -> bool {
        if let Some(known) = self.fixed.secrets.get(name)
            && known.expose() != value.expose()
        {
            self.seen.push((name.to_owned(), value));
            return false;
        }
        self.fixed.secrets.insert(name.to_owned(), value);
        true
    }

    /// The same for what stands for itself: this place stays, others of the name do not have to.
    fn keep(&mut self, name: &str, value: Secret<String>, line: usize) -> bool {
        let kept = self.note(name, value);
        if !kept {
            self.refuse(line, format!("{name}: {TWO_VALUES}"));
        }
        kept
    }

    fn variables(
        &mut self,
        instruction: &Instruction,
        stage: &[&Instruction],
        scoped: &[Scoped],
    ) -> Vec<Scoped> {
        let mut found = Vec::new();
        for pair in self.pairs(instruction) {
            found.extend(self.variable(instruction, stage, scoped, pair));
        }
        found
    }

    /// The variables of an `ENV`.
    fn pairs(&self, instruction: &Instruction) -> Vec<Pair> {
        let tokens = parse::tokens(self.text, instruction.rest.clone());
        // `ENV X some value` is the old form: one variable, up to the end.
        let old = tokens
            .first()
            .is_some_and(|token| !token.text.contains('='));
        if old {
            let (Some(first), Some(second), Some(last)) =
                (tokens.first(), tokens.get(1), tokens.last())
            else {
                return Vec::new();
            };
            let value = self
                .text
                .get(second.span.start..last.span.end)
                .unwrap_or_default();
            vec![Pair {
                name: first.text.clone(),
                value: value.to_owned(),
                span: first.span.start..last.span.end,
                expands: tokens.iter().skip(1).any(|token| token.expands),
                sign: " ",
            }]
        } else {
            let pair = |token: &Token| {
                let (name, value) = token.text.split_once('=')?;
                Some(Pair {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    span: token.span.clone(),
                    expands: token.expands,
                    sign: "=",
                })
            };
            tokens.iter().filter_map(pair).collect()
        }
    }

    fn variable(
        &mut self,
        instruction: &Instruction,
        stage: &[&Instruction],
        scoped: &[Scoped],
        pair: Pair,
    ) -> Option<Scoped> {
        let Pair { name, value, .. } = pair;
        let line = instruction.line;
        let whole = |one: &&Scoped| {
            value == format!("${}", one.name) || value == format!("${{{}}}", one.name)
        };
        let source = scoped.iter().find(whole).filter(|_| pair.expands);
        let value = match source {
            Some(one) => self.fixed.secrets.get(&one.name)?.duplicate(),
            None if pair.expands || !self.is_secret(&name, &value) => {
                for one in scoped.iter().filter(|one| uses(&value, &one.name)) {
                    self.hold(
                        &one.name,
                        line,
                        format!("{name}: it is made of {}", one.name),
                    );
                }
                return None;
            }
            None => {
                self.see(&name, &value);
                Secret::new(value)
            }
        };
        // Only the value: what stands before it tells the reader which form was there.
        let written = self.text.get(pair.span.clone()).unwrap_or_default();
        let rest = written.get(name.len()..).unwrap_or_default();
        let hidden = rest.strip_prefix('=').unwrap_or(rest.trim_start());
        self.fixed
            .masks
            .push((pair.span.end - hidden.len()..pair.span.end, name.clone()));
        if legal(&name) && !self.held.contains_key(&name) {
            if let Some(why) = self.outside(&name, instruction, stage) {
                self.hold(&name, line, why);
            } else if !self.note(&name, value) {
                self.hold(&name, line, format!("{name}: {TWO_VALUES}"));
            }
        }
        if !legal(&name) || self.held.contains_key(&name) {
            // It goes on wanting what it was made of.
            if let Some(one) = source {
                self.hold(
                    &one.name,
                    line,
                    format!("{name}: it is made of {}", one.name),
                );
            }
            return None;
        }
        let new = format!("{name}_FILE{}/run/secrets/{name}", pair.sign);
        self.fixed.edits.replace(pair.span, new);
        self.fixed.runtime.insert(name.clone());
        Some(Scoped { name, line })
    }

    /// `docker/dockerfile:1.0` and `1.1` know no secret mounts.
    fn raise_syntax(&mut self) {
        if self.fixed.edits.is_empty() {
            return;
        }
        let Some(range) = parse::directive(self.text, "syntax") else {
            return;
        };
        let name = self.text.get(range.clone()).unwrap_or_default();
        let old = ["docker/dockerfile:1.0", "docker/dockerfile:1.1"];
        if old
            .iter()
            .any(|old| name == *old || name.starts_with(&format!("{old}.")))
        {
            self.fixed.edits.replace(range, "docker/dockerfile:1");
        }
    }

    /// What the rules see and nothing changes.
    fn report(&mut self) {
        for spot in self.scanner.spots(self.text) {
            let line = line_at(self.text, spot.secret.start);
            let name = spot
                .name
                .clone()
                .and_then(|name| self.text.get(name))
                .unwrap_or_default();
            let known = self.fixed.left.iter().any(|(other, _)| *other == line);
            let mount = in_mount(self.text, spot.secret.start);
            if !known
                && !mount
                && !self.given.not.contains(name)
                && !self.fixed.edits.covers(&spot.secret)
            {
                self.refuse(
                    line,
                    format!(
                        "looks like a secret ({}), where none can be delivered by us",
                        spot.rule.id
                    ),
                );
            }
        }
        self.fixed.left.sort();
    }
}

/// Whether a byte belongs to a `--mount`: its fields are names and paths.
fn in_mount(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let word = before
        .rsplit(char::is_whitespace)
        .next()
        .unwrap_or_default();
    word.starts_with("--mount=")
}

/// Whether a text uses a variable in any way.
fn uses(text: &str, name: &str) -> bool {
    !shell::uses(text, name, "$").is_empty() || shell::uses_otherwise(text, name, "$")
}

fn legal(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
