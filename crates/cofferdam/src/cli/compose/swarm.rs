//! Before `docker stack deploy`: the secrets that the stack uses exist in Swarm, by our driver.

use super::project::Found;
use crate::cli::{Context, Failure};
use cofferdam_platform::compose::overlay::swarm_name;
use cofferdam_platform::compose::plan::Plan;
use cofferdam_platform::docker::engine::{Engine, EngineError};
use serde_json::json;
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    spec: Spec,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    driver: Option<Driver>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Driver {
    name: String,
}

/// Makes what is missing. One that Swarm holds itself is left alone: that is somebody's choice.
pub(super) async fn require(
    context: &Context,
    found: &Found,
    plan: &Plan,
    driver: &str,
) -> Result<(), Failure> {
    if plan.secrets.is_empty() {
        return Ok(());
    }
    let engine = Engine::local().map_err(|error| refused(&error))?;
    let listed: Vec<Listed> = engine.get("/secrets").await.map_err(|e| refused(&e))?;
    for (key, ours) in &plan.secrets {
        let name = swarm_name(&found.name, key, ours.external.as_deref());
        let reference = ours.reference.to_string();
        match listed.iter().find(|secret| secret.spec.name == name) {
            None => {
                let body = json!({
                    "Name": name,
                    "Labels": {
                        "cofferdam.ref": reference,
                        "com.docker.stack.namespace": found.name,
                    },
                    "Driver": {"Name": driver},
                });
                engine
                    .order("/secrets/create", Some(&body))
                    .await
                    .map_err(|error| refused(&error))?;
                context.say(&format!("made the Swarm secret {name} for {reference}"));
            }
            Some(standing) => agree(&standing.spec, &name, &reference, driver)?,
        }
    }
    Ok(())
}

/// A secret of our driver that means something else would be delivered without a word.
fn agree(standing: &Spec, name: &str, reference: &str, driver: &str) -> Result<(), Failure> {
    let is_ours = standing.driver.as_ref().is_some_and(|d| d.name == driver);
    let labels = standing.labels.as_ref();
    let label = labels.and_then(|labels| labels.get("cofferdam.ref"));
    let same = match label {
        Some(label) => {
            let parsed: Result<cofferdam_api::Reference, _> = label.parse();
            parsed.is_ok_and(|parsed| parsed.to_string() == reference)
        }
        // Without the label it is what the name says.
        None => reference == format!("cd://secret/{name}"),
    };
    if is_ours && !same {
        return Err(Failure::local(format!(
            "the Swarm secret {name} exists and is not for {reference}"
        ))
        .hint(format!("docker secret inspect {name}")));
    }
    Ok(())
}

fn refused(error: &EngineError) -> Failure {
    let failure = Failure::local(error.to_string());
    match error {
        EngineError::Refused { status: 503, .. } => failure.hint("docker swarm init"),
        EngineError::Denied { .. } => failure.hint("run it as root, or as one of the group docker"),
        _ => failure.hint("docker info"),
    }
}
