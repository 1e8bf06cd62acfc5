//! `cofferdam down`: stops what `cofferdam up` started.

use super::{Context, Exit, Failure, Verb};
use crate::daemon::process::{Process, is_held_by_systemd, listening_on};
use crate::daemon::{Home, docker};
use clap::Args;
use cofferdam_api::places::environment;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The server gives requests 15 seconds to finish.
const PATIENCE: Duration = Duration::from_secs(30);

/// Stops the server and the Docker plugin that `up` started.
#[derive(Args)]
pub(crate) struct Down {
    /// The local socket of the server to stop
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Leave the Docker plugin running
    #[arg(long)]
    no_docker: bool,
}

impl Verb for Down {
    const NAME: &'static str = "down";
    const ABOUT: &'static str = "stop the server that up started";
    const EXAMPLE: &'static str = "cofferdam down";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = Home::new(None, self.socket, None, None, &environment)?;
        if is_held_by_systemd(&home.socket) {
            return Err(Failure::local("the server is a service of systemd")
                .hint("systemctl stop cofferdam.socket cofferdam.service"));
        }
        let server = home.server();
        if !self.no_docker
            && let Some(plugin) = listening_on(Path::new(docker::PLUGIN))
        {
            stop(&plugin, "Docker plugin", context)?;
        }
        match server {
            Some(server) => stop(&server, "server", context)?,
            None => context.say(&format!(
                "not running: nobody listens on {}",
                home.socket.display()
            )),
        }
        Ok(Exit::Success)
    }
}

fn stop(process: &Process, what: &str, context: &Context) -> Result<(), Failure> {
    let stopped = process.stop(PATIENCE).map_err(|error| {
        Failure::local(format!(
            "cannot stop the {what}, process {}: {error}",
            process.id
        ))
        .hint("run this as root or as the user who started it")
    })?;
    if !stopped {
        return Err(Failure::local(format!(
            "the {what} is still running after {} seconds: process {}",
            PATIENCE.as_secs(),
            process.id
        ))
        .hint(format!("end it with: kill -KILL {}", process.id)));
    }
    context.say(&format!("{what} stopped: process {}", process.id));
    Ok(())
}
