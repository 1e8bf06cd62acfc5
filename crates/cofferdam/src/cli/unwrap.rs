//! `cofferdam unwrap`.

use super::terminal::read_stdin;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{Method, Request};
use cofferdam_secret::Secret;

/// Opens a wrapped answer, once.
#[derive(Args)]
pub(crate) struct Unwrap {
    /// Wrapping token; - reads it from stdin, without it our own token is the wrapping token
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
}

impl Verb for Unwrap {
    const NAME: &'static str = "unwrap";
    const ABOUT: &'static str = "open a wrapped answer";
    const EXAMPLE: &'static str = "cofferdam unwrap - < wrapping-token";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        // Before asking: a wrapping token opens once.
        context.may_print_values()?;
        let mut request = Request::new(Method::Put, "sys/wrapping/unwrap");
        if let Some(token) = self.token {
            request = request.with_token(given_token(&token)?);
        }
        let response = context.link()?.send(request).await?;
        context.print_response(&response, self.field.as_deref())
    }
}

/// A token from the command line, or from stdin for `-`.
pub(crate) fn given_token(word: &str) -> Result<Secret<String>, Failure> {
    if word != "-" {
        return Ok(Secret::new(word.trim().to_owned()));
    }
    let text = read_stdin(64 * 1024)?.into_text();
    let text = text.ok_or_else(|| Failure::local("the token on stdin is not UTF-8"))?;
    Ok(Secret::new(text.expose().trim().to_owned()))
}
