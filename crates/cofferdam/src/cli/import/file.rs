//! A `.env` file into the store, one secret for each variable.
//!
//! Each value goes to `MOUNT/APP/NAME`, field `value`. It is said by name, never by value, what
//! was changed on the way (a newline at the end) and what looks like a value for tests. A value
//! that is stored already is not written again, so an import can be repeated.

use super::dotenv::{self, Variable};
use super::{Import, suspicion};
use crate::cli::link::Link;
use crate::cli::output::Format;
use crate::cli::terminal::clean;
use crate::cli::{Context, Exit, Failure, input};
use cofferdam_api::{Error, KvMount, KvVersion, Reference, Request, Tree};
use cofferdam_secret::{Secret, constant_time_eq};
use std::path::Path;

/// What became of the variables; names only.
#[derive(Default)]
struct Outcome {
    written: Vec<String>,
    unchanged: Vec<String>,
    empty: Vec<String>,
    stripped: Vec<String>,
    suspicious: Vec<String>,
    repeated: Vec<String>,
}

impl Import {
    /// Stores the variables of the file.
    pub(super) async fn take_file(self, context: &Context) -> Result<Exit, Failure> {
        let (variables, mut outcome) = self.read()?;
        let app = self.app_name()?;
        let mount = self.mount.trim().trim_matches('/').to_owned();
        let link = context.link()?;
        let found = self.find_mount(&link, &mount).await?;
        for variable in variables {
            let path = format!("{mount}/{app}/{}", variable.name);
            let is_new = !is_stored(&link, &found, &path, &variable.value).await?;
            if is_new && !self.dry_run {
                let body = Tree::map().with("data", Tree::map().with("value", variable.value));
                let written = link
                    .send(Request::put(found.api_path(&path, "data"), &body))
                    .await;
                written.map_err(|failure| stopped(failure, &outcome, &variable.name))?;
            }
            let list = if is_new {
                &mut outcome.written
            } else {
                &mut outcome.unchanged
            };
            list.push(variable.name);
        }
        self.report(context, &format!("{mount}/{app}"), &outcome)
    }
}

fn stopped(failure: Failure, outcome: &Outcome, name: &str) -> Failure {
    failure.detail(format!(
        "stopped at {name}; {} written before it",
        outcome.written.len()
    ))
}

