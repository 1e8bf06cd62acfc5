//! `cofferdam install` and `uninstall` as people use them, in a directory that stands for `/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::server::{bare, shown};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ours(root: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = bare(root);
    command.args(arguments).arg("-root").arg(root);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// Names, kinds, modes and digests of everything below a directory.
fn tree(root: &Path) -> String {
    let script = "find . -printf '%P %y %m %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 -r sha256sum";
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_installed_works_and_goes_without_a_trace() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    std::fs::create_dir_all(root.join("usr/local/bin")).unwrap();
    std::fs::create_dir_all(root.join("var/lib/cofferdam")).unwrap();
    std::fs::write(root.join("var/lib/cofferdam/store"), "data").unwrap();
    let before = tree(root);
    let dry = ours(root, &["install", "-dry-run"], "");
    assert!(dry.status.success(), "{}", shown(&dry));
    assert_eq!(tree(root), before);
    let done = ours(root, &["install"], "");
    assert!(done.status.success(), "{}", shown(&done));
    for name in [
        "usr/local/bin/cofferdam",
        "usr/local/lib/docker/cli-plugins/docker-cofferdam",
    ] {
        let version = Command::new(root.join("usr/local/bin/cofferdam"))
            .arg("version")
            .output()
            .unwrap();
        assert!(
            version.status.success() && root.join(name).exists(),
            "{name}"
        );
    }
    let share = root.join("usr/local/share");
    let page = std::fs::read_to_string(share.join("man/man1/cofferdam-kv.1")).unwrap();
    assert!(page.starts_with(".TH COFFERDAM"), "{page}");
    for (shell, file) in [
        ("bash", "bash-completion/completions/cofferdam"),
        ("zsh", "zsh/site-functions/_cofferdam"),
        ("fish", "fish/vendor_completions.d/cofferdam.fish"),
    ] {
        let printed = Command::new(root.join("usr/local/bin/cofferdam"))
            .args(["completion", shell])
            .output()
            .unwrap();
        let text = std::fs::read(share.join(file)).unwrap();
        assert!(text.starts_with(&printed.stdout), "{shell}");
    }
    let installed = tree(root);
    assert!(ours(root, &["install"], "").status.success());
    assert_eq!(tree(root), installed, "twice is once");
    let gone = ours(root, &["uninstall"], "");
    assert!(gone.status.success(), "{}", shown(&gone));
    assert!(shown(&gone).contains("data stays"), "{}", shown(&gone));
    assert_eq!(tree(root), before);
}

#[test]
fn data_goes_only_when_somebody_says_so_in_full() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    std::fs::create_dir_all(root.join("var/lib/cofferdam")).unwrap();
    std::fs::write(root.join("var/lib/cofferdam/store"), "data").unwrap();
    assert!(ours(root, &["install"], "").status.success());
    let installed = tree(root);
    for answer in ["", "yes\n", "delete all secret\n"] {
        let refused = ours(root, &["uninstall", "-purge"], answer);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            shown(&refused).contains("not confirmed"),
            "{}",
            shown(&refused)
        );
        assert_eq!(tree(root), installed);
    }
    let gone = ours(root, &["uninstall", "-purge"], "delete all secrets\n");
    assert!(gone.status.success(), "{}", shown(&gone));
    assert!(!root.join("var/lib/cofferdam").exists());
    assert!(!root.join("usr").exists());
}
