//! `cofferdam delete`.

use super::input::parse_pairs;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{Method, Request};

/// Deletes any path of the API.
#[derive(Args)]
pub(crate) struct Delete {
    /// Path below /v1/
    #[arg(value_name = "PATH")]
    path: String,
    /// Parameters of the form KEY=VALUE
    #[arg(value_name = "PARAMETER")]
    parameters: Vec<String>,
    /// Print this field of the answer only, where there is one
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
}

impl Verb for Delete {
    const NAME: &'static str = "delete";
    const ABOUT: &'static str = "delete any path";
    const EXAMPLE: &'static str = "cofferdam delete auth/approle/role/web";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let path = self.path.trim().trim_matches('/').to_owned();
        let mut request = Request::new(Method::Delete, path.clone());
        for (name, value) in parse_pairs(&self.parameters)?.entries() {
            request = request.query(name, value.as_text().unwrap_or_default());
        }
        let response = context.link()?.send(request).await?;
        if self.field.is_some() && response.tree().is_some() {
            return context.print_response(&response, self.field.as_deref());
        }
        context.warn(&response);
        context.done(&format!("Data deleted (if it existed) at: {path}"))
    }
}
