//! Pseudo-terminals (pty(7)): a child that writes to ours sees a terminal.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::io;

/// Both sides of a pseudo-terminal.
pub(super) struct Pair {
    pub(super) master: OwnedFd,
    pub(super) slave: OwnedFd,
}

impl Pair {
    /// One that is as large as `like`, and behaves like it.
    pub(super) fn like(like: impl AsFd) -> io::Result<Self> {
        let pair = Self::open()?;
        tcsetattr(&pair.slave, OptionalActions::Now, &tcgetattr(&like)?)?;
        resize(&pair.master, like);
        Ok(pair)
    }

    /// One that is as large as `like`, and changes nothing of what is written to it: `like` does.
    pub(super) fn raw(like: impl AsFd) -> io::Result<Self> {
        let pair = Self::open()?;
        let mut modes = tcgetattr(&pair.slave)?;
        modes.make_raw();
        tcsetattr(&pair.slave, OptionalActions::Now, &modes)?;
        resize(&pair.master, like);
        Ok(pair)
    }

    fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        // By the master and not by its name: in a container the name may mean another one.
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        // Who types ahead of a child that does not read must not stop us.
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        Ok(Self { master, slave })
    }
}

/// Makes `master` as large as `like`.
pub(super) fn resize(master: impl AsFd, like: impl AsFd) {
    if let Ok(size) = tcgetwinsize(like) {
        // A terminal without a size is one all the same.
        let _ = tcsetwinsize(master, size);
    }
}

/// Our terminal hands every key on, until this is dropped.
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    pub(super) fn begin() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let raw = Self { before };
        raw.again()?;
        Ok(raw)
    }

    /// Once more, after somebody else had the terminal.
    pub(super) fn again(&self) -> io::Result<()> {
        let mut modes = self.before.clone();
        modes.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &modes)?;
        Ok(())
    }

    pub(super) fn pause(&self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.before);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.pause();
    }
}
