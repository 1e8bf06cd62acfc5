//! Reading a policy, in HCL or JSON.

use super::capability::{Capability, CapabilitySet};
use super::parameters::{Constraints, Literal, Values};
use super::pattern::Pattern;
use super::permission::Permission;
use super::template::{Malformed, Template};
use crate::path::{Name, NameError};
use cofferdam_hcl::{Block, Body, Error, Key, Kind, Value};
use std::collections::HashSet;
use std::time::Duration;

/// A policy that was read. Its text is kept by whoever stores it.
#[derive(Clone, Debug)]
pub struct Policy {
    name: Name,
    pub(super) rules: Vec<(Pattern, Permission)>,
    /// Rules that are different for everybody.
    pub(super) templates: Vec<(Template, Permission)>,
    warnings: Vec<String>,
}

/// A policy that cannot be used. Places are named, the text is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The text cannot be read.
    #[error(transparent)]
    Text(#[from] Error),
}

impl Policy {
    /// Reads a policy. The name is lower-cased; that of the root policy is refused.
    pub fn parse(name: &str, text: &str) -> Result<Policy, PolicyError> {
        let mut policy = Policy {
            name: Name::policy(name)?,
            rules: Vec::new(),
            templates: Vec::new(),
            warnings: Vec::new(),
        };
        let body = cofferdam_hcl::parse(text)?;
        // `name` is Vault's, and of no effect there either.
        refuse_other_keys(&body, &["name", "path"])?;
        refuse_duplicates(&body)?;
        for group in body
            .blocks("path")?
            .iter()
            .filter(|block| block.labels.is_empty())
        {
            refuse_duplicates(group.body)?;
        }
        for block in body.labelled("path")? {
            policy.add(&block)?;
        }
        Ok(policy)
    }

    /// The name, in lower case.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What is legal but cannot be meant, for whoever writes the policy. Not for a log: it holds
    /// paths of the policy.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn add(&mut self, block: &Block<'_>) -> Result<(), Error> {
        let path = match block.labels.as_slice() {
            [path] => *path,
            // `"path": {}` is the JSON form of no rules.
            [] if block.body.is_empty() => return Ok(()),
            _ => {
                return Err(Error::new(
                    block.position,
                    "a path block has one label, the path",
                ));
            }
        };
        let place = path.position;
        let template = Template::parse(&path.text).map_err(|malformed| {
            Error::new(
                place,
                match malformed {
                    Malformed::Unbalanced => {
                        "unbalanced braces: a name stands between '{{' and '}}'"
                    }
                    Malformed::MixedWildcards => MIXED,
                },
            )
        })?;
        if let Some(template) = template {
            return self.add_template(template, block, path);
        }
        let Ok(pattern) = Pattern::parse(&path.text) else {
            return Err(Error::new(place, MIXED));
        };
        if !pattern.is_reachable() {
            self.unreachable(path);
        }
        let permission = permission(block.body, &mut self.warnings)?;
        self.rules.push((pattern, permission));
        Ok(())
    }

    fn add_template(
        &mut self,
        template: Template,
        block: &Block<'_>,
        path: &Key,
    ) -> Result<(), Error> {
        if !template.is_reachable() {
            self.unreachable(path);
        }
        if template.names_nothing() {
            self.warnings.push(format!(
                "line {}: nothing has the name between the braces of {:?}, so nobody has this rule",
                path.position.line, path.text
            ));
        }
        let permission = permission(block.body, &mut self.warnings)?;
        self.templates.push((template, permission));
        Ok(())
    }

    fn unreachable(&mut self, path: &Key) {
        self.warnings.push(format!(
            "line {}: no request can match the path {:?}",
            path.position.line, path.text
        ));
    }

    /// Whether rules of it depend on who asks.
    pub(crate) fn is_templated(&self) -> bool {
        !self.templates.is_empty()
    }
}

const MIXED: &str = "a path cannot hold '+*': '+' is a whole segment";

/// Keys of a rule that restrict it, and that are not implemented: to ignore one would allow more
/// than is written.
const UNSUPPORTED: [&str; 5] = [
    "control_group",
    "expiration",
    "list_scan_response_keys_filter_path",
    "mfa_methods",
    "pagination_limit",
];

fn permission(body: &Body, warnings: &mut Vec<String>) -> Result<Permission, Error> {
    if let Some(key) = body
        .entries()
        .iter()
        .map(|entry| &entry.key)
        .find(|key| UNSUPPORTED.contains(&key.text.as_str()))
    {
        return Err(Error::new(
            key.position,
            format!("{} is not supported", key.text),
        ));
    }
    refuse_other_keys(
        body,
        &[
            "allowed_parameters",
            "capabilities",
            "comment",
            "denied_parameters",
            "max_wrapping_ttl",
            "min_wrapping_ttl",
            "policy",
            "required_parameters",
            "subscribe_event_types",
        ],
    )?;
    refuse_blocks(body)?;
    let min_wrapping_ttl = duration(body, "min_wrapping_ttl")?;
    let max_wrapping_ttl = duration(body, "max_wrapping_ttl")?;
    if let (Some(min), Some(max)) = (min_wrapping_ttl, max_wrapping_ttl)
        && max < min
    {
        return Err(Error::new(
            body.position(),
            "max_wrapping_ttl is less than min_wrapping_ttl",
        ));
    }
    let constraints = Constraints {
        allowed: values(body, "allowed_parameters", warnings)?,
        denied: values(body, "denied_parameters", warnings)?,
        required: strings(body, "required_parameters")?
            .iter()
            .map(|(name, _)| name.to_lowercase())
            .collect(),
    };
    Ok(Permission {
        capabilities: capabilities(body)?,
        constraints,
        min_wrapping_ttl,
        max_wrapping_ttl,
        event_types: strings(body, "subscribe_event_types")?
            .iter()
            .map(|(pattern, _)| (*pattern).to_owned())
            .collect(),
    })
}

