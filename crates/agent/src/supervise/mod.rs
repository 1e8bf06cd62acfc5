//! Runs one process and stands aside: what it would see without us it sees with us.
//!
//! * The child stays in our process group, so a terminal's own signals (Ctrl-C, Ctrl-Z, a resize)
//!   reach it directly and pipelines keep working; those are not sent a second time. Signals that
//!   somebody sent to us are forwarded.
//! * When the child is stopped on a terminal, so are we, or the shell would wait for nothing.
//! * Where values are masked ([`crate::output`]) the child's output passes us; on a terminal it may
//!   then have a session of its own.
//! * The child's end is ours: its exit code, or 128 + its signal.
//! * As PID 1 of a container all orphans are reaped.
//! * When we are killed without a chance to act, the kernel tells the child ([`stage`]).

mod program;
mod signals;
pub mod stage;

pub use program::{ProgramError, resolve};
pub use signals::end_by_signals;
pub use stage::Stage;

use crate::output::{Console, Current};
use crate::sink::SealedFile;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getsid, kill_process, kill_process_group, wait,
    waitpid,
};
use signals::Incoming;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// What to run.
#[derive(Debug)]
pub struct Job {
    /// The program, found already ([`resolve`]).
    pub program: PathBuf,
    /// What it is told it was called.
    pub called: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables to set. Values that are secrets stay in the child's environment: the caller was
    /// asked for that.
    pub set: Vec<(String, OsString)>,
    /// Variables to take away.
    pub unset: Vec<String>,
    /// Start from an empty environment.
    pub pristine: bool,
    /// Memory files that the child inherits.
    pub inherit: Vec<SealedFile>,
    /// How our own program is called to become the child; without it the child outlives us when we
    /// are killed.
    pub stage: Option<Stage>,
    /// What is masked in its output. Without it, its output goes where ours goes, untouched.
    pub masks: Option<Arc<Current>>,
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited.
    Code(u8),
    /// A signal killed it.
    Signal(u8),
}

impl Ending {
    /// The exit code that says the same, as shells count.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128_u8.saturating_add(signal),
        }
    }
}

/// Why the process could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// A memory file could not be handed over.
    #[error(transparent)]
    Sink(#[from] crate::sink::Error),
}

fn failed<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::System {
        action,
        source: source.into(),
    }
}

/// Listens for signals from now on. What arrives before the child runs is given to it then, so
/// nothing that was put for it is left behind by a signal that comes early.
#[derive(Debug)]
pub struct Supervisor {
    incoming: Incoming,
}

impl Supervisor {
    /// Takes over this process's signals.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn new() -> Result<Self, Error> {
        let incoming = Incoming::listen().map_err(failed("listen for signals"))?;
        Ok(Self { incoming })
    }

    /// Runs the job to its end on the calling thread, which must live as long: the kernel binds
    /// the child's life to the thread that started it.
    ///
    /// # Errors
    /// [`Error`] when it could not be started or waited for.
    pub fn run(mut self, job: &Job) -> Result<Ending, Error> {
        let mut command = command(job);
        let staged = job.stage.is_some();
        let attach = |masks| Console::attach(&mut command, Arc::clone(masks), staged);
        let console = job.masks.as_ref().map(attach).transpose();
        let mut console = console.map_err(failed("stand between the command and its output"))?;
        if let Some(stage) = &job.stage {
            let session = console.as_ref().is_some_and(Console::has_session);
            stage.arguments(&mut command, job, session);
        }
        for file in &job.inherit {
            file.share_with_children()?;
        }
        let child = command.spawn();
        // It holds the child's side of the pipes.
        drop(command);
        for file in &job.inherit {
            file.keep_from_children();
        }
        let child = child.map_err(failed("start the command"))?;
        let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let child = child.ok_or_else(|| failed("start the command")(io::Error::other("no pid")))?;
        if let Some(console) = &mut console {
            console.begin();
        }
        let session = console.as_ref().is_some_and(Console::has_session);
        let watch = Watch {
            child,
            console: console.as_ref(),
            tells_terminal: session,
            stops_too: has_job_control(),
            whole_group: false,
        };
        let ending = self.attend(&watch);
        if let Some(console) = console {
            console.end();
        }
        ending
    }

    /// Stands behind the foreground of a session of our own, to the child's end.
    fn lead(mut self, child: Pid) -> Result<Ending, Error> {
        self.attend(&Watch {
            child,
            console: None,
            tells_terminal: false,
            stops_too: true,
            whole_group: true,
        })
    }

    /// Until the child ends.
    fn attend(&mut self, watch: &Watch<'_>) -> Result<Ending, Error> {
        loop {
            for event in self.incoming.wait() {
                if let Some(console) = watch.console {
                    follow_terminal(console, event.signal);
                }
                let told = (watch.tells_terminal && event.is_of_terminal())
                    // Before the child was in front, its keys' signals came to us.
                    || (watch.whole_group && event.is_key());
                if event.is_for(watch.child) || told {
                    watch.forward(event.signal);
                }
            }
            match poll(watch.child).map_err(failed("wait for the command"))? {
                State::Ended(ending) => return Ok(ending),
                State::Stopped if watch.stops_too => {
                    if let Some(console) = watch.console {
                        console.pause();
                    }
                    stop_too();
                }
                State::Stopped | State::Running => {}
            }
        }
    }
}

