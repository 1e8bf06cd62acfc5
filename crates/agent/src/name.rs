//! What a delivered file may be called.

use std::fmt;
use std::str::FromStr;

/// Longest name; a Linux file name holds 255 bytes.
const MAX_LENGTH: usize = 200;

/// Name of one delivered file: letters, digits, `_`, `-` and `.`, and not a dot first.
///
/// A name of this type is one path segment, cannot hide among the sink's own temporary names
/// (those begin with a dot) and needs no quoting in a mount option or an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

/// A text that is no file name. The text is not repeated: it may be a value in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a file name: use 1 to 200 letters, digits, \"_\", \"-\" or \".\", and no \".\" first")]
pub struct NameError;

impl FileName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The variable that tells a process where the file is: `NAME_FILE`.
    ///
    /// What no variable name can hold becomes `_`.
    #[must_use]
    pub fn file_variable(&self) -> String {
        let fits = |c: char| {
            if c.is_ascii_alphanumeric() { c } else { '_' }
        };
        let name: String = self.0.chars().map(fits).collect();
        let digit_first = name.starts_with(|c: char| c.is_ascii_digit());
        format!("{}{name}_FILE", if digit_first { "_" } else { "" })
    }
}

impl FromStr for FileName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let first = text.bytes().next().ok_or(NameError)?;
        if first == b'.' || first == b'-' || text.len() > MAX_LENGTH || !text.bytes().all(legal) {
            return Err(NameError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        let long = "x".repeat(201);
        for bad in [
            "", ".", "..", ".hidden", "..data", "a/b", "/a", "../a", "a\0b", "a b", "-rf", "a\n",
            "\u{ff0e}", "a\\b", &long,
        ] {
            assert_eq!(FileName::from_str(bad), Err(NameError), "{bad:?}");
        }
        for good in ["a", "DB_PASSWORD", "tls.key", "0", "a..b", "_x"] {
            assert_eq!(FileName::from_str(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn variables_are_shell_identifiers() {
        for (name, variable) in [
            ("DB_PASSWORD", "DB_PASSWORD_FILE"),
            ("tls.key", "tls_key_FILE"),
            ("1password", "_1password_FILE"),
        ] {
            assert_eq!(FileName::from_str(name).unwrap().file_variable(), variable);
        }
    }
}
