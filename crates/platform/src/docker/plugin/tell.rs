//! Tells the containers that use a volume that its files have changed, in the way its option says.
//!
//! They are found by the engine at that moment: a container that starts later has the new files
//! from the start. What fails for one container is logged and does not keep the others from it.

use super::volume::on_change::OnChange;
use crate::docker::engine::{Engine, EngineError, encoded};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a command in a container may take before its end is no longer waited for.
const COMMAND: Duration = Duration::from_secs(60);
/// How long a restart may take: the container's own time to stop is in it.
const RESTART: Duration = Duration::from_secs(120);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Everybody who was to be told was, or refused.
    Done,
    /// The engine does not answer: to be tried again.
    Unreachable,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

impl Container {
    fn name(&self) -> &str {
        let name = self.names.first().map_or(self.id.as_str(), String::as_str);
        name.trim_start_matches('/')
    }
}

/// Tells every running container that has the volume.
pub(super) async fn tell(engine: &Engine, volume: &str, what: &OnChange) -> Told {
    if *what == OnChange::Nothing {
        return Told::Done;
    }
    let containers = match users(engine, volume).await {
        Ok(containers) => containers,
        Err(error) => {
            tracing::warn!(volume = ?volume, %error, "cannot find who uses a renewed volume");
            return Told::Unreachable;
        }
    };
    let mut all = JoinSet::new();
    for container in containers {
        let (engine, volume, what) = (engine.clone(), volume.to_owned(), what.clone());
        all.spawn(async move {
            let done = act(&engine, &container, &what).await;
            let name = container.name();
            match done {
                Ok(()) => tracing::info!(volume = ?volume, container = ?name, on_change = said(&what), "told a container of new files"),
                Err(reason) => tracing::warn!(volume = ?volume, container = ?name, on_change = said(&what), reason, "a container could not be told of new files"),
            }
        });
    }
    while all.join_next().await.is_some() {}
    Told::Done
}

/// A paused container is one of them: it cannot be told, and the log has to say so.
async fn users(engine: &Engine, volume: &str) -> Result<Vec<Container>, EngineError> {
    let filters = json!({"volume": [volume], "status": ["running", "paused"]}).to_string();
    let target = format!("/containers/json?filters={}", encoded(&filters));
    engine.get(&target).await
}

async fn act(engine: &Engine, container: &Container, what: &OnChange) -> Result<(), String> {
    let id = encoded(&container.id);
    match what {
        OnChange::Nothing => Ok(()),
        OnChange::Signal(signal) => {
            let target = format!("/containers/{id}/kill?signal={}", encoded(signal));
            let killed = engine.order::<()>(&target, None).await;
            killed.map_err(|error| error.to_string())
        }
        OnChange::Restart => {
            let target = format!("/containers/{id}/restart");
            let restarted = tokio::time::timeout(RESTART, engine.order::<()>(&target, None));
            match restarted.await {
                Ok(restarted) => restarted.map_err(|error| error.to_string()),
                Err(_) => Err("it takes longer than two minutes to restart".to_owned()),
            }
        }
        OnChange::Exec(command) => {
            match tokio::time::timeout(COMMAND, exec(engine, &id, command)).await {
                Ok(done) => done,
                Err(_) => Err("the command has not ended within a minute; it goes on".to_owned()),
            }
        }
    }
}

/// Runs a command and waits for its end. What it prints is read and dropped: it may be a value.
async fn exec(engine: &Engine, id: &str, command: &[String]) -> Result<(), String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Made {
        id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Ended {
        exit_code: Option<i64>,
    }
    let failed = |error: EngineError| error.to_string();
    let ask = json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true});
    let made: Made = engine
        .post(&format!("/containers/{id}/exec"), &ask)
        .await
        .map_err(failed)?;
    let exec = format!("/exec/{}", encoded(&made.id));
    let start = json!({"Detach": false, "Tty": false});
    let mut output = engine
        .post_stream(&format!("{exec}/start"), &start)
        .await
        .map_err(failed)?;
    while let Some(Ok(_)) = output.frame().await {}
    let ended: Ended = engine.get(&format!("{exec}/json")).await.map_err(failed)?;
    match ended.exit_code {
        Some(0) => Ok(()),
        Some(code) => Err(format!("the command ended with status {code}")),
        None => Err("the command still runs, but has closed its output".to_owned()),
    }
}

/// For the log: which way, without the command's arguments.
const fn said(what: &OnChange) -> &'static str {
    match what {
        OnChange::Nothing => "none",
        OnChange::Signal(_) => "signal",
        OnChange::Exec(_) => "exec",
        OnChange::Restart => "restart",
    }
}
