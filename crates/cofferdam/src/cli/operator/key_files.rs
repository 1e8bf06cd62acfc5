//! Files with the public OpenPGP keys of people.
//!
//! What is in them is judged by the server, with its clock, or here where there is none yet. A private
//! key never leaves this process.

use super::super::{Failure, input};
use crate::daemon::initialize::Holder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_api::Tree;
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_openpgp::{Recipient, Refused};
use std::io::Read as _;

/// The longest file that is read.
const LONGEST: u64 = 1024 * 1024;

/// The keys in files that are named with commas between, as the server takes them.
pub(crate) fn keys(files: &str) -> Result<Tree, Failure> {
    let keys: Result<_, _> = files.split(',').map(key).collect();
    keys.map(Tree::List)
}

/// The one key in a file.
pub(crate) fn key(file: &str) -> Result<Tree, Failure> {
    binary(file.trim()).map(|key| Tree::from(STANDARD.encode(key)))
}

/// The owners of the keys in files that are named with commas between, judged here: for a server that
/// is not started unless they are good.
pub(crate) fn holders(files: &str) -> Result<Vec<Holder>, Failure> {
    let now = WallClock.now().seconds();
    let holder = |file: &str| {
        let file = file.trim();
        let key = binary(file)?;
        let recipient = Recipient::from_binary(&key, now).map_err(|why| refused(file, why))?;
        Ok(Holder {
            key: STANDARD.encode(key),
            fingerprint: recipient.fingerprint(),
        })
    };
    files.split(',').map(holder).collect()
}

fn binary(file: &str) -> Result<Vec<u8>, Failure> {
    if file.starts_with("keybase:") {
        return Err(Failure::usage(
            "a key of Keybase is not fetched: whose it is would be for Keybase to say",
        )
        .hint("get it from its owner, in a file: gpg --export KEY > key.gpg"));
    }
    let file = file.strip_prefix('@').unwrap_or(file);
    if file.is_empty() {
        return Err(Failure::usage("a file with a public key has no name")
            .hint("name one file for each share: -pgp-keys=a.gpg,b.gpg"));
    }
    cofferdam_openpgp::binary(&read(file)?).map_err(|why| refused(file, why))
}

fn refused(file: &str, why: Refused) -> Failure {
    Failure::usage(format!("{file}: {why}"))
        .hint("what its owner prints is a key: gpg --export KEY > key.gpg")
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::local(format!("cannot read {file}: {}", input::reason(&error)))
    };
    let open = std::fs::File::open(file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    open.take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}
