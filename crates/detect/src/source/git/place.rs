//! Where a repository lies.
//!
//! A repository may be hostile. Nothing of its configuration is used but the form of its ids; includes
//! are not followed. Links inside it are not followed. A `.git` file is followed only where its target
//! answers for it: a worktree that names this file, or a submodule below the repository around it. Objects
//! that it borrows from elsewhere (`objects/info/alternates`) are read only when asked for. Nothing is run,
//! so it is of no concern who owns it (git's `safe.directory`).

use super::super::{Gap, clean};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Longest pointer, configuration or list that is read.
const LONGEST: u64 = 1 << 20;

/// Stores of objects that may borrow from each other.
const ALTERNATES: usize = 5;

/// Why a repository is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What happened; safe to print.
    pub what: String,
    /// The next command to type.
    pub hint: String,
}

impl Refused {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refused {}

/// What the caller says about a repository. Nothing of this comes from the repository itself.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Another index, as git names one to its hooks (`GIT_INDEX_FILE`).
    pub index: Option<PathBuf>,
    /// Further stores of objects, as git names them to its hooks (`GIT_OBJECT_DIRECTORY`).
    pub objects: Vec<PathBuf>,
    /// Whether borrowed objects are read where they lie.
    pub alternates: bool,
}

/// The directories of one repository.
pub(super) struct Place {
    /// What belongs to this worktree: `HEAD`, the index.
    pub(super) git: PathBuf,
    /// What all worktrees share.
    pub(super) common: PathBuf,
    /// Stores of objects.
    pub(super) objects: Vec<PathBuf>,
    pub(super) index: PathBuf,
    /// Bytes of an id.
    pub(super) id_length: usize,
    /// Objects may be missing because they were never fetched.
    pub(super) partial: bool,
    /// Refs are in a form that is not read.
    pub(super) reftable: bool,
    /// What is not looked at.
    pub(super) gaps: Vec<Gap>,
}

impl Place {
    pub(super) fn find(path: &Path, setting: &Setting) -> Result<Self, Refused> {
        let git = find(path)?;
        let common = common(&git)?;
        let configuration = text(&common.join("config")).unwrap_or_default();
        let says = |section: &str, key: &str| value(&configuration, section, key);
        let id_length = match says("extensions", "objectformat").as_deref() {
            None | Some("sha1") => 20,
            Some("sha256") => 32,
            Some(other) => {
                return Err(Refused::new(
                    format!("ids of an unknown form: {}", clean(other)),
                    "convert it to sha1 or sha256 with a newer git",
                ));
            }
        };
        let mut place = Self {
            index: setting.index.clone().unwrap_or_else(|| git.join("index")),
            objects: vec![common.join("objects")],
            partial: says("extensions", "partialclone").is_some()
                || configuration.to_ascii_lowercase().contains("promisor"),
            reftable: says("extensions", "refstorage").as_deref() == Some("reftable"),
            id_length,
            gaps: Vec::new(),
            git,
            common,
        };
        place.objects.extend(setting.objects.iter().cloned());
        place.borrowed(setting.alternates);
        place.shallow();
        if place.reftable {
            place.gap(
                "refs",
                "kept as a reftable, so reachable and not cannot be told apart",
            );
        }
        Ok(place)
    }

    pub(super) fn gap(&mut self, location: &str, reason: impl Into<String>) {
        self.gaps.push(Gap {
            location: clean(location),
            reason: reason.into(),
        });
    }

    /// Stores that this one borrows from.
    fn borrowed(&mut self, follow: bool) {
        let mut at = 0;
        while let Some(store) = self.objects.get(at).cloned() {
            at += 1;
            for line in text(&store.join("info/alternates"))
                .unwrap_or_default()
                .lines()
            {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let other = store.join(line);
                if !follow {
                    let reason = "objects borrowed from there (alternates); -alternates reads them";
                    self.gap(&other.to_string_lossy(), reason);
                } else if self.objects.len() > ALTERNATES {
                    self.gap(
                        &other.to_string_lossy(),
                        "stores borrow from each other too deep",
                    );
                } else if !self.objects.contains(&other) {
                    self.objects.push(other);
                }
            }
        }
    }

    fn shallow(&mut self) {
        let cut = text(&self.common.join("shallow")).unwrap_or_default();
        let count = cut.lines().count();
        if count > 0 {
            let reason =
                format!("a shallow clone: what lies before {count} commits was not fetched");
            self.gap("history", reason);
        }
    }
}

