//! Secrets of a Dockerfile become secret mounts: `ARG`, `ENV`, `COPY` of a file, words of a `RUN`.
//!
//! | there was | there is |
//! |---|---|
//! | `ARG X` | `ARG COFFERDAM_SECRET_ID_X`, which reruns its steps with a new version; steps that use `$X` mount it and set it |
//! | `ENV X=value` | `ENV X_FILE=/run/secrets/X`: for the shim, at run time |
//! | a value in a `RUN` | `$(cat /run/secrets/X)`, and the mount |
//! | `COPY .npmrc ./` | a mount at that path for the steps behind it |
//!
//! BuildKit's own frontend knows these mounts since Docker 20.10 (frontend 1.2), so no `# syntax` is
//! added; one that names an older version is raised.

mod copy;
mod parse;

use super::edit::Edits;
use super::shell;
use crate::build::dockerfile::version_argument;
use crate::fix::words::{line_at, variable_name};
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

/// Decides what changes. A Dockerfile with a secret that cannot be moved keeps that one.
#[must_use]
pub fn fix(text: &str, given: &Given, scanner: &Scanner) -> Fixed {
    let mut work = Work {
        text,
        given,
        scanner,
        fixed: Fixed::default(),
        mounts: BTreeMap::new(),
    };
    work.mask();
    let all = parse::instructions(text);
    let mut begun = false;
    let mut stage: Vec<&Instruction> = Vec::new();
    for instruction in &all {
        if instruction.word == "from" {
            work.stage(&stage, begun);
            begun = true;
            stage.clear();
        }
        stage.push(instruction);
    }
    work.stage(&stage, begun);
    work.write_mounts(&all);
    work.raise_syntax();
    work.report();
    work.fixed
}

struct Work<'w> {
    text: &'w str,
    given: &'w Given,
    scanner: &'w Scanner,
    fixed: Fixed,
    /// What steps mount and run first, by the first byte behind their word.
    mounts: BTreeMap<usize, Vec<(String, String)>>,
}

