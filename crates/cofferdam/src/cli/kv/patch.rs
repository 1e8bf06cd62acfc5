//! `kv patch`.

use super::super::input::parse_data;
use super::super::link::Link;
use super::super::output::envelope;
use super::super::{Context, Exit, Failure};
use super::put::{no_data, versioned};
use super::{Place, show};
use clap::Args;
use cofferdam_api::{Error, Method, Request, Response, Tree};

/// Changes some fields and keeps the others.
#[derive(Args)]
pub(super) struct Patch {
    #[command(flatten)]
    place: Place,
    /// Patch only if this is the current version
    #[arg(long, value_name = "VERSION", allow_negative_numbers = true, default_value_t = -1)]
    cas: i64,
    /// patch: in one step on the server; rw: read, change and write
    #[arg(long, value_name = "METHOD", value_parser = ["patch", "rw"])]
    method: Option<String>,
    /// Remove this field; may be given more than once
    #[arg(long, value_name = "FIELD")]
    remove_data: Vec<String>,
    /// Print this field of the answer only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// KEY=VALUE, KEY=@FILE, KEY=- for stdin, @FILE or - with a JSON object
    #[arg(value_name = "DATA")]
    data: Vec<String>,
}

impl Patch {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.data.is_empty() && self.remove_data.is_empty() {
            return Err(no_data());
        }
        let mut data = parse_data(&self.data)?;
        for name in &self.remove_data {
            data.insert(name, Tree::Null);
        }
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        at.only_v2("patch", Exit::Server)?;
        let path = at.api_path("data");
        let response = match self.method.as_deref() {
            Some("rw") => read_write(&link, &path, data, self.cas).await?,
            chosen => {
                let body = versioned(data, self.cas);
                let request = Request::new(Method::Patch, path.clone()).tree(&body);
                match link.try_send(request).await? {
                    // A server or a policy without patch: what Vault's client does then.
                    Err(Error::Api(refusal)) if refusal.status == 405 && chosen.is_none() => {
                        let data = parts(body);
                        read_write(&link, &path, data, self.cas).await?
                    }
                    other => other.map_err(|error| missing(error, &path))?,
                }
            }
        };
        if self.field.is_some() || response.wrap_info.is_some() {
            return context.print_response(&response, self.field.as_deref());
        }
        context.warn(&response);
        context.print(&envelope(&response), || show::written(&path, &response))
    }
}

fn parts(mut body: Tree) -> Tree {
    body.take("data").unwrap_or_else(Tree::map)
}

/// Which version an answer holds.
pub(super) fn version(answer: &Tree) -> Option<i64> {
    let version = answer.get("metadata")?.get("version")?.as_u64()?;
    i64::try_from(version).ok()
}

fn missing(error: Error, path: &str) -> Failure {
    match error {
        Error::NotFound(_) => Failure::server(format!("nothing at {path}"))
            .hint("patch changes what is there; create it with: cofferdam kv put"),
        other => other.into(),
    }
}

/// Reads, changes and writes, with the version that was read as a condition.
async fn read_write(link: &Link, path: &str, changes: Tree, cas: i64) -> Result<Response, Failure> {
    let current = link
        .client()
        .read(path)
        .await
        .map_err(|error| missing(error, path))?;
    let mut answer = current.tree().unwrap_or(Tree::Null);
    let version = version(&answer);
    let mut data = answer.take("data").unwrap_or_else(Tree::map);
    if let Tree::Map(changes) = changes {
        for (key, value) in changes {
            match value {
                Tree::Null => drop(data.take(&key)),
                value => drop(data.insert(key, value)),
            }
        }
    }
    let cas = if cas >= 0 { cas } else { version.unwrap_or(-1) };
    link.send(Request::put(path, &versioned(data, cas))).await
}
