//! `cofferdam hook` with a real git: before a commit, before a push, and on a server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::pattern::specimen;
use flows::git::Repo;
use flows::server::{bare, shown};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

fn line(number: u64) -> String {
    format!("TOKEN={}\n", specimen("ghp_{base62:36}", number))
}

fn hook(repo: &Repo, arguments: &[&str]) -> Output {
    bare(repo.home())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .arg("hook")
        .args(arguments)
        .current_dir(&repo.path)
        .output()
        .unwrap()
}

fn installed(repo: &Repo) {
    let output = hook(repo, &["install"]);
    assert!(output.status.success(), "{}", shown(&output));
}

fn program(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn commit(repo: &Repo, arguments: &[&str]) -> Output {
    repo.command(&[&["commit", "-q", "-m", "one"], arguments].concat())
        .output()
        .unwrap()
}

#[test]
fn a_secret_stops_the_commit_and_says_what_to_do() {
    let repo = Repo::new(&[]);
    installed(&repo);
    repo.write("a.env", line(1));
    repo.git(&["add", "a.env"]);
    let output = commit(&repo, &[]);
    assert!(!output.status.success());
    let said = shown(&output);
    for words in [
        "a.env:1:7  github-ghp-token",
        "not committed: 1 finding in 1 object",
        "hint: take it out of the file, then: git add FILE",
        "cofferdam:allow github-ghp-token",
        "git commit --no-verify",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.lines().count() < 10, "{said}");
    assert!(!said.contains(&specimen("ghp_{base62:36}", 1)));
    // Taken out of the worktree only: it is staged still.
    repo.write("a.env", "A=1\n");
    assert!(!commit(&repo, &[]).status.success());
    repo.git(&["add", "a.env"]);
    let output = commit(&repo, &[]);
    assert!(output.status.success(), "{}", shown(&output));
    assert!(
        !shown(&output).contains("finding"),
        "a clean commit is silent: {}",
        shown(&output)
    );
    // Git makes an index of its own for these.
    repo.write("a.env", line(2));
    for arguments in [
        &["-a"][..],
        &["a.env"],
        &["--only", "a.env"],
        &["--include", "a.env"],
    ] {
        let output = commit(&repo, arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            shown(&output).contains("a.env:1:7"),
            "{arguments:?}: {}",
            shown(&output)
        );
    }
    // From another worktree, and from a directory inside.
    let other = repo.home().join("other");
    repo.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        other.to_str().unwrap(),
    ]);
    std::fs::create_dir(other.join("in")).unwrap();
    std::fs::write(other.join("in/b.env"), line(3)).unwrap();
    repo.git_in(&other, &["add", "in/b.env"]);
    let output = repo
        .command_in(&other.join("in"), &["commit", "-q", "-m", "x"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        shown(&output).contains("in/b.env:1:7"),
        "{}",
        shown(&output)
    );
}

