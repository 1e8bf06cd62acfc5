//! `cofferdam fix`: literal secrets out of files, and what takes their place.
//!
//! Files are changed by byte ranges ([`edit`]): a parser says where a key or a value stands, and
//! nothing else of the text is touched or written anew. [`plan`] reads a Compose project
//! ([`project`], [`tree`], [`env_file`]) and decides; [`dockerfile`] does the same for a Dockerfile;
//! [`diff`] shows it, with every secret masked.
//!
//! Promises: bytes outside of an edit are the same before and after; what cannot be changed safely is
//! named by its line and stays; nothing here opens, writes or runs anything.

mod alone;
pub mod diff;
pub mod dockerfile;
pub mod edit;
mod env_file;
pub mod plan;
pub mod project;
mod shell;
mod tree;
pub mod trial;
mod words;

pub use alone::{dockerfile_alone, is_manifest, kubernetes};
pub use plan::{Change, Found, Image, Left, Options, Outcome, Style, Way, plan};
pub use project::{Open, Unreadable, images};
