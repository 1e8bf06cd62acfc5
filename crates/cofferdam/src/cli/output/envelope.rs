//! The whole answer as Vault's client prints it.

use super::table::{go_value, human_seconds, map_rows, pairs};
use cofferdam_api::{Auth, Response, Tree, WrapInfo};
use cofferdam_secret::Secret;

/// The envelope, members in Vault's order.
pub(crate) fn envelope(response: &Response) -> Tree {
    let warnings = Some(response.warnings.clone()).filter(|warnings| !warnings.is_empty());
    let mut tree = Tree::map()
        .with("request_id", response.request_id.as_str())
        .with("lease_id", response.lease_id.as_str())
        .with("lease_duration", response.lease_duration)
        .with("renewable", response.renewable)
        .with("data", response.tree())
        .with("warnings", warnings);
    if let Some(auth) = &response.auth {
        tree.insert("auth", auth_tree(auth));
    }
    if let Some(wrap) = &response.wrap_info {
        tree.insert("wrap_info", wrap_tree(wrap));
    }
    tree
}

fn auth_tree(auth: &Auth) -> Tree {
    let metadata = auth.metadata.as_ref().map(|metadata| {
        let members = metadata.iter();
        members.fold(Tree::map(), |map, (key, value)| {
            map.with(key, value.as_str())
        })
    });
    Tree::map()
        .with("client_token", auth.client_token.duplicate())
        .with("accessor", auth.accessor.as_str())
        .with("policies", auth.policies.clone())
        .with("token_policies", auth.token_policies.clone())
        .with("identity_policies", auth.identity_policies.clone())
        .with("metadata", metadata)
        .with("orphan", auth.orphan)
        .with("entity_id", auth.entity_id.as_str())
        .with("lease_duration", auth.lease_duration)
        .with("renewable", auth.renewable)
        .with("mfa_requirement", Tree::Null)
}

fn wrap_tree(wrap: &WrapInfo) -> Tree {
    Tree::map()
        .with("token", wrap.token.duplicate())
        .with("accessor", wrap.accessor.as_str())
        .with("ttl", wrap.ttl)
        .with("creation_time", wrap.creation_time.as_str())
        .with("creation_path", wrap.creation_path.as_str())
        .with("wrapped_accessor", wrap.wrapped_accessor.as_str())
}

/// The answer as a table; empty where it holds nothing.
pub(crate) fn table(response: &Response) -> Secret<String> {
    let mut rows = lease_rows(response);
    if let Some(auth) = &response.auth {
        rows.extend(auth_rows(auth));
    }
    if let Some(wrap) = &response.wrap_info {
        rows.extend(wrap_rows(wrap));
    }
    if let Some(data) = response.tree() {
        rows.extend(map_rows(&data));
    }
    if rows.is_empty() {
        return Secret::new(String::new());
    }
    pairs(rows)
}

type Rows = Vec<(String, Secret<String>)>;

fn row(key: &str, value: impl Into<String>) -> (String, Secret<String>) {
    (key.to_owned(), Secret::new(value.into()))
}

fn lease_rows(response: &Response) -> Rows {
    let duration = u64::try_from(response.lease_duration).unwrap_or_default();
    match (duration, response.lease_id.as_str()) {
        (0, _) => Vec::new(),
        (duration, "") => vec![row("refresh_interval", human_seconds(duration))],
        (duration, lease) => vec![
            row("lease_id", lease),
            row("lease_duration", human_seconds(duration)),
            row("lease_renewable", response.renewable.to_string()),
        ],
    }
}

fn auth_rows(auth: &Auth) -> Rows {
    let duration = match auth.lease_duration {
        0 => "\u{221e}".to_owned(),
        seconds => human_seconds(seconds),
    };
    let mut rows = vec![
        ("token".to_owned(), auth.client_token.duplicate()),
        row("token_accessor", auth.accessor.as_str()),
        row("token_duration", duration),
        row("token_renewable", auth.renewable.to_string()),
        row("token_policies", quoted(auth.token_policies.as_deref())),
        row(
            "identity_policies",
            quoted(auth.identity_policies.as_deref()),
        ),
        row("policies", quoted(auth.policies.as_deref())),
    ];
    let metadata = auth.metadata.iter().flatten();
    rows.extend(metadata.map(|(key, value)| row(&format!("token_meta_{key}"), value.as_str())));
    rows
}

