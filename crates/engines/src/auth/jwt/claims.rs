//! What a role asks of claims, and what it takes from them.

use super::role::Role;
use crate::auth::glob;
use crate::auth::jose::Claims;
use cofferdam_core::Fault;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Groups of one token: more than any directory puts into one.
const MOST_GROUPS: usize = 4_096;

/// Who somebody is, by a token's word and a role's reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Never empty.
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    /// With the role's name.
    pub(super) metadata: BTreeMap<String, String>,
}

/// A claim by its name, or by a JSON pointer (RFC 6901) where the name begins with a slash.
fn claim<'a>(claims: &'a Claims, name: &str) -> Option<Cow<'a, Value>> {
    let found = match name.starts_with('/') {
        true => {
            // The pointer's first part is a member of the whole, which is no `Value`.
            let rest = name.get(1..).unwrap_or_default();
            let (first, below) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let first = first.replace("~1", "/").replace("~0", "~");
            claims.get(&first)?.pointer(below)?
        }
        false => claims.get(name)?,
    };
    match found {
        Value::Null => None,
        // One audience may be a text: whoever compares it means a list.
        Value::String(_) if name == "aud" => Some(Cow::Owned(Value::Array(vec![found.clone()]))),
        other => Some(Cow::Borrowed(other)),
    }
}

/// Holds the claims to the role's.
///
/// # Errors
/// The first claim that is not there, or is another.
pub(super) fn check_bound(role: &Role, claims: &Claims) -> Result<(), Fault> {
    for (name, wanted) in role.bound_claims.iter().flatten() {
        let found = claim(claims, name).ok_or_else(|| {
            Fault::invalid(format!(
                "error validating claims: claim \"{name}\" is missing"
            ))
        })?;
        let found = listed(&found).ok_or_else(|| {
            Fault::invalid(
                "error validating claims: received claim is not a string, bool, int or list",
            )
        })?;
        let wanted = listed(wanted).unwrap_or_default();
        let fits = |wanted: &Value| found.iter().any(|found| equal(wanted, found, role.globs));
        if !wanted.iter().any(fits) {
            return Err(Fault::invalid(format!(
                "error validating claims: claim \"{name}\" does not match any associated bound claim values"
            )));
        }
    }
    Ok(())
}

/// One value, or those of a list.
fn listed(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(list) => Some(list),
        Value::String(_) | Value::Bool(_) | Value::Number(_) => Some(std::slice::from_ref(value)),
        Value::Null | Value::Object(_) => None,
    }
}

fn equal(wanted: &Value, found: &Value, globs: bool) -> bool {
    match (wanted, found) {
        (Value::String(pattern), Value::String(text)) if globs => glob::matches(pattern, text),
        _ if globs => false,
        // 5 and 5.0 are one number in JSON. What is no whole number equals itself.
        (Value::Number(wanted), Value::Number(found)) => {
            wanted == found
                || (wanted.as_f64() == found.as_f64() && wanted.as_f64().is_some_and(is_exact))
        }
        _ => wanted == found,
    }
}

/// Whether a double holds a whole number that it could not have been rounded to.
fn is_exact(number: f64) -> bool {
    number.abs() < 9_007_199_254_740_992.0
}

/// Who it is, by the claims that the role names.
///
/// # Errors
/// When one of them is not there or not a text.
pub(super) fn identify(role: &Role, claims: &Claims) -> Result<Identity, Fault> {
    let user = match role.user_claim_json_pointer {
        true => claim(claims, &role.user_claim),
        false => claims
            .get(&role.user_claim)
            .filter(|value| !value.is_null())
            .map(Cow::Borrowed),
    };
    let user = user.ok_or_else(|| {
        Fault::invalid(format!("claim \"{}\" not found in token", role.user_claim))
    })?;
    let name = user
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            Fault::invalid(format!(
                "claim \"{}\" could not be converted to string",
                role.user_claim
            ))
        })?
        .to_owned();
    let mut metadata = BTreeMap::new();
    for (source, target) in role.claim_mappings.iter().flatten() {
        let Some(value) = claim(claims, source) else {
            continue;
        };
        let text = value.as_str().ok_or_else(|| {
            Fault::invalid(format!("error converting claim '{source}' to string"))
        })?;
        metadata.insert(target.clone(), text.to_owned());
    }
    metadata.insert("role".to_owned(), role.name.clone());
    Ok(Identity {
        name,
        groups: groups(role, claims)?,
        metadata,
    })
}

fn groups(role: &Role, claims: &Claims) -> Result<Vec<String>, Fault> {
    let name = &role.groups_claim;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let found = claim(claims, name).ok_or_else(|| {
        Fault::invalid(format!(
            "failed to fetch groups: \"{name}\" claim not found in token"
        ))
    })?;
    let listed = listed(&found).filter(|list| list.len() <= MOST_GROUPS);
    let listed = listed.ok_or_else(|| {
        Fault::invalid(format!(
            "\"{name}\" claim could not be converted to string list"
        ))
    })?;
    let mut groups = Vec::with_capacity(listed.len());
    for group in listed {
        let group = group.as_str().ok_or_else(|| {
            Fault::invalid("a value in groups claim could not be parsed as string")
        })?;
        if !group.is_empty() {
            groups.push(group.to_owned());
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_pointer_leads_into_a_claim_and_a_name_does_not() {
        let claims =
            of(json!({"a/b": "flat", "a": {"b": "deep", "c~d": [1, "two"]}, "/x": "never"}));
        let text = |name: &str| claim(&claims, name).map(|value| value.to_string());
        assert_eq!(text("a/b").as_deref(), Some("\"flat\""));
        assert_eq!(text("/a/b").as_deref(), Some("\"deep\""));
        assert_eq!(text("/a~1b").as_deref(), Some("\"flat\""));
        assert_eq!(text("/a/c~0d/1").as_deref(), Some("\"two\""));
        assert_eq!(text("/x"), None);
        assert_eq!(text("/a/b/c"), None);
        assert_eq!(text("/"), None);
    }

    #[test]
    fn a_star_is_a_pattern_only_where_the_role_says_so() {
        let check = |globs: bool, wanted: Value, found: Value| {
            let role = Role {
                globs,
                bound_claims: Some(of(json!({"team": wanted}))),
                ..Role::default()
            };
            check_bound(&role, &of(json!({"team": found}))).is_ok()
        };
        assert!(check(true, json!("web-*"), json!("web-1")));
        assert!(!check(false, json!("web-*"), json!("web-1")));
        assert!(check(false, json!("web-*"), json!("web-*")));
        // A star in the token is a character, whatever the role says.
        assert!(!check(true, json!("web-1"), json!("web-*")));
        assert!(!check(true, json!("web-1"), json!("*")));
        assert!(!check(true, json!("*"), json!(5)));
        assert!(check(false, json!([1, "a"]), json!(["b", "a"])));
        assert!(check(false, json!(5), json!(5.0)));
        assert!(!check(false, json!(5), json!(5.5)));
        assert!(!check(false, json!("5"), json!(5)));
        assert!(!check(
            false,
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992.0)
        ));
        assert!(!check(false, json!("a"), json!({"a": "a"})));
        assert!(!check(false, json!("true"), json!(true)));
        assert!(!check(false, json!([]), json!([])));
    }
}
