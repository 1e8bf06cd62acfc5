//! Both variants, started on the real engine beside each other, and compared.
//!
//! Copies in memory under project names of their own, on networks without a way out, without ports,
//! their secrets below a path of the store that is removed at the end. Nothing of the real project
//! is started, stopped or written.

mod containers;

use super::{Work, store};
use crate::cli::signals::told_to_end;
use crate::cli::{Context, Failure};
use cofferdam_detect::pattern::Scanner;
use cofferdam_platform::fix::trial::reach::{self, Bounds};
use cofferdam_platform::fix::trial::{Trial, trial};
use cofferdam_platform::fix::{self, Options, Outcome, Style};
use containers::Container;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is copied at most.
const MOST_FILES: usize = 5000;
const MOST_BYTES: u64 = 64 << 20;

pub(super) async fn run(context: &Context, work: &Work) -> Result<(), Failure> {
    let id = format!("cffix{}", std::process::id());
    let options = Options {
        place: format!("{}-fix-{}", work.options.place, std::process::id()),
        ..work.options.clone()
    };
    let open = |path: &Path| work.root.read(path);
    let planned = fix::plan(
        &work.compose,
        &work.directory,
        &open,
        &work.images,
        &Scanner::new(),
        &options,
    );
    let outcome = planned.map_err(|error| super::unreadable(&error))?;
    let scratch = Scratch::make(&id)?;
    let before = Variant::prepare(&scratch, work, &id, "before", None)?;
    let after = Variant::prepare(&scratch, work, &id, "after", Some(&outcome))?;
    let work = async {
        store::import(context, &options.place, &outcome.secrets, true).await?;
        compare(context, &before, &after, &outcome, &options).await
    };
    let compared = tokio::select! {
        compared = work => compared,
        () = interrupted() => Err(Failure::local("interrupted; nothing was written")),
    };
    // Whatever happened, nothing of it stays.
    before.down();
    after.down();
    let forgotten = store::forget(context, &options.place, &outcome.secrets).await;
    compared?;
    forgotten
}

/// Until somebody wants it to end.
async fn interrupted() {
    match told_to_end() {
        Ok(told) => told.await,
        Err(_) => std::future::pending().await,
    }
}

async fn compare(
    context: &Context,
    before: &Variant,
    after: &Variant,
    outcome: &Outcome,
    options: &Options,
) -> Result<(), Failure> {
    before.up(outcome, options)?;
    let old = containers::settled(&before.name).await?;
    before.down();
    after.up(outcome, options)?;
    let new = containers::settled(&after.name).await?;
    let mut wrong = Vec::new();
    for (service, old) in &old {
        match new.get(service) {
            None => wrong.push(format!("service {service}: no container after the change")),
            Some(new) => wrong.extend(differences(service, old, new, outcome)),
        }
    }
    for (service, new) in &new {
        let found = outcome
            .secrets
            .iter()
            .filter(|secret| new.shows(&secret.value));
        wrong.extend(
            found.map(|secret| format!("service {service}: docker inspect shows {}", secret.name)),
        );
    }
    if !wrong.is_empty() {
        let failure =
            Failure::local("the changed project does not behave as before; nothing was written");
        return Err(wrong.into_iter().fold(failure, Failure::detail));
    }
    for (service, old) in &old {
        let moved: Vec<String> = outcome
            .ways
            .get(service)
            .into_iter()
            .flatten()
            .map(|(name, way)| match way {
                fix::Way::Same => format!("{name} the same"),
                fix::Way::File(pointer) => format!("{name} as {pointer}"),
            })
            .collect();
        let moved = if moved.is_empty() {
            String::new()
        } else {
            format!("; {}", moved.join(", "))
        };
        let compared = match &old.environment {
            Some(all) => format!("{} variables compared", all.len()),
            None => "ended, variables not compared".to_owned(),
        };
        context.say(&format!(
            "verified: {service}: {} before and after, {compared}{moved}",
            old.state
        ));
    }
    Ok(())
}