impl Work<'_> {
    fn mask(&mut self) {
        for spot in self.scanner.spots(self.text) {
            self.fixed.masks.push((spot.secret, "secret".to_owned()));
        }
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

    /// One stage; what stands before the first `FROM` declares for all.
    fn stage(&mut self, stage: &[&Instruction], begun: bool) {
        let mut scoped: Vec<(usize, Scoped)> = Vec::new();
        for (at, instruction) in stage.iter().enumerate() {
            match instruction.word.as_str() {
                "arg" if begun => scoped.extend(self.arguments(instruction, stage, at)),
                "arg" => self.early(instruction),
                "env" => scoped.extend(self.variables(instruction, &scoped)),
                _ => {}
            }
        }
        for (at, one) in &scoped {
            self.lend(one, stage, *at);
        }
        for instruction in stage.iter().filter(|it| it.word == "run") {
            self.inline(instruction);
        }
        self.copies(stage);
    }

    fn early(&mut self, instruction: &Instruction) {
        for token in parse::tokens(self.text, instruction.rest.clone()) {
            let (name, value) = token.text.split_once('=').unwrap_or((&token.text, ""));
            if self.is_secret(name, value) {
                self.refuse(
                    instruction.line,
                    format!("{name}: an argument before the first FROM"),
                );
            }
        }
    }

    fn arguments(
        &mut self,
        instruction: &Instruction,
        stage: &[&Instruction],
        at: usize,
    ) -> Vec<(usize, Scoped)> {
        let mut scoped = Vec::new();
        for token in parse::tokens(self.text, instruction.rest.clone()) {
            let (name, value) = token.text.split_once('=').unwrap_or((&token.text, ""));
            let known = self.given.arguments.get(name).map(Secret::duplicate);
            if known.is_none() && (token.expands || !self.is_secret(name, value)) {
                continue;
            }
            let value = known.unwrap_or_else(|| Secret::new(value.to_owned()));
            if !legal(name) {
                continue;
            }
            let used = stage
                .iter()
                .skip(at + 1)
                .filter(|it| it.word != "run" && it.word != "arg");
            let other = used
                .clone()
                .find(|it| self.names(it, name) && it.word != "env");
            if let Some(other) = other {
                let what = format!("{name}: line {} uses it outside of a RUN", other.line);
                self.refuse(instruction.line, what);
                continue;
            }
            if !self.keep(name, value, instruction.line) {
                continue;
            }
            self.hide(&token, name);
            self.fixed
                .edits
                .replace(token.span.clone(), version_argument(name));
            self.fixed.arguments.insert(name.to_owned());
            scoped.push((
                at,
                Scoped {
                    name: name.to_owned(),
                    line: instruction.line,
                },
            ));
        }
        scoped
    }

    fn names(&self, instruction: &Instruction, name: &str) -> bool {
        let text = self.text.get(instruction.whole.clone()).unwrap_or_default();
        !shell::uses(text, name, "$").is_empty() || shell::uses_otherwise(text, name, "$")
    }

    /// Notes a value; two values under one name are one too many.
    fn keep(&mut self, name: &str, value: Secret<String>, line: usize) -> bool {
        if let Some(known) = self.fixed.secrets.get(name)
            && known.expose() != value.expose()
        {
            self.refuse(line, format!("{name}: another value has this name already"));
            return false;
        }
        self.fixed.secrets.insert(name.to_owned(), value);
        true
    }

    fn hide(&mut self, token: &Token, name: &str) {
        let written = self.text.get(token.span.clone()).unwrap_or_default();
        if let Some(equals) = written.find('=') {
            self.fixed.masks.push((
                token.span.start + equals + 1..token.span.end,
                name.to_owned(),
            ));
        }
    }

    fn variables(
        &mut self,
        instruction: &Instruction,
        scoped: &[(usize, Scoped)],
    ) -> Vec<(usize, Scoped)> {
        let mut found = Vec::new();
        let tokens = parse::tokens(self.text, instruction.rest.clone());
        // `ENV X some value` is the old form: one variable, up to the end.
        let old = tokens
            .first()
            .is_some_and(|token| !token.text.contains('='));
        let pairs: Vec<(String, String, Range<usize>, bool)> = if old {
            let (Some(first), Some(second), Some(last)) =
                (tokens.first(), tokens.get(1), tokens.last())
            else {
                return found;
            };
            let value = self
                .text
                .get(second.span.start..last.span.end)
                .unwrap_or_default();
            vec![(
                first.text.clone(),
                value.to_owned(),
                first.span.start..last.span.end,
                last.expands || second.expands,
            )]
        } else {
            let pair = |token: &Token| {
                let (name, value) = token.text.split_once('=')?;
                Some((
                    name.to_owned(),
                    value.to_owned(),
                    token.span.clone(),
                    token.expands,
                ))
            };
            tokens.iter().filter_map(pair).collect()
        };
        for (name, value, span, expands) in pairs {
            let argument = scoped.iter().find(|(_, one)| {
                value == format!("${}", one.name) || value == format!("${{{}}}", one.name)
            });
            let value = match argument {
                Some((_, one)) => match self.fixed.secrets.get(&one.name) {
                    Some(value) => value.duplicate(),
                    None => continue,
                },
                None if expands || !self.is_secret(&name, &value) => {
                    let inside = scoped
                        .iter()
                        .find(|(_, one)| !shell::uses(&value, &one.name, "$").is_empty());
                    if let Some((_, one)) = inside {
                        self.refuse(
                            instruction.line,
                            format!("{name}: it is made of {}", one.name),
                        );
                    }
                    continue;
                }
                None => Secret::new(value),
            };
            if !legal(&name) || !self.keep(&name, value, instruction.line) {
                continue;
            }
            // Only the value: what stands before it tells the reader which form was there.
            let written = self.text.get(span.clone()).unwrap_or_default();
            let rest = written.get(name.len()..).unwrap_or_default();
            let hidden = rest.strip_prefix('=').unwrap_or(rest.trim_start());
            self.fixed
                .masks
                .push((span.end - hidden.len()..span.end, name.clone()));
            let sign = if old { " " } else { "=" };
            self.fixed
                .edits
                .replace(span, format!("{name}_FILE{sign}/run/secrets/{name}"));
            self.fixed.runtime.insert(name.clone());
            found.push((
                0,
                Scoped {
                    name,
                    line: instruction.line,
                },
            ));
        }
        found
    }

    /// Gives a secret to the steps behind its declaration that name it, or to all when none does:
    /// a program may read its environment by itself.
    fn lend(&mut self, one: &Scoped, stage: &[&Instruction], _at: usize) {
        let behind: Vec<&&Instruction> = stage
            .iter()
            .filter(|it| it.word == "run" && it.line > one.line)
            .collect();
        let named: Vec<&&Instruction> = behind
            .iter()
            .copied()
            .filter(|it| self.names(it, &one.name))
            .collect();
        let runtime = self.fixed.runtime.contains(&one.name);
        // A variable of the finished image is mostly not meant for its build.
        let steps = if named.is_empty() && !runtime {
            behind
        } else {
            named
        };
        for step in steps {
            let command = self
                .text
                .get(step.rest.clone())
                .unwrap_or_default()
                .trim_start();
            if step.heredoc || command.starts_with('[') {
                self.refuse(
                    step.line,
                    format!("{}: this form of RUN cannot set a variable first", one.name),
                );
                continue;
            }
            let first = format!("export {0}=\"$(cat /run/secrets/{0})\" && ", one.name);
            let mount = format!("--mount=type=secret,id={},required=true ", one.name);
            self.mounts
                .entry(step.rest.start)
                .or_default()
                .push((mount, first));
        }
    }

    /// Values among the words of a `RUN`.
    fn inline(&mut self, instruction: &Instruction) {
        let script = self.text.get(instruction.rest.clone()).unwrap_or_default();
        for spot in self.scanner.spots(script) {
            let range = instruction.rest.start + spot.secret.start
                ..instruction.rest.start + spot.secret.end;
            let value = script.get(spot.secret.clone()).unwrap_or_default();
            let named = spot.name.clone().and_then(|name| script.get(name));
            let raw = named.unwrap_or(&spot.rule.id);
            if self.given.not.contains(raw)
                || value.starts_with('$')
                || in_mount(self.text, range.start)
            {
                continue;
            }
            let name = variable_name(raw.trim_start_matches('-'));
            let quoting = shell::quoting(script, spot.secret.start);
            let text = shell::read_file(quoting, &format!("/run/secrets/{name}"), "$");
            let Some(text) = text.filter(|_| {
                !instruction.heredoc && legal(&name) && !script.trim_start().starts_with('[')
            }) else {
                self.refuse(
                    instruction.line,
                    format!("{name}: it stands in a place of a RUN that is not followed"),
                );
                continue;
            };
            if value.contains(['\\', '\'', '"', '`']) {
                self.refuse(instruction.line, format!("{name}: quotes in it"));
                continue;
            }
            if !self.keep(&name, Secret::new(value.to_owned()), instruction.line) {
                continue;
            }
            self.fixed.edits.replace(range, text);
            let mount = format!("--mount=type=secret,id={name},required=true ");
            self.mounts
                .entry(instruction.rest.start)
                .or_default()
                .push((mount, String::new()));
        }
    }

    fn write_mounts(&mut self, all: &[Instruction]) {
        for (rest, list) in std::mem::take(&mut self.mounts) {
            let Some(step) = all.iter().find(|it| it.rest.start == rest) else {
                continue;
            };
            let body = self.text.get(step.rest.clone()).unwrap_or_default();
            let tokens = parse::tokens(self.text, step.rest.clone());
            let flags = tokens
                .iter()
                .take_while(|token| token.text.starts_with("--"));
            let at_mounts =
                step.rest.start + (body.len() - body.trim_start_matches([' ', '\t']).len());
            let at_command = match flags.last() {
                Some(flag) => {
                    let after = self
                        .text
                        .get(flag.span.end..step.rest.end)
                        .unwrap_or_default();
                    flag.span.end
                        + (after.len()
                            - after
                                .trim_start_matches([' ', '\t', '\\', '\r', '\n'])
                                .len())
                }
                None => at_mounts,
            };
            let mut mounts: Vec<String> = Vec::new();
            let mut first: Vec<String> = Vec::new();
            for (mount, command) in list {
                let id = mount.split(',').nth(1).unwrap_or_default().to_owned();
                let there = body.contains(&format!("{id},")) || body.contains(&format!("{id} "));
                let known = mounts.contains(&mount) || (there && body.contains("type=secret"));
                if !known {
                    mounts.push(mount);
                }
                if !command.is_empty() && !first.contains(&command) {
                    first.push(command);
                }
            }
            self.fixed.edits.insert(at_mounts, mounts.concat());
            if !first.is_empty() {
                self.fixed.edits.insert(at_command, first.concat());
            }
        }
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

fn legal(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
