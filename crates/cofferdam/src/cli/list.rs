//! `cofferdam list`, and what it has in common with `bao scan`.

use super::output::{columns, envelope, go_value};
use super::{Context, Exit, Failure, Verb, variables};
use clap::Args;
use cofferdam_api::{Method, Request, Response, Tree, places};
use cofferdam_secret::Secret;
use std::collections::BTreeSet;

/// Lists the names below any path of the API.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    names: Names,
}

/// Names below any path, however many levels.
#[derive(Args)]
pub(super) struct Names {
    /// Path below /v1/
    #[arg(value_name = "PATH")]
    path: String,
    /// Show what the list knows about each name (VAULT_DETAILED)
    #[arg(long)]
    detailed: bool,
    #[command(flatten)]
    part: Part,
}

/// A part of a list, where the path has lists in parts.
#[derive(Args)]
pub(super) struct Part {
    /// Begin behind this name, where the path has lists in parts
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    after: String,
    /// Show as many names at most, where the path has lists in parts
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = -1,
        allow_negative_numbers = true,
        hide_default_value = true
    )]
    limit: i64,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "list the names below any path";
    const EXAMPLE: &'static str = "cofferdam list auth/approle/role";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        self.names.ask(context, Method::List).await
    }
}

impl Names {
    pub(super) async fn ask(self, context: &Context, method: Method) -> Result<Exit, Failure> {
        let path = format!("{}/", self.path.trim().trim_matches('/'));
        let request = self.part.of(Request::new(method, path));
        let link = context.link()?;
        let answer = link.try_send(request).await?;
        if (self.detailed || variables::detailed(&places::environment))
            && let Ok(response) = &answer
            && let Some(infos) = infos(response)
        {
            context.warn(response);
            return detailed(context, response, &infos);
        }
        context.print_keys(&link, answer)
    }
}

impl Part {
    pub(super) fn of(self, mut request: Request) -> Request {
        if !self.after.is_empty() {
            request = request.query("after", self.after);
        }
        if self.limit >= 0 {
            request = request.query("limit", self.limit.to_string());
        }
        request
    }
}

/// What the list knows about its names, if it knows anything.
fn infos(response: &Response) -> Option<Tree> {
    let infos = response.tree()?.take("key_info")?;
    (!infos.is_empty()).then_some(infos)
}

/// As Vault's command prints it: JSON is the whole answer, YAML the names alone.
fn detailed(context: &Context, response: &Response, infos: &Tree) -> Result<Exit, Failure> {
    let mut keys = response.keys();
    keys.sort();
    if context.format() == super::output::Format::Json {
        return context.print(&envelope(response), || Secret::new(String::new()));
    }
    context.print(&Tree::from(keys.clone()), || table(&keys, infos))
}

fn table(keys: &[String], infos: &Tree) -> Secret<String> {
    let members = infos.entries().flat_map(|(_, info)| info.entries());
    let titles: BTreeSet<&str> = members.map(|(title, _)| title).collect();
    let text = |word: &str| Secret::new(word.to_owned());
    let heading = std::iter::once("Keys").chain(titles.iter().copied());
    let mut rows = vec![heading.map(text).collect::<Vec<_>>()];
    for key in keys {
        let info = infos.get(key);
        let cell = |title: &&str| match info.and_then(|info| info.get(title)) {
            Some(value) => go_value(value),
            None => text("n/a"),
        };
        let row = std::iter::once(text(key)).chain(titles.iter().map(cell));
        rows.push(row.collect());
    }
    columns(&rows, true)
}
