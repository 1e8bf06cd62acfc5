//! Permissions, links and locks.

use super::super::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open(path: &Path) -> Result<Embedded, Error> {
    Embedded::open(path, Options::default())
}

fn refusal(path: &Path) -> String {
    match open(path) {
        Ok(_) => panic!("opened {}", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn directory_and_file_are_for_the_owner_whatever_was_there() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("data");
    drop(open(&place).unwrap());
    let file = place.join(FILE);
    assert_eq!((mode(&place), mode(&file)), (0o700, 0o600));
    let set = |path: &Path, mode| {
        let wide = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, wide).unwrap();
    };
    set(&file, 0o666);
    set(&place, 0o777);
    drop(open(&place).unwrap());
    assert_eq!((mode(&place), mode(&file)), (0o700, 0o600));
}

#[test]
fn linked_directory_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let link = root.path().join("link");
    std::fs::create_dir(root.path().join("real")).unwrap();
    symlink(root.path().join("real"), &link).unwrap();
    assert!(refusal(&link).contains("symbolic link"));
}

#[test]
fn linked_file_is_refused_and_its_target_untouched() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    std::fs::write(&target, "").unwrap();
    let place = root.path().join("data");
    std::fs::create_dir(&place).unwrap();
    symlink(&target, place.join(FILE)).unwrap();
    assert!(refusal(&place).contains("symbolic link"));
    assert_eq!(std::fs::metadata(&target).unwrap().len(), 0);
}

#[test]
fn pipe_in_place_of_the_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let path = root.path().join(FILE);
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, 0o600.into(), 0).unwrap();
    assert!(refusal(root.path()).contains("not a regular file"));
}

#[test]
fn open_store_is_refused_to_a_second_and_free_after_the_first() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path()).unwrap();
    assert!(refusal(root.path()).contains("in use by another process"));
    drop(first);
    drop(open(root.path()).unwrap());
}

#[test]
fn file_of_another_kind_is_named_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join(FILE);
    std::fs::write(&file, "not a store").unwrap();
    let text = refusal(root.path());
    assert!(text.contains("damaged") && text.contains(FILE), "{text}");
    assert_eq!(std::fs::read(&file).unwrap(), b"not a store");
}
