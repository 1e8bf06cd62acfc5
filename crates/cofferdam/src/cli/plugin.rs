//! `cofferdam plugin`: the daemon that dockerd asks for secrets and volumes. `up` starts it.

use super::{Context, Exit, Failure, Runtime, Verb, daemon};
use crate::systemd::notify;
use clap::Args;
use cofferdam_api::places;
use cofferdam_platform::docker::engine::Engine;
use cofferdam_platform::docker::plugin::{Config, serve};
use std::path::PathBuf;

/// Serves Docker's secret, volume and log drivers.
#[derive(Args)]
pub(crate) struct Plugin {
    /// Where dockerd looks; the file name is the driver's name
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/run/docker/plugins/cofferdam.sock"
    )]
    socket: PathBuf,
    /// Directory for what is remembered of volumes (no values)
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Directory below which volumes are mounted
    #[arg(long, value_name = "DIRECTORY")]
    runtime: Option<PathBuf>,
    /// File for the log, instead of stderr
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Internal: started by `up`; nothing that happens to its terminal may reach us
    #[arg(long, hide = true)]
    detached: bool,
}

impl Verb for Plugin {
    const NAME: &'static str = "plugin";
    const ABOUT: &'static str = "serve Docker's secret, volume and log drivers";
    const EXAMPLE: &'static str = "cofferdam plugin -log /var/log/cofferdam-plugin.log\n\
         docker volume create -d cofferdam -o from=secret/shop -o uid=1000 shop";
    const RUNTIME: Runtime = Runtime::Small;

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let engine = Engine::local().map_err(|error| {
            Failure::local(error.to_string())
                .hint("the plugin serves this machine's engine: unset DOCKER_HOST")
        })?;
        if !rustix::process::geteuid().is_root() {
            return Err(
                Failure::local("the Docker plugin must run as root: it mounts volumes")
                    .hint("sudo cofferdam plugin"),
            );
        }
        if self.detached {
            // Fails only for one that leads a session already.
            let _ = rustix::process::setsid();
        }
        daemon::start_log(self.log)?;
        let _ = cofferdam_secret::harden_process(true);
        let config = Config {
            listen: daemon::listen(self.socket)?,
            data: self
                .data
                .unwrap_or_else(|| places::data_dir(&places::environment).join("docker")),
            runtime: self
                .runtime
                .unwrap_or_else(|| places::runtime_dir(&places::environment)),
            client: context.client()?,
            engine,
        };
        let shutdown = daemon::shutdown()?;
        notify::ready("serving Docker's secret, volume and log drivers");
        let served = serve(config, shutdown).await;
        served.map_err(|error| Failure::local(error.to_string()))?;
        Ok(Exit::Success)
    }
}
