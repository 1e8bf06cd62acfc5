//! `kv get`, `kv list` and `kv scan`.

use super::super::link::Link;
use super::super::list::Part;
use super::super::output::envelope;
use super::super::{Context, Exit, Failure};
use super::{Place, locate, show};
use clap::Args;
use cofferdam_api::{Error, Method, Request, Response, Tree};

/// Reads one version of a secret.
#[derive(Args)]
pub(super) struct Get {
    #[command(flatten)]
    place: Place,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Version to read instead of the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    version: u64,
}

impl Get {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.may_print_values()?;
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        let path = at.api_path("data");
        let mut request = Request::get(path.clone());
        if at.is_v2() && self.version > 0 {
            request = request.query("version", self.version.to_string());
        }
        let response = present(&link, link.try_send(request).await?)?;
        context.warn(&response);
        let field = self.field.as_deref();
        if response.wrap_info.is_some() || field.is_some_and(|_| !at.is_v2()) {
            return context.print_response(&response, field);
        }
        let mut data = response.tree().unwrap_or(Tree::Null);
        if let Some(name) = field {
            let fields = data
                .take("data")
                .filter(|fields| !matches!(fields, Tree::Null));
            let mut fields = fields.ok_or_else(|| no_data(&path))?;
            let found = fields.take(name).or((name == "data").then_some(fields));
            return context.print_field(found, name);
        }
        context.print(&envelope(&response), || {
            if at.is_v2() {
                show::version(&path, &data)
            } else {
                show::unversioned(&data)
            }
        })
    }
}

/// A deleted or destroyed version answers 404 with its metadata: Vault's client shows that.
pub(super) fn present(link: &Link, answer: Result<Response, Error>) -> Result<Response, Failure> {
    match answer {
        Err(Error::NotFound(refusal)) if refusal.response.tree().is_some() => Ok(*refusal.response),
        other => other.map_err(|error| link.failure(error)),
    }
}

fn no_data(path: &str) -> Failure {
    Failure::server(format!("this version was deleted or destroyed: {path}"))
        .hint("bring a deleted one back with: cofferdam kv undelete -versions=NUMBER NAME")
}

/// Where names are listed.
#[derive(Args)]
struct Below {
    /// Where the engine is mounted; without it the name begins with the mount
    #[arg(long, value_name = "MOUNT")]
    mount: Option<String>,
    /// Place to list; may be left out with -mount
    #[arg(value_name = "NAME", required_unless_present = "mount")]
    name: Option<String>,
}

impl Below {
    async fn ask(&self, link: &Link, method: Method) -> Result<Request, Failure> {
        let name = self.name.as_deref().unwrap_or_default();
        let at = locate(link, self.mount.as_deref(), name).await?;
        Ok(Request::new(
            method,
            format!("{}/", at.api_path("metadata")),
        ))
    }
}

/// Lists the names below a place.
#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    below: Below,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let link = context.link()?;
        let request = self.below.ask(&link, Method::List).await?;
        context.print_keys(&link, link.try_send(request).await?)
    }
}

/// Lists the names below a place, of all levels.
#[derive(Args)]
pub(super) struct Scan {
    #[command(flatten)]
    below: Below,
    #[command(flatten)]
    part: Part,
}

impl Scan {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let link = context.link()?;
        let request = self.below.ask(&link, Method::Scan).await?;
        context.print_keys(&link, link.try_send(self.part.of(request)).await?)
    }
}
