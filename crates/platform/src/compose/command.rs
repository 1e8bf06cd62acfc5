//! The command line of Compose: which files it reads, which project it is, what it is to do.

use super::Flavour;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Compose's global flags that take a value, 1.29 and v2.
const VALUES: [&str; 18] = [
    "--ansi",
    "--context",
    "--env-file",
    "--file",
    "--host",
    "--log-level",
    "--parallel",
    "--profile",
    "--progress",
    "--project-directory",
    "--project-name",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--workdir",
    "-H",
    "-c",
    "-l",
];
/// Docker's own, before the word `compose` or `stack`.
const DOCKER_VALUES: [&str; 10] = [
    "--config",
    "--context",
    "-c",
    "--host",
    "-H",
    "--log-level",
    "-l",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
];
/// Subcommands that read no file, or only show what Compose is.
const FILELESS: [&str; 5] = ["completion", "help", "ls", "version", "bridge"];
/// Files by their usual names, in the order in which each Compose looks for them.
const NAMES_V1: [&str; 4] = [
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
];
const NAMES_V2: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
const OVERRIDES_V1: [&str; 4] = [
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
    "compose.override.yml",
    "compose.override.yaml",
];
const OVERRIDES_V2: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// Which program the words name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// None: only Compose's own flags and its command.
    Unsaid,
    /// `docker-compose`, of either kind.
    Standalone,
    /// `docker compose`.
    Plugin,
    /// `docker stack deploy`.
    Stack,
}

/// A command line that was understood.
#[derive(Debug, PartialEq, Eq)]
pub struct ComposeCommand {
    /// Which program.
    pub program: Program,
    words: Vec<OsString>,
    /// Where another `-f` goes.
    insert: usize,
    /// `-f`, as given.
    pub files: Vec<PathBuf>,
    /// `-p`, or the name of the stack.
    pub project: Option<String>,
    /// `--project-directory`.
    pub directory: Option<PathBuf>,
    /// `--env-file`.
    pub env_files: Vec<PathBuf>,
    /// `up`, `down`, …
    pub subcommand: Option<String>,
    /// Whether help or a version is all that is asked for.
    pub only_asks: bool,
}

/// Words that are no command of Compose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Another program.
    #[error("not Compose: {0}")]
    Other(String),
    /// `docker` and something else.
    #[error("not Compose: docker is called without \"compose\" and without \"stack deploy\"")]
    Docker,
    /// Two have to read it.
    #[error("a Compose file on stdin can be read once only")]
    Stdin,
}

impl CommandError {
    /// The next thing to do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Other(_) | Self::Docker => {
                "cofferdam compose -- up -d, or -- docker-compose -f FILE up -d"
            }
            Self::Stdin => "save it, and name it with -f",
        }
    }
}

