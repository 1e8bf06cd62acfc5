//! A secret from the variable `X`, or from the file that `X_FILE` names.
//!
//! For programs that run in containers: `file_env::var("DB_PASSWORD")` is the value wherever the
//! operator put it. The rules are those of the official images' entrypoints, made strict:
//!
//! * `X_FILE` names a file: its content, without **one** newline at its end (`\n` or `\r\n`).
//! * Both `X` and `X_FILE` set: an error, as nobody can know which one was meant.
//! * A file that cannot be read, is empty or is not UTF-8: an error, never an empty value.
//! * A [`Value`] does not print itself; it is overwritten when it is dropped (as far as that can be
//!   done without `unsafe`).
//!
//! No dependencies. Errors name variables and files, never content.
//!
//! ```
//! fn connect() -> Result<(), file_env::Error> {
//!     let password = file_env::var("DB_PASSWORD")?;
//!     let _url = format!("postgres://app:{}@db/app", password.as_str());
//!     Ok(())
//! }
//! # assert!(connect().is_err());
//! ```

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A secret as text. Neither `Debug` nor anything else shows it; [`Value::as_str`] gives it.
#[derive(PartialEq, Eq)]
pub struct Value(Vec<u8>);

/// Why there is no value.
#[derive(Debug)]
pub enum Error {
    /// Neither the variable nor its file is set.
    NotSet {
        /// The variable.
        name: String,
    },
    /// Both are set.
    Both {
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// The variable.
        name: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is nothing in the variable or in the file.
    Empty {
        /// The variable.
        name: String,
    },
    /// It is not UTF-8.
    NotText {
        /// The variable.
        name: String,
    },
}

/// The value of `name`, which has to be there.
///
/// # Errors
/// [`Error`].
pub fn var(name: &str) -> Result<Value, Error> {
    optional(name)?.ok_or_else(|| Error::NotSet { name: name.into() })
}

/// The value of `name`, if the variable or its file is set.
///
/// # Errors
/// [`Error`], but for [`Error::NotSet`].
pub fn optional(name: &str) -> Result<Option<Value>, Error> {
    from(name, |variable| std::env::var_os(variable))
}

/// As [`optional`], with another environment: for tests.
///
/// # Errors
/// As [`optional`].
pub fn from(
    name: &str,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Value>, Error> {
    let owned = || name.to_owned();
    let path = environment(&format!("{name}_FILE")).filter(|path| !path.is_empty());
    let mut content = match (environment(name), path) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(Error::Both { name: owned() }),
        (Some(value), None) => Value(value.into_encoded_bytes()),
        (None, Some(path)) => {
            let read = std::fs::read(&path).map(Value);
            let mut content = read.map_err(|source| Error::Unreadable {
                name: owned(),
                path: path.into(),
                source,
            })?;
            content.strip_newline();
            content
        }
    };
    if content.0.is_empty() {
        return Err(Error::Empty { name: owned() });
    }
    if std::str::from_utf8(&content.0).is_err() {
        content.wipe();
        return Err(Error::NotText { name: owned() });
    }
    Ok(Some(content))
}

impl Value {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Nothing else is ever put in here.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn strip_newline(&mut self) {
        if self.0.last() == Some(&b'\n') {
            self.0.pop();
            if self.0.last() == Some(&b'\r') {
                self.0.pop();
            }
        }
    }

    fn wipe(&mut self) {
        self.0.fill(0);
        // Whoever sees the bytes afterwards keeps the compiler from leaving the loop out.
        std::hint::black_box(&self.0);
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Value(…)")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet { name } => write!(out, "neither {name} nor {name}_FILE is set"),
            Self::Both { name } => write!(out, "both {name} and {name}_FILE are set"),
            Self::Unreadable { name, path, source } => {
                write!(out, "{name}: cannot read {}: {source}", path.display())
            }
            Self::Empty { name } => write!(out, "{name} is empty"),
            Self::NotText { name } => write!(out, "{name} is not UTF-8"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    struct File(PathBuf);

    impl File {
        fn new(name: &str, content: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("file-env-{}-{name}", std::process::id()));
            std::fs::write(&path, content).unwrap();
            Self(path)
        }

        fn read(&self) -> Result<Option<Value>, Error> {
            from("X", |name| {
                (name == "X_FILE").then(|| self.0.clone().into())
            })
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn one_newline_goes_and_nothing_else() {
        for (index, (content, value)) in [
            (&b"x"[..], "x"),
            (b"x\n", "x"),
            (b"x\r\n", "x"),
            (b"x\n\n", "x\n"),
            (b" $a 'b' \"c\"\nd ", " $a 'b' \"c\"\nd "),
        ]
        .into_iter()
        .enumerate()
        {
            let file = File::new(&format!("newline-{index}"), content);
            assert_eq!(file.read().unwrap().unwrap().as_str(), value);
        }
    }

    #[test]
    fn there_is_never_an_empty_value() {
        for (index, content) in [&b""[..], b"\n", b"\r\n"].into_iter().enumerate() {
            let file = File::new(&format!("empty-{index}"), content);
            assert!(matches!(file.read(), Err(Error::Empty { .. })));
        }
        let empty = from("X", |name| (name == "X").then(OsString::new));
        assert!(matches!(empty, Err(Error::Empty { .. })));
        let missing = from("X", |name| (name == "X_FILE").then(|| "/nowhere".into()));
        assert!(matches!(missing, Err(Error::Unreadable { .. })));
        assert!(from("X", |_| None).unwrap().is_none());
        let unset = from("X", |name| (name == "X_FILE").then(OsString::new));
        assert!(unset.unwrap().is_none(), "an empty X_FILE is none");
    }

    #[test]
    fn two_sources_are_refused() {
        let both = from("X", |_| Some("hunter2".into())).unwrap_err();
        assert_eq!(both.to_string(), "both X and X_FILE are set");
    }

    #[test]
    fn a_plain_variable_is_what_it_is() {
        let value = from("X", |name| (name == "X").then(|| "a\n".into()));
        assert_eq!(value.unwrap().unwrap().as_str(), "a\n");
    }

    #[test]
    fn nothing_prints_a_value() {
        let value = from("X", |name| (name == "X").then(|| "hunter2".into()));
        assert_eq!(format!("{value:?}"), "Ok(Some(Value(…)))");
        let bytes = || OsString::from_vec(b"hunter2\xff".to_vec());
        let error = from("X", |name| (name == "X").then(bytes)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
