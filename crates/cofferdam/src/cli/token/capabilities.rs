//! `token capabilities`.

use super::super::output::shown;
use super::super::unwrap::given_token;
use super::super::{Context, Exit, Failure};
use clap::Args;
use cofferdam_api::{Request, Tree};
use cofferdam_secret::Secret;

/// Shows what a token may do at a path.
#[derive(Args)]
pub(super) struct Capabilities {
    /// The first word is an accessor and no token
    #[arg(long)]
    accessor: bool,
    /// [TOKEN] PATH; without a token it is our own
    #[arg(value_name = "PATH", num_args = 1..=2, required = true)]
    words: Vec<String>,
}

impl Capabilities {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut words = self.words.into_iter();
        let (endpoint, mut body, path) = match (words.next(), words.next()) {
            (Some(path), None) if !self.accessor => ("sys/capabilities-self", Tree::map(), path),
            (Some(word), Some(path)) if self.accessor => (
                "sys/capabilities-accessor",
                Tree::map().with("accessor", word),
                path,
            ),
            (Some(word), Some(path)) => (
                "sys/capabilities",
                Tree::map().with("token", given_token(&word)?),
                path,
            ),
            _ => return Err(Failure::usage("missing: PATH")),
        };
        body.insert("paths", vec![path.clone()]);
        let response = context.link()?.send(Request::post(endpoint, &body)).await?;
        let data = response.tree().unwrap_or(Tree::Null);
        let found = data.get(&path).or_else(|| data.get("capabilities"));
        let found = found.map(Tree::items).unwrap_or_default();
        let mut names: Vec<String> = found
            .iter()
            .filter_map(Tree::as_text)
            .map(str::to_owned)
            .collect();
        names.sort();
        if names.is_empty() {
            return Err(Failure::server("no capabilities in the answer")
                .detail(shown(&data, "errors").expose().clone()));
        }
        context.print(&Tree::from(names.clone()), || {
            Secret::new(format!("{}\n", names.join(", ")))
        })
    }
}
