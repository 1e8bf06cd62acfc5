//! The command line of a build: what it builds with, from and to, and where our own flags go.
//!
//! One command is understood flag by flag, so that the names of the image and everything that
//! would carry it away (`--push`, `--cache-to`) can be held back until it has been searched.

mod flags;
mod product;
#[cfg(test)]
mod tests;

pub use product::Product;

use super::dockerfile::csv_fields;
use cofferdam_agent::FileName;
use flags::Word;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Who builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builder {
    /// `docker build`: BuildKit inside the engine, or buildx under its old name.
    Docker,
    /// `docker buildx build`.
    Buildx,
    /// `podman build`.
    Podman,
    /// `buildah build`.
    Buildah,
}

impl Builder {
    /// The words people know it by.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Docker => "docker build",
            Self::Buildx => "docker buildx build",
            Self::Podman => "podman build",
            Self::Buildah => "buildah build",
        }
    }

    /// Whether it copies build secrets below its storage directory (`super::storage`).
    #[must_use]
    pub const fn copies_secrets(self) -> bool {
        matches!(self, Self::Podman | Self::Buildah)
    }
}

/// A command that was understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// It builds one image.
    Build(BuildCommand),
    /// It builds what a file describes: see there.
    Many(Many),
}

/// `compose build` or `buildx bake`: its plan has to be asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Many {
    /// Which of them.
    pub kind: ManyKind,
    /// The program that builds, with its global flags: docker, for both.
    pub docker: Vec<OsString>,
    /// All words before `build` or `bake`.
    pub before: Vec<OsString>,
    /// All words after it.
    pub after: Vec<OsString>,
}

/// Which file describes the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManyKind {
    /// A Compose file.
    Compose,
    /// A bake file.
    Bake,
}

/// A build command that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildCommand {
    /// Who builds.
    pub builder: Builder,
    /// Program and global flags: how the same engine is asked other things.
    base: Vec<OsString>,
    /// Everything up to the word `build`.
    head: Vec<OsString>,
    words: Vec<Word>,
    /// Ids that the user already gave with `--secret`.
    pub given: BTreeSet<String>,
    /// Ids that the user already gave with `--ssh`.
    pub given_ssh: BTreeSet<String>,
    /// Build arguments that the user already gave.
    pub given_arguments: BTreeSet<String>,
    /// The Dockerfiles, where they are files here; none when they are elsewhere.
    pub dockerfiles: Vec<PathBuf>,
    /// What it makes.
    pub product: Product,
    /// Where the user wants the image's id.
    pub id_file: Option<PathBuf>,
    /// Whether its cache is to be exported.
    pub exports_cache: bool,
}

/// A command that this wrapper cannot carry secrets into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No program that builds images from Dockerfiles with build secrets.
    #[error("not a builder that takes secrets from memory: {0}")]
    Unknown(String),
    /// The copies would land on another machine.
    #[error("{0} of another machine would copy the secrets to its disk")]
    Remote(&'static str),
    /// No `build` among the words.
    #[error("not a build: {0} is called without \"build\"")]
    NotABuild(String),
}

impl CommandError {
    /// The next thing to do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unknown(_) => {
                "one of these: cofferdam build -- docker build . (docker buildx build, docker buildx bake, docker compose build, podman build, buildah build)"
            }
            Self::Remote(_) => "run cofferdam build on that machine",
            Self::NotABuild(_) => "cofferdam build -- docker build .",
        }
    }
}

/// What is added to a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Additions<'a> {
    /// Ids of secrets and where they are.
    pub secrets: &'a [(FileName, PathBuf)],
    /// Ids of agents and their sockets.
    pub ssh: &'a [(String, PathBuf)],
    /// Build arguments.
    pub arguments: &'a [(String, String)],
    /// Where to write the image's id.
    pub id_file: Option<&'a Path>,
    /// The names of the image, its push and the export of its cache wait.
    pub hold_back: bool,
    /// Keep `--cache-to` although the names wait: the image has been searched.
    pub export_cache: bool,
}