/// A child that is waited for.
struct Watch<'w> {
    child: Pid,
    console: Option<&'w Console>,
    /// What the kernel tells our group of the terminal, a child in another session has not heard.
    tells_terminal: bool,
    /// Somebody waits for us as we wait for it.
    stops_too: bool,
    /// It is a group of its own, and gets signals as one.
    whole_group: bool,
}

impl Watch<'_> {
    fn forward(&self, signal: i32) {
        let Some(signal) = Signal::from_named_raw(signal) else {
            return;
        };
        // It may have ended just now; then its end is what the next round sees.
        let _ = if self.whole_group {
            kill_process_group(self.child, signal)
        } else {
            kill_process(self.child, signal)
        };
    }
}

/// The child's terminal is as large as ours, and ours is raw while we run.
fn follow_terminal(console: &Console, signal: i32) {
    match Signal::from_named_raw(signal) {
        Some(Signal::WINCH) => console.resize(),
        Some(Signal::CONT) => console.go_on(),
        _ => {}
    }
}

enum State {
    Running,
    Stopped,
    Ended(Ending),
}

/// What became of the child since the last look. As PID 1 everybody's orphans are ours, and one
/// call takes them and the child alike.
fn poll(child: Pid) -> io::Result<State> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
    loop {
        let changed = if getpid().is_init() {
            wait(options)
        } else {
            waitpid(Some(child), options)
        };
        match changed {
            Ok(None) => return Ok(State::Running),
            Ok(Some((pid, status))) if pid == child => return Ok(state_of(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn state_of(status: WaitStatus) -> State {
    let small = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
    if status.stopped() {
        State::Stopped
    } else if let Some(signal) = status.terminating_signal() {
        State::Ended(Ending::Signal(small(signal)))
    } else {
        State::Ended(Ending::Code(small(status.exit_status().unwrap_or(1))))
    }
}

fn command(job: &Job) -> Command {
    let mut command = match &job.stage {
        Some(stage) => stage.command(),
        None => {
            let mut command = Command::new(&job.program);
            std::os::unix::process::CommandExt::arg0(&mut command, &job.called);
            command.args(&job.arguments);
            command
        }
    };
    if job.pristine {
        command.env_clear();
    }
    for name in &job.unset {
        command.env_remove(name);
    }
    command.envs(job.set.iter().map(|(name, value)| (name, value)));
    command
}

/// Whether a shell with job control watches us.
fn has_job_control() -> bool {
    let terminal = std::fs::File::open("/dev/tty").is_ok();
    terminal && getsid(None).is_ok_and(|leader| leader != getpid())
}

fn stop_too() {
    let _ = kill_process(getpid(), Signal::STOP);
}
