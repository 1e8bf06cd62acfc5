//! `kv put`.

use super::super::input::parse_data;
use super::super::output::envelope;
use super::super::{Context, Exit, Failure};
use super::{Place, show};
use clap::Args;
use cofferdam_api::{Request, Tree};

/// Writes a new version of a secret.
#[derive(Args)]
pub(super) struct Put {
    #[command(flatten)]
    place: Place,
    /// Write only if this is the current version; 0: only if there is none
    #[arg(long, value_name = "VERSION", allow_negative_numbers = true, default_value_t = -1)]
    cas: i64,
    /// Print this field of the answer only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// KEY=VALUE, KEY=@FILE, KEY=- for stdin, @FILE or - with a JSON object
    #[arg(value_name = "DATA")]
    data: Vec<String>,
}

impl Put {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.data.is_empty() {
            return Err(no_data());
        }
        let data = parse_data(&self.data)?;
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        let path = at.api_path("data");
        let body = if at.is_v2() {
            versioned(data, self.cas)
        } else {
            data
        };
        let response = link.send(Request::put(path.clone(), &body)).await?;
        if response.raw_data().is_none() && response.wrap_info.is_none() {
            return context.done(&format!("Data written to: {path}"));
        }
        if self.field.is_some() || response.wrap_info.is_some() {
            return context.print_response(&response, self.field.as_deref());
        }
        context.warn(&response);
        context.print(&envelope(&response), || show::written(&path, &response))
    }
}

/// The body that a version 2 mount takes. The `options` member is always there, as Vault's client
/// sends it.
pub(super) fn versioned(data: Tree, cas: i64) -> Tree {
    let mut options = Tree::map();
    if cas >= 0 {
        options.insert("cas", cas);
    }
    Tree::map().with("data", data).with("options", options)
}

pub(super) fn no_data() -> Failure {
    Failure::usage("no data to write")
        .hint("add KEY=VALUE, KEY=@FILE, or KEY=- to read it from stdin")
}
