//! An image that holds what it was lent gets no name and is not pushed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::source::{Finder, Limits};
use cofferdam_detect::{Label, Matcher, Needles};
use flows::Server;
use flows::build::{Project, Registry};
use flows::canary::canary;
use flows::docker::{Docker, IMAGE, client};
use flows::server::shown;
use std::process::Command;

/// Mounts the secret, and does this with it.
///
/// The step has the mark of its test: BuildKit runs equal steps of two builds at once only once,
/// whatever secrets they have.
fn step(docker: &Docker, command: &str) -> String {
    let mark = docker.name("step");
    format!("FROM {IMAGE}\nRUN --mount=type=secret,id=TOKEN,required=true : {mark} && {command}\n")
}

#[test]
fn every_usual_way_into_an_image_is_caught_before_the_push() {
    let server = Server::up();
    let docker = Docker::start("leak");
    let registry = Registry::start();
    let value = canary();
    server.run(&["kv", "put", "secret/TOKEN", &format!("value={value}")]);
    let argument = format!("X={value}");
    let secret = "/run/secrets/TOKEN";
    for (number, (dockerfile, more, place)) in [
        (
            step(&docker, &format!("cat {secret} > /copy")),
            None,
            "copy",
        ),
        (
            step(&docker, &format!("busybox base64 {secret} > /b")),
            None,
            "base64",
        ),
        (
            step(
                &docker,
                &format!("(echo -n x; cat {secret}) | busybox base64 > /b"),
            ),
            None,
            "base64",
        ),
        (
            step(
                &docker,
                &format!("busybox od -An -tx1 {secret} | busybox tr -d ' \\n' > /h"),
            ),
            None,
            "hex",
        ),
        (
            step(&docker, &format!("busybox gzip -c {secret} > /z")),
            None,
            "raw",
        ),
        (
            step(
                &docker,
                &format!("busybox tar -cf - {secret} | busybox gzip > /t.tar.gz"),
            ),
            None,
            "t.tar.gz",
        ),
        // Removed by a later step, and still in its layer.
        (
            step(&docker, &format!("cat {secret} > /copy")) + "RUN busybox rm /copy\n",
            None,
            "copy",
        ),
        (
            format!("FROM {IMAGE}\nARG X\nLABEL x=$X\n{}", mount(&docker)),
            Some(&argument),
            "config",
        ),
        (
            format!("FROM {IMAGE}\nARG X\nENV Y=$X\n{}", mount(&docker)),
            Some(&argument),
            "config",
        ),
        (
            format!("FROM {IMAGE}\nARG X\nRUN touch /x\n{}", mount(&docker)),
            Some(&argument),
            "config",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let project = Project::new(&server, &dockerfile);
        let name = registry.name(&format!("leak{number}"));
        let output = format!("type=image,name={name},push=true");
        let mut command = vec![
            client(),
            "build",
            "--progress=plain",
            "--no-cache",
            "--output",
            &output,
        ];
        if let Some(argument) = more {
            command.extend(["--build-arg", argument]);
        }
        command.push(".");
        let refused = project.build(&server, &[], &command);
        let said = shown(&refused);
        assert_eq!(refused.status.code(), Some(3), "{dockerfile}\n{said}");
        assert!(
            said.contains("the image holds what it was lent, and was removed"),
            "{said}"
        );
        assert!(
            said.contains("secret/TOKEN@1#value: ") && said.contains(place),
            "{said}"
        );
        assert!(!said.contains(&value), "the value itself is not printed");
        assert!(!docker.output(&["image", "inspect", &name]).status.success());
        let id = said.split("writing image ").nth(1).unwrap();
        let id = id.split(' ').next().unwrap();
        let left = docker.output(&["image", "inspect", id]);
        assert!(!left.status.success(), "the image is left: {id}");
    }
    assert_eq!(
        registry.images(),
        Vec::<String>::new(),
        "nothing was pushed"
    );
}

/// A mount that does nothing with the secret.
fn mount(docker: &Docker) -> String {
    let mark = docker.name("mount");
    format!(
        "RUN --mount=type=secret,id=TOKEN,required=true : {mark} && wc -c < /run/secrets/TOKEN > /size\n"
    )
}

#[test]
fn a_clean_image_is_named_pushed_and_put_on_record() {
    let server = Server::up();
    let docker = Docker::start("push");
    let registry = Registry::start();
    let value = canary();
    server.run(&["kv", "put", "secret/TOKEN", &format!("value={value}")]);
    let dockerfile = format!(
        "FROM {IMAGE}\nARG COFFERDAM_SECRETS_ID\n\
         RUN --mount=type=secret,id=TOKEN,required=true wc -c < /run/secrets/TOKEN > /size\n"
    );
    let project = Project::new(&server, &dockerfile);
    let (first, second) = (registry.name("clean:1"), registry.name("clean:2"));
    let output = format!("type=image,name={first},push=true");
    let file = project.path().join("statements");
    let said = project.built(
        &server,
        &["-strict", "-record", file.to_str().unwrap()],
        &[
            client(),
            "build",
            "--output",
            &output,
            "-t",
            &second,
            // The cache goes along.
            "--build-arg",
            "BUILDKIT_INLINE_CACHE=1",
            ".",
        ],
    );
    assert!(said.contains("record: sys/records/build/"), "{said}");
    assert!(said.contains("record: sys/records/push/"), "{said}");
    assert_eq!(registry.images(), ["clean"]);

    // What another host gets: both names, and neither the value nor a hash of it.
    let sum = Command::new("sh")
        .args([
            "-c",
            &format!("printf %s {value} | sha256sum | cut -c 1-64"),
        ])
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let mut needles = Needles::new();
    for text in [value.as_str(), sum.trim()] {
        let label = Label::new("x", None, "x");
        needles
            .add(label, &text.to_owned().into_bytes().into())
            .unwrap();
    }
    let matcher = Matcher::new(needles);
    let mut finder = Finder::new(&matcher, Limits::default());
    finder.directory(&registry.data());
    let looked = finder.take();
    assert!(
        looked.bytes > 100_000 && looked.exposed.is_empty(),
        "{looked:?}"
    );
    docker.run(&["rmi", &first, &second]);
    docker.run(&["pull", &second]);
    let digest = docker.run(&[
        "image",
        "inspect",
        "--format",
        "{{index .RepoDigests 0}}",
        &second,
    ]);
    let statements = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> = statements
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let pushed = lines[1]["subject"][0]["digest"]["sha256"].as_str().unwrap();
    assert!(digest.ends_with(pushed), "{digest} {pushed}");
    docker.run(&["rmi", &second]);
}

#[test]
fn an_old_image_keeps_its_name_when_the_new_one_leaks() {
    let server = Server::up();
    let docker = Docker::start("old");
    server.run(&["kv", "put", "secret/TOKEN", &format!("value={}", canary())]);
    let image = docker.name("image");
    let id = || docker.run(&["image", "inspect", "--format", "{{.Id}}", &image]);
    let command = [client(), "build", "--no-cache", "-t", &image, "."];
    Project::new(&server, &format!("FROM {IMAGE}\n{}", mount(&docker))).built(
        &server,
        &[],
        &command,
    );
    let good = id();
    let leaking = Project::new(&server, &step(&docker, "cat /run/secrets/TOKEN > /copy"));
    let refused = leaking.build(&server, &["-keep"], &command);
    assert_eq!(refused.status.code(), Some(3), "{}", shown(&refused));
    assert_eq!(id(), good);
    let said = shown(&refused);
    let kept = said.split("got no name: ").nth(1).unwrap();
    let kept = kept.lines().next().unwrap();
    docker.run(&["image", "inspect", kept]);
    docker.run(&["rmi", kept]);

    let named = leaking.build(&server, &["-dangerous-without-search"], &command);
    assert!(named.status.success(), "{}", shown(&named));
    assert_ne!(id(), good, "whoever asks for it gets it");
}

#[test]
fn files_that_a_build_gives_are_searched_as_well() {
    let server = Server::up();
    let docker = Docker::start("files");
    server.run(&["kv", "put", "secret/TOKEN", &format!("value={}", canary())]);
    let project = Project::new(&server, &step(&docker, "cat /run/secrets/TOKEN > /copy"));
    let tar = project.path().join("out.tar");
    let output = format!("type=tar,dest={}", tar.display());
    let refused = project.build(
        &server,
        &[],
        &[client(), "build", "--no-cache", "--output", &output, "."],
    );
    let said = shown(&refused);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(
        said.contains("the files are still there") && said.contains("copy"),
        "{said}"
    );
}

#[test]
fn an_old_value_in_a_cached_layer_is_found_as_well() {
    let server = Server::up();
    let docker = Docker::start("stale");
    let mark = docker.name("mark");
    // A step of this test's own, which no new version reruns.
    let project = Project::new(
        &server,
        &step(&docker, &format!("cat /run/secrets/TOKEN > /{mark}")),
    );
    for version in 1..=2 {
        server.run(&["kv", "put", "secret/TOKEN", &format!("value={}", canary())]);
        let refused = project.build(&server, &[], &[client(), "build", "--progress=plain", "."]);
        let said = shown(&refused);
        assert_eq!(refused.status.code(), Some(3), "{said}");
        let run = said
            .lines()
            .find(|line| line.contains("[2/2] RUN"))
            .unwrap();
        let number = run.split(' ').next().unwrap();
        let cached = said.contains(&format!("{number} CACHED"));
        assert_eq!(cached, version == 2, "{said}");
        assert!(said.contains("secret/TOKEN@1#value: layer "), "{said}");
    }
}
