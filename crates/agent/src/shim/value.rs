//! A file's content as the value of a variable.

use cofferdam_secret::{Buffer, Secret};
use std::io::{self, Read as _};
use std::path::Path;

/// Longest content that is read: what Swarm, BuildKit and our own drivers hand out.
const MAX_FILE: usize = 500 * 1024;

/// Why a file's content is no value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// It cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// There is nothing in it, or nothing but a newline.
    #[error("the file is empty: {path}")]
    Empty {
        /// The file.
        path: String,
    },
    /// A variable ends at its first NUL.
    #[error("a variable cannot hold the NUL byte of {path}")]
    Nul {
        /// The file.
        path: String,
    },
    /// More than a variable can hold.
    #[error("too long for a variable: {path}")]
    TooLong {
        /// The file.
        path: String,
    },
}

/// Reads a file; one newline at its end (`\n` or `\r\n`) is taken away unless it is to be kept.
/// The second result says whether that happened.
///
/// # Errors
/// [`ValueError`].
pub fn read(path: &Path, keep_newline: bool) -> Result<(Secret<Vec<u8>>, bool), ValueError> {
    let shown = path.display().to_string();
    let unreadable = |error: &io::Error| ValueError::Unreadable {
        path: shown.clone(),
        reason: reason(error),
    };
    let content = slurp(path).map_err(|error| unreadable(&error))?;
    let Some(mut content) = content else {
        return Err(ValueError::TooLong { path: shown });
    };
    let stripped = !keep_newline && strip_newline(content.expose_mut());
    if content.is_empty() {
        return Err(ValueError::Empty { path: shown });
    }
    if content.expose().contains(&0) {
        return Err(ValueError::Nul { path: shown });
    }
    Ok((content, stripped))
}

/// The whole file, or nothing when it is too long.
fn slurp(path: &Path) -> io::Result<Option<Secret<Vec<u8>>>> {
    let mut file = std::fs::File::open(path)?;
    let mut collected = Buffer::with_capacity(4096);
    let mut chunk = Secret::new([0_u8; 4096]);
    loop {
        let count = file.read(chunk.expose_mut())?;
        let Some(read) = chunk.expose().get(..count).filter(|read| !read.is_empty()) else {
            return Ok(Some(collected.finish()));
        };
        if collected.len() + count > MAX_FILE {
            return Ok(None);
        }
        collected.push(read);
    }
}

fn strip_newline(content: &mut Vec<u8>) -> bool {
    if content.last() != Some(&b'\n') {
        return false;
    }
    content.pop();
    if content.last() == Some(&b'\r') {
        content.pop();
    }
    true
}

/// The system's reason without "(os error 2)".
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    plain.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8], keep: bool) -> Result<(Vec<u8>, bool), ValueError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read(file.path(), keep).map(|(value, stripped)| (value.expose().clone(), stripped))
    }

    #[test]
    fn one_newline_at_the_end_goes_and_nothing_else() {
        for (content, value, stripped) in [
            (&b"x"[..], &b"x"[..], false),
            (b"x\n", b"x", true),
            (b"x\r\n", b"x", true),
            (b"x\n\n", b"x\n", true),
            (b"\nx y\n", b"\nx y", true),
            (b"a$b\"c'd`e\\f\ng=h", b"a$b\"c'd`e\\f\ng=h", false),
            (b"\xff\xfe", b"\xff\xfe", false),
            (b"x\r", b"x\r", false),
        ] {
            assert_eq!(of(content, false).unwrap(), (value.to_vec(), stripped));
            assert_eq!(of(content, true).unwrap(), (content.to_vec(), false));
        }
    }

    #[test]
    fn what_cannot_be_a_value_is_refused_without_its_content() {
        for content in [&b""[..], b"\n", b"\r\n"] {
            assert!(matches!(of(content, false), Err(ValueError::Empty { .. })));
        }
        for content in [&b"hunter2\0"[..], b"\0", b"hunter2\0hunter3\n"] {
            let error = of(content, false).unwrap_err();
            assert!(matches!(error, ValueError::Nul { .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"));
        }
        let long = vec![b'x'; MAX_FILE + 1];
        assert!(matches!(of(&long, true), Err(ValueError::TooLong { .. })));
        assert!(of(&long[1..], true).is_ok());
        let missing = read(Path::new("/nowhere/at/all"), false).map(drop);
        let text = missing.unwrap_err().to_string();
        assert_eq!(
            text,
            "cannot read /nowhere/at/all: no such file or directory"
        );
        let directory = read(Path::new("/"), false).map(drop).unwrap_err();
        assert_eq!(directory.to_string(), "cannot read /: is a directory");
    }
}