#[test]
fn what_passes_by_is_found_before_the_push_and_by_the_backstop() {
    let repo = Repo::new(&[]);
    installed(&repo);
    let server = repo.home().join("server.git");
    repo.git_in(
        repo.home(),
        &["init", "-q", "--bare", "-b", "main", "server.git"],
    );
    repo.git(&["remote", "add", "origin", server.to_str().unwrap()]);
    repo.write("a.txt", "clean\n");
    repo.commit("clean");
    repo.git(&["push", "-q", "origin", "main"]);
    repo.write("a.env", line(1));
    repo.git(&["add", "a.env"]);
    assert!(commit(&repo, &["--no-verify"]).status.success());
    repo.git(&["rm", "-q", "a.env"]);
    repo.commit("and away again");
    // The CI's line.
    let scanned = repo.scan(&["-range=origin/main..HEAD"]);
    assert_eq!(
        (scanned.code(), scanned.places()),
        (Some(1), vec!["a.env:1".to_owned()])
    );
    let push = |arguments: &[&str]| {
        repo.command(&[&["push", "-q"], arguments].concat())
            .output()
            .unwrap()
    };
    let output = push(&["origin", "main"]);
    assert!(!output.status.success());
    assert!(
        shown(&output).contains("not pushed: 1 finding"),
        "{}",
        shown(&output)
    );
    // A new branch, a tag, an address instead of a name.
    assert!(!push(&["origin", "HEAD:refs/heads/new"]).status.success());
    repo.git(&["tag", "-a", "v1", "HEAD~2", "-m", &line(2)]);
    assert!(!push(&["origin", "v1"]).status.success());
    assert!(!push(&[server.to_str().unwrap(), "main"]).status.success());
    // What the other side has already is not asked for, and neither is a name that goes.
    assert!(push(&["origin", "HEAD~2:refs/heads/old"]).status.success());
    assert!(push(&["origin", ":refs/heads/old"]).status.success());
    // A server that looks itself.
    let output = bare(repo.home())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["hook", "install", "server.git"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let output = push(&["--no-verify", "origin", "main"]);
    assert!(!output.status.success());
    assert!(
        shown(&output).contains("not taken: 1 finding"),
        "{}",
        shown(&output)
    );
    repo.git(&["reset", "-q", "--hard", "HEAD~2"]);
    repo.write("b.txt", "clean\n");
    repo.commit("clean again");
    let output = push(&["origin", "main"]);
    assert!(output.status.success(), "{}", shown(&output));
}

#[test]
fn hooks_that_are_there_are_kept_run_first_and_come_back_as_they_were() {
    let repo = Repo::new(&[]);
    let hooks = repo.path.join(".git/hooks");
    let theirs = hooks.join("pre-commit");
    let text = "#!/bin/sh\n# \u{e9} no newline at the end\necho theirs \"$#\"\n[ -e stop ] && exit 7\nprintf '%s' \"$(cat add 2>/dev/null)\" > added.env; git add added.env";
    program(&theirs, text, 0o751);
    let push = hooks.join("pre-push");
    program(
        &push,
        "#!/bin/sh\necho \"push to $1\"; cat > pushed.txt\n",
        0o755,
    );
    let status = || String::from_utf8(hook(&repo, &["status"]).stdout).unwrap();
    assert_eq!(
        status(),
        "pre-commit   another hook\npre-push     another hook\npre-receive  none\n"
    );
    let output = hook(&repo, &["install"]);
    assert!(
        shown(&output).contains("the hook that was there is kept as"),
        "{}",
        shown(&output)
    );
    let output = hook(&repo, &["install"]);
    assert!(
        shown(&output).contains("pre-commit: was installed already"),
        "{}",
        shown(&output)
    );
    assert!(
        status().starts_with("pre-commit   installed, after another hook\n"),
        "{}",
        status()
    );
    repo.write("a.txt", "x\n");
    repo.git(&["add", "a.txt"]);
    let output = commit(&repo, &[]);
    assert!(output.status.success(), "{}", shown(&output));
    assert!(shown(&output).contains("theirs 0"));
    // What it stages is judged; where it says no, that is its word.
    repo.write("add", line(1));
    repo.git(&["commit", "-q", "--allow-empty", "--no-verify", "-m", "x"]);
    assert!(!commit(&repo, &["--allow-empty"]).status.success());
    repo.git(&["rm", "-q", "--cached", "-f", "added.env"]);
    std::fs::remove_file(repo.path.join("add")).unwrap();
    repo.write("stop", "");
    assert!(!commit(&repo, &["--allow-empty"]).status.success());
    // The push hook gets what git says, as ours does.
    repo.git_in(repo.home(), &["init", "-q", "--bare", "server.git"]);
    repo.git(&[
        "remote",
        "add",
        "origin",
        repo.home().join("server.git").to_str().unwrap(),
    ]);
    let output = repo
        .command(&["push", "-q", "origin", "main"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    assert!(
        shown(&output).contains("push to origin"),
        "{}",
        shown(&output)
    );
    let said = std::fs::read_to_string(repo.path.join("pushed.txt")).unwrap();
    assert!(said.starts_with("refs/heads/main "), "{said}");
    let output = hook(&repo, &["uninstall"]);
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), text);
    assert_eq!(
        std::fs::metadata(&theirs).unwrap().permissions().mode() & 0o777,
        0o751
    );
    let mut left: Vec<_> = std::fs::read_dir(&hooks)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    left.retain(|name| !name.to_string_lossy().ends_with(".sample"));
    left.sort();
    assert_eq!(left, ["pre-commit", "pre-push"]);
    assert!(shown(&hook(&repo, &["uninstall"])).contains("no hook of ours is here"));
}

#[test]
fn hooks_elsewhere_are_respected() {
    let repo = Repo::new(&[]);
    repo.git(&["config", "core.hooksPath", ".husky"]);
    installed(&repo);
    assert!(repo.path.join(".husky/pre-commit").exists());
    assert!(!repo.path.join(".git/hooks/pre-commit").exists());
    repo.write("a.env", line(1));
    repo.git(&["add", "a.env"]);
    assert!(!commit(&repo, &[]).status.success());
    assert!(hook(&repo, &["uninstall"]).status.success());
    assert!(!repo.path.join(".husky/pre-commit").exists());
    // Those of all repositories of this user.
    let all = repo.home().join("all-hooks");
    repo.git(&[
        "config",
        "--global",
        "core.hooksPath",
        all.to_str().unwrap(),
    ]);
    repo.git(&["config", "--unset", "core.hooksPath"]);
    let output = hook(&repo, &["install"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        shown(&output).contains("hint: change the hooks of all of them with: -shared"),
        "{}",
        shown(&output)
    );
    assert!(!all.exists());
    assert!(
        hook(&repo, &["install", "-shared", "-only=pre-commit"])
            .status
            .success()
    );
    assert!(all.join("pre-commit").exists() && !all.join("pre-push").exists());
    assert!(!commit(&repo, &[]).status.success());
    assert!(hook(&repo, &["uninstall", "-shared"]).status.success());
}

#[test]
fn refusals() {
    let repo = Repo::new(&[]);
    let hooks = repo.path.join(".git/hooks");
    program(&hooks.join("pre-commit"), "#!/bin/sh\n", 0o755);
    program(
        &hooks.join("pre-commit.before-cofferdam"),
        "#!/bin/sh\n",
        0o755,
    );
    let output = hook(&repo, &["install"]);
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(
        shown(&output).contains("two hooks to keep"),
        "{}",
        shown(&output)
    );
    let nothing = tempfile::tempdir().unwrap();
    let output = hook(&repo, &["status", nothing.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        shown(&output).contains("not a git repository"),
        "{}",
        shown(&output)
    );
    let mut run = bare(repo.home());
    run.args(["hook", "run", "pre-push", "origin"])
        .current_dir(&repo.path)
        .stdin(std::process::Stdio::piped());
    let mut run = run
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut run.stdin.take().unwrap(), b"one two\n").unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    // Where the program is gone the commit stops, and says why.
    let script =
        "#!/bin/sh\n# Made by cofferdam hook install; cofferdam hook uninstall takes it away.\n";
    assert!(hook(&repo, &["uninstall"]).status.success());
    std::fs::remove_file(hooks.join("pre-commit.before-cofferdam")).unwrap();
    std::fs::remove_file(hooks.join("pre-commit")).unwrap();
    installed(&repo);
    let path = hooks.join("pre-commit");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(script));
    let gone = text.lines().map(|line| {
        if line.starts_with("cofferdam=") {
            "cofferdam=/nowhere/cofferdam"
        } else {
            line
        }
    });
    std::fs::write(&path, gone.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    repo.write("a.txt", "x\n");
    repo.git(&["add", "."]);
    let output = commit(&repo, &[]);
    assert!(!output.status.success());
    assert!(
        shown(&output).contains("hint: install it, or this once: git commit --no-verify"),
        "{}",
        shown(&output)
    );
}

#[test]
fn the_entry_for_pre_commit_names_commands_that_exist() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.pre-commit-hooks.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let entries: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("entry: cofferdam "))
        .collect();
    assert!(!entries.is_empty());
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    repo.git(&["add", "."]);
    for entry in entries {
        let words: Vec<_> = entry.split(' ').collect();
        let output = bare(repo.home())
            .args(words)
            .current_dir(&repo.path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    }
}
