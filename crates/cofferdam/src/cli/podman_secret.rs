//! `cofferdam podman-secret`: the four commands of podman's `shell` secret driver.
//!
//! Podman (containers/common, `pkg/secrets/shelldriver`) calls each through `/bin/sh -c` with a
//! random id in `SECRET_ID`, never the secret's name; `store` has the data on stdin, `lookup` writes
//! it to stdout. Data that is a reference stays one and is followed at each lookup; anything else
//! goes to the store. Podman itself keeps neither on disk, but a container's copy is a file in its
//! graph root: `docs/book/doors.md` says what to do about it.

use super::delivery::quoted;
use super::shelf::Shelf;
use super::terminal::read_stdin;
use super::{Context, Exit, Failure, Verb};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use cofferdam_agent::FileName;
use cofferdam_api::{Reference, Tree};
use cofferdam_secret::Secret;

/// Where data is kept that is no reference.
const PLACE: &str = "secret/podman";

/// What podman takes.
const MAX_SECRET: usize = 512_000;

/// Keeps secrets for podman.
#[derive(Args)]
pub(crate) struct PodmanSecret {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Subcommand)]
enum Action {
    /// print the command line that makes a secret with this driver
    Options,
    /// print the ids of all secrets
    List,
    /// print the value of SECRET_ID
    Lookup,
    /// keep stdin as SECRET_ID
    Store,
    /// forget SECRET_ID
    Delete,
}

impl Verb for PodmanSecret {
    const NAME: &'static str = "podman-secret";
    const ABOUT: &'static str = "keep secrets for podman (its shell driver)";
    const EXAMPLE: &'static str = "echo cd://secret/shop/DB_PASSWORD | sh -c \"$(cofferdam podman-secret options) db -\"\n\
         podman run --secret db IMAGE";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Options => options(context)?,
            Action::List => {
                let names = Shelf::open(context, PLACE).await?.names().await?;
                let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
                context.out(lines.as_bytes())?;
            }
            Action::Lookup => {
                let value = lookup(context, &secret_id(context)?).await?;
                context.out(value.expose())?;
            }
            Action::Store => {
                let id = secret_id(context)?;
                let entry = entry(read_stdin(MAX_SECRET)?)?;
                if !Shelf::open(context, PLACE)
                    .await?
                    .create(&id, entry)
                    .await?
                {
                    return Err(Failure::server(format!(
                        "there is a secret of this id: {id}"
                    )));
                }
            }
            Action::Delete => {
                let id = secret_id(context)?;
                if !Shelf::open(context, PLACE).await?.remove(&id).await? {
                    return Err(unknown(&id));
                }
            }
        }
        Ok(Exit::Success)
    }
}

fn options(context: &Context) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::local(format!("cannot find this program: {error}")))?;
    let program = program.display().to_string();
    // The option is a comma-separated list, and podman has no way to write a comma in it.
    if program.contains([',', '"', '\'']) {
        return Err(
            Failure::local(format!("podman cannot be told of this path: {program}"))
                .hint("move the program to a path without commas and quotes"),
        );
    }
    let driver = ["list", "lookup", "store", "delete"]
        .map(|name| format!("{name}={program} podman-secret {name}"))
        .join(",");
    let line = format!(
        "podman secret create --driver shell --driver-opts {}\n",
        quoted(&driver)
    );
    context.out(line.as_bytes())
}

fn secret_id(context: &Context) -> Result<String, Failure> {
    let id = context.environment("SECRET_ID");
    let id = id.ok_or_else(|| {
        Failure::usage("SECRET_ID is not set: this command is for podman to call")
            .hint("make a secret with: cofferdam podman-secret options")
    })?;
    let name: FileName = id
        .parse()
        .map_err(|_| Failure::usage("SECRET_ID is not an id of podman's"))?;
    Ok(name.as_str().to_owned())
}

fn unknown(id: &str) -> Failure {
    Failure::server(format!("no secret of this id: {id}")).hint("podman secret ls")
}

/// What is stored for the data that podman gave.
fn entry(data: Secret<Vec<u8>>) -> Result<Tree, Failure> {
    if data.is_empty() {
        return Err(Failure::usage("the secret is empty"));
    }
    if let Some(reference) = reference_in(&data)? {
        return Ok(Tree::map().with("reference", reference.to_string()));
    }
    if std::str::from_utf8(data.expose()).is_err() {
        let text = Secret::new(STANDARD.encode(data.expose()));
        return Ok(Tree::map().with("value_base64", text));
    }
    let text = data
        .into_text()
        .unwrap_or_else(|| Secret::new(String::new()));
    Ok(Tree::map().with("value", text))
}

/// Data that says where the value is. A mistake in it is an error: it would be stored as a value.
fn reference_in(data: &Secret<Vec<u8>>) -> Result<Option<Reference>, Failure> {
    let Ok(text) = std::str::from_utf8(data.expose()) else {
        return Ok(None);
    };
    if !text.starts_with("cd://") && !text.starts_with("se://") {
        return Ok(None);
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    let reference = text.parse().map_err(|error| {
        Failure::usage(format!("the secret looks like a reference, but: {error}"))
            .hint("a reference looks like cd://MOUNT/PATH#field")
    })?;
    Ok(Some(reference))
}

async fn lookup(context: &Context, id: &str) -> Result<Secret<Vec<u8>>, Failure> {
    let shelf = Shelf::open(context, PLACE).await?;
    let mut entry = shelf.get(id).await?.ok_or_else(|| unknown(id))?;
    if let Some(reference) = entry.get("reference").and_then(Tree::as_text) {
        let reference: Reference = reference
            .parse()
            .map_err(|error| Failure::server(format!("{}: {error}", shelf.path(id))))?;
        let fetched = shelf.client().fetch(&reference).await?;
        if fetched.value.is_empty() {
            return Err(Failure::server(format!("the value is empty: {reference}")));
        }
        return Ok(fetched.value);
    }
    if let Some(text) = entry.get("value_base64").and_then(Tree::as_text) {
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| Failure::server(format!("not base64: {}", shelf.path(id))))?;
        return Ok(Secret::new(bytes));
    }
    entry
        .take("value")
        .map(Tree::into_value)
        .ok_or_else(|| Failure::server(format!("no value in {}", shelf.path(id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(data: &[u8]) -> Result<String, String> {
        match entry(Secret::new(data.to_vec())) {
            Ok(tree) => Ok(String::from_utf8(tree.to_json().expose().clone()).unwrap()),
            Err(failure) => Err(failure.sentence()),
        }
    }

    #[test]
    fn a_reference_is_kept_and_a_value_is_stored() {
        for (data, expected) in [
            (
                &b"cd://secret/a#f\n"[..],
                r#"{"reference":"cd://secret/a#f"}"#,
            ),
            (b"se://app/db", r#"{"reference":"se://app/db"}"#),
            (b"hunter2\n", r#"{"value":"hunter2\n"}"#),
            (b"see cd://x", r#"{"value":"see cd://x"}"#),
            (b"\xff\0", r#"{"value_base64":"/wA="}"#),
        ] {
            assert_eq!(stored(data).unwrap(), expected);
        }
    }

    #[test]
    fn a_mistaken_reference_is_no_value() {
        for data in [&b"cd://"[..], b"cd://hunter2 x", b"se://a//b", b""] {
            assert!(!stored(data).unwrap_err().contains("hunter2"));
        }
    }
}
