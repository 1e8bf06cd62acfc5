//! A Compose file's services (compose-spec `build.md`), from what `config` prints. Version 1 prints
//! no project name, so there a service needs a name for its image.

use super::{ManyError, Target, Words, csv, each};
use crate::build::command::{BuildCommand, Builder, Many};
use serde_json::{Map, Value};
use std::ffi::OsString;

const TOOL: &str = "compose build";

/// What stood behind the word `build`.
#[derive(Default)]
struct Asked {
    /// Flags for every image.
    flags: Vec<OsString>,
    services: Vec<String>,
}

pub(super) fn targets(many: &Many, plan: &Value) -> Result<Vec<Target>, ManyError> {
    let asked = asked(&many.after)?;
    let unreadable = || ManyError::Unreadable("compose config");
    let services = plan
        .get("services")
        .and_then(Value::as_object)
        .ok_or_else(unreadable)?;
    for name in &asked.services {
        if services
            .get(name)
            .and_then(|service| service.get("build"))
            .is_none()
        {
            return Err(ManyError::Nothing(name.clone()));
        }
    }
    let mut targets = Vec::new();
    for (name, service) in services {
        let wanted = asked.services.is_empty() || asked.services.contains(name);
        let Some(build) = service.get("build").filter(|_| wanted) else {
            continue;
        };
        let rest = words(name, service, build, plan, &asked)?;
        let head = many
            .docker
            .iter()
            .cloned()
            .chain(["build".into()])
            .collect();
        targets.push(Target {
            name: name.clone(),
            build: BuildCommand::of(Builder::Docker, many.docker.clone(), head, &rest),
        });
    }
    Ok(targets)
}

fn asked(after: &[OsString]) -> Result<Asked, ManyError> {
    let mut asked = Asked::default();
    let mut rest = after.iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
            _ => (&*text, None),
        };
        match name {
            "--pull" | "--no-cache" | "--push" | "-q" | "--quiet" if attached.is_none() => {
                asked.flags.push(word.clone());
            }
            // BuildKit has no intermediate containers and compresses nothing; one image at a time.
            "--force-rm" | "--no-rm" | "--compress" | "--parallel" => {}
            "--build-arg" | "--progress" | "--ssh" | "--builder" | "-m" | "--memory" => {
                let name = if name == "-m" { "--memory" } else { name };
                let value = attached
                    .or_else(|| rest.next().cloned())
                    .unwrap_or_default();
                asked.flags.extend([OsString::from(name), value]);
            }
            _ if text.starts_with('-') => return Err(ManyError::Flag(TOOL, name.to_owned())),
            _ => asked.services.push(text.into_owned()),
        }
    }
    Ok(asked)
}

fn words(
    name: &str,
    service: &Value,
    build: &Value,
    plan: &Value,
    asked: &Asked,
) -> Result<Vec<OsString>, ManyError> {
    let short = Map::from_iter([("context".to_owned(), build.clone())]);
    let build = build.as_object().unwrap_or(&short);
    let context = build.get("context").and_then(Value::as_str).unwrap_or(".");
    let mut words = Words::new(name, asked.flags.clone());
    words.flag("--tag", image(name, service, plan)?);
    for (key, value) in build {
        if words.shared(context, key, value)? {
            continue;
        }
        match key.as_str() {
            "context" => {}
            "extra_hosts" => words.pairs("--add-host", ':', key, value)?,
            "additional_contexts" => words.pairs("--build-context", '=', key, value)?,
            "secrets" => secrets(&mut words, value, plan)?,
            other => return Err(words.refuse(&format!("build.{other}"))),
        }
    }
    words.words.push(context.into());
    Ok(words.words)
}

fn image(name: &str, service: &Value, plan: &Value) -> Result<String, ManyError> {
    if let Some(image) = service.get("image").and_then(Value::as_str) {
        return Ok(image.to_owned());
    }
    let project = plan.get("name").and_then(Value::as_str);
    let project = project.ok_or_else(|| ManyError::Nameless(name.to_owned()))?;
    Ok(format!("{project}-{name}"))
}

/// Secrets that the file itself gives. An external one is left to the store: what the Dockerfile
/// asks for is looked up there.
fn secrets(words: &mut Words<'_>, value: &Value, plan: &Value) -> Result<(), ManyError> {
    for item in each(value) {
        let source = item
            .as_str()
            .or_else(|| item.get("source").and_then(Value::as_str));
        let source = source.ok_or_else(|| words.refuse("build.secrets"))?;
        let target = item.get("target").and_then(Value::as_str);
        let id = target
            .and_then(|target| target.rsplit('/').next())
            .unwrap_or(source);
        let declared = plan.get("secrets").and_then(|secrets| secrets.get(source));
        let declared = declared.ok_or_else(|| words.refuse(&format!("secrets.{source}")))?;
        let text = |key: &str| declared.get(key).and_then(Value::as_str);
        let place = match (text("file"), text("environment")) {
            (Some(file), _) => ("src", file),
            (None, Some(variable)) => ("env", variable),
            (None, None) if declared.get("external").is_some() => continue,
            (None, None) => return Err(words.refuse(&format!("secrets.{source}"))),
        };
        let fields = Value::from_iter([("id", id), place]);
        let fields = csv(&fields).ok_or_else(|| words.refuse("build.secrets"))?;
        words.flag("--secret", fields);
    }
    Ok(())
}
