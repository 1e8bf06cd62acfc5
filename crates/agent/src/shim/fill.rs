//! Words of a command that stand for a secret: `cofferdam(NAME)`.
//!
//! For programs that take a secret as an argument and in no other way. It keeps the value out of
//! the image, of Compose files and of `docker inspect`; who may see the program's arguments (`ps`
//! inside of the container, root on the host) sees it.

use super::value::{self, ValueError};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

const OPEN: &[u8] = b"cofferdam(";

/// Why a word cannot be filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The file is not there, or is no value.
    #[error("{name}: {source}")]
    Value {
        /// Of the secret.
        name: String,
        /// What is wrong.
        source: ValueError,
    },
    /// No file can have this name.
    #[error("a word has cofferdam(…) with a name that no file can have")]
    Name,
}

/// Puts values where words name them. Each file is looked for in the directories, in their order.
///
/// # Errors
/// [`FillError`].
pub fn fill(
    words: &[OsString],
    directories: &[PathBuf],
    keep_newline: bool,
) -> Result<Vec<OsString>, FillError> {
    words
        .iter()
        .map(|word| fill_word(word, directories, keep_newline))
        .collect()
}

fn fill_word(
    word: &OsStr,
    directories: &[PathBuf],
    keep_newline: bool,
) -> Result<OsString, FillError> {
    let mut out = Vec::new();
    let mut rest = word.as_bytes();
    // What a value holds is not looked into again.
    while let Some(at) = rest.windows(OPEN.len()).position(|part| part == OPEN) {
        let (before, after) = rest.split_at(at);
        let after = after.get(OPEN.len()..).unwrap_or_default();
        let end = after
            .iter()
            .position(|byte| *byte == b')')
            .ok_or(FillError::Name)?;
        let (name, tail) = after.split_at(end);
        let name = std::str::from_utf8(name).map_err(|_| FillError::Name)?;
        let name: crate::FileName = name.parse().map_err(|_| FillError::Name)?;
        let file = directories
            .iter()
            .map(|directory| directory.join(name.as_str()))
            .find(|file| file.exists());
        let file = file.or_else(|| directories.last().map(|last| last.join(name.as_str())));
        let file = file.ok_or(FillError::Name)?;
        let (value, _) = value::read(&file, keep_newline).map_err(|source| FillError::Value {
            name: name.as_str().to_owned(),
            source,
        })?;
        out.extend_from_slice(before);
        out.extend_from_slice(value.expose());
        rest = tail.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_and_values_are_not_looked_into() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("A"), "a cofferdam(B)\n").unwrap();
        std::fs::write(directory.path().join("E"), "").unwrap();
        let directories = [directory.path().to_owned()];
        let of = |word: &str| fill(&[OsString::from(word)], &directories, false);
        assert_eq!(
            of("--p=cofferdam(A)/cofferdam(A)").unwrap(),
            ["--p=a cofferdam(B)/a cofferdam(B)"]
        );
        assert_eq!(of("cofferdam").unwrap(), ["cofferdam"]);
        for wrong in [
            "cofferdam(",
            "cofferdam(../A)",
            "cofferdam()",
            "cofferdam(NONE)",
            "cofferdam(E)",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