fn refuse_other_keys(body: &Body, known: &[&str]) -> Result<(), Error> {
    if let Some(Key { position, .. }) = body.unknown(known).next() {
        return Err(Error::new(
            *position,
            format!("unknown key; known are {}", known.join(", ")),
        ));
    }
    Ok(())
}

fn refuse_duplicates(body: &Body) -> Result<(), Error> {
    // Older versions of Vault take the union, which is not what anyone reads.
    if let Some(Key { position, .. }) = body.duplicates().next() {
        return Err(Error::new(*position, "the key is set a second time"));
    }
    Ok(())
}

/// Inside a rule each key stands once, and without a label, however it is written: reading one of
/// two `denied_parameters` would deny less than is written.
fn refuse_blocks(body: &Body) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for entry in body.entries() {
        if let Some(label) = entry.labels.first() {
            return Err(Error::new(
                label.position,
                "expected '=' or '{', found a label",
            ));
        }
        if !seen.insert(entry.key.text.as_str()) {
            return Err(Error::new(
                entry.key.position,
                "the key is set a second time",
            ));
        }
    }
    Ok(())
}

fn capabilities(body: &Body) -> Result<CapabilitySet, Error> {
    let mut set = CapabilitySet::NONE;
    for (word, value) in strings(body, "capabilities")? {
        let capability = Capability::parse(word).ok_or_else(|| {
            let known = Capability::ALL.map(Capability::as_str).join(", ");
            Error::new(
                value.position,
                format!("unknown capability; known are {known}"),
            )
        })?;
        set = set.union(CapabilitySet::from_iter([capability]));
    }
    if let Some(value) = body.attribute("policy") {
        set = set.union(old_policy(value)?);
    }
    Ok(set)
}

/// The word that stood for capabilities before Vault 0.5.
fn old_policy(value: &Value) -> Result<CapabilitySet, Error> {
    use Capability::{Create, Delete, Deny, List, Read, Sudo, Update};
    let capabilities: &[Capability] = match value.string()? {
        "deny" => &[Deny],
        "read" => &[Read, List],
        "write" => &[Create, Read, Update, Delete, List],
        "sudo" => &[Create, Read, Update, Delete, List, Sudo],
        _ => {
            return Err(Error::new(
                value.position,
                "unknown policy; known are deny, read, write, sudo",
            ));
        }
    };
    Ok(capabilities.iter().copied().collect())
}

/// As in Vault, zero means no bound.
fn duration(body: &Body, name: &str) -> Result<Option<Duration>, Error> {
    let duration = body.attribute(name).map(Value::duration).transpose()?;
    Ok(duration.filter(|duration| !duration.is_zero()))
}

fn strings<'a>(body: &'a Body, name: &str) -> Result<Vec<(&'a str, &'a Value)>, Error> {
    let Some(value) = body.attribute(name) else {
        return Ok(Vec::new());
    };
    let items = items(value)?;
    items
        .iter()
        .map(|item| Ok((item.string()?, item)))
        .collect()
}

/// Vault takes a list only; a lone value would hide that more are possible.
fn items(value: &Value) -> Result<&[Value], Error> {
    match &value.kind {
        Kind::List(items) => Ok(items),
        other => Err(Error::new(
            value.position,
            format!("expected a list, found {}", other.noun()),
        )),
    }
}

fn values(body: &Body, name: &str, warnings: &mut Vec<String>) -> Result<Values, Error> {
    let Some(value) = body.attribute(name) else {
        return Ok(Values::new());
    };
    let mut values = Values::new();
    for entry in value.object()?.entries() {
        let literals = items(&entry.value)?
            .iter()
            .map(literal)
            .collect::<Result<Vec<_>, _>>()?;
        if literals
            .iter()
            .any(|literal| matches!(literal, Literal::Text(text) if text == "*"))
        {
            let line = entry.key.position.line;
            warnings.push(format!(
                "line {line}: the value \"*\" is the text \"*\"; an empty list means any value"
            ));
        }
        if values
            .insert(entry.key.text.to_lowercase(), literals)
            .is_some()
        {
            return Err(Error::new(
                entry.key.position,
                "the key is set a second time",
            ));
        }
    }
    Ok(values)
}

fn literal(value: &Value) -> Result<Literal, Error> {
    Ok(match &value.kind {
        Kind::Null => Literal::Null,
        Kind::Bool(value) => Literal::Bool(*value),
        Kind::Number(number) => number
            .integer()
            .map_or(Literal::Float(number.float()), Literal::Integer),
        Kind::Text(text) => Literal::Text(text.clone()),
        Kind::List(items) => Literal::List(items.iter().map(literal).collect::<Result<_, _>>()?),
        Kind::Object(body) => {
            refuse_blocks(body)?;
            let fields = body
                .entries()
                .iter()
                .map(|entry| Ok((entry.key.text.clone(), literal(&entry.value)?)));
            Literal::Object(fields.collect::<Result<_, Error>>()?)
        }
    })
}
