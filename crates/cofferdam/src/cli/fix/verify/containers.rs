//! A trial's containers: how they are, and what their first process has in its environment.

use crate::cli::Failure;
use cofferdam_platform::docker::engine::{Engine, EngineError, encoded};
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a project may take to be healthy.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a container without a health check has to stay as it is.
const STEADY: Duration = Duration::from_millis(1500);

/// One container.
pub(super) struct Container {
    /// `running, healthy`, `ended with 0`.
    pub(super) state: String,
    /// Of its first process, while it runs. Wiped on drop.
    pub(super) environment: Option<BTreeMap<String, Secret<String>>>,
    /// All that the engine tells about it.
    told: Secret<String>,
}

impl Container {
    /// Whether `docker inspect` holds a value, as it is or as JSON writes it.
    pub(super) fn shows(&self, value: &Secret<String>) -> bool {
        let escaped = Secret::new(serde_json::Value::from(value.expose().as_str()).to_string());
        let escaped = escaped.expose().trim_matches('"');
        let told = self.told.expose();
        told.contains(value.expose().as_str()) || (!escaped.is_empty() && told.contains(escaped))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    labels: BTreeMap<String, String>,
}

/// Waits until each container of a project has come to rest.
pub(super) async fn settled(project: &str) -> Result<BTreeMap<String, Container>, Failure> {
    let engine = Engine::local().map_err(|error| Failure::local(error.to_string()))?;
    let end = Instant::now() + PATIENCE;
    let mut since: BTreeMap<String, (String, Instant)> = BTreeMap::new();
    loop {
        let all = look(&engine, project)
            .await
            .map_err(|error| Failure::local(error.to_string()))?;
        let now = Instant::now();
        let mut calm = !all.is_empty();
        for (service, container) in &all {
            let known = since
                .entry(service.clone())
                .or_insert_with(|| (container.state.clone(), now));
            if known.0 != container.state {
                *known = (container.state.clone(), now);
            }
            let fast = container.state.ends_with("healthy") || container.state.starts_with("ended");
            calm &= !container.state.ends_with("starting")
                && (fast || now.duration_since(known.1) >= STEADY);
        }
        if calm {
            return Ok(all);
        }
        if now >= end {
            return Err(Failure::local(
                "the project did not become healthy within two minutes",
            ));
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn look(engine: &Engine, project: &str) -> Result<BTreeMap<String, Container>, EngineError> {
    let filters = serde_json::json!({ "label": [format!("com.docker.compose.project={project}")] });
    let listed: Vec<Listed> = engine
        .get(&format!(
            "/containers/json?all=1&filters={}",
            encoded(&filters.to_string())
        ))
        .await?;
    let mut all = BTreeMap::new();
    for one in listed {
        let told: serde_json::Value = engine.get(&format!("/containers/{}/json", one.id)).await?;
        let service = one
            .labels
            .get("com.docker.compose.service")
            .cloned()
            .unwrap_or_default();
        all.insert(service, container(&told));
    }
    Ok(all)
}

fn container(told: &serde_json::Value) -> Container {
    let at = |path: &str| told.pointer(path);
    let running = at("/State/Running")
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(false);
    let health = at("/State/Health/Status").and_then(serde_json::Value::as_str);
    let state = match (running, health) {
        (true, Some(health)) => format!("running, {health}"),
        (true, None) => "running".to_owned(),
        (false, _) => format!(
            "ended with {}",
            at("/State/ExitCode")
                .and_then(serde_json::Value::as_i64)
                .unwrap_or(-1)
        ),
    };
    let pid = at("/State/Pid")
        .and_then(serde_json::Value::as_u64)
        .filter(|pid| *pid > 0 && running);
    let init = at("/HostConfig/Init")
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(false);
    Container {
        state,
        environment: pid.and_then(|pid| environment(pid, init)),
        told: Secret::new(told.to_string()),
    }
}

/// What a process was started with; behind Docker's init it is the first child that counts.
fn environment(pid: u64, init: bool) -> Option<BTreeMap<String, Secret<String>>> {
    let pid = if init {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()?
    } else {
        pid
    };
    let bytes = Secret::new(std::fs::read(format!("/proc/{pid}/environ")).ok()?);
    let pairs = bytes.expose().split(|byte| *byte == 0).filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        Some((name.to_owned(), Secret::new(value.to_owned())))
    });
    Some(pairs.collect())
}
