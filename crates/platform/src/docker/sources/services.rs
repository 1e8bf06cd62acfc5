//! Swarm: services, their tasks, and configs.

use super::Search;
use super::Selection;
use super::containers::{parsed, short};
use crate::docker::engine::blocking::Engine;
use cofferdam_detect::report::{Column, Place};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "Swarm", default)]
    swarm: Swarm,
}

#[derive(Default, Deserialize)]
struct Swarm {
    #[serde(rename = "LocalNodeState", default)]
    state: String,
    #[serde(rename = "ControlAvailable", default)]
    manager: bool,
}

/// A service, task or config: what is needed to name it.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Spec", default)]
    spec: Spec,
    #[serde(rename = "ServiceID", default)]
    service: String,
    #[serde(rename = "Slot", default)]
    slot: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(rename = "Name", default)]
    name: String,
}

impl Search<'_> {
    pub(super) fn services(&mut self, engine: &Engine) {
        if self.scope.services == Selection::Nothing {
            return;
        }
        match engine
            .get("/info")
            .and_then(|answer| parsed::<Info>(&answer))
        {
            Ok(info) if info.swarm.manager => self.swarm(engine),
            Ok(info) if matches!(info.swarm.state.as_str(), "" | "inactive") => {
                let named = matches!(self.scope.services, Selection::Named(_));
                let why = "this engine is not part of a swarm".to_owned();
                self.swarm_columns(&if named {
                    Column::Failed(why)
                } else {
                    Column::Skipped(why)
                });
            }
            Ok(_) => {
                let why = "this node is not a swarm manager; ask on one".to_owned();
                self.swarm_columns(&Column::Failed(why));
            }
            Err(error) => self.swarm_columns(&self.failed(&error)),
        }
    }

    fn swarm_columns(&mut self, column: &Column) {
        self.matrix.set(Place::ServiceInspect, column.clone());
        self.matrix.set(Place::ConfigInspect, column.clone());
    }

    fn swarm(&mut self, engine: &Engine) {
        (self.progress)("services");
        let mut services: Vec<(String, String)> = Vec::new();
        let scope = self.scope;
        let answer = engine.get("/services");
        self.list(Place::ServiceInspect, answer, |finder, answer| {
            let mut known = Vec::new();
            for (raw, named) in each(answer) {
                let names = [named.spec.name.clone(), named.id.clone(), short(&named.id)];
                if scope.services.takes(names.iter().map(String::as_str)) {
                    finder.count();
                    finder.json(&named.spec.name, raw.get().as_bytes());
                    known.extend(names);
                    services.push((named.id, named.spec.name));
                }
            }
            for missing in scope.services.missing(&known) {
                finder.gap(missing, "no such service");
            }
        });
        self.tasks(engine, &services);
        // A config is used by name and belongs to no service, so a selection does not narrow it.
        let answer = engine.get("/configs");
        self.list(Place::ConfigInspect, answer, |finder, answer| {
            for (raw, named) in each(answer) {
                finder.count();
                finder.json(&named.spec.name, raw.get().as_bytes());
            }
        });
    }

    /// Tasks repeat their service's specification as it was when they were made.
    fn tasks(&mut self, engine: &Engine, services: &[(String, String)]) {
        let answer = engine.get("/tasks");
        self.list(Place::ServiceInspect, answer, |finder, answer| {
            for (raw, task) in each(answer) {
                let service = services.iter().find(|(id, _)| *id == task.service);
                let Some((_, name)) = service else { continue };
                let slot = task.slot.map_or(String::new(), |slot| format!(".{slot}"));
                let location = format!("{name}: task {name}{slot}.{}", short(&task.id));
                finder.json(&location, raw.get().as_bytes());
            }
        });
    }
}

/// The elements of a list, raw and named.
fn each(answer: &[u8]) -> Vec<(&RawValue, Named)> {
    let raw: Vec<&RawValue> = serde_json::from_slice(answer).unwrap_or_default();
    let named = |raw: &&RawValue| serde_json::from_str(raw.get()).ok();
    raw.iter()
        .filter_map(|raw| Some((*raw, named(raw)?)))
        .collect()
}
