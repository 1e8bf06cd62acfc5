//! The way to a TPM: the kernel's device, or the socket of one in software.

use super::wire::{HEAD, MOST};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a socket may take for one answer: somebody else may be talking there. A start of the server
/// waits for it once. With a device the kernel has its own limits.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a device that somebody else holds is waited for.
const HELD: Duration = Duration::from_secs(5);

/// One conversation.
pub trait Transport: Send {
    /// Sends a command and reads the whole answer, of at most [`MOST`] bytes.
    ///
    /// # Errors
    /// When nobody is there, or nothing comes.
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>>;

    /// Whether nobody else can talk to it meanwhile, and nobody clears up behind who talked before:
    /// then what lies about in it is left over.
    fn alone(&self) -> bool {
        false
    }
}

/// Begins conversations.
pub trait Door: Send + Sync {
    /// Begins one.
    ///
    /// # Errors
    /// When nobody is there.
    fn open(&self) -> io::Result<Box<dyn Transport>>;

    /// Its name for people.
    fn name(&self) -> String;
}

/// A character device (`/dev/tpmrm0`), or a unix socket that speaks the same (`swtpm socket --server
/// type=unixio`).
pub struct Local(pub PathBuf);

impl Door for Local {
    fn open(&self) -> io::Result<Box<dyn Transport>> {
        let kind = std::fs::metadata(&self.0)?.file_type();
        if kind.is_socket() {
            let stream = UnixStream::connect(&self.0)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            return Ok(Box::new(Socket(stream)));
        }
        if kind.is_char_device() {
            return Ok(Box::new(Device(patiently(&self.0)?)));
        }
        Err(io::Error::other("neither a device nor a socket"))
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }
}

/// `/dev/tpm0` is opened by one process at a time.
fn patiently(path: &Path) -> io::Result<File> {
    let until = Instant::now() + HELD;
    loop {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Err(rustix::io::Errno::BUSY) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            opened => return Ok(File::from(opened?)),
        }
    }
}

/// The kernel takes a command in one write and gives its answer in one read.
struct Device(File);

impl Transport for Device {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        let written = self.0.write(command)?;
        if written != command.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let mut answer = vec![0; MOST];
        let length = loop {
            match self.0.read(&mut answer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        answer.truncate(length);
        Ok(answer)
    }
}

struct Socket(UnixStream);

impl Transport for Socket {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(command)?;
        let mut answer = vec![0; HEAD];
        self.0.read_exact(&mut answer)?;
        let size = answer.get(2..6).and_then(|size| size.try_into().ok());
        let size = size.map_or(0, u32::from_be_bytes);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if !(HEAD..=MOST).contains(&size) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        answer.resize(size, 0);
        self.0
            .read_exact(answer.get_mut(HEAD..).unwrap_or_default())?;
        Ok(answer)
    }

    fn alone(&self) -> bool {
        true
    }
}
