//! Conditions on what a request carries: `allowed_parameters`, `denied_parameters`,
//! `required_parameters`.
//!
//! Names in a rule are matched without regard to case. An empty list of values means any value.
//! Text may begin or end with `*`; a lone `*` is text, as in Vault. Numbers are compared as
//! numbers (in Vault they never match).

use crate::json::{OwnedRaw, Raw, Token, Tokens};
use cofferdam_secret::Secret;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// What policy needs to know of a request beside path and operation.
#[derive(Clone, Copy, Default)]
pub struct ParameterFacts<'a> {
    /// What the request carries.
    pub parameters: Parameters<'a>,
    /// The wrapping TTL that was asked for.
    pub wrap_ttl: Option<Duration>,
}

/// A request's fields. They are looked at only if a rule restricts them, and not copied.
#[derive(Clone, Copy, Default)]
pub enum Parameters<'a> {
    /// None at all.
    #[default]
    None,
    /// The fields of a body.
    Body(Raw<'a>),
    /// The query of a request without a body.
    Query(&'a [(String, String)]),
    /// Both: an engine may take a parameter from either, so each is held to the rule.
    Both(Raw<'a>, &'a [(String, String)]),
}

/// The value of a field.
#[derive(Clone, Copy)]
enum Given<'a> {
    Json(Raw<'a>),
    Text(&'a str),
}

impl Parameters<'_> {
    /// Asks about each field until the answer is no.
    fn all(self, mut ask: impl FnMut(&str, Given<'_>) -> bool) -> bool {
        match self {
            Parameters::None => true,
            Parameters::Body(body) => of_body(body, &mut ask),
            Parameters::Query(query) => of_query(query, &mut ask),
            Parameters::Both(body, query) => of_body(body, &mut ask) && of_query(query, &mut ask),
        }
    }
}

fn of_body(body: Raw<'_>, ask: &mut impl FnMut(&str, Given<'_>) -> bool) -> bool {
    body.fields()
        .all(|(name, value)| ask(&name.decoded(), Given::Json(value)))
}

fn of_query(query: &[(String, String)], ask: &mut impl FnMut(&str, Given<'_>) -> bool) -> bool {
    query
        .iter()
        .all(|(name, value)| ask(name, Given::Text(value)))
}

/// A value in a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Literal>),
    Object(BTreeMap<String, Literal>),
}

impl Literal {
    fn matches(&self, given: Given<'_>) -> bool {
        match (self, given) {
            (Literal::Text(pattern), Given::Text(text)) => glob(pattern, text),
            (Literal::Text(pattern), Given::Json(raw)) => {
                with_text(raw, |text| glob(pattern, text))
            }
            (_, Given::Text(_)) => false,
            (_, Given::Json(raw)) => self.equals(raw),
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "an integer and a float are equal if they are as floats"
    )]
    /// Wildcards count at the top only; inside lists and objects text is text.
    fn equals(&self, raw: Raw<'_>) -> bool {
        match self {
            Literal::Null => raw.is_null(),
            Literal::Bool(value) => raw.as_str() == if *value { "true" } else { "false" },
            Literal::Integer(value) => equal_numbers(raw, Some(*value), *value as f64),
            Literal::Float(value) => equal_numbers(raw, None, *value),
            Literal::Text(text) => with_text(raw, |given| given == text),
            Literal::List(literals) => raw.parse::<Vec<OwnedRaw>>().is_ok_and(|items| {
                items.len() == literals.len()
                    && literals
                        .iter()
                        .zip(&items)
                        .all(|(literal, item)| literal.equals(item.as_raw()))
            }),
            Literal::Object(fields) => {
                raw.is_object()
                    && raw.fields().count() == fields.len()
                    && raw.fields().all(|(name, value)| {
                        fields
                            .get(name.decoded().as_ref())
                            .is_some_and(|literal| literal.equals(value))
                    })
            }
        }
    }
}

fn with_text(raw: Raw<'_>, ask: impl Fn(&str) -> bool) -> bool {
    match Tokens::new(raw.as_str(), 1).next() {
        Ok(Some(Token::String(text))) => match text.decoded() {
            Cow::Borrowed(text) => ask(text),
            // What a client sent may be a secret: the decoded copy is wiped.
            Cow::Owned(text) => ask(Secret::new(text).expose()),
        },
        _ => false,
    }
}

/// Integers exactly; an integer and a float if they are equal as floats.
fn equal_numbers(raw: Raw<'_>, integer: Option<i64>, float: f64) -> bool {
    match (raw.as_str().parse::<i64>(), integer) {
        (Ok(given), Some(integer)) => given == integer,
        _ => raw
            .as_str()
            .parse::<f64>()
            .is_ok_and(|given| given == float),
    }
}

/// `*x`, `x*` and `*x*`.
fn glob(pattern: &str, text: &str) -> bool {
    if pattern.len() < 2 {
        return pattern == text;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

/// Field names in lower case with the values they may (not) have; an empty list means any.
pub(super) type Values = BTreeMap<String, Vec<Literal>>;

/// The conditions of a rule, or of several that were merged. Empty means no condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Constraints {
    pub(super) allowed: Values,
    pub(super) denied: Values,
    /// In lower case.
    pub(super) required: Vec<String>,
}

impl Constraints {
    pub(super) fn merge(&mut self, other: &Constraints) {
        merge_values(&mut self.allowed, &other.allowed);
        merge_values(&mut self.denied, &other.denied);
        for name in &other.required {
            if !self.required.contains(name) {
                self.required.push(name.clone());
            }
        }
    }

    pub(super) fn allow(&self, parameters: Parameters<'_>) -> bool {
        if self.allowed.is_empty() && self.denied.is_empty() && self.required.is_empty() {
            return true;
        }
        let mut missing: Vec<&str> = self.required.iter().map(String::as_str).collect();
        let allowed = parameters.all(|name, value| {
            // As in Vault, the name of a required field is taken literally.
            missing.retain(|required| *required != name);
            self.allows_one(&name.to_lowercase(), value)
        });
        allowed && missing.is_empty()
    }

    fn allows_one(&self, name: &str, given: Given<'_>) -> bool {
        let listed = |values: &[Literal]| {
            values.is_empty() || values.iter().any(|literal| literal.matches(given))
        };
        if self.denied.contains_key("*")
            || self.denied.get(name).is_some_and(|values| listed(values))
        {
            return false;
        }
        match self.allowed.get(name) {
            // A lone `"*"` allows everything, whatever its values.
            Some(_) if name == "*" && self.allowed.len() == 1 => true,
            Some(values) => listed(values),
            None => self.allowed.is_empty() || self.allowed.contains_key("*"),
        }
    }
}

fn merge_values(all: &mut Values, more: &Values) {
    for (name, values) in more {
        match all.get_mut(name) {
            None => {
                all.insert(name.clone(), values.clone());
            }
            Some(known) if known.is_empty() => {}
            Some(known) if values.is_empty() => known.clear(),
            Some(known) => known.extend(values.iter().cloned()),
        }
    }
}
