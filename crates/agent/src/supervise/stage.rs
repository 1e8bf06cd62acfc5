//! The step between our fork and the real command, in a copy of our own program.
//!
//! What must happen inside the child before it becomes the command cannot be done between fork
//! and exec without unsafe code. So the child first becomes `cofferdam run --stage …`, which asks
//! the kernel for a signal at our death and then turns into the command. `PR_SET_PDEATHSIG`
//! survives exec, except into programs that gain privileges (prctl(2)).

use super::{Ending, Job, Supervisor};
use rustix::process::{
    Pid, Signal, getpid, getppid, ioctl_tiocsctty, kill_process_group,
    set_parent_process_death_signal, setsid,
};
use rustix::stdio::stdin;
use rustix::termios::tcsetpgrp;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// The word for a child that has a session of its own.
const SESSION: &str = "session";
/// The word for one that stays in ours.
const SAME: &str = "same";

/// How to call our own program as a stage:
/// `program arguments… PARENT SESSION CALLED PROGRAM ARGUMENTS…`.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Our own executable, mostly `/proc/self/exe`.
    pub program: PathBuf,
    /// What selects the stage, up to and including `--`.
    pub arguments: Vec<OsString>,
}

impl Stage {
    pub(super) fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// What the stage is told.
    pub(super) fn arguments(&self, command: &mut Command, job: &Job, session: bool) {
        command.args(&self.arguments);
        command.arg(getpid().to_string());
        command.arg(if session { SESSION } else { SAME });
        command.arg(&job.called);
        command.arg(&job.program);
        command.args(&job.arguments);
    }
}

/// Turns this process into the command. Comes back with the reason why not; or, where the command
/// has a session of its own and this process stands behind it as a shell would, with its end.
///
/// # Errors
/// When the command cannot be started.
pub fn become_command(words: Vec<OsString>) -> io::Result<Ending> {
    let mut words = words.into_iter();
    let (Some(parent), Some(session), Some(called), Some(program)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(io::Error::other("a stage is started by cofferdam itself"));
    };
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have died before we asked; then nobody would ever tell us.
    let parent = parent.to_str().and_then(|number| number.parse().ok());
    if parent.and_then(Pid::from_raw) != getppid() {
        return Err(io::Error::other("the supervisor is gone"));
    }
    let mut command = Command::new(program);
    command.arg0(called).args(words);
    if session == SESSION {
        return in_front(command);
    }
    Err(command.exec())
}

/// Begins a session on the terminal that is our stdin and runs the command in its foreground. We stay
/// as the session's leader: keys that stop the command stop only those whose parent is of the same
/// session (setpgid(2), orphaned process groups), and somebody must hand the stop on.
fn in_front(mut command: Command) -> io::Result<Ending> {
    setsid()?;
    ioctl_tiocsctty(stdin())?;
    let supervisor = Supervisor::new().map_err(io::Error::other)?;
    command.process_group(0);
    let child = command.spawn()?;
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let child = child.ok_or_else(|| io::Error::other("no pid"))?;
    tcsetpgrp(stdin(), child)?;
    // It may have been stopped because it read before it was in front.
    let _ = kill_process_group(child, Signal::CONT);
    supervisor.lead(child).map_err(io::Error::other)
}
