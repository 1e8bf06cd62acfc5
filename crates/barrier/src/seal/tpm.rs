//! The seal of a TPM 2.0: a key that never leaves the chip opens the store.
//!
//! A fresh wrapping key is sealed by the TPM under its storage root key, optionally bound to registers
//! (PCRs) of the start of the machine, and encrypts the root key. The disk alone, and the disk in
//! another machine, open nothing. Whoever is root here can ask the TPM as well, as the server does.
//!
//! The protocol is spoken here, over the kernel's device or a socket: libraries for it are dynamic ones
//! in C. What passes between processor and chip is encrypted and signed with a secret that is agreed on
//! with the storage key, and that key must be the one that closed the store: who reads the bus reads
//! nothing, who sits on it can refuse and not pretend. The first time the key is taken as it comes.
//!
//! Form: `version 1 | name of the storage key | PCRs 3 | private | public | sealed`, the three with
//! their lengths in front; `sealed` is bound to all before it.

mod code;
mod session;
mod talk;
mod transport;
pub mod wire;

use super::Seal;
use crate::aead::{Cipher, Unauthentic};
use crate::{Error, RootKey};
use async_trait::async_trait;
use code::Problem;
use cofferdam_secret::Secret;
use std::path::PathBuf;
use std::sync::Arc;
use talk::{For, Primary, Sealed, Talk};
pub use transport::{Door, Local, Transport};
pub use wire::Pcrs;
use wire::{Malformed, Reader, sized};

/// Where the kernel has it, behind its resource manager.
pub const DEVICE: &str = "/dev/tpmrm0";

const VERSION: u8 = 1;
const WRAPPED: &[u8] = b"barrier/seal tpm";

/// The seal; it holds no key.
#[derive(Clone)]
pub struct TpmSeal {
    door: Arc<dyn Door>,
    pcrs: Pcrs,
}

/// What is stored.
struct Blob<'a> {
    name: &'a [u8],
    pcrs: Pcrs,
    sealed: Sealed,
    bound: &'a [u8],
    root: &'a [u8],
}

impl TpmSeal {
    /// Of the TPM at this device or socket, which is not looked at yet; what is closed from now on is
    /// bound to these registers.
    #[must_use]
    pub fn at(device: PathBuf, pcrs: Pcrs) -> Self {
        Self::over(Arc::new(Local(device)), pcrs)
    }

    /// Of the TPM behind this door.
    pub fn over(door: Arc<dyn Door>, pcrs: Pcrs) -> Self {
        Self { door, pcrs }
    }

    fn failed(&self, why: impl std::fmt::Display) -> Error {
        Error::Seal(format!("TPM at {}: {why}", self.door.name()))
    }