/// What is not as it was, by name.
fn differences(service: &str, old: &Container, new: &Container, outcome: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    if old.state != new.state {
        wrong.push(format!(
            "service {service}: {} before, {} after",
            old.state, new.state
        ));
        return wrong;
    }
    let (Some(old), Some(new)) = (&old.environment, &new.environment) else {
        return wrong;
    };
    let none = BTreeMap::new();
    let ways = outcome.ways.get(service).unwrap_or(&none);
    let pointers: Vec<&String> = ways
        .values()
        .filter_map(|way| match way {
            fix::Way::File(pointer) => Some(pointer),
            fix::Way::Same => None,
        })
        .collect();
    for (name, value) in old {
        // Each container has its own.
        if name == "HOSTNAME" {
            continue;
        }
        let now = new.get(name);
        match ways.get(name) {
            Some(fix::Way::File(pointer)) if now.is_some() || !new.contains_key(pointer) => {
                wrong.push(format!(
                    "service {service}: {name} did not become {pointer}"
                ));
            }
            Some(fix::Way::File(_)) => {}
            _ if now.map(cofferdam_secret::Secret::expose) != Some(value.expose()) => {
                wrong.push(format!(
                    "service {service}: {name} has another value, or none"
                ));
            }
            _ => {}
        }
    }
    for name in new
        .keys()
        .filter(|name| !old.contains_key(*name) && !pointers.contains(name))
    {
        wrong.push(format!("service {service}: {name} was not there before"));
    }
    wrong
}

fn not_tried(why: &str) -> Failure {
    Failure::local(format!("not tried: {why}"))
        .hint("leave out -verify, and try it where that does not matter")
}

/// A directory in memory that ends with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn make(id: &str) -> Result<Self, Failure> {
        let path = Path::new("/dev/shm").join(id);
        let failed = |error: std::io::Error| {
            Failure::local(format!("cannot make {}: {error}", path.display()))
        };
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let made = Self(path.clone());
        let handle = fs::File::open(&path).map_err(failed)?;
        cofferdam_agent::sink::memory::require(&handle, &path)
            .map_err(|error| super::super::delivery::sink_failure(&error))?;
        Ok(made)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One variant of the project.
struct Variant {
    name: String,
    directory: PathBuf,
    files: Vec<PathBuf>,
    built: Vec<String>,
    changed: bool,
    /// Whether something of it may be there.
    started: std::cell::Cell<bool>,
}

impl Variant {
    fn prepare(
        scratch: &Scratch,
        work: &Work,
        id: &str,
        which: &str,
        outcome: Option<&Outcome>,
    ) -> Result<Self, Failure> {
        let name = format!("{id}{which}");
        let directory = scratch.0.join(which);
        let real = work.directory.canonicalize();
        let real = real.map_err(|error| {
            Failure::local(format!("cannot open {}: {error}", work.directory.display()))
        })?;
        let mut budget = (MOST_FILES, MOST_BYTES);
        copy(&real, &directory, &mut budget)
            .map_err(|error| Failure::local(format!("cannot copy the project: {error}")))?;
        let place = |path: &Path| {
            let short = path.strip_prefix(&work.directory).unwrap_or(path);
            directory.join(short)
        };
        let failed =
            |error: std::io::Error| Failure::local(format!("cannot write a trial's file: {error}"));
        for change in outcome.iter().flat_map(|outcome| &outcome.changes) {
            let new = change.edits.apply(&change.text).unwrap_or_default();
            fs::write(place(&change.path), new).map_err(failed)?;
        }
        let mut variant = Self {
            name: name.clone(),
            directory: directory.clone(),
            files: Vec::new(),
            built: Vec::new(),
            changed: outcome.is_some(),
            started: std::cell::Cell::new(false),
        };
        let mut more = Trial::default();
        let trials = work.outcome.read.iter().map(|path| place(path));
        for path in
            trials.filter(|path| path.extension().is_some_and(|e| e == "yml" || e == "yaml"))
        {
            let text = fs::read_to_string(&path).map_err(failed)?;
            let found = trial(&text, &|service| format!("{name}-{service}:trial"));
            if let Some(why) = found.refused {
                return Err(not_tried(&why));
            }
            fs::write(&path, found.text).map_err(failed)?;
            more.version = more.version.or(found.version);
            more.networks.extend(found.networks);
            variant.built.extend(found.built);
        }
        variant
            .files
            .extend(work.compose.iter().map(|path| place(path)));
        let inner = directory.join("cofferdam-trial.yml");
        fs::write(&inner, isolation(&more)).map_err(failed)?;
        variant.files.push(inner);
        variant.judged(&work.options)?;
        Ok(variant)
    }

    /// Refuses what would reach beyond the trial, by what Compose itself makes of the files.
    fn judged(&self, options: &Options) -> Result<(), Failure> {
        let output = self.compose(&[], &["config"]).output();
        let output =
            output.map_err(|error| Failure::local(format!("cannot start Compose: {error}")))?;
        if !output.status.success() {
            return Err(self.failed("read", output.status));
        }
        let real = self.directory.canonicalize().map_err(|error| {
            Failure::local(format!("cannot open {}: {error}", self.directory.display()))
        })?;
        let bounds = Bounds {
            directory: &real,
            project: &self.name,
            driver: &options.driver,
        };
        match reach::beyond(&String::from_utf8_lossy(&output.stdout), &bounds) {
            None => Ok(()),
            Some(why) => Err(not_tried(&why)),
        }
    }

