//! The seal of a key that systemd gives its unit (`LoadCredentialEncrypted=`, systemd.exec(5)): systemd
//! decrypts it at the start, with a key of the host, its TPM or both, into memory that this unit alone
//! may read.
//!
//! Read when it is needed and not kept. `systemd-creds` itself is never run: in a unit as closed as ours
//! it could not reach the host's key, and in an image from scratch there is none.
//!
//! Wrapped form: `version 1 | sealed`.

use super::{Seal, key_file};
use crate::aead::{Cipher, Unauthentic};
use crate::{Error, RootKey};
use async_trait::async_trait;
use cofferdam_secret::Secret;
use std::fs::File;
use std::path::{Path, PathBuf};

const VERSION: u8 = 1;
const WRAPPED: &[u8] = b"barrier/seal systemd-creds";
const KEY: usize = 32;

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h: systemd mounts the one or the other.
const MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Name of the credential where none is configured.
pub const NAME: &str = "cofferdam-seal";

/// Whether systemd takes it for the name of a credential.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let dots = name.bytes().all(|byte| byte == b'.');
    !dots && name.len() <= 255 && name.bytes().all(is_plain)
}

/// The seal; it holds no key.
pub struct SystemdCreds {
    /// `$CREDENTIALS_DIRECTORY`; `None`: not set.
    directory: Option<PathBuf>,
    name: String,
}

impl SystemdCreds {
    /// By the credential of this name ([`is_name`]).
    #[must_use]
    pub fn new(directory: Option<PathBuf>, name: &str) -> Self {
        Self {
            directory,
            name: name.to_owned(),
        }
    }

    fn failed(&self, why: impl std::fmt::Display) -> Error {
        Error::Seal(format!("credential {}: {why}", self.name))
    }

    fn key(&self) -> Result<Secret<[u8; KEY]>, Error> {
        let given = self.directory.as_deref().filter(|path| path.is_absolute());
        let Some(directory) = given else {
            return Err(self.failed(format_args!(
                "systemd gave none (CREDENTIALS_DIRECTORY is not set): write into the unit \
                 LoadCredentialEncrypted={0}:/etc/credstore.encrypted/{0}; where systemd starts nothing, use \
                 seal \"static\"",
                self.name
            )));
        };
        let path = directory.join(&self.name);
        let shown = path.display();
        let file = key_file::open(&path).map_err(|error| {
            let made = if error == rustix::io::Errno::NOENT {
                format!(
                    "; make one: head -c 32 /dev/urandom | systemd-creds encrypt --name={0} - \
                     /etc/credstore.encrypted/{0}",
                    self.name
                )
            } else {
                String::new()
            };
            self.failed(format_args!("{shown} cannot be opened ({error}){made}"))
        })?;
        let unread =
            |error: std::io::Error| self.failed(format_args!("{shown} cannot be read ({error})"));
        self.check(&file, &path)?;
        let bytes = key_file::read(file, KEY).map_err(unread)?;
        if bytes.len() != KEY {
            return Err(self.failed(format_args!(
                "a key has {KEY} bytes, and this one has another length: make one with: head -c 32 \
                 /dev/urandom | systemd-creds encrypt --name={0} - /etc/credstore.encrypted/{0}",
                self.name
            )));
        }
        let mut key = Secret::new([0; KEY]);
        key.expose_mut().copy_from_slice(bytes.expose());
        Ok(key)
    }

    /// Of this user or root, for nobody else, and in memory. systemd lets the unit's user in by an
    /// access list, which shows as the group's right to read.
    fn check(&self, file: &File, path: &Path) -> Result<(), Error> {
        let shown = path.display();
        let unread =
            |error: std::io::Error| self.failed(format_args!("{shown} cannot be read ({error})"));
        if !key_file::is_own(file, 0o037).map_err(unread)? {
            return Err(self.failed(format_args!(
                "{shown} must be a file of yours or root's that nobody else can read or change: let systemd \
                 make it (LoadCredentialEncrypted=)"
            )));
        }
        let kind = rustix::fs::fstatfs(file).map_err(|error| unread(error.into()))?;
        if !MEMORY.contains(&kind.f_type) {
            return Err(self.failed(format_args!(
                "{shown} is not in memory (tmpfs or ramfs), so the key lies on a disk: let systemd make it \
                 (LoadCredentialEncrypted=)"
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl Seal for SystemdCreds {
    fn kind(&self) -> &'static str {
        "systemd-creds"
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let mut out = vec![VERSION];
        Cipher::new(&self.key()?)?.seal(WRAPPED, root.bytes().expose(), &mut out)?;
        Ok(out)
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        let (&[VERSION], sealed) = blob.split_first_chunk().ok_or(Error::WrongKey)? else {
            return Err(Error::WrongKey);
        };
        let root = Cipher::new(&self.key()?)?
            .open(WRAPPED, sealed)
            .map_err(|Unauthentic| {
                self.failed(
                    "it does not open the store: another credential closed it; give that one back, or open \
                     with recovery shares: cofferdam operator unseal",
                )
            })?;
        RootKey::from_slice(root.expose())
    }

    fn promise(&self) -> String {
        format!(
            "a copy of the data directory cannot be read without the credential {}, which systemd decrypts for \
             this unit; with a key of the host alone (--with-key=host) that key lies on the same disk",
            self.name
        )
    }
}

#[cfg(test)]
mod tests;
