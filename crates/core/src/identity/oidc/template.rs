//! What a role's template adds to a token: JSON with names of identity in the places of values.
//!
//! The template is read as JSON when it is written, with a mark in the place of each name, and stays a
//! tree: at a token a value takes the mark's place in that tree. So whatever stands in metadata, it is
//! the content of one value. (OpenBao writes values into the text and reads that.)
//!
//! Names follow Vault's documentation, "Identity tokens". What belongs to a group by its name or id is
//! refused, as OpenBao refuses it.

use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::record::Alias;
use crate::identity::store::Subject;
use crate::json::field::Ttl;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Claims that a template cannot set.
pub(super) const RESERVED: [&str; 10] = [
    "iat",
    "aud",
    "exp",
    "iss",
    "sub",
    "namespace",
    "nonce",
    "auth_time",
    "at_hash",
    "c_hash",
];

/// A template that was read.
#[derive(Debug)]
pub(super) struct Template {
    tree: Map<String, Value>,
    /// What stands for a name in the tree: nobody who writes a template knows it before.
    mark: String,
    fields: Vec<Field>,
}

/// Why a text is no template. Says no word of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Braces,
    Unknown,
    Json,
    Reserved(&'static str),
}

impl Malformed {
    pub(super) fn text(self) -> String {
        match self {
            Self::Braces => "error parsing template: unbalanced templating characters".to_owned(),
            Self::Unknown => {
                "error parsing template: no value could be found for one of the template directives"
                    .to_owned()
            }
            Self::Json => "error parsing template JSON: expected an object with the directives outside of quotes, as values".to_owned(),
            Self::Reserved(name) => format!(
                "top level key \"{name}\" not allowed. Restricted keys: {}",
                RESERVED.join(", ")
            ),
        }
    }
}

/// What stands between braces.
#[derive(Debug)]
enum Field {
    Entity(Part),
    Alias(String, Part),
    GroupNames,
    GroupIds,
    /// Seconds from the moment of the token.
    Time {
        later: bool,
        seconds: u64,
    },
}

#[derive(Debug)]
enum Part {
    Id,
    Name,
    Metadata(Option<String>),
    Custom(Option<String>),
}

