//! The specification of a service, and the few changes that are made to it.
//!
//! All of it stays in the order and the form it came in. What an update needs and the service does
//! not want for good (its order, what happens on a failure) is remembered in a label of the service
//! and put back afterwards.

use super::labels::{UPDATE, moved};
use serde_json::{Map, Value, json};
use std::fmt;

/// What Swarm waits for a new task to fail, where a service says nothing (swarmkit `api/defaults`).
const DEFAULT_MONITOR: u64 = 5_000_000_000;

/// The mark of a service that has been moved back.
const BACK: &str = "back";

/// Which of two tasks of a slot comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The new one runs before the old one stops.
    StartFirst,
    /// The old one stops before the new one starts.
    StopFirst,
}

impl Order {
    const fn word(self) -> &'static str {
        match self {
            Self::StartFirst => "start-first",
            Self::StopFirst => "stop-first",
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// What a service is changed to.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// Name of the secret, as the services' labels have it.
    pub(super) secret: String,
    /// To what.
    pub(super) to: Target,
}

/// The two ways to give a service another value.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// The same secret at another version of the store.
    Version {
        /// Id of the secret.
        id: String,
        /// The version.
        new: u64,
    },
    /// Another secret at the same place.
    Object {
        /// Id of the new one.
        id: String,
        /// Its name.
        name: String,
        /// Ids and names of those it stands in for.
        replaces: Vec<(String, String)>,
    },
}

impl Change {
    /// Whether this service has anything to do with it.
    pub(super) fn concerns(&self, spec: &Value) -> bool {
        match &self.to {
            Target::Version { id, .. } => uses(spec, id),
            Target::Object { id, replaces, .. } => {
                uses(spec, id) || replaces.iter().any(|(old, _)| uses(spec, old))
            }
        }
    }

    /// Whether the service has been moved.
    pub(super) fn is_done(&self, spec: &Value) -> bool {
        match &self.to {
            Target::Version { new, .. } => {
                label(spec, &moved(&self.secret)) == Some(new.to_string().as_str())
            }
            Target::Object { id, replaces, .. } => {
                uses(spec, id) && !replaces.iter().any(|(old, _)| uses(spec, old))
            }
        }
    }

    /// Moves the service forward. `number` is one that no task of the service has ([`unused`]).
    pub(super) fn forward(&self, spec: &mut Value, number: u64) {
        match &self.to {
            Target::Version { new, .. } => {
                set_label(spec, &moved(&self.secret), Some(&new.to_string()));
                force(spec, number);
            }
            Target::Object { id, name, replaces } => {
                let mut from = None;
                for reference in references(spec) {
                    let old = text(reference, "SecretID");
                    if replaces.iter().any(|(replaced, _)| *replaced == old) {
                        point(reference, id, name);
                        from = Some(old);
                    }
                }
                if from.is_some() {
                    set_label(spec, &moved(&self.secret), from.as_deref());
                }
            }
        }
    }

    /// Moves the service back to what it had; `number` as in [`Self::forward`].
    pub(super) fn backward(&self, spec: &mut Value, number: u64) {
        let from = label(spec, &moved(&self.secret)).map(str::to_owned);
        match &self.to {
            Target::Version { .. } => force(spec, number),
            Target::Object { id, replaces, .. } => {
                let old = replaces.iter().find(|(old, _)| Some(old) == from.as_ref());
                // Without the label (somebody wrote the specification anew) the newest of them.
                if let Some((old, name)) = old.or_else(|| replaces.last()) {
                    for reference in references(spec) {
                        if text(reference, "SecretID") == *id {
                            point(reference, old, name);
                        }
                    }
                }
            }
        }
        // It stays marked until it is settled.
        if from.is_some() {
            set_label(spec, &moved(&self.secret), Some(BACK));
        }
    }

    /// Whether a task with this specification has what the service `spec` has now.
    pub(super) fn is_in(&self, spec: &Value, task: &Value) -> bool {
        match &self.to {
            Target::Version { .. } => forced(task) == forced(template(spec)),
            Target::Object { id, replaces, .. } => {
                let ours = std::iter::once(id).chain(replaces.iter().map(|(old, _)| old));
                let mut ours = ours.filter(|id| uses(spec, id));
                ours.all(|id| uses_in(task, id))
            }
        }
    }
}

