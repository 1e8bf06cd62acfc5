//! What the next commit would have, and nothing else (security.md, SCAN-4).

use super::{line, token};
use flows::git::Repo;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

#[test]
fn exactly_the_staged_content_is_judged() {
    let repo = Repo::new(&[]);
    repo.write("a.env", "A=1\n");
    repo.commit("first");
    // Staged with, in the worktree without.
    repo.write("a.env", line(1));
    repo.git(&["add", "a.env"]);
    repo.write("a.env", "A=1\n");
    assert_eq!(repo.scan(&["-staged"]).places(), ["a.env:1"]);
    // Staged without, in the worktree with.
    repo.git(&["add", "a.env"]);
    repo.write("a.env", line(1));
    repo.write("untracked.env", line(2));
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(scanned.code(), Some(0), "{}", scanned.shown());
    // What HEAD has is not new; one more of it is.
    repo.commit("in");
    repo.write("a.env", format!("# above\n{}", line(1)));
    repo.git(&["add", "a.env"]);
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(
        (scanned.code(), scanned.known),
        (Some(0), 1),
        "{}",
        scanned.shown()
    );
    repo.write("a.env", format!("{}{}", line(1), line(1)));
    repo.git(&["add", "a.env"]);
    let scanned = repo.scan(&["-staged"]);
    assert_eq!((scanned.findings.len(), scanned.known), (1, 1));
    // Renamed and edited: under its new name it is judged.
    repo.git(&["reset", "-q", "--hard"]);
    repo.git(&["mv", "a.env", "b.env"]);
    repo.write("b.env", format!("{}{}", line(1), line(3)));
    repo.git(&["add", "-A"]);
    assert_eq!(repo.scan(&["-staged"]).places(), ["b.env:1", "b.env:2"]);
    // Taken away.
    repo.git(&["reset", "-q", "--hard"]);
    repo.git(&["rm", "-q", "a.env"]);
    assert_eq!(repo.scan(&["-staged"]).code(), Some(0));
}

#[test]
fn an_allowance_is_for_one_finding() {
    let repo = Repo::new(&[]);
    let allowed = format!("X = '{}' # cofferdam:allow github-ghp-token\n", token(1));
    repo.write("a.py", &allowed);
    repo.git(&["add", "."]);
    assert_eq!(repo.scan(&["-staged"]).code(), Some(0));
    repo.commit("allowed");
    repo.write(
        "a.py",
        allowed.replace('\n', &format!(" Y = '{}'\n", token(2))),
    );
    repo.git(&["add", "."]);
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(scanned.places(), ["a.py:1"], "{}", scanned.shown());
    assert!(
        scanned
            .shown()
            .contains("hint: take it out of the file, then: git add FILE")
    );
    assert!(
        scanned
            .shown()
            .contains("hint: if it is none, say so in its line: cofferdam:allow github-ghp-token")
    );
}

#[test]
fn every_name_a_file_can_have() {
    let repo = Repo::new(&[]);
    repo.commit("first");
    let names: [&[u8]; 8] = [
        b"a\nb.env",
        b"quote\"'.env",
        b"-rf",
        b"--staged",
        b"\xff\xfe.env",
        b" space .env",
        b"\x1b[31mred.env",
        b"dir\nwith/-x",
    ];
    for (number, name) in names.iter().enumerate() {
        repo.write(OsStr::from_bytes(name), line(number as u64));
    }
    repo.git(&["add", "-A"]);
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(scanned.findings.len(), names.len(), "{}", scanned.shown());
    let places = scanned.places();
    for wanted in [
        "-rf:1",
        "--staged:1",
        "a\\u{a}b.env:1",
        "dir\\u{a}with/-x:1",
        "quote\"'.env:1",
    ] {
        assert!(
            places.iter().any(|place| place == wanted),
            "{wanted}: {places:?}"
        );
    }
    assert!(!scanned.shown().contains('\u{1b}'));
    repo.commit("in");
    let all = repo.scan(&[]);
    assert_eq!(all.places(), places);
}

