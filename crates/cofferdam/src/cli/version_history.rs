//! `cofferdam version-history`: which versions served this store.

use super::output::{columns, envelope};
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{Method, Request, Tree};
use cofferdam_secret::Secret;

/// Shows which versions served this store, and since when.
#[derive(Args)]
pub(crate) struct VersionHistory {}

impl Verb for VersionHistory {
    const NAME: &'static str = "version-history";
    const ABOUT: &'static str = "show which versions served this store";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let request = Request::new(Method::List, "sys/version-history");
        let response = context.link()?.send(request).await?;
        context.print(&envelope(&response), || {
            let data = response.tree().unwrap_or(Tree::Null);
            let text = |word: &str| Secret::new(word.to_owned());
            let title = ["Version", "Installation Time", "Commit Date"];
            let mut rows = vec![title.into_iter().map(text).collect::<Vec<_>>()];
            for version in response.keys() {
                let known = data.get("key_info").and_then(|all| all.get(&version));
                let cell = |name: &str| {
                    let found = known.and_then(|known| known.get(name));
                    text(found.and_then(Tree::as_text).unwrap_or_default())
                };
                rows.push(vec![
                    text(&version),
                    cell("timestamp_installed"),
                    cell("commit_date"),
                ]);
            }
            columns(&rows, true)
        })
    }
}
