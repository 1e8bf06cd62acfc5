//! `cofferdam list`.

use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{Method, Request};

/// Lists the names below any path of the API.
#[derive(Args)]
pub(crate) struct List {
    /// Path below /v1/
    #[arg(value_name = "PATH")]
    path: String,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "list the names below any path";
    const EXAMPLE: &'static str = "cofferdam list auth/approle/role";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let path = format!("{}/", self.path.trim().trim_matches('/'));
        let link = context.link()?;
        context.print_keys(
            &link,
            link.try_send(Request::new(Method::List, path)).await?,
        )
    }
}
