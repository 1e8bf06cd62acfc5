//! `cofferdam shim` before the entrypoints of real containers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::canary::{canary, contains};
use flows::docker::{Docker, IMAGE, client, wait};
use flows::server::{portable, shown};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A directory in memory with secrets that every user may read.
fn secrets(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// `cofferdam shim run FLAGS -- docker run MORE`, the secrets at `/run/secrets`.
fn shim(secrets: &Path, flags: &[&str], more: &[&str]) -> Output {
    let mount = format!("{}:/run/secrets:ro", secrets.display());
    let words = ["shim", "run"].iter().chain(flags);
    let docker = ["--", client(), "run", "--pull=never", "--network=none"];
    let words = words.chain(&docker);
    let words: Vec<&str> = words
        .chain(&["-v", mount.as_str()])
        .chain(more)
        .copied()
        .collect();
    Command::new(portable())
        .args(words)
        .output()
        .expect("the program starts")
}

/// Of the first process, once it is the program and not what starts it any more.
fn environ(docker: &Docker, container: &str) -> Vec<String> {
    wait("the program", || {
        let line = docker.run(&["exec", container, "cat", "/proc/1/cmdline"]);
        line.starts_with("sh\0").then_some(())
    });
    let text = docker.run(&["exec", container, "cat", "/proc/1/environ"]);
    text.split('\0')
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_image_that_knows_only_a_plain_variable_gets_it_and_inspect_stays_clean() {
    let docker = Docker::start("shim");
    let value = format!("{}$b\"c'd\\ `e` $(f)\n  g=h", canary());
    let secrets = secrets(&[("DB_PASSWORD", format!("{value}\n").as_bytes())]);
    let name = docker.name("app");
    // No passwd, nothing to write, no network; and a program that ends in its own way.
    let program = "trap 'exit 7' TERM; while :; do sleep 60 & wait $!; done";
    let started = shim(
        secrets.path(),
        &[],
        &[
            "-d",
            "--name",
            &name,
            "--user",
            "12345:23456",
            "--read-only",
            "--cap-drop=ALL",
            "-e",
            "DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD",
            IMAGE,
            "sh",
            "-c",
            program,
        ],
    );
    assert!(started.status.success(), "{}", shown(&started));
    let variables = environ(&docker, &name);
    assert!(
        variables.contains(&format!("DB_PASSWORD={value}")),
        "{variables:?}"
    );
    assert!(
        !variables
            .iter()
            .any(|it| it.starts_with("DB_PASSWORD_FILE"))
    );
    // Docker takes it from the container when it comes to it.
    let said = wait("a line in the container's log", || {
        let logged = docker.output(&["logs", &name]);
        let said = String::from_utf8_lossy(&logged.stderr).into_owned();
        said.ends_with('\n').then_some(said)
    });
    assert_eq!(
        said.trim_end(),
        "cofferdam shim: one newline at the end of DB_PASSWORD was removed; -keep-newline keeps it"
    );
    // The program is process 1 itself.
    let line = docker.run(&["exec", &name, "cat", "/proc/1/cmdline"]);
    assert_eq!(line.trim_end_matches('\0'), format!("sh\0-c\0{program}"));
    let inspected = docker.output(&["inspect", &name]).stdout;
    let first = value.lines().next().unwrap();
    assert!(!contains(&inspected, first.as_bytes()));
    let env = docker.run(&["inspect", "-f", "{{json .Config.Env}}", &name]);
    assert!(
        env.contains("DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD"),
        "{env}"
    );
    // A signal is the program's own: no ten seconds until it is killed.
    let begun = Instant::now();
    docker.run(&["stop", "-t", "60", &name]);
    assert!(begun.elapsed() < Duration::from_secs(50));
    let code = docker.run(&["inspect", "-f", "{{.State.ExitCode}}", &name]);
    assert_eq!(code, "7");
}

/// An image with an entrypoint and a command, under a name that the table knows.
fn postgres(docker: &Docker) -> String {
    let image = format!("localhost/postgres:{}", docker.name("x"));
    let script = format!(
        "{client} create --name {name} {IMAGE} x >/dev/null && {client} export {name} | {client} import \
         --change 'ENTRYPOINT [\"/bin/sh\", \"-c\", \"cat /proc/self/environ; echo $0 $1\"]' \
         --change 'CMD [\"from\", \"cmd\"]' - {image}",
        client = client(),
        name = docker.name("base"),
    );
    let made = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(made.status.success(), "{}", shown(&made));
    image
}

#[test]
fn an_image_that_reads_files_gets_the_path_and_its_own_entrypoint() {
    let docker = Docker::start("known");
    let secrets = secrets(&[("pw", b"hunter2"), ("TOKEN", b"token-value")]);
    let image = postgres(&docker);
    let run = shim(
        secrets.path(),
        &[],
        &[
            "--rm",
            "-e",
            "FILE__POSTGRES_PASSWORD=/run/secrets/pw",
            "-e",
            "LOG_FILE=/nowhere",
            &image,
        ],
    );
    assert!(run.status.success(), "{}", shown(&run));
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        said.contains("POSTGRES_PASSWORD_FILE=/run/secrets/pw\0"),
        "{said}"
    );
    assert!(
        said.contains("LOG_FILE=/nowhere\0") && said.ends_with("from cmd\n"),
        "{said}"
    );
    assert!(
        !said.contains("hunter2") && !said.contains("FILE__"),
        "{said}"
    );
    // Everything of a directory, and other arguments than the image's.
    let run = shim(
        secrets.path(),
        &["-from", "/run/secrets"],
        &["--rm", &image, "own", "words"],
    );
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        said.contains("TOKEN=token-value\0") && said.contains("pw=hunter2\0"),
        "{said}"
    );
    assert!(said.ends_with("own words\n"), "{said}");
    let compose = Command::new(portable())
        .args(["shim", "compose", &image])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&compose.stdout).into_owned();
    assert!(
        text.contains(&format!(
            "entrypoint: [\"/cofferdam-shim\",\"-image\",\"{image}\",\"--\",\"/bin/sh\""
        )),
        "{text}"
    );
    assert!(
        text.contains("echo $$0 $$1") && text.contains("command: [\"from\",\"cmd\"]"),
        "{text}"
    );
    docker.output(&["rmi", "-f", &image]);
}

