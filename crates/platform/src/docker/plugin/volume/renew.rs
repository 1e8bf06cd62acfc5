//! Renewing the files of a mounted volume, under the containers that read them.
//!
//! 1. The values are fetched first: with the server away nothing is touched and the last good files
//!    stay.
//! 2. That its users are to be told is noted before a file changes.
//! 3. A new generation is written through a second mount that only we see, and becomes current in
//!    one step ([`Directory::replace`]); the mount that containers are made from stays read-only.
//! 4. The old generation stays for [`GRACE`], for readers on their way into it.

use super::on_change::OnChange;
use super::options::Owner;
use super::{Error, Fault, File, Volumes, drop_mount, files};
use crate::record::Given;
use cofferdam_agent::sink::directory::Superseded;
use cofferdam_agent::sink::{self, Directory, mount};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a generation stays after it was replaced: longer than any reader takes from following
/// the link to opening the file, short enough that a rotated value is soon gone.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Generations that wait at most: a tmpfs is small, and many updates may come within [`GRACE`].
const MOST: usize = 16;

/// What came of renewing a volume.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// Nobody has it mounted.
    Unused,
    /// It holds what the server holds, and everybody knows.
    Same,
    /// Its users are to be told.
    Changed(OnChange),
}

impl Volumes {
    /// The mounted volumes that hold a secret; all of them for `None`.
    pub(crate) async fn concerned(&self, secret: Option<&str>) -> Vec<String> {
        let table = self.table.lock().await;
        let concerns =
            |options: &super::Options| secret.is_none_or(|secret| options.content.concerns(secret));
        let mut names = Vec::new();
        for (name, volume) in table.iter() {
            if volume.options.as_ref().is_some_and(concerns) && mount::is_mount_point(&volume.path)
            {
                names.push(name.clone());
            }
        }
        names
    }

    /// Makes the files of a volume what the server has now.
    pub(crate) async fn renew(&self, name: &str) -> Result<Renewed, Fault> {
        let volume = self.find(name).await?;
        let mut record = volume.record.lock().await;
        let Some(options) = &volume.options else {
            return Ok(Renewed::Unused);
        };
        if !(record.is_used() && mount::is_mount_point(&volume.path)) {
            return Ok(Renewed::Unused);
        }
        let lent = self.borrow(name, &options.content).await?;
        let owner = match (record.owner, &options.owner) {
            (Some(owner), _) => owner,
            // Mounted by a program that did not keep it, and had numbers only.
            (None, Owner::Ids(owner)) => *owner,
            (None, _) => return Ok(Renewed::Unused),
        };
        let files = files(&lent, options, owner);
        if Directory::open(&volume.path)?.holds(&files)? {
            return Ok(if record.telling {
                Renewed::Changed(options.on_change.clone())
            } else {
                Renewed::Same
            });
        }
        record.telling |= options.on_change != OnChange::Nothing;
        record.given = lent.iter().map(Given::of).collect();
        self.records.save(name, &record)?;
        let mut superseded = volume.superseded.lock().await;
        let writable = mount::Writable::open(&volume.path, &self.writing.join(name))?;
        let directory = Directory::open(writable.path())?;
        discard_old(&directory, &mut superseded)?;
        let old = replace(&directory, &files, &mut superseded)?;
        superseded.extend(old.map(|old| (Instant::now(), old)));
        tracing::info!(volume = ?name, secrets = lent.len(), "renewed a volume's files");
        self.note(name, &record);
        Ok(Renewed::Changed(options.on_change.clone()))
    }

    /// Its users have been told.
    pub(crate) async fn told(&self, name: &str) -> Result<(), Fault> {
        let volume = self.find(name).await?;
        let mut record = volume.record.lock().await;
        if record.telling {
            record.telling = false;
            self.records.save(name, &record)?;
        }
        Ok(())
    }

    /// Removes generations whose time is over.
    pub(crate) async fn discard(&self, name: &str) -> Result<(), Fault> {
        let volume = self.find(name).await?;
        // No other call may mount or unmount it meanwhile.
        let _record = volume.record.lock().await;
        let mut superseded = volume.superseded.lock().await;
        if superseded.is_empty() || !mount::is_mount_point(&volume.path) {
            superseded.clear();
            return Ok(());
        }
        let writable = mount::Writable::open(&volume.path, &self.writing.join(name))?;
        let directory = Directory::open(writable.path())?;
        Ok(discard_old(&directory, &mut superseded)?)
    }
}

/// Writes a generation; where there is no room, the old ones go before their time.
fn replace(
    directory: &Directory,
    files: &[File<'_>],
    superseded: &mut Vec<(Instant, Superseded)>,
) -> Result<Option<Superseded>, sink::Error> {
    match directory.replace(files) {
        Err(_) if !superseded.is_empty() => {
            for (_, old) in superseded.drain(..) {
                directory.discard(&old)?;
            }
            directory.replace(files)
        }
        done => done,
    }
}

fn discard_old(
    directory: &Directory,
    superseded: &mut Vec<(Instant, Superseded)>,
) -> Result<(), sink::Error> {
    let over = superseded
        .iter()
        .take_while(|(since, _)| since.elapsed() >= GRACE)
        .count();
    let count = over.max(superseded.len().saturating_sub(MOST));
    for (_, old) in superseded.drain(..count) {
        directory.discard(&old)?;
    }
    Ok(())
}

/// Removes mounts for writing that a killed daemon left.
pub(super) fn remove_left_over(writing: &Path) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::system("list", writing, e);
    for entry in std::fs::read_dir(writing).map_err(failed)? {
        drop_mount(&entry.map_err(failed)?.path())?;
    }
    Ok(())
}

/// Removes what a killed daemon left in the tmpfs of a volume.
pub(super) fn sweep(mounted: &Path, at: &Path) -> Result<(), Error> {
    let writable = mount::Writable::open(mounted, at)?;
    Ok(Directory::open(writable.path())?.sweep()?)
}
