//! Pseudo-terminals (pty(7)): a child that writes to ours sees a terminal.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::stdio::stdin;
use rustix::termios::{
    OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Our terminal hands every key on, until this is dropped; but only while it is ours.
///
/// Of the processes of a terminal only one group is in front. Whoever reads from the terminal or changes
/// its modes from behind is stopped by the kernel, with its whole group (`SIGTTIN` and `SIGTTOU`,
/// termios(3)). A job in the background has to run on, so both are left alone there.
pub(super) struct Raw {
    before: Termios,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Keys come one by one.
    Raw,
    /// It is as it was; keys are not ours.
    Behind,
    /// The same, and about to be stopped.
    Paused,
}

impl Raw {
    /// To be begun in front ([`is_in_front`]).
    pub(super) fn begin() -> io::Result<Self> {
        let raw = Self {
            before: tcgetattr(stdin())?,
            state: Mutex::new(State::Behind),
        };
        raw.set(&mut raw.state())?;
        Ok(raw)
    }

    /// Once more, after somebody else had the terminal.
    pub(super) fn again(&self) -> io::Result<()> {
        let mut state = self.state();
        *state = State::Behind;
        if is_in_front() {
            self.set(&mut state)?;
        }
        Ok(())
    }

    /// Whether keys are for us now. A shell that puts a running job in front does not tell it.
    pub(super) fn has_keys(&self) -> bool {
        let mut state = self.state();
        match *state {
            State::Paused => return false,
            _ if !is_in_front() => *state = State::Behind,
            State::Raw => {}
            // Without it keys come by line, which is better than not at all.
            State::Behind => drop(self.set(&mut state)),
        }
        *state == State::Raw
    }

    fn set(&self, state: &mut State) -> io::Result<()> {
        *state = State::Raw;
        let mut modes = self.before.clone();
        modes.make_raw();
        Ok(tcsetattr(stdin(), OptionalActions::Drain, &modes)?)
    }

    pub(super) fn pause(&self) {
        let mut state = self.state();
        if *state == State::Raw && is_in_front() {
            let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
        }
        *state = State::Paused;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.pause();
    }
}

/// Whether we are the group of processes that our terminal is for.
pub(super) fn is_in_front() -> bool {
    match tcgetpgrp(stdin()) {
        Ok(front) => front == getpgrp(),
        // A terminal that is not the one of our session stops nobody.
        Err(error) => error == Errno::NOTTY,
    }
}