    fn problem(&self, problem: &Problem) -> Error {
        let hint = match problem {
            Problem::Unreached(error) => match error.kind() {
                std::io::ErrorKind::NotFound => {
                    ": is there one (ls /dev/tpm*)? Under systemd the unit needs PrivateDevices=no, a container \
                     --device /dev/tpmrm0"
                }
                std::io::ErrorKind::PermissionDenied => {
                    ": let the server's user in with: usermod -aG tss USER"
                }
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                    ": another program may be talking to it; it is asked again"
                }
                _ => "",
            },
            _ => "",
        };
        self.failed(format_args!("{problem}{hint}"))
    }

    fn talk(&self) -> Result<Talk, Problem> {
        self.door.open().map(Talk::new).map_err(Problem::Unreached)
    }

    fn begin(&self) -> Result<(Talk, Primary), Error> {
        let begun = self.talk().and_then(|mut talk| {
            let primary = talk.primary()?;
            Ok((talk, primary))
        });
        begun.map_err(|problem| self.problem(&problem))
    }

    fn close(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let key = cofferdam_secret::random::<32>().map_err(|_| Error::Entropy)?;
        let (mut talk, primary) = self.begin()?;
        let problem = |problem: Problem| self.problem(&problem);
        if !self.pcrs.is_empty() {
            let kept = talk.kept(self.pcrs).map_err(problem)?;
            let missing = self.pcrs.without(kept);
            if !missing.is_empty() {
                return Err(self.failed(format_args!(
                    "it keeps no SHA-256 of the registers {missing}: leave them out of pcrs, or switch the \
                     bank on with: tpm2_pcrallocate sha256:all"
                )));
            }
        }
        let sealed = self.seal(&mut talk, &primary, &key).map_err(problem)?;
        let mut out = vec![VERSION];
        sized(&mut out, &primary.name);
        out.extend_from_slice(&self.pcrs.to_bytes());
        sized(&mut out, &sealed.private);
        sized(&mut out, &sealed.public);
        let bound = [WRAPPED, &out].concat();
        Cipher::new(&key)?.seal(&bound, root.bytes().expose(), &mut out)?;
        Ok(out)
    }

    fn seal(
        &self,
        talk: &mut Talk,
        primary: &Primary,
        key: &Secret<[u8; 32]>,
    ) -> Result<Sealed, Problem> {
        let policy = match self.pcrs.is_empty() {
            true => None,
            false => Some(talk.policy_of_now(self.pcrs)?),
        };
        let mut session = talk.session(primary, For::Password)?;
        talk.seal(primary, &mut session, key, policy.as_deref())
    }

    fn open(&self, blob: &[u8]) -> Result<RootKey, Error> {
        let blob = Blob::parse(blob).map_err(|Malformed| Error::WrongKey)?;
        let (mut talk, primary) = self.begin()?;
        if primary.name != blob.name {
            return Err(self.foreign());
        }
        let key = match unseal(&mut talk, &primary, &blob) {
            Err(Problem::Refused { code, .. }) if code.is_foreign() => return Err(self.foreign()),
            Err(Problem::Refused { code, .. }) if code.is_policy() => {
                return Err(self.failed(format_args!(
                    "the registers {} are not what they were when the store was closed: the firmware, its \
                     settings or what it starts were changed. Start the machine as before, or open with \
                     recovery shares (cofferdam operator unseal) and bind anew: cofferdam operator rekey \
                     -target=recovery",
                    blob.pcrs
                )));
            }
            other => other.map_err(|problem| self.problem(&problem))?,
        };
        drop(talk);
        let key: [u8; 32] = (key.expose().as_slice())
            .try_into()
            .map_err(|_| Error::WrongKey)?;
        let root = Cipher::new(&Secret::new(key))?
            .open(&[WRAPPED, blob.bound].concat(), blob.root)
            .map_err(|Unauthentic| Error::WrongKey)?;
        RootKey::from_slice(root.expose())
    }

    fn foreign(&self) -> Error {
        self.failed(
            "it is not the one that closed the store, or it was cleared since: bring back the machine that \
             did, or open with recovery shares: cofferdam operator unseal",
        )
    }
}

fn unseal(talk: &mut Talk, primary: &Primary, blob: &Blob<'_>) -> Result<Secret<Vec<u8>>, Problem> {
    let object = talk.load(primary, &blob.sealed)?;
    let what = match blob.pcrs.is_empty() {
        true => For::Password,
        false => For::Policy,
    };
    let mut session = talk.session(primary, what)?;
    if what == For::Policy {
        talk.bind(session.handle, blob.pcrs)?;
    }
    talk.unseal(&object, &mut session)
}

impl<'a> Blob<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Malformed);
        }
        let name = reader.sized()?;
        let pcrs = reader.take(3)?.try_into().map_err(|_| Malformed)?;
        let sealed = Sealed {
            private: reader.sized()?.to_vec(),
            public: reader.sized()?.to_vec(),
        };
        let root = reader.rest();
        let bound = bytes.len() - root.len();
        Ok(Self {
            name,
            pcrs: Pcrs::from_bytes(pcrs),
            sealed,
            bound: bytes.get(..bound).ok_or(Malformed)?,
            root,
        })
    }
}

#[async_trait]
impl Seal for TpmSeal {
    fn kind(&self) -> &'static str {
        "tpm"
    }

    /// A TPM is slow, and its driver may be loaded after the server.
    fn asks(&self) -> bool {
        true
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let (seal, root) = (self.clone(), RootKey::from_slice(root.bytes().expose())?);
        aside(move || seal.close(&root)).await
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        let (seal, blob) = (self.clone(), blob.to_vec());
        aside(move || seal.open(&blob)).await
    }

    fn promise(&self) -> String {
        let bound = match self.pcrs.is_empty() {
            true => String::new(),
            false => format!(", started as it was (PCR {})", self.pcrs),
        };
        format!(
            "a copy of the data directory, or the whole disk, cannot be read without this machine's TPM{bound}; \
             whoever is root here can ask it, and who takes the whole machine can start it"
        )
    }
}

/// Talks to the device where it keeps nobody waiting.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::Seal("the TPM's thread ended".to_owned())))
}

#[cfg(test)]
mod tests;
