//! A bake file's targets, from what `docker buildx bake --print` prints (docs.docker.com, bake
//! reference). Older versions print outputs, caches, secrets and agents as texts, newer as objects.

use super::{ManyError, Target, Words};
use crate::build::command::{BuildCommand, Builder, Many};
use serde_json::Value;
use std::ffi::OsString;

const TOOL: &str = "bake";

pub(super) fn targets(many: &Many, plan: &Value) -> Result<Vec<Target>, ManyError> {
    let common = common(&many.after)?;
    let unreadable = || ManyError::Unreadable("bake --print");
    let all = plan
        .get("target")
        .and_then(Value::as_object)
        .ok_or_else(unreadable)?;
    let head: Vec<OsString> = many
        .before
        .iter()
        .cloned()
        .chain(["build".into()])
        .collect();
    // `docker bake` is short for `docker buildx bake`.
    let head = if many.before == many.docker {
        let words = ["buildx", "build"].map(OsString::from);
        many.docker.iter().cloned().chain(words).collect()
    } else {
        head
    };
    let target = |(name, target): (&String, &Value)| {
        let rest = words(name, target, common.clone())?;
        Ok(Target {
            name: name.clone(),
            build: BuildCommand::of(Builder::Buildx, many.docker.clone(), head.clone(), &rest),
        })
    };
    all.iter().map(target).collect()
}

/// Flags of bake that `--print` does not show, and that every build needs.
fn common(after: &[OsString]) -> Result<Vec<OsString>, ManyError> {
    let mut common = Vec::new();
    let mut rest = after.iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
            _ => (&*text, None),
        };
        let mut value = || {
            attached
                .clone()
                .or_else(|| rest.next().cloned())
                .unwrap_or_default()
        };
        match name {
            "--progress" | "--builder" | "--allow" => {
                let value = value();
                common.extend([OsString::from(name), value]);
            }
            // In the plan already.
            "-f" | "--file" | "--set" | "--var" => drop(value()),
            "--no-cache" | "--pull" | "--push" | "--load" | "-D" | "--debug" => {}
            _ if text.starts_with('-') => return Err(ManyError::Flag(TOOL, name.to_owned())),
            _ => {}
        }
    }
    Ok(common)
}

fn words(name: &str, target: &Value, common: Vec<OsString>) -> Result<Vec<OsString>, ManyError> {
    let mut words = Words::new(name, common);
    let target = target
        .as_object()
        .ok_or(ManyError::Unreadable("bake --print"))?;
    let context = target.get("context").and_then(Value::as_str).unwrap_or(".");
    for (key, value) in target {
        if words.shared(context, key, value)? {
            continue;
        }
        match key.as_str() {
            "context" | "description" | "inherits" | "matrix" => {}
            "contexts" => {
                let linked =
                    |value: &Value| value.as_str().is_some_and(|v| v.starts_with("target:"));
                if value
                    .as_object()
                    .is_some_and(|map| map.values().any(linked))
                {
                    return Err(words.refuse("contexts of another target"));
                }
                words.pairs("--build-context", '=', key, value)?;
            }
            "secret" => words.texts("--secret", key, value)?,
            "output" => words.texts("--output", key, value)?,
            "annotations" => words.texts("--annotation", key, value)?,
            "attest" => words.texts("--attest", key, value)?,
            "no-cache-filter" => words.texts("--no-cache-filter", key, value)?,
            other => return Err(words.refuse(other)),
        }
    }
    words.words.push(context.into());
    Ok(words.words)
}
