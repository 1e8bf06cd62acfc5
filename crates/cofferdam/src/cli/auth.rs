//! `cofferdam auth`: where ways to log in are mounted.

use super::mounts::{Move, Tuning, common_cell, mounts, table, with_slash};
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Method, Request, Tree};

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
    /// Where to mount; without it the type's name
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Keep the data on this replica
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    tuning: Tuning,
    /// Method: approle …
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

impl Verb for Auth {
    const NAME: &'static str = "auth";
    const ABOUT: &'static str = "mount, tune and unmount auth methods";
    const EXAMPLE: &'static str = "cofferdam auth enable approle";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::List { detailed } => list(context, detailed).await,
            Action::Enable(verb) => verb.run(context).await,
            Action::Disable { path } => {
                let path = with_slash(&path);
                let request = Request::new(
                    Method::Delete,
                    format!("sys/auth/{}", path.trim_end_matches('/')),
                );
                context.link()?.send(request).await?;
                context.done(&format!(
                    "Disabled the auth method (if it existed) at: {path}"
                ))
            }
            Action::Tune(verb) => verb.run(context).await,
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
        let kind = self.kind.trim().to_owned();
        let path = with_slash(self.path.as_deref().unwrap_or(&kind));
        let mut body = Tree::map()
            .with("type", kind.as_str())
            .with(
                "description",
                self.tuning.description.clone().unwrap_or_default(),
            )
            .with("local", self.local)
            .with("config", self.tuning.config());
        if let Some(options) = self.tuning.options()? {
            body.insert("options", options);
        }
        let request = Request::post(format!("sys/auth/{}", path.trim_end_matches('/')), &body);
        context.link()?.send(request).await?;
        context.done(&format!("Enabled {kind} auth method at: {path}"))
    }
}

impl Tune {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let path = with_slash(&self.path);
        let request = Request::post(format!("sys/auth/{path}tune"), &self.tuning.body()?);
        context.link()?.send(request).await?;
        context.done(&format!("Tuned the auth method at: {path}"))
    }
}
