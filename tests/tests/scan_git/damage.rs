//! Objects that lie about themselves, and files that are damaged: bounded, and never clean.

use super::{line, token};
use flows::git::{Repo, Scanned};
use flows::server::bare;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A zlib stream, by the Python that tests have anyway.
fn zlib(content: &str) -> Vec<u8> {
    let program = format!("import sys,zlib; sys.stdout.buffer.write(zlib.compress({content},9))");
    let output = std::process::Command::new("python3")
        .args(["-c", &program])
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

fn text(text: &str) -> Vec<u8> {
    zlib(&format!("bytes.fromhex('{}')", hex(text.as_bytes())))
}

fn bytes(content: &[u8]) -> Vec<u8> {
    zlib(&format!("bytes.fromhex('{}')", hex(content)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The head of an entry: kind and size.
fn head(kind: u8, size: u64) -> Vec<u8> {
    let mut out = vec![kind << 4 | (size & 15) as u8];
    let mut size = size >> 4;
    while size > 0 {
        *out.last_mut().unwrap() |= 0x80;
        out.push((size & 0x7f) as u8);
        size >>= 7;
    }
    out
}

fn number(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        out.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return out;
        }
    }
}

/// The id with this number.
fn id(number: usize) -> [u8; 20] {
    let mut id = [0; 20];
    id[..4].copy_from_slice(&(number as u32).to_be_bytes());
    id
}

/// A pack and its index of entries as they are given, with ids by position.
struct Made {
    pack: Vec<u8>,
    offsets: Vec<u32>,
}

impl Made {
    fn new() -> Self {
        Self {
            pack: Vec::new(),
            offsets: Vec::new(),
        }
    }

    fn add(&mut self, entry: &[&[u8]]) {
        self.offsets.push(12 + self.pack.len() as u32);
        self.pack.extend(entry.concat());
    }

    /// Writes both into a repository. `named` says how many of the entries the index has.
    fn write(&self, repo: &Repo, named: usize) {
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend((self.offsets.len() as u32).to_be_bytes());
        pack.extend(&self.pack);
        pack.extend([0; 20]);
        let mut index = b"\xfftOc\0\0\0\x02".to_vec();
        let ids: Vec<_> = (0..named).map(id).collect();
        for first in 0..=255_u8 {
            let count = ids.iter().filter(|id| id[0] <= first).count() as u32;
            index.extend(count.to_be_bytes());
        }
        index.extend(ids.concat());
        index.extend(vec![0; 4 * named]);
        self.offsets
            .iter()
            .take(named)
            .for_each(|offset| index.extend(offset.to_be_bytes()));
        index.extend([0; 40]);
        let directory = repo.path.join(".git/objects/pack");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("pack-made.pack"), pack).unwrap();
        std::fs::write(directory.join("pack-made.idx"), index).unwrap();
    }
}

/// A scan that may not take more memory than this, in MiB of address space.
fn bounded(repo: &Repo, mebibytes: u64) -> Scanned {
    let program = bare(repo.home());
    let binary = program.get_program().to_string_lossy().into_owned();
    let script = format!(
        "ulimit -v {}; exec {binary} scan git -format=json repo",
        mebibytes << 10
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("HOME", repo.home())
        .current_dir(repo.home())
        .output()
        .unwrap();
    Scanned::from(output)
}

#[test]
fn sizes_that_lie_are_said_and_cost_nothing() {
    let repo = Repo::new(&[]);
    let mut made = Made::new();
    let content = text(&line(1));
    let size = line(1).len() as u64;
    made.add(&[&head(3, size), &content]);
    made.add(&[&head(3, size + 1), &content]);
    made.add(&[&head(3, size - 1), &content]);
    made.add(&[&head(3, 1 << 40), &content]);
    made.add(&[&head(3, 200 << 20), &content]);
    made.add(&[&head(3, size), &content[..content.len() - 6]]);
    made.add(&[&head(3, size), &content, b"hidden behind it"]);
    made.add(&[&head(5, size), &content]);
    made.add(&[&[0xb0; 20]]);
    made.write(&repo, 9);
    let scanned = bounded(&repo, 700);
    assert_eq!(scanned.findings.len(), 1, "{}", scanned.shown());
    assert_eq!(scanned.gaps.len(), 8, "{:?}", scanned.gaps);
    for (words, count) in [
        ("its size is not what its header says", 4),
        ("damaged", 3),
        ("more in its place", 1),
    ] {
        let said = scanned
            .gaps
            .iter()
            .filter(|gap| gap.contains(words))
            .count();
        assert_eq!(said, count, "{words}: {:?}", scanned.gaps);
    }
}

#[test]
fn deltas_of_each_other_and_chains_without_end_are_said() {
    let repo = Repo::new(&[]);
    let base = line(1);
    let copy = [
        number(base.len()),
        number(base.len()),
        vec![0x90, base.len() as u8],
    ]
    .concat();
    let delta = bytes(&copy);
    let mut made = Made::new();
    made.add(&[&head(3, base.len() as u64), &text(&base)]);
    made.add(&[&head(7, copy.len() as u64), &id(2), &delta]);
    made.add(&[&head(7, copy.len() as u64), &id(1), &delta]);
    made.add(&[&head(7, copy.len() as u64), &id(9_999), &delta]);
    // Points before the pack.
    made.add(&[
        &head(6, copy.len() as u64),
        &[0x86, 0xff, 0xff, 0x7f],
        &delta,
    ]);
    for at in 5..4_605 {
        let of = if at == 5 { 0 } else { at - 1 };
        made.add(&[&head(7, copy.len() as u64), &id(of), &delta]);
    }
    made.write(&repo, 4_605);
    let scanned = bounded(&repo, 700);
    assert!(
        scanned.says("a delta chain without end"),
        "{:?}",
        scanned.gaps
    );
    assert!(
        scanned.says("2 objects are deltas of what is not there, or of each other"),
        "{:?}",
        scanned.gaps
    );
    assert!(
        scanned.says("a delta whose base is not in its pack"),
        "{:?}",
        scanned.gaps
    );
    assert!(scanned.says("damaged"), "{:?}", scanned.gaps);
    assert!(!scanned.findings.is_empty());
}

#[test]
fn a_tip_that_is_a_delta_of_itself_costs_one_entry() {
    let repo = Repo::new(&[]);
    let mut made = Made::new();
    // As large as a delta may be, and its own base.
    let size = 200_u64 << 20;
    made.add(&[&head(7, size), &id(0), &zlib("bytes(200<<20)")]);
    // A commit that is its own parent: ids of packs are what the index says.
    let round = format!(
        "tree {0}\nparent {1}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nx",
        hex(&id(7)),
        hex(&id(1))
    );
    made.add(&[&head(1, round.len() as u64), &text(&round)]);
    made.write(&repo, 2);
    let refs = repo.path.join(".git/refs/heads");
    std::fs::create_dir_all(&refs).unwrap();
    std::fs::write(refs.join("main"), hex(&id(0)) + "\n").unwrap();
    std::fs::write(refs.join("round"), hex(&id(1)) + "\n").unwrap();
    let scanned = bounded(&repo, 900);
    assert!(!scanned.gaps.is_empty(), "{}", scanned.shown());
    assert!(
        scanned.says("of each other") || scanned.says("a delta chain without end"),
        "{:?}",
        scanned.gaps
    );
}

#[test]
fn bombs_are_bounded() {
    let repo = Repo::new(&[]);
    let mut made = Made::new();
    // A blob of 600 MiB of zeros, and a token at its end, streamed.
    let mebibyte = 1_u64 << 20;
    let tail = token(1);
    let bomb = zlib(&format!("bytes(600<<20)+b' {tail} '"));
    made.add(&[&head(3, 600 * mebibyte + tail.len() as u64 + 2), &bomb]);
    // A delta that makes 16 MiB of each of its instructions, and one that makes more than may be held.
    let base = vec![b'x'; 16 << 20];
    made.add(&[&head(3, base.len() as u64), &zlib("b'x'*(16<<20)")]);
    let copies = |count: usize| {
        let mut delta = [number(base.len()), number(count * 0xff_ffff)].concat();
        (0..count).for_each(|_| delta.extend([0xf0, 0xff, 0xff, 0xff]));
        delta
    };
    for count in [3, 17] {
        let delta = copies(count);
        made.add(&[&head(7, delta.len() as u64), &id(1), &bytes(&delta)]);
    }
    made.write(&repo, 4);
    let scanned = bounded(&repo, 900);
    assert!(
        scanned.says("a decompression bomb?") || scanned.findings.len() == 1,
        "{}",
        scanned.shown()
    );
    assert!(
        scanned.says("a delta of more than 256 MiB"),
        "{:?}",
        scanned.gaps
    );
}

#[test]
fn an_index_that_hides_objects_is_said() {
    let repo = Repo::new(&[]);
    let mut made = Made::new();
    let clean = text("clean\n");
    made.add(&[&head(3, 6), &clean]);
    made.add(&[&head(3, line(1).len() as u64), &text(&line(1))]);
    made.write(&repo, 1);
    let scanned = bounded(&repo, 700);
    assert!(
        scanned.says("its index does not name all of its objects"),
        "{:?}",
        scanned.gaps
    );
    assert!(
        scanned.says("more in its place in the pack than belongs to it"),
        "{:?}",
        scanned.gaps
    );
}

fn one_pack(repo: &Repo) -> PathBuf {
    repo.git(&["repack", "-q", "-a", "-d", "-f"]);
    let directory = repo.path.join(".git/objects/pack");
    let files = std::fs::read_dir(directory).unwrap();
    let pack = files
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "pack"));
    pack.unwrap()
}

