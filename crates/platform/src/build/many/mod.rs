//! Compose and bake: asked for their plan, and each image built by a command of its own.
//!
//! `compose config` and `buildx bake --print` are the tools' own reading of their files: merged,
//! interpolated, with defaults. From there every image takes the one way that [`super::command`]
//! knows, with its own arguments for the cache, its own search, its own record. What the plan says
//! and a `docker build` has no flag for is refused by name: a build that silently leaves something
//! out is worse than none.

mod bake;
mod compose;
#[cfg(test)]
mod tests;

use super::command::{BuildCommand, Many, ManyKind};
use serde_json::Value;
use std::ffi::OsString;
use std::path::Path;

/// One image of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The service or target.
    pub name: String,
    /// What builds it.
    pub build: BuildCommand,
}

/// A plan that cannot be carried out image by image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManyError {
    /// Not what the tool prints.
    #[error("the plan of {0} is not what it should print")]
    Unreadable(&'static str),
    /// A flag of the command.
    #[error("not supported behind {0}: {1}")]
    Flag(&'static str, String),
    /// A setting of the plan.
    #[error("{target}: not supported: {key}")]
    Key {
        /// The service or target.
        target: String,
        /// The setting.
        key: String,
    },
    /// A service without a name for its image.
    #[error("{0}: the service has no image name")]
    Nameless(String),
    /// A service or target that is not there, or that nothing is built for.
    #[error("nothing to build for: {0}")]
    Nothing(String),
}

impl ManyError {
    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Nameless(service) => format!("give it one in the file: services.{service}.image: NAME"),
            Self::Nothing(_) => "see what there is with: docker compose config --services, docker buildx bake --print".to_owned(),
            Self::Unreadable(_) | Self::Flag(..) | Self::Key { .. } => {
                "build this image by itself: cofferdam build -- docker build -t IMAGE DIRECTORY".to_owned()
            }
        }
    }
}

impl Many {
    /// The command that prints the plan.
    #[must_use]
    pub fn question(&self) -> Vec<OsString> {
        let mut words = self.before.clone();
        match self.kind {
            ManyKind::Compose => words.push("config".into()),
            ManyKind::Bake => {
                words.extend(["bake", "--print"].map(OsString::from));
                words.extend(self.after.iter().cloned());
            }
        }
        words
    }

    /// The images of the plan.
    ///
    /// # Errors
    /// [`ManyError`].
    pub fn targets(&self, plan: &[u8]) -> Result<Vec<Target>, ManyError> {
        let targets = match self.kind {
            ManyKind::Compose => {
                let plan = serde_yaml_ng::from_slice(plan);
                compose::targets(
                    self,
                    &plan.map_err(|_| ManyError::Unreadable("compose config"))?,
                )?
            }
            ManyKind::Bake => {
                let plan = serde_json::from_slice(plan);
                bake::targets(
                    self,
                    &plan.map_err(|_| ManyError::Unreadable("bake --print"))?,
                )?
            }
        };
        if targets.is_empty() {
            return Err(ManyError::Nothing("any service".to_owned()));
        }
        Ok(targets)
    }
}

/// The words of one build, put together flag by flag.
struct Words<'t> {
    target: &'t str,
    words: Vec<OsString>,
}

impl<'t> Words<'t> {
    const fn new(target: &'t str, words: Vec<OsString>) -> Self {
        Self { target, words }
    }

    fn switch(&mut self, flag: &str, value: &Value) {
        if value.as_bool() == Some(true) {
            self.words.push(flag.into());
        }
    }

    fn flag(&mut self, flag: &str, value: impl Into<OsString>) {
        self.words.push(flag.into());
        self.words.push(value.into());
    }

    fn refuse(&self, key: &str) -> ManyError {
        ManyError::Key {
            target: self.target.to_owned(),
            key: key.to_owned(),
        }
    }

    /// What both tools have, each in its own spelling. `false`: it is none of these.
    fn shared(&mut self, context: &str, key: &str, value: &Value) -> Result<bool, ManyError> {
        match key {
            "dockerfile" => {
                // Below the context, where that is a directory here.
                let file = value.as_str().ok_or_else(|| self.refuse(key))?;
                let local = Path::new(context).is_absolute() || !context.contains("://");
                let path = if local {
                    Path::new(context).join(file)
                } else {
                    file.into()
                };
                self.flag("--file", path);
            }
            "args" => self.pairs("--build-arg", '=', key, value)?,
            "labels" => self.pairs("--label", '=', key, value)?,
            "tags" => self.texts("--tag", key, value)?,
            "target" => self.texts("--target", key, value)?,
            "network" => self.texts("--network", key, value)?,
            "ssh" => self.texts("--ssh", key, value)?,
            "cache_from" | "cache-from" => self.texts("--cache-from", key, value)?,
            "cache_to" | "cache-to" => self.texts("--cache-to", key, value)?,
            "shm_size" | "shm-size" => self.texts("--shm-size", key, value)?,
            "no_cache" | "no-cache" => self.switch("--no-cache", value),
            "pull" => self.switch("--pull", value),
            "platforms" => {
                let all: Option<Vec<_>> = each(value).iter().map(scalar).collect();
                let all = all.ok_or_else(|| self.refuse(key))?;
                self.flag("--platform", all.join(","));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One flag for a text, or one each for a list of them.
    fn texts(&mut self, flag: &str, key: &str, value: &Value) -> Result<(), ManyError> {
        for value in each(value) {
            let text = csv(value).ok_or_else(|| self.refuse(key))?;
            self.flag(flag, text);
        }
        Ok(())
    }

    /// One flag `NAME=VALUE` for each entry of a map, or each text of a list. A name without a value
    /// is taken from the environment, as the tools themselves do.
    fn pairs(
        &mut self,
        flag: &str,
        between: char,
        key: &str,
        value: &Value,
    ) -> Result<(), ManyError> {
        let Some(map) = value.as_object() else {
            return self.texts(flag, key, value);
        };
        for (name, value) in map {
            let pair = match scalar(value) {
                Some(text) => format!("{name}{between}{text}"),
                None if value.is_null() => name.clone(),
                None => return Err(self.refuse(key)),
            };
            self.flag(flag, pair);
        }
        Ok(())
    }
}

/// The items of a list; anything else is the only one.
fn each(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A text, or the fields of an object as `docker build` takes them: `type=registry,ref=x`.
fn csv(value: &Value) -> Option<String> {
    if let Some(text) = scalar(value) {
        return Some(text);
    }
    let fields = value.as_object()?.iter().map(|(key, value)| {
        let field = format!("{key}={}", scalar(value)?);
        Some(if field.contains([',', '"']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        })
    });
    Some(fields.collect::<Option<Vec<_>>>()?.join(","))
}
