//! A service account, as its token tells of it.
//!
//! Tokens that pods get today (projected ones) have a claim `kubernetes.io` with an object; those that
//! lie in secrets have one claim each with a long name.

use crate::auth::jose::Claims;
use serde_json::Value;

/// Who a token says it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// The secret with the token, of those that lie in one.
    pub(super) secret: String,
}

impl Account {
    pub(super) fn of(claims: &Claims) -> Self {
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let long = |name: &str| text(claims.get(&format!("kubernetes.io/serviceaccount/{name}")));
        let secret = long("secret.name");
        let Some(projected) = claims
            .get("kubernetes.io")
            .filter(|value| value.is_object())
        else {
            return Self {
                namespace: long("namespace"),
                name: long("service-account.name"),
                uid: long("service-account.uid"),
                secret,
            };
        };
        let account = |field: &str| {
            text(
                projected
                    .get("serviceaccount")
                    .and_then(|account| account.get(field)),
            )
        };
        Self {
            namespace: text(projected.get("namespace")),
            name: account("name"),
            uid: account("uid"),
            secret,
        }
    }

    /// Whether the token names somebody at all.
    pub(super) fn is_whole(&self) -> bool {
        ![&self.namespace, &self.name, &self.uid]
            .iter()
            .any(|text| text.is_empty())
    }

    /// Whether they are the same account; in which secret the token lies is not asked.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.namespace, &self.name, &self.uid) == (&other.namespace, &other.name, &other.uid)
    }
}
