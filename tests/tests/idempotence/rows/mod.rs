//! The endpoints that are written and read, and why others are not.

use serde_json::{Value, json};

/// Method, path and body.
pub(crate) type Step = (&'static str, &'static str, fn() -> Value);

/// One endpoint.
pub(crate) struct Row {
    /// As the lists of both servers name it.
    pub(crate) path: &'static str,
    /// Where it is written here. `|` parts texts, and `@PATH#POINTER` is what is there.
    pub(crate) at: &'static str,
    /// Where it is read.
    pub(crate) read: &'static str,
    /// Which part of what is read.
    pub(crate) below: Option<&'static str>,
    /// What has to be there: method, path, body.
    pub(crate) before: &'static [Step],
    /// A value for every field.
    pub(crate) first: fn() -> Value,
    /// Another one, for those that may change.
    pub(crate) other: fn() -> Value,
    /// Fields that stay as they are, and why.
    pub(crate) fixed: &'static [(&'static str, &'static str)],
    /// Fields without which nothing is written.
    pub(crate) always: &'static [&'static str],
    /// Fields that are read by another name.
    pub(crate) renamed: &'static [(&'static str, &'static str)],
    /// Fields that no reading has, and why.
    pub(crate) hidden: &'static [(&'static str, &'static str)],
    /// Documented fields that are not written here, and why.
    pub(crate) left: &'static [(&'static str, &'static str)],
    /// Pointers to what is different at every look.
    pub(crate) volatile: &'static [&'static str],
    /// It is made once: a second write is refused.
    pub(crate) once: bool,
    /// Why OpenBao has no part in this one.
    pub(crate) alone: Option<&'static str>,
}

const ROW: Row = Row {
    path: "",
    at: "",
    read: "",
    below: None,
    before: &[],
    first: || json!({}),
    other: || json!({}),
    fixed: &[],
    always: &[],
    renamed: &[],
    hidden: &[],
    left: &[],
    volatile: &[],
    once: false,
    alone: None,
};

const OLD: &str =
    "the name of the same before token_ fields: read by both names, written by the new one";
const SECRET: &str = "never shown again";

/// Fields of a role that tokens get, as every method has them.
macro_rules! with_token {
    ($($mine:tt)*) => {
        json!({
            "token_bound_cidrs": ["10.0.0.0/8"], "token_explicit_max_ttl": 7000, "token_max_ttl": 5000,
            "token_no_default_policy": true, "token_num_uses": 7, "token_period": 0,
            "token_policies": ["one", "two"], "token_strictly_bind_ip": false, "token_ttl": 1200,
            "token_type": "service", $($mine)*
        })
    };
}
macro_rules! other_token {
    ($($mine:tt)*) => {
        json!({
            "token_bound_cidrs": ["192.168.0.0/16"], "token_explicit_max_ttl": 8000, "token_max_ttl": 6000,
            "token_no_default_policy": false, "token_num_uses": 9, "token_period": 600,
            "token_policies": ["three"], "token_ttl": 1300,
            "token_type": "default", $($mine)*
        })
    };
}

/// Addresses of the login instead of a list: a role that says so.
macro_rules! strict {
    ($path:literal, $at:literal, $($more:tt)*) => {
        Row {
            path: $path,
            at: $at,
            read: $at,
            first: || json!({"token_strictly_bind_ip": true, $($more)*}),
            once: true,
            ..ROW
        }
    };
}

mod federated;
mod identity;
mod local;
pub(crate) mod only_here;
mod secrets;
mod system;
pub(crate) mod unread;

/// Auth methods that OpenBao has not.
pub(crate) const OURS: &[&str] = &["aws", "docker"];

/// All of them, in the order in which they are done.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [
        local::ROWS,
        federated::ROWS,
        identity::ROWS,
        secrets::ROWS,
        system::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Differences from OpenBao that are meant: row's place, field, reason.
pub(crate) const INTENDED: &[(&str, &str, &str)] = &[
    (
        "auth/approle/role/part/bound-cidr-list",
        "bound_cidr_list",
        "OpenBao reads null, whatever was written",
    ),
    (
        "auth/token/roles/web",
        "explicit_max_ttl",
        "the old name: the same as the new one here, and zero there",
    ),
    (
        "auth/token/roles/web",
        "period",
        "the old name: the same as the new one here, and zero there",
    ),
];