impl Import {
    /// The application's name, which becomes a part of every path.
    fn app_name(&self) -> Result<String, Failure> {
        let name = match &self.app {
            Some(name) => name.trim().trim_matches('/').to_owned(),
            None => self.directory_name().unwrap_or_default(),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        let parts_are_names = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if parts_are_names && name.chars().all(legal) {
            return Ok(name);
        }
        Err(
            Failure::usage(format!("no name for the application in: {name}"))
                .hint("choose one with: -app=NAME (letters, digits, '.', '_', '-')"),
        )
    }

    fn directory_name(&self) -> Option<String> {
        let file = Path::new(&self.file);
        let directory = match file.parent() {
            _ if self.file == "-" => std::env::current_dir().ok()?,
            Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize().ok()?,
            _ => std::env::current_dir().ok()?,
        };
        Some(directory.file_name()?.to_str()?.to_owned())
    }

    /// Reads the file; what cannot be stored as it stands is noted.
    fn read(&self) -> Result<(Vec<Variable>, Outcome), Failure> {
        let text = input::read_file_or_stdin(&self.file)?.into_text();
        let text = text.ok_or_else(|| Failure::local(format!("not UTF-8: {}", self.file)))?;
        let parsed = dotenv::parse(text.expose()).map_err(|error| {
            Failure::local(format!("{}: {error}", self.file)).hint(error.hint())
        })?;
        let mut outcome = Outcome::default();
        let mut variables: Vec<Variable> = Vec::new();
        for mut variable in parsed {
            let name = variable.name.clone();
            if !self.keep_newline && strip_newline(&mut variable.value) {
                outcome.stripped.push(name.clone());
            }
            if let Some(place) = variables.iter().position(|earlier| earlier.name == name) {
                // As every reader of such files does: the last one counts.
                variables.remove(place);
                outcome.repeated.push(name.clone());
            }
            if variable.value.is_empty() {
                outcome.empty.push(name);
                continue;
            }
            if suspicion::looks_like_test_value(variable.value.expose()) {
                outcome.suspicious.push(name);
            }
            variables.push(variable);
        }
        if variables.is_empty() {
            return Err(Failure::local(format!("no values in: {}", self.file))
                .hint("a line looks like NAME=value"));
        }
        Ok((variables, outcome))
    }

    async fn find_mount(&self, link: &Link, mount: &str) -> Result<KvMount, Failure> {
        let found = link.client().kv_mount(mount).await;
        let enable = format!("cofferdam secrets enable -path={mount} -version=2 kv");
        match found {
            Ok(found) if found.version == KvVersion::V2 => Ok(found),
            Ok(_) => Err(
                Failure::server(format!("no KV version 2 mount at: {mount}/"))
                    .hint("name one with -mount; see them with: cofferdam secrets list"),
            ),
            Err(Error::NotFound(_)) => {
                Err(Failure::server(format!("no KV version 2 mount at: {mount}/")).hint(enable))
            }
            // Without the mount the server says "denied", as it does to somebody without rights.
            Err(Error::Denied(refusal)) if !link.is_stranger() => {
                Err(Failure::from(Error::Denied(refusal))
                    .detail(format!("if there is no mount at {mount}/ yet: {enable}")))
            }
            Err(error) => Err(link.failure(error)),
        }
    }

    fn report(&self, context: &Context, place: &str, outcome: &Outcome) -> Result<Exit, Failure> {
        if context.format() != Format::Table {
            let document = Tree::map()
                .with("path", place)
                .with("dry_run", self.dry_run)
                .with("written", outcome.written.clone())
                .with("unchanged", outcome.unchanged.clone())
                .with("empty", outcome.empty.clone())
                .with("newline_removed", outcome.stripped.clone())
                .with("looks_like_test_value", outcome.suspicious.clone())
                .with("repeated", outcome.repeated.clone());
            return context.print(&document, || Secret::new(String::new()));
        }
        let would = if self.dry_run { "would be " } else { "" };
        let values = match outcome.written.len() {
            1 => "1 value".to_owned(),
            count => format!("{count} values"),
        };
        let mut text = format!("{values} {would}written to {place}/*\n");
        let notes = [
            ("unchanged", &outcome.unchanged),
            ("newline at the end removed", &outcome.stripped),
            ("looks like a value for tests", &outcome.suspicious),
            ("empty, not written", &outcome.empty),
            ("more than once, the last one counts", &outcome.repeated),
        ];
        for (note, names) in notes.iter().filter(|(_, names)| !names.is_empty()) {
            text.push_str(&format!("  {note}: {}\n", names.join(", ")));
        }
        context.out(clean(&text).as_bytes())?;
        if !self.dry_run && self.file != "-" {
            context.say(&format!(
                "note: {} still holds the values in plain text",
                self.file
            ));
            context.say(&format!(
                "hint: when nothing reads it any more: shred -u {}",
                self.file
            ));
        }
        Ok(Exit::Success)
    }
}

/// Removes one newline from the end; says whether there was one.
fn strip_newline(value: &mut Secret<String>) -> bool {
    let text = value.expose_mut();
    if !text.ends_with('\n') {
        return false;
    }
    text.pop();
    if text.ends_with('\r') {
        text.pop();
    }
    true
}

/// Whether the newest version is this value. Somebody who may write and not read writes anew.
async fn is_stored(
    link: &Link,
    mount: &KvMount,
    path: &str,
    value: &Secret<String>,
) -> Result<bool, Failure> {
    let reference = Reference::new(path)
        .map_err(Error::from)?
        .with_field("value");
    match link.client().fetch_from(mount, &reference).await {
        Ok(stored) => Ok(constant_time_eq(
            stored.value.expose(),
            value.expose().as_bytes(),
        )),
        Err(Error::NotFound(_) | Error::Denied(_) | Error::Reference(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