/// The directory of the repository that `path` is in, or is.
fn find(path: &Path) -> Result<PathBuf, Refused> {
    let missing = |error: io::Error| {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            kind => kind.to_string(),
        };
        let shown = clean(&path.to_string_lossy());
        Refused::new(
            format!("cannot look into {shown}: {reason}"),
            "name a git repository",
        )
    };
    let start = path.canonicalize().map_err(missing)?;
    for directory in start.ancestors() {
        if is_repository(directory) {
            return Ok(directory.to_path_buf());
        }
        let inner = directory.join(".git");
        match inner.symlink_metadata() {
            Ok(kind) if kind.is_dir() && is_repository(&inner) => return Ok(inner),
            Ok(kind) if kind.is_file() => return pointed(&inner),
            Ok(kind) if kind.is_symlink() => {
                let shown = clean(&inner.to_string_lossy());
                return Err(Refused::new(
                    format!("a link, which is not followed: {shown}"),
                    "name the repository it leads to: cofferdam scan git PATH",
                ));
            }
            _ => {}
        }
    }
    let shown = clean(&path.to_string_lossy());
    Err(Refused::new(
        format!("not a git repository: {shown}"),
        format!("look at its files with: cofferdam scan dir {shown}"),
    ))
}

fn is_repository(directory: &Path) -> bool {
    let is_directory = |name: &str| {
        let kind = directory.join(name).symlink_metadata();
        kind.is_ok_and(|kind| kind.is_dir())
    };
    let head = directory.join("HEAD").symlink_metadata().is_ok();
    let shared = directory.join("commondir").symlink_metadata().is_ok();
    head && (shared || (is_directory("objects") && is_directory("refs")))
}

/// Where a `.git` file points, if the target answers for it.
fn pointed(file: &Path) -> Result<PathBuf, Refused> {
    let here = file.parent().unwrap_or(Path::new("/"));
    let shown = clean(&file.to_string_lossy());
    let line = text(file).unwrap_or_default();
    let target = line
        .strip_prefix("gitdir: ")
        .map(|line| line.trim_end_matches(['\n', '\r']));
    let target = target.and_then(|target| here.join(target).canonicalize().ok());
    let Some(target) = target.filter(|target| is_repository(target)) else {
        return Err(Refused::new(
            format!("{shown} points to no repository"),
            format!(
                "look at its files with: cofferdam scan dir {}",
                clean(&here.to_string_lossy())
            ),
        ));
    };
    let back = text(&target.join("gitdir")).unwrap_or_default();
    let back = target
        .join(back.trim_end_matches(['\n', '\r']))
        .canonicalize();
    let worktree = back.is_ok_and(|back| Some(back) == file.canonicalize().ok());
    let submodule = here.ancestors().skip(1).any(|around| {
        let modules = around.join(".git/modules");
        modules
            .canonicalize()
            .is_ok_and(|modules| target.starts_with(modules))
    });
    if worktree || submodule {
        return Ok(target);
    }
    let target = clean(&target.to_string_lossy());
    Err(Refused::new(
        format!("{shown} points to {target}, which does not point back"),
        format!("if that is what you mean: cofferdam scan git {target}"),
    ))
}

/// The directory that all worktrees of a repository share.
fn common(git: &Path) -> Result<PathBuf, Refused> {
    let Ok(line) = text(&git.join("commondir")) else {
        return Ok(git.to_path_buf());
    };
    let common = git.join(line.trim_end_matches(['\n', '\r'])).canonicalize();
    let below = |common: &PathBuf| git.starts_with(common.join("worktrees"));
    match common {
        Ok(common) if is_repository(&common) && below(&common) => Ok(common),
        _ => Err(Refused::new(
            format!(
                "the commondir of {} leads elsewhere",
                clean(&git.to_string_lossy())
            ),
            "name the repository it belongs to: cofferdam scan git PATH",
        )),
    }
}

/// A value of git's configuration, section and key in lower case. Includes are not followed.
fn value(configuration: &str, section: &str, key: &str) -> Option<String> {
    let mut here = false;
    let mut found = None;
    for line in configuration.lines() {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            let (name, after) = rest.split_once(']')?;
            here = name.trim().eq_ignore_ascii_case(section);
            line = after.trim();
        }
        if let Some((name, value)) = line.split_once('=')
            && here
            && name.trim().eq_ignore_ascii_case(key)
        {
            let value = value.split(['#', ';']).next().unwrap_or_default();
            found = Some(value.trim().trim_matches('"').to_ascii_lowercase());
        }
    }
    found
}

/// A small file of the repository, as text.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    regular(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens a regular file. A link, a pipe or a device under its name is not one.
pub(super) fn regular(path: &Path) -> io::Result<File> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(File::from(file))
}

/// The names in a directory of the repository, in order; none if it is a link.
pub(super) fn names(directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    if !directory.symlink_metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let entries = std::fs::read_dir(directory)?;
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_read_without_includes() {
        let text = "[core]\n\tbare = false\n[include]\n path = /etc/passwd\n[Extensions] objectFormat = SHA256 # x\n";
        assert_eq!(
            value(text, "extensions", "objectformat").as_deref(),
            Some("sha256")
        );
        assert_eq!(value(text, "extensions", "refstorage"), None);
        assert_eq!(value(text, "core", "objectformat"), None);
        assert_eq!(value("[", "core", "bare"), None);
    }
}
