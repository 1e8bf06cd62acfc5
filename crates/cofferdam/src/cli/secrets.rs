//! `cofferdam secrets`: where engines are mounted.

use super::mounts::{Move, Tuning, common_cell, mounts, table, with_slash};
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Method, Request, Tree};

const TITLES: [&str; 4] = ["Path", "Type", "Accessor", "Description"];
const DETAILED: [&str; 16] = [
    "Path",
    "Plugin",
    "Accessor",
    "Default TTL",
    "Max TTL",
    "Force No Cache",
    "Replication",
    "Seal Wrap",
    "External Entropy Access",
    "Options",
    "Description",
    "UUID",
    "Version",
    "Running Version",
    "Running SHA256",
    "Deprecation Status",
];

/// Mounts, tunes and unmounts secrets engines.
#[derive(Args)]
pub(crate) struct Secrets {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// list the mounts
    List {
        /// Show all that is known
        #[arg(long)]
        detailed: bool,
    },
    /// mount an engine
    Enable(Enable),
    /// unmount an engine and delete its data
    Disable {
        /// Mount
        path: String,
    },
    /// change the settings of a mount
    Tune(Tune),
    /// move a mount with what is in it
    Move(Move),
}

#[derive(Args)]
struct Enable {
    /// Where to mount; without it the type's name
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Keep the data on this replica
    #[arg(long)]
    local: bool,
    /// Encrypt once more with the seal
    #[arg(long)]
    seal_wrap: bool,
    #[command(flatten)]
    tuning: Tuning,
    /// Engine: kv, kv-v2, cubbyhole …
    #[arg(value_name = "TYPE")]
    kind: String,
}

#[derive(Args)]
struct Tune {
    #[command(flatten)]
    tuning: Tuning,
    /// Mount
    #[arg(value_name = "PATH")]
    path: String,
}

impl Verb for Secrets {
    const NAME: &'static str = "secrets";
    const ABOUT: &'static str = "mount, tune and unmount secrets engines";
    const EXAMPLE: &'static str = "cofferdam secrets enable -path=team -version=2 kv";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::List { detailed } => list(context, detailed).await,
            Action::Enable(verb) => verb.run(context).await,
            Action::Disable { path } => {
                let path = with_slash(&path);
                let request = Request::new(
                    Method::Delete,
                    format!("sys/mounts/{}", path.trim_end_matches('/')),
                );
                context.link()?.send(request).await?;
                context.done(&format!(
                    "Disabled the secrets engine (if it existed) at: {path}"
                ))
            }
            Action::Tune(verb) => verb.run(context).await,
            Action::Move(verb) => verb.run(context, "").await,
        }
    }
}

async fn list(context: &Context, detailed: bool) -> Result<Exit, Failure> {
    let response = context.link()?.send(Request::get("sys/mounts")).await?;
    let mounts = mounts(&response);
    let titles: &[&str] = if detailed { &DETAILED } else { &TITLES };
    context.print(&mounts, || table(&mounts, titles, common_cell))
}

impl Enable {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let kind = self.kind.trim().to_owned();
        let path = with_slash(self.path.as_deref().unwrap_or(&kind));
        let mut body = Tree::map()
            .with("type", kind.as_str())
            .with(
                "description",
                self.tuning.description.clone().unwrap_or_default(),
            )
            .with("local", self.local)
            .with("seal_wrap", self.seal_wrap)
            .with("config", self.tuning.config());
        if let Some(options) = self.tuning.options()? {
            body.insert("options", options);
        }
        let request = Request::post(format!("sys/mounts/{}", path.trim_end_matches('/')), &body);
        context.link()?.send(request).await?;
        context.done(&format!("Enabled the {kind} secrets engine at: {path}"))
    }
}

impl Tune {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let path = with_slash(&self.path);
        let request = Request::post(format!("sys/mounts/{path}tune"), &self.tuning.body()?);
        context.link()?.send(request).await?;
        context.done(&format!("Tuned the secrets engine at: {path}"))
    }
}
