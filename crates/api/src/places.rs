//! Where things are on this machine when nobody said otherwise.
//!
//! One rule for the server that creates these places and for the clients that look there: root
//! uses the system's directories, everybody else their own XDG directories.

use rustix::process::geteuid;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Reads a variable of the environment; tests pass their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's real environment; empty values count as absent.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Prefixes of the variables of clients, the first that is set wins.
const PREFIXES: [&str; 3] = ["COFFERDAM", "VAULT", "BAO"];

/// A variable of clients under any of its prefixes (`ADDR`: `COFFERDAM_ADDR`, `VAULT_ADDR`,
/// `BAO_ADDR`): the name that is set, and its value.
#[must_use]
pub fn setting(environment: Environment<'_>, name: &str) -> Option<(String, String)> {
    PREFIXES.iter().find_map(|prefix| {
        let name = format!("{prefix}_{name}");
        let value = environment(&name)?;
        Some((name, value))
    })
}

/// Whether a variable of clients says yes.
#[must_use]
pub fn is_on(environment: Environment<'_>, name: &str) -> bool {
    setting(environment, name).is_some_and(|(_, text)| parse_bool(&text) == Some(true))
}

/// Yes or no as Go's `ParseBool` reads it, by which Vault's clients read flags and variables.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Directory of the store and of the CA.
#[must_use]
pub fn data_dir(environment: Environment<'_>) -> PathBuf {
    if geteuid().is_root() {
        return PathBuf::from("/var/lib/cofferdam");
    }
    environment("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("/var/tmp"))
        .join("cofferdam")
}

/// Directory of sockets and other things that end with the machine's uptime.
#[must_use]
pub fn runtime_dir(environment: Environment<'_>) -> PathBuf {
    let user = geteuid();
    if user.is_root() {
        return PathBuf::from("/run/cofferdam");
    }
    environment("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .map_or_else(
            || PathBuf::from(format!("/tmp/cofferdam-{}", user.as_raw())),
            |base| base.join("cofferdam"),
        )
}

/// The local server's socket, of this user.
#[must_use]
pub fn socket(environment: Environment<'_>) -> PathBuf {
    runtime_dir(environment).join("cofferdam.sock")
}

/// The CA that the local server made for itself.
#[must_use]
pub fn ca_file(environment: Environment<'_>) -> PathBuf {
    data_dir(environment).join("tls/ca.pem")
}

/// Whether a client may trust the socket at `path`: nobody but root, this user or the server's own
/// user could have put it there. The fallback below `/tmp` is a place where others could.
#[must_use]
pub fn is_trusted_socket(path: &Path) -> bool {
    let known = |owner: u32| owner == 0 || owner == geteuid().as_raw();
    let open_to_all = |directory: &Metadata| directory.mode() & 0o022 != 0;
    let Ok(socket) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let Some((directory, above)) = path.parent().and_then(|directory| {
        let above = directory.parent().unwrap_or(directory);
        Some((
            std::fs::metadata(directory).ok()?,
            std::fs::metadata(above).ok()?,
        ))
    }) else {
        return false;
    };
    if open_to_all(&directory) {
        // In a sticky directory only the owner can replace the file.
        return directory.mode() & 0o1000 != 0 && known(socket.uid());
    }
    let of_the_server = directory.uid() == socket.uid() && !open_to_all(&above);
    (known(directory.uid()) && known(socket.uid())) || of_the_server
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_socket_where_others_may_write_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        assert!(!is_trusted_socket(&path), "nothing there yet");
        let _listener = UnixListener::bind(&path).unwrap();
        let allow = |mode| {
            std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(mode))
                .unwrap();
        };
        for (mode, trusted) in [(0o700, true), (0o755, true), (0o777, false), (0o1777, true)] {
            allow(mode);
            assert_eq!(is_trusted_socket(&path), trusted, "{mode:o}");
        }
    }

    #[test]
    fn xdg_directories_must_be_absolute() {
        let environment = |name: &str| match name {
            "HOME" => Some("/home/a".to_owned()),
            _ => Some("relative".to_owned()),
        };
        assert!(data_dir(&environment).is_absolute());
        assert!(runtime_dir(&environment).is_absolute());
    }
}