#[test]
fn what_is_no_value_keeps_the_program_from_starting() {
    let _docker = Docker::start("refused");
    let secrets = secrets(&[
        ("nul", b"hunter2\0x"),
        ("empty", b"\n"),
        ("good", b"hunter2"),
    ]);
    std::fs::write(secrets.path().join("closed"), "hunter2").unwrap();
    let closed = std::fs::Permissions::from_mode(0o400);
    std::fs::set_permissions(secrets.path().join("closed"), closed).unwrap();
    for (variables, says) in [
        (
            &["A_FILE=/run/secrets/nul"][..],
            "cofferdam shim: A: a variable cannot hold the NUL byte of /run/secrets/nul",
        ),
        (
            &["A_FILE=/run/secrets/empty"],
            "cofferdam shim: A: the file is empty: /run/secrets/empty",
        ),
        (
            &["A_FILE=/run/secrets/none"],
            "cofferdam shim: A: cannot read /run/secrets/none: no such file or directory",
        ),
        (
            &["A_FILE=/run/secrets/closed"],
            "cofferdam shim: A: cannot read /run/secrets/closed: permission denied",
        ),
        (
            &["A_FILE=/run/secrets/good", "A=x"],
            "cofferdam shim: both A and A_FILE are set",
        ),
        (
            &["A_FILE=/run/secrets/good", "FILE__A=/run/secrets/good"],
            "cofferdam shim: both A_FILE and FILE__A are set",
        ),
    ] {
        let flags = variables.iter().flat_map(|it| ["-e", it]);
        let more: Vec<&str> = ["--rm", "--user", "1000"]
            .into_iter()
            .chain(flags)
            .chain([IMAGE, "sh", "-c", "echo started"])
            .collect();
        let run = shim(secrets.path(), &[], &more);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{}", shown(&run));
        assert_eq!(said.lines().next(), Some(says), "{said}");
        assert!(said.contains("hint: ") && !said.contains("hunter2") && run.stdout.is_empty());
    }
    let run = shim(secrets.path(), &[], &["--rm", IMAGE, "no-such-program"]);
    assert_eq!(run.status.code(), Some(127), "{}", shown(&run));
}

#[test]
fn an_image_with_one_program_and_nothing_else_is_enough() {
    let docker = Docker::start("scratch");
    let secrets = secrets(&[("pw", b"hunter2")]);
    let image = docker.name("scratch");
    let script = format!(
        "tar -C $(dirname $(command -v busybox)) -c busybox | {} import - {image}",
        client()
    );
    let made = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(made.status.success(), "{}", shown(&made));
    let run = shim(
        secrets.path(),
        &[],
        &[
            "--rm",
            "-e",
            "A_FILE=/run/secrets/pw",
            &image,
            "/busybox",
            "env",
        ],
    );
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        said.lines().any(|line| line == "A=hunter2"),
        "{}",
        shown(&run)
    );
    assert!(!said.contains("A_FILE"), "{said}");
}
