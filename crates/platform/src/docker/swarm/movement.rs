//! All services that use a secret, from one value to another and, where that fails, back.
//!
//! One service after the other, each as its own update settings say, so that a value that does not
//! work meets one service and not all of them.

use super::Error;
use super::api::{Object, Service, Swarm};
use super::rollout::{self, Ending};
use super::spec::{self, Change, OnFailure, Order};
use std::time::Duration;

/// How services are moved.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one service may take.
    pub patience: Duration,
    /// The order of an update, where the service's own and our judgement are not wanted.
    pub order: Option<Order>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(600),
            order: None,
        }
    }
}

/// What happens, for people. No value is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step has been done.
    Did(String),
    /// So many tasks of a service run what they should.
    Tasks {
        /// The service.
        service: String,
        /// Tasks that are there.
        there: u64,
        /// Tasks that should be.
        wanted: u64,
    },
}

/// What is done to one service.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its id.
    pub id: String,
    /// Its name.
    pub service: String,
    /// Tasks that should run; `None` for one on each node.
    pub replicas: Option<u64>,
    /// Tasks that are replaced at once; 0 for all.
    pub parallelism: u64,
    /// Which task comes first.
    pub order: Order,
    /// Whether it has been moved already, by a run that was interrupted.
    pub done: bool,
}

pub(super) type Report<'r> = &'r mut dyn FnMut(Event);

/// The services that a change concerns.
pub(super) async fn steps(
    swarm: &Swarm,
    change: &Change,
    options: &Options,
) -> Result<Vec<Step>, Error> {
    let services = swarm.services().await?;
    let concerned = services
        .iter()
        .filter(|service| change.concerns(&service.spec) && !spec::is_job(&service.spec));
    let mut steps: Vec<_> = concerned
        .map(|service| step(service, change, options))
        .collect();
    steps.sort_by(|left, right| left.service.cmp(&right.service));
    Ok(steps)
}

fn step(service: &Service, change: &Change, options: &Options) -> Step {
    Step {
        id: service.id.clone(),
        service: service.name.clone(),
        replicas: spec::replicas(&service.spec),
        parallelism: spec::parallelism(&service.spec),
        order: options.order.unwrap_or_else(|| spec::order(&service.spec)),
        done: change.is_done(&service.spec),
    }
}

/// The jobs that use one of these secrets: they run once, and nothing can be rolled out to them.
pub(super) async fn jobs(swarm: &Swarm, secrets: &[Object]) -> Result<Vec<String>, Error> {
    let services = swarm.services().await?;
    let jobs = services.iter().filter(|service| {
        let used = |secret: &Object| spec::uses(&service.spec, &secret.id);
        spec::is_job(&service.spec) && secrets.iter().any(used)
    });
    Ok(jobs.map(|service| service.name.clone()).collect())
}

/// Where moving all services failed.
pub(super) struct Failed {
    pub(super) service: String,
    pub(super) reason: String,
}

/// Moves every service forward; the first that fails ends it.
pub(super) async fn advance(
    swarm: &Swarm,
    change: &Change,
    steps: &[Step],
    options: &Options,
    report: Report<'_>,
) -> Result<Option<Failed>, Error> {
    for step in steps {
        rollout::change(swarm, &step.id, |spec, number| {
            if !change.is_done(spec) {
                spec::prepare(spec, step.order, OnFailure::Rollback);
                change.forward(spec, number);
            }
        })
        .await?;
        match watch(swarm, change, step, options, report).await? {
            Ending::Done => report(Event::Did(format!("{}: every task runs it", step.service))),
            Ending::Gone => report(gone(step)),
            Ending::TakenBack(reason) | Ending::HalfBack(reason) | Ending::Stopped(reason) => {
                let service = step.service.clone();
                return Ok(Some(Failed { service, reason }));
            }
        }
    }
    Ok(None)
}

/// Moves every service that has been moved back again.
pub(super) async fn retreat(
    swarm: &Swarm,
    change: &Change,
    steps: &[Step],
    options: &Options,
    report: Report<'_>,
) -> Result<(), Error> {
    // The last one first: it is the one that is in trouble.
    for step in steps.iter().rev() {
        let mut moved = rollout::change(swarm, &step.id, |spec, number| {
            if change.is_done(spec) {
                spec::prepare(spec, step.order, OnFailure::Pause);
                change.backward(spec, number);
            }
        })
        .await?;
        let mut ending = watch(swarm, change, step, options, report).await?;
        if matches!(ending, Ending::HalfBack(_)) {
            // Swarm's own way back can lose a task that ends at that moment.
            let again = format!("{}: tasks are missing, updated once more", step.service);
            report(Event::Did(again));
            moved = rollout::change(swarm, &step.id, spec::force).await?;
            ending = watch(swarm, change, step, options, report).await?;
        }
        // Without a change of ours it is Swarm's own way back that has ended.
        match ending {
            Ending::Done => {}
            Ending::TakenBack(_) if !moved => {}
            Ending::Gone => {
                report(gone(step));
                continue;
            }
            Ending::TakenBack(reason) | Ending::HalfBack(reason) | Ending::Stopped(reason) => {
                let service = step.service.clone();
                return Err(Error::Stuck { service, reason });
            }
        }
        report(Event::Did(format!(
            "{}: every task runs the old value",
            step.service
        )));
    }
    Ok(())
}

fn gone(step: &Step) -> Event {
    Event::Did(format!("{}: somebody has removed it", step.service))
}

/// Removes our marks from every service that has some.
pub(super) async fn settle(swarm: &Swarm, secret: &str) -> Result<Vec<String>, Error> {
    let mut settled = Vec::new();
    for service in swarm.services().await? {
        if spec::is_marked(&service.spec, secret)
            && rollout::change(swarm, &service.id, |spec, _| spec::settle(spec, secret)).await?
        {
            settled.push(service.name);
        }
    }
    Ok(settled)
}

async fn watch(
    swarm: &Swarm,
    change: &Change,
    step: &Step,
    options: &Options,
    report: Report<'_>,
) -> Result<Ending, Error> {
    let mut last = None;
    rollout::watch(swarm, &step.id, change, options, |there, wanted| {
        if last.replace((there, wanted)) != Some((there, wanted)) {
            let service = step.service.clone();
            report(Event::Tasks {
                service,
                there,
                wanted,
            });
        }
    })
    .await
}
