//! `cofferdam fix`: literal secrets of Compose projects and Dockerfiles go into the store, and files
//! take their place.
//!
//! Without `-write` it only shows what would change. What is printed is masked; a patch that could be
//! applied holds the values in its removed lines, so there is one only where a file is named for it.
//!
//! Exit code: 0 nothing to do, 1 there is something to fix, or something is left that cannot be, 2 an
//! error. With `-write` 0 when everything was fixed.

mod files;
mod images;
mod store;
mod verify;

use super::terminal::clean;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, ValueEnum};
use cofferdam_detect::pattern::Scanner;
use cofferdam_platform::compose::command::usual_files;
use cofferdam_platform::compose::{self, Flavour};
use cofferdam_platform::fix::{self, Image, Options, Outcome, Style, diff};
use cofferdam_secret::Secret;
use files::Root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Takes secrets out of files.
#[derive(Args)]
pub(crate) struct Fix {
    /// Compose files in their order, a Dockerfile, a manifest, or a directory; the current one if nothing is named
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Store the values and change the files
    #[arg(long)]
    write: bool,
    /// Start the project before and after on this engine, and compare health and environment
    #[arg(long)]
    verify: bool,
    /// Name of the application; without it the name of the directory
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// KV mount
    #[arg(long, value_name = "MOUNT", default_value = "secret")]
    mount: String,
    /// This variable is a secret, whatever it looks like; repeatable
    #[arg(long, value_name = "NAME", help_heading = "What is a secret")]
    also: Vec<String>,
    /// This variable is none; repeatable
    #[arg(long, value_name = "NAME", help_heading = "What is a secret")]
    not: Vec<String>,
    /// How services get the files: volume for a plain docker compose up, secrets for cofferdam compose
    #[arg(long, value_name = "STYLE", value_enum, default_value = "volume")]
    style: StyleName,
    /// Name of the volume driver
    #[arg(long, value_name = "NAME", default_value = "cofferdam")]
    driver: String,
    /// Where this program will be on the hosts that run the project, for the shim
    #[arg(long, value_name = "PATH")]
    shim: Option<String>,
    /// Store a new version where another value is stored already
    #[arg(long)]
    overwrite: bool,
    /// Write a patch that can be applied; it holds the values
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum StyleName {
    Volume,
    Secrets,
}

/// What was looked at.
struct Work {
    root: Root,
    directory: PathBuf,
    /// Compose files, if it is a project.
    compose: Vec<PathBuf>,
    images: BTreeMap<String, Result<Image, String>>,
    outcome: Outcome,
    options: Options,
}

impl Verb for Fix {
    const NAME: &'static str = "fix";
    const ABOUT: &'static str = "move secrets out of Compose files and Dockerfiles into the store";
    const EXAMPLE: &'static str = "cofferdam fix\n\
        cofferdam fix -write -verify\n\
        cofferdam fix compose.yml compose.prod.yml";
    const ERROR: Exit = Exit::Code(2);

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let done = Box::pin(self.fix(context)).await;
        done.map_err(|failure| failure.with_exit(Self::ERROR))
    }
}

impl Fix {
    async fn fix(self, context: &Context) -> Result<Exit, Failure> {
        let work = self.look().await?;
        self.show(context, &work)?;
        let nothing = work.outcome.changes.is_empty();
        let rest = !work.outcome.left.is_empty();
        // Nothing to apply: a file of that name would be taken for one.
        if let Some(path) = self.patch.as_ref().filter(|_| !nothing) {
            write_patch(path, &work)?;
            context.say(&format!(
                "note: {} holds the values: remove it when it was applied",
                path.display()
            ));
        }
        if self.verify && !nothing {
            self.verify_it(context, &work).await?;
        }
        if self.write && !nothing {
            let written = store::import(
                context,
                &work.options.place,
                &work.outcome.secrets,
                self.overwrite,
            )
            .await?;
            context.say(&format!(
                "{} written to {}/*",
                counted(written, "value"),
                work.options.place
            ));
            self.change(context, &work)?;
            self.advise(context, &work);
        }
        let open = rest || (!nothing && !self.write);
        Ok(Exit::Code(u8::from(open)))
    }

