//! `cofferdam audit`: devices, and the proof that a log is whole.

mod verify;

use super::input::parse_pairs;
use super::mounts::{common_cell, mounts, table, with_slash};
use super::output::Format;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Method, Request, Tree};

const TITLES: [&str; 3] = ["Path", "Type", "Description"];
const DETAILED: [&str; 5] = ["Path", "Type", "Description", "Replication", "Options"];

/// Enables, lists and disables audit devices, and verifies their logs.
#[derive(Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// list the devices
    List {
        /// Show all that is known
        #[arg(long)]
        detailed: bool,
    },
    /// enable a device
    Enable(Enable),
    /// prove that a log is whole, or name the lines that were touched
    Verify(verify::Verify),
    /// disable a device
    Disable {
        /// Device
        path: String,
    },
}

#[derive(Args)]
struct Enable {
    /// Name of the device; without it the type's name
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Note for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Only on this replica
    #[arg(long)]
    local: bool,
    /// Device: file or stdout
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Option of the form KEY=VALUE, for example file_path=/var/log/cofferdam.log
    #[arg(value_name = "OPTION")]
    options: Vec<String>,
}

impl Verb for Audit {
    const NAME: &'static str = "audit";
    const ABOUT: &'static str = "enable audit devices and verify their logs";
    const EXAMPLE: &'static str = "cofferdam audit enable file file_path=/var/log/cofferdam-audit.log\ncofferdam audit verify /var/log/cofferdam-audit.log";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::List { detailed } => list(context, detailed).await,
            Action::Enable(verb) => verb.run(context).await,
            Action::Verify(verb) => verb.run(context).await,
            Action::Disable { path } => {
                let path = with_slash(&path);
                let request = Request::new(
                    Method::Delete,
                    format!("sys/audit/{}", path.trim_end_matches('/')),
                );
                context.link()?.send(request).await?;
                context.done(&format!(
                    "Disabled audit device (if it was enabled) at: {path}"
                ))
            }
        }
    }
}

async fn list(context: &Context, detailed: bool) -> Result<Exit, Failure> {
    let response = context.link()?.send(Request::get("sys/audit")).await?;
    let devices = mounts(&response);
    if devices.is_empty() && context.format() == Format::Table {
        context.out(b"No audit devices are enabled.\n")?;
        return Ok(Exit::Server);
    }
    let titles: &[&str] = if detailed { &DETAILED } else { &TITLES };
    context.print(&devices, || table(&devices, titles, common_cell))
}

impl Enable {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let kind = self.kind.trim().to_owned();
        let path = with_slash(self.path.as_deref().unwrap_or(&kind));
        let body = Tree::map()
            .with("type", kind.as_str())
            .with("description", self.description)
            .with("options", parse_pairs(&self.options)?)
            .with("local", self.local);
        let request = Request::put(format!("sys/audit/{}", path.trim_end_matches('/')), &body);
        context.link()?.send(request).await?;
        context.done(&format!("Enabled the {kind} audit device at: {path}"))
    }
}
