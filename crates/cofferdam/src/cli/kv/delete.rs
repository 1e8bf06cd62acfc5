//! `kv delete`, `kv undelete` and `kv destroy`.

use super::super::{Context, Exit, Failure};
use super::{Located, Place, version_numbers};
use clap::Args;
use cofferdam_api::{Method, Request, Tree};

/// Deletes the newest version, or those that are named.
#[derive(Args)]
pub(super) struct Delete {
    #[command(flatten)]
    place: Place,
    /// Versions to delete: 1,2
    #[arg(long, value_name = "NUMBERS")]
    versions: Vec<String>,
    /// Print this field of the answer only, where there is one
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let versions = version_numbers(&self.versions)?;
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        let path = at.api_path("data");
        let request = if versions.is_empty() || !at.is_v2() {
            Request::new(Method::Delete, path.clone())
        } else {
            Request::put(at.api_path("delete"), &numbers(versions))
        };
        let response = link.send(request).await?;
        if self.field.is_some() && response.tree().is_some() {
            return context.print_response(&response, self.field.as_deref());
        }
        context.done(&format!("Data deleted (if it existed) at: {path}"))
    }
}

/// Brings versions back.
#[derive(Args)]
pub(super) struct Undelete {
    #[command(flatten)]
    place: Place,
    /// Versions to bring back: 1,2
    #[arg(long, value_name = "NUMBERS", required = true)]
    versions: Vec<String>,
}

impl Undelete {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let versions = version_numbers(&self.versions)?;
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        act(context, &link, &at, "undelete", versions).await
    }
}

/// Removes versions for good.
#[derive(Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    place: Place,
    /// Versions to remove: 1,2
    #[arg(long, value_name = "NUMBERS", required = true)]
    versions: Vec<String>,
}

impl Destroy {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let versions = version_numbers(&self.versions)?;
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        act(context, &link, &at, "destroy", versions).await
    }
}

async fn act(
    context: &Context,
    link: &super::Link,
    at: &Located,
    area: &str,
    versions: Vec<u64>,
) -> Result<Exit, Failure> {
    at.only_v2(area, Exit::Server)?;
    let path = at.api_path(area);
    let response = link
        .send(Request::put(path.clone(), &numbers(versions)))
        .await?;
    context.warn(&response);
    context.done(&format!("Data written to: {path}"))
}

fn numbers(versions: Vec<u64>) -> Tree {
    Tree::map().with("versions", versions)
}
