//! `cofferdam up`: a server without any configuration, in the background.

use super::operator::key_files;
use super::{Context, Exit, Failure, Runtime, Verb, agent_marker, terminal};
use crate::assemble;
use crate::config::Log;
use crate::daemon::initialize::{self, Outcome, Recovery};
use crate::daemon::{Home, docker, flag, process};
use crate::serve::{self, Plan};
use clap::Args;
use cofferdam_api::places::environment;
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;
use tokio::time::Instant;

/// How long a new server may take to answer. It takes milliseconds; a check of a large store after
/// a crash takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the plugin may take; nothing is lost when it takes longer.
const PLUGIN_PATIENCE: Duration = Duration::from_secs(10);

/// Starts a server that needs no configuration.
#[derive(Args)]
pub(crate) struct Up {
    /// Where the store is kept
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Where other clients than the local ones connect, with TLS
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// The local socket, on which root and you are admin
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Where the key of the machine's seal is kept; outside the data directory
    #[arg(long, value_name = "FILE")]
    seal_key: Option<PathBuf>,
    /// Files with a public OpenPGP key for each recovery share of a new store: they leave as messages,
    /// and more than half of them open it
    #[arg(long, value_name = "FILE,FILE")]
    recovery_pgp_keys: Option<String>,
    /// Stay in the foreground, for systemd and containers
    #[arg(long)]
    foreground: bool,
    /// Do not start the Docker plugin
    #[arg(long)]
    no_docker: bool,
    /// Set by `up` itself for the process in the background
    #[arg(long, hide = true, requires = "foreground")]
    detached: bool,
}

impl Verb for Up {
    const NAME: &'static str = "up";
    const ABOUT: &'static str = "start a server that needs no configuration";
    const EXAMPLE: &'static str =
        "cofferdam up\ncofferdam up -foreground -data /srv/cofferdam -listen 0.0.0.0:8200";
    const RUNTIME: Runtime = Runtime::Server;

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = Home::new(
            self.data.clone(),
            self.socket.clone(),
            self.listen,
            self.seal_key.clone(),
            &environment,
        )?;
        // Before anything is started: a key may be no good.
        let recovery = match &self.recovery_pgp_keys {
            Some(files) => Recovery::Sent(key_files::holders(files)?),
            None if may_show_shares() => Recovery::Shown,
            None => Recovery::None,
        };
        if self.foreground {
            return self.foreground(&home, &recovery, context).await;
        }
        if process::is_held_by_systemd(&home.socket) {
            return Err(Failure::local("the server is a service of systemd")
                .hint("systemctl restart cofferdam.service"));
        }
        let client = home.client()?;
        if let Some(server) = home.server() {
            context.say(&format!(
                "already running: process {}, socket {}",
                server.id,
                home.socket.display()
            ));
            self.docker(&home, context).await?;
            return Ok(Exit::Success);
        }
        home.prepare()?;
        let mut child = process::start(&arguments(&home), &[], &home.log())
            .map_err(|error| Failure::local(format!("cannot start the server: {error}")))?;
        await_answer(&home, &mut child).await?;
        let outcome = initialize::initialize(&home, &client, &recovery, context).await?;
        report(&home, child.id(), outcome, context);
        self.docker(&home, context).await?;
        let standing = initialize::standing(&client).await?;
        if standing.sealed {
            context.say("the store is sealed: its key did not open it");
            context.say(&format!(
                "hint: see {}; with recovery shares: cofferdam operator unseal",
                home.log().display()
            ));
            return Ok(Exit::Server);
        }
        context.say("  you are admin via your unix user; no token to copy");
        context.say("hint: cofferdam import .env");
        Ok(Exit::Success)
    }
}

impl Up {
    /// Serves in this process. In the background somebody else initializes; else nobody would.
    async fn foreground(
        self,
        home: &Home,
        recovery: &Recovery,
        context: &Context,
    ) -> Result<Exit, Failure> {
        home.prepare()?;
        let plan = Plan {
            resolved: home.resolved(Log::default()),
            authority: home.data.join("tls"),
            reread: None,
        };
        let detached = self.detached;
        serve::run(plan, context, async |_, addresses| {
            for address in addresses {
                context.say(&format!("listening on: {address}"));
            }
            if !detached {
                let client = home.client()?;
                let outcome = initialize::initialize(home, &client, recovery, context).await?;
                report(home, std::process::id(), outcome, context);
                self.docker(home, context).await?;
            }
            context.say("ready");
            Ok(())
        })
        .await
    }

