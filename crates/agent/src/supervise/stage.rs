//! The step between our fork and the real command, in a copy of our own program.
//!
//! What must happen inside the child before it becomes the command cannot be done between fork
//! and exec without unsafe code. So the child first becomes `cofferdam run --stage …`, which asks
//! the kernel for a signal at our death and then turns into the command. `PR_SET_PDEATHSIG`
//! survives exec, except into programs that gain privileges (prctl(2)).

use super::Job;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// How to call our own program as a stage: `program arguments… PARENT CALLED PROGRAM ARGUMENTS…`.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Our own executable, mostly `/proc/self/exe`.
    pub program: PathBuf,
    /// What selects the stage, up to and including `--`.
    pub arguments: Vec<OsString>,
}

impl Stage {
    pub(super) fn command(&self, job: &Job) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.arg(getpid().to_string());
        command.arg(&job.called);
        command.arg(&job.program);
        command.args(&job.arguments);
        command
    }
}

/// Turns this process into the command; comes back only with the reason why not.
#[must_use]
pub fn become_command(words: Vec<OsString>) -> io::Error {
    let mut words = words.into_iter();
    let (Some(parent), Some(called), Some(program)) = (words.next(), words.next(), words.next())
    else {
        return io::Error::other("a stage is started by cofferdam itself");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    // It may have died before we asked; then nobody would ever tell us.
    let parent = parent.to_str().and_then(|number| number.parse().ok());
    if parent.and_then(Pid::from_raw) != getppid() {
        return io::Error::other("the supervisor is gone");
    }
    Command::new(program).arg0(called).args(words).exec()
}
