//! Containers: what `docker inspect` shows, and their logs.

use super::{Search, Selection};
use crate::docker::engine::EngineError;
use crate::docker::engine::blocking::Engine;
use cofferdam_detect::report::Place;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The label by which the engine marks containers of a service.
const SERVICE_NAME: &str = "com.docker.swarm.service.name";
const SERVICE_ID: &str = "com.docker.swarm.service.id";

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Names", default)]
    names: Option<Vec<String>>,
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Listed {
    fn name(&self) -> String {
        let name = self.names.iter().flatten().next();
        name.map_or_else(
            || short(&self.id),
            |name| name.trim_start_matches('/').to_owned(),
        )
    }

    /// Everything a person may call it.
    fn known_as(&self) -> Vec<String> {
        let names = self.names.iter().flatten();
        let mut known: Vec<String> = names
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect();
        known.push(self.id.clone());
        known.push(short(&self.id));
        known
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.as_ref()?.get(name).map(String::as_str)
    }
}

/// What logs need to know of a container.
#[derive(Deserialize)]
pub(super) struct Inspected {
    #[serde(rename = "Config", default)]
    config: ContainerConfig,
    #[serde(rename = "HostConfig", default)]
    host: HostConfig,
}

#[derive(Default, Deserialize)]
struct ContainerConfig {
    #[serde(rename = "Tty", default)]
    tty: bool,
}

#[derive(Default, Deserialize)]
struct HostConfig {
    #[serde(rename = "LogConfig", default)]
    log: LogConfig,
}

#[derive(Default, Deserialize)]
struct LogConfig {
    #[serde(rename = "Type", default)]
    driver: String,
}

impl Search<'_> {
    pub(super) fn containers(&mut self, engine: &Engine) {
        let scope = self.scope;
        let of_services = matches!(scope.services, Selection::Named(_));
        if scope.containers == Selection::Nothing && !of_services {
            return;
        }
        let listed = engine
            .get("/containers/json?all=1")
            .and_then(|answer| parsed(&answer));
        let listed: Vec<Listed> = match listed {
            Ok(listed) => listed,
            Err(error) => {
                self.matrix.set(Place::ContainerLogs, self.failed(&error));
                return self
                    .matrix
                    .set(Place::ContainerInspect, self.failed(&error));
            }
        };
        let mut known = Vec::new();
        let mut chosen = Vec::new();
        for container in listed {
            let names = container.known_as();
            let of_service = [SERVICE_NAME, SERVICE_ID]
                .into_iter()
                .filter_map(|label| container.label(label));
            let selected = scope.containers.takes(names.iter().map(String::as_str))
                || (of_services && scope.services.takes(of_service));
            if selected {
                known.extend(names);
                chosen.push(container);
            }
        }
        for missing in scope.containers.missing(&known) {
            self.finder.gap(missing, "no such container");
        }
        let states = self.inspect(engine, &chosen);
        self.keep(Place::ContainerInspect);
        for (container, state) in std::iter::zip(&chosen, &states) {
            (self.progress)(&format!("log of {}", container.name()));
            self.log(engine, &container.name(), &container.id, state.as_ref());
        }
        self.keep(Place::ContainerLogs);
        self.containers = chosen
            .iter()
            .map(|one| (one.id.clone(), one.name()))
            .collect();
    }

    fn inspect(&mut self, engine: &Engine, chosen: &[Listed]) -> Vec<Option<Inspected>> {
        let mut states = Vec::new();
        for container in chosen {
            let name = container.name();
            (self.progress)(&format!("container {name}"));
            let state = match engine.get(&format!("/containers/{}/json", container.id)) {
                Ok(answer) => {
                    self.finder.count();
                    self.finder.json(&name, &answer);
                    serde_json::from_slice(&answer).ok()
                }
                Err(error) => {
                    self.vanished_or_gap(&name, &error);
                    None
                }
            };
            states.push(state);
        }
        states
    }

    /// Something that is gone since it was listed is no gap.
    pub(super) fn vanished_or_gap(&mut self, name: &str, error: &EngineError) {
        if !error.is_missing() {
            self.finder.gap(name, error.to_string());
        }
    }
}

impl Inspected {
    pub(super) const fn tty(&self) -> bool {
        self.config.tty
    }

    pub(super) fn log_driver(&self) -> &str {
        &self.host.log.driver
    }
}

/// The first twelve digits, as `docker ps` shows.
pub(super) fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// An answer in the shape we expect.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, EngineError> {
    // The parser's own words could quote the answer.
    serde_json::from_slice(answer)
        .map_err(|_| EngineError::Silent("its answer has another shape".to_owned()))
}
