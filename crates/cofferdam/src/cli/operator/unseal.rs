//! `operator unseal`.

use super::super::terminal::prompt_secret;
use super::super::unwrap::given_token;
use super::super::{Context, Exit, Failure, status};
use clap::Args;
use cofferdam_api::{Request, Tree};
use cofferdam_secret::Secret;

/// Gives one key share; the server unseals when it has enough of them.
#[derive(Args)]
pub(super) struct Unseal {
    /// Forget the shares given so far
    #[arg(long, conflicts_with = "key")]
    reset: bool,
    /// Agree to move the store to the seal that the server's configuration names
    #[arg(long)]
    migrate: bool,
    /// Key share; without it there is a prompt that does not show it, - reads stdin
    #[arg(value_name = "KEY")]
    key: Option<String>,
}

impl Unseal {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut body = if self.reset {
            Tree::map().with("reset", true)
        } else {
            Tree::map().with("key", self.share()?)
        };
        if self.migrate {
            body.insert("migrate", true);
        }
        let link = context.link()?;
        let response = link.send(Request::put("sys/unseal", &body)).await?;
        let seal = response.body_tree().unwrap_or(Tree::Null);
        let seal = status::with_leader(&link.client().clone().without_wrapping(), seal).await?;
        status::print(context, &seal)
    }

    fn share(&self) -> Result<Secret<String>, Failure> {
        let share = match &self.key {
            Some(word) => given_token(word)?,
            None => prompt_secret("Unseal Key")?,
        };
        if share.is_empty() {
            return Err(Failure::usage("no key share given")
                .hint("cofferdam operator unseal, and paste one share"));
        }
        Ok(share)
    }
}
