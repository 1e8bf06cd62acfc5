//! `cofferdam patch`: changes some fields of any path that knows how.

use super::write::Sending;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::Method;

/// Patches any path of the API.
#[derive(Args)]
pub(crate) struct Patch {
    #[command(flatten)]
    sending: Sending,
}

impl Verb for Patch {
    const NAME: &'static str = "patch";
    const ABOUT: &'static str = "change some fields of any path";
    const EXAMPLE: &'static str = "cofferdam patch identity/entity/id/ID disabled=true";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        self.sending.send(context, Method::Patch, Self::NAME).await
    }
}
