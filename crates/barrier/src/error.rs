//! What can go wrong at the barrier, sorted by who is at fault.

use crate::keyring::Term;

/// Why the barrier could not do what was asked. Names keys and terms, never content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // The caller's.
    /// The barrier was sealed while this clone of it was still held.
    #[error("sealed")]
    Sealed,
    /// There is no keyring yet.
    #[error("not initialized")]
    NotInitialized,
    /// There is a keyring already.
    #[error("already initialized")]
    AlreadyInitialized,
    /// The root key, or the key that wraps it, is not the right one. Deliberately says no more.
    #[error("wrong key")]
    WrongKey,
    /// Somebody else put another seal in force since the record was read.
    #[error("the seal was changed meanwhile")]
    SealChanged,
    /// A batch names a key outside the view that was asked to commit it.
    #[error("a batch may not leave its view")]
    OutsideView,

    // The seal's.
    /// Shares cannot be made or joined like this.
    #[error(transparent)]
    Share(#[from] crate::seal::shamir::ShareError),
    /// The seal's own key is missing, unreadable or badly protected.
    #[error("seal: {0}")]
    Seal(String),

    // The disk's.
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] cofferdam_store::Error),
    /// A stored value is not what was written there.
    #[error("stored value fails authentication: {0}")]
    Damaged(String),
    /// A stored value was encrypted with a key that is no longer in the keyring.
    #[error("no key for {0}: {1}")]
    UnknownTerm(Term, String),
    /// A stored value has a form that only a newer version writes.
    #[error("stored by a newer version: {0}")]
    NewerFormat(String),

    // The machine's.
    /// The system gave no random numbers.
    #[error("no entropy from the operating system")]
    Entropy,
}

impl Error {
    /// What is wrong is one stored value; others can be read.
    #[must_use]
    pub const fn is_of_one_value(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_) | Self::UnknownTerm(..) | Self::NewerFormat(_)
        )
    }
}
