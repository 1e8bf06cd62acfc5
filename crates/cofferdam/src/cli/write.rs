//! `cofferdam write`, and what it shares with `cofferdam patch`.

use super::input::parse_data;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{Method, Request};

/// Writes any path of the API.
#[derive(Args)]
pub(crate) struct Write {
    #[command(flatten)]
    sending: Sending,
}

/// Data for any path of the API.
#[derive(Args)]
pub(super) struct Sending {
    /// Path below /v1/
    #[arg(value_name = "PATH")]
    path: String,
    /// Do it without data
    #[arg(long, short)]
    force: bool,
    /// Print this field of the answer only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// KEY=VALUE, KEY=@FILE, KEY=- for stdin, @FILE or - with a JSON object
    #[arg(value_name = "DATA")]
    data: Vec<String>,
}

impl Verb for Write {
    const NAME: &'static str = "write";
    const ABOUT: &'static str = "write any path";
    const EXAMPLE: &'static str =
        "cofferdam write auth/approle/role/web token_policies=web token_ttl=1h";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        self.sending.send(context, Method::Put, Self::NAME).await
    }
}

impl Sending {
    /// Sends it for the verb of this name, and prints the answer.
    pub(super) async fn send(
        self,
        context: &Context,
        method: Method,
        verb: &str,
    ) -> Result<Exit, Failure> {
        if self.data.is_empty() && !self.force {
            return Err(Failure::usage("no data to write")
                .hint(format!("add KEY=VALUE, or -force to {verb} without data")));
        }
        let data = parse_data(&self.data)?;
        let path = self.path.trim().trim_matches('/').to_owned();
        let request = Request::new(method, path.clone()).tree(&data);
        let response = context.link()?.send(request).await?;
        let is_empty = response.raw_data().is_none()
            && response.auth.is_none()
            && response.wrap_info.is_none();
        if is_empty {
            context.warn(&response);
            return context.done(&format!("Data written to: {path}"));
        }
        // It is written: only the answer stays unprinted where an agent would read it.
        context.may_print_values()?;
        context.print_response(&response, self.field.as_deref())
    }
}
