//! What belongs where.

use std::path::{Path, PathBuf};

/// The units, as they are in the repository; the path of the binary is put in.
const UNITS: &[(&str, &str)] = &[
    (
        "cofferdam.service",
        include_str!("../../../../packaging/systemd/cofferdam.service"),
    ),
    (
        "cofferdam.socket",
        include_str!("../../../../packaging/systemd/cofferdam.socket"),
    ),
    (
        "cofferdam-guard.service",
        include_str!("../../../../packaging/systemd/cofferdam-guard.service"),
    ),
    (
        "cofferdam-guard.socket",
        include_str!("../../../../packaging/systemd/cofferdam-guard.socket"),
    ),
    (
        "cofferdam-plugin.service",
        include_str!("../../../../packaging/systemd/cofferdam-plugin.service"),
    ),
    (
        "cofferdam-plugin.socket",
        include_str!("../../../../packaging/systemd/cofferdam-plugin.socket"),
    ),
];
/// What the units of the repository call the binary.
const BINARY: &str = "/usr/local/bin/cofferdam";

/// Where things go: `prefix` as the installed system will see it, below `root` while installing.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    pub(crate) prefix: PathBuf,
}

/// One thing to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// As the installed system will see it.
    pub(super) path: PathBuf,
    pub(super) what: What,
}

/// A file that people and shells read: its place below the prefix, and what is in it.
pub(crate) type Text = (PathBuf, String);

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A file with this content.
    File { content: Vec<u8>, mode: u32 },
    /// A symbolic link to this.
    Link { target: PathBuf },
}

impl Layout {
    /// Everything to make, of this binary; `texts` are files with their places below the prefix.
    pub(super) fn items(&self, binary: Vec<u8>, texts: Vec<Text>, units: bool) -> Vec<Item> {
        let prefix = &self.prefix;
        let mut items = vec![
            Item {
                path: prefix.join("bin/cofferdam"),
                what: What::File {
                    content: binary,
                    mode: 0o755,
                },
            },
            // `docker login` finds a helper in the path by this name.
            Item {
                path: prefix.join("bin/docker-credential-cofferdam"),
                what: What::Link {
                    target: "cofferdam".into(),
                },
            },
            // `docker cofferdam`: one of the places where the client looks for plugins.
            Item {
                path: prefix.join("lib/docker/cli-plugins/docker-cofferdam"),
                what: What::Link {
                    target: "../../../bin/cofferdam".into(),
                },
            },
        ];
        items.extend(texts.into_iter().map(|(place, content)| Item {
            path: prefix.join(place),
            what: What::File {
                content: content.into_bytes(),
                mode: 0o644,
            },
        }));
        if units {
            let binary = prefix.join("bin/cofferdam").display().to_string();
            items.extend(UNITS.iter().map(|(name, text)| Item {
                path: prefix.join("lib/systemd/system").join(name),
                what: What::File {
                    content: text.replace(BINARY, &binary).into_bytes(),
                    mode: 0o644,
                },
            }));
        }
        items
    }

    /// Where the manifest is.
    pub(super) fn manifest(&self) -> PathBuf {
        self.prefix.join("share/cofferdam/installed.json")
    }

    /// Where a path is while installing.
    pub(super) fn real(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}
