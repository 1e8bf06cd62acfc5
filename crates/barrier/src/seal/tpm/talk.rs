//! One conversation with a TPM: the commands that a seal needs (TPM 2.0 Library, Part 3). What was
//! loaded and opened in it is flushed when it ends, however it ends.

use super::code::{Code, Command, Problem};
use super::session::{Hide, Point, Salt, Session, nonce};
use super::transport::Transport;
use super::wire::{self, NO_SESSIONS, Pcrs, Reader, SESSIONS, SHA256, sized};
use cofferdam_secret::Secret;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};

const OWNER: u32 = 0x4000_0001;
const NULL: u32 = 0x4000_0007;
/// The authorization of who has an empty password.
const EMPTY: &[u8] = &[0x40, 0, 0, 9, 0, 0, 0, 0, 0];
const ALG_NULL: u16 = 0x0010;
const AES_128_CFB: [u8; 6] = [0, 6, 0, 128, 0, 0x43];

/// How long one that is busy is asked again.
const BUSY: Duration = Duration::from_secs(10);

/// What a session is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Password = 0,
    Policy = 1,
    Trial = 3,
}

/// The storage key under which ours lie.
pub(super) struct Primary {
    handle: u32,
    /// Hash of its public part.
    pub(super) name: Vec<u8>,
    point: Point,
}

/// A key in the TPM's own encryption.
pub(super) struct Sealed {
    pub(super) private: Vec<u8>,
    pub(super) public: Vec<u8>,
}

pub(super) struct Talk {
    transport: Box<dyn Transport>,
    open: Vec<u32>,
}

impl Drop for Talk {
    fn drop(&mut self) {
        for handle in std::mem::take(&mut self.open).into_iter().rev() {
            let _ = self.flush(handle);
        }
    }
}

