//! `COPY` of a file with credentials: a mount at the same path, for the steps behind it.

use super::parse::{self, Instruction};
use super::{BUILD_FILES, Work};
use crate::fix::words::variable_name;
use cofferdam_secret::Secret;

impl Work<'_> {
    pub(super) fn copies(&mut self, stage: &[&Instruction]) {
        let mut directory = Some("/".to_owned());
        let user = stage.iter().any(|it| {
            let name = self.text.get(it.rest.clone()).unwrap_or_default().trim();
            it.word == "user" && !matches!(name, "root" | "0")
        });
        for (at, instruction) in stage.iter().enumerate() {
            let words: Vec<String> = parse::tokens(self.text, instruction.rest.clone())
                .into_iter()
                .map(|token| token.text)
                .collect();
            match instruction.word.as_str() {
                "workdir" => directory = directory.and_then(|before| join(&before, words.first()?)),
                "copy" | "add" => self.copy(stage, at, &words, directory.as_deref(), user),
                _ => {}
            }
        }
    }

    fn copy(
        &mut self,
        stage: &[&Instruction],
        at: usize,
        words: &[String],
        directory: Option<&str>,
        user: bool,
    ) {
        let Some(instruction) = stage.get(at) else {
            return;
        };
        let names: Vec<&String> = words
            .iter()
            .filter(|word| !word.starts_with("--"))
            .collect();
        let from = words.iter().any(|word| word.starts_with("--from"));
        let (Some((target, sources)), false) = (names.split_last(), from || instruction.heredoc)
        else {
            return;
        };
        let secret = |source: &&&String| {
            let name = source.rsplit('/').next().unwrap_or_default();
            BUILD_FILES.contains(&name) || name == ".env" || name.starts_with(".env.")
        };
        let Some(source) = sources.iter().find(secret) else {
            return;
        };
        let name = source.rsplit('/').next().unwrap_or_default();
        let line = instruction.line;
        if !BUILD_FILES.contains(&name) {
            self.refuse(line, format!("{name}: a file of secrets for the running program: mount it there, and leave it out of the image"));
            return;
        }
        let value = self
            .given
            .files
            .get(source.trim_start_matches("./"))
            .map(Secret::duplicate);
        let (Some(value), 1) = (value, sources.len()) else {
            self.refuse(
                line,
                format!("{name}: more than this file is copied, or it is not in the context"),
            );
            return;
        };
        if value.is_empty()
            || (self.scanner.spots(value.expose()).is_empty() && !name.starts_with("id_"))
        {
            return;
        }
        let file = if target.ends_with('/') || matches!(target.as_str(), "." | "./") {
            directory
                .and_then(|directory| join(directory, target))
                .map(|path| format!("{}/{name}", path.trim_end_matches('/')))
        } else {
            directory.and_then(|directory| join(directory, target))
        };
        let Some(file) = file.filter(|file| !file.contains(['$', ',', ' '])) else {
            self.refuse(line, format!("{name}: where it goes depends on variables"));
            return;
        };
        let steps: Vec<&&Instruction> = stage
            .iter()
            .skip(at + 1)
            .filter(|it| it.word == "run")
            .collect();
        let removes = steps.iter().find(|step| {
            let text = self.text.get(step.rest.clone()).unwrap_or_default();
            text.contains(name) && text.contains("rm ")
        });
        if let Some(step) = removes {
            let what = format!(
                "{name}: line {} removes it, which a mount does not allow: take that out first",
                step.line
            );
            self.refuse(line, what);
            return;
        }
        if steps.is_empty() {
            self.refuse(
                line,
                format!(
                    "{name}: no step behind it uses it: the running program may, mount it there"
                ),
            );
            return;
        }
        let id = variable_name(name.trim_start_matches('.'));
        if !self.keep(&id, value, line) {
            return;
        }
        // The mount is the root user's alone; another user of the step has to read it, too.
        let mode = if user { ",mode=0444" } else { "" };
        let mount = format!("--mount=type=secret,id={id},target={file}{mode},required=true ");
        for step in steps {
            self.mounts
                .entry(step.rest.start)
                .or_default()
                .push((mount.clone(), String::new()));
        }
        let end = if self
            .text
            .get(instruction.whole.clone())
            .is_some_and(|s| s.ends_with("\r\n"))
        {
            "\r\n"
        } else {
            "\n"
        };
        let argument = format!(
            "ARG {}{end}",
            crate::build::dockerfile::version_argument(&id)
        );
        self.fixed
            .edits
            .replace(instruction.whole.clone(), argument);
    }
}

/// A path below a directory, when no variable is in it.
fn join(directory: &str, path: &str) -> Option<String> {
    if path.contains('$') || path.split('/').any(|part| part == "..") {
        return None;
    }
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let path = path.trim_start_matches("./");
    let path = if path == "." { "" } else { path };
    Some(format!("{}/{path}", directory.trim_end_matches('/')))
}