    async fn docker(&self, home: &Home, context: &Context) -> Result<(), Failure> {
        if self.no_docker {
            return Ok(());
        }
        match docker::look() {
            docker::Engine::Absent => {
                context.say("  docker   no engine answers here; run up again once there is one")
            }
            docker::Engine::Service => {
                context.say("  docker   the plugin is a service of systemd: cofferdam-plugin")
            }
            docker::Engine::NotRoot => {
                context.say("  docker   not served: only root can register the plugin")
            }
            docker::Engine::Served(plugin) => context.say(&format!(
                "  docker   the plugin is running: process {}",
                plugin.id
            )),
            docker::Engine::Present => {
                let child = docker::start(home)?;
                context.say(&format!("  docker   {}", plugin_of(home, child).await));
            }
        }
        Ok(())
    }
}

fn arguments(home: &Home) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "up".into(),
        "--foreground".into(),
        "--detached".into(),
        "--no-docker".into(),
    ];
    arguments.push(flag("data", &home.data));
    arguments.push(flag("socket", &home.socket));
    arguments.push(format!("--listen={}", home.listen).into());
    arguments.extend(home.seal_key.as_ref().map(|key| flag("seal-key", key)));
    arguments
}

/// Recovery shares are for people: somebody who reads what is printed, and no AI agent in between.
fn may_show_shares() -> bool {
    terminal::stdin_is_terminal()
        && terminal::stdout_is_terminal()
        && agent_marker::found(&environment).is_none()
}

/// Waits until the server answers; ends early when it does.
async fn await_answer(home: &Home, child: &mut Child) -> Result<(), Failure> {
    let began = Instant::now();
    while home.server().is_none_or(|server| server.id != child.id()) {
        if let Ok(Some(_)) = child.try_wait() {
            return Err(last_words(home, "the server did not start"));
        }
        if began.elapsed() > PATIENCE {
            return Err(last_words(home, "the server does not answer"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// What became of a plugin that was started: the next command may be one that asks Docker for it.
async fn plugin_of(home: &Home, mut child: Child) -> String {
    let began = Instant::now();
    loop {
        if let Some(plugin) = process::listening_on(Path::new(docker::PLUGIN)) {
            return format!(
                "plugin started: process {}, volume, secret and log driver \"cofferdam\"",
                plugin.id
            );
        }
        let what = match child.try_wait() {
            Ok(Some(_)) => "did not start",
            _ if began.elapsed() > PLUGIN_PATIENCE => "does not answer yet",
            _ => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
        };
        let log = docker::log(home);
        return format!("the plugin {what}: see {}", log.display());
    }
}

/// The end of its log says why.
fn last_words(home: &Home, what: &str) -> Failure {
    let failure = tail(&home.log())
        .into_iter()
        .fold(Failure::local(what), Failure::detail);
    failure.hint(format!("the whole log: {}", home.log().display()))
}

fn tail(log: &Path) -> Vec<String> {
    let mut end = String::new();
    let read = std::fs::File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(2048)))?;
        file.read_to_string(&mut end)
    });
    if read.is_err() {
        return Vec::new();
    }
    let lines: Vec<_> = end.lines().map(str::to_owned).collect();
    lines.into_iter().rev().take(3).rev().collect()
}

fn report(home: &Home, process: u32, outcome: Outcome, context: &Context) {
    let places = assemble::seal_places(&home.data, home.seal_key.as_deref());
    let promise = assemble::promise(&places);
    context.say(&format!("server running: process {process}"));
    context.say(&format!("  store    {} ({promise})", home.data.display()));
    context.say(&format!(
        "  address  https://{}, CA {}",
        home.listen,
        home.ca().display()
    ));
    context.say(&format!("  socket   {}", home.socket.display()));
    match outcome {
        Outcome::Known => return,
        Outcome::Finished => context.say("  setup    finished what an earlier start began"),
        Outcome::NewWithShares | Outcome::NewWithoutShares => {
            context.say("  the root token was revoked; nobody has one");
        }
    }
    context.say(&format!("  audit    {}", home.audit().display()));
    context.say("  mounted  secret/ (kv version 2)");
    if outcome == Outcome::NewWithoutShares {
        context.say(&format!(
            "  recovery no shares were made, because there is no terminal to show them on (see -recovery-pgp-keys): without {} nobody can open this store",
            places.key_file.display()
        ));
    }
}
