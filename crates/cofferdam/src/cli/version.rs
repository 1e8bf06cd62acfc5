//! `cofferdam version`.

use super::{Context, Exit, Failure, Verb};
use clap::Args;

/// Prints the version.
#[derive(Args)]
pub(crate) struct Version {}

impl Verb for Version {
    const NAME: &'static str = "version";
    const ABOUT: &'static str = "print the version";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.out(format!("Cofferdam v{}\n", env!("CARGO_PKG_VERSION")).as_bytes())?;
        Ok(Exit::Success)
    }
}
