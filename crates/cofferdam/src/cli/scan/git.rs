//! `cofferdam scan git`: a history, what is staged, or what some commits brought.

use super::Search;
use crate::cli::{Context, Failure};
use clap::Args;
use cofferdam_detect::source::git::{History, Refused, Repository, Selection, Setting};
use cofferdam_detect::source::{Limits, Looked};
use std::path::{Path, PathBuf};

/// What of a repository is looked at.
#[derive(Args, Default)]
pub(super) struct GitFlags {
    /// Repository, or a directory in it
    #[arg(value_name = "PATH")]
    pub(super) path: Option<PathBuf>,
    /// Only what is staged: what the next commit would have
    #[arg(long, conflicts_with_all = ["range", "since"])]
    pub(super) staged: bool,
    /// Only what these commits brought: A..B, A...B, A ^B
    #[arg(
        long,
        value_name = "RANGE",
        conflicts_with = "since",
        visible_alias = "log-opts"
    )]
    range: Option<String>,
    /// Only commits of this day and later: 2026-11-25
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
    /// Read the objects that it borrows from other repositories, too
    #[arg(long)]
    alternates: bool,
}

impl GitFlags {
    pub(super) fn root(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new("."))
    }

    /// What git tells its hooks in the environment; only where no other repository is named.
    fn setting(&self, context: &Context) -> (PathBuf, Setting) {
        let mut setting = Setting {
            alternates: self.alternates,
            ..Setting::default()
        };
        if let Some(path) = &self.path {
            return (path.clone(), setting);
        }
        let variable = |name: &str| context.environment(name).map(PathBuf::from);
        setting.index = variable("GIT_INDEX_FILE");
        setting.objects.extend(variable("GIT_OBJECT_DIRECTORY"));
        if let Some(others) = context.environment("GIT_ALTERNATE_OBJECT_DIRECTORIES") {
            setting.objects.extend(std::env::split_paths(&others));
        }
        let path = variable("GIT_DIR").unwrap_or_else(|| PathBuf::from("."));
        (path, setting)
    }

    /// Opens the repository.
    pub(super) fn open(&self, context: &Context) -> Result<Repository, Failure> {
        let (path, setting) = self.setting(context);
        Repository::open(&path, &setting).map_err(refused)
    }

    fn selection(&self, repository: &Repository) -> Result<Selection, Failure> {
        if self.staged {
            return Ok(Selection::staged());
        }
        if let Some(range) = &self.range {
            return repository.range(range).map_err(refused);
        }
        match &self.since {
            None => Ok(Selection::all()),
            Some(day) => {
                let moment = moment(day).ok_or_else(|| {
                    Failure::usage(format!("not a day: {day}"))
                        .hint("write it as -since=2026-11-25")
                })?;
                Ok(repository.since(moment))
            }
        }
    }
}

/// The first second of a day, in seconds since 1970.
fn moment(day: &str) -> Option<i64> {
    let form = time::macros::format_description!("[year]-[month]-[day]");
    let day = time::Date::parse(day, &form).ok()?;
    Some(day.midnight().assume_utc().unix_timestamp())
}

pub(super) fn refused(refused: Refused) -> Failure {
    Failure::local(refused.what).hint(refused.hint)
}

impl Search {
    pub(super) fn git(&self, context: &Context, flags: &GitFlags) -> Result<Looked, Failure> {
        let repository = flags.open(context)?;
        let selection = flags.selection(&repository)?;
        self.repository(&repository, &selection)
    }

    pub(super) fn repository(
        &self,
        repository: &Repository,
        selection: &Selection,
    ) -> Result<Looked, Failure> {
        let history = History {
            matcher: &self.matcher,
            rules: Some((&self.scanner, &self.key)),
            limits: Limits::default(),
            progress: self.progress.count(),
            threads: 0,
        };
        history.search(repository, selection).map_err(refused)
    }
}