    async fn look(&self) -> Result<Work, Failure> {
        let (directory, named) = self.named()?;
        let root = Root::new(&directory).map_err(|error| {
            Failure::local(format!("cannot open {}: {error}", directory.display()))
        })?;
        let options = self.options(&directory)?;
        let scanner = Scanner::new();
        let open = |path: &Path| root.read(path);
        let mut compose = Vec::new();
        let mut outcome = Outcome::default();
        for path in &named {
            let text =
                open(path).map_err(|what| Failure::local(format!("{}: {what}", path.display())))?;
            let text =
                text.ok_or_else(|| Failure::local(format!("no such file: {}", path.display())))?;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let lower = name.to_ascii_lowercase();
            if lower.starts_with("dockerfile") || lower.ends_with(".dockerfile") {
                let files = credentials(path, &root);
                outcome = join(
                    outcome,
                    fix::dockerfile_alone(path, &text, files, &scanner, &options),
                );
            } else if name == ".env" || lower.ends_with(".env") {
                return Err(
                    Failure::usage(format!("no project around it: {}", path.display()))
                        .hint(format!("cofferdam import {}", path.display())),
                );
            } else if fix::is_manifest(&text) {
                outcome = join(outcome, fix::kubernetes(path, &text, &scanner));
            } else {
                compose.push(path.clone());
            }
        }
        let mut images = BTreeMap::new();
        if !compose.is_empty() {
            check(&compose, &directory, &root)?;
            let wanted =
                fix::images(&compose, &directory, &open).map_err(|error| unreadable(&error))?;
            images = images::ask(wanted, &directory).await;
            let planned = fix::plan(&compose, &directory, &open, &images, &scanner, &options);
            outcome = join(outcome, planned.map_err(|error| unreadable(&error))?);
        }
        Ok(Work {
            root,
            directory,
            compose,
            images,
            outcome,
            options,
        })
    }

    /// The project's directory and its files.
    fn named(&self) -> Result<(PathBuf, Vec<PathBuf>), Failure> {
        let here = PathBuf::from(".");
        let first = self.paths.first().unwrap_or(&here);
        if self.paths.len() <= 1 && first.is_dir() {
            let mut files = usual_files(first, Flavour::V2);
            files.retain(|file| file.parent() == Some(first.as_path()));
            let dockerfile = first.join("Dockerfile");
            if files.is_empty() && dockerfile.is_file() {
                files.push(dockerfile);
            }
            if files.is_empty() {
                return Err(Failure::usage(format!(
                    "no Compose file and no Dockerfile in: {}",
                    first.display()
                ))
                .hint("name it: cofferdam fix FILE"));
            }
            return Ok((first.clone(), files));
        }
        let parent = first
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        Ok((
            parent.map_or_else(|| PathBuf::from("."), Path::to_owned),
            self.paths.clone(),
        ))
    }

    fn options(&self, directory: &Path) -> Result<Options, Failure> {
        let named = directory.canonicalize().ok();
        let named = named
            .as_deref()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        let app = self.app.clone().or(named).unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        let parts = app.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !parts || !app.chars().all(legal) {
            return Err(
                Failure::usage(format!("no name for the application in: {}", clean(&app)))
                    .hint("choose one with: -app=NAME (letters, digits, '.', '_', '-')"),
            );
        }
        let program = match &self.shim {
            Some(path) if path.starts_with('/') && !path.contains([',', ':', '"', '\n']) => {
                Ok(path.clone())
            }
            Some(_) => {
                return Err(Failure::usage(
                    "not an absolute path without commas and colons: -shim",
                ));
            }
            None => super::shim::wrap::program()
                .map_err(|failure| format!("{} (name one with -shim)", failure.sentence())),
        };
        Ok(Options {
            place: format!("{}/{app}", self.mount.trim().trim_matches('/')),
            driver: self.driver.clone(),
            program,
            also: self.also.iter().cloned().collect(),
            not: self.not.iter().cloned().collect(),
            style: match self.style {
                StyleName::Volume => Style::Volume,
                StyleName::Secrets => Style::Secrets,
            },
        })
    }

    fn show(&self, context: &Context, work: &Work) -> Result<(), Failure> {
        let outcome = &work.outcome;
        for change in &outcome.changes {
            let shown = diff::unified(
                &short(&work.directory, &change.path),
                &change.text,
                &change.edits,
                &change.masks,
            );
            context.out(visible(&shown).as_bytes())?;
        }
        for left in &outcome.left {
            context.say(&format!(
                "not changed: {}: {}",
                clean(&left.place),
                clean(&left.what)
            ));
        }
        for weak in &outcome.weak {
            context.say(&format!(
                "left as it is: {}: {} (a placeholder by its look)",
                clean(&weak.place),
                clean(&weak.what)
            ));
        }
        if let Some(weak) = outcome.weak.first() {
            context.say(&format!(
                "hint: take it too with: -also={}",
                clean(&weak.what)
            ));
        }
        for service in &outcome.arguments {
            context.say(&format!("note: service {}: a secret stays among the arguments of its program, which ps shows inside of the container", clean(service)));
        }
        if outcome.changes.is_empty() {
            context.say("nothing to change");
            return Ok(());
        }
        let names: Vec<&str> = outcome
            .secrets
            .iter()
            .map(|secret| secret.name.as_str())
            .collect();
        context.say(&format!(
            "{} for {}/*: {}",
            counted(names.len(), "secret"),
            work.options.place,
            names.join(", ")
        ));
        if !self.write {
            context.say("hint: store them and change the files with: -write; try both variants with: -verify");
        }
        Ok(())
    }

