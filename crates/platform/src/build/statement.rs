//! A build's record as an in-toto statement.
//!
//! Statement: `github.com/in-toto/attestation`, `spec/v1/statement.md`. The predicate is our own and
//! holds names, paths and version numbers. No value, and no hash of one.

use crate::record::{Kept, Record};
use serde_json::{Value, json};

/// `_type` of a statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// Our predicate.
pub const PREDICATE: &str = "https://github.com/cofferdam/cofferdam/attestations/secrets-lent/v1";

/// The statement of a build; `kept` where a server has it too.
#[must_use]
pub fn statement(record: &Record, at: &str, kept: Option<&Kept>) -> Value {
    let mut predicate = json!({
        "secrets": record.secrets,
        "builder": record.attributes(),
        "builtAt": at,
    });
    if let (Some(kept), Some(predicate)) = (kept, predicate.as_object_mut()) {
        predicate.insert("record".to_owned(), kept.path.clone().into());
        predicate.insert("recordedBy".to_owned(), kept.by.clone().into());
    }
    json!({
        "_type": STATEMENT,
        "subject": record.subjects(),
        "predicateType": PREDICATE,
        "predicate": predicate,
    })
}
