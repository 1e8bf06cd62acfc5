//! Values that occur nowhere else, and where to look for them.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A value that nothing else on this machine contains.
///
/// # Panics
/// Without `/dev/urandom`.
pub fn canary() -> String {
    let mut bytes = [0_u8; 16];
    let mut random = fs::File::open("/dev/urandom").expect("random numbers");
    random.read_exact(&mut bytes).expect("random numbers");
    format!("Canary-{:032x}", u128::from_le_bytes(bytes))
}

/// The files below `directory`, on its own filesystem only, whose bytes contain `value`.
///
/// Filesystems mounted below it (views of containers, tmpfs) are left out: what is asked is what
/// the disk holds. So is what cargo builds: no test writes there, and a checkout below `/tmp` would
/// have gigabytes of it read.
pub fn files_with(directory: &Path, value: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(top) = fs::symlink_metadata(directory) {
        walk(directory, top.dev(), value.as_bytes(), &mut found);
    }
    found
}

fn walk(directory: &Path, device: u64, value: &[u8], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.dev() != device {
            continue;
        }
        if metadata.is_dir() && is_build(&path) {
            continue;
        }
        if metadata.is_dir() {
            walk(&path, device, value, found);
        } else if metadata.is_file() && holds(&path, value) {
            found.push(path);
        }
    }
}

/// Whether cargo builds there: it marks its directory so that archivers leave it out.
fn is_build(directory: &Path) -> bool {
    let name = directory.file_name();
    name.is_some_and(|name| name == "target") && directory.join("CACHEDIR.TAG").is_file()
}

fn holds(path: &Path, value: &[u8]) -> bool {
    let Ok(mut file) = fs::File::open(path) else {
        return false;
    };
    let mut window = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let Ok(read) = file.read(&mut chunk) else {
            return false;
        };
        if read == 0 {
            return false;
        }
        window.extend(chunk.iter().take(read));
        if contains(&window, value) {
            return true;
        }
        let keep = window.len().saturating_sub(value.len());
        window.drain(..keep);
    }
}

/// Whether `bytes` contain `value`.
pub fn contains(bytes: &[u8], value: &[u8]) -> bool {
    memchr::memmem::find(bytes, value).is_some()
}