fn overwrite(path: &Path, content: &[u8]) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_damaged_repository_is_never_clean() {
    let repo = Repo::new(&[]);
    repo.write("dir/a.env", format!("{}{}", "line\n".repeat(50), line(1)));
    repo.commit("first");
    repo.write("dir/a.env", format!("{}{}\n", "line\n".repeat(50), line(1)));
    repo.commit("second");
    let pack = one_pack(&repo);
    for file in [pack.clone(), pack.with_extension("idx")] {
        let good = std::fs::read(&file).unwrap();
        // Not the sums at the end, and not those of single entries, which nobody needs.
        let count = 7;
        let sums = 1032 + 20 * count..1032 + 24 * count;
        let end = good.len() - if file == pack { 20 } else { 40 };
        let is_index = file != pack;
        for at in (0..end).step_by(if is_index { 29 } else { 5 }) {
            if is_index && sums.contains(&at) {
                continue;
            }
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            overwrite(&file, &bad);
            let scanned = repo.scan(&[]);
            assert!(
                matches!(scanned.code(), Some(0..=2)),
                "{at}: {}",
                scanned.shown()
            );
            let said = !scanned.findings.is_empty()
                || !scanned.gaps.is_empty()
                || scanned.code() == Some(2);
            assert!(said, "{} at {at}: {}", file.display(), scanned.shown());
        }
        for cut in [0, 4, 20, good.len() / 2, good.len() - 1] {
            overwrite(&file, &good[..cut]);
            let scanned = repo.scan(&[]);
            assert!(!scanned.gaps.is_empty(), "{cut}: {}", scanned.shown());
        }
        overwrite(&file, &good);
    }
    std::fs::remove_file(pack.with_extension("idx")).unwrap();
    let scanned = repo.scan(&[]);
    assert!(scanned.says("its index: is missing"), "{:?}", scanned.gaps);
}