    fn failed(&self, what: &str, status: std::process::ExitStatus) -> Failure {
        let which = if self.changed { "changed" } else { "present" };
        Failure::local(format!(
            "Compose cannot {what} the {which} project ({status})"
        ))
    }

    fn compose(&self, leading: &[&str], words: &[&str]) -> Command {
        let standalone = Path::new("/usr/bin/docker-compose").exists()
            || Path::new("/usr/local/bin/docker-compose").exists();
        let program: &[&str] = if standalone {
            &["docker-compose"]
        } else {
            &["docker", "compose"]
        };
        let mut all: Vec<String> = leading
            .iter()
            .chain(program)
            .map(|word| (*word).to_owned())
            .collect();
        all.extend(["-p".to_owned(), self.name.clone()]);
        for file in &self.files {
            all.extend(["-f".to_owned(), file.display().to_string()]);
        }
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let mut words = all.iter();
        let mut command = Command::new(words.next().map_or("docker-compose", String::as_str));
        command
            .args(words)
            .current_dir(&self.directory)
            .stdin(Stdio::null());
        command
    }

    fn up(&self, outcome: &Outcome, options: &Options) -> Result<(), Failure> {
        let own = "/proc/self/exe";
        self.started.set(true);
        if !self.built.is_empty() {
            let lent = self.changed && !outcome.builds.is_empty();
            let leading = [own, "build", "-from", options.place.as_str(), "--"];
            let leading: &[&str] = if lent { &leading } else { &[] };
            self.done(self.compose(leading, &["build"]), "build")?;
        }
        let wrap = [own, "compose", "-driver", options.driver.as_str(), "--"];
        let wrapped = self.changed && options.style == Style::Secrets;
        let leading: &[&str] = if wrapped { &wrap } else { &[] };
        self.done(self.compose(leading, &["up", "-d", "--no-build"]), "up")
    }

    /// Runs it; what it says may hold values, so only its last line's beginning is never shown.
    fn done(&self, mut command: Command, what: &str) -> Result<(), Failure> {
        let output = command
            .output()
            .map_err(|error| Failure::local(format!("cannot start Compose: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let failure = self.failed(what, output.status);
        if what == "build" && self.changed {
            return Err(failure.hint(
                "secrets of a build need a client with BuildKit; one that has none says so here: DOCKER_BUILDKIT=1 docker build --help",
            ));
        }
        Err(failure
            .hint("try it by hand: what Compose says may hold values, so it is not repeated here"))
    }

    fn down(&self) {
        if !self.started.replace(false) {
            return;
        }
        let quiet = |mut command: Command| {
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        };
        quiet(self.compose(&[], &["down", "-v", "-t", "0", "--remove-orphans"]));
        for service in &self.built {
            let mut remove = Command::new("docker");
            remove.args([
                "image",
                "rm",
                "-f",
                &format!("{}-{service}:trial", self.name),
            ]);
            quiet(remove);
        }
    }
}

/// Networks without a way out.
fn isolation(trial: &Trial) -> String {
    let mut text = String::new();
    if let Some(version) = &trial.version {
        let _ = writeln!(
            text,
            "version: {}",
            serde_json::Value::from(version.as_str())
        );
    }
    text.push_str("networks:\n");
    let mut names: Vec<&str> = trial.networks.iter().map(String::as_str).collect();
    names.push("default");
    names.sort_unstable();
    names.dedup();
    for name in names {
        let _ = writeln!(
            text,
            "  {}: {{internal: true}}",
            serde_json::Value::from(name)
        );
    }
    text
}

fn copy(from: &Path, to: &Path, budget: &mut (usize, u64)) -> std::io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            if entry.file_name() != ".git" {
                copy(&entry.path(), &target, budget)?;
            }
        } else if kind.is_file() {
            let length = entry.metadata()?.len();
            let over = || std::io::Error::other("it has more than 5000 files or 64 MiB");
            budget.0 = budget.0.checked_sub(1).ok_or_else(over)?;
            budget.1 = budget.1.checked_sub(length).ok_or_else(over)?;
            fs::copy(entry.path(), &target)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(entry.path())?;
            let inside = link.is_relative()
                && !link
                    .components()
                    .any(|part| part == std::path::Component::ParentDir);
            if inside {
                std::os::unix::fs::symlink(link, target)?;
            }
        }
    }
    Ok(())
}
