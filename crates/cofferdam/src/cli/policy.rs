//! `cofferdam policy`.

mod layout;

use super::input::{read_file_or_stdin, reason};
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Error, Method, Request, Tree};
use cofferdam_secret::Secret;

/// Reads and writes policies.
#[derive(Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// list the names of policies
    List,
    /// print a policy
    Read {
        /// Policy
        name: String,
    },
    /// upload a policy
    Write {
        /// Policy
        name: String,
        /// File with the rules; - reads stdin
        file: String,
    },
    /// lay out a file with rules
    Fmt {
        /// File with the rules; - reads stdin and prints
        file: String,
    },
    /// delete a policy
    Delete {
        /// Policy
        name: String,
    },
}

impl Verb for Policy {
    const NAME: &'static str = "policy";
    const ABOUT: &'static str = "read and write policies";
    const EXAMPLE: &'static str = "cofferdam policy write web web.hcl";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::List => list(context).await,
            Action::Read { name } => read(context, &normal(&name)).await,
            Action::Write { name, file } => write(context, &name, &file).await,
            Action::Fmt { file } => lay_out(context, &file),
            Action::Delete { name } => {
                let name = normal(&name);
                let request = Request::new(Method::Delete, format!("sys/policies/acl/{name}"));
                context.link()?.send(request).await?;
                context.done(&format!("Deleted policy: {name}"))
            }
        }
    }
}

/// The server writes policy names in lower case; say so before it does.
fn normal(name: &str) -> String {
    name.trim().to_lowercase()
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let response = context
        .link()?
        .send(Request::new(Method::List, "sys/policies/acl"))
        .await?;
    context.warn(&response);
    let mut names = response.keys();
    names.sort();
    context.print(&Tree::from(names.clone()), || {
        Secret::new(names.iter().map(|name| format!("{name}\n")).collect())
    })
}

async fn read(context: &Context, name: &str) -> Result<Exit, Failure> {
    let answer = context
        .link()?
        .try_send(Request::get(format!("sys/policies/acl/{name}")))
        .await?;
    let response = match answer {
        Err(Error::NotFound(_)) => {
            return Err(
                Failure::server(format!("no policy named: {name}")).hint("cofferdam policy list")
            );
        }
        other => other?,
    };
    let data = response.tree().unwrap_or(Tree::Null);
    let rules = data
        .get("policy")
        .and_then(Tree::as_text)
        .unwrap_or_default();
    context.print(&Tree::map().with("policy", rules), || {
        Secret::new(format!("{}\n", rules.trim()))
    })
}

async fn write(context: &Context, name: &str, file: &str) -> Result<Exit, Failure> {
    let rules = read_file_or_stdin(file)?.into_text();
    let rules = rules.ok_or_else(|| Failure::local(format!("not UTF-8: {file}")))?;
    let lower = normal(name);
    if lower != name {
        context.say(&format!("note: policy names are lower case: {lower}"));
    }
    let body = Tree::map().with("policy", rules);
    context
        .link()?
        .send(Request::put(format!("sys/policies/acl/{lower}"), &body))
        .await?;
    context.done(&format!("Uploaded policy: {lower}"))
}

/// Vault's `policy fmt`; the file is replaced as a whole or left alone.
fn lay_out(context: &Context, file: &str) -> Result<Exit, Failure> {
    let rules = read_file_or_stdin(file)?.into_text();
    let rules = rules.ok_or_else(|| Failure::local(format!("not UTF-8: {file}")))?;
    let rules = rules.expose();
    if rules.trim_start().starts_with('{') {
        return Err(Failure::local(format!("JSON and no HCL: {file}")));
    }
    cofferdam_hcl::parse(rules).map_err(|error| Failure::local(format!("{file}: {error}")))?;
    let tidy = layout::lay_out(rules)
        .ok_or_else(|| Failure::local(format!("cannot be laid out by blanks alone: {file}")))?;
    if file == "-" {
        context.out(tidy.as_bytes())?;
        return Ok(Exit::Success);
    }
    if tidy.as_str() != rules {
        replace(file, &tidy)
            .map_err(|error| Failure::local(format!("cannot write {file}: {}", reason(&error))))?;
    }
    context.done(&format!("Formatted policy: {file}"))
}

fn replace(file: &str, text: &str) -> std::io::Result<()> {
    let fresh = format!("{file}.new-{}", std::process::id());
    let written = std::fs::write(&fresh, text)
        .and_then(|()| std::fs::set_permissions(&fresh, std::fs::metadata(file)?.permissions()))
        .and_then(|()| std::fs::rename(&fresh, file));
    written.inspect_err(|_| drop(std::fs::remove_file(&fresh)))
}