/// What Swarm does when the update that follows fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// It goes back by itself, also when nobody looks any more.
    Rollback,
    /// It stops: on the way back there is nothing to go back to.
    Pause,
}

/// Makes the next update one of this order and this end; what the service itself says about them
/// is remembered.
pub(super) fn prepare(spec: &mut Value, order: Order, on_failure: OnFailure) {
    let action = match on_failure {
        OnFailure::Rollback => "rollback",
        OnFailure::Pause => "pause",
    };
    let before = spec.get("UpdateConfig").filter(|found| found.is_object());
    let known = before.is_some();
    let said = |key| before.map(|found| text(found, key)).unwrap_or_default();
    let (was, failure) = (said("Order"), said("FailureAction"));
    if was == order.word() && failure == action {
        return;
    }
    if label(spec, UPDATE).is_none() {
        let remembered = if known {
            format!("{was}/{failure}")
        } else {
            "none".to_owned()
        };
        set_label(spec, UPDATE, Some(&remembered));
    }
    let Some(spec) = spec.as_object_mut() else {
        return;
    };
    if !known {
        let default = json!({"Parallelism": 1, "Monitor": DEFAULT_MONITOR, "MaxFailureRatio": 0});
        spec.insert("UpdateConfig".to_owned(), default);
    }
    if let Some(config) = spec.get_mut("UpdateConfig").and_then(Value::as_object_mut) {
        config.insert("Order".to_owned(), Value::from(order.word()));
        config.insert("FailureAction".to_owned(), Value::from(action));
    }
}

/// Puts back what [`prepare`] changed, and removes our marks. Where the rotation of another secret
/// is under way on the same service, the last one to end puts back.
pub(super) fn settle(spec: &mut Value, secret: &str) {
    set_label(spec, &moved(secret), None);
    if is_moving(spec) {
        return;
    }
    let Some(remembered) = label(spec, UPDATE).map(str::to_owned) else {
        return;
    };
    set_label(spec, UPDATE, None);
    let Some(spec) = spec.as_object_mut() else {
        return;
    };
    let Some((order, failure)) = remembered.split_once('/') else {
        spec.remove("UpdateConfig");
        return;
    };
    if let Some(config) = spec.get_mut("UpdateConfig").and_then(Value::as_object_mut) {
        for (key, was) in [("Order", order), ("FailureAction", failure)] {
            if was.is_empty() {
                config.remove(key);
            } else {
                config.insert(key.to_owned(), Value::from(was));
            }
        }
    }
}

/// Whether a rotation of `secret` has left something to settle.
pub(super) fn is_marked(spec: &Value, secret: &str) -> bool {
    label(spec, &moved(secret)).is_some()
}

fn is_moving(spec: &Value) -> bool {
    let labels = spec.get("Labels").and_then(Value::as_object);
    let mut labels = labels.into_iter().flat_map(Map::keys);
    labels.any(|label| label.starts_with(&moved("")))
}

/// The order for a service: its own start-first, else start-first where two tasks of one slot can
/// live side by side, which a port of the host, a writable volume or a limit per node forbids.
pub(super) fn order(spec: &Value) -> Order {
    let asked = spec.pointer("/UpdateConfig/Order").and_then(Value::as_str);
    if asked == Some("start-first") {
        return Order::StartFirst;
    }
    let items = |pointer: &str| spec.pointer(pointer).and_then(Value::as_array);
    let replicated = spec.pointer("/Mode/Replicated").is_some();
    let mut ports = items("/EndpointSpec/Ports").into_iter().flatten();
    let host_port = ports.any(|port| text(port, "PublishMode") == "host");
    let mut mounts = items("/TaskTemplate/ContainerSpec/Mounts")
        .into_iter()
        .flatten();
    let writes = mounts.any(|mount| {
        let read_only = mount.get("ReadOnly").and_then(Value::as_bool);
        text(mount, "Type") != "tmpfs" && read_only != Some(true)
    });
    let limit = spec.pointer("/TaskTemplate/Placement/MaxReplicas");
    let limited = limit.and_then(Value::as_u64).unwrap_or_default() > 0;
    if replicated && !host_port && !writes && !limited {
        Order::StartFirst
    } else {
        Order::StopFirst
    }
}

