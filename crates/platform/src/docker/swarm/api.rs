//! What is asked of a manager's engine about secrets, services and tasks.
//!
//! Specifications are kept as they come: what this program has never heard of goes back unchanged.
//! Every change names the version it was made from, and the engine refuses it if somebody else was
//! there first. While the cluster has no leader a manager cannot answer: reading waits for it, and so
//! do changes that can be made twice.

use super::Error;
use super::labels::Labels;
use crate::docker::engine::{Engine, EngineError, encoded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_api::Tree;
use cofferdam_secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How often, and how long apart, a manager is asked that cannot answer now. An election takes a
/// few seconds.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// A manager.
#[derive(Clone, Debug)]
pub struct Swarm {
    engine: Engine,
    /// This node.
    node: String,
    /// Where the engine keeps its containers.
    root: String,
}

/// A Docker secret; never its value.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// The driver behind it; a plain secret has none.
    pub driver: Option<String>,
    version: u64,
    spec: Value,
}

/// A service and where its last update stands.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    pub(super) version: u64,
    pub(super) spec: Value,
    /// What it was before its last update, to which Swarm takes it back.
    pub(super) before: Value,
    pub(super) update: String,
    pub(super) said: String,
}

/// A task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) slot: String,
    pub(super) node: String,
    pub(super) container: String,
    pub(super) spec: Value,
    pub(super) state: String,
    pub(super) desired: String,
    pub(super) error: String,
}

/// What everything in a swarm has.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Shape {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    spec: Value,
    #[serde(default)]
    previous_spec: Value,
    #[serde(default)]
    update_status: Option<UpdateStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    index: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct UpdateStatus {
    state: String,
    message: String,
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "ID")]
    id: String,
}

impl Swarm {
    /// The cluster of an engine.
    ///
    /// # Errors
    /// [`Error::NoManager`] where the engine is none.
    pub async fn open(engine: Engine) -> Result<Self, Error> {
        let info: Value = engine.get("/info").await?;
        let manager = info.pointer("/Swarm/ControlAvailable");
        if manager.and_then(Value::as_bool) != Some(true) {
            return Err(Error::NoManager);
        }
        Ok(Self {
            engine,
            node: text(&info, "/Swarm/NodeID"),
            root: text(&info, "/DockerRootDir"),
        })
    }