#[test]
fn every_kind_of_content() {
    let repo = Repo::new(&[]);
    repo.commit("first");
    let mut binary = vec![0, 1, 2, 3, 0xff];
    binary.extend(b" ");
    binary.extend(token(1).as_bytes());
    binary.extend([0, 0]);
    repo.write("binary.bin", &binary);
    repo.write(
        "large.psd",
        format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n",
            "ab".repeat(32)
        ),
    );
    repo.write("empty", "");
    std::os::unix::fs::symlink(token(2), repo.path.join("link")).unwrap();
    repo.write("later.env", line(3));
    repo.git(&["add", "binary.bin", "large.psd", "empty", "link"]);
    repo.git(&["add", "--intent-to-add", "later.env"]);
    let sub = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{sub},module"),
    ]);
    for version in ["2", "4"] {
        repo.git(&["update-index", "--index-version", version]);
        let scanned = repo.scan(&["-staged"]);
        let places: Vec<_> = scanned
            .findings
            .iter()
            .map(|one| one["location"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(places, ["binary.bin", "link"], "{}", scanned.shown());
        assert!(
            scanned.says("large.psd: a file in Git LFS"),
            "{:?}",
            scanned.gaps
        );
        assert_eq!(scanned.gaps.len(), 1);
    }
    repo.git(&["update-index", "--split-index"]);
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(scanned.code(), Some(2), "{}", scanned.shown());
    assert!(
        scanned
            .shown()
            .contains("hint: git update-index --no-split-index")
    );
    // A damaged index is an error and never "nothing staged".
    let index = repo.path.join(".git/index");
    let bytes = std::fs::read(&index).unwrap();
    for cut in [0, 3, 11, 40, bytes.len() / 2] {
        std::fs::write(&index, &bytes[..cut]).unwrap();
        let scanned = repo.scan(&["-staged"]);
        assert_eq!(scanned.code(), Some(2), "{cut}: {}", scanned.shown());
    }
}

#[test]
fn before_the_first_commit_and_in_the_middle_of_a_merge() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.git(&["add", "."]);
    assert_eq!(repo.scan(&["-staged"]).places(), ["a.env:1"]);
    repo.commit("first");
    // What comes from the other side is not new; what a hand adds is.
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("side.env", line(2));
    repo.write("both.txt", "side\n");
    repo.commit("side");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("both.txt", "main\n");
    repo.commit("main");
    assert!(
        !repo
            .command(&["merge", "-q", "side"])
            .output()
            .unwrap()
            .status
            .success()
    );
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(scanned.code(), Some(0), "{}", scanned.shown());
    repo.write("both.txt", line(3));
    repo.git(&["add", "both.txt"]);
    assert_eq!(repo.scan(&["-staged"]).places(), ["both.txt:1"]);
}

#[test]
fn only_what_changed_is_asked_for_and_a_sparse_index_is_read() {
    let repo = Repo::new(&[]);
    for number in 0..40 {
        repo.write(
            format!("d{}/e/f{number}.txt", number % 5),
            format!("{number}\n"),
        );
    }
    repo.commit("first");
    repo.git(&["gc", "-q"]);
    repo.write("d1/e/f1.txt", line(1));
    repo.write("d2/new/deep/x.env", line(2));
    repo.git(&["add", "-A"]);
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(
        scanned.places(),
        ["d1/e/f1.txt:1", "d2/new/deep/x.env:1"],
        "{}",
        scanned.shown()
    );
    assert!(
        scanned.shown().contains("in 2 objects"),
        "{}",
        scanned.shown()
    );
    repo.commit("second");
    repo.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "d3"]);
    repo.write("d3/e/x.env", line(3));
    repo.git(&["add", "d3/e/x.env"]);
    let scanned = repo.scan(&["-staged"]);
    assert_eq!(scanned.places(), ["d3/e/x.env:1"], "{}", scanned.shown());
    assert!(
        scanned.shown().contains("in 1 object"),
        "{}",
        scanned.shown()
    );
}
