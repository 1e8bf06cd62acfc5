//! One service through one update: sent, watched to its end, and judged by its tasks.
//!
//! Swarm's word `completed` is not believed alone: with `FailureAction: continue`, or a service
//! that somebody else changes meanwhile, it says nothing about what runs. An update has worked
//! when every task that should run does, healthy, with what the service has now, and no task with
//! anything else is left.

use super::api::{Service, Swarm, Task, may_try_again};
use super::spec::{self, Change};
use super::{Error, movement::Options};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Between two looks at a service.
const PAUSE: Duration = Duration::from_millis(200);
/// How often, and how long apart, a change is made anew when somebody else was faster, or the
/// cluster could not decide.
const TRIES: u32 = 30;
const AGAIN: Duration = Duration::from_secs(1);
/// How long the tasks may take to follow after Swarm has said that it took an update back. It says
/// so when they run; what is not there then does not come by itself.
const SETTLE: Duration = Duration::from_secs(20);

/// How an update ended.
pub(super) enum Ending {
    /// Every task runs what it should.
    Done,
    /// Somebody has removed the service.
    Gone,
    /// Swarm has taken it back by itself, and every task runs what it had.
    TakenBack(String),
    /// Swarm says that it has taken it back, and not every task runs what it had.
    HalfBack(String),
    /// It does not go on.
    Stopped(String),
}

/// Changes a service's specification; `edit` gets a number that no task has yet. `false`: there was nothing to change, or the service is gone.
pub(super) async fn change(
    swarm: &Swarm,
    id: &str,
    edit: impl Fn(&mut Value, u64),
) -> Result<bool, Error> {
    let mut left = TRIES;
    loop {
        let service = match swarm.service(id).await {
            Err(error) if error.is_missing() => return Ok(false),
            service => service?,
        };
        let tasks = swarm.tasks(id).await?;
        let templates = [&service.spec, &service.before].map(spec::template);
        let templates = templates
            .into_iter()
            .chain(tasks.iter().map(|task| &task.spec));
        let number = spec::unused(templates);
        let mut spec = service.spec.clone();
        edit(&mut spec, number);
        if spec == service.spec {
            return Ok(false);
        }
        match swarm.update(&service, &spec).await {
            Ok(()) => return Ok(true),
            Err(error) if may_try_again(&error) && left > 0 => {
                left -= 1;
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the service's update has ended; `on` is told how many tasks are there.
pub(super) async fn watch(
    swarm: &Swarm,
    id: &str,
    change: &Change,
    options: &Options,
    mut on: impl FnMut(u64, u64),
) -> Result<Ending, Error> {
    let end = Instant::now() + options.patience;
    let mut back: Option<Instant> = None;
    loop {
        let service = match swarm.service(id).await {
            Err(error) if error.is_missing() => return Ok(Ending::Gone),
            service => service?,
        };
        let tasks = swarm.tasks(id).await?;
        let gone = swarm.nodes_down().await?;
        let state = State::of(&service, &tasks, &gone, change);
        on(state.there, state.wanted);
        match service.update.as_str() {
            "rollback_completed" if state.is_whole() => {
                return Ok(Ending::TakenBack(reason(&service, &tasks)));
            }
            "rollback_completed" if back.get_or_insert_with(Instant::now).elapsed() > SETTLE => {
                return Ok(Ending::HalfBack(reason(&service, &tasks)));
            }
            "paused" | "rollback_paused" => return Ok(Ending::Stopped(reason(&service, &tasks))),
            "updating" | "rollback_started" => {}
            _ if state.is_whole() => return Ok(Ending::Done),
            _ => {}
        }
        if Instant::now() > end {
            let waited = options.patience.as_secs();
            let why = reason(&service, &tasks);
            return Ok(Ending::Stopped(format!(
                "not there after {waited} s; {why}"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How far the tasks of a service are.
struct State {
    there: u64,
    wanted: u64,
    others: bool,
}

impl State {
    fn of(service: &Service, tasks: &[Task], gone: &[String], change: &Change) -> Self {
        let finishes = spec::may_finish(&service.spec);
        let mut there = BTreeSet::new();
        let mut wanted = 0;
        let mut others = false;
        for task in tasks {
            // A node that is down says nothing any more about what it has.
            let lives = !gone.contains(&task.node)
                && matches!(
                    task.state.as_str(),
                    "running" | "starting" | "ready" | "preparing" | "accepted" | "assigned"
                );
            let current = change.is_in(&service.spec, &task.spec);
            let stays = matches!(task.desired.as_str(), "running" | "ready");
            wanted += u64::from(stays);
            let runs = stays && task.state == "running";
            let finished = finishes && task.state == "complete";
            if current && (runs || finished) {
                there.insert(&task.slot);
            } else {
                // Of another value and to stay, or told to stop and not gone yet.
                others |= if stays { !current } else { lives };
            }
        }
        Self {
            there: there.len() as u64,
            wanted: spec::replicas(&service.spec).unwrap_or(wanted),
            others,
        }
    }

    const fn is_whole(&self) -> bool {
        self.there >= self.wanted && !self.others
    }
}

/// What Swarm says went wrong: the newest task's error, else the update's message.
fn reason(service: &Service, tasks: &[Task]) -> String {
    let failed = tasks.iter().find(|task| {
        !task.error.is_empty() && matches!(task.state.as_str(), "failed" | "rejected")
    });
    let text = match failed {
        Some(task) => format!("task {}.{}: {}", service.name, task.slot, task.error),
        None if !service.said.is_empty() => service.said.clone(),
        None => "Swarm gives no reason".to_owned(),
    };
    cofferdam_detect::source::clean(&text)
}