    /// Every secret.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn secrets(&self) -> Result<Vec<Object>, EngineError> {
        let found: Vec<Shape> = self.get("/secrets").await?;
        Ok(found.into_iter().map(Object::from).collect())
    }

    /// Makes a secret without a value, behind a driver.
    pub(super) async fn create_driven(
        &self,
        name: &str,
        driver: &str,
        labels: &Labels,
    ) -> Result<String, EngineError> {
        let spec = json!({"Name": name, "Labels": labels, "Driver": {"Name": driver}});
        let made: Made = self.engine.post("/secrets/create", &spec).await?;
        Ok(made.id)
    }

    /// Makes a plain secret.
    pub(super) async fn create_plain(
        &self,
        name: &str,
        labels: &Labels,
        value: &Secret<Vec<u8>>,
    ) -> Result<String, EngineError> {
        let mut marks = Tree::map();
        for (label, said) in labels {
            marks.insert(label.as_str(), said.as_str());
        }
        let data = Secret::new(STANDARD.encode(value.expose()));
        let body = Tree::map()
            .with("Name", name)
            .with("Labels", marks)
            .with("Data", Tree::Text(data));
        let made: Made = self
            .engine
            .post_secret("/secrets/create", body.to_json())
            .await?;
        Ok(made.id)
    }

    /// Gives a secret other labels; nothing else of it can change.
    pub(super) async fn relabel(
        &self,
        secret: &Object,
        change: impl Fn(&mut Labels),
    ) -> Result<Object, EngineError> {
        let mut left = TRIES;
        loop {
            // Read anew: the answer has the version that the change is made from.
            let found = self.secret(&secret.id).await?;
            let mut labels = found.labels.clone();
            change(&mut labels);
            if labels == found.labels {
                return Ok(found);
            }
            let mut spec = found.spec.clone();
            if let Some(spec) = spec.as_object_mut() {
                spec.insert("Labels".to_owned(), json!(labels));
            }
            let (id, version) = (encoded(&found.id), found.version);
            let target = format!("/secrets/{id}/update?version={version}");
            match self.engine.order(&target, Some(&spec)).await {
                Err(error) if may_try_again(&error) && left > 0 => left -= 1,
                Err(error) => return Err(error),
                Ok(()) => continue,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `GET`, waiting for a cluster that has no leader.
    async fn get<T: serde::de::DeserializeOwned>(&self, target: &str) -> Result<T, EngineError> {
        let mut left = TRIES;
        loop {
            match self.engine.get(target).await {
                Err(error) if is_unsettled(&error) && left > 0 => left -= 1,
                answer => return answer,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn secret(&self, id: &str) -> Result<Object, EngineError> {
        let found: Shape = self.get(&format!("/secrets/{}", encoded(id))).await?;
        Ok(found.into())
    }

    /// Removes a secret; the engine refuses where a service uses it.
    pub(super) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        self.engine
            .delete(&format!("/secrets/{}", encoded(id)))
            .await
    }

    /// Every service.
    pub(super) async fn services(&self) -> Result<Vec<Service>, EngineError> {
        let found: Vec<Shape> = self.get("/services").await?;
        Ok(found.into_iter().map(Service::from).collect())
    }

    /// One service.
    pub(super) async fn service(&self, id: &str) -> Result<Service, EngineError> {
        let found: Shape = self.get(&format!("/services/{}", encoded(id))).await?;
        Ok(found.into())
    }

    /// Gives a service another specification. The credentials for its registry stay as they are.
    pub(super) async fn update(&self, service: &Service, spec: &Value) -> Result<(), EngineError> {
        let target = format!(
            "/services/{}/update?version={}&registryAuthFrom=spec",
            encoded(&service.id),
            service.version
        );
        self.engine.order(&target, Some(spec)).await
    }

    /// The tasks of a service, old ones too.
    pub(super) async fn tasks(&self, service: &str) -> Result<Vec<Task>, EngineError> {
        let filters = json!({"service": [service]}).to_string();
        let target = format!("/tasks?filters={}", encoded(&filters));
        let found: Vec<Value> = self.get(&target).await?;
        Ok(found.iter().map(Task::from).collect())
    }

    /// The nodes that do not answer.
    pub(super) async fn nodes_down(&self) -> Result<Vec<String>, EngineError> {
        let nodes: Vec<Value> = self.get("/nodes").await?;
        let down = nodes
            .iter()
            .filter(|node| text(node, "/Status/State") == "down");
        Ok(down.map(|node| text(node, "/ID")).collect())
    }

    /// Where a running task of this node has the file of a secret, if it runs here. The engine
    /// names it by the secret's id, so that nothing in the container has a say in it.
    pub(super) fn file_of(&self, task: &Task, secret: &str) -> Option<std::path::PathBuf> {
        let here = task.node == self.node && task.state == "running" && !task.container.is_empty();
        here.then(|| {
            std::path::Path::new(&self.root)
                .join("containers")
                .join(&task.container)
                .join("mounts/secrets")
                .join(secret)
        })
    }
}

/// Whether the cluster could not decide in time: an election, or a slow disk of its log.
fn is_unsettled(error: &EngineError) -> bool {
    const WORDS: [&str; 4] = [
        "DeadlineExceeded",
        "does not have a leader",
        "leader lost",
        "code = Unavailable",
    ];
    let EngineError::Refused { status, message } = error else {
        return false;
    };
    *status >= 500 && WORDS.iter().any(|word| message.contains(word))
}

/// Whether a change may be made from what is there now.
pub(super) fn may_try_again(error: &EngineError) -> bool {
    let moved = |message: &str| message.contains("out of sequence");
    is_unsettled(error) || matches!(error, EngineError::Refused { message, .. } if moved(message))
}

impl From<Shape> for Object {
    fn from(shape: Shape) -> Self {
        let labels = shape.spec.get("Labels").cloned().unwrap_or_default();
        let driver = text(&shape.spec, "/Driver/Name");
        Self {
            id: shape.id,
            name: text(&shape.spec, "/Name"),
            labels: serde_json::from_value(labels).unwrap_or_default(),
            driver: Some(driver).filter(|driver| !driver.is_empty()),
            version: shape.version.index,
            spec: shape.spec,
        }
    }
}

impl From<Shape> for Service {
    fn from(shape: Shape) -> Self {
        let status = shape.update_status.unwrap_or_default();
        Self {
            id: shape.id,
            name: text(&shape.spec, "/Name"),
            version: shape.version.index,
            spec: shape.spec,
            before: shape.previous_spec,
            update: status.state,
            said: status.message,
        }
    }
}

impl From<&Value> for Task {
    fn from(found: &Value) -> Self {
        let slot = found.get("Slot").and_then(Value::as_u64);
        Self {
            slot: slot.map_or_else(|| text(found, "/NodeID"), |slot| slot.to_string()),
            node: text(found, "/NodeID"),
            container: text(found, "/Status/ContainerStatus/ContainerID"),
            spec: found.get("Spec").cloned().unwrap_or_default(),
            state: text(found, "/Status/State"),
            desired: text(found, "/DesiredState"),
            error: text(found, "/Status/Err"),
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}
