//! `bao scan`: OpenBao's listing of all levels. Under our own name `scan` looks for what leaked, and
//! names of all levels are listed by `kv scan`.

use super::list::Names;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::Method;

/// Lists the names below any path of the API, of all levels.
#[derive(Args)]
pub(crate) struct ScanNames {
    #[command(flatten)]
    names: Names,
}

impl Verb for ScanNames {
    const NAME: &'static str = "scan";
    const ABOUT: &'static str = "list the names below any path, of all levels";
    const EXAMPLE: &'static str = "bao scan secret/metadata/app";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        self.names.ask(context, Method::Scan).await
    }
}
