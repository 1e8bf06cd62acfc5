//! `cofferdam secrets`: where engines are mounted.

use super::mounts::{self, Family, Move, Tune, common_cell, mounts, table};
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::Request;

const FAMILY: Family = Family {
    route: "sys/mounts",
    one: "secrets engine",
};
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
    /// Keep nothing of it in memory
    #[arg(long)]
    force_no_cache: bool,
    #[command(flatten)]
    common: mounts::Mounting,
    /// Engine: kv, kv-v2, cubbyhole …
    #[arg(value_name = "TYPE")]
    kind: String,
}

impl Verb for Secrets {
    const NAME: &'static str = "secrets";
    const ABOUT: &'static str = "mount, tune and unmount secrets engines";
    const EXAMPLE: &'static str = "cofferdam secrets enable -path=team -version=2 kv";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::List { detailed } => list(context, detailed).await,
            Action::Enable(verb) => verb.run(context).await,
            Action::Disable { path } => FAMILY.disable(context, &path).await,
            Action::Tune(verb) => verb.run(context, &FAMILY).await,
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
        let mounting = self.common;
        let (kind, path) = mounting
            .run(context, &FAMILY, &self.kind, self.force_no_cache)
            .await?;
        context.done(&format!("Enabled the {kind} secrets engine at: {path}"))
    }
}
