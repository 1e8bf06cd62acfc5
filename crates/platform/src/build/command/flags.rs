//! The flags of the builders, as far as one has to know which of them take a value.

use super::Builder;
use std::ffi::OsString;

/// Global flags with a value, of docker.
const DOCKER: &[&str] = &[
    "--config",
    "--context",
    "-c",
    "--host",
    "-H",
    "--log-level",
    "-l",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
];

/// Global flags with a value, of podman and buildah (podman(1), buildah(1)).
const PODMAN: &[&str] = &[
    "--cgroup-manager",
    "--conmon",
    "--connection",
    "-c",
    "--events-backend",
    "--hooks-dir",
    "--identity",
    "--imagestore",
    "--log-level",
    "--module",
    "--namespace",
    "--network-cmd-path",
    "--network-config-dir",
    "--out",
    "--registries-conf",
    "--registries-conf-dir",
    "--root",
    "--runroot",
    "--runtime",
    "--runtime-flag",
    "--short-name-alias-conf",
    "--ssh",
    "--storage-driver",
    "--storage-opt",
    "--tmpdir",
    "--transient-store",
    "--url",
    "--userns-gid-map",
    "--userns-uid-map",
    "--volumepath",
];

/// Flags of a docker build without a value; all others have one.
const DOCKER_SWITCHES: &[&str] = &[
    "--check",
    "--compress",
    "--debug",
    "--disable-content-trust",
    "--force-rm",
    "--help",
    "--load",
    "--no-cache",
    "--pull",
    "--push",
    "--quiet",
    "--rm",
    "--squash",
    "--stream",
];

/// Flags of a podman or buildah build without a value, or whose value stands behind `=` only.
const PODMAN_SWITCHES: &[&str] = &[
    "--all-platforms",
    "--compat-volumes",
    "--compress",
    "--disable-compression",
    "--disable-content-trust",
    "--force-rm",
    "--help",
    "--http-proxy",
    "--identity-label",
    "--inherit-annotations",
    "--inherit-labels",
    "--layers",
    "--log-rusage",
    "--log-split",
    "--no-cache",
    "--no-hostname",
    "--no-hosts",
    "--omit-history",
    "--pull",
    "--pull-always",
    "--pull-never",
    "--quiet",
    "--rewrite-timestamp",
    "--rm",
    "--rusage",
    "--save-stages",
    "--skip-unused-stages",
    "--squash",
    "--squash-all",
    "--stage-labels",
    "--stdin",
    "--tls-verify",
];

/// Whether a global flag takes the next word.
pub(super) fn global_takes_value(builder: Builder, text: &str) -> bool {
    match builder {
        Builder::Docker | Builder::Buildx => DOCKER.contains(&text),
        Builder::Podman | Builder::Buildah => PODMAN.contains(&text),
    }
}

/// One argument of a build: a flag with its value, or a word by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The flag's name, `--long` or `-s`; `None` for the context and what follows `--`.
    pub(super) name: Option<String>,
    /// Its value, where it has one.
    pub(super) value: Option<OsString>,
    /// As it was typed: one or two words.
    pub(super) typed: Vec<OsString>,
}

impl Word {
    /// The value as text; empty without one.
    pub(super) fn text(&self) -> String {
        self.value
            .as_ref()
            .map(|value| value.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Whether it is one of these flags.
    pub(super) fn is(&self, names: &[&str]) -> bool {
        self.name
            .as_deref()
            .is_some_and(|name| names.contains(&name))
    }

    /// Whether a switch is on: `--push`, `--push=true`.
    pub(super) fn is_on(&self) -> bool {
        self.value
            .as_ref()
            .is_none_or(|value| matches!(&*value.to_string_lossy(), "true" | "1" | "t" | "T"))
    }
}

/// Splits what follows the word `build`.
pub(super) fn split(builder: Builder, words: &[OsString]) -> Vec<Word> {
    let mut all = Vec::new();
    let mut rest = words.iter();
    let mut flags = true;
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        if flags && text == "--" {
            flags = false;
            all.push(plain(word));
            continue;
        }
        if !flags || text == "-" || !text.starts_with('-') {
            all.push(plain(word));
            continue;
        }
        all.push(match flag(builder, &text) {
            Flag::Switch(name) => Word {
                name: Some(name),
                value: None,
                typed: vec![word.clone()],
            },
            Flag::Attached(name, value) => Word {
                name: Some(name),
                value: Some(OsString::from(value)),
                typed: vec![word.clone()],
            },
            Flag::Next(name) => {
                let value = rest.next().cloned();
                let typed = std::iter::once(word.clone()).chain(value.clone()).collect();
                Word {
                    name: Some(name),
                    value,
                    typed,
                }
            }
        });
    }
    all
}

fn plain(word: &OsString) -> Word {
    Word {
        name: None,
        value: Some(word.clone()),
        typed: vec![word.clone()],
    }
}

enum Flag {
    Switch(String),
    Attached(String, String),
    Next(String),
}

fn flag(builder: Builder, text: &str) -> Flag {
    let (switches, short) = match builder {
        Builder::Docker | Builder::Buildx => (DOCKER_SWITCHES, "qDh"),
        Builder::Podman | Builder::Buildah => (PODMAN_SWITCHES, "qhD"),
    };
    if text.starts_with("--") {
        return match text.split_once('=') {
            Some((name, value)) => Flag::Attached(name.to_owned(), value.to_owned()),
            None if switches.contains(&text) => Flag::Switch(text.to_owned()),
            None => Flag::Next(text.to_owned()),
        };
    }
    // Short ones may be joined: -qf FILE, -fFILE, -f=FILE.
    let mut letters = text.char_indices().skip(1);
    let valued = letters.find(|(_, letter)| !short.contains(*letter));
    let Some((at, letter)) = valued else {
        return Flag::Switch(text.to_owned());
    };
    let value = text.get(at + letter.len_utf8()..).unwrap_or_default();
    let name = format!("-{letter}");
    if value.is_empty() {
        Flag::Next(name)
    } else {
        let value = value.strip_prefix('=').unwrap_or(value);
        Flag::Attached(name, value.to_owned())
    }
}