impl Talk {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            open: Vec::new(),
        }
    }

    /// Sends a command as it is; the body of the answer.
    fn send(&mut self, tag: u16, command: Command, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let size = u32::try_from(wire::HEAD + body.len()).unwrap_or(u32::MAX);
        let mut text = tag.to_be_bytes().to_vec();
        text.extend_from_slice(&size.to_be_bytes());
        text.extend_from_slice(&command.code().to_be_bytes());
        text.extend_from_slice(body);
        let until = Instant::now() + BUSY;
        let (mut pause, mut cleared) = (Duration::from_millis(10), false);
        loop {
            let answer = self.transport.exchange(&text).map_err(Problem::Unreached)?;
            let answer = wire::answer(&answer)?;
            let code = Code::new(answer.code);
            match answer.code {
                0 if answer.sessions == (tag == SESSIONS) => return Ok(answer.body.to_vec()),
                0 => return Err(Problem::Malformed),
                _ if code.is_busy() && Instant::now() < until => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                _ if code.is_full() && !cleared && self.transport.alone() => {
                    cleared = true;
                    self.clear()?;
                }
                _ => return Err(Problem::Refused { command, code }),
            }
        }
    }

    /// Flushes what somebody left behind who was killed, where no resource manager does.
    fn clear(&mut self) -> Result<(), Problem> {
        // Transient objects, and loaded sessions.
        for first in [0x8000_0000_u32, 0x0200_0000] {
            let mut body = 1_u32.to_be_bytes().to_vec();
            body.extend_from_slice(&first.to_be_bytes());
            body.extend_from_slice(&16_u32.to_be_bytes());
            let answer = self.send(NO_SESSIONS, Command::GetCapability, &body)?;
            let mut reader = Reader::new(&answer);
            let (_more, _kind, count) = (reader.u8()?, reader.u32()?, reader.u32()?);
            for _ in 0..count.min(16) {
                let handle = reader.u32()?;
                if !self.open.contains(&handle) {
                    let _ = self.flush(handle);
                }
            }
        }
        tracing::warn!(
            "the TPM was full of what an earlier process left in it, which is cleared up"
        );
        Ok(())
    }

    fn flush(&mut self, handle: u32) -> Result<(), Problem> {
        self.send(NO_SESSIONS, Command::FlushContext, &handle.to_be_bytes())
            .map(|_| ())
    }

    /// A command about entities that an empty password authorizes; the answer after its handle, if it
    /// has one.
    pub(super) fn openly(
        &mut self,
        command: Command,
        entity: u32,
        parameters: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        let mut body = entity.to_be_bytes().to_vec();
        body.extend_from_slice(&9_u32.to_be_bytes());
        body.extend_from_slice(EMPTY);
        body.extend_from_slice(parameters);
        self.send(SESSIONS, command, &body)
    }

    /// A command about an entity that `session` authorizes; the parameters of the answer.
    fn secretly(
        &mut self,
        command: Command,
        (entity, name): (u32, &[u8]),
        mut parameters: Secret<Vec<u8>>,
        session: &mut Session,
        hide: Hide,
    ) -> Result<Secret<Vec<u8>>, Problem> {
        let authorization = session.authorize(command, name, parameters.expose_mut(), hide)?;
        let mut body = entity.to_be_bytes().to_vec();
        let length = u32::try_from(authorization.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&authorization);
        // Encrypted, where it is secret.
        body.extend_from_slice(parameters.expose());
        let answer = self.send(SESSIONS, command, &body)?;
        let mut reader = Reader::new(&answer);
        let length = reader.u32()?;
        let length = usize::try_from(length).map_err(|_| Problem::Malformed)?;
        let mut answered = Secret::new(reader.take(length)?.to_vec());
        session.verify(command, answered.expose_mut(), reader.rest(), hide)?;
        Ok(answered)
    }

    /// The storage root key of the owner hierarchy: of the seed that this TPM never gives out, and the
    /// same each time.
    pub(super) fn primary(&mut self) -> Result<Primary, Problem> {
        // No password, no data of ours.
        let mut parameters = vec![0, 4, 0, 0, 0, 0];
        let template = template();
        sized(&mut parameters, &template);
        sized(&mut parameters, &[]);
        parameters.extend_from_slice(&0_u32.to_be_bytes());
        let answer = self.openly(Command::CreatePrimary, OWNER, &parameters)?;
        let mut reader = Reader::new(&answer);
        let handle = reader.u32()?;
        self.open.push(handle);
        let _length = reader.u32()?;
        let public = reader.sized()?;
        Ok(Primary {
            handle,
            name: name(public),
            point: point(public, &template)?,
        })
    }

    /// Opens a session whose key only the TPM with this primary key can have as well.
    pub(super) fn session(&mut self, primary: &Primary, what: For) -> Result<Session, Problem> {
        let salt = Salt::agree(&primary.point)?;
        let ours = nonce()?;
        let answer = self.start(primary.handle, &ours, &salt.sent, what)?;
        let mut reader = Reader::new(&answer);
        let handle = reader.u32()?;
        self.open.push(handle);
        let theirs = reader.sized()?;
        reader.end()?;
        Ok(Session::new(handle, &salt, ours, theirs))
    }

    fn start(&mut self, key: u32, ours: &[u8], salt: &[u8], what: For) -> Result<Vec<u8>, Problem> {
        let mut body = key.to_be_bytes().to_vec();
        body.extend_from_slice(&NULL.to_be_bytes());
        sized(&mut body, ours);
        sized(&mut body, salt);
        body.push(what as u8);
        match what {
            For::Trial => body.extend_from_slice(&ALG_NULL.to_be_bytes()),
            For::Password | For::Policy => body.extend_from_slice(&AES_128_CFB),
        }
        body.extend_from_slice(&SHA256.to_be_bytes());
        self.send(NO_SESSIONS, Command::StartAuthSession, &body)
    }

    /// What an object must say of itself to be opened only while the registers are as they are now.
    pub(super) fn policy_of_now(&mut self, pcrs: Pcrs) -> Result<Vec<u8>, Problem> {
        let answer = self.start(NULL, &nonce()?, &[], For::Trial)?;
        let handle = Reader::new(&answer).u32()?;
        self.open.push(handle);
        self.bind(handle, pcrs)?;
        let answer = self.send(NO_SESSIONS, Command::PolicyGetDigest, &handle.to_be_bytes())?;
        let digest = Reader::new(&answer).sized()?.to_vec();
        self.open.retain(|open| *open != handle);
        self.flush(handle)?;
        match digest.len() {
            32 => Ok(digest),
            _ => Err(Problem::Malformed),
        }
    }

    /// Puts the registers of now into a policy session.
    pub(super) fn bind(&mut self, session: u32, pcrs: Pcrs) -> Result<(), Problem> {
        let mut body = session.to_be_bytes().to_vec();
        sized(&mut body, &[]);
        pcrs.select(&mut body);
        self.send(NO_SESSIONS, Command::PolicyPcr, &body)
            .map(|_| ())
    }

    /// Which of these the TPM keeps in its SHA-256 bank. Those that it does not keep would be left out
    /// of a policy without a word.
    pub(super) fn kept(&mut self, wanted: Pcrs) -> Result<Pcrs, Problem> {
        let mut missing = wanted;
        // It tells at most eight at a time, of 24.
        for _ in 0..24 {
            let mut body = Vec::new();
            missing.select(&mut body);
            let answer = self.send(NO_SESSIONS, Command::PcrRead, &body)?;
            let mut reader = Reader::new(&answer);
            let _updates = reader.u32()?;
            let told = Pcrs::selected(&mut reader)?;
            let values = reader.u32()?;
            let left = missing.without(told);
            if values == 0 || left == missing {
                break;
            }
            missing = left;
            if missing.is_empty() {
                break;
            }
        }
        Ok(wanted.without(missing))
    }

    /// Lets the TPM encrypt `secret`, for itself alone.
    pub(super) fn seal(
        &mut self,
        primary: &Primary,
        session: &mut Session,
        secret: &Secret<[u8; 32]>,
        policy: Option<&[u8]>,
    ) -> Result<Sealed, Problem> {
        let mut parameters = Secret::new(Vec::with_capacity(256));
        let out = parameters.expose_mut();
        out.extend_from_slice(&[0, 36, 0, 0]);
        sized(out, secret.expose());
        sized(out, &kept_data(policy));
        sized(out, &[]);
        out.extend_from_slice(&0_u32.to_be_bytes());
        let parent = (primary.handle, primary.name.as_slice());
        let answer = self.secretly(Command::Create, parent, parameters, session, Hide::Command)?;
        let mut reader = Reader::new(answer.expose());
        Ok(Sealed {
            private: reader.sized()?.to_vec(),
            public: reader.sized()?.to_vec(),
        })
    }

    /// Brings what it encrypted back into the TPM.
    pub(super) fn load(
        &mut self,
        primary: &Primary,
        sealed: &Sealed,
    ) -> Result<(u32, Vec<u8>), Problem> {
        let mut parameters = Vec::new();
        sized(&mut parameters, &sealed.private);
        sized(&mut parameters, &sealed.public);
        let answer = self.openly(Command::Load, primary.handle, &parameters)?;
        let handle = Reader::new(&answer).u32()?;
        self.open.push(handle);
        Ok((handle, name(&sealed.public)))
    }

    /// The secret in it.
    pub(super) fn unseal(
        &mut self,
        (handle, name): &(u32, Vec<u8>),
        session: &mut Session,
    ) -> Result<Secret<Vec<u8>>, Problem> {
        let entity = (*handle, name.as_slice());
        let nothing = Secret::new(Vec::new());
        let answer = self.secretly(Command::Unseal, entity, nothing, session, Hide::Answer)?;
        let mut reader = Reader::new(answer.expose());
        let secret = Secret::new(reader.sized()?.to_vec());
        reader.end()?;
        Ok(secret)
    }
}

