//! `cofferdam print token`: for the commands that `-output-curl-string` prints.

use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_secret::Buffer;

/// Prints what this command line would use.
#[derive(Args)]
pub(crate) struct Print {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// print the token that requests carry
    Token,
}

impl Verb for Print {
    const NAME: &'static str = "print";
    const ABOUT: &'static str = "print the token in use";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let What::Token = self.what;
        context.may_print_values()?;
        let client = context.client()?;
        let Some(token) = client.token() else {
            return Err(Failure::local("no token in use").hint("log in with: cofferdam login"));
        };
        let mut line = Buffer::with_capacity(128);
        line.push(token.expose().as_bytes());
        line.push(b"\n");
        context.out(line.finish().expose())?;
        Ok(Exit::Success)
    }
}
