//! Whether a container still has a volume's tmpfs.
//!
//! Counts go wrong when Docker ends a container while no plugin answers. The kernel knows better:
//! a container that has the volume has the tmpfs in its own mount namespace.

use rustix::fs::{major, minor, stat};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Whether a mount namespace other than by propagation has the filesystem mounted at `path`.
///
/// A copy that merely propagated from the host (a container with the host's whole tree) has it
/// below the same path and does not count.
pub(super) fn has_holder(path: &Path) -> bool {
    let Ok(found) = stat(path) else {
        return false;
    };
    let device = format!("{}:{}", major(found.st_dev), minor(found.st_dev));
    let Ok(processes) = fs::read_dir("/proc") else {
        return true;
    };
    let mut seen = BTreeSet::new();
    for process in processes.filter_map(Result::ok) {
        let process = process.path();
        // A process that ended meanwhile, or one that is no process.
        let Ok(namespace) = fs::read_link(process.join("ns/mnt")) else {
            continue;
        };
        if seen.insert(namespace) {
            let table = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
            if lists(&table, &device, path) {
                return true;
            }
        }
    }
    false
}

/// `mountinfo` of proc(5): the third field is the device, the fifth the mount point.
fn lists(table: &str, device: &str, path: &Path) -> bool {
    table.lines().any(|line| {
        let mut fields = line.split(' ');
        let (on, point) = (fields.nth(2), fields.nth(1));
        on == Some(device) && point.is_some_and(|point| !Path::new(point).ends_with(relative(path)))
    })
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_counts_and_the_host_and_its_copies_do_not() {
        let path = Path::new("/run/cofferdam/volumes/app");
        let line = |point: &str| format!("36 35 0:55 / {point} ro,noexec - tmpfs cofferdam rw\n");
        for (point, holds) in [
            ("/run/secrets", true),
            ("/run/cofferdam/volumes/app", false),
            ("/rootfs/run/cofferdam/volumes/app", false),
        ] {
            assert_eq!(lists(&line(point), "0:55", path), holds, "{point}");
            assert!(!lists(&line(point), "0:5", path));
        }
    }
}
