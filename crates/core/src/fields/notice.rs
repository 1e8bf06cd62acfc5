//! What a caller is told of parameters that had no effect, in Vault's words and cases: names that the
//! route does not know, and names that its path decides. Only an answer that says something says it,
//! as in Vault: a refusal and an empty success do not.

use super::{Fields, Form};
use crate::json::Body;
use crate::operation::Verb;
use crate::request::Query;
use std::fmt::Write as _;

/// How many names are told; the rest is counted. Names are the caller's own, and an answer is not the
/// place to keep them.
const MOST: usize = 32;

/// Characters of one name.
const LONGEST: usize = 64;

/// The warnings, which are none for nearly every request: then nothing is allocated.
pub(crate) fn warnings(
    fields: &Fields,
    pattern: &'static str,
    verb: Verb,
    body: &Body,
    query: &Query,
) -> Vec<String> {
    let judged = match verb {
        Verb::Write | Verb::Patch => fields.form == Form::Named,
        // What is free is the body: an address is not.
        Verb::Read | Verb::List | Verb::Scan | Verb::Delete => fields.form != Form::Unsaid,
    };
    if !judged {
        return Vec::new();
    }
    let mut found = Found::default();
    match verb {
        Verb::Write | Verb::Patch if !body.is_empty() => {
            for (name, value) in body.as_raw().fields() {
                if in_path(fields, pattern, |known| name.is(known)) {
                    if !value.is_null() {
                        found.replaced.push(name.decoded().into_owned());
                    }
                } else if !fields.takes(|known| name.is(known))
                    && !fields.query.iter().any(|known| name.is(known))
                {
                    found.unknown.push(name.decoded().into_owned());
                }
            }
        }
        Verb::Read | Verb::List | Verb::Scan | Verb::Delete => {
            for (name, _) in &query.pairs {
                if in_path(fields, pattern, |known| name == known) {
                    found.replaced.push(name.clone());
                } else if !fields.query.contains(&name.as_str())
                    && !fields.takes(|known| name == known)
                {
                    found.unknown.push(name.clone());
                }
            }
        }
        Verb::Write | Verb::Patch => {}
    }
    found.told()
}

/// Whether the path has a value of this name.
fn in_path(fields: &Fields, pattern: &'static str, is: impl Fn(&str) -> bool) -> bool {
    let mut captures = pattern
        .split('/')
        .filter_map(|part| part.strip_prefix([':', '~', '*']));
    captures.any(|name| is(fields.path_name(name)))
}

#[derive(Default)]
struct Found {
    unknown: Vec<String>,
    replaced: Vec<String>,
}

impl Found {
    fn told(mut self) -> Vec<String> {
        let mut out = Vec::new();
        if !self.unknown.is_empty() {
            out.push(format!(
                "Endpoint ignored these unrecognized parameters: {}",
                list(&mut self.unknown)
            ));
        }
        if !self.replaced.is_empty() {
            out.push(format!(
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: {}",
                list(&mut self.replaced)
            ));
        }
        out
    }
}

/// As Go prints a list.
fn list(names: &mut Vec<String>) -> String {
    names.sort_unstable();
    names.dedup();
    let mut out = String::from("[");
    for (at, name) in names.iter().take(MOST).enumerate() {
        if at > 0 {
            out.push(' ');
        }
        match name.char_indices().nth(LONGEST) {
            Some((end, _)) => {
                out.push_str(name.get(..end).unwrap_or_default());
                out.push('…');
            }
            None => out.push_str(name),
        }
    }
    out.push(']');
    if let Some(more @ 1..) = names.len().checked_sub(MOST) {
        let _infallible = write!(out, " and {more} more");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Reader;
    use crate::json::Budget;
    use crate::json::field::Ttl;
    use cofferdam_secret::Secret;
    use serde::Deserialize;
    use serde_json::{Map, Value, json};

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Wanted {
        ttl: Option<Ttl>,
        policies: Option<String>,
    }

    const FIELDS: Fields = Fields::UNSAID
        .reading(Reader::of::<Wanted>())
        .query(&["after"])
        .captured(&[("name", "role_name")])
        .idle(&["spare"]);

    fn body(value: &Value) -> Body {
        let bytes = Secret::new(value.to_string().into_bytes());
        Body::checked(bytes, &Budget::default()).unwrap()
    }

    fn written(fields: &Fields, value: &Value) -> Vec<String> {
        let query = Query::from(vec![("in-the-address".to_owned(), String::new())]);
        warnings(fields, "role/:name", Verb::Write, &body(value), &query)
    }

    #[test]
    fn unknown_and_replaced_names_are_told_in_order_and_values_never() {
        let sent = json!({"zz": "value-1", "ttl": 1, "aa": null, "role_name": "value-2", "name": 1, "spare": 2});
        assert_eq!(
            written(&FIELDS, &sent),
            [
                "Endpoint ignored these unrecognized parameters: [aa name zz]",
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [role_name]",
            ]
        );
        assert!(
            written(
                &FIELDS,
                &json!({"ttl": 1, "policies": "a", "role_name": null})
            )
            .is_empty()
        );
        assert!(written(&FIELDS, &json!({})).is_empty());
    }

    #[test]
    fn a_read_is_judged_by_its_address_and_a_write_by_its_body() {
        let query = |names: &[&str]| {
            let pairs = names
                .iter()
                .map(|name| ((*name).to_owned(), "value".to_owned()));
            Query::from(pairs.collect::<Vec<_>>())
        };
        let read = |names: &[&str]| {
            let body = body(&json!({"in-the-body": 1}));
            warnings(&FIELDS, "role/:name", Verb::List, &body, &query(names))
        };
        assert!(read(&["after", "ttl"]).is_empty());
        assert_eq!(
            read(&["z", "z", "role_name"]),
            [
                "Endpoint ignored these unrecognized parameters: [z]",
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [role_name]",
            ]
        );
    }

    #[test]
    fn free_and_unsaid_forms_are_never_warned_about() {
        for form in [Form::Free, Form::Unsaid] {
            assert!(written(&FIELDS.form(form), &json!({"zz": 1, "role_name": 1})).is_empty());
        }
    }

    #[test]
    fn many_and_long_names_are_cut() {
        let many: Map<String, Value> = (0..40).map(|n| (format!("n{n:02}"), json!(1))).collect();
        let told = written(&FIELDS, &Value::Object(many));
        assert!(told[0].ends_with("n30 n31] and 8 more"), "{told:?}");
        let long = "ü".repeat(70);
        let told = written(&FIELDS, &json!({ long.as_str(): 1 }));
        assert_eq!(
            told,
            [format!(
                "Endpoint ignored these unrecognized parameters: [{}…]",
                "ü".repeat(64)
            )]
        );
    }
}
