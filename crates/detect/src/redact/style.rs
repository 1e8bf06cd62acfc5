//! What stands where a value stood.

use crate::label::Label;

/// The field of a secret that has one only; its name says nothing.
const ONLY_FIELD: &str = "value";

/// In every mask of [`Style::redacted`].
pub(super) const REDACTED: &str = "redacted:";

/// What a value is replaced by: a text with the secret's name in it, or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    before: String,
    behind: Option<String>,
}

/// Caller: the text cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StyleError {
    /// It would look as if nothing had stood there, or break the lines of a log.
    #[error("the text in place of a value must not be empty and holds no control characters")]
    Text,
    /// It names two names.
    #[error("the text in place of a value has one {{name}} at most")]
    Twice,
}

impl Default for Style {
    /// `‹secret:NAME›`.
    fn default() -> Self {
        Self {
            before: "‹secret:".to_owned(),
            behind: Some("›".to_owned()),
        }
    }
}

impl Style {
    /// `<secret:NAME>`, for readers who know ASCII only.
    #[must_use]
    pub fn ascii() -> Self {
        Self {
            before: "<secret:".to_owned(),
            behind: Some(">".to_owned()),
        }
    }

    /// `<redacted:NAME>`, for what is masked by its look; rules know it as a placeholder.
    pub(super) fn redacted() -> Self {
        Self {
            before: format!("<{REDACTED}"),
            behind: Some(">".to_owned()),
        }
    }

    /// A text of one's own; `{name}` in it stands for the name.
    ///
    /// # Errors
    /// [`StyleError`].
    pub fn parse(text: &str) -> Result<Self, StyleError> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(StyleError::Text);
        }
        let mut parts = text.split("{name}").map(str::to_owned);
        let style = Self {
            before: parts.next().unwrap_or_default(),
            behind: parts.next(),
        };
        match parts.next() {
            None => Ok(style),
            Some(_) => Err(StyleError::Twice),
        }
    }

    pub(super) fn name(&self, label: &Label) -> String {
        let Some(behind) = &self.behind else {
            return self.before.clone();
        };
        let mut name = label.to_string();
        if label.field == ONLY_FIELD {
            name.truncate(name.len() - ONLY_FIELD.len() - 1);
        }
        // Where the value stood in a JSON string or a quoted word, the name must not end it.
        let harmless = |c: char| match c {
            '"' | '\\' | '\'' | '`' | '$' => '_',
            c if c.is_control() || c.is_whitespace() => '_',
            c => c,
        };
        let name: String = name.chars().map(harmless).collect();
        format!("{}{name}{behind}", self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_end_no_string() {
        let db = Label::new("kv/db", Some(7), "value");
        assert_eq!(Style::default().name(&db), "‹secret:kv/db@7›");
        let field = Label::new("kv/db", Some(7), "user");
        assert_eq!(Style::ascii().name(&field), "<secret:kv/db@7#user>");
        let odd = Label::new("kv/a\"b\\ c\n", None, "value");
        assert_eq!(Style::ascii().name(&odd), "<secret:kv/a_b__c_>");
    }

    #[test]
    fn own_text_has_a_name_or_none() {
        let db = Label::new("kv/db", None, "value");
        assert_eq!(Style::parse("***").unwrap().name(&db), "***");
        assert_eq!(Style::parse("[{name}]").unwrap().name(&db), "[kv/db]");
        assert_eq!(Style::parse(""), Err(StyleError::Text));
        assert_eq!(Style::parse("a\nb"), Err(StyleError::Text));
        assert_eq!(Style::parse("{name}{name}"), Err(StyleError::Twice));
    }
}
