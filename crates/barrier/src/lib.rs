//! Encryption of everything stored: seals, keyring, authenticated encryption.
//!
//! The barrier is the only room that holds encryption keys. Above it everything is plaintext in
//! [`Secret`](cofferdam_secret::Secret), below it everything is ciphertext. It knows no tokens, no
//! policies and no HTTP.
//!
//! What it promises:
//!
//! 1. A [`Barrier<Sealed>`](Barrier) has no method that reads or writes: sealed is a type.
//! 2. Every value is AES-256-GCM (NIST SP 800-38D) with its full key as associated data: a value
//!    moved to another key does not open.
//! 3. No key encrypts more than [`Limits::bound`] values under random nonces; the barrier rotates
//!    to a new term by itself before that, counted in the store and thus over all replicas.
//! 4. Sealing drops the keys of every clone and view of this process at once.
//!
//! What must not compile, each beside the nearest thing that must:
//!
//! ```
//! # use cofferdam_barrier::{Barrier, Unsealed};
//! async fn read(barrier: Barrier<Unsealed>) {
//!     let _ = barrier.get("secret").await;
//! }
//! ```
//! A sealed barrier has nothing to read with:
//! ```compile_fail,E0599
//! # use cofferdam_barrier::{Barrier, Sealed};
//! async fn read(barrier: Barrier<Sealed>) {
//!     let _ = barrier.get("secret").await;
//! }
//! ```
//! Sealing takes the open barrier away:
//! ```compile_fail,E0382
//! # use cofferdam_barrier::{Barrier, Unsealed};
//! async fn read(barrier: Barrier<Unsealed>) {
//!     let _sealed = barrier.seal();
//!     let _ = barrier.get("secret").await;
//! }
//! ```
//! Nobody else can invent a state:
//! ```compile_fail,E0277
//! struct Ajar;
//! impl cofferdam_barrier::State for Ajar {}
//! ```
//! And a root key cannot be printed:
//! ```compile_fail,E0277
//! fn print(root: &cofferdam_barrier::RootKey) -> String {
//!     format!("{root:?}")
//! }
//! ```
//!
//! The stored forms are in `docs/adr/0003-barrier-format.md`. Start reading at [`Barrier`].

mod aead;
mod barrier;
mod batch;
mod enclosure;
mod error;
mod keyring;
mod listing;
pub mod seal;
mod usage;
mod view;
mod watch;

pub use barrier::{Barrier, Opened, OpenedPage, Sealed, State, Unsealed};
pub use batch::Batch;
pub use cofferdam_store::leadership::{Leadership, Lost};
pub use cofferdam_store::{Commit, Revision};
pub use error::Error;
pub use keyring::{RootKey, Term};
pub use listing::Names;
pub use usage::Limits;
pub use view::View;
pub use watch::{KeyEvent, KeyWatch};