impl Template {
    /// Reads a template; an empty text adds nothing.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let mut fields = Vec::new();
        let mut json = String::with_capacity(text.len());
        let mut parts = text.split("{{");
        let first = parts.next().unwrap_or_default();
        if first.contains("}}") {
            return Err(Malformed::Braces);
        }
        json.push_str(first);
        for part in parts {
            let (name, after) = part.split_once("}}").ok_or(Malformed::Braces)?;
            if after.contains("}}") {
                return Err(Malformed::Braces);
            }
            let field = Field::parse(name.trim()).ok_or(Malformed::Unknown)?;
            // Within quotes a second pair of them is no JSON, so only whole values are taken.
            json.push_str(&format!("\"{mark}{}\"", fields.len()));
            fields.push(field);
            json.push_str(after);
        }
        if json.trim().is_empty() {
            json = "{}".to_owned();
        }
        let tree: Map<String, Value> = serde_json::from_str(&json).map_err(|_| Malformed::Json)?;
        if let Some(name) = RESERVED.into_iter().find(|name| tree.contains_key(*name)) {
            return Err(Malformed::Reserved(name));
        }
        if !tree.iter().all(|(name, value)| plain(name, value, &mark)) {
            return Err(Malformed::Json);
        }
        Ok(Self { tree, mark, fields })
    }

    /// One that was parsed before it was stored.
    pub(super) fn stored(text: &str) -> Result<Self, Fault> {
        Self::parse(text).map_err(|_| Fault::internal("a stored template does not parse"))
    }

    /// Names of the claims that it sets.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.tree.keys().map(String::as_str)
    }

    /// The claims for one holder.
    pub(super) fn fill(&self, subject: &Subject, now: Time) -> Map<String, Value> {
        let mut tree = self.tree.clone();
        for value in tree.values_mut() {
            self.put(value, subject, now);
        }
        tree
    }

    fn put(&self, value: &mut Value, subject: &Subject, now: Time) {
        match value {
            Value::String(text) => {
                let number = text.strip_prefix(&self.mark);
                let field = number.and_then(|number| number.parse::<usize>().ok());
                if let Some(field) = field.and_then(|field| self.fields.get(field)) {
                    *value = field.value(subject, now);
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|one| self.put(one, subject, now)),
            Value::Object(all) => all.values_mut().for_each(|one| self.put(one, subject, now)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// A template as it was sent, or decoded: base64 passes shells and HCL unharmed, and no JSON object is base64.
pub(super) fn decoded(template: &str) -> String {
    let text = STANDARD.decode(template).ok();
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| template.to_owned())
}

/// Whether no name of a field is a directive.
fn plain(name: &str, value: &Value, mark: &str) -> bool {
    !name.contains(mark)
        && match value {
            Value::Object(all) => all.iter().all(|(name, value)| plain(name, value, mark)),
            Value::Array(all) => all.iter().all(|value| plain("", value, mark)),
            _ => true,
        }
}

impl Field {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("time.now") {
            return Self::time(rest);
        }
        let text = text.strip_prefix("identity.entity.")?;
        match text {
            "groups.names" => return Some(Self::GroupNames),
            "groups.ids" => return Some(Self::GroupIds),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix("aliases.") {
            let (accessor, part) = rest.split_once('.')?;
            return Some(Self::Alias(accessor.to_owned(), Part::parse(part)?));
        }
        match Part::parse(text)? {
            Part::Custom(_) => None,
            part => Some(Self::Entity(part)),
        }
    }

    fn time(rest: &str) -> Option<Self> {
        if rest.is_empty() {
            return Some(Self::Time {
                later: true,
                seconds: 0,
            });
        }
        let (later, span) = match rest.strip_prefix(".plus.") {
            Some(span) => (true, span),
            None => (false, rest.strip_prefix(".minus.")?),
        };
        Ttl::parse(span).map(|span| Self::Time {
            later,
            seconds: span.seconds(),
        })
    }

    fn value(&self, subject: &Subject, now: Time) -> Value {
        let entity = &subject.entity;
        match self {
            Self::Entity(part) => {
                part.of(&entity.id, &entity.name, &entity.metadata, &BTreeMap::new())
            }
            Self::Alias(accessor, part) => match entity.alias_of(accessor) {
                Some(Alias {
                    id,
                    name,
                    metadata,
                    custom_metadata,
                    ..
                }) => part.of(id, name, metadata, custom_metadata),
                None => part.of("", "", &BTreeMap::new(), &BTreeMap::new()),
            },
            Self::GroupNames => subject.groups().map(|group| json!(group.name)).collect(),
            Self::GroupIds => subject.groups().map(|group| json!(group.id)).collect(),
            Self::Time { later, seconds } => {
                let now = now.seconds();
                json!(match later {
                    true => now.saturating_add(*seconds),
                    false => now.saturating_sub(*seconds),
                })
            }
        }
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        let key = |text: &str, name: &str| {
            let rest = text.strip_prefix(name)?;
            match rest.strip_prefix('.') {
                Some(key) => Some(Some(key.to_owned())),
                None => rest.is_empty().then_some(None),
            }
        };
        match text {
            "id" => Some(Self::Id),
            "name" => Some(Self::Name),
            _ => key(text, "metadata")
                .map(Self::Metadata)
                .or_else(|| key(text, "custom_metadata").map(Self::Custom)),
        }
    }

    fn of(
        &self,
        id: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
        custom: &BTreeMap<String, String>,
    ) -> Value {
        let (pairs, key) = match self {
            Self::Id => return json!(id),
            Self::Name => return json!(name),
            Self::Metadata(key) => (metadata, key),
            Self::Custom(key) => (custom, key),
        };
        match key {
            Some(key) => json!(pairs.get(key).map_or("", String::as_str)),
            None => json!(pairs),
        }
    }
}
