//! The seal of `up`: opens by itself on the machine it was made on.
//!
//! The wrapping key is HKDF-SHA256 (RFC 5869) of a key file with the machine's id. The key file is
//! kept away from the data directory, so that a copy, backup or snapshot of the data alone holds no
//! key. It is no protection against root on this machine or against who takes the whole disk, and
//! [`MachineSeal::promise`](super::Seal::promise) says so.
//!
//! Key file: `version 1 | check 8 | key 32`. The check recognises the machine id, so that a disk
//! moved to another machine gets a clear error; it is all zero where there was no machine id.

use super::{Record, Seal, key_file};
use crate::aead::{Cipher, Unauthentic};
use crate::{Error, RootKey};
use async_trait::async_trait;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use cofferdam_secret::{Buffer, Secret};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

const VERSION: u8 = 1;
const FILE_LEN: usize = 41;
const WRAPPED: &[u8] = b"barrier/seal machine";

/// Where its parts are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The key file; must not be inside `data`.
    pub key_file: PathBuf,
    /// The data directory it protects.
    pub data: PathBuf,
    /// `/etc/machine-id` (machine-id(5)).
    pub machine_id: PathBuf,
}

/// The seal with its key in memory, wiped on drop.
pub struct MachineSeal {
    wrapping: Secret<[u8; 32]>,
    key_file: PathBuf,
    bound: bool,
}

impl MachineSeal {
    /// Opens the key file, or makes one if there is none.
    ///
    /// # Errors
    /// As [`MachineSeal::open`], and [`Error::Seal`] when the key file would be inside the data
    /// directory or cannot be written.
    pub fn open_or_create(places: &Places) -> Result<Self, Error> {
        if !places.key_file.exists() {
            create(places)?;
        }
        Self::open(places)
    }

    /// Opens the key file.
    ///
    /// # Errors
    /// [`Error::Seal`] when it is missing, a link, readable by others, damaged, or was made on
    /// another machine.
    pub fn open(places: &Places) -> Result<Self, Error> {
        let file = read_key(&places.key_file)?;
        let path = places.key_file.display();
        let damaged = || Error::Seal(format!("key file is damaged: {path}"));
        let (version, rest) = file.expose().split_first().ok_or_else(damaged)?;
        let (check, key) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        if *version != VERSION || key.len() != 32 {
            return Err(damaged());
        }
        let bound = *check != [0; 8];
        let id = if bound {
            let id = machine_id(&places.machine_id);
            id.filter(|id| check_of(id) == *check).ok_or_else(|| {
                Error::Seal(format!("key file was made on another machine: {path}"))
            })?
        } else {
            String::new()
        };
        Ok(Self {
            wrapping: derive(&id, key)?,
            key_file: places.key_file.clone(),
            bound,
        })
    }

    /// Wraps `root` into the record to initialize with.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub async fn record(&self, root: &RootKey) -> Result<Record, Error> {
        Ok(Record {
            config: super::Config {
                kind: self.kind().to_owned(),
                shares: 0,
                threshold: 0,
            },
            wrapped: self.wrap(root).await?,
            recovery: None,
            generation: 0,
            people: None,
        })
    }
}

#[async_trait]
impl Seal for MachineSeal {
    fn kind(&self) -> &'static str {
        "machine"
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        Cipher::new(&self.wrapping)?.seal(WRAPPED, root.bytes().expose(), &mut out)?;
        Ok(out)
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        let root = Cipher::new(&self.wrapping)?
            .open(WRAPPED, blob)
            .map_err(|Unauthentic| Error::WrongKey)?;
        RootKey::from_slice(root.expose())
    }

    fn promise(&self) -> String {
        let path = self.key_file.display();
        let mixed = if self.bound {
            ", which works only together with this machine's id in /etc"
        } else {
            ", and this machine has no id to bind it to"
        };
        format!(
            "a copy of the data directory alone cannot be read, but whoever is root here or takes \
             the whole disk can read everything: the key is in {path}{mixed}"
        )
    }
}

