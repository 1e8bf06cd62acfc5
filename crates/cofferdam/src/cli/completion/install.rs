//! `-autocomplete-install` and `-autocomplete-uninstall`, as Vault's clients have them.
//!
//! bash and zsh read one line of ours in their rc file, fish has a file for each command. What
//! stands in an rc file beside that line stays as it is, byte by byte, whatever it is; the file is
//! replaced whole or not at all, and where it is a link, what it points to is.

use super::super::input::reason;
use super::super::names::Name;
use super::super::terminal::say;
use super::super::{Exit, Failure};
use super::Shell;
use super::script::{self};
use cofferdam_api::places;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Makes shells complete: once, however often it is called.
pub(in crate::cli) fn install(name: Name) -> Result<Exit, Failure> {
    each(name, true)
}

/// Takes away what `install` made, and nothing else.
pub(in crate::cli) fn uninstall(name: Name) -> Result<Exit, Failure> {
    each(name, false)
}

fn each(name: Name, wanted: bool) -> Result<Exit, Failure> {
    let home = places::environment("HOME").map(PathBuf::from);
    let home = home
        .filter(|home| home.is_absolute())
        .ok_or_else(|| Failure::local("no home directory").hint("set HOME to an absolute path"))?;
    let zsh = places::environment("ZDOTDIR").map_or_else(|| home.clone(), PathBuf::from);
    let config =
        places::environment("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let mut found = false;
    for (shell, rc) in [
        (Shell::Bash, home.join(".bashrc")),
        (Shell::Zsh, zsh.join(".zshrc")),
    ] {
        // A shell that nobody uses here gets no file.
        if !rc.exists() {
            continue;
        }
        found = true;
        told(&rc, rc_file(&rc, shell, name, wanted)?, wanted);
    }
    let fish = config.join("fish");
    if fish.is_dir() {
        found = true;
        let path = fish
            .join("completions")
            .join(format!("{}.fish", name.word()));
        told(&path, fish_file(&path, name, wanted)?, wanted);
    }
    if found || !wanted {
        return Ok(Exit::Success);
    }
    Err(
        Failure::local("no shell found: neither ~/.bashrc, ~/.zshrc nor ~/.config/fish is there")
            .hint(format!(
                "touch ~/.bashrc && {} -autocomplete-install",
                name.word()
            )),
    )
}

fn told(path: &Path, changed: bool, wanted: bool) {
    let what = match (changed, wanted) {
        (true, true) => "completion installed in",
        (false, true) => "completion is in",
        (true, false) => "completion removed from",
        (false, false) => "no completion in",
    };
    say(&format!("{what} {}", path.display()));
}

/// How our line ends, in every version.
fn mark(name: Name) -> String {
    format!("# {} completion, by -autocomplete-install", name.word())
}

/// The line in an rc file. A program that is gone costs nothing and says nothing.
fn rc_line(shell: Shell, name: Name) -> String {
    let word = name.word();
    let shell = if shell == Shell::Zsh { "zsh" } else { "bash" };
    format!(
        "command -v {word} >/dev/null && eval \"$({word} completion {shell} 2>/dev/null)\" {}\n",
        mark(name)
    )
}

fn rc_file(path: &Path, shell: Shell, name: Name, wanted: bool) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| refused(path, &error);
    let target = std::fs::canonicalize(path).map_err(failed)?;
    let before = std::fs::read(&target).map_err(failed)?;
    let line = wanted.then(|| rc_line(shell, name));
    let after = with_line(&before, &mark(name), line.as_deref());
    if after == before {
        return Ok(false);
    }
    replace(&target, &after).map_err(failed)?;
    Ok(true)
}