/// An object's name: its hash algorithm and the hash of its public part.
fn name(public: &[u8]) -> Vec<u8> {
    let mut name = SHA256.to_be_bytes().to_vec();
    name.extend_from_slice(&Sha256::digest(public));
    name
}

/// The storage root key on P-256, as other programs make it too (TCG TPM v2.0 Provisioning Guidance,
/// 7.5.1): a decryption key of the owner that never leaves, without a password.
fn template() -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&0x0023_u16.to_be_bytes()); // ECC
    out.extend_from_slice(&SHA256.to_be_bytes());
    // fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, decrypt
    out.extend_from_slice(&0x0003_0472_u32.to_be_bytes());
    sized(&mut out, &[]); // no policy
    out.extend_from_slice(&AES_128_CFB);
    out.extend_from_slice(&ALG_NULL.to_be_bytes()); // scheme
    out.extend_from_slice(&0x0003_u16.to_be_bytes()); // P-256
    out.extend_from_slice(&ALG_NULL.to_be_bytes()); // derivation
    sized(&mut out, &[0; 32]);
    sized(&mut out, &[0; 32]);
    out
}

/// The point in a public part that is otherwise what was asked for.
fn point(public: &[u8], template: &[u8]) -> Result<Point, Problem> {
    let fixed = template.len() - 68;
    let mut reader = Reader::new(public);
    if template.get(..fixed) != Some(reader.take(fixed)?) {
        return Err(Problem::Malformed);
    }
    // A TPM may leave zeros in front away.
    let mut coordinate = || -> Result<[u8; 32], Problem> {
        let bytes = reader.sized()?;
        let mut out = [0; 32];
        let start = out.len().checked_sub(bytes.len());
        let start = start.ok_or(Problem::Malformed)?;
        for (to, from) in out.iter_mut().skip(start).zip(bytes) {
            *to = *from;
        }
        Ok(out)
    };
    let point = Point {
        x: coordinate()?,
        y: coordinate()?,
    };
    reader.end()?;
    Ok(point)
}

/// Data that lies in the TPM's encryption: never duplicated, never locked by wrong passwords, since it
/// has none; opened by an empty password, or by its policy alone.
fn kept_data(policy: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&0x0008_u16.to_be_bytes()); // keyed hash
    out.extend_from_slice(&SHA256.to_be_bytes());
    let attributes: u32 = match policy {
        // fixedTPM, fixedParent, noDA; userWithAuth
        None => 0x0000_0452,
        Some(_) => 0x0000_0412,
    };
    out.extend_from_slice(&attributes.to_be_bytes());
    sized(&mut out, policy.unwrap_or_default());
    out.extend_from_slice(&ALG_NULL.to_be_bytes());
    sized(&mut out, &[]);
    out
}

#[cfg(test)]
impl Talk {
    /// Ends without a word, as who is killed.
    pub(super) fn abandon(mut self) {
        self.open.clear();
    }
}