/// The wrapping key.
fn derive(id: &str, key: &[u8]) -> Result<Secret<[u8; 32]>, Error> {
    let mut wrapping = Secret::new([0; 32]);
    Salt::new(HKDF_SHA256, id.as_bytes())
        .extract(key)
        .expand(&[b"cofferdam machine seal v1"], HKDF_SHA256)
        .and_then(|okm| okm.fill(wrapping.expose_mut()))
        .map_err(|_| Error::Entropy)?;
    Ok(wrapping)
}

/// Recognises a machine id without telling it.
fn check_of(id: &str) -> [u8; 8] {
    let digest = Sha256::digest(format!("cofferdam machine id check v1:{id}"));
    let mut check = [0; 8];
    for (to, from) in check.iter_mut().zip(digest) {
        *to = from;
    }
    check
}

/// The machine's id; `None` where there is none (containers, images not yet booted).
fn machine_id(path: &Path) -> Option<String> {
    let id = std::fs::read_to_string(path).ok()?.trim().to_owned();
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

fn read_key(path: &Path) -> Result<Secret<Vec<u8>>, Error> {
    let shown = path.display();
    let file = key_file::open(path)
        .map_err(|error| Error::Seal(format!("key file cannot be opened: {shown} ({error})")))?;
    let unread =
        |error: std::io::Error| Error::Seal(format!("key file cannot be read: {shown} ({error})"));
    if !key_file::is_own(&file, 0o077).map_err(unread)? {
        return Err(Error::Seal(format!(
            "key file must be a file of mode 0600 that belongs to you: {shown}"
        )));
    }
    let bytes = key_file::read(file, FILE_LEN).map_err(unread)?;
    if bytes.len() != FILE_LEN {
        return Err(Error::Seal(format!("key file is damaged: {shown}")));
    }
    Ok(bytes)
}

fn create(places: &Places) -> Result<(), Error> {
    let shown = places.key_file.display();
    let failed =
        |error: std::io::Error| Error::Seal(format!("key file cannot be made: {shown} ({error})"));
    let directory = places.key_file.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    if is_inside(directory, &places.data).map_err(failed)? {
        return Err(Error::Seal(format!(
            "key file must not be inside the data directory: {shown}"
        )));
    }
    let check = machine_id(&places.machine_id).map_or([0; 8], |id| check_of(&id));
    let key = cofferdam_secret::random::<32>().map_err(failed)?;
    let mut content = Buffer::with_capacity(FILE_LEN);
    content.push(&[VERSION]);
    content.push(&check);
    content.push(key.expose());
    write_new(&places.key_file, directory, content.as_slice()).map_err(failed)
}

/// Writes under another name and links it into place: either the whole file is there, or nothing,
/// and of two who try at once the first wins.
fn write_new(path: &Path, directory: &Path, content: &[u8]) -> std::io::Result<()> {
    // A name nobody has: what a crash left behind must not stand in the way of the next start.
    let suffix = cofferdam_secret::random::<8>()?;
    let staged = directory.join(format!(".machine-key.{}", hex::encode(suffix.expose())));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = || {
        let mut file = std::fs::File::from(rustix::fs::open(
            &staged,
            flags,
            Mode::from_raw_mode(0o600),
        )?);
        file.write_all(content)?;
        file.sync_all()?;
        match std::fs::hard_link(&staged, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }?;
        std::fs::File::open(directory)?.sync_all()
    };
    let written = write();
    let removed = std::fs::remove_file(&staged);
    written.and(removed)
}

fn is_inside(directory: &Path, data: &Path) -> std::io::Result<bool> {
    let directory = directory.canonicalize()?;
    match data.canonicalize() {
        Ok(data) => Ok(directory.starts_with(data)),
        // Not made yet: then only its name can be compared.
        Err(_) => Ok(directory.starts_with(data)),
    }
}

#[cfg(test)]
mod tests;
