//! What was lent to what: for the store (`sys/records/build/ID`), and as an in-toto statement.
//!
//! Statement: `github.com/in-toto/attestation`, `spec/v1/statement.md`. The predicate is our own and
//! holds names, paths and version numbers. No value, and no hash of one.

use serde_json::{Map, Value, json};

/// `_type` of a statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// Our predicate.
pub const PREDICATE: &str = "https://github.com/cofferdam/cofferdam/attestations/secrets-lent/v1";

/// A secret that a build was lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentSecret {
    /// The id in the Dockerfile; `ssh:ID` for a key of an agent.
    pub name: String,
    /// Path in the store.
    pub path: String,
    /// Field of the secret, where one was named.
    pub field: Option<String>,
    /// Version that was lent, where the engine has versions.
    pub version: Option<u64>,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// A tag, or `image` for an image without one.
    pub name: String,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// One build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecord {
    /// What was built.
    pub subjects: Vec<Subject>,
    /// What was lent.
    pub secrets: Vec<LentSecret>,
    /// Who built, where.
    pub attributes: Vec<(&'static str, String)>,
}

/// What the store said of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path there.
    pub path: String,
    /// When, RFC 3339.
    pub at: String,
    /// Who, as the server knows the caller.
    pub by: String,
}

impl BuildRecord {
    /// The body of the request that stores it.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({
            "subject": self.subjects(),
            "secrets": self.secrets(),
            "attributes": self.attributes(),
        })
    }

    /// The in-toto statement.
    #[must_use]
    pub fn statement(&self, at: &str, kept: Option<&Kept>) -> Value {
        let mut predicate = json!({
            "secrets": self.secrets(),
            "builder": self.attributes(),
            "builtAt": at,
        });
        if let (Some(kept), Some(predicate)) = (kept, predicate.as_object_mut()) {
            predicate.insert("record".to_owned(), kept.path.clone().into());
            predicate.insert("recordedBy".to_owned(), kept.by.clone().into());
        }
        json!({
            "_type": STATEMENT,
            "subject": self.subjects(),
            "predicateType": PREDICATE,
            "predicate": predicate,
        })
    }

    fn subjects(&self) -> Value {
        let subject =
            |subject: &Subject| json!({"name": subject.name, "digest": {"sha256": subject.sha256}});
        self.subjects.iter().map(subject).collect()
    }

    fn secrets(&self) -> Value {
        let secret = |lent: &LentSecret| {
            let mut secret = Map::new();
            secret.insert("name".to_owned(), lent.name.clone().into());
            secret.insert("path".to_owned(), lent.path.clone().into());
            if let Some(field) = &lent.field {
                secret.insert("field".to_owned(), field.clone().into());
            }
            if let Some(version) = lent.version {
                secret.insert("version".to_owned(), version.into());
            }
            Value::Object(secret)
        };
        self.secrets.iter().map(secret).collect()
    }

    fn attributes(&self) -> Value {
        let pairs = self.attributes.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        Value::Object(pairs.collect())
    }
}
