//! `sys/internal/specs/openapi`: what this server really serves, from the tables that serve it.
//!
//! Of mounts, those are shown of which the caller may see something, as `sys/internal/ui/mounts` does.
//! A row that is not in a table is not in the answer, and what is in the answer is served: there is
//! no second list that could differ.

use super::{System, internal};
use crate::engine::{Access, Listed};
use crate::fault::Fault;
use crate::fields::{Fields, Form, Kind, word};
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
    components: Components,
}

#[derive(Default, Serialize)]
struct Components {
    schemas: BTreeMap<String, Schema>,
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
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    r#in: &'static str,
    schema: Schema,
    required: bool,
}

/// A kind of value, or an object of such.
#[derive(Default, Serialize)]
struct Schema {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Box<Schema>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    properties: BTreeMap<&'static str, Schema>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required: Vec<&'static str>,
    #[serde(
        rename = "additionalProperties",
        skip_serializing_if = "Option::is_none"
    )]
    open: Option<bool>,
}

impl Schema {
    /// As OpenBao writes kinds.
    fn of(kind: Kind) -> Self {
        let (name, format) = match kind {
            Kind::Text => ("string", None),
            Kind::Integer => ("integer", None),
            Kind::Number => ("number", Some("float")),
            Kind::Boolean => ("boolean", None),
            Kind::Duration => ("integer", Some("seconds")),
            Kind::Moment => ("string", Some("date-time")),
            Kind::List => ("array", None),
            Kind::Map => ("object", Some("kvpairs")),
            Kind::Object => ("object", Some("map")),
            // Without a type, anything goes.
            Kind::Any => return Self::default(),
        };
        Self {
            r#type: Some(name),
            format,
            items: (kind == Kind::List).then(|| Box::new(Self::of(Kind::Text))),
            ..Self::default()
        }
    }

    /// Of a body. What the path decides is no part of it.
    fn body(fields: &Fields, path: &[&str]) -> Self {
        let mut all = fields.body();
        all.retain(|field| !path.contains(&field.name));
        let required = all.iter().filter(|field| field.required);
        Self {
            r#type: Some("object"),
            required: required.map(|field| field.name).collect(),
            open: (fields.form == Form::Free).then_some(true),
            properties: all
                .iter()
                .map(|field| {
                    let schema = Self {
                        description: word(field.name),
                        ..Self::of(field.kind)
                    };
                    (field.name, schema)
                })
                .collect(),
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
struct OperationItem {
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
    #[serde(rename = "requestBody", skip_serializing_if = "Option::is_none")]
    body: Option<Taken>,
    /// The row says nothing of its bodies: a test looks for that.
    #[serde(rename = "x-cofferdam-unsaid", skip_serializing_if = "is_false")]
    unsaid: bool,
    responses: BTreeMap<&'static str, Answered>,
}

#[derive(Serialize)]
struct Taken {
    required: bool,
    content: BTreeMap<&'static str, Content>,
}

#[derive(Serialize)]
struct Content {
    schema: Reference,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "$ref")]
    to: String,
}

#[derive(Serialize)]
struct Answered {
    description: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's contract")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Text in the address.
fn text(name: &'static str, place: &'static str, description: Option<&'static str>) -> Parameter {
    Parameter {
        name,
        description,
        r#in: place,
        schema: Schema::of(Kind::Text),
        required: place == "path",
    }
}

/// The path as OpenAPI writes it, and the names of its parameters.
fn template(mount: &str, pattern: &'static str, fields: &Fields) -> (String, Vec<&'static str>) {
    let mut path = format!("/{mount}");
    let mut names = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        path.push('/');
        match part.strip_prefix([':', '~', '*']) {
            Some(name) => {
                let name = fields.path_name(name);
                path.push_str(&format!("{{{name}}}"));
                names.push(name);
            }
            None => path.push_str(part),
        }
    }
    (path, names)
}

/// The name of a body's schema: of the kind of mount, so that two mounts of a kind share it.
fn schema_name(kind: &str, pattern: &str, verb: Verb) -> String {
    let mut name = String::new();
    let parts = pattern.split(['/', '-', '_', ':', '~', '*', '.']);
    for part in kind.split(['-', '_']).chain(parts) {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name.push_str(match verb {
        Verb::Patch => "PatchRequest",
        _ => "Request",
    });
    name
}

const fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Read | Verb::List | Verb::Scan => "get",
        Verb::Write => "post",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
    }
}

/// A mount, as far as its rows are written.
struct Place<'a> {
    path: &'a str,
    kind: &'a str,
}

impl Document {
    fn add(&mut self, place: &Place<'_>, row: &Listed) {
        let (path, names) = template(place.path, row.pattern, row.fields);
        let item = self.paths.entry(path).or_default();
        if item.parameters.is_empty() {
            item.parameters = names
                .iter()
                .map(|name| text(name, "path", word(name)))
                .collect();
        }
        item.sudo |= row.access == Access::Sudo;
        item.unauthenticated |= matches!(row.access, Access::Anonymous | Access::Wrapping);
        let operation = item
            .operations
            .entry(method(row.verb))
            .or_insert_with(|| OperationItem {
                summary: String::new(),
                parameters: Vec::new(),
                body: None,
                unsaid: row.fields.form == Form::Unsaid,
                responses: BTreeMap::from([("200", Answered { description: "OK" })]),
            });
        let done = match row.verb {
            Verb::Read => "read",
            Verb::List => "list",
            Verb::Scan => "scan",
            Verb::Write => "write",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        };
        if !operation.summary.is_empty() {
            operation.summary.push_str(" or ");
        }
        operation.summary.push_str(done);
        // Vault's documents say so where listing is one of the things that GET does, and OpenBao's where
        // scanning is.
        if row.verb.names() {
            operation.parameters.push(text(done, "query", None));
        }
        if matches!(row.verb, Verb::Write | Verb::Patch) {
            let body = Schema::body(row.fields, &names);
            if !body.properties.is_empty() || body.open.is_some() {
                let name = schema_name(place.kind, row.pattern, row.verb);
                let to = format!("#/components/schemas/{name}");
                operation.body = Some(Taken {
                    required: true,
                    content: BTreeMap::from([(
                        "application/json",
                        Content {
                            schema: Reference { to },
                        },
                    )]),
                });
                self.components.schemas.insert(name, body);
            }
        } else {
            operation.ask(row.fields);
        }
    }
}

impl OperationItem {
    /// Parameters of the address.
    fn ask(&mut self, fields: &Fields) {
        for name in fields.asked() {
            if !self.parameters.iter().any(|known| known.name == *name) {
                self.parameters.push(text(name, "query", word(name)));
            }
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
        components: Components::default(),
    };
    for (verb, path, _) in exempt::ROUTES {
        let place = Place {
            path: "sys",
            kind: "system",
        };
        let row = Listed {
            pattern: path.strip_prefix("sys/").unwrap_or(path),
            access: Access::Anonymous,
            verb: *verb,
            fields: exempt::fields(path),
        };
        document.add(&place, &row);
    }
    let seen = |mount: &&Mount| internal::sees(&acl, mount);
    for mount in tables.mounts().iter().filter(seen) {
        let point = tables.point(&mount.path);
        let Some(engine) = point.and_then(|point| point.engine.as_ref()) else {
            continue;
        };
        let place = Place {
            path: &mount.path,
            kind: &mount.kind,
        };
        for row in engine.routes() {
            document.add(&place, &row);
        }
    }
    Outcome::bare(&document)
}
