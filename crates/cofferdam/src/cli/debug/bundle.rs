//! The files of a bundle, its index, and the archive that they become.
//!
//! Files are 0600 in a directory 0700, made new; what is already there is never written to. A file that
//! still looks as if it held a secret is not kept, and the index says so.

use super::clean::Cleaner;
use super::plan::Plan;
use crate::cli::Failure;
use crate::cli::input::reason;
use cofferdam_core::clock::{Clock as _, WallClock};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// OpenBao's number of this form.
const VERSION: u32 = 1;
/// Most of a log that is kept.
const MOST_LOG: u64 = 64 << 20;
/// Most problems that are told one by one.
const MOST_PROBLEMS: usize = 200;

/// What the index says beside files and problems.
pub(super) struct Index<'i> {
    pub(super) plan: &'i Plan,
    pub(super) address: String,
    pub(super) server: Value,
    pub(super) begun: String,
    pub(super) arguments: Vec<String>,
}

/// A bundle that is being collected.
pub(super) struct Bundle {
    directory: PathBuf,
    archive: Option<PathBuf>,
    cleaner: Cleaner,
    files: RefCell<Vec<String>>,
    problems: RefCell<Vec<Value>>,
}

/// A log that is being written.
pub(super) struct LogFile<'b> {
    bundle: &'b Bundle,
    name: String,
    file: File,
    written: u64,
}

fn now() -> String {
    WallClock.now().rfc3339()
}

impl Bundle {
    pub(super) fn begin(plan: &Plan, cleaner: Cleaner) -> Result<Self, Failure> {
        let unmade = |error: io::Error| {
            Failure::local(format!(
                "cannot make {}: {}",
                plan.directory.display(),
                reason(&error)
            ))
            .hint("name another place with -output=PATH")
        };
        if let Some(above) = plan.directory.parent() {
            std::fs::create_dir_all(above).map_err(unmade)?;
        }
        // Fails where anything is, a link included.
        DirBuilder::new()
            .mode(0o700)
            .create(&plan.directory)
            .map_err(unmade)?;
        Ok(Self {
            directory: plan.directory.clone(),
            archive: plan.archive.clone(),
            cleaner,
            files: RefCell::default(),
            problems: RefCell::default(),
        })
    }

    /// Something is missing in the bundle, and why.
    pub(super) fn problem(&self, target: &str, text: &str) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MOST_PROBLEMS {
            let text = self.cleaner.text(text);
            problems.push(json!({"error": text, "target": target, "timestamp": now()}));
        }
    }

    pub(super) fn problems(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Writes what was captured of a target.
    pub(super) fn keep(&self, target: &str, name: &str, captured: Vec<Value>) {
        let captured = self.cleaner.tree("", Value::Array(captured));
        let text = format!("{captured:#}\n");
        if self.cleaner.finds(&text) {
            return self.problem(target, LEFT_OUT);
        }
        match self.write(name, &text) {
            Ok(()) => self.files.borrow_mut().push(name.to_owned()),
            Err(error) => self.problem(target, &unwritten(name, &error)),
        }
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.directory.join(name))
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        self.create(name)?.write_all(text.as_bytes())
    }

    /// Begins the log's file.
    pub(super) fn log(&self, name: String) -> Option<LogFile<'_>> {
        match self.create(&name) {
            Ok(file) => Some(LogFile {
                bundle: self,
                name,
                file,
                written: 0,
            }),
            Err(error) => {
                self.problem("log", &unwritten(&name, &error));
                None
            }
        }
    }

    /// Writes the index, and puts everything into the archive. Where it is then.
    pub(super) fn finish(self, index: &Index<'_>) -> Result<PathBuf, Failure> {
        let index = self.index(index);
        self.write("index.json", &format!("{index:#}\n"))
            .map_err(|error| Failure::local(unwritten("index.json", &error)))?;
        let Some(archive) = &self.archive else {
            return Ok(self.directory);
        };
        let mut files = self.files.take();
        files.push("index.json".to_owned());
        pack(&self.directory, &files, archive).map_err(|error| {
            Failure::local(format!(
                "cannot write {}: {}",
                archive.display(),
                reason(&error)
            ))
            .hint(format!("the files are in: {}", self.directory.display()))
        })?;
        // What we made, by name: nothing else is removed.
        for name in &files {
            let _ = std::fs::remove_file(self.directory.join(name));
        }
        let _ = std::fs::remove_dir(&self.directory);
        Ok(archive.clone())
    }

    fn index(&self, index: &Index<'_>) -> Value {
        let plan = index.plan;
        let mut files = self.files.borrow().clone();
        files.sort();
        let whole = json!({
            "version": VERSION,
            "vault_address": index.address,
            "client_version": env!("CARGO_PKG_VERSION"),
            "server_version": index.server,
            "timestamp": index.begun,
            "duration_seconds": plan.duration.as_secs(),
            "interval_seconds": plan.interval.as_secs(),
            "metrics_interval_seconds": plan.metrics_interval.as_secs(),
            "compress": self.archive.is_some(),
            "raw_args": index.arguments,
            "targets": plan.names(),
            "output": {"files": files},
            "errors": *self.problems.borrow(),
        });
        self.cleaner.tree("", whole)
    }
}

const LEFT_OUT: &str = "left out: something in it looks like a secret";

fn unwritten(name: &str, error: &io::Error) -> String {
    format!("cannot write {name}: {}", reason(error))
}

impl LogFile<'_> {
    /// Whether there is room for more.
    pub(super) fn write(&mut self, line: &str) -> bool {
        let line = format!("{}\n", self.bundle.cleaner.line(line));
        self.written += line.len() as u64;
        if self.written > MOST_LOG {
            let text = format!("cut after {} MiB", MOST_LOG >> 20);
            self.bundle.problem("log", &text);
            return false;
        }
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => true,
            Err(error) => {
                self.bundle.problem("log", &unwritten(&self.name, &error));
                false
            }
        }
    }
}

impl Drop for LogFile<'_> {
    /// The whole is looked at once more: a key may stand over several lines.
    fn drop(&mut self) {
        let path = self.bundle.directory.join(&self.name);
        let clean =
            std::fs::read_to_string(&path).is_ok_and(|text| !self.bundle.cleaner.finds(&text));
        if clean {
            self.bundle.files.borrow_mut().push(self.name.clone());
        } else {
            let _ = std::fs::remove_file(&path);
            self.bundle.problem("log", LEFT_OUT);
        }
    }
}

/// One archive of the files, below the directory's own name.
fn pack(directory: &Path, files: &[String], archive: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(archive)?;
    let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    let name = directory.file_name().map_or("debug".as_ref(), Path::new);
    let time = WallClock.now().seconds();
    let header = |kind: tar::EntryType, mode: u32, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(time);
        header
    };
    let mut above = header(tar::EntryType::Directory, 0o700, 0);
    tar.append_data(&mut above, name.join(""), io::empty())?;
    for file in files {
        let opened = File::open(directory.join(file))?;
        let mut about = header(tar::EntryType::Regular, 0o600, opened.metadata()?.len());
        tar.append_data(&mut about, name.join(file), opened)?;
    }
    tar.into_inner()?.finish()?.sync_all()
}
