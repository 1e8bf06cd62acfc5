//! Nothing of a repository is run or followed.

use super::line;
use flows::git::Repo;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A program that leaves a mark when it is run.
fn trap(repo: &Repo) -> (String, std::path::PathBuf) {
    let mark = repo.home().join("mark");
    let program = repo.home().join("trap.sh");
    std::fs::write(
        &program,
        format!("#!/bin/sh\necho \"$0 $*\" >>{}\ncat\n", mark.display()),
    )
    .unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    (program.display().to_string(), mark)
}

#[test]
fn nothing_that_a_repository_names_is_run() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    repo.write("b.env", line(2));
    repo.git(&["add", "b.env"]);
    let (program, mark) = trap(&repo);
    let pipe = repo.home().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // git itself would wait for ever on this include.
    std::fs::write(
        repo.path.join(".git/config"),
        format!(
            "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {program}\n\tsshCommand = {program}\n\tpager = {program}\n\teditor = {program}\n\thooksPath = {}\n\tgitProxy = {program}\n\
             [filter \"x\"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n\trequired = true\n\
             [diff \"x\"]\n\ttextconv = {program}\n\tcommand = {program}\n\
             [credential]\n\thelper = {program}\n[gpg]\n\tprogram = {program}\n\
             [alias]\n\tlog = !{program}\n[uploadpack]\n\tpackObjectsHook = {program}\n\
             [include]\n\tpath = {}\n",
            repo.home().display(),
            pipe.display()
        ),
    )
    .unwrap();
    repo.write(".gitattributes", "* filter=x diff=x merge=x\n");
    repo.write(
        ".gitmodules",
        format!("[submodule \"s\"]\n\tpath = s\n\turl = ext::{program}\n\tupdate = !{program}\n"),
    );
    for hook in [
        "pre-commit",
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "fsmonitor-watchman",
    ] {
        std::fs::copy(&program, repo.path.join(".git/hooks").join(hook)).unwrap();
        std::fs::copy(&program, repo.home().join(hook)).unwrap();
    }
    let scanned = repo.scan(&[]);
    assert_eq!(
        scanned.places(),
        ["a.env:1", "b.env:1"],
        "{}",
        scanned.shown()
    );
    assert_eq!(repo.scan(&["-staged"]).places(), ["b.env:1"]);
    assert_eq!(repo.scan(&["-range=HEAD"]).places(), ["a.env:1"]);
    assert_eq!(repo.scan(&["-since=2020-01-01"]).places(), ["a.env:1"]);
    assert!(
        !mark.exists(),
        "{}",
        std::fs::read_to_string(&mark).unwrap()
    );
}

#[test]
fn nothing_is_written() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    let state = |path: &Path| {
        let output = std::process::Command::new("find")
            .arg(path)
            .args(["-printf", "%p %T@ %C@ %s %m\n"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let before = state(&repo.path);
    repo.scan(&[]);
    repo.scan(&["-staged"]);
    repo.scan(&["-range=HEAD"]);
    assert_eq!(state(&repo.path), before);
}

#[test]
fn a_git_file_is_followed_where_its_target_answers() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    // A worktree.
    let other = repo.home().join("other");
    repo.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        other.to_str().unwrap(),
    ]);
    assert_eq!(repo.scan_in(&other, &[]).places(), ["a.env:1"]);
    std::fs::write(other.join("b.env"), line(2)).unwrap();
    repo.git_in(&other, &["add", "b.env"]);
    assert_eq!(repo.scan_in(&other, &["-staged"]).places(), ["b.env:1"]);
    assert!(repo.scan(&["-staged"]).findings.is_empty());
    // A submodule: an entry in the outer one, a repository of its own inside.
    let outer = repo.home().join("outer");
    repo.git_in(repo.home(), &["init", "-q", "-b", "main", "outer"]);
    repo.git_in(
        &outer,
        &[
            "submodule",
            "--quiet",
            "add",
            repo.path.to_str().unwrap(),
            "sub",
        ],
    );
    repo.git_in(&outer, &["commit", "-qm", "with a submodule"]);
    let scanned = repo.scan_in(&outer, &[]);
    assert_eq!(
        (scanned.code(), scanned.gaps.len()),
        (Some(0), 0),
        "{}",
        scanned.shown()
    );
    // A clone by path takes every object, what was staged elsewhere included.
    let inside = repo.scan_in(&outer.join("sub"), &[]);
    assert!(
        inside.places().contains(&"a.env:1".to_owned()),
        "{}",
        inside.shown()
    );
    // One that points to somebody else's.
    let theirs = repo.home().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(
        theirs.join(".git"),
        format!("gitdir: {}\n", repo.path.join(".git").display()),
    )
    .unwrap();
    for arguments in [&[][..], &["-staged"]] {
        let scanned = repo.scan_in(&theirs, arguments);
        assert_eq!(scanned.code(), Some(2), "{}", scanned.shown());
        assert!(
            scanned.shown().contains("does not point back"),
            "{}",
            scanned.shown()
        );
    }
    // A worktree's directory that says it belongs to somebody else.
    std::fs::write(
        repo.path.join(".git/worktrees/other/commondir"),
        format!("{}\n", outer.join(".git").display()),
    )
    .unwrap();
    let scanned = repo.scan_in(&other, &[]);
    assert_eq!(scanned.code(), Some(2), "{}", scanned.shown());
    // A link.
    let linked = repo.home().join("linked");
    std::fs::create_dir(&linked).unwrap();
    symlink(repo.path.join(".git"), linked.join(".git")).unwrap();
    let scanned = repo.scan_in(&linked, &[]);
    assert_eq!(scanned.code(), Some(2));
    assert!(
        scanned.shown().contains("a link, which is not followed"),
        "{}",
        scanned.shown()
    );
}

