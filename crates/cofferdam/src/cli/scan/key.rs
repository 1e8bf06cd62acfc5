//! The key of digests: one for each person, made when it is first needed.

use crate::cli::terminal;
use crate::cli::{Context, Failure};
use cofferdam_detect::pattern::DigestKey;
use cofferdam_secret::{Secret, random_base62};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Characters of a key: about 190 bits.
const LENGTH: usize = 32;

/// Longest key file.
const LONGEST: usize = 4096;

/// Reads the key that was named, else one's own; makes one where there is none. Where none can be kept
/// the key is good for this run.
pub(super) fn find(context: &Context, named: Option<&Path>) -> Result<DigestKey, Failure> {
    if let Some(path) = named {
        return read(path).map_err(|error| {
            Failure::local(format!(
                "cannot read {}: {}",
                path.display(),
                super::reason(&error)
            ))
            .hint("make one with: head -c 32 /dev/urandom | base64 > FILE; chmod 600 FILE")
        });
    }
    let own = own_file(context);
    if let Some(key) = own.as_deref().and_then(|path| read(path).ok()) {
        return Ok(key);
    }
    let fresh = random_base62(LENGTH)
        .map_err(|_| Failure::local("the system gives no entropy"))?
        .into_bytes();
    // Of two that start at the same moment the first one's key counts.
    if let Some(path) = own
        && keep(&path, &fresh).is_err()
        && let Ok(key) = read(&path)
    {
        return Ok(key);
    }
    Ok(DigestKey::new(&fresh))
}

/// `$XDG_STATE_HOME/cofferdam/scan.key` (XDG Base Directory Specification).
fn own_file(context: &Context) -> Option<PathBuf> {
    let state = context.environment("XDG_STATE_HOME").map(PathBuf::from);
    let home = || {
        context
            .environment("HOME")
            .map(|home| Path::new(&home).join(".local/state"))
    };
    Some(state.or_else(home)?.join("cofferdam/scan.key"))
}

fn read(path: &Path) -> std::io::Result<DigestKey> {
    let bytes = terminal::read_all(std::fs::File::open(path)?, LONGEST)?;
    if bytes.len() < 16 {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    Ok(DigestKey::new(&bytes))
}

fn keep(path: &Path, key: &Secret<Vec<u8>>) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.expose())
}
