//! redb's errors and panics, as the contract's errors.

use crate::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Why something in redb did not work.
#[derive(Debug)]
pub(super) enum Fault {
    /// What is on disk is not what was written.
    Damaged(&'static str),
    /// Somebody else has it open.
    InUse,
    /// Input or output failed.
    Io(String),
}

impl Fault {
    pub(super) fn at(self, path: &Path) -> Error {
        let path = path.display();
        match self {
            Self::Damaged(how) => Error::Damaged(format!("{path} ({how})")),
            Self::InUse => Error::Unavailable(format!("{path} is in use by another process")),
            Self::Io(how) => Error::Failed(format!("{path}: {how}")),
        }
    }
}

/// Runs `work`; a panic in it becomes [`Error::Damaged`].
///
/// Everything redb holds behind the panic is either poisoned or copy-on-write, so nothing
/// half-changed can be read or committed afterwards.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|fault| fault.at(path)),
        Err(_) => Err(Fault::Damaged("reading it went wrong").at(path)),
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            // redb's own text may quote what it found; a fixed one may not.
            redb::Error::Corrupted(_) => Self::Damaged("a checksum or structure is wrong"),
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::UpgradeRequired(_) => Self::Damaged("unknown file format"),
            redb::Error::Io(error) => match error.kind() {
                std::io::ErrorKind::InvalidData => Self::Damaged("not a store file"),
                std::io::ErrorKind::UnexpectedEof => Self::Damaged("it is cut off"),
                _ => Self::Io(error.to_string()),
            },
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                Self::Io("an earlier write failed".to_owned())
            }
            redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_)
            | redb::Error::TableDoesNotExist(_) => Self::Damaged("its tables are not a store's"),
            redb::Error::LockPoisoned(_) => Self::Damaged("reading it went wrong"),
            other => Self::Io(other.to_string()),
        }
    }
}

macro_rules! through_redb_error {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Fault {
            fn from(error: $kind) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

through_redb_error!(
    redb::CommitError,
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);
