//! Where git looks for the hooks of a repository, and what is there.

use super::Name;
use super::script::{KEPT, is_ours, script};
use crate::cli::Failure;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// As much of a hook as is read to tell whose it is.
const HEAD: u64 = 4096;

/// What is under the name of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    None,
    Ours {
        /// Another hook runs before it.
        chained: bool,
    },
    Foreign,
}

/// The hooks of one repository.
pub(super) struct Hooks {
    directory: PathBuf,
    pub(super) bare: bool,
    /// They are also those of other repositories.
    shared: bool,
}

impl Hooks {
    /// Asks git itself: its configuration has many layers, and they are the caller's own.
    pub(super) fn find(path: &Path) -> Result<Self, Failure> {
        let answers = git(
            path,
            &[
                "rev-parse",
                "--is-bare-repository",
                "--absolute-git-dir",
                "--git-common-dir",
            ],
        )?;
        let mut lines = answers.lines();
        let bare = lines.next() == Some("true");
        let own = PathBuf::from(lines.next().unwrap_or_default());
        let common = lines.next().unwrap_or_default();
        let hooks = git(path, &["rev-parse", "--git-path", "hooks"])?;
        let base = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let at = |text: &str| {
            let path = base.join(text.trim_end_matches('\n'));
            path.canonicalize().unwrap_or(path)
        };
        let (common, directory) = (at(common), at(&hooks));
        let work = if bare {
            None
        } else {
            git(path, &["rev-parse", "--show-toplevel"]).ok()
        };
        let inside = directory.starts_with(&common)
            || directory.starts_with(&own)
            || work.is_some_and(|work| directory.starts_with(at(&work)));
        Ok(Self {
            directory,
            bare,
            shared: !inside,
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn path(&self, name: Name) -> PathBuf {
        self.directory.join(name.word())
    }

    pub(super) fn kept(&self, name: Name) -> PathBuf {
        self.directory.join(format!("{}{KEPT}", name.word()))
    }

    /// Hooks outside of the repository are those of others, too.
    pub(super) fn may_change(&self, shared: bool) -> Result<(), Failure> {
        if self.shared && !shared {
            let place = self.directory.display();
            return Err(Failure::local(format!(
                "core.hooksPath is outside of this repository, so others may use it: {place}"
            ))
            .hint("change the hooks of all of them with: -shared"));
        }
        Ok(())
    }

    pub(super) fn state(&self, name: Name) -> Result<State, Failure> {
        let path = self.path(name);
        let Ok(kind) = path.symlink_metadata() else {
            return Ok(State::None);
        };
        if !kind.is_file() {
            return Ok(State::Foreign);
        }
        let mut head = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| unreadable(&path, &error))?;
        file.take(HEAD)
            .read_to_end(&mut head)
            .map_err(|error| unreadable(&path, &error))?;
        if !is_ours(&head) {
            return Ok(State::Foreign);
        }
        let chained = self.kept(name).symlink_metadata().is_ok();
        Ok(State::Ours { chained })
    }

    /// Puts our script in place. A hook that is there is moved, whole and unread.
    pub(super) fn install(&self, name: Name, arguments: &[String]) -> Result<(), Failure> {
        let (path, kept) = (self.path(name), self.kept(name));
        let program = std::env::current_exe()
            .map_err(|error| Failure::local(format!("cannot find this program: {error}")))?;
        std::fs::create_dir_all(&self.directory)
            .map_err(|error| unwritable(&self.directory, &error))?;
        if self.state(name)? == State::Foreign {
            if kept.symlink_metadata().is_ok() {
                return Err(Failure::local(format!(
                    "two hooks to keep: {} and {}",
                    path.display(),
                    kept.display()
                ))
                .hint("take one of them away, then again: cofferdam hook install"));
            }
            std::fs::rename(&path, &kept).map_err(|error| unwritable(&kept, &error))?;
        }
        // Complete before git can see it.
        let fresh =
            self.directory
                .join(format!(".{}.cofferdam-{}", name.word(), std::process::id()));
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&fresh)
            .and_then(|mut file| {
                file.write_all(script(name, &program, arguments).as_bytes())?;
                // Whatever the umask says: git passes over a hook that may not be run.
                file.set_permissions(PermissionsExt::from_mode(0o755))
            })
            .and_then(|()| std::fs::rename(&fresh, &path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&fresh);
            // Nothing may be worse than before.
            if path.symlink_metadata().is_err() {
                let _ = std::fs::rename(&kept, &path);
            }
            unwritable(&path, &error)
        })
    }

    /// Takes our script away and puts back what was there.
    pub(super) fn uninstall(&self, name: Name, chained: bool) -> Result<(), Failure> {
        let path = self.path(name);
        let done = if chained {
            std::fs::rename(self.kept(name), &path)
        } else {
            std::fs::remove_file(&path)
        };
        done.map_err(|error| unwritable(&path, &error))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(format!("cannot read {}: {error}", path.display()))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(format!("cannot write {}: {error}", path.display()))
}

/// What git answers to a question about its own places.
fn git(path: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new("git");
    command.arg("-C").arg(path).args(arguments);
    let output = command.output().map_err(|_| {
        Failure::local("git is not installed here").hint("without it: cofferdam scan git")
    })?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.lines().next().unwrap_or("it says nothing");
        let words = words.trim_start_matches("fatal: ").to_owned();
        return Err(Failure::local(format!("git refuses: {words}"))
            .hint("make a repository with: git init"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
