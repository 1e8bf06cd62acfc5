//! Between a child and our own input and output.
//!
//! | ours | the child's |
//! |---|---|
//! | stdin and stdout are a terminal, and we are in front | a terminal of its own, with a session; ours is raw meanwhile |
//! | stdout or stderr is a terminal | stdin as it is; for each of them a terminal that changes nothing, in our session |
//! | neither | pipes; stdin as it is |
//!
//! In the first case keys that make signals work as everywhere, for they pass through the child's
//! terminal; that Ctrl-Z stops it takes one of ours behind that session
//! ([`crate::supervise::stage`]). In the others the child stays in our process group and gets the keys' signals from the real terminal.
//!
//! A job in the background (`cofferdam run … &`, or Ctrl-Z and `bg`) leaves our terminal alone: neither
//! are its modes changed nor is it read, for both would stop us. What began there reads the real
//! terminal once it is brought to the front; what began in front gets the keys again.

use super::Current;
use super::lane::{End, Lane};
use super::terminal::{Pair, Raw, is_in_front, resize};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::isatty;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What a child's input and output pass through.
pub struct Console {
    /// Terminals whose size follows ours.
    masters: Vec<OwnedFd>,
    raw: Option<Arc<Raw>>,
    lanes: Vec<Prepared>,
    threads: Vec<JoinHandle<()>>,
    /// Closed when the child has ended.
    stop: Option<OwnedFd>,
    stopped: Arc<OwnedFd>,
    current: Arc<Current>,
}

/// A lane that begins with the child.
struct Prepared {
    from: OwnedFd,
    to: OwnedFd,
    what: What,
}

enum What {
    /// What the child writes.
    Output,
    /// What is typed, while the terminal is ours.
    Keys(Arc<Raw>),
}

impl Console {
    /// Prepares lanes for what `command` will write. A session of its own needs somebody between fork
    /// and exec to begin it.
    ///
    /// # Errors
    /// When the system has no pipe or descriptor left. Without pseudo-terminals there are pipes.
    pub fn attach(
        command: &mut Command,
        current: Arc<Current>,
        may_have_session: bool,
    ) -> io::Result<Self> {
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut console = Self {
            masters: Vec::new(),
            raw: None,
            lanes: Vec::new(),
            threads: Vec::new(),
            stop: Some(stop),
            stopped: Arc::new(stopped),
            current,
        };
        let whole = may_have_session && isatty(stdin()) && isatty(stdout()) && is_in_front();
        if !(whole && console.session(command)?) {
            console.streams(command)?;
        }
        Ok(console)
    }

    /// Whether the child gets a session of its own, and is to make our terminal its own.
    #[must_use]
    pub const fn has_session(&self) -> bool {
        self.raw.is_some()
    }

    /// The child's own terminal. `false`: there is none to be had.
    fn session(&mut self, command: &mut Command) -> io::Result<bool> {
        let Ok(pair) = Pair::like(stdin()) else {
            return Ok(false);
        };
        let raw = Arc::new(Raw::begin()?);
        self.raw = Some(Arc::clone(&raw));
        command.stdin(shared(&pair.slave)?);
        command.stdout(shared(&pair.slave)?);
        if isatty(stderr()) {
            command.stderr(pair.slave);
        } else {
            command.stderr(self.pipe(stderr())?);
        }
        self.lane(copy(&pair.master)?, stdout())?;
        let keys = Prepared {
            from: copy(stdin())?,
            to: copy(&pair.master)?,
            what: What::Keys(raw),
        };
        self.lanes.push(keys);
        self.masters.push(pair.master);
        Ok(true)
    }

    /// stdout and stderr, each as what it is.
    fn streams(&mut self, command: &mut Command) -> io::Result<()> {
        let out = self.stream(stdout())?;
        let both = isatty(stdout()) && isatty(stderr());
        match (&out, both) {
            // One terminal, one order.
            (Some(slave), true) => command.stderr(shared(slave)?),
            _ => match self.stream(stderr())? {
                Some(slave) => command.stderr(slave),
                None => command.stderr(self.pipe(stderr())?),
            },
        };
        match out {
            Some(slave) => command.stdout(slave),
            None => command.stdout(self.pipe(stdout())?),
        };
        Ok(())
    }

    /// A terminal in front of `ours`, if that is one.
    fn stream(&mut self, ours: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
        if !isatty(ours) {
            return Ok(None);
        }
        let Ok(pair) = Pair::raw(ours) else {
            return Ok(None);
        };
        self.lane(copy(&pair.master)?, ours)?;
        self.masters.push(pair.master);
        Ok(Some(pair.slave))
    }

    fn pipe(&mut self, ours: BorrowedFd<'_>) -> io::Result<Stdio> {
        let (from, to) = pipe_with(PipeFlags::CLOEXEC)?;
        self.lane(from, ours)?;
        Ok(to.into())
    }

    fn lane(&mut self, from: OwnedFd, to: BorrowedFd<'_>) -> io::Result<()> {
        let (to, what) = (copy(to)?, What::Output);
        self.lanes.push(Prepared { from, to, what });
        Ok(())
    }

    /// The child runs: its output is carried from now on. The command that holds its descriptors must
    /// be gone, or no stream would ever end.
    pub fn begin(&mut self) {
        for lane in self.lanes.drain(..) {
            let stopped = Arc::clone(&self.stopped);
            let current = Arc::clone(&self.current);
            self.threads.push(std::thread::spawn(move || {
                let lane = match lane.what {
                    What::Output => Lane::new(lane.from, lane.to, current),
                    What::Keys(raw) => Lane::keys(lane.from, lane.to, raw),
                };
                match lane.run(Some(stopped.as_fd())) {
                    // The child learns it from its next write: we hold its pipe no more.
                    Ok(End::Source | End::Reader) => {}
                    Err(error) => tracing::warn!(%error, "output of the command was lost"),
                }
            }));
        }
    }

    /// Our terminal has another size.
    pub fn resize(&self) {
        for master in &self.masters {
            let like = [stdout(), stderr()].into_iter().find(|ours| isatty(ours));
            if let Some(like) = like {
                resize(master, like);
            }
        }
    }

    /// We are about to be stopped: the terminal is somebody else's for a while.
    pub fn pause(&self) {
        if let Some(raw) = &self.raw {
            raw.pause();
        }
    }

    /// We go on.
    pub fn go_on(&self) {
        if let Some(raw) = &self.raw {
            // Without it keys come by line, which is no reason to end.
            let _ = raw.again();
        }
        self.resize();
    }

    /// The child has ended: carries what it wrote, and gives the terminal back.
    pub fn end(mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            // A thread that broke down has nothing more to say.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "Console({} lanes)",
            self.lanes.len() + self.threads.len()
        )
    }
}

fn copy(fd: impl AsFd) -> io::Result<OwnedFd> {
    // Not one of the standard three.
    Ok(fcntl_dupfd_cloexec(fd, 3)?)
}

fn shared(fd: &OwnedFd) -> io::Result<Stdio> {
    Ok(copy(fd)?.into())
}
