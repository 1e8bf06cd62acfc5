//! `cofferdam version`.

use super::names::Name;
use super::{Context, Exit, Failure, Verb};
use clap::Args;

/// Prints the version.
#[derive(Args)]
pub(crate) struct Version {}

impl Verb for Version {
    const NAME: &'static str = "version";
    const ABOUT: &'static str = "print the version";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.out(line(Name::called()).as_bytes())?;
        Ok(Exit::Success)
    }
}

/// OpenBao's release beside which every answer of ours is compared in the tests.
const OPENBAO: &str = "2.7.2";

/// What is printed. Under a client's name scripts look for that client's version, and mean what it
/// can do: for `vault` it is the version that our server tells.
pub(crate) fn line(name: Name) -> String {
    let own = env!("CARGO_PKG_VERSION");
    match name {
        Name::Own => format!("Cofferdam v{own}\n"),
        Name::Vault => {
            let told = crate::assemble::VERSION.split('+').next();
            format!("Vault v{} (cofferdam {own})\n", told.unwrap_or_default())
        }
        Name::Bao => format!("OpenBao v{OPENBAO} (cofferdam {own})\n"),
    }
}
