//! Which program, which files, which project; and what is left of it afterwards.

use super::environment::Environment;
use super::fault;
use crate::cli::{Context, Failure};
use cofferdam_platform::compose::command::{ComposeCommand, Program, normal_name, usual_files};
use cofferdam_platform::compose::plan::Plan;
use cofferdam_platform::compose::{Flavour, Project, load, overlay};
use cofferdam_platform::docker::engine::{Engine, EngineError, encoded};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Docker's client looks for `docker compose`, after the user's own directory.
const PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// A project that was read.
pub(super) struct Found {
    pub(super) project: Project,
    /// Files that the command line does not name, to be named now that one is added.
    pub(super) unsaid: Vec<PathBuf>,
    /// What Compose calls it.
    pub(super) name: String,
}

/// What stands before the given words, and how the program reads its files.
pub(super) fn program(command: &ComposeCommand) -> Result<(Vec<OsString>, Flavour), Failure> {
    let first = command.words().first().cloned().unwrap_or_default();
    match command.program {
        Program::Stack => Ok((Vec::new(), Flavour::Stack)),
        Program::Plugin => Ok((Vec::new(), Flavour::V2)),
        Program::Standalone => Ok((Vec::new(), standalone(&first))),
        Program::Unsaid => {
            if has_plugin() && in_path("docker").is_some() {
                return Ok((
                    ["docker", "compose"].map(OsString::from).to_vec(),
                    Flavour::V2,
                ));
            }
            let name = OsString::from("docker-compose");
            if in_path("docker-compose").is_none() {
                return Err(
                    Failure::local("neither docker compose nor docker-compose is here")
                        .hint("apt-get install docker-compose"),
                );
            }
            let flavour = standalone(&name);
            Ok((vec![name], flavour))
        }
    }
}

fn has_plugin() -> bool {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let own = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| home.map(|home| home.join(".docker")));
    let own = own.map(|config| config.join("cli-plugins"));
    let mut all = own.into_iter().chain(PLUGINS.map(PathBuf::from));
    all.any(|directory| directory.join("docker-compose").is_file())
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    cofferdam_agent::supervise::resolve(OsStr::new(name), &path).ok()
}

/// 1.29 is a Python program: to see that takes no process. Others are asked.
fn standalone(called: &OsStr) -> Flavour {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Ok(program) = cofferdam_agent::supervise::resolve(called, &path) else {
        return Flavour::V1;
    };
    let mut first = [0_u8; 64];
    let read = std::fs::File::open(&program).and_then(|mut file| file.read(&mut first));
    let begin = first.get(..read.unwrap_or(0)).unwrap_or_default();
    if begin.starts_with(b"#!") && String::from_utf8_lossy(begin).contains("python") {
        return Flavour::V1;
    }
    let asked = Command::new(&program)
        .args(["version", "--short"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match asked {
        Ok(said)
            if String::from_utf8_lossy(&said.stdout)
                .trim()
                .starts_with("1.") =>
        {
            Flavour::V1
        }
        _ => Flavour::V2,
    }
}

/// Reads the project that Compose would read.
pub(super) fn find(command: &ComposeCommand, flavour: Flavour) -> Result<Found, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::local(format!("no current directory: {error}")))?;
    let directory = command.directory.clone().unwrap_or_else(|| here.clone());
    let environment = if flavour == Flavour::Stack {
        // `docker stack` knows the caller's variables only.
        Environment::read(command, Path::new("/nonexistent"))?
    } else {
        // 1.29 looks where it was started, v2 beside the first file.
        let beside = command.files.first().filter(|_| flavour == Flavour::V2);
        let beside = beside.filter(|_| command.directory.is_none());
        let beside = beside.and_then(|file| file.parent());
        Environment::read(command, beside.unwrap_or(&directory))?
    };
    let unsaid = if !command.files.is_empty() || flavour == Flavour::Stack {
        Vec::new()
    } else {
        match environment.files() {
            files if files.is_empty() => usual_files(&directory, flavour),
            files => files,
        }
    };
    let files: Vec<PathBuf> = command.files.iter().chain(&unsaid).cloned().collect();
    let Some(first) = files.first() else {
        // v2 finds the containers of a project that is named without its files.
        if let Some(name) = command.project.clone().filter(|_| flavour == Flavour::V2) {
            return Ok(Found {
                project: Project::default(),
                unsaid,
                name: normal_name(&name, flavour),
            });
        }
        return Err(Failure::usage("no Compose file here or above")
            .hint("name it: cofferdam compose -- -f FILE up -d"));
    };
    let mut project = load(&files, &|name| environment.get(name)).map_err(|error| fault(&error))?;
    let named = command.project.clone();
    let named = named.or_else(|| environment.filled("COMPOSE_PROJECT_NAME"));
    let named = named.or_else(|| project.name.clone().filter(|_| flavour == Flavour::V2));
    let base = match (&command.directory, first.parent()) {
        (Some(directory), _) => here.join(directory),
        (None, Some(parent)) => here.join(parent),
        (None, None) => here,
    };
    let base = base.canonicalize().unwrap_or(base);
    let base = base.file_name().unwrap_or_default().to_string_lossy();
    let name = match (named, flavour) {
        (Some(name), Flavour::Stack) => name,
        (named, _) => normal_name(named.as_deref().unwrap_or(&base), flavour),
    };
    if flavour == Flavour::Stack {
        project.name = Some(name.clone());
    }
    Ok(Found {
        project,
        unsaid,
        name,
    })
}

/// Removes volumes of ours that the project no longer has: all of them after `down`, those with
/// other options after `up`. They hold nothing; a container that still has one keeps it.
pub(super) async fn clean(context: &Context, command: &ComposeCommand, found: &Found, plan: &Plan) {
    let comes = command.subcommand.as_deref() == Some("up") && !plan.services.is_empty();
    if !command.ends() && !comes {
        return;
    }
    let wanted: BTreeSet<String> = if command.ends() {
        BTreeSet::new()
    } else {
        let volumes = plan
            .services
            .values()
            .flat_map(|delivery| &delivery.volumes);
        volumes
            .map(|volume| format!("{}_{}", found.name, volume.name))
            .collect()
    };
    if let Err(error) = remove_volumes(&found.name, &wanted).await {
        context.say(&format!("volumes of {} are left: {error}", found.name));
        context.say(&format!(
            "hint: docker volume prune --filter label={}",
            overlay::LABEL
        ));
    }
}

async fn remove_volumes(project: &str, wanted: &BTreeSet<String>) -> Result<(), EngineError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        volumes: Option<Vec<Named>>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named {
        name: String,
    }
    let engine = Engine::local()?;
    let labels = [
        overlay::LABEL.to_owned(),
        format!("com.docker.compose.project={project}"),
    ];
    let filters = serde_json::json!({ "label": labels }).to_string();
    let listed: Listed = engine
        .get(&format!("/volumes?filters={}", encoded(&filters)))
        .await?;
    for volume in listed.volumes.unwrap_or_default() {
        if wanted.contains(&volume.name) {
            continue;
        }
        match engine
            .delete(&format!("/volumes/{}", encoded(&volume.name)))
            .await
        {
            // Still in use: by a container that `down` leaves, or that `up` did not touch.
            Ok(())
            | Err(EngineError::Refused {
                status: 404 | 409, ..
            }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
