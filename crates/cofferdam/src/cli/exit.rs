//! Exit codes, typed.

use std::process::ExitCode;

/// How a command ended, as Vault's commands do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Success,
    /// 1: the caller's side: usage, files, no connection to try.
    Local,
    /// 2: the server refused, is sealed or cannot be reached.
    Server,
    /// A child's exit code, or the typed code of a command with its own table.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Local => 1,
            Exit::Server => 2,
            Exit::Code(code) => code,
        })
    }
}
