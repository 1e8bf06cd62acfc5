//! After the search: the image gets its names, goes where it was to go, and is put on record.

use super::super::{Context, Exit, Failure};
use super::ask::Wanted;
use super::lend::{Given, Ids};
use super::work::{self, Work};
use super::{Build, place_file, private_place};
use crate::files;
use cofferdam_agent::output::Current;
use cofferdam_api::Error;
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_platform::build::statement::statement;
use cofferdam_platform::record::{self, Given as Recorded, Kept, Kind, Record, Subject};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

/// What is left to do for each image.
pub(super) struct Finish<'f> {
    pub(super) context: &'f Context,
    pub(super) build: &'f Build,
    pub(super) secrets: Vec<Recorded>,
    /// What is masked in the builder's output.
    pub(super) masks: Option<Arc<Current>>,
    /// Whether a statement of this run is in the file already.
    pub(super) begun: Cell<bool>,
}

impl Finish<'_> {
    pub(super) async fn target(
        &self,
        wanted: &Wanted,
        id: Option<&str>,
        ids: &Ids,
        given: &mut Given,
    ) -> Result<Exit, Failure> {
        let build = &wanted.target.build;
        let searched = !self.build.dangerous_without_search;
        if let Some(id) = id.filter(|_| searched && build.product.image) {
            for tag in &build.product.tags {
                work::output(&build.ask(&["tag", id, tag]))?;
            }
            if let Some(path) = &build.id_file {
                files::replace(path, 0o644, id.as_bytes()).map_err(|error| {
                    Failure::local(format!("cannot write {}: {error}", path.display()))
                })?;
            }
        }
        let record = self.record(wanted, id);
        if let Some(record) = &record {
            self.keep(record, Kind::Build).await?;
        }
        if searched && build.exports_cache {
            let exit = self.export_cache(wanted, ids, given)?;
            if exit != Exit::Success {
                return Ok(exit);
            }
        }
        if searched && build.product.push {
            return self.push(wanted, id, record).await;
        }
        Ok(Exit::Success)
    }

    /// The last step runs once more, all from the cache, and only its export is new.
    fn export_cache(&self, wanted: &Wanted, ids: &Ids, given: &mut Given) -> Result<Exit, Failure> {
        let place = private_place()?;
        let work = Work {
            wanted,
            arguments: wanted.arguments(ids),
            id_file: place_file(&place, "image")?,
            whole: false,
            masks: self.masks.clone(),
        };
        work.export_cache(given)
    }

    async fn push(
        &self,
        wanted: &Wanted,
        id: Option<&str>,
        record: Option<Record>,
    ) -> Result<Exit, Failure> {
        let build = &wanted.target.build;
        for tag in &build.product.tags {
            let words = build.ask(&["push", tag]);
            let exit = work::supervised_words(&wanted.program()?, words)?;
            if exit != Exit::Success {
                return Ok(exit);
            }
        }
        let (Some(id), Some(mut record)) = (id, record) else {
            return Ok(Exit::Success);
        };
        let format = "{{range .RepoDigests}}{{println .}}{{end}}";
        let digests = work::output(&build.ask(&["image", "inspect", "--format", format, id]))?;
        let digests = String::from_utf8_lossy(&digests).into_owned();
        let pushed = digests.lines().filter_map(|line| {
            let (name, sha256) = line.trim().split_once("@sha256:")?;
            Some(Subject {
                name: name.to_owned(),
                sha256: Some(sha256.to_owned()),
            })
        });
        record.subjects = pushed.collect();
        if !record.subjects.is_empty() {
            self.keep(&record, Kind::Push).await?;
        }
        Ok(Exit::Success)
    }

    /// What was lent to what; nothing where nothing was lent, or nothing has an id.
    fn record(&self, wanted: &Wanted, id: Option<&str>) -> Option<Record> {
        let used = |lent: &&Recorded| lent.name.starts_with("ssh:") || wanted.uses(&lent.name);
        let secrets: Vec<_> = self.secrets.iter().filter(used).cloned().collect();
        let sha256 = id?.strip_prefix("sha256:")?.to_owned();
        if secrets.is_empty() {
            return None;
        }
        let build = &wanted.target.build;
        let subject = |name: &str| Subject {
            name: name.to_owned(),
            sha256: Some(sha256.clone()),
        };
        let mut subjects: Vec<_> = build.product.tags.iter().map(|tag| subject(tag)).collect();
        if subjects.is_empty() {
            subjects.push(subject("image"));
        }
        Some(Record {
            subjects,
            secrets,
            attributes: vec![
                ("builder", build.builder.words().to_owned()),
                ("host", record::host()),
                ("target", wanted.target.name.clone()),
            ],
        })
    }

    /// Stores a record, and writes the statement where it was asked for.
    async fn keep(&self, record: &Record, kind: Kind) -> Result<(), Failure> {
        let kept = match self.store(record, kind).await {
            Ok(kept) => {
                self.context.say(&format!("record: {}", kept.path));
                Some(kept)
            }
            Err(failure) if self.build.strict => return Err(failure),
            Err(failure) => {
                failure.report();
                None
            }
        };
        let Some(path) = &self.build.record else {
            return Ok(());
        };
        let now = || WallClock.now().rfc3339();
        let at = kept.as_ref().map_or_else(now, |kept| kept.at.clone());
        let statement = statement(record, &at, kept.as_ref());
        let failed = |error: &dyn std::fmt::Display| {
            Failure::local(format!("cannot write {}: {error}", path.display()))
        };
        let mut text = serde_json::to_vec(&statement).map_err(|error| failed(&error))?;
        text.push(b'\n');
        let written = if self.begun.replace(true) {
            append(path, &text)
        } else {
            files::replace(path, 0o644, &text)
        };
        written.map_err(|error| failed(&error))
    }

    async fn store(&self, record: &Record, kind: Kind) -> Result<Kept, Failure> {
        // The build took its time: the old connection may be gone.
        match record.keep(&self.context.client()?, kind).await {
            Ok(kept) => Ok(kept),
            Err(Error::Denied(_)) => {
                let rule = format!("sys/records/{}/*", kind.word());
                Err(
                    Failure::server("the server keeps no record of this build: permission denied")
                        .hint(format!(
                            "allow it: path \"{rule}\" {{ capabilities = [\"create\"] }}"
                        )),
                )
            }
            Err(Error::NotFound(_)) => {
                let failure = Failure::server("the server keeps no records of builds");
                Err(match &self.build.record {
                    Some(_) => failure,
                    None => failure.hint("keep the statement: cofferdam build -record FILE -- …"),
                })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// One line a statement, where a run has several.
fn append(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(text)
}