impl ComposeCommand {
    /// Understands `[docker-compose | docker [flags] compose | docker [flags] stack deploy] …`.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn parse(words: &[OsString]) -> Result<Self, CommandError> {
        let (program, begin) = program(words)?;
        let mut command = Self {
            program,
            words: words.to_vec(),
            insert: begin,
            files: Vec::new(),
            project: None,
            directory: None,
            env_files: Vec::new(),
            subcommand: None,
            only_asks: false,
        };
        if program == Program::Stack {
            command.read_stack(begin)?;
        } else {
            command.read_compose(begin)?;
        }
        Ok(command)
    }

    fn read_compose(&mut self, begin: usize) -> Result<(), CommandError> {
        let mut at = begin;
        while let Some(word) = self.words.get(at).cloned() {
            let text = word.to_string_lossy().into_owned();
            if !text.starts_with('-') || text == "-" {
                self.subcommand = Some(text);
                break;
            }
            at += 1;
            let (name, value) = match split(&text) {
                (name, Some(value)) => (name, value),
                (name, None) => {
                    if takes_value(&name) {
                        let value = self.words.get(at).cloned().unwrap_or_default();
                        at += 1;
                        (name, value.to_string_lossy().into_owned())
                    } else {
                        (name, String::new())
                    }
                }
            };
            match name.as_str() {
                "-f" | "--file" => self.add_file(&value)?,
                "-p" | "--project-name" => self.project = Some(value),
                "--project-directory" | "--workdir" => self.directory = Some(value.into()),
                "--env-file" => self.env_files.push(value.into()),
                "-h" | "--help" | "-v" | "--version" => self.only_asks = true,
                _ => {}
            }
        }
        // A flag at the very end lacks its value: Compose will say so.
        self.insert = at.min(self.words.len());
        let word = self.subcommand.as_deref();
        self.only_asks |= word.is_none_or(|word| FILELESS.contains(&word));
        let rest = self.words.get(at..).unwrap_or_default();
        self.only_asks |= rest.iter().any(|word| word == "--help");
        Ok(())
    }

    /// `docker stack deploy [-c FILE]… STACK`.
    fn read_stack(&mut self, begin: usize) -> Result<(), CommandError> {
        self.subcommand = Some("deploy".to_owned());
        let mut rest = self
            .words
            .get(begin..)
            .unwrap_or_default()
            .to_vec()
            .into_iter();
        while let Some(word) = rest.next() {
            let text = word.to_string_lossy().into_owned();
            let (name, value) = split(&text);
            let takes = matches!(
                name.as_str(),
                "-c" | "--compose-file" | "--orchestrator" | "--namespace" | "--resolve-image"
            );
            let value = match value {
                Some(value) => value,
                None if takes => {
                    let next = rest.next().unwrap_or_default();
                    next.to_string_lossy().into_owned()
                }
                None => String::new(),
            };
            match name.as_str() {
                "-c" | "--compose-file" => {
                    for file in value.split(',') {
                        self.add_file(file)?;
                    }
                }
                "--help" => self.only_asks = true,
                name if !name.starts_with('-') => self.project = Some(name.to_owned()),
                _ => {}
            }
        }
        self.only_asks |= self.files.is_empty();
        // Behind the others: the first file says what paths are relative to, the last one wins.
        self.insert = self.words.len();
        Ok(())
    }

    fn add_file(&mut self, file: &str) -> Result<(), CommandError> {
        if file == "-" {
            return Err(CommandError::Stdin);
        }
        self.files.push(file.into());
        Ok(())
    }

    /// The words, with files that Compose would have found by itself and one more behind them.
    #[must_use]
    pub fn with_files(&self, found: &[PathBuf], last: &Path) -> Vec<OsString> {
        let flag = if self.program == Program::Stack {
            "-c"
        } else {
            "-f"
        };
        let files = found.iter().map(PathBuf::as_path).chain([last]);
        let flags = files.flat_map(|file| [OsString::from(flag), file.into()]);
        let mut words = self.words.clone();
        words.splice(self.insert..self.insert, flags);
        words
    }

    /// The words as they were given.
    #[must_use]
    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// Whether containers may be made or started.
    #[must_use]
    pub fn starts(&self) -> bool {
        let word = self.subcommand.as_deref();
        word.is_some_and(|word| {
            matches!(word, "up" | "create" | "run" | "scale" | "start" | "watch")
        })
    }

    /// Whether what containers print may come out of it.
    #[must_use]
    pub fn shows_output(&self) -> bool {
        let word = self.subcommand.as_deref();
        self.program != Program::Stack
            && word.is_some_and(|word| {
                matches!(word, "up" | "run" | "exec" | "logs" | "attach" | "watch")
            })
    }

    /// Whether the project ends.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.subcommand.as_deref() == Some("down") && self.program != Program::Stack
    }
}

fn program(words: &[OsString]) -> Result<(Program, usize), CommandError> {
    let first = words.first().map(OsString::as_os_str).unwrap_or_default();
    let name = Path::new(first).file_name().unwrap_or_default();
    if first.to_string_lossy().starts_with('-') {
        return Ok((Program::Unsaid, 0));
    }
    match &*name.to_string_lossy() {
        "docker-compose" => return Ok((Program::Standalone, 1)),
        "docker" => {}
        other if is_path(first) || other.contains("compose") => {
            return Err(CommandError::Other(other.to_owned()));
        }
        _ => return Ok((Program::Unsaid, 0)),
    }
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        at += 1;
        match &*text {
            "compose" => return Ok((Program::Plugin, at)),
            "stack" => {
                let deploy = words
                    .get(at)
                    .is_some_and(|word| word == "deploy" || word == "up");
                return if deploy {
                    Ok((Program::Stack, at + 1))
                } else {
                    Err(CommandError::Docker)
                };
            }
            text if DOCKER_VALUES.contains(&text) => at += 1,
            text if text.starts_with('-') => {}
            _ => break,
        }
    }
    Err(CommandError::Docker)
}

fn is_path(word: &OsStr) -> bool {
    word.to_string_lossy().contains('/')
}

fn takes_value(name: &str) -> bool {
    VALUES.contains(&name) || matches!(name, "-f" | "-p")
}

/// Name and attached value: `--file=x`, `-fx`, `-f=x`.
fn split(text: &str) -> (String, Option<String>) {
    if text.starts_with("--") {
        return match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.to_owned(), None),
        };
    }
    let short = text
        .strip_prefix(['-'])
        .and_then(|rest| rest.chars().next());
    match short {
        Some(letter @ ('f' | 'p' | 'c')) => {
            let value = text.get(2..).unwrap_or_default();
            let value = value.strip_prefix('=').unwrap_or(value);
            let given = (!value.is_empty()).then(|| value.to_owned());
            (format!("-{letter}"), given)
        }
        _ => (text.to_owned(), None),
    }
}

