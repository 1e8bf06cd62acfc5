use super::*;
use crate::FileName;
use crate::sink::Access;
use crate::sink::rooted::is_inside;
use cofferdam_secret::Secret;
use std::fs;

fn put(place: &Place) -> PathBuf {
    let name: FileName = "k".parse().unwrap();
    let value = Secret::new(b"value".to_vec());
    place
        .directory()
        .unwrap()
        .put(&name, &value, Access::default())
        .unwrap();
    place.directory().unwrap().path_of(&name)
}

fn mounts_below(path: &Path) -> usize {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table
        .lines()
        .filter(|line| line.contains(path.to_str().unwrap()))
        .count()
}

#[test]
fn a_place_is_gone_with_its_owner() {
    let base = tempfile::tempdir_in("/dev/shm").unwrap();
    let place = Place::create(base.path(), 0o700, false).unwrap();
    assert_eq!(fs::read(put(&place)).unwrap(), b"value");
    drop(place);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn a_sweep_takes_abandoned_places_and_leaves_used_ones() {
    let base = tempfile::tempdir_in("/dev/shm").unwrap();
    let used = Place::create(base.path(), 0o700, false).unwrap();
    let file = put(&used);
    // What a killed process leaves: the directory with its files, without the lock.
    let abandoned = base.path().join("0123");
    fs::create_dir_all(abandoned.join(FILES)).unwrap();
    fs::write(abandoned.join(FILES).join("k"), "left").unwrap();
    assert_eq!(sweep(base.path()).unwrap(), 1);
    assert!(!abandoned.exists());
    assert_eq!(fs::read(file).unwrap(), b"value");
    assert_eq!(sweep(&base.path().join("never-made")).unwrap(), 0);
}

#[test]
fn root_gets_a_tmpfs_of_its_own_on_any_disk() {
    if !is_inside("sink::place::tests::root_gets_a_tmpfs_of_its_own_on_any_disk") {
        return;
    }
    let base = tempfile::tempdir_in("/var/tmp").unwrap();
    let refused = Place::create(base.path(), 0o700, false).unwrap_err();
    assert!(matches!(refused, Error::NotMemory { .. }), "{refused}");
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0, "no litter");
    let place = Place::create(base.path(), 0o711, true).unwrap();
    let file = put(&place);
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table
        .lines()
        .find(|line| line.contains(base.path().to_str().unwrap()))
        .unwrap();
    for flag in ["nosuid", "nodev", "noexec"] {
        assert!(line.contains(flag), "{line}");
    }
    assert_eq!(
        fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o7777,
        0o711
    );
    drop(place);
    assert_eq!(mounts_below(base.path()), 0);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn a_sweep_unmounts_what_a_killed_root_process_left() {
    if !is_inside("sink::place::tests::a_sweep_unmounts_what_a_killed_root_process_left") {
        return;
    }
    let base = tempfile::tempdir_in("/var/tmp").unwrap();
    let files = base.path().join("dead").join(FILES);
    fs::create_dir_all(&files).unwrap();
    mount::mount_tmpfs(&files, 0o700).unwrap();
    fs::write(files.join("k"), "left").unwrap();
    assert_eq!(sweep(base.path()).unwrap(), 1);
    assert_eq!(mounts_below(base.path()), 0);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_others_may_write_to_is_not_ours() {
    let base = tempfile::tempdir_in("/dev/shm").unwrap();
    let open = base.path().join("open");
    make_own(&open, 0o777).unwrap();
    assert!(matches!(make_own(&open, 0o700), Err(Error::NotOurs { .. })));
    let link = base.path().join("link");
    std::os::unix::fs::symlink(base.path(), &link).unwrap();
    assert!(matches!(make_own(&link, 0o700), Err(Error::NotOurs { .. })));
}
