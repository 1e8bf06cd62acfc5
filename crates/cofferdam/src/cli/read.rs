//! `cofferdam read`.

use super::input::parse_pairs;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{Error, Request, Tree};

/// Reads any path of the API.
#[derive(Args)]
pub(crate) struct Read {
    /// Path below /v1/
    #[arg(value_name = "PATH")]
    path: String,
    /// Parameters of the form KEY=VALUE
    #[arg(value_name = "PARAMETER")]
    parameters: Vec<String>,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
}

impl Verb for Read {
    const NAME: &'static str = "read";
    const ABOUT: &'static str = "read any path";
    const EXAMPLE: &'static str = "cofferdam read -field=ttl auth/token/lookup-self";
    const FORMATS: &'static [&'static str] = &["raw"];

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.may_print_values()?;
        let mut request = Request::get(self.path.trim().trim_matches('/'));
        for (name, value) in parse_pairs(&self.parameters)?.entries() {
            request = request.query(name, value.as_text().unwrap_or_default());
        }
        let link = context.link()?;
        if context.format_name() == Some("raw") && self.field.is_none() {
            let sent = link.client().send_raw(request).await;
            let body = sent.map_err(|error| link.failure(error))?;
            context.out(body.expose())?;
            // Vault's command ends it as it ends all that it prints.
            context.out(b"\n")?;
            return Ok(Exit::Success);
        }
        let response = match link.try_send(request).await? {
            Err(Error::NotFound(refusal))
                if refusal
                    .response
                    .tree()
                    .is_some_and(|data| matches!(data, Tree::Map(_))) =>
            {
                *refusal.response
            }
            other => other.map_err(|error| link.failure(error))?,
        };
        context.print_response(&response, self.field.as_deref())
    }
}