    /// Compose files first: a project that is half done still starts with what is left in others.
    fn change(&self, context: &Context, work: &Work) -> Result<(), Failure> {
        let mut changes: Vec<_> = work.outcome.changes.iter().collect();
        changes.sort_by_key(|change| !work.compose.contains(&change.path));
        for change in changes {
            let shown = change.path.display();
            let new = change.edits.apply(&change.text);
            let new =
                new.ok_or_else(|| Failure::local(format!("an edit that does not fit: {shown}")))?;
            work.root
                .replace(&change.path, &change.text, &new)
                .map_err(|error| {
                    Failure::local(format!("cannot change {shown}: {error}")).hint("cofferdam fix")
                })?;
            context.say(&format!("changed: {shown}"));
        }
        Ok(())
    }

    /// The values were in the open: a new one for each.
    fn advise(&self, context: &Context, work: &Work) {
        if !work.outcome.builds.is_empty() {
            let app = work
                .options
                .place
                .split_once('/')
                .map_or("", |(_, app)| app);
            context.say(&format!("hint: images are built with their secrets by: cofferdam build -app={app} -- docker compose build"));
        }
        context.say("note: these values were in the open, and are in the history of whatever kept the files");
        for secret in &work.outcome.secrets {
            context.say(&format!(
                "hint: when {} has a new value where it is used: cofferdam kv put {}/{} value=-",
                secret.name, work.options.place, secret.name
            ));
        }
    }

    async fn verify_it(&self, context: &Context, work: &Work) -> Result<(), Failure> {
        if work.compose.is_empty() {
            return Err(Failure::usage(
                "only a Compose project can be started twice and compared",
            ));
        }
        verify::run(context, work).await
    }
}

/// What Compose would refuse is refused before anything is planned.
fn check(files: &[PathBuf], directory: &Path, root: &Root) -> Result<(), Failure> {
    let text = root
        .read(&directory.join(".env"))
        .ok()
        .flatten()
        .map(Secret::new);
    let variables = text
        .as_ref()
        .and_then(|text| super::import::dotenv::parse(text.expose()).ok());
    let variables = variables.unwrap_or_default();
    let environment = |name: &str| {
        let own = std::env::var(name).ok();
        own.or_else(|| {
            variables
                .iter()
                .find(|v| v.name == name)
                .map(|v| v.value.expose().clone())
        })
    };
    compose::load(files, &environment)
        .map(drop)
        .map_err(|fault| {
            let failure = Failure::local(fault.to_string());
            match fault.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })
}

/// Files of a build that a `COPY` may name.
fn credentials(dockerfile: &Path, root: &Root) -> BTreeMap<String, Secret<String>> {
    let beside = dockerfile.parent().unwrap_or(Path::new("."));
    let names = fix::dockerfile::BUILD_FILES.into_iter();
    names
        .filter_map(|name| {
            Some((
                name.to_owned(),
                Secret::new(root.read(&beside.join(name)).ok()??),
            ))
        })
        .collect()
}

fn unreadable(error: &fix::Unreadable) -> Failure {
    Failure::local(clean(&error.to_string()))
}

fn join(mut one: Outcome, other: Outcome) -> Outcome {
    one.changes.extend(other.changes);
    one.secrets.extend(other.secrets);
    one.left.extend(other.left);
    one.weak.extend(other.weak);
    one.ways.extend(other.ways);
    one.arguments.extend(other.arguments);
    one.builds.extend(other.builds);
    one.read.extend(other.read);
    one
}

fn write_patch(path: &Path, work: &Work) -> Result<(), Failure> {
    let mut all = Secret::new(String::new());
    for change in &work.outcome.changes {
        let name = short(&work.directory, &change.path);
        all.expose_mut()
            .push_str(&diff::unified(&name, &change.text, &change.edits, &[]));
    }
    crate::files::replace(path, 0o600, all.expose().as_bytes())
        .map_err(|error| Failure::local(format!("cannot write {}: {error}", path.display())))
}

fn short(directory: &Path, path: &Path) -> String {
    path.strip_prefix(directory)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Foreign text without anything that a terminal obeys.
fn visible(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn counted(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}