fn wrap_rows(wrap: &WrapInfo) -> Rows {
    let mut rows = vec![
        ("wrapping_token:".to_owned(), wrap.token.duplicate()),
        row("wrapping_accessor:", wrap.accessor.as_str()),
        row("wrapping_token_ttl:", human_seconds(wrap.ttl)),
        row(
            "wrapping_token_creation_time:",
            go_time(&wrap.creation_time),
        ),
        row("wrapping_token_creation_path:", wrap.creation_path.as_str()),
    ];
    if !wrap.wrapped_accessor.is_empty() {
        rows.push(row("wrapped_accessor:", wrap.wrapped_accessor.as_str()));
    }
    rows
}

/// How Go prints a list of strings with `%q`.
fn quoted(items: Option<&[String]>) -> String {
    let items = items
        .unwrap_or_default()
        .iter()
        .map(|item| format!("{item:?}"));
    format!("[{}]", items.collect::<Vec<_>>().join(" "))
}

/// How Go prints a time that was written in UTC.
fn go_time(rfc3339: &str) -> String {
    match rfc3339.strip_suffix('Z') {
        Some(time) => format!("{} +0000 UTC", time.replace('T', " ")),
        None => rfc3339.to_owned(),
    }
}

/// One member of the answer by the name that `-field` takes: the token's and the wrapping's own
/// names, else a member of `data`.
pub(crate) fn field(response: &Response, name: &str) -> Option<Tree> {
    let from_wrap = response.wrap_info.as_ref().and_then(|wrap| match name {
        "wrapping_token" => Some(Tree::from(wrap.token.duplicate())),
        "wrapping_accessor" => Some(Tree::from(wrap.accessor.as_str())),
        "wrapping_token_ttl" => Some(Tree::from(wrap.ttl)),
        "wrapping_token_creation_time" => Some(Tree::from(go_time(&wrap.creation_time))),
        "wrapping_token_creation_path" => Some(Tree::from(wrap.creation_path.as_str())),
        "wrapped_accessor" => Some(Tree::from(wrap.wrapped_accessor.as_str())),
        _ => None,
    });
    let from_auth = response.auth.as_ref().and_then(|auth| match name {
        "token" => Some(Tree::from(auth.client_token.duplicate())),
        "token_accessor" => Some(Tree::from(auth.accessor.as_str())),
        "token_duration" => Some(Tree::from(auth.lease_duration)),
        "token_renewable" => Some(Tree::from(auth.renewable)),
        "token_policies" => Some(Tree::from(auth.token_policies.clone().unwrap_or_default())),
        "identity_policies" => Some(Tree::from(
            auth.identity_policies.clone().unwrap_or_default(),
        )),
        "policies" => Some(Tree::from(auth.policies.clone().unwrap_or_default())),
        _ => None,
    });
    let from_lease = match name {
        "refresh_interval" | "lease_duration" => Some(Tree::from(response.lease_duration)),
        "lease_id" => Some(Tree::from(response.lease_id.as_str())),
        "lease_renewable" => Some(Tree::from(response.renewable)),
        _ => None,
    };
    let from_data = || match (response.tree(), name) {
        (data, "data") if !has(data.as_ref(), "data") => data,
        (Some(mut data), name) => data.take(name),
        (None, _) => None,
    };
    from_wrap.or(from_auth).or_else(from_data).or(from_lease)
}

fn has(data: Option<&Tree>, name: &str) -> bool {
    data.is_some_and(|data| data.get(name).is_some())
}

/// A value of a member as text, for tables that pick a few members.
pub(crate) fn shown(data: &Tree, name: &str) -> Secret<String> {
    data.get(name)
        .map_or_else(|| Secret::new(String::new()), go_value)
}
