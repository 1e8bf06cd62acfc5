//! `swarm adopt`.

use super::super::terminal::read_stdin;
use super::super::{Context, Exit, Failure};
use super::progress::Progress;
use super::{Moving, cluster, failure, plan_text};
use clap::Args;
use cofferdam_platform::docker::swarm::adopt::Adopt as Work;
use cofferdam_platform::docker::swarm::{Error, MAX_SIZE};

/// Turns plain Swarm secrets into store-backed ones; their services go on under the same file name.
#[derive(Args)]
pub(super) struct Adopt {
    /// The Swarm secrets; without a name, all whose value a task of this node holds
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Where the value comes from instead of a task: - for stdin
    #[arg(long, value_name = "-", value_parser = ["-"], allow_hyphen_values = true)]
    value_from: Option<String>,
    /// Where the values go: PREFIX/NAME
    #[arg(long, value_name = "PREFIX")]
    to: Option<String>,
    /// The secret driver
    #[arg(long, value_name = "DRIVER", default_value = "cofferdam")]
    driver: String,
    /// Remove the plain secret at the end
    #[arg(long)]
    remove: bool,
    /// Then give its name to the store-backed one, in a second update of the services
    #[arg(long, requires = "remove")]
    keep_name: bool,
    #[command(flatten)]
    moving: Moving,
}

impl Adopt {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.value_from.is_some() && self.names.len() != 1 {
            return Err(Failure::usage("a value on stdin is for one secret")
                .hint("cofferdam swarm adopt NAME -value-from -"));
        }
        let swarm = cluster().await?;
        let client = context.client()?.without_wrapping();
        let work = Work {
            swarm: &swarm,
            client: &client,
            options: self.moving.options(),
            driver: self.driver.clone(),
            below: self.to.clone(),
            remove: self.remove,
            keep_name: self.keep_name,
        };
        let all = self.names.is_empty();
        let names = if all {
            work.candidates().await.map_err(failure)?
        } else {
            self.names.clone()
        };
        let value = match (&self.value_from, self.moving.dry_run) {
            (Some(_), false) => Some(read_stdin(MAX_SIZE)?),
            _ => None,
        };
        let mut adopted = 0_usize;
        for name in names {
            let plan = match work.plan(&name, self.value_from.is_some()).await {
                Err(Error::NoTask(_)) if all => {
                    context.say(&format!("left: {name}: no task on this node has its value"));
                    continue;
                }
                plan => plan.map_err(failure)?,
            };
            adopted += 1;
            if self.moving.dry_run {
                let title = format!("{name}: from {} to {}", plan.from, plan.path);
                context.out(plan_text(&title, &plan.steps, &plan.jobs).as_bytes())?;
                continue;
            }
            let progress = Progress::new(context);
            let mut report = |event| progress.show(event);
            let done = work.run(plan, value.as_ref(), &mut report).await;
            drop(progress);
            done.map_err(failure)?;
            context.say(&format!("adopted: {name}"));
        }
        if adopted == 0 {
            context.say("nothing to adopt");
        }
        Ok(Exit::Success)
    }
}
