//! `kv rollback`.

use super::super::{Context, Exit, Failure};
use super::Place;
use super::get::present;
use super::patch::version;
use super::put::versioned;
use clap::Args;
use cofferdam_api::{Request, Tree};

/// Writes an old version again, as a new one.
#[derive(Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    place: Place,
    /// Version to write again
    #[arg(long, value_name = "NUMBER")]
    version: u64,
}

impl Rollback {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        at.only_v2("rollback", Exit::Server)?;
        let path = at.api_path("data");
        // The current version is the condition: a write in between is not rolled back unseen. Asked for
        // where the data is: who may read and write that need not read the metadata.
        let newest = link.client().read(&path).await;
        let newest = present(&link, newest)?.tree().unwrap_or(Tree::Null);
        let current = version(&newest).unwrap_or(-1);
        let request = Request::get(path.clone()).query("version", self.version.to_string());
        let old = link
            .client()
            .send(request)
            .await?
            .tree()
            .and_then(|mut data| data.take("data"));
        let Some(old @ Tree::Map(_)) = old else {
            return Err(Failure::server(format!(
                "version {} of {path} holds no data",
                self.version
            ))
            .hint("bring it back with: cofferdam kv undelete, if it was not destroyed"));
        };
        let response = link
            .send(Request::put(path, &versioned(old, current)))
            .await?;
        context.print_response(&response, None)
    }
}
