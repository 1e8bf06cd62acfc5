use super::*;
use crate::sink::rooted::is_inside;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use tempfile::TempDir;

fn shared_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn name(text: &str) -> FileName {
    text.parse().unwrap()
}

fn secret(bytes: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(bytes.to_vec())
}

fn replace(
    directory: &Directory,
    files: &[(FileName, Secret<Vec<u8>>)],
) -> Result<Option<Superseded>, Error> {
    directory.replace(&contents(files))
}

fn contents(files: &[(FileName, Secret<Vec<u8>>)]) -> Vec<Content<'_>> {
    let content = |(name, value)| Content {
        name,
        value,
        access: Access::default(),
    };
    files
        .iter()
        .map(|(name, value)| content((name, value)))
        .collect()
}

/// DELIV-1: what a value may look like.
fn awkward_values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        &b""[..],
        b"x",
        b"a\0b",
        b"\xff\xfe\x80",
        b"\n\n\n",
        b"line\r\n",
        b"\xef\xbb\xbfbom",
        b"$VAR ${} $$ `id` \"'= {{ secret }}",
    ]
    .iter()
    .map(|value| value.to_vec())
    .collect();
    for size in [512_000 - 1, 512_000, 512_000 + 1, 1 << 20] {
        values.push((0..size).map(|i| (i % 251) as u8).collect());
    }
    values
}

#[test]
fn every_value_arrives_byte_for_byte_with_its_mode() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    for (number, value) in awkward_values().iter().enumerate() {
        for mode in [0o400, 0o440, 0o444, 0o600] {
            let access = Access {
                mode,
                ..Access::default()
            };
            let name = name(&format!("v{number}"));
            directory.put(&name, &secret(value), access).unwrap();
            let path = directory.path_of(&name);
            assert_eq!(&fs::read(&path).unwrap(), value);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        }
    }
    assert!(
        directory
            .names()
            .unwrap()
            .iter()
            .all(|name| name.starts_with('v'))
    );
}

#[test]
fn a_reader_keeps_the_old_content_and_the_next_one_gets_the_new() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    directory
        .put(&name("k"), &secret(b"old"), Access::default())
        .unwrap();
    let mut reader = fs::File::open(directory.path_of(&name("k"))).unwrap();
    directory
        .put(&name("k"), &secret(b"newer"), Access::default())
        .unwrap();
    let mut seen = Vec::new();
    reader.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, b"old");
    assert_eq!(fs::read(directory.path_of(&name("k"))).unwrap(), b"newer");
}

#[test]
fn a_reader_in_a_loop_never_sees_half_a_value() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    let value = |letter: u8| secret(&vec![letter; 100_000]);
    directory
        .put(&name("k"), &value(b'0'), Access::default())
        .unwrap();
    let path = directory.path_of(&name("k"));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..200_u8 {
                directory
                    .put(&name("k"), &value(b'0' + round % 10), Access::default())
                    .unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = fs::read(&path).unwrap();
            assert_eq!(seen.len(), 100_000);
            assert!(seen.iter().all(|byte| *byte == seen[0]));
        }
    });
}

#[test]
fn several_files_change_in_one_step() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    let pair = |letter: u8| ["user", "password"].map(|file| (name(file), secret(&[letter; 4_000])));
    replace(&directory, &pair(b'0')).unwrap();
    let current = place.path().join(CURRENT);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut superseded = Vec::new();
            for round in 0..100_u8 {
                let old = replace(&directory, &pair(b'0' + round % 10)).unwrap();
                superseded.extend(old);
            }
            superseded
        });
        while !writer.is_finished() {
            // Nothing is ever missing: what is replaced stays until it is discarded.
            let generation = fs::File::open(&current).unwrap();
            let base = format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&generation)
            );
            let read = |file: &str| fs::read(format!("{base}/{file}")).unwrap();
            assert_eq!(read("user"), read("password"));
            // By name: whoever has seen a new file sees no older one after it.
            let read = |file: &str| fs::read(place.path().join(file)).unwrap();
            let (user, password) = (read("user"), read("password"));
            assert_eq!((user.len(), password.len()), (4_000, 4_000));
        }
        for old in writer.join().unwrap() {
            directory.discard(&old).unwrap();
        }
    });
    assert_eq!(
        fs::read(place.path().join("user")).unwrap(),
        vec![b'9'; 4_000]
    );
    let generations = directory.names().unwrap();
    assert_eq!(
        generations
            .iter()
            .filter(|n| n.starts_with(GENERATION))
            .count(),
        1
    );
}

#[test]
fn replace_removes_what_is_no_longer_wanted() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    let one = |file: &str| (name(file), secret(file.as_bytes()));
    assert_eq!(replace(&directory, &[one("a"), one("b")]).unwrap(), None);
    let old = replace(&directory, &[one("b"), one("c")]).unwrap();
    assert!(old.is_some());
    let mut names: Vec<_> = directory.names().unwrap();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    assert_eq!(names, ["b", "c"]);
    directory.clear().unwrap();
    assert!(directory.names().unwrap().is_empty());
}

#[test]
fn planted_links_and_directories_are_refused_and_nothing_is_written_elsewhere() {
    let place = shared_memory();
    let elsewhere = shared_memory();
    let target = elsewhere.path().join("victim");
    fs::write(&target, "untouched").unwrap();
    symlink(&target, place.path().join("link")).unwrap();
    fs::create_dir(place.path().join("dir")).unwrap();
    let directory = Directory::open(place.path()).unwrap();
    for occupied in ["link", "dir"] {
        let put = directory.put(&name(occupied), &secret(b"s"), Access::default());
        assert!(matches!(put, Err(Error::Occupied { .. })), "{occupied}");
        let replaced = replace(&directory, &[(name(occupied), secret(b"s"))]);
        assert!(
            matches!(replaced, Err(Error::Occupied { .. })),
            "{occupied}"
        );
    }
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
    assert_eq!(
        directory.names().unwrap().len(),
        2,
        "no temporary file stays"
    );
}