#[test]
fn loose_objects_are_held_against_their_names() {
    let repo = Repo::new(&[]);
    let place = |digits: &str| {
        let path = repo
            .path
            .join(".git/objects")
            .join(&digits[..2])
            .join(&digits[2..]);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let secret = line(1);
    let wrong = "1".repeat(40);
    std::fs::write(
        place(&wrong),
        text(&format!("blob {}\0{secret}", secret.len())),
    )
    .unwrap();
    std::fs::write(
        place(&"2".repeat(40)),
        text(&format!("blob {}\0{secret}", secret.len() + 1)),
    )
    .unwrap();
    std::fs::write(
        place(&"3".repeat(40)),
        text(&format!("blob 99999999999\0{secret}")),
    )
    .unwrap();
    std::fs::write(
        place(&"4".repeat(40)),
        zlib("b'blob 1073741824\\0'+bytes(1<<20)"),
    )
    .unwrap();
    std::fs::write(place(&"5".repeat(40)), b"no zlib").unwrap();
    std::fs::write(place(&"6".repeat(40)), text("thing 3\0abc")).unwrap();
    let scanned = bounded(&repo, 700);
    assert!(scanned.findings.is_empty(), "{}", scanned.shown());
    assert_eq!(scanned.gaps.len(), 6, "{:?}", scanned.gaps);
    assert!(
        scanned.says("not the object that its name says"),
        "{:?}",
        scanned.gaps
    );
}

#[test]
fn trees_and_commits_that_are_damaged_are_said() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    let tree = |name: &str| {
        let path = repo.home().join(name);
        std::fs::write(
            &path,
            if name == "tree" {
                &b"100644 a\0short"[..]
            } else {
                b"tree nothing\n"
            },
        )
        .unwrap();
        let kind = name;
        repo.git(&[
            "hash-object",
            "-t",
            kind,
            "--literally",
            "-w",
            path.to_str().unwrap(),
        ])
    };
    let damaged = tree("tree");
    tree("commit");
    let scanned = repo.scan(&[]);
    assert_eq!(scanned.places(), ["a.env:1"]);
    assert!(scanned.says("a damaged tree"), "{:?}", scanned.gaps);
    assert!(scanned.says("a damaged commit"), "{:?}", scanned.gaps);
    // A tree that names itself through a commit: nothing goes round for ever.
    let commit = repo.git(&["commit-tree", &damaged, "-m", "x"]);
    let scanned = repo.scan(&[&format!("-range={commit}")]);
    assert!(scanned.says("a damaged tree"), "{:?}", scanned.gaps);
}
