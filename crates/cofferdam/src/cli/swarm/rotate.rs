//! `swarm rotate`.

use super::super::delivery::{fetch_failure, plan_failure};
use super::super::terminal::read_stdin;
use super::super::{Context, Exit, Failure};
use super::progress::Progress;
use super::{Moving, cluster, failure, plan_text};
use clap::Args;
use cofferdam_agent::fetch;
use cofferdam_agent::plan::{Loan, Prefix};
use cofferdam_platform::docker::swarm::MAX_SIZE;
use cofferdam_platform::docker::swarm::rotate::{Done, Rotate as Work};
use cofferdam_secret::Secret;

/// Brings a new value to every service that uses a secret, or none.
#[derive(Args)]
pub(super) struct Rotate {
    /// The Swarm secret
    #[arg(value_name = "NAME")]
    name: String,
    /// The new value: - for stdin, or a reference; without it, the newest version in the store
    #[arg(long, value_name = "-|REFERENCE", allow_hyphen_values = true)]
    value_from: Option<String>,
    /// Take back a rotation that was interrupted
    #[arg(long, conflicts_with = "value_from")]
    abort: bool,
    /// Keep the old object of a plain secret
    #[arg(long)]
    keep_old: bool,
    #[command(flatten)]
    moving: Moving,
}

impl Rotate {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let swarm = cluster().await?;
        let client = context.client()?.without_wrapping();
        let work = Work {
            swarm: &swarm,
            client: &client,
            options: self.moving.options(),
            keep_old: self.keep_old,
        };
        let plan = work.plan(&self.name, self.value_from.is_some()).await;
        let plan = plan.map_err(failure)?;
        let title = format!("{}: {}", plan.name, plan.value);
        if self.moving.dry_run {
            context.out(plan_text(&title, &plan.steps, &plan.jobs).as_bytes())?;
            return Ok(Exit::Success);
        }
        let name = plan.name.clone();
        let value = match &self.value_from {
            Some(from) => Some(value(&client, from).await?),
            None => None,
        };
        if value.as_ref().is_some_and(ends_in_newline) {
            context.say("note: the new value ends in a newline, which is kept");
        }
        if plan.resumes && !self.abort {
            context.say(&format!("going on with the rotation of {name}"));
        }
        let progress = Progress::new(context);
        let mut report = |event| progress.show(event);
        let done = if self.abort {
            work.abort(plan, &mut report).await
        } else {
            work.run(plan, value.as_ref(), &mut report).await
        };
        drop(progress);
        match done.map_err(failure)? {
            Done::Rotated => context.say(&format!("rotated: {name}")),
            Done::TakenBack => context.say(&format!("taken back: {name}")),
            Done::Cleared => context.say(&format!("nothing is under way any more: {name}")),
        }
        Ok(Exit::Success)
    }
}

async fn value(client: &cofferdam_api::Client, from: &str) -> Result<Secret<Vec<u8>>, Failure> {
    if from == "-" {
        return read_stdin(MAX_SIZE);
    }
    let loan = Loan::parse(&format!("value={from}"), '=', &Prefix::default());
    let loan = loan.map_err(|error| plan_failure(&error))?;
    let lent = fetch::fetch(client, &[loan], MAX_SIZE).await;
    let lent = lent.map_err(fetch_failure)?.into_iter().next();
    lent.map(|lent| lent.value)
        .ok_or_else(|| Failure::server("the server lent nothing"))
}

fn ends_in_newline(value: &Secret<Vec<u8>>) -> bool {
    value.expose().ends_with(b"\n")
}