#[test]
fn links_inside_are_not_followed_and_said() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    repo.git(&["gc", "-q"]);
    let theirs = repo.home().join("theirs");
    repo.git_in(repo.home(), &["init", "-q", "-b", "main", "theirs"]);
    let objects = theirs.join(".git/objects");
    for file in std::fs::read_dir(repo.path.join(".git/objects/pack")).unwrap() {
        let file = file.unwrap();
        symlink(file.path(), objects.join("pack").join(file.file_name())).unwrap();
    }
    symlink(repo.path.join(".git/objects"), objects.join("aa")).unwrap();
    let pipe = objects.join("bb");
    std::fs::create_dir(&pipe).unwrap();
    let name = pipe.join("0".repeat(38));
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&name)
            .status()
            .unwrap()
            .success()
    );
    let scanned = repo.scan_in(&theirs, &[]);
    assert_eq!(scanned.code(), Some(0), "{}", scanned.shown());
    assert!(
        scanned.says("a link, which is not followed"),
        "{:?}",
        scanned.gaps
    );
    assert!(scanned.says("objects/aa: a link"), "{:?}", scanned.gaps);
    assert!(scanned.says("cannot be read"), "{:?}", scanned.gaps);
}

#[test]
fn borrowed_objects_are_read_when_asked_for() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    let clone = repo.home().join("clone");
    repo.git_in(repo.home(), &["clone", "-q", "--shared", "repo", "clone"]);
    let scanned = repo.scan_in(&clone, &[]);
    assert!(scanned.findings.is_empty());
    assert!(scanned.says("-alternates reads them"), "{:?}", scanned.gaps);
    let scanned = repo.scan_in(&clone, &["-alternates"]);
    assert_eq!(scanned.places(), ["a.env:1"], "{}", scanned.shown());
    assert!(scanned.gaps.is_empty(), "{:?}", scanned.gaps);
    // Stores that borrow from each other.
    std::fs::create_dir_all(repo.path.join(".git/objects/info")).unwrap();
    std::fs::write(
        repo.path.join(".git/objects/info/alternates"),
        format!("{}\n", clone.join(".git/objects").display()),
    )
    .unwrap();
    assert_eq!(repo.scan_in(&clone, &["-alternates"]).places(), ["a.env:1"]);
}

#[test]
fn what_was_not_fetched_is_counted() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    repo.write("a.env", "clean\n");
    repo.commit("second");
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", repo.path.display());
    repo.git_in(repo.home(), &["clone", "-q", "--depth=1", &url, "shallow"]);
    let scanned = repo.scan_in(&repo.home().join("shallow"), &[]);
    assert_eq!(scanned.code(), Some(0), "{}", scanned.shown());
    assert!(
        scanned.says("what lies before 1 commits was not fetched"),
        "{:?}",
        scanned.gaps
    );
    repo.git_in(
        repo.home(),
        &[
            "clone",
            "-q",
            "--filter=blob:none",
            "--no-checkout",
            &url,
            "partial",
        ],
    );
    let partial = repo.home().join("partial");
    let scanned = repo.scan_in(&partial, &[]);
    assert_eq!(scanned.code(), Some(0), "{}", scanned.shown());
    assert!(
        scanned.says("2 objects: named in trees and not here (this is a partial clone)"),
        "{:?}",
        scanned.gaps
    );
    let scanned = repo.scan_in(&partial, &["-range=HEAD"]);
    assert!(
        scanned.says("not fetched: this is a partial clone"),
        "{:?}",
        scanned.gaps
    );
}

#[test]
fn bare_repositories_and_those_of_others_are_read() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.commit("first");
    repo.git_in(repo.home(), &["clone", "-q", "--bare", "repo", "bare.git"]);
    assert_eq!(
        repo.scan_in(repo.home(), &["bare.git"]).places(),
        ["a.env:1"]
    );
    assert!(
        repo.scan_in(&repo.home().join("bare.git"), &["-staged"])
            .findings
            .is_empty()
    );
    // Owned by another user: git refuses that one, since it would run what its configuration says.
    let changed = std::process::Command::new("chown")
        .args(["-R", "65534"])
        .arg(repo.home().join("bare.git"))
        .status();
    if changed.unwrap().success() {
        assert_eq!(
            repo.scan_in(repo.home(), &["bare.git"]).places(),
            ["a.env:1"]
        );
    }
    let empty = Repo::new(&[]);
    for arguments in [&[][..], &["-staged"]] {
        let scanned = empty.scan(arguments);
        assert_eq!(
            (scanned.code(), scanned.gaps.len()),
            (Some(0), 0),
            "{}",
            scanned.shown()
        );
    }
    let nothing = tempfile::tempdir().unwrap();
    let scanned = empty.scan_in(nothing.path(), &[]);
    assert_eq!(scanned.code(), Some(2));
    assert!(
        scanned.shown().contains("not a git repository: "),
        "{}",
        scanned.shown()
    );
}
