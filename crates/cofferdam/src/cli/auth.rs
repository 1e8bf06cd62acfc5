//! `cofferdam auth`: where ways to log in are mounted.

use super::mounts::{self, Family, Move, Tune, common_cell, mounts, table};
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Request, Tree};

const FAMILY: Family = Family {
    route: "sys/auth",
    one: "auth method",
};
const TITLES: [&str; 5] = ["Path", "Type", "Accessor", "Description", "Version"];
const DETAILED: [&str; 16] = [
    "Path",
    "Plugin",
    "Accessor",
    "Default TTL",
    "Max TTL",
    "Token Type",
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

/// Mounts, tunes and unmounts auth methods.
#[derive(Args)]
pub(crate) struct Auth {
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
    /// mount an auth method
    Enable(Enable),
    /// unmount an auth method; its tokens end
    Disable {
        /// Mount
        path: String,
    },
    /// change the settings of a mount
    Tune(Tune),
    /// move a mount; its tokens end
    Move(Move),
}

#[derive(Args)]
struct Enable {
    #[command(flatten)]
    common: mounts::Mounting,
    /// Method: approle …
    #[arg(value_name = "TYPE")]
    kind: String,
}

impl Verb for Auth {
    const NAME: &'static str = "auth";
    const ABOUT: &'static str = "mount, tune and unmount auth methods";
    const EXAMPLE: &'static str = "cofferdam auth enable approle";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::List { detailed } => list(context, detailed).await,
            Action::Enable(verb) => verb.run(context).await,
            Action::Disable { path } => FAMILY.disable(context, &path).await,
            Action::Tune(verb) => verb.run(context, &FAMILY).await,
            Action::Move(verb) => verb.run(context, "auth/").await,
        }
    }
}

async fn list(context: &Context, detailed: bool) -> Result<Exit, Failure> {
    let response = context.link()?.send(Request::get("sys/auth")).await?;
    let mut mounts = mounts(&response);
    if let Tree::Map(entries) = &mut mounts {
        // An auth method without options has none, where an engine has an empty object.
        for (_, mount) in entries {
            if mount.get("options").is_some_and(Tree::is_empty) {
                mount.insert("options", Tree::Null);
            }
        }
    }
    let titles: &[&str] = if detailed { &DETAILED } else { &TITLES };
    context.print(&mounts, || table(&mounts, titles, common_cell))
}

impl Enable {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self { common, kind } = self;
        let (kind, path) = common.run(context, &FAMILY, &kind, false).await?;
        context.done(&format!("Enabled {kind} auth method at: {path}"))
    }
}
