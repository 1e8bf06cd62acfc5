//! Finds the program before any secret is fetched for it.

use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Why a program cannot be started; the codes are those of shells.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// No file of that name.
    #[error("command not found: {0}")]
    NotFound(String),
    /// A file that may not be executed.
    #[error("not a program this user may run: {0}")]
    NotExecutable(String),
}

impl ProgramError {
    /// 127 and 126.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) => 126,
        }
    }
}

/// The file that `name` means: itself when it has a slash, else the first in `path` (`PATH`).
///
/// # Errors
/// [`ProgramError`].
pub fn resolve(name: &OsStr, path: &OsStr) -> Result<PathBuf, ProgramError> {
    let shown = name.to_string_lossy().into_owned();
    if name.as_bytes().contains(&b'/') {
        let program = PathBuf::from(name);
        return match (program.is_file(), is_executable(&program)) {
            (true, true) => Ok(program),
            (false, _) if !program.exists() => Err(ProgramError::NotFound(shown)),
            _ => Err(ProgramError::NotExecutable(shown)),
        };
    }
    let mut forbidden = false;
    for directory in std::env::split_paths(path) {
        let program = directory.join(name);
        if program.is_file() {
            if is_executable(&program) {
                return Ok(program);
            }
            forbidden = true;
        }
    }
    Err(if forbidden {
        ProgramError::NotExecutable(shown)
    } else {
        ProgramError::NotFound(shown)
    })
}

fn is_executable(program: &Path) -> bool {
    accessat(CWD, program, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let path = OsStr::new("/nowhere:/bin:/usr/bin");
        assert!(resolve(OsStr::new("sh"), path).unwrap().ends_with("sh"));
        assert_eq!(
            resolve(OsStr::new("/bin/sh"), path).unwrap(),
            Path::new("/bin/sh")
        );
        let missing = resolve(OsStr::new("no-such-program"), path).unwrap_err();
        assert_eq!(missing.exit_code(), 127);
        for no_program in ["/etc/passwd", "/etc"] {
            let error = resolve(OsStr::new(no_program), path).unwrap_err();
            assert_eq!(error.exit_code(), 126, "{no_program}");
        }
    }
}