#[test]
fn a_link_on_the_way_to_the_directory_is_refused_with_the_real_path() {
    let place = shared_memory();
    let real = place.path().join("real");
    fs::create_dir_all(real.join("inner")).unwrap();
    symlink(&real, place.path().join("link")).unwrap();
    let error = Directory::open(&place.path().join("link/inner")).unwrap_err();
    assert!(matches!(error, Error::Link { .. }));
    assert!(error.hint().unwrap().ends_with("real/inner"));
}

#[test]
fn relative_paths_and_disks_are_refused() {
    for path in ["run/x", "/dev/shm/../shm"] {
        let error = Directory::open(Path::new(path)).unwrap_err();
        assert!(matches!(error, Error::NotAbsolute { .. }), "{path}");
    }
    let error = Directory::open(Path::new("/usr")).unwrap_err();
    assert!(matches!(error, Error::NotMemory { .. }));
}

#[test]
fn a_full_filesystem_leaves_the_old_value_and_no_litter() {
    if !is_inside("sink::directory::tests::a_full_filesystem_leaves_the_old_value_and_no_litter") {
        return;
    }
    let place = shared_memory();
    let small = place.path().join("small");
    fs::create_dir(&small).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("t", &small, "tmpfs", flags, c"size=16k").unwrap();
    let directory = Directory::open(&small).unwrap();
    directory
        .put(&name("k"), &secret(b"old"), Access::default())
        .unwrap();
    let put = directory.put(&name("k"), &secret(&[1; 64_000]), Access::default());
    let (left, names) = (fs::read(small.join("k")), directory.names());
    drop(directory);
    rustix::mount::unmount(&small, rustix::mount::UnmountFlags::empty()).unwrap();
    assert!(matches!(put, Err(Error::System { .. })));
    assert_eq!(left.unwrap(), b"old");
    assert_eq!(names.unwrap(), ["k"]);
}

#[test]
fn root_gives_files_away_and_others_are_told_that_they_may_not() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    let access = Access {
        uid: Some(54_321),
        gid: Some(54_322),
        mode: 0o400,
    };
    let put = directory.put(&name("k"), &secret(b"s"), access);
    if rustix::process::geteuid().is_root() {
        put.unwrap();
        let found = fs::metadata(directory.path_of(&name("k"))).unwrap();
        assert_eq!((found.uid(), found.gid()), (54_321, 54_322));
        assert_eq!(found.permissions().mode() & 0o7777, 0o400);
    } else {
        assert!(matches!(put, Err(Error::Ownership { .. })));
        assert!(directory.names().unwrap().is_empty());
    }
}

#[test]
fn names_seen_in_order_never_go_back_a_generation() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    let files = ["a", "b", "c"];
    let round = |number: u32| files.map(|file| (name(file), secret(&number.to_be_bytes())));
    replace(&directory, &round(0)).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..300 {
                let _ = replace(&directory, &round(number)).unwrap();
            }
        });
        let read = |file: &str| {
            let bytes = fs::read(place.path().join(file)).unwrap();
            u32::from_be_bytes(bytes.try_into().unwrap())
        };
        while !writer.is_finished() {
            let seen = files.map(read);
            assert!(seen.is_sorted(), "{seen:?}");
        }
    });
    directory.sweep().unwrap();
    let left = directory.names().unwrap();
    let generations = left.iter().filter(|name| name.starts_with(GENERATION));
    assert_eq!(generations.count(), 1, "{left:?}");
}

#[test]
fn what_a_directory_holds_is_compared_byte_for_byte() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    let pair = |one: &[u8], two: &[u8]| [(name("one"), secret(one)), (name("two"), secret(two))];
    let long = vec![7_u8; 10_000];
    assert!(!directory.holds(&contents(&pair(b"1", &long))).unwrap());
    replace(&directory, &pair(b"1", &long)).unwrap();
    assert!(directory.holds(&contents(&pair(b"1", &long))).unwrap());
    let mut last = long.clone();
    last[9_999] = 8;
    for other in [pair(b"2", &long), pair(b"1", &last), pair(b"11", &long)] {
        assert!(!directory.holds(&contents(&other)).unwrap());
    }
    let [one, two] = pair(b"1", &long);
    assert!(!directory.holds(&contents(&[one])).unwrap(), "one less");
    let more = [
        two,
        (name("one"), secret(b"1")),
        (name("three"), secret(b"3")),
    ];
    assert!(!directory.holds(&contents(&more)).unwrap(), "one more");
}

#[test]
fn a_killed_writer_leaves_nothing_that_a_sweep_does_not_find() {
    let place = shared_memory();
    let directory = Directory::open(place.path()).unwrap();
    replace(&directory, &[(name("k"), secret(b"v"))]).unwrap();
    let half = place.path().join(format!("{GENERATION}half"));
    fs::create_dir(&half).unwrap();
    fs::write(half.join("k"), "half").unwrap();
    symlink("x", place.path().join(format!("{TEMPORARY}link"))).unwrap();
    directory.sweep().unwrap();
    assert_eq!(directory.names().unwrap().len(), 3);
    assert_eq!(fs::read(place.path().join("k")).unwrap(), b"v");
}

#[test]
fn names_are_told_in_order() {
    let place = shared_memory();
    let expected: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    for name in &expected {
        fs::write(place.path().join(name), "x").unwrap();
    }
    let directory = Directory::open(place.path()).unwrap();
    assert_eq!(directory.names().unwrap(), expected);
}
