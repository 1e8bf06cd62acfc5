//! What is remembered of a volume over a restart: its options and who has it mounted. No value.

use super::options::{Ids, Raw};
use crate::docker::plugin::Error;
use crate::record::Given;
use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// One volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// As Docker gave them.
    pub(super) options: Raw,
    /// How often each of Docker's mount IDs has it. `docker cp` mounts again with the ID of the
    /// running container, so one ID counts for more than one.
    pub(super) uses: BTreeMap<String, u32>,
    /// The files have changed and its users are yet to be told. Noted before the files change, so
    /// that a daemon that is killed in between tells them when it is back.
    #[serde(default)]
    pub(super) telling: bool,
    /// Who owned the files when it was mounted: the image is not asked again while it is.
    #[serde(default)]
    pub(super) owner: Option<Ids>,
    /// What its files are: paths and versions. For the record of deliveries.
    #[serde(default)]
    pub(super) given: Vec<Given>,
}

impl Record {
    pub(super) fn is_used(&self) -> bool {
        !self.uses.is_empty()
    }

    pub(super) fn add(&mut self, id: &str) {
        let count = self.uses.entry(id.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes one use away; `false` when there was none.
    pub(super) fn take(&mut self, id: &str) -> bool {
        let Some(count) = self.uses.get_mut(id) else {
            return false;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.uses.remove(id);
        }
        true
    }
}

/// The directory of records, one file a volume.
#[derive(Debug)]
pub(super) struct Records(PathBuf);

impl Records {
    pub(super) fn open(directory: &Path) -> Result<Self, Error> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(|e| Error::system("create", directory, e))?;
        Ok(Self(directory.to_owned()))
    }

    pub(super) fn load(&self) -> Result<BTreeMap<String, Record>, Error> {
        let failed = |e: io::Error| Error::system("list", &self.0, e);
        let mut records = BTreeMap::new();
        let entries = fs::read_dir(&self.0).map_err(failed)?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<io::Result<Vec<_>>>().map_err(failed)?;
        // Of several that are broken the error names the first by name.
        paths.sort();
        for path in paths {
            // Others are what a crash left of a write that was never finished.
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(|e| Error::system("read", &path, e))?;
            let record = serde_json::from_slice(&text).ok();
            let name = path.file_stem().and_then(|stem| stem.to_str());
            let (Some(name), Some(record)) = (name, record) else {
                return Err(Error::Record(path));
            };
            records.insert(name.to_owned(), record);
        }
        Ok(records)
    }

    /// Writes one record so that a crash leaves the old or the new one.
    pub(super) fn save(&self, name: &str, record: &Record) -> Result<(), Error> {
        let path = self.path(name);
        let write = || -> io::Result<()> {
            let unfinished = self.0.join(format!("{name}.new"));
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&unfinished)?;
            file.write_all(&serde_json::to_vec_pretty(record)?)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            self.sync()
        };
        write().map_err(|e| Error::system("write", &path, e))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        let removed = fs::remove_file(&path).and_then(|()| self.sync());
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::system("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }

    fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(&self.0, flags, Mode::empty())?;
        Ok(rustix::fs::fsync(directory)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_use_counts_per_id_and_ends_with_its_last() {
        let mut record = Record::default();
        for id in ["a", "a", "b"] {
            record.add(id);
        }
        assert!(record.take("a") && record.take("b"));
        assert!(record.is_used(), "the second of a");
        assert!(record.take("a"));
        assert!(!record.is_used());
        assert!(!record.take("a"), "one that nobody has");
    }

    #[test]
    fn records_survive_and_are_for_root_alone() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(&directory.path().join("volumes")).unwrap();
        let mut record = Record::default();
        record.options.insert("secrets".into(), "a".into());
        record.add("id");
        records.save("app", &record).unwrap();
        fs::write(directory.path().join("volumes/app.new"), "half").unwrap();
        assert_eq!(records.load().unwrap().get("app"), Some(&record));
        let found = fs::metadata(records.path("app")).unwrap();
        assert_eq!(found.mode() & 0o777, 0o600);
        records.remove("app").unwrap();
        records.remove("app").unwrap();
        assert!(records.load().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_record_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(directory.path()).unwrap();
        fs::write(directory.path().join("app.json"), "{").unwrap();
        let error = records.load().unwrap_err();
        assert!(error.to_string().ends_with("app.json"), "{error}");
    }
}
