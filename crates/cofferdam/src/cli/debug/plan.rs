//! What is captured, how often, and where it goes.

use super::Debug;
use crate::cli::names::Name;
use crate::cli::{Context, Failure};
use cofferdam_core::json::field::Ttl;
use std::path::PathBuf;
use std::time::Duration;

/// As OpenBao's: more often than this a capture is a load of its own.
const LEAST: Duration = Duration::from_secs(5);

/// What can be captured, by OpenBao's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Config,
    Host,
    Requests,
    Metrics,
    ReplicationStatus,
    ServerStatus,
    Log,
}

impl Target {
    pub(super) const ALL: [Self; 7] = [
        Self::Config,
        Self::Host,
        Self::Requests,
        Self::Metrics,
        Self::ReplicationStatus,
        Self::ServerStatus,
        Self::Log,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Host => "host",
            Self::Requests => "requests",
            Self::Metrics => "metrics",
            Self::ReplicationStatus => "replication-status",
            Self::ServerStatus => "server-status",
            Self::Log => "log",
        }
    }
}

/// A capture to be made.
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    /// Profiles were asked for, which are not taken.
    pub(super) pprof: bool,
    pub(super) duration: Duration,
    pub(super) interval: Duration,
    pub(super) metrics_interval: Duration,
    pub(super) log_format: String,
    /// Where files are collected.
    pub(super) directory: PathBuf,
    /// The one file that they become.
    pub(super) archive: Option<PathBuf>,
}

impl Plan {
    pub(super) fn wants(&self, target: Target) -> bool {
        self.targets.contains(&target)
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.targets.iter().map(|target| target.name()).collect()
    }
}

impl Debug {
    /// `begun` is the time in RFC 3339.
    pub(super) fn plan(&self, context: &Context, begun: &str) -> Result<Plan, Failure> {
        let at_least = |flag: &str, text: &str| {
            let span = span(flag, text)?;
            if span < LEAST {
                context.say(&format!("{flag} is 5s at least: 5s it is"));
            }
            Ok::<_, Failure>(span.max(LEAST))
        };
        let duration = at_least("-duration", &self.duration)?;
        let interval = at_least("-interval", &self.interval)?.min(duration);
        let metrics_interval = at_least("-metrics-interval", &self.metrics_interval)?.min(duration);
        let (targets, pprof) = self.targets(context)?;
        let word = Name::called().word();
        let output = self.output.clone().unwrap_or_else(|| {
            let seconds = begun.get(..19).unwrap_or(begun).replace(':', "-");
            PathBuf::from(format!("{word}-debug-{seconds}Z"))
        });
        let (directory, archive) = places(output, self.compress);
        for place in archive.iter().chain([&directory]) {
            if place.symlink_metadata().is_ok() {
                return Err(Failure::local(format!(
                    "there is something already: {}",
                    place.display()
                ))
                .hint("name another place with -output=PATH"));
            }
        }
        Ok(Plan {
            targets,
            pprof,
            duration,
            interval,
            metrics_interval,
            log_format: self.log_format.to_lowercase(),
            directory,
            archive,
        })
    }

    fn targets(&self, context: &Context) -> Result<(Vec<Target>, bool), Failure> {
        if self.target.is_empty() {
            return Ok((Target::ALL.to_vec(), false));
        }
        let known = |name: &String| {
            let mut all = Target::ALL.into_iter();
            all.find(|target| target.name() == name)
        };
        let pprof = self.target.iter().any(|name| name == "pprof");
        let unknown = self
            .target
            .iter()
            .filter(|name| known(name).is_none() && *name != "pprof")
            .count();
        let targets: Vec<_> = Target::ALL
            .into_iter()
            .filter(|target| self.target.iter().any(|name| target.name() == name))
            .collect();
        let names = Target::ALL.map(Target::name).join(", ");
        if targets.is_empty() && !pprof {
            return Err(
                Failure::usage("not a target of a capture").hint(format!("one of: {names}"))
            );
        }
        if unknown > 0 {
            context.say(&format!(
                "a target is none, and left out; there are: {names}"
            ));
        }
        Ok((targets, pprof))
    }
}

/// The directory to collect in, and the file that becomes of it.
fn places(output: PathBuf, compress: bool) -> (PathBuf, Option<PathBuf>) {
    if !compress {
        return (output, None);
    }
    let text = output.to_string_lossy();
    for ending in [".tar.gz", ".tgz"] {
        if let Some(stem) = text.strip_suffix(ending)
            && !stem.is_empty()
            && !stem.ends_with('/')
        {
            return (PathBuf::from(stem), Some(output.clone()));
        }
    }
    let archive = format!("{}.tar.gz", text.trim_end_matches('/'));
    (output.clone(), Some(PathBuf::from(archive)))
}

fn span(flag: &str, text: &str) -> Result<Duration, Failure> {
    let span = Ttl::parse(text).map(|ttl| ttl.0);
    span.ok_or_else(|| {
        Failure::usage(format!("not a duration: {flag}"))
            .hint(format!("for example {flag}=30s or {flag}=2m"))
    })
}

#[cfg(test)]
mod tests {
    use super::places;
    use std::path::PathBuf;

    #[test]
    fn an_archive_is_collected_beside_itself() {
        for (output, directory, archive) in [
            ("a/b", "a/b", "a/b.tar.gz"),
            ("a/b.tar.gz", "a/b", "a/b.tar.gz"),
            ("b.tgz", "b", "b.tgz"),
            ("a/.tgz", "a/.tgz", "a/.tgz.tar.gz"),
        ] {
            let expected = (PathBuf::from(directory), Some(PathBuf::from(archive)));
            assert_eq!(places(PathBuf::from(output), true), expected, "{output}");
        }
        assert_eq!(
            places(PathBuf::from("b.tgz"), false),
            (PathBuf::from("b.tgz"), None)
        );
    }
}
