//! What lies on the host's disk, byte by byte, and what lies in its tmpfs.

use crate::ways::Site;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files that are larger are sparse databases of nobody we know; there is none below the engine.
const LARGEST: u64 = 1 << 30;

/// A directory tree that is searched.
pub struct Tree {
    pub name: &'static str,
    /// Below the engine's own directory, or absolute.
    below: &'static str,
    pub on: On,
}

/// Which files are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Those on a disk.
    Disk,
    /// Those in memory.
    Memory,
    /// All of them.
    Any,
}

const fn disk(name: &'static str, below: &'static str) -> Tree {
    Tree {
        name,
        below,
        on: On::Disk,
    }
}

/// In the order of the table.
pub const PLACES: &[Tree] = &[
    disk("disk: containers", "containers"),
    disk("disk: containerd", "containerd"),
    disk("disk: image", "image"),
    disk("disk: overlay2", "overlay2"),
    disk("disk: buildkit", "buildkit"),
    disk("disk: swarm", "swarm"),
    disk("disk: volumes", "volumes"),
    disk("disk: our data", "OUR DATA"),
    Tree {
        name: "OCI bundle",
        below: "/run/docker/containerd/daemon",
        on: On::Any,
    },
    Tree {
        name: "tmpfs on the host",
        below: "TMPFS",
        on: On::Memory,
    },
];

impl Tree {
    pub fn root(&self, site: &Site) -> Vec<PathBuf> {
        match self.below {
            "OUR DATA" => vec![site.server.directory().path().to_owned()],
            "TMPFS" => vec![
                site.root.join("containers"),
                site.server.directory().path().to_owned(),
            ],
            below => vec![site.root.join(below)],
        }
    }
}

/// Reads every regular file in `roots` that is where it is meant. What is not there, or
/// goes away under the walk, holds nothing.
pub fn walk(roots: &[PathBuf], on: On, look: &mut impl FnMut(&Path, &[u8])) {
    let memory = in_memory();
    let mut open = roots.to_vec();
    while let Some(next) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Ok(meta) = path.symlink_metadata() else {
                continue;
            };
            if meta.is_dir() {
                // A container's view shows its layers again, and what is mounted into it.
                if path.file_name().is_none_or(|name| name != "merged") {
                    open.push(path);
                }
            } else if meta.is_file()
                && meta.len() < LARGEST
                && (on == On::Any || memory.contains(&meta.dev()) == (on == On::Memory))
                && let Ok(text) = std::fs::read(&path)
            {
                look(&path, &text);
            }
        }
    }
}

/// Devices of the filesystems in memory.
fn in_memory() -> Vec<u64> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = table.lines().filter(|line| {
        let kind = line.split(" - ").nth(1).unwrap_or_default();
        kind.starts_with("tmpfs ") || kind.starts_with("ramfs ")
    });
    let point = |line: &str| line.split(' ').nth(4).map(PathBuf::from);
    mounts
        .filter_map(point)
        .filter_map(|point| point.symlink_metadata().ok())
        .map(|meta| meta.dev())
        .collect()
}
