//! The builder as a child, and the small questions that its engine is asked.

use super::super::delivery::{stage, supervise_failure};
use super::super::{Exit, Failure};
use super::ask::Wanted;
use super::lend::Given;
use cofferdam_agent::output::Current;
use cofferdam_agent::supervise::{self, Job, Supervisor};
use cofferdam_platform::build::{Additions, storage};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Tokens of ours that no builder needs.
const TOKENS: [&str; 3] = ["COFFERDAM_TOKEN", "VAULT_TOKEN", "BAO_TOKEN"];

/// One build.
pub(super) struct Work<'w> {
    pub(super) wanted: &'w Wanted,
    pub(super) arguments: Vec<(String, String)>,
    pub(super) id_file: PathBuf,
    /// As the user typed it: names and pushes in one go.
    pub(super) whole: bool,
    /// What is masked in the builder's output.
    pub(super) masks: Option<Arc<Current>>,
}

/// How a build ended.
pub(super) enum Ended {
    /// Well, with the image's id where there is an image.
    Built(Option<String>),
    /// With the builder's own code.
    Failed(Exit),
}

impl Work<'_> {
    pub(super) fn build(&self, given: &mut Given) -> Result<Ended, Failure> {
        let exit = self.run(given, false)?;
        if exit != Exit::Success {
            return Ok(Ended::Failed(exit));
        }
        match self.id_file() {
            None => Ok(Ended::Built(None)),
            Some(path) => image_id(path).map(|id| Ended::Built(Some(id))),
        }
    }

    /// The same once more, for the export of its cache.
    pub(super) fn export_cache(&self, given: &mut Given) -> Result<Exit, Failure> {
        self.run(given, true)
    }

    /// Where the builder writes the image's id: for us, unless the user has it written anyway.
    fn id_file(&self) -> Option<&Path> {
        let build = &self.wanted.target.build;
        let theirs = build.id_file.as_deref().filter(|_| self.whole);
        theirs.or_else(|| build.product.image.then_some(self.id_file.as_path()))
    }

    fn run(&self, given: &mut Given, export_cache: bool) -> Result<Exit, Failure> {
        let build = &self.wanted.target.build;
        let used = |(id, _): &&(_, PathBuf)| {
            let id: &cofferdam_agent::FileName = id;
            self.wanted.uses(id.as_str())
        };
        let secrets: Vec<_> = given.secrets.iter().filter(used).cloned().collect();
        let words = build.with(&Additions {
            secrets: &secrets,
            ssh: &given.agents,
            arguments: &self.arguments,
            id_file: self.id_file().filter(|path| *path == self.id_file),
            hold_back: !self.whole && build.product.image,
            export_cache,
        });
        let hidden = if build.builder.copies_secrets() && !given.files.is_empty() {
            Some(hidden_directory(&output(&storage::question(build))?)?)
        } else {
            None
        };
        let mut job = job(&self.wanted.program()?, words);
        job.masks.clone_from(&self.masks);
        job.inherit = std::mem::take(&mut given.files);
        let ended = match hidden {
            None => supervised(&job),
            Some(directory) => apart(&job, &directory),
        };
        given.files = job.inherit;
        ended
    }
}

/// Runs the build on a thread of its own, whose mounts nobody else has.
fn apart(job: &Job, directory: &Path) -> Result<Exit, Failure> {
    std::thread::scope(|scope| {
        let build = scope.spawn(|| {
            storage::hide(directory).map_err(|error| {
                Failure::local(error.to_string()).hint(
                    "only root can keep this builder's copies off the disk: sudo cofferdam build …, or use docker build",
                )
            })?;
            supervised(job)
        });
        let broken = |_| Err(Failure::local("the build broke down"));
        build.join().unwrap_or_else(broken)
    })
}

fn hidden_directory(info: &[u8]) -> Result<PathBuf, Failure> {
    storage::containers(info).ok_or_else(|| {
        Failure::local("the builder does not tell where it keeps working containers")
            .hint("see what it says with: podman info, buildah info")
    })
}

fn job(program: &Path, words: Vec<OsString>) -> Job {
    let mut words = words.into_iter();
    Job {
        program: program.to_owned(),
        called: words.next().unwrap_or_default(),
        arguments: words.collect(),
        // Docker 20.10 builds without BuildKit, and so without secrets, unless told.
        set: vec![("DOCKER_BUILDKIT".to_owned(), OsString::from("1"))],
        unset: TOKENS.map(str::to_owned).to_vec(),
        pristine: false,
        inherit: Vec::new(),
        stage: Some(stage()),
        masks: None,
    }
}

fn supervised(job: &Job) -> Result<Exit, Failure> {
    let supervisor = Supervisor::new().map_err(supervise_failure)?;
    let ending = supervisor.run(job).map_err(supervise_failure)?;
    Ok(match ending.exit_code() {
        0 => Exit::Success,
        code => Exit::Code(code),
    })
}

/// Signals end us again while no child is supervised.
pub(super) fn end_by_signals() {
    if let Err(error) = supervise::end_by_signals() {
        tracing::warn!(%error, "signals stay ignored");
    }
}

/// Finds a program as a shell does.
pub(super) fn resolve(called: &OsStr) -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    supervise::resolve(called, &path)
        .map_err(|error| Failure::local(error.to_string()).with_exit(Exit::Code(error.exit_code())))
}

/// A command of the engine, with its output to us.
pub(super) fn command(words: &[OsString]) -> Result<Command, Failure> {
    let called = words.first().cloned().unwrap_or_default();
    let mut command = Command::new(resolve(&called)?);
    command
        .args(words.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for token in TOKENS {
        command.env_remove(token);
    }
    Ok(command)
}

/// What a command prints; its own words go to the user's stderr.
pub(super) fn output(words: &[OsString]) -> Result<Vec<u8>, Failure> {
    let output = command(words)?.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| not_run(words, &error))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Failure::local(format!("{} failed", shown(words))))
    }
}

/// Runs a command of the engine to its end, its output to the user's stdout.
pub(super) fn supervised_words(program: &Path, words: Vec<OsString>) -> Result<Exit, Failure> {
    supervised(&job(program, words))
}

pub(super) fn not_run(words: &[OsString], error: &std::io::Error) -> Failure {
    Failure::local(format!("cannot run {}: {error}", shown(words)))
}

/// Program and verbs; what follows is not repeated.
pub(super) fn shown(words: &[OsString]) -> String {
    let words = words.iter().map(|word| word.to_string_lossy());
    let verbs = words.filter(|word| !word.starts_with('-')).take(3);
    verbs.collect::<Vec<_>>().join(" ")
}

fn image_id(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::local(format!("the builder named no image: {error}")))?;
    let text = text.trim();
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(format!("sha256:{digits}"));
    }
    Err(Failure::local(
        "the builder named the image in an unknown way",
    ))
}
