//! The signals that reach us, with who sent them.

use rustix::process::Pid;
use signal_hook::consts::signal as known;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Everything a user may send except what cannot be caught (`KILL`, `STOP`), what a fault of our
/// own raises (`SEGV`, `BUS`, `ILL`, `FPE`, `ABRT`, `TRAP`, `SYS`), `PIPE`, and the terminal's
/// `TTIN` and `TTOU`, which concern who reads and not who waits. Real-time signals stay ours.
const FORWARDED: [i32; 17] = [
    known::SIGHUP,
    known::SIGINT,
    known::SIGQUIT,
    known::SIGTERM,
    known::SIGUSR1,
    known::SIGUSR2,
    known::SIGALRM,
    known::SIGCONT,
    known::SIGTSTP,
    known::SIGWINCH,
    known::SIGURG,
    known::SIGXCPU,
    known::SIGXFSZ,
    known::SIGVTALRM,
    known::SIGPROF,
    known::SIGIO,
    // What init systems send when the power fails.
    rustix::process::Signal::POWER.as_raw(),
];

/// Lets the usual signals end this process again. A [`super::Supervisor`] leaves them ignored; who
/// has more to do after its child calls this.
///
/// # Errors
/// When the system refuses.
pub fn end_by_signals() -> io::Result<()> {
    let always = Arc::new(AtomicBool::new(true));
    for signal in [known::SIGHUP, known::SIGINT, known::SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&always))?;
    }
    Ok(())
}

/// The queue of signals.
pub(super) struct Incoming {
    queue: SignalsInfo<WithOrigin>,
}

/// One signal.
pub(super) struct Event {
    pub(super) signal: i32,
    sender: Sender,
}

#[derive(PartialEq, Eq)]
enum Sender {
    /// The kernel: a key of the terminal, its new size, its end. Our group got it, child included.
    Kernel,
    /// A process; its number where the kernel tells.
    Process(Option<i32>),
    /// It tells us that the child's state changed.
    Child,
}

impl Incoming {
    pub(super) fn listen() -> io::Result<Self> {
        let all = FORWARDED.iter().chain(std::iter::once(&known::SIGCHLD));
        Ok(Self {
            queue: SignalsInfo::new(all)?,
        })
    }

    /// Waits for one signal or more.
    pub(super) fn wait(&mut self) -> impl Iterator<Item = Event> {
        self.queue.wait().map(|origin| Event::from(&origin))
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Incoming")
    }
}

impl Event {
    /// Whether the child must be given this signal: it has not got it already, and did not send it.
    pub(super) fn is_for(&self, child: Pid) -> bool {
        match self.sender {
            Sender::Child | Sender::Kernel => false,
            Sender::Process(sender) => sender != Some(child.as_raw_nonzero().get()),
        }
    }
}

impl Event {
    /// Whether a key of the terminal made it.
    pub(super) fn is_key(&self) -> bool {
        let keys = [known::SIGINT, known::SIGQUIT, known::SIGTSTP];
        self.sender == Sender::Kernel && keys.contains(&self.signal)
    }

    /// Whether it tells a whole group of processes what became of their terminal. Its size is told
    /// by the child's own terminal.
    pub(super) fn is_of_terminal(&self) -> bool {
        self.sender == Sender::Kernel && self.signal != known::SIGWINCH
    }
}

impl From<&Origin> for Event {
    fn from(origin: &Origin) -> Self {
        let process = || Sender::Process(origin.process.as_ref().map(|process| process.pid));
        let sender = match origin.cause {
            _ if origin.signal == known::SIGCHLD => Sender::Child,
            Cause::Kernel => Sender::Kernel,
            _ => process(),
        };
        Self {
            signal: origin.signal,
            sender,
        }
    }
}
