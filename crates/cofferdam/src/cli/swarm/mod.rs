//! `cofferdam swarm`: the secrets of a Docker Swarm over their life.

mod adopt;
mod progress;
mod rotate;

use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand, ValueEnum};
use cofferdam_platform::docker::engine::{Engine, EngineError};
use cofferdam_platform::docker::swarm::{Error, Options, Order, Step, Swarm as Cluster};
use std::fmt::Write as _;
use std::time::Duration;

/// The new value did not work, and every task has the old one again.
const ROLLED_BACK: Exit = Exit::Code(3);
/// Some tasks are on the new value and some on the old one.
const STUCK: Exit = Exit::Code(4);

/// Rotates and adopts the secrets of a Docker Swarm.
#[derive(Args)]
pub(crate) struct Swarm {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// bring a new value to every service that uses a secret
    Rotate(rotate::Rotate),
    /// turn plain Swarm secrets into store-backed ones
    Adopt(adopt::Adopt),
}

impl Verb for Swarm {
    const NAME: &'static str = "swarm";
    const ABOUT: &'static str = "rotate and adopt the secrets of a Docker Swarm";
    const EXAMPLE: &'static str = "cofferdam swarm rotate db -value-from - < new-password\n\
         cofferdam swarm adopt -dry-run";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Rotate(verb) => verb.run(context).await,
            Action::Adopt(verb) => verb.run(context).await,
        }
    }
}

/// How services are moved.
#[derive(Args)]
struct Moving {
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Order of the old and the new task; by default start-first where both can live side by side
    #[arg(long, value_enum, value_name = "ORDER")]
    order: Option<Word>,
    /// How long one service may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Word {
    /// The new task runs before the old one stops
    StartFirst,
    /// The old task stops before the new one starts
    StopFirst,
}

impl Moving {
    fn options(&self) -> Options {
        Options {
            patience: Duration::from_secs(self.timeout),
            order: self.order.map(|word| match word {
                Word::StartFirst => Order::StartFirst,
                Word::StopFirst => Order::StopFirst,
            }),
        }
    }
}

async fn cluster() -> Result<Cluster, Failure> {
    let engine = Engine::local().map_err(|error| engine_failure(&error))?;
    Cluster::open(engine).await.map_err(failure)
}

/// The plan of a secret, as lines.
fn plan_text(title: &str, steps: &[Step], jobs: &[String]) -> String {
    let mut text = format!("{title}\n");
    for step in steps {
        let tasks = match step.replicas {
            Some(count) => format!("{count} tasks"),
            None => "a task on each node".to_owned(),
        };
        let at_once = match step.parallelism {
            0 => "all at once".to_owned(),
            count => format!("{count} at once"),
        };
        let done = if step.done { ", moved already" } else { "" };
        let (service, order) = (&step.service, step.order);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {service}: {tasks}, {at_once}, {order}{done}");
    }
    for job in jobs {
        let _ = writeln!(text, "  {job}: a job, left as it is");
    }
    if steps.is_empty() && jobs.is_empty() {
        text.push_str("  no service uses it\n");
    }
    text
}

fn engine_failure(error: &EngineError) -> Failure {
    let failure = Failure::server(error.to_string());
    match error {
        EngineError::Absent { .. } => failure.hint("start Docker, or set DOCKER_HOST"),
        EngineError::Denied { .. } => failure.hint("run this as root"),
        EngineError::Remote => failure.hint("run this on the manager itself, without DOCKER_HOST"),
        _ => failure,
    }
}

fn failure(error: Error) -> Failure {
    let hint = error.hint();
    let failure = match error {
        Error::Engine(error) => return engine_failure(&error),
        Error::Server(error) => return error.into(),
        Error::RolledBack { ref left, .. } => {
            let failure = Failure::server(error.to_string()).with_exit(ROLLED_BACK);
            match left {
                Some(left) => failure.detail(left.clone()),
                None => failure.detail("every task has the old value again"),
            }
        }
        Error::Stuck { .. } => Failure::server(error.to_string()).with_exit(STUCK),
        Error::NoValue(_) | Error::Size(_) | Error::NoManager | Error::NotUnderWay(_) => {
            Failure::usage(error.to_string())
        }
        error => Failure::server(error.to_string()),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
