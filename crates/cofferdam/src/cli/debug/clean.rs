//! Nothing is written that looks like a secret.

use cofferdam_detect::redact::Looks;
use cofferdam_detect::{Label, Needles};
use cofferdam_secret::Secret;
use serde_json::Value;

/// What texts pass before they are written.
pub(super) struct Cleaner(Looks);

impl Cleaner {
    /// The caller's own token is known, and masked in any form.
    pub(super) fn new(token: Option<&Secret<String>>) -> Self {
        let mut needles = Needles::for_redaction();
        if let Some(token) = token {
            let bytes = Secret::new(token.expose().as_bytes().to_vec());
            // One value always has room; one that is too weak is no value that could be looked for.
            let _ = needles.add(Label::new("own-token", None, "value"), &bytes);
        }
        Self(Looks::new(needles))
    }

    pub(super) fn text(&self, text: &str) -> String {
        self.0.mask(text)
    }

    /// A line of a log: JSON stays JSON.
    pub(super) fn line(&self, line: &str) -> String {
        match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => self.tree("", value).to_string(),
            _ => self.text(line),
        }
    }

    /// Every text in it, by the name it stands behind.
    pub(super) fn tree(&self, name: &str, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.0.mask_value(name, &text)),
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.tree(name, item))
                .collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, value)| {
                    let value = self.tree(&key, value);
                    (self.text(&key), value)
                })
                .collect(),
            plain => plain,
        }
    }

    /// Whether something got through all the same.
    pub(super) fn finds(&self, text: &str) -> bool {
        self.0.finds(text)
    }
}
