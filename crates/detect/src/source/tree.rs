//! A tree of files, read by as many threads as there are cores.
//!
//! Links are not followed, special files are not opened, `.git` is left out. A file
//! `.cofferdamignore` (in the form of git's ignore files) leaves out what it names; git's own ignore files
//! count only when asked for, as what they name is on the disk all the same.

use super::gathered::Gathered;
use super::item::{Kind, kind, unreadable};
use super::location::clean;
use super::{Finder, Gap, Limits, Looked, Patterns};
use crate::matcher::Matcher;
use crate::pattern::{DigestKey, Scanner};
use ignore::{DirEntry, WalkBuilder, WalkState};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files up to this size are read as a whole.
const IN_MEMORY: u64 = 4 << 20;

/// A file that grows while it is read is read this far beyond its size at the start.
const GROWTH: u64 = 16 << 20;

/// The name of our ignore files.
const IGNORE_FILE: &str = ".cofferdamignore";

/// What is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeOptions {
    /// What git's ignore files name.
    pub git_ignored: bool,
    /// Threads; 0 lets the machine decide.
    pub threads: usize,
}

/// What the search of a tree needs.
pub struct Tree<'s> {
    /// Values to look for.
    pub matcher: &'s Matcher,
    /// Rules.
    pub scanner: &'s Scanner,
    /// Key of digests.
    pub key: &'s DigestKey,
    /// How far a look goes.
    pub limits: Limits,
    /// Files looked at so far: for those who wait.
    pub progress: &'s AtomicU64,
}

impl Tree<'_> {
    /// Looks at every file under `root`, or at `root` if it is one.
    ///
    /// # Errors
    /// When `root` itself cannot be read.
    pub fn search(&self, root: &Path, options: TreeOptions) -> io::Result<Looked> {
        std::fs::metadata(root)?;
        let mut walk = WalkBuilder::new(root);
        walk.standard_filters(false)
            .follow_links(false)
            .add_custom_ignore_filename(IGNORE_FILE)
            .git_ignore(options.git_ignored)
            .git_exclude(options.git_ignored)
            .require_git(false)
            .parents(options.git_ignored)
            .threads(options.threads)
            .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
        let all = Mutex::new(Gathered::default());
        let root_is_file = !root.is_dir();
        walk.build_parallel().run(|| {
            let patterns = Patterns::new(self.scanner, self.key);
            let mut finder = Finder::new(self.matcher, self.limits).with_patterns(patterns);
            let mut buffer = Vec::new();
            let all = &all;
            Box::new(move |entry| {
                match entry {
                    Ok(entry) => self.entry(&mut finder, &mut buffer, &entry, root_is_file),
                    Err(error) => finder.looked.gap(gap(&error)),
                }
                let looked = finder.take();
                if let Ok(mut all) = all.lock() {
                    all.add(looked);
                }
                WalkState::Continue
            })
        });
        Ok(all.into_inner().unwrap_or_default().finish())
    }

    fn entry(
        &self,
        finder: &mut Finder<'_>,
        buffer: &mut Vec<u8>,
        entry: &DirEntry,
        root_is_file: bool,
    ) {
        let named = entry.depth() == 0 && root_is_file;
        let regular = entry.file_type().is_some_and(|kind| kind.is_file());
        if !regular && !named {
            return;
        }
        let path = entry.path();
        let shown = path.strip_prefix("./").unwrap_or(path);
        let location = clean(&shown.to_string_lossy());
        match read(finder, buffer, path, &location, named) {
            Ok(true) => {
                finder.name_of_file(&location, shown);
                finder.count();
                self.progress.fetch_add(1, Ordering::Relaxed);
            }
            // Not a file any more, or gone.
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => finder.gap(&location, unreadable(&error)),
        }
        // One large file must not cost its memory until the end.
        if buffer.capacity() > (1 << 20) {
            *buffer = Vec::new();
        }
    }
}

/// Searches one file; whether it was one.
fn read(
    finder: &mut Finder<'_>,
    buffer: &mut Vec<u8>,
    path: &Path,
    location: &str,
    follow: bool,
) -> io::Result<bool> {
    // NONBLOCK: it may have become a pipe since it was looked at.
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    let fd = match openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::LOOP) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let stat = fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(false);
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let mut file = File::from(fd);
    if size > IN_MEMORY {
        finder.reader(location, &mut file.take(size.saturating_add(GROWTH)));
        return Ok(true);
    }
    buffer.clear();
    buffer.reserve(usize::try_from(size).unwrap_or(0) + 1);
    (&mut file).take(IN_MEMORY + 1).read_to_end(buffer)?;
    if buffer.len() as u64 > IN_MEMORY {
        let mut rest = buffer.as_slice().chain(file.take(GROWTH));
        finder.reader(location, &mut rest);
    } else if kind(buffer) == Kind::Plain {
        finder.whole(location, buffer);
    } else {
        finder.reader(location, &mut buffer.as_slice());
    }
    Ok(true)
}

fn gap(error: &ignore::Error) -> Gap {
    // Its words hold the path, which is foreign text.
    let (location, reason) = match error {
        ignore::Error::WithPath { path, err } => (path.display().to_string(), words(err)),
        ignore::Error::WithDepth { err, .. } => return gap(err),
        other => (String::new(), words(other)),
    };
    Gap {
        location: clean(&location),
        reason,
    }
}

fn words(error: &ignore::Error) -> String {
    match error.io_error() {
        Some(error) => unreadable(error),
        None => "a line of an ignore file is not understood".to_owned(),
    }
}
