//! How one value is named: `cd://MOUNT/PATH#field@version`, or `se://ID` as Docker names it.

use crate::secrets_engine;
use std::fmt;
use std::str::FromStr;

/// Longest reference that is looked at.
const MAX_LENGTH: usize = 4096;

/// Names one value in the store. Holds no value, so it may be printed.
///
/// Text form: `cd://secret/app/DB_PASSWORD#value@3`; the scheme, `#field` and `@version` are
/// optional. The path is mount and name joined; only the server knows where one ends.
///
/// `se://ID` is Docker's form: the host's secrets engine is asked where there is one, else it is
/// `secret/se/ID` in our own store. With `*` in it (a pattern) only an engine can answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    path: String,
    field: Option<String>,
    version: Option<u64>,
    /// Named as `se://`.
    engine: bool,
}

/// A reference that names nothing. The text itself is not repeated: somebody may have pasted a
/// value where a reference belongs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Empty, too long, or with controls.
    #[error("not a reference of the form cd://MOUNT/PATH#field@version")]
    Form,
    /// Empty, `.` or `..` as a part of the path.
    #[error("a reference's path must not have empty, \".\" or \"..\" parts")]
    Path,
    /// `#` with nothing after it.
    #[error("a reference has \"#\" without a field")]
    Field,
    /// Version 0 or one that does not fit.
    #[error("a reference's version is a number from 1 up")]
    Version,
    /// `se://` with something that is no id.
    #[error("not a reference of the form se://ID")]
    Engine,
    /// A pattern, and nobody to ask.
    #[error("se://{0}: only Docker's secrets engine knows patterns, and none runs here")]
    Pattern(String),
    /// The secret has several fields (or none) and the reference does not choose.
    #[error("{path} has {} fields and none is called \"value\": name one as {path}#FIELD", .fields.len())]
    Ambiguous {
        /// Where.
        path: String,
        /// Which there are.
        fields: Vec<String>,
    },
    /// The field that was named is not there.
    #[error("no field \"{field}\" at {path}")]
    NoField {
        /// Where.
        path: String,
        /// Which.
        field: String,
    },
}

impl Reference {
    /// A reference to the newest version of `path`, with the field left open.
    ///
    /// # Errors
    /// [`ReferenceError`] when `path` is no path.
    pub fn new(path: &str) -> Result<Self, ReferenceError> {
        Ok(Self {
            path: checked_path(path)?,
            field: None,
            version: None,
            engine: false,
        })
    }

    /// The same with a field.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same with another version, or with the newest.
    #[must_use]
    pub const fn with_version(mut self, version: Option<u64>) -> Self {
        self.version = version;
        self
    }

    /// Mount and name, joined with slashes, without a slash at either end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The id that Docker's secrets engine is asked for, where it was named as `se://`.
    #[must_use]
    pub fn engine_id(&self) -> Option<&str> {
        let id = self.path.strip_prefix(secrets_engine::PLACE)?;
        self.engine.then(|| id.trim_start_matches('/'))
    }

    /// The last part of the path: what a file or variable is called by default.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The field that was asked for.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The version that was asked for; without one it is the newest.
    #[must_use]
    pub const fn version(&self) -> Option<u64> {
        self.version
    }
}

impl Reference {
    fn of_engine(id: &str) -> Result<Self, ReferenceError> {
        if !secrets_engine::is_pattern(id) {
            return Err(ReferenceError::Engine);
        }
        Ok(Self {
            path: format!("{}/{id}", secrets_engine::PLACE),
            field: None,
            version: None,
            engine: true,
        })
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let illegal = |c: char| c.is_control() || c.is_whitespace();
        if text.len() > MAX_LENGTH || text.chars().any(illegal) {
            return Err(ReferenceError::Form);
        }
        let text = match text.split_once("://") {
            Some(("cd", rest)) => rest,
            Some(("se", id)) => return Self::of_engine(id),
            Some(_) => return Err(ReferenceError::Form),
            None => text,
        };
        // A version is `@` and digits at the very end; an `@` elsewhere belongs to the name.
        let (text, version) = match text.rsplit_once('@') {
            Some((before, digits))
                if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                let version = digits.parse().ok().filter(|version| *version > 0);
                (before, Some(version.ok_or(ReferenceError::Version)?))
            }
            _ => (text, None),
        };
        let (path, field) = match text.split_once('#') {
            Some((_, "")) => return Err(ReferenceError::Field),
            Some((path, field)) => (path, Some(field.to_owned())),
            None => (text, None),
        };
        Ok(Self {
            path: checked_path(path)?,
            field,
            version,
            engine: false,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.engine_id() {
            return write!(out, "se://{id}");
        }
        write!(out, "cd://{}", self.path)?;
        if let Some(field) = &self.field {
            write!(out, "#{field}")?;
        }
        if let Some(version) = self.version {
            write!(out, "@{version}")?;
        }
        Ok(())
    }
}

fn checked_path(path: &str) -> Result<String, ReferenceError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() || path.chars().any(char::is_control) {
        return Err(ReferenceError::Form);
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(ReferenceError::Path);
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (String, Option<String>, Option<u64>) {
        let reference: Reference = text.parse().unwrap();
        (reference.path, reference.field, reference.version)
    }

    #[test]
    fn every_part_but_the_path_is_optional() {
        assert_eq!(parts("secret/app/A"), ("secret/app/A".into(), None, None));
        assert_eq!(parts("cd://secret/a"), ("secret/a".into(), None, None));
        assert_eq!(
            parts("cd://secret/a#f@7"),
            ("secret/a".into(), Some("f".into()), Some(7))
        );
        assert_eq!(parts("secret/a@7"), ("secret/a".into(), None, Some(7)));
        assert_eq!(
            parts("secret/me@home#f"),
            ("secret/me@home".into(), Some("f".into()), None)
        );
    }

    #[test]
    fn dockers_form_is_an_id_and_a_place_in_our_store() {
        let reference: Reference = "se://app/db".parse().unwrap();
        assert_eq!(reference.engine_id(), Some("app/db"));
        assert_eq!(reference.path(), "secret/se/app/db");
        assert_eq!(reference.name(), "db");
        assert_eq!(reference.to_string(), "se://app/db");
        assert_eq!(
            "secret/se/app".parse::<Reference>().unwrap().engine_id(),
            None
        );
        for bad in [
            "se://",
            "se:///a",
            "se://a b",
            "se://a#f",
            "se://a/../b",
            "se://x*",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_without_being_repeated() {
        for text in [
            "",
            "op://vault/item",
            "a//b",
            "a/../b",
            "a#",
            "a@0",
            "a b",
            "cd://",
            "a\u{7}b",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
        let error = "hunter2 hunter2".parse::<Reference>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(
            path in "[a-zA-Z0-9_.-]{1,8}(/[a-zA-Z0-9_-]{1,8}){1,3}",
            field in proptest::option::of("[a-zA-Z0-9_.-]{1,8}"),
            version in proptest::option::of(1_u64..),
        ) {
            prop_assume!(path.split('/').all(|part| part != "." && part != ".."));
            let reference = Reference { path, field, version, engine: false };
            prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
        }
    }
}
