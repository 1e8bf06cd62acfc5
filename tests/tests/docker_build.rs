//! `cofferdam build` on a real Docker engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::{canary, contains, files_with};
use flows::docker::{Docker, IMAGE, client};
use flows::server::shown;
use std::path::Path;
use std::process::Output;

/// Runs `cofferdam build` in a directory with this Dockerfile.
fn build(server: &Server, dockerfile: &str, flags: &[&str], docker: &[&str]) -> Output {
    let context = server.directory().path().join("context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    let mut command = server.command(&["build"]);
    command
        .args(flags)
        .args(["--", client(), "build"])
        .args(docker)
        .arg(&context);
    command.output().unwrap()
}

/// What sha256sum says about nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -";
/// Every build is one of its own: what another test left in the cache is not used.
const FRESH: [&str; 2] = ["--no-cache", "--progress=plain"];

#[test]
fn two_steps_see_one_secret_and_neither_image_nor_cache_holds_it() {
    let server = Server::up();
    let docker = Docker::start("build");
    let value = canary();
    server.run(&["kv", "put", "secret/shop/TOKEN", &format!("value={value}")]);
    server.run(&["kv", "put", "secret/shop/OTHER", "value=other-value"]);
    let dockerfile = format!(
        "FROM {IMAGE}\n\
         RUN --mount=type=secret,id=TOKEN,required=true sha256sum < /run/secrets/TOKEN > /one\n\
         RUN --mount=type=secret,id=TOKEN --mount=type=secret,id=OTHER \\\n\
           sha256sum < /run/secrets/TOKEN > /two && wc -c < /run/secrets/OTHER > /three && \\\n\
           grep '/run/secrets/TOKEN tmpfs ro' /proc/mounts > /four\n\
         CMD [\"cat\", \"/one\", \"/two\", \"/three\"]\n"
    );
    let image = docker.name("image");
    let built = build(
        &server,
        &dockerfile,
        &["-app", "shop"],
        &[&FRESH[..], &["-t", &image]].concat(),
    );
    assert!(built.status.success(), "{}", shown(&built));
    assert!(!shown(&built).contains(&value));

    let said = docker.run(&["run", "--rm", &image]);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], lines[1], "both steps saw the same");
    assert_ne!(lines[0], EMPTY, "both steps saw something");
    assert_eq!(lines[2], "11");
    for command in [
        &["history", "--no-trunc", &image][..],
        &["image", "inspect", &image],
        &["save", &image],
    ] {
        let output = docker.output(command);
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{command:?}"
        );
        assert!(
            !contains(&output.stdout, value.as_bytes()),
            "in docker {command:?}"
        );
    }
    for directory in ["/var/lib/docker", "/var/lib/containerd", "/run/docker"] {
        assert_eq!(
            files_with(Path::new(directory), &value),
            Vec::<std::path::PathBuf>::new()
        );
    }
}

#[test]
fn what_a_step_prints_is_masked_unless_it_is_not_to_be() {
    let server = Server::up();
    let docker = Docker::start("printed");
    let value = canary();
    server.run(&["kv", "put", "secret/TOKEN", &format!("value={value}")]);
    let dockerfile = format!(
        "FROM {IMAGE}\n\
         RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN && echo && base64 /run/secrets/TOKEN\n"
    );
    let image = docker.name("image");
    let words = [&FRESH[..], &["-t", &image]].concat();
    let built = build(&server, &dockerfile, &[], &words);
    assert!(built.status.success(), "{}", shown(&built));
    let said = shown(&built);
    assert!(
        said.matches("‹secret:secret/TOKEN@1›").count() >= 2,
        "{said}"
    );
    assert!(!said.contains(&value), "{said}");
    let built = build(&server, &dockerfile, &["-no-redact"], &words);
    assert!(shown(&built).contains(&value), "{}", shown(&built));
}

#[test]
fn a_secret_that_cannot_be_had_stops_the_build_before_it_begins() {
    let server = Server::up();
    let docker = Docker::start("nobuild");
    server.run(&["kv", "put", "secret/EMPTY", "value="]);
    let image = docker.name("image");
    for (id, reason) in [
        ("UNKNOWN", "UNKNOWN: no secret at cd://secret/UNKNOWN"),
        ("EMPTY", "EMPTY: the secret is empty"),
    ] {
        let dockerfile = format!("FROM {IMAGE}\nRUN --mount=type=secret,id={id} touch /x\n");
        let refused = build(&server, &dockerfile, &[], &["-t", &image]);
        assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
        let words = String::from_utf8_lossy(&refused.stderr);
        assert!(words.contains(reason), "{words}");
        let hint = format!("hint: cofferdam kv put secret/{id} value=-");
        assert!(words.contains(&hint), "{words}");
        assert!(!words.contains("load build definition"), "the build began");
        assert!(
            !docker
                .output(&["image", "inspect", &image])
                .status
                .success()
        );
    }
}

#[test]
fn a_secret_that_is_denied_stops_the_build_before_it_begins() {
    let server = Server::up();
    let _docker = Docker::start("denied");
    server.run(&["kv", "put", "secret/DENIED", "value=not-for-this-builder"]);
    let token = server.run(&["token", "create", "-policy=default", "-field=token"]);
    let project = flows::build::Project::new(
        &server,
        &format!("FROM {IMAGE}\nRUN --mount=type=secret,id=DENIED touch /x\n"),
    );
    let refused = server
        .command(&["build", "--", client(), "build", "."])
        .env("COFFERDAM_TOKEN", token.trim())
        .current_dir(project.path())
        .output()
        .unwrap();
    let words = shown(&refused);
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("DENIED: permission denied"), "{words}");
    assert!(
        words.contains("hint: cofferdam token capabilities"),
        "{words}"
    );
    assert!(!words.contains("load build definition"), "the build began");
}

#[test]
fn a_value_that_docker_would_refuse_is_refused_first() {
    let server = Server::up();
    let _docker = Docker::start("large");
    let dockerfile =
        format!("FROM {IMAGE}\nRUN --mount=type=secret,id=LARGE wc -c < /run/secrets/LARGE\n");
    for (size, code) in [(512_000, 0), (512_001, 2)] {
        let file = server.directory().path().join("large");
        std::fs::write(&file, "x".repeat(size)).unwrap();
        server.run(&[
            "kv",
            "put",
            "secret/LARGE",
            &format!("value=@{}", file.display()),
        ]);
        let built = build(&server, &dockerfile, &[], &FRESH);
        assert_eq!(built.status.code(), Some(code), "{size}: {}", shown(&built));
    }
}

#[test]
fn the_end_of_the_build_is_ours_and_references_can_be_named() {
    let server = Server::up();
    let _docker = Docker::start("code");
    server.run(&["kv", "put", "secret/ci", "npm=npm-token", "other=x"]);
    let named = ["-secret", "npm=cd://secret/ci#npm"];
    let failing = format!("FROM {IMAGE}\nRUN --mount=type=secret,id=npm exit 3\n");
    let built = build(&server, &failing, &named, &FRESH);
    assert_eq!(built.status.code(), Some(1), "{}", shown(&built));
    assert!(shown(&built).contains("exit code: 3"), "{}", shown(&built));
    let dockerfile =
        format!("FROM {IMAGE}\nRUN --mount=type=secret,id=npm wc -c < /run/secrets/npm\n");
    let built = build(&server, &dockerfile, &named, &FRESH);
    assert!(
        built.status.success() && shown(&built).contains(" 9\n"),
        "{}",
        shown(&built)
    );
}
