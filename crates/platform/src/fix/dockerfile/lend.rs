//! Steps get what they use: first whether they can, then the mounts and the words before them.

use super::parse::{self, Instruction};
use super::{Scoped, Work, in_mount, legal, uses};
use crate::fix::shell;
use crate::fix::words::variable_name;
use cofferdam_secret::Secret;
use std::collections::BTreeSet;

impl Work<'_> {
    /// Why no mount reaches all that uses a name behind its declaration.
    pub(super) fn outside(
        &self,
        name: &str,
        declared: &Instruction,
        stage: &[&Instruction],
    ) -> Option<String> {
        let variable = declared.word == "env";
        // The program of a finished image has its variables from the shim.
        let started = |it: &Instruction| variable && matches!(&*it.word, "cmd" | "entrypoint");
        // `RUN` and `ENV` are looked at where they are changed.
        let here = stage
            .iter()
            .filter(|it| it.line > declared.line)
            .find(|it| !matches!(&*it.word, "run" | "env") && !started(it) && self.names(it, name));
        if let Some(it) = here {
            return Some(format!("{name}: line {} uses it outside of a RUN", it.line));
        }
        let later = self.built_on(stage).into_iter();
        let mut own = false;
        for it in later {
            own &= it.word != "from";
            if !own && !started(it) && self.names(it, name) {
                let line = it.line;
                return Some(format!(
                    "{name}: line {line} uses it, in a stage built on this one"
                ));
            }
            own |= self.declares(it, name);
        }
        None
    }

    /// Instructions of later stages that begin with this one: they inherit its names.
    fn built_on(&self, stage: &[&Instruction]) -> Vec<&Instruction> {
        let (Some(first), Some(last)) = (stage.first(), stage.last()) else {
            return Vec::new();
        };
        let mut names: BTreeSet<String> = self.base_and_name(first).1.into_iter().collect();
        let mut inside = false;
        let mut found = Vec::new();
        for it in self.all.iter().filter(|it| it.line > last.line) {
            if it.word == "from" {
                let (base, name) = self.base_and_name(it);
                inside = names.contains(&base) || base.contains('$');
                names.extend(name.filter(|_| inside));
            }
            if inside {
                found.push(it);
            }
        }
        found
    }

    /// What a `FROM` begins with, and its own name.
    fn base_and_name(&self, from: &Instruction) -> (String, Option<String>) {
        let words = parse::tokens(self.text, from.rest.clone()).into_iter();
        let mut words = words
            .map(|token| token.text.to_ascii_lowercase())
            .filter(|word| !word.starts_with("--"));
        let base = words.next().unwrap_or_default();
        let name = words.next().filter(|word| word == "as");
        (base, name.and_then(|_| words.next()))
    }

    fn declares(&self, it: &Instruction, name: &str) -> bool {
        matches!(&*it.word, "arg" | "env")
            && parse::tokens(self.text, it.rest.clone())
                .iter()
                .any(|token| token.text.split('=').next() == Some(name))
    }

    /// Gives a secret to the steps behind its declaration that name it, or to all when none does:
    /// a program may read its environment by itself. One step that cannot have it, and none has.
    pub(super) fn lend(&mut self, one: &Scoped, stage: &[&Instruction]) {
        let behind: Vec<&Instruction> = stage
            .iter()
            .copied()
            .filter(|it| it.word == "run" && it.line > one.line)
            .collect();
        let named: Vec<&Instruction> = behind
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
        for step in &steps {
            if let Some(why) = self.cannot_have(step, &one.name) {
                self.hold(&one.name, step.line, format!("{}: {why}", one.name));
            }
        }
        if self.held.contains_key(&one.name) {
            return;
        }
        for step in steps {
            let first = format!("export {0}=\"$(cat /run/secrets/{0})\" && ", one.name);
            let mount = format!("--mount=type=secret,id={},required=true ", one.name);
            self.mounts
                .entry(step.rest.start)
                .or_default()
                .push((mount, first));
        }
    }

    fn cannot_have(&self, step: &Instruction, name: &str) -> Option<&'static str> {
        let tokens = parse::tokens(self.text, step.rest.clone());
        let mut flags = tokens.iter().take_while(|it| it.text.starts_with("--"));
        if flags.any(|flag| uses(&flag.text, name)) {
            return Some("a flag of this RUN uses it");
        }
        let list = self.is_list(step);
        (step.heredoc || list).then_some("this form of RUN cannot set a variable first")
    }

    /// `RUN ["program", "word"]`: no shell reads it.
    fn is_list(&self, step: &Instruction) -> bool {
        let tokens = parse::tokens(self.text, step.rest.clone());
        let command = tokens.iter().find(|it| !it.text.starts_with("--"));
        let start = command.and_then(|it| self.text.get(it.span.clone()));
        start.is_some_and(|text| text.starts_with('['))
    }

    /// Values among the words of a `RUN`.
    pub(super) fn inline(&mut self, instruction: &Instruction) {
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
            self.fixed.masks.push((range.clone(), name.clone()));
            self.see(&name, value);
            let quoting = shell::quoting(script, spot.secret.start);
            let text = shell::read_file(quoting, &format!("/run/secrets/{name}"), "$");
            let Some(text) =
                text.filter(|_| !instruction.heredoc && legal(&name) && !self.is_list(instruction))
            else {
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

    pub(super) fn write_mounts(&mut self) {
        for (rest, list) in std::mem::take(&mut self.mounts) {
            let Some(step) = self.all.iter().find(|it| it.rest.start == rest) else {
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
}
