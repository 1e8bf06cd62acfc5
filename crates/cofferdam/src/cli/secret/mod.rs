//! `cofferdam secret`: for hands that are used to `docker secret`.
//!
//! A secret is an entry below `secret/` (or `-from`), field `value`, labels as its notes; so `run`,
//! `build` and both Docker drivers find it under its name. Unlike Docker's, it can be read again
//! with `kv get` by who may, and has versions.

use super::output::columns;
use super::shelf::Shelf;
use super::terminal::clean;
use super::{Context, Exit, Failure, Verb, input};
use clap::{Args, Subcommand};
use cofferdam_agent::FileName;
use cofferdam_api::Tree;
use cofferdam_secret::Secret;

/// What Swarm, BuildKit and the volume driver take.
const MAX_SECRET: usize = 500 * 1024;

/// Manages secrets as `docker secret` does.
#[derive(Args)]
pub(crate) struct SecretVerb {
    /// Path below which secrets are
    #[arg(long, value_name = "PATH", default_value = "secret", global = true)]
    from: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// make a secret from a file or from stdin
    Create(Create),
    /// list secrets
    #[command(alias = "list")]
    Ls(Ls),
    /// print what is known about secrets, never their values
    Inspect(Names),
    /// remove secrets with all their versions
    #[command(alias = "remove")]
    Rm(Names),
}

#[derive(Args)]
struct Create {
    /// Label of the form KEY=VALUE; repeatable
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Keep a newline at the end
    #[arg(long)]
    keep_newline: bool,
    /// Name of the secret
    #[arg(value_name = "NAME")]
    name: String,
    /// File with the value; - reads stdin
    #[arg(value_name = "FILE")]
    file: String,
}

#[derive(Args)]
struct Ls {
    /// Names only
    #[arg(short, long)]
    quiet: bool,
    /// name=PART: only names with this part
    #[arg(short, long, value_name = "FILTER")]
    filter: Option<String>,
}

#[derive(Args)]
struct Names {
    /// Names of secrets
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Verb for SecretVerb {
    const NAME: &'static str = "secret";
    const ABOUT: &'static str = "manage secrets as docker secret does";
    const EXAMPLE: &'static str =
        "cofferdam secret create DB_PASSWORD - < password.txt\ncofferdam secret ls";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Create(create) => create.run(context, &self.from).await,
            Action::Ls(list) => list.run(context, &self.from).await,
            Action::Inspect(names) => names.inspect(context, &self.from).await,
            Action::Rm(names) => names.remove(context, &self.from).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context, from: &str) -> Result<Exit, Failure> {
        let name = name(&self.name)?;
        let labels = input::parse_pairs(&self.labels)?;
        let mut value = input::read_file_or_stdin(&self.file)?;
        let stripped = !self.keep_newline && strip_newline(value.expose_mut());
        if value.is_empty() {
            return Err(Failure::usage(format!("the value is empty: {name}"))
                .hint(format!("cofferdam secret create {name} FILE")));
        }
        if value.len() > MAX_SECRET {
            return Err(
                Failure::usage(format!("longer than {MAX_SECRET} bytes: {name}"))
                    .hint("Swarm, BuildKit and the volume driver take no more"),
            );
        }
        let value = value.into_text().ok_or_else(|| {
            Failure::local(format!("not UTF-8: {}", self.file))
                .hint("encode it first, for example with: base64 -w0 FILE")
        })?;
        let shelf = Shelf::open(context, from).await?;
        if !shelf
            .create(&name, Tree::map().with("value", value))
            .await?
        {
            return Err(
                Failure::server(format!("there is a secret of this name: {name}")).hint(format!(
                    "a new version: cofferdam kv put {} value=-",
                    shelf.path(&name)
                )),
            );
        }
        if !labels.is_empty() {
            shelf.annotate(&name, labels).await?;
        }
        if stripped {
            context.say("note: one newline at the end was removed; -keep-newline keeps it");
        }
        context.out(format!("{name}\n").as_bytes())?;
        Ok(Exit::Success)
    }
}

