//! `cofferdam guard`: the authorization plugin as a daemon, and its place in dockerd's file.

mod place;

use super::{Context, Exit, Failure, Runtime, Verb, daemon};
use crate::systemd::notify;
use clap::{Args, Subcommand, ValueEnum};
use cofferdam_platform::docker::guard::{self, Mode, Policy};
use std::path::PathBuf;

/// Where dockerd looks for it; the file's name is the plugin's name.
const SOCKET: &str = "/run/docker/plugins/cofferdam-guard.sock";

/// Serves Docker's authorization plugin, or switches it on and off in dockerd.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Guard {
    #[command(subcommand)]
    action: Option<Action>,
    /// Where dockerd looks; the file name is the plugin's name
    #[arg(long, value_name = "FILE", default_value = SOCKET)]
    socket: PathBuf,
    /// What to do about a secret in a plain place
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        env = "COFFERDAM_GUARD_MODE",
        default_value = "warn"
    )]
    mode: ModeName,
    /// Count builds by BuildKit as a finding: no plugin sees their arguments
    #[arg(long)]
    refuse_buildkit: bool,
    /// File for the log, instead of stderr
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Action {
    /// make dockerd ask the guard before every request
    Enable(place::Place),
    /// make dockerd ask the guard no more; works while the guard hangs
    Disable(place::Place),
    /// show whether dockerd asks the guard, and what the guard has seen
    Status(place::Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeName {
    /// Let it pass and log it
    Warn,
    /// Refuse it
    Enforce,
}

impl Verb for Guard {
    const NAME: &'static str = "guard";
    const ABOUT: &'static str = "keep secrets out of docker run -e, build arguments and labels";
    const EXAMPLE: &'static str = "cofferdam guard -mode=enforce -log /var/log/cofferdam-guard.log\n\
         cofferdam guard enable\n\
         cofferdam guard disable";
    const RUNTIME: Runtime = Runtime::Small;

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Some(Action::Enable(place)) => place.enable(context).await,
            Some(Action::Disable(place)) => place.disable(context).await,
            Some(Action::Status(place)) => place.status(context).await,
            None => self.serve().await,
        }
    }
}

impl Guard {
    async fn serve(self) -> Result<Exit, Failure> {
        daemon::start_log(self.log)?;
        // It sees bodies of requests: none of its memory may end up in a file.
        let _ = cofferdam_secret::harden_process(true);
        let policy = Policy {
            mode: match self.mode {
                ModeName::Warn => Mode::Warn,
                ModeName::Enforce => Mode::Enforce,
            },
            refuse_buildkit: self.refuse_buildkit,
        };
        let shutdown = daemon::shutdown()?;
        let socket = daemon::listen(self.socket)?;
        notify::ready(&format!("mode {}", policy.mode.name()));
        let served = guard::serve(socket, policy, shutdown).await;
        served.map_err(|error| {
            Failure::local(error.to_string()).hint("see who answers with: cofferdam guard status")
        })?;
        Ok(Exit::Success)
    }
}