impl Command {
    /// Understands `docker [flags] build …`, `docker image|builder build …`, `docker buildx build …`,
    /// `docker buildx bake …`, `docker compose build …`, `docker-compose build …`,
    /// `podman build …` and `buildah build|bud …`.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn parse(words: &[OsString]) -> Result<Self, CommandError> {
        let typed = words.first().cloned().unwrap_or_default();
        let name = Path::new(&typed).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let builder = match &*name {
            "docker" => Builder::Docker,
            "podman" => Builder::Podman,
            "buildah" => Builder::Buildah,
            "docker-compose" => return compose(&name, words, 1, vec!["docker".into()]),
            _ => return Err(CommandError::Unknown(name)),
        };
        let (at, above) = group(builder, words)?;
        let base = words.get(..at).unwrap_or_default().to_vec();
        let verb = words.get(at).map(|word| word.to_string_lossy());
        match (builder, above.as_str(), verb.as_deref().unwrap_or_default()) {
            (Builder::Docker, "", "compose") => compose("docker compose", words, at + 1, base),
            (Builder::Docker, "", "bake") => Ok(many(ManyKind::Bake, words, at, base)),
            (_, "", "build") | (Builder::Buildah, "", "bud" | "build-using-dockerfile") => {
                Ok(Self::Build(BuildCommand::new(builder, base, words, at + 1)))
            }
            (Builder::Docker | Builder::Podman, "", "image" | "builder" | "buildx") => {
                grouped(builder, words, at, base)
            }
            _ => Err(CommandError::NotABuild(name)),
        }
    }
}

/// Where the first word stands that is no global flag.
fn group(builder: Builder, words: &[OsString]) -> Result<(usize, String), CommandError> {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        if !text.starts_with('-') {
            return Ok((at, String::new()));
        }
        let remote = matches!(&*text, "--remote" | "-r" | "--connection" | "--url")
            || text.starts_with("--url=")
            || text.starts_with("--connection=");
        if builder == Builder::Podman && remote {
            return Err(CommandError::Remote("podman"));
        }
        at += 1 + usize::from(flags::global_takes_value(builder, &text));
    }
    let name = words.first().cloned().unwrap_or_default();
    Err(CommandError::NotABuild(name.to_string_lossy().into_owned()))
}

/// `docker image build`, `docker buildx --builder b build`, `docker buildx bake`.
fn grouped(
    builder: Builder,
    words: &[OsString],
    at: usize,
    base: Vec<OsString>,
) -> Result<Command, CommandError> {
    let above = words.get(at).cloned().unwrap_or_default();
    let buildx = above == "buildx";
    let mut at = at + 1;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        if text.starts_with('-') {
            at += 1 + usize::from(buildx && text == "--builder");
            continue;
        }
        return match &*text {
            "bake" | "f" if buildx && builder == Builder::Docker => {
                Ok(many(ManyKind::Bake, words, at, base))
            }
            "build" | "b" if &*text == "build" || buildx => {
                let builder = match builder {
                    Builder::Docker if buildx => Builder::Buildx,
                    builder => builder,
                };
                let build = BuildCommand::new(builder, base, words, at + 1);
                Ok(Command::Build(build))
            }
            _ => break,
        };
    }
    Err(CommandError::NotABuild(format!(
        "{} {}",
        base.first().cloned().unwrap_or_default().to_string_lossy(),
        above.to_string_lossy()
    )))
}

/// Finds `build` behind Compose's own global flags, all of which but these take a value.
fn compose(
    name: &str,
    words: &[OsString],
    from: usize,
    docker: Vec<OsString>,
) -> Result<Command, CommandError> {
    const SWITCHES: [&str; 9] = [
        "--verbose",
        "--no-ansi",
        "--version",
        "-v",
        "--tls",
        "--tlsverify",
        "--skip-hostname-check",
        "--compatibility",
        "--all-resources",
    ];
    let mut at = from;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        if !text.starts_with('-') {
            if text == "build" {
                return Ok(many(ManyKind::Compose, words, at, docker));
            }
            break;
        }
        at += if SWITCHES.contains(&&*text) || text.contains('=') {
            1
        } else {
            2
        };
    }
    Err(CommandError::NotABuild(name.to_owned()))
}

fn many(kind: ManyKind, words: &[OsString], at: usize, docker: Vec<OsString>) -> Command {
    Command::Many(Many {
        kind,
        docker,
        before: words.get(..at).unwrap_or_default().to_vec(),
        after: words.get(at + 1..).unwrap_or_default().to_vec(),
    })
}

impl BuildCommand {
    fn new(builder: Builder, base: Vec<OsString>, words: &[OsString], insert: usize) -> Self {
        let head = words.get(..insert).unwrap_or_default().to_vec();
        let rest = words.get(insert..).unwrap_or_default();
        Self::of(builder, base, head, rest)
    }

