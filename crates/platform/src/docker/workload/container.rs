//! What the engine says of a container, and what of it counts.
//!
//! A label counts only if the container was started with it. Labels of an image come with the image:
//! whoever can get an image run somewhere could otherwise name it service `db` of project `shop`, as
//! Compose and Swarm write it in labels. A label that the image has with the same value is therefore
//! left out, and Compose's and Swarm's own count only beside one that is made for each container.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Labels that Compose gives to every container (docker/compose `pkg/api/labels.go`, compose 1.29
/// `compose/const.py`), beside the first two, which it also builds into images.
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";
const COMPOSE_OWN: [&str; 3] = [
    "com.docker.compose.config-hash",
    "com.docker.compose.container-number",
    "com.docker.compose.oneoff",
];
/// Labels that Swarm gives to a task's container, over any that service or image have
/// (moby `daemon/cluster/executor/container/container.go`).
const SWARM_SERVICE: &str = "com.docker.swarm.service.name";
const SWARM_OWN: &str = "com.docker.swarm.task.id";

/// `GET /containers/ID/json`, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: State,
    pub(super) config: Config,
    #[serde(default)]
    pub(super) mounts: Option<Vec<Mount>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) running: bool,
    pub(super) pid: i32,
    #[serde(default)]
    pub(super) started_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    #[serde(default)]
    pub(super) labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
pub(super) struct Mount {
    #[serde(rename = "Source", default)]
    pub(super) source: String,
    #[serde(rename = "RW", default)]
    pub(super) writable: bool,
}

/// `GET /images/ID/json`, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Image {
    #[serde(default)]
    pub(super) repo_digests: Option<Vec<String>>,
    #[serde(default)]
    pub(super) config: Option<Config>,
}

/// What is attested to the server: the body of `auth/docker/attest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Container {
    pub(super) container: String,
    pub(super) name: String,
    pub(super) image_id: String,
    pub(super) image_digests: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) compose_project: String,
    pub(super) compose_service: String,
    pub(super) swarm_service: String,
}

impl Container {
    /// Of an image that the engine does not have any more, nothing is known; so no label can be told
    /// from the image's, and none counts.
    pub(super) fn of(inspected: Inspected, image: Option<Image>) -> Self {
        let mut labels = inspected.config.labels.unwrap_or_default();
        let known = image.is_some();
        let image = image.unwrap_or(Image {
            repo_digests: None,
            config: None,
        });
        let brought = image.config.and_then(|config| config.labels);
        let brought = brought.unwrap_or_default();
        let all = labels.clone();
        labels.retain(|name, value| known && brought.get(name) != Some(value));
        let of_orchestrator = |name: &str, own: &[&str]| {
            let made = own.iter().any(|own| labels.contains_key(*own));
            let value = all.get(name).filter(|_| made);
            value.cloned().unwrap_or_default()
        };
        Self {
            container: inspected.id,
            name: inspected.name.trim_start_matches('/').to_owned(),
            image_id: inspected.image,
            image_digests: image.repo_digests.unwrap_or_default(),
            compose_project: of_orchestrator(COMPOSE_PROJECT, &COMPOSE_OWN),
            compose_service: of_orchestrator(COMPOSE_SERVICE, &COMPOSE_OWN),
            swarm_service: of_orchestrator(SWARM_SERVICE, &[SWARM_OWN]),
            labels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(labels: &Value, image_labels: &Value) -> Container {
        let inspected = json!({
            "Id": "1", "Name": "/web", "Image": "sha256:a",
            "State": {"Running": true, "Pid": 7, "StartedAt": "now"},
            "Config": {"Labels": labels}, "Mounts": null,
        });
        let image = json!({"RepoDigests": null, "Config": {"Labels": image_labels}});
        Container::of(
            serde_json::from_value(inspected).unwrap(),
            Some(serde_json::from_value(image).unwrap()),
        )
    }

    fn labels(of: &Container) -> Vec<&str> {
        of.labels.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_label_that_comes_with_the_image_does_not_count() {
        let container = of(
            &json!({"tier": "front", "team": "shop", "vendor": "evil"}),
            &json!({"tier": "front", "team": "other", "vendor": "evil", "more": "x"}),
        );
        assert_eq!(
            labels(&container),
            ["team"],
            "team was set over the image's"
        );
    }

    #[test]
    fn an_image_cannot_call_itself_a_service_of_compose_or_swarm() {
        let claims = json!({
            "com.docker.compose.project": "shop", "com.docker.compose.service": "db",
            "com.docker.compose.config-hash": "1", "com.docker.compose.container-number": "1",
            "com.docker.compose.oneoff": "False",
            "com.docker.swarm.service.name": "db", "com.docker.swarm.task.id": "1",
        });
        let container = of(&claims, &claims);
        assert_eq!(container.compose_project, "");
        assert_eq!(container.compose_service, "");
        assert_eq!(container.swarm_service, "");
        assert!(container.labels.is_empty());
        // Started by Compose in another project: that is what it is.
        let mut started = claims.clone();
        started["com.docker.compose.project"] = json!("other");
        started["com.docker.compose.config-hash"] = json!("2");
        assert_eq!(of(&started, &claims).compose_project, "other");
    }

    #[test]
    fn what_compose_builds_into_an_image_is_no_hindrance() {
        let built = json!({
            "com.docker.compose.project": "shop", "com.docker.compose.service": "web",
            "com.docker.compose.version": "2.30.0",
        });
        let mut started = built.clone();
        started["com.docker.compose.config-hash"] = json!("1");
        let container = of(&started, &built);
        assert_eq!(container.compose_project, "shop");
        assert_eq!(container.compose_service, "web");
    }

    #[test]
    fn a_service_of_swarm_is_told_by_its_task() {
        let container = of(
            &json!({"com.docker.swarm.service.name": "db", "com.docker.swarm.task.id": "1"}),
            &Value::Null,
        );
        assert_eq!(container.swarm_service, "db");
        let claimed = of(
            &json!({"com.docker.swarm.service.name": "db"}),
            &Value::Null,
        );
        assert_eq!(claimed.swarm_service, "");
    }

    #[test]
    fn of_an_image_that_is_gone_no_label_counts() {
        let inspected = json!({
            "Id": "1", "Image": "sha256:a", "State": {"Running": true, "Pid": 7},
            "Config": {"Labels": {"tier": "front", "com.docker.compose.project": "shop",
                "com.docker.compose.config-hash": "1"}},
        });
        let container = Container::of(serde_json::from_value(inspected).unwrap(), None);
        assert!(container.labels.is_empty());
        assert_eq!(container.compose_project, "");
        assert_eq!(container.image_id, "sha256:a");
    }
}
