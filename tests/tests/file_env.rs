//! `examples/file-env.sh` in every shell that images have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where something is not as it should be"
)]

use std::path::Path;
use std::process::{Command, Output};

/// Dash, busybox and bash: what Debian, Alpine and everything else start entrypoints with.
const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "ash"], &["bash"]];

/// Environment, arguments of the function, and how its complaint begins.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

fn snippet() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("examples/file-env.sh").display().to_string()
}

/// Runs `script` behind the snippet, as strict as a shell can be.
fn run(shell: &[&str], script: &str, environment: &[(&str, &str)]) -> Output {
    let (program, arguments) = shell.split_first().unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["-euc", &format!(". {}; {script}", snippet())]);
    command.envs(environment.iter().copied());
    command.output().expect("the shell is installed")
}

#[test]
fn the_value_is_the_file_without_one_newline() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("value");
    for (content, value) in [
        ("x", "x"),
        ("x\n", "x"),
        ("x\n\n", "x\n"),
        (
            "  a$b ${c} `d` $(e) \"f\" 'g' \\h *\ni\n",
            "  a$b ${c} `d` $(e) \"f\" 'g' \\h *\ni",
        ),
        ("-n", "-n"),
    ] {
        std::fs::write(&file, content).unwrap();
        for shell in SHELLS {
            let script =
                "file_env A; printf %s \"$A\"; test -z \"${A_FILE-}\"; env | grep -q '^A='";
            let output = run(shell, script, &[("A_FILE", file.to_str().unwrap())]);
            assert!(output.status.success(), "{shell:?} {content:?} {output:?}");
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                value,
                "{shell:?}"
            );
        }
    }
}

#[test]
fn what_is_no_value_ends_the_entrypoint() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (good, empty) = (file("good", "hunter2"), file("empty", ""));
    let (newline, nul) = (file("newline", "\n"), file("nul", "hunter2\0x"));
    let missing = directory.path().join("missing").display().to_string();
    let there = directory.path().display().to_string();
    let cases: [Case<'_>; 9] = [
        (
            &[("A", "hunter3"), ("A_FILE", &good)],
            "A",
            "both A and A_FILE are set",
        ),
        (
            &[("A", ""), ("A_FILE", &good)],
            "A",
            "both A and A_FILE are set",
        ),
        (&[("A_FILE", &empty)], "A", "A: the file is empty"),
        (&[("A_FILE", &newline)], "A default", "A: the file is empty"),
        (
            &[("A_FILE", &nul)],
            "A",
            "A: a variable cannot hold the NUL byte",
        ),
        (&[("A_FILE", &missing)], "A default", "A: cannot read"),
        (&[("A_FILE", &there)], "A", "A: cannot read"),
        (&[], "A", "neither A nor A_FILE is set"),
        (&[], "'A;echo hunter2'", "file_env: not a name"),
    ];
    for (environment, arguments, says) in cases {
        for shell in SHELLS {
            let output = run(
                shell,
                &format!("file_env {arguments}; echo started"),
                environment,
            );
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{shell:?} {said}");
            assert!(
                said.starts_with(says) && !said.contains("hunter"),
                "{shell:?} {said}"
            );
            assert!(output.stdout.is_empty(), "{shell:?}");
        }
    }
}

#[test]
fn a_default_is_for_when_nothing_is_set() {
    for shell in SHELLS {
        for environment in [&[][..], &[("A", "")][..]] {
            let output = run(
                shell,
                "file_env A 'de fault'; printf %s \"$A\"",
                environment,
            );
            assert_eq!(output.stdout, b"de fault", "{shell:?} {output:?}");
        }
        let output = run(shell, "file_env A x; printf %s \"$A\"", &[("A", "own")]);
        assert_eq!(output.stdout, b"own", "{shell:?}");
    }
}