    /// A build by `docker build` with these words behind it, for one target of many.
    #[must_use]
    pub fn of(
        builder: Builder,
        base: Vec<OsString>,
        head: Vec<OsString>,
        rest: &[OsString],
    ) -> Self {
        let words = flags::split(builder, rest);
        let product = product::of(builder, &words);
        let all = |names: &'static [&'static str]| words.iter().filter(move |word| word.is(names));
        let files: Vec<OsString> = all(&["-f", "--file"])
            .filter_map(|word| word.value.clone())
            .collect();
        let contexts = words.iter().filter(|word| word.name.is_none());
        let mut context = contexts
            .filter_map(|word| word.value.clone())
            .filter(|word| word != "--");
        let context = context.next_back();
        Self {
            given: all(&["--secret"])
                .filter_map(|word| secret_id(&word.text()))
                .collect(),
            given_ssh: all(&["--ssh"]).map(|word| ssh_id(&word.text())).collect(),
            given_arguments: all(&["--build-arg"])
                .map(|word| argument_name(&word.text()))
                .collect(),
            id_file: all(&["--iidfile"])
                .next_back()
                .and_then(|word| word.value.clone().map(PathBuf::from)),
            exports_cache: all(&["--cache-to"]).next().is_some(),
            dockerfiles: dockerfiles(builder, &files, context),
            builder,
            base,
            head,
            product,
            words,
        }
    }

    /// The words with what is added behind `build`.
    #[must_use]
    pub fn with(&self, additions: &Additions<'_>) -> Vec<OsString> {
        let mut words = self.head.clone();
        let mut add = |flag: &str, value: OsString| {
            words.push(OsString::from(flag));
            words.push(value);
        };
        for (id, path) in additions.secrets {
            add("--secret", format!("id={id},src={}", path.display()).into());
        }
        for (id, path) in additions.ssh {
            add("--ssh", format!("{id}={}", path.display()).into());
        }
        for (name, value) in additions.arguments {
            add("--build-arg", format!("{name}={value}").into());
        }
        if let Some(path) = additions.id_file {
            add("--iidfile", path.as_os_str().to_owned());
        }
        if additions.hold_back {
            // `docker build` of Docker 20.10 has no such flag; with `--push` it is buildx.
            let says = |flag: &str| self.words.iter().any(|word| word.is(&[flag]));
            let buildx = self.builder == Builder::Buildx || says("--push");
            if buildx && !says("--load") && !self.builder.copies_secrets() {
                words.push(OsString::from("--load"));
            }
        }
        for word in &self.words {
            let exported = additions.export_cache && word.is(&["--cache-to"]);
            if !additions.hold_back || exported || !product::held_back(word) {
                words.extend(word.typed.iter().cloned());
            }
        }
        words
    }

    /// The program, as it was called.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        self.base
            .first()
            .map(OsString::as_os_str)
            .unwrap_or_default()
    }

    /// The same engine, asked something else.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> Vec<OsString> {
        let more = words.iter().map(OsString::from);
        self.base.iter().cloned().chain(more).collect()
    }
}

fn secret_id(value: &str) -> Option<String> {
    let fields = csv_fields(value).into_iter();
    let mut ids = fields.filter_map(|field| field.strip_prefix("id=").map(str::to_owned));
    ids.next()
}

fn ssh_id(value: &str) -> String {
    value.split('=').next().unwrap_or_default().to_owned()
}

fn argument_name(value: &str) -> String {
    value.split('=').next().unwrap_or_default().to_owned()
}

/// The files that hold the instructions; none where they are not here to be read.
fn dockerfiles(builder: Builder, files: &[OsString], context: Option<OsString>) -> Vec<PathBuf> {
    let context = match context {
        Some(context) => context,
        None if builder.copies_secrets() => OsString::from("."),
        None => return Vec::new(),
    };
    let text = context.to_string_lossy().into_owned();
    // An archive on stdin, or something that the builder itself fetches.
    let elsewhere = text == "-"
        || text.contains("://")
        || text.starts_with("git@")
        || text.starts_with("github.com/");
    if elsewhere || files.iter().any(|file| file == "-") {
        return Vec::new();
    }
    let context = Path::new(&context);
    if files.is_empty() {
        let names: &[&str] = if builder.copies_secrets() {
            &["Containerfile", "Dockerfile"]
        } else {
            &["Dockerfile", "dockerfile"]
        };
        let there = names.iter().map(|name| context.join(name));
        let usual = names.iter().map(|name| context.join(name)).next_back();
        let first = names.first().map(|name| context.join(name));
        let missing = if builder.copies_secrets() {
            usual
        } else {
            first
        };
        return there
            .filter(|path| path.exists())
            .take(1)
            .next()
            .or(missing)
            .into_iter()
            .collect();
    }
    let placed = |file: &OsString| {
        let path = PathBuf::from(file);
        // buildah also looks below the context.
        if builder.copies_secrets() && !path.exists() && context.join(&path).exists() {
            return context.join(path);
        }
        path
    };
    files.iter().map(placed).collect()
}