/// The files that Compose finds by itself: in `directory` or the nearest one above.
#[must_use]
pub fn usual_files(directory: &Path, flavour: Flavour) -> Vec<PathBuf> {
    let (names, overrides) = if flavour == Flavour::V1 {
        (NAMES_V1, OVERRIDES_V1)
    } else {
        (NAMES_V2, OVERRIDES_V2)
    };
    for above in directory.ancestors() {
        let found = |names: [&str; 4]| {
            let mut paths = names.iter().map(|name| above.join(name));
            paths.find(|path| path.is_file())
        };
        if let Some(base) = found(names) {
            return [Some(base), found(overrides)]
                .into_iter()
                .flatten()
                .collect();
        }
    }
    Vec::new()
}

/// What Compose makes of a project's name.
#[must_use]
pub fn normal_name(name: &str, flavour: Flavour) -> String {
    let lower = name.to_lowercase();
    let legal = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let name: String = lower.chars().filter(legal).collect();
    match flavour {
        Flavour::V1 => name,
        Flavour::V2 | Flavour::Stack => name.trim_start_matches(['-', '_']).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn parsed(line: &str) -> ComposeCommand {
        ComposeCommand::parse(&words(line)).unwrap()
    }

    #[test]
    fn one_more_file_goes_behind_the_others_and_before_the_command() {
        for (line, expected) in [
            ("up -d", "-f /a.yml -f /x up -d"),
            ("-p shop up", "-p shop -f /a.yml -f /x up"),
            (
                "docker-compose up -d web",
                "docker-compose -f /a.yml -f /x up -d web",
            ),
            (
                "/usr/bin/docker -H unix:///s --debug compose --profile up down -v",
                "/usr/bin/docker -H unix:///s --debug compose --profile up -f /a.yml -f /x down -v",
            ),
            (
                "docker stack deploy --with-registry-auth shop",
                "docker stack deploy --with-registry-auth shop -c /a.yml -c /x",
            ),
        ] {
            let found = [PathBuf::from("/a.yml")];
            let with = parsed(line).with_files(&found, Path::new("/x"));
            assert_eq!(with, words(expected), "{line}");
        }
    }

    #[test]
    fn flags_are_read_in_every_form() {
        let command = parsed(
            "docker-compose -fa.yml -f=b.yml --file c.yml --file=d.yml -p shop --env-file e \
             --profile=x --project-directory /d --ansi never run -f f --rm web",
        );
        let files: Vec<_> = command.files.iter().map(|p| p.to_str().unwrap()).collect();
        assert_eq!(files, ["a.yml", "b.yml", "c.yml", "d.yml"]);
        assert_eq!(command.project.as_deref(), Some("shop"));
        assert_eq!(command.directory.as_deref(), Some(Path::new("/d")));
        assert_eq!(command.env_files, [PathBuf::from("e")]);
        assert_eq!(command.subcommand.as_deref(), Some("run"));
        assert!(command.starts() && !command.ends());
        assert!(parsed("docker compose --dry-run down").ends());
        let stack = parsed("docker stack deploy -c a.yml --compose-file b.yml,c.yml --prune shop");
        assert_eq!(stack.files.len(), 3);
        assert_eq!(stack.project.as_deref(), Some("shop"));
        for line in [
            "docker-compose",
            "docker compose version",
            "-h",
            "up --help",
            "docker compose ls",
        ] {
            assert!(parsed(line).only_asks, "{line}");
        }
    }

    #[test]
    fn what_is_not_compose_is_refused() {
        for (line, error) in [
            ("docker run x", CommandError::Docker),
            ("docker", CommandError::Docker),
            ("docker stack ls", CommandError::Docker),
            (
                "podman-compose up",
                CommandError::Other("podman-compose".into()),
            ),
            ("/bin/true up", CommandError::Other("true".into())),
            ("docker-compose -f - up", CommandError::Stdin),
        ] {
            assert_eq!(ComposeCommand::parse(&words(line)), Err(error), "{line}");
        }
    }

    #[test]
    fn the_usual_files_are_found_above_and_with_their_override() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(
            usual_files(Path::new("/nonexistent"), Flavour::V1),
            Vec::<PathBuf>::new()
        );
        for name in [
            "compose.yaml",
            "docker-compose.yml",
            "docker-compose.override.yml",
        ] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let names = |flavour| {
            let files = usual_files(&below, flavour);
            let names = files
                .iter()
                .map(|file| file.file_name().unwrap().to_str().unwrap());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            names(Flavour::V1),
            "docker-compose.yml docker-compose.override.yml"
        );
        assert_eq!(
            names(Flavour::V2),
            "compose.yaml docker-compose.override.yml"
        );
        assert_eq!(normal_name("_My Shop.1", Flavour::V1), "_myshop1");
        assert_eq!(normal_name("_My Shop.1", Flavour::V2), "myshop1");
    }

    proptest! {
        #[test]
        fn foreign_words_never_panic(words in proptest::collection::vec("[-a-z=\u{e9}]{0,8}", 0..6)) {
            let words: Vec<_> = words.into_iter().map(OsString::from).collect();
            if let Ok(command) = ComposeCommand::parse(&words) {
                let _ = command.with_files(&[], Path::new("/x"));
            }
        }
    }
}
