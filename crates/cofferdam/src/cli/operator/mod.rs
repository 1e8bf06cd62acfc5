//! `cofferdam operator`: initialising, sealing and unsealing, the encryption key, new shares.

mod backup;
mod ceremony;
mod generate_root;
mod init;
mod key;
pub(super) mod key_files;
mod rekey;
mod unseal;
mod validate_config;

use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Request, Tree};

/// What whoever runs the server does.
#[derive(Args)]
pub(crate) struct Operator {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// initialise a new server: key shares and the first token
    Init(init::Init),
    /// give one key share to a sealed server
    Unseal(unseal::Unseal),
    /// seal the server
    Seal,
    /// show the term of the encryption key
    KeyStatus,
    /// start a new term of the encryption key
    Rotate,
    /// make a new root key and new shares
    #[command(alias = "rotate-keys")]
    Rekey(rekey::Rekey),
    /// make a root token with key shares
    GenerateRoot(generate_root::GenerateRoot),
    /// read configuration files as a server would, and start nothing
    ValidateConfig(validate_config::ValidateConfig),
}

impl Verb for Operator {
    const NAME: &'static str = "operator";
    const ABOUT: &'static str = "initialise, seal, unseal and rotate";
    const EXAMPLE: &'static str =
        "cofferdam operator init -key-shares=5 -key-threshold=3\ncofferdam operator unseal";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Init(verb) => verb.run(context).await,
            Action::Unseal(verb) => verb.run(context).await,
            Action::Seal => {
                context
                    .link()?
                    .send(Request::put("sys/seal", &Tree::map()))
                    .await?;
                context.done("Vault is sealed.")
            }
            Action::KeyStatus => key::status(context).await,
            Action::Rotate => key::rotate(context).await,
            Action::Rekey(verb) => verb.run(context).await,
            Action::GenerateRoot(verb) => verb.run(context).await,
            Action::ValidateConfig(verb) => verb.run(context),
        }
    }
}
