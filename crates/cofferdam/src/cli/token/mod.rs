//! `cofferdam token`.

mod capabilities;
mod create;
mod existing;

use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};

/// Makes, shows, renews and revokes tokens.
#[derive(Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// make a token
    Create(create::Create),
    /// show a token
    Lookup(existing::Lookup),
    /// give a token more time
    Renew(existing::Renew),
    /// end a token and its children
    Revoke(existing::Revoke),
    /// show what a token may do at a path
    Capabilities(capabilities::Capabilities),
}

impl Verb for Token {
    const NAME: &'static str = "token";
    const ABOUT: &'static str = "make, show, renew and revoke tokens";
    const EXAMPLE: &'static str =
        "cofferdam token create -policy=web -ttl=1h\ncofferdam token capabilities secret/data/web";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Create(verb) => verb.run(context).await,
            Action::Lookup(verb) => verb.run(context).await,
            Action::Renew(verb) => verb.run(context).await,
            Action::Revoke(verb) => verb.run(context).await,
            Action::Capabilities(verb) => verb.run(context).await,
        }
    }
}