/// The content with exactly this line of ours, or with none.
fn with_line(content: &[u8], mark: &str, line: Option<&str>) -> Vec<u8> {
    let is_ours = |line: &[u8]| line.trim_ascii_end().ends_with(mark.as_bytes());
    let mut lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
    let ours = lines.iter().filter(|line| is_ours(line)).count();
    let is_there = line.is_some_and(|wanted| lines.contains(&wanted.as_bytes()));
    if ours == usize::from(line.is_some()) && (line.is_none() || is_there) {
        return content.to_vec();
    }
    lines.retain(|line| !is_ours(line));
    let mut after = lines.concat();
    if let Some(line) = line {
        // A last line without its end would swallow ours; one that ends in `\` would go on in it.
        if !after.is_empty() && !after.ends_with(b"\n") {
            after.push(b'\n');
        }
        if after.ends_with(b"\\\n") {
            after.push(b'\n');
        }
        after.extend(line.as_bytes());
    }
    after
}

/// fish's file is ours alone, if it is ours at all.
fn fish_file(path: &Path, name: Name, wanted: bool) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| refused(path, &error);
    let text = format!("{}{}\n", script::of(Shell::Fish, name), mark(name));
    let before = match std::fs::read(path) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let is_ours = |text: &[u8]| text.trim_ascii_end().ends_with(mark(name).as_bytes());
    match before {
        Some(before) if !is_ours(&before) => {
            if !wanted {
                return Ok(false);
            }
            Err(
                Failure::local(format!("not made by this program: {}", path.display()))
                    .hint("move it away and try again"),
            )
        }
        Some(_) if !wanted => {
            std::fs::remove_file(path).map_err(failed)?;
            Ok(true)
        }
        None if !wanted => Ok(false),
        Some(before) if before == text.as_bytes() => Ok(false),
        _ => {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory).map_err(failed)?;
            }
            crate::files::replace(path, 0o644, text.as_bytes()).map_err(failed)?;
            Ok(true)
        }
    }
}

/// Beside it, on the disk, then in its place, with its mode and its owner.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let before = std::fs::metadata(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = path.with_file_name(format!("{name}.cofferdam-{}", std::process::id()));
    let written = (|| {
        let options = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&staged);
        let mut file = options?;
        file.write_all(content)?;
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(before.mode() & 0o7777))?;
        file.sync_all()?;
        std::fs::rename(&staged, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&staged);
    }
    written
}

fn refused(path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(format!(
        "cannot change {}: {}",
        path.display(),
        reason(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MARK: &str = "# x completion, by -autocomplete-install";

    fn line() -> String {
        format!("eval x {MARK}\n")
    }

    #[test]
    fn a_last_line_that_goes_on_does_not_swallow_ours() {
        for before in ["alias a=b", "export A=1 \\\n", "x \\"] {
            let after = with_line(before.as_bytes(), MARK, Some(&line()));
            let after = String::from_utf8(after).unwrap();
            assert!(after.starts_with(before), "{after}");
            let own = after.lines().last().unwrap();
            assert_eq!(format!("{own}\n"), line());
            let above = after.lines().rev().nth(1).unwrap();
            assert!(!above.ends_with('\\'), "{after}");
        }
    }

    #[test]
    fn an_older_line_of_ours_is_replaced() {
        let before = format!("a\nold way {MARK}\nb\n");
        let after = with_line(before.as_bytes(), MARK, Some(&line()));
        assert_eq!(
            String::from_utf8(after).unwrap(),
            format!("a\nb\n{}", line())
        );
    }

    proptest! {
        #[test]
        fn nothing_else_in_the_file_changes(before in proptest::collection::vec(any::<u8>(), 0..200)) {
            let with = with_line(&before, MARK, Some(&line()));
            prop_assert!(with.starts_with(&before));
            prop_assert_eq!(&with_line(&with, MARK, Some(&line())), &with, "twice is once");
            let without = with_line(&with, MARK, None);
            prop_assert!(without.starts_with(&before));
            // What is left of the change is at most the end of a last line.
            prop_assert!(without[before.len()..].iter().all(|byte| *byte == b'\n'));
            prop_assert!(without.len() <= before.len() + 2);
        }
    }
}