impl Ls {
    async fn run(self, context: &Context, from: &str) -> Result<Exit, Failure> {
        let part = match self.filter.as_deref().map(|filter| filter.split_once('=')) {
            None => "",
            Some(Some(("name", part))) => part,
            Some(_) => return Err(Failure::usage("unknown filter").hint("-filter name=PART")),
        };
        let shelf = Shelf::open(context, from).await?;
        let mut names = shelf.names().await?;
        names.retain(|name| name.contains(part));
        if self.quiet {
            let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
            context.out(clean(&lines).as_bytes())?;
            return Ok(Exit::Success);
        }
        let mut known = Vec::new();
        for name in names {
            if let Some(metadata) = shelf.metadata(&name).await? {
                known.push(described(&name, &shelf.path(&name), metadata));
            }
        }
        let document = Tree::List(known);
        context.print(&document, || table(&document))
    }
}

impl Names {
    async fn inspect(self, context: &Context, from: &str) -> Result<Exit, Failure> {
        let shelf = Shelf::open(context, from).await?;
        let mut known = Vec::new();
        for given in &self.names {
            let name = name(given)?;
            let metadata = shelf.metadata(&name).await?;
            let metadata = metadata.ok_or_else(|| missing(&name))?;
            known.push(described(&name, &shelf.path(&name), metadata));
        }
        context.print_json_or_yaml(&Tree::List(known))
    }

    async fn remove(self, context: &Context, from: &str) -> Result<Exit, Failure> {
        let shelf = Shelf::open(context, from).await?;
        for given in &self.names {
            let name = name(given)?;
            if !shelf.remove(&name).await? {
                return Err(missing(&name));
            }
            context.out(format!("{name}\n").as_bytes())?;
        }
        Ok(Exit::Success)
    }
}

fn name(text: &str) -> Result<String, Failure> {
    let name: FileName = text
        .parse()
        .map_err(|error: cofferdam_agent::NameError| Failure::usage(error.to_string()))?;
    Ok(name.as_str().to_owned())
}

fn missing(name: &str) -> Failure {
    Failure::server(format!("no such secret: {name}")).hint("cofferdam secret ls")
}

/// In the shape of `docker secret inspect`.
fn described(name: &str, path: &str, mut metadata: Tree) -> Tree {
    let labels = metadata
        .take("custom_metadata")
        .filter(|labels| !labels.is_empty());
    let spec = Tree::map()
        .with("Name", name)
        .with("Labels", labels.unwrap_or_else(Tree::map));
    let mut take = |key: &str| metadata.take(key).unwrap_or(Tree::Null);
    Tree::map()
        .with("ID", path)
        .with(
            "Version",
            Tree::map().with("Index", take("current_version")),
        )
        .with("CreatedAt", take("created_time"))
        .with("UpdatedAt", take("updated_time"))
        .with("Spec", spec)
}

fn table(document: &Tree) -> Secret<String> {
    let heading =
        ["NAME", "VERSION", "CREATED", "UPDATED"].map(|cell| Secret::new(cell.to_owned()));
    let rows = document.items().iter().map(|secret| {
        let text = |tree: Option<&Tree>| {
            let text = tree.and_then(Tree::as_text).unwrap_or_default();
            Secret::new(text.to_owned())
        };
        let version = secret
            .get("Version")
            .and_then(|version| version.get("Index"));
        let version = version.and_then(Tree::as_u64).unwrap_or_default();
        vec![
            text(secret.get("Spec").and_then(|spec| spec.get("Name"))),
            Secret::new(version.to_string()),
            text(secret.get("CreatedAt")),
            text(secret.get("UpdatedAt")),
        ]
    });
    let rows: Vec<_> = std::iter::once(heading.into()).chain(rows).collect();
    columns(&rows, false)
}

/// Removes one newline from the end; says whether there was one.
fn strip_newline(value: &mut Vec<u8>) -> bool {
    if value.last() != Some(&b'\n') {
        return false;
    }
    value.pop();
    if value.last() == Some(&b'\r') {
        value.pop();
    }
    true
}
