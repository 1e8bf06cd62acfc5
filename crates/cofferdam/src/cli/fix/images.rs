//! What the engine says about the images of a project.

use cofferdam_platform::compose::Flavour;
use cofferdam_platform::compose::command::normal_name;
use cofferdam_platform::docker::engine::{Engine, EngineError, encoded};
use cofferdam_platform::fix::Image;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "Config", default)]
    config: Option<Config>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    healthcheck: Option<Health>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    #[serde(default)]
    test: Option<Vec<String>>,
}

/// Asks about each service's image; a service that is built has one of the project's name.
pub(super) async fn ask(
    services: BTreeMap<String, Option<String>>,
    directory: &Path,
) -> BTreeMap<String, Result<Image, String>> {
    let base = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    let base = base
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut all = BTreeMap::new();
    for (service, image) in services {
        let names = match &image {
            Some(image) => vec![image.clone()],
            None => vec![
                format!("{}-{service}", normal_name(&base, Flavour::V2)),
                format!("{}_{service}", normal_name(&base, Flavour::V1)),
            ],
        };
        all.insert(service, first(&names).await);
    }
    all
}

async fn first(names: &[String]) -> Result<Image, String> {
    let engine = Engine::local().map_err(|error| error.to_string())?;
    let shown = names.first().cloned().unwrap_or_default();
    for name in names {
        let asked: Result<Told, EngineError> =
            engine.get(&format!("/images/{}/json", encoded(name))).await;
        match asked {
            Ok(told) => {
                let config = told.config.unwrap_or_default();
                return Ok(Image {
                    entrypoint: config.entrypoint.unwrap_or_default(),
                    command: config.cmd.unwrap_or_default(),
                    health: config
                        .healthcheck
                        .and_then(|health| health.test)
                        .unwrap_or_default(),
                });
            }
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!(
        "its image is not here: pull or build {shown} first"
    ))
}
