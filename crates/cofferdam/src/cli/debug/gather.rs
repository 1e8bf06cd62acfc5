//! Asks the server, target by target and time by time.

use super::bundle::Bundle;
use super::plan::{Plan, Target};
use crate::cli::link::Link;
use crate::cli::names::Name;
use crate::cli::scan::progress::Progress;
use cofferdam_api::{Client, Error, Request, Response};
use cofferdam_core::clock::{Clock as _, WallClock};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A right that a target needs.
#[derive(Clone, Copy)]
pub(super) struct Need {
    pub(super) target: Target,
    path: &'static str,
    sudo: bool,
}

impl Need {
    /// As a rule of a policy.
    pub(super) fn rule(self) -> String {
        let capabilities = if self.sudo {
            "\"read\", \"sudo\""
        } else {
            "\"read\""
        };
        format!(
            "path \"{}\" {{ capabilities = [{capabilities}] }}",
            self.path
        )
    }
}

const fn need(target: Target, path: &'static str, sudo: bool) -> Need {
    Need { target, path, sudo }
}

const NEEDS: [Need; 6] = [
    need(Target::Config, "sys/config/state/sanitized", true),
    need(Target::Host, "sys/host-info", true),
    need(Target::Requests, "sys/in-flight-req", true),
    need(Target::Metrics, "sys/metrics", false),
    need(Target::ReplicationStatus, "sys/replication/status", false),
    need(Target::Log, "sys/monitor", true),
];

/// The capture of one server.
pub(super) struct Gather<'g> {
    link: &'g Link,
    client: Client,
    plan: &'g Plan,
    bundle: &'g Bundle,
    progress: &'g Progress,
    begun: Instant,
    captured: RefCell<BTreeMap<Target, Vec<Value>>>,
    lacking: RefCell<Vec<Target>>,
}

fn timestamp() -> String {
    WallClock.now().rfc3339()
}

impl<'g> Gather<'g> {
    pub(super) fn new(
        link: &'g Link,
        client: Client,
        plan: &'g Plan,
        bundle: &'g Bundle,
        progress: &'g Progress,
    ) -> Self {
        Self {
            link,
            client,
            plan,
            bundle,
            progress,
            begun: Instant::now(),
            captured: RefCell::default(),
            lacking: RefCell::default(),
        }
    }

    /// Until the time is over. May be dropped: what is there by then can be kept.
    pub(super) async fn all(&self) {
        let often = self.plan.interval;
        // The log first: it is to hear of the rest.
        tokio::join!(
            self.log(),
            self.every(Target::Config, Duration::MAX),
            self.every(Target::Host, often),
            self.every(Target::Requests, often),
            self.every(Target::Metrics, self.plan.metrics_interval),
            self.every(Target::ReplicationStatus, often),
            self.every(Target::ServerStatus, often),
        );
    }

    /// Writes what was captured.
    pub(super) fn keep(&self) {
        for (target, captured) in self.captured.take() {
            let name = format!("{}.json", file(target));
            self.bundle.keep(target.name(), &name, captured);
        }
    }

    /// What the token may not read.
    pub(super) fn lacking(&self) -> Vec<Need> {
        let lacking = self.lacking.borrow();
        let needs = NEEDS.iter().copied();
        needs
            .filter(|need| lacking.contains(&need.target))
            .collect()
    }

    fn end(&self) -> Instant {
        self.begun + self.plan.duration
    }

    async fn every(&self, target: Target, pause: Duration) {
        if !self.plan.wants(target) {
            return;
        }
        let mut next = Some(self.begun);
        while let Some(time) = next.filter(|time| *time <= self.end()) {
            sleep_until(time).await;
            self.progress.show(target.name());
            match self.ask(target).await {
                Ok(captured) => {
                    let mut all = self.captured.borrow_mut();
                    all.entry(target).or_default().push(captured);
                }
                Err(error) => {
                    if self.failed(target, error) {
                        return;
                    }
                }
            }
            next = time.checked_add(pause);
        }
        // The others go on, and so does the log.
        sleep_until(self.end()).await;
    }

    /// Whether it would fail again.
    fn failed(&self, target: Target, error: Error) -> bool {
        let denied = matches!(error, Error::Denied(_));
        let lasting = denied || matches!(error, Error::NotFound(_));
        if denied {
            self.lacking.borrow_mut().push(target);
        }
        let text = self.link.failure(error).words();
        self.bundle.problem(target.name(), &text);
        lasting
    }

    async fn ask(&self, target: Target) -> Result<Value, Error> {
        let body = |response: Response| response.body().unwrap_or(Value::Null);
        let data = |response: Response| response.data().unwrap_or(Value::Null);
        let read = |path: &'static str| self.client.send(Request::get(path));
        Ok(match target {
            Target::Config => {
                let config = data(read("sys/config/state/sanitized").await?);
                json!({"timestamp": timestamp(), "config": config})
            }
            Target::Host => data(read("sys/host-info").await?),
            Target::Requests => {
                let requests = body(read("sys/in-flight-req").await?);
                json!({"timestamp": timestamp(), "in_flight_requests": requests})
            }
            Target::Metrics => body(read("sys/metrics").await?),
            Target::ReplicationStatus => {
                let mut status = data(read("sys/replication/status").await?);
                if let Some(fields) = status.as_object_mut() {
                    fields.insert("timestamp".to_owned(), timestamp().into());
                }
                status
            }
            Target::ServerStatus => {
                let health = self.client.send_any(Request::get("sys/health")).await?;
                let seal = read("sys/seal-status").await?;
                json!({"timestamp": timestamp(), "health": body(health), "seal": body(seal)})
            }
            Target::Log => Value::Null,
        })
    }

    async fn log(&self) {
        if !self.plan.wants(Target::Log) {
            return;
        }
        let opened = self.client.monitor("trace", &self.plan.log_format).await;
        let mut log = match opened {
            Ok(log) => log,
            Err(error) => {
                self.failed(Target::Log, error);
                return;
            }
        };
        let Some(mut file) = self.bundle.log(format!("{}.log", Name::called().word())) else {
            return;
        };
        loop {
            let heard = tokio::select! {
                heard = log.next() => heard,
                () = sleep_until(self.end()) => return,
            };
            match heard {
                Ok(Some(line)) => {
                    if !file.write(&line) {
                        return;
                    }
                }
                Ok(None) => {
                    let ended = "the server ended the stream of its log";
                    return self.bundle.problem("log", ended);
                }
                Err(error) => {
                    self.failed(Target::Log, error);
                    return;
                }
            }
        }
    }
}

const fn file(target: Target) -> &'static str {
    match target {
        Target::Config => "config",
        Target::Host => "host_info",
        Target::Requests => "requests",
        Target::Metrics => "metrics",
        Target::ReplicationStatus => "replication_status",
        Target::ServerStatus => "server_status",
        Target::Log => "log",
    }
}
