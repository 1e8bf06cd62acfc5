//! `sys/internal/specs/openapi`: what this server really serves, from the tables that serve it.
//!
//! Of mounts, those are shown of which the caller may see something, as `sys/internal/ui/mounts` does.
//! A row that is not in a table is not in the answer, and what is in the answer is served: there is
//! no second list that could differ.

use super::{System, internal};
use crate::engine::{Access, Listed};
use crate::fault::Fault;
use crate::json::Data;
use crate::mount::Mount;
use crate::operation::Verb;
use crate::outcome::Outcome;
use crate::pipeline::exempt;
use crate::request::Call;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: About,
    paths: BTreeMap<String, Item>,
}

#[derive(Serialize)]
struct About {
    title: &'static str,
    description: &'static str,
    version: &'static str,
}

/// One path.
#[derive(Default, Serialize)]
struct Item {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
    #[serde(rename = "x-vault-sudo", skip_serializing_if = "is_false")]
    sudo: bool,
    #[serde(rename = "x-vault-unauthenticated", skip_serializing_if = "is_false")]
    unauthenticated: bool,
    #[serde(flatten)]
    operations: BTreeMap<&'static str, OperationItem>,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    r#in: &'static str,
    schema: Schema,
    required: bool,
}

#[derive(Serialize)]
struct Schema {
    r#type: &'static str,
}

#[derive(Serialize)]
struct OperationItem {
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
    responses: BTreeMap<&'static str, Answered>,
}

#[derive(Serialize)]
struct Answered {
    description: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's contract")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn text(name: &str, place: &'static str, required: bool) -> Parameter {
    Parameter {
        name: name.to_owned(),
        r#in: place,
        schema: Schema { r#type: "string" },
        required,
    }
}

/// The path as OpenAPI writes it, and the names of its parameters.
fn template(mount: &str, pattern: &str) -> (String, Vec<String>) {
    let mut path = format!("/{mount}");
    let mut names = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        path.push('/');
        match part.strip_prefix([':', '~', '*']) {
            Some(name) => {
                path.push_str(&format!("{{{name}}}"));
                names.push(name.to_owned());
            }
            None => path.push_str(part),
        }
    }
    (path, names)
}

const fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Read | Verb::List => "get",
        Verb::Write => "post",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
    }
}

impl Document {
    fn add(&mut self, mount: &str, pattern: &str, verb: Verb, access: Access) {
        let (path, names) = template(mount, pattern);
        let item = self.paths.entry(path).or_default();
        if item.parameters.is_empty() {
            item.parameters = names.iter().map(|name| text(name, "path", true)).collect();
        }
        item.sudo |= access == Access::Sudo;
        item.unauthenticated |= matches!(access, Access::Anonymous | Access::Wrapping);
        let operation = item
            .operations
            .entry(method(verb))
            .or_insert_with(|| OperationItem {
                summary: String::new(),
                parameters: Vec::new(),
                responses: BTreeMap::from([("200", Answered { description: "OK" })]),
            });
        let word = match verb {
            Verb::Read => "read",
            Verb::List => "list",
            Verb::Write => "write",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        };
        if !operation.summary.is_empty() {
            operation.summary.push_str(" or ");
        }
        operation.summary.push_str(word);
        // Vault's documents say so where listing is one of the things that GET does.
        if verb == Verb::List {
            operation.parameters.push(text("list", "query", false));
        }
    }
}

pub(super) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let tables = engine.services()?.registry.fresh().await?;
    let acl = internal::acl(engine, &call).await?;
    let mut document = Document {
        openapi: "3.0.2",
        info: About {
            title: "Cofferdam",
            description: "What this server serves. All paths are below /v1.",
            version: env!("CARGO_PKG_VERSION"),
        },
        paths: BTreeMap::new(),
    };
    for (verb, path, _) in exempt::ROUTES {
        let path = path.strip_prefix("sys/").unwrap_or(path);
        document.add("sys", path, *verb, Access::Anonymous);
    }
    let seen = |mount: &&Mount| internal::sees(&acl, mount);
    for mount in tables.mounts().iter().filter(seen) {
        let point = tables.point(&mount.path);
        let rows = point.and_then(|point| point.engine.as_ref().map(|engine| engine.routes()));
        for Listed {
            pattern,
            access,
            verb,
        } in rows.unwrap_or_default()
        {
            document.add(&mount.path, pattern, verb, access);
            // A mount's path may have any number of segments, and its settings stand behind it.
            if mount.kind == "system"
                && ["mounts/*path", "auth/*path"].contains(&pattern)
                && matches!(verb, Verb::Read | Verb::Write)
            {
                document.add(&mount.path, &format!("{pattern}/tune"), verb, access);
            }
        }
    }
    Ok(Outcome::Bare(Data::of(&document).map_err(Fault::internal)?))
}