/// How many tasks at once, as the service says.
pub(super) fn parallelism(spec: &Value) -> u64 {
    let found = spec.pointer("/UpdateConfig/Parallelism");
    found.and_then(Value::as_u64).unwrap_or(1)
}

/// Tasks that should run; `None` for one on each node.
pub(super) fn replicas(spec: &Value) -> Option<u64> {
    let replicated = spec.pointer("/Mode/Replicated")?;
    Some(
        replicated
            .get("Replicas")
            .and_then(Value::as_u64)
            .unwrap_or(1),
    )
}

/// Whether a task that has ended well is not started again.
pub(super) fn may_finish(spec: &Value) -> bool {
    let condition = spec.pointer("/TaskTemplate/RestartPolicy/Condition");
    matches!(
        condition.and_then(Value::as_str),
        Some("none" | "on-failure")
    )
}

/// Whether it is a job, which runs once and knows no update.
pub(super) fn is_job(spec: &Value) -> bool {
    let mode = |name: &str| spec.pointer(&format!("/Mode/{name}")).is_some();
    mode("ReplicatedJob") || mode("GlobalJob")
}

/// Whether a service uses a secret.
pub(super) fn uses(spec: &Value, id: &str) -> bool {
    uses_in(template(spec), id)
}

fn uses_in(template: &Value, id: &str) -> bool {
    let secrets = template.pointer("/ContainerSpec/Secrets");
    let mut secrets = secrets.and_then(Value::as_array).into_iter().flatten();
    secrets.any(|reference| text(reference, "SecretID") == id)
}

pub(super) fn template(spec: &Value) -> &Value {
    spec.get("TaskTemplate").unwrap_or(&Value::Null)
}

fn references(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let secrets = spec.pointer_mut("/TaskTemplate/ContainerSpec/Secrets");
    secrets.and_then(Value::as_array_mut).into_iter().flatten()
}

/// Points a reference at another secret; the file it becomes stays as it is.
fn point(reference: &mut Value, id: &str, name: &str) {
    if let Some(reference) = reference.as_object_mut() {
        reference.insert("SecretID".to_owned(), Value::from(id));
        reference.insert("SecretName".to_owned(), Value::from(name));
    }
}

fn forced(template: &Value) -> u64 {
    let found = template.get("ForceUpdate").and_then(Value::as_u64);
    found.unwrap_or_default()
}

/// Replaces every task, although nothing else has changed.
pub(super) fn force(spec: &mut Value, number: u64) {
    if let Some(template) = spec.get_mut("TaskTemplate").and_then(Value::as_object_mut) {
        template.insert("ForceUpdate".to_owned(), Value::from(number));
    }
}

/// A number to force an update with that none of these task templates has.
///
/// One more than the service's own is not enough. When Swarm takes an update back, the number goes
/// back with it, and a task of the update that failed would be taken for one of the next update: by
/// us, and by Swarm, which keeps a task whose template is the wanted one and with it the labels of
/// the service at its birth, which say which version it gets.
pub(super) fn unused<'v>(templates: impl Iterator<Item = &'v Value>) -> u64 {
    let highest = templates.map(forced).max();
    highest.unwrap_or_default().wrapping_add(1)
}

pub(super) fn label<'s>(spec: &'s Value, label: &str) -> Option<&'s str> {
    spec.get("Labels")?.get(label)?.as_str()
}

fn set_label(spec: &mut Value, label: &str, value: Option<&str>) {
    let Some(spec) = spec.as_object_mut() else {
        return;
    };
    let labels = spec.entry("Labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(Map::new());
    }
    if let Some(labels) = labels.as_object_mut() {
        match value {
            Some(value) => drop(labels.insert(label.to_owned(), Value::from(value))),
            // Not `remove`, which would change the order of the others.
            None => drop(labels.shift_remove(label)),
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    let found = value.get(key).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}
