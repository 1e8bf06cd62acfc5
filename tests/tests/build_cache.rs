//! A new version of a build secret reruns the steps that use it, and no others; and every build is
//! on record.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::build::Project;
use flows::docker::{Docker, IMAGE, client};
use serde_json::Value;

const UUID: &str = "cat /proc/sys/kernel/random/uuid";

/// Which of the steps ran: each leaves a number that only a real run makes.
fn marks(docker: &Docker, image: &str) -> Vec<String> {
    let said = docker.run(&["run", "--rm", image]);
    said.lines().map(str::to_owned).collect()
}

#[test]
fn a_new_version_reruns_exactly_the_steps_that_use_it() {
    let server = Server::up();
    let docker = Docker::start("cache");
    let dockerfile = format!(
        "FROM {IMAGE} AS one\n\
         RUN {UUID} > /base\n\
         ARG COFFERDAM_SECRET_ID_TOKEN\n\
         RUN --mount=type=secret,id=TOKEN,required=true {UUID} > /token && sha256sum < /run/secrets/TOKEN > /sum\n\
         FROM {IMAGE} AS two\n\
         ARG COFFERDAM_SECRET_ID_OTHER\n\
         RUN --mount=type=secret,id=OTHER,required=true {UUID} > /other\n\
         FROM {IMAGE} AS three\n\
         ARG COFFERDAM_SECRETS_ID\n\
         RUN {UUID} > /any\n\
         FROM {IMAGE}\n\
         COPY --from=one /base /token /sum /\n\
         COPY --from=two /other /\n\
         COPY --from=three /any /\n\
         CMD [\"cat\", \"/base\", \"/token\", \"/other\", \"/any\", \"/sum\"]\n"
    );
    let project = Project::new(&server, &dockerfile);
    let image = docker.name("image");
    let build = || {
        let command = [client(), "build", "--progress=plain", "-t", &image, "."];
        project.built(&server, &["-app", "shop", "-strict"], &command);
        marks(&docker, &image)
    };
    server.run(&["kv", "put", "secret/shop/TOKEN", "value=first-value-of-it"]);
    server.run(&["kv", "put", "secret/shop/OTHER", "value=another-value-here"]);
    let first = build();
    assert_eq!(first.len(), 5);
    assert_eq!(build(), first, "the same versions: all from the cache");

    server.run(&["kv", "put", "secret/shop/TOKEN", "value=second-value-of-it"]);
    let second = build();
    assert_eq!(second[0], first[0], "before the argument nothing reruns");
    assert_ne!(second[1], first[1], "the step that uses it reruns");
    assert_eq!(second[2], first[2], "a step that uses another does not");
    assert_ne!(second[3], first[3], "what depends on all of them reruns");
    assert_ne!(second[4], first[4], "and saw the new value");
    assert_eq!(build(), second);

    // Neither value, path nor version can be read from what the image says of its making; without
    // the key nobody can test a guess of them.
    let history = docker.run(&["history", "--no-trunc", &image]);
    let inspect = docker.run(&["image", "inspect", &image]);
    for text in ["secret/shop", "first-value", "second-value"] {
        assert!(!history.contains(text) && !inspect.contains(text), "{text}");
    }
}

#[test]
fn what_was_lent_is_on_record_and_in_a_statement() {
    let server = Server::up();
    let docker = Docker::start("record");
    server.run(&["kv", "put", "secret/shop/TOKEN", "value=first-value-of-it"]);
    server.run(&["kv", "put", "secret/shop/TOKEN", "value=second-value-of-it"]);
    let dockerfile = format!(
        "FROM {IMAGE}\nRUN --mount=type=secret,id=TOKEN,required=true sha256sum < /run/secrets/TOKEN > /sum\n"
    );
    let project = Project::new(&server, &dockerfile);
    let image = docker.name("image:1");
    let statement = project.path().join("statement.json");
    let flags = ["-app", "shop", "-record", statement.to_str().unwrap()];
    let id_file = project.path().join("id");
    let command = [
        client(),
        "build",
        "-t",
        &image,
        "--iidfile",
        id_file.to_str().unwrap(),
        ".",
    ];
    let said = project.built(&server, &flags, &command);
    assert!(
        said.contains("a new version of TOKEN does not rerun this step"),
        "{said}"
    );
    assert!(
        said.contains("hint: put before it: ARG COFFERDAM_SECRET_ID_TOKEN"),
        "{said}"
    );
    let id = docker.run(&["image", "inspect", "--format", "{{.Id}}", &image]);
    assert_eq!(std::fs::read_to_string(&id_file).unwrap(), id);

    let text = std::fs::read_to_string(&statement).unwrap();
    let made: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(made["_type"], "https://in-toto.io/Statement/v1");
    assert!(
        made["predicateType"]
            .as_str()
            .unwrap()
            .starts_with("https://")
    );
    assert_eq!(made["subject"][0]["name"], image.as_str());
    assert_eq!(
        format!(
            "sha256:{}",
            made["subject"][0]["digest"]["sha256"].as_str().unwrap()
        ),
        id
    );
    let lent = &made["predicate"]["secrets"][0];
    assert_eq!(lent["path"], "secret/shop/TOKEN");
    assert_eq!(lent["version"], 2);
    assert_eq!(made["predicate"]["builder"]["builder"], "docker build");
    assert!(!text.contains("value-of-it"));

    let path = made["predicate"]["record"].as_str().unwrap();
    assert!(said.contains(&format!("record: {path}")), "{said}");
    let kept: Value = serde_json::from_str(&server.run(&["read", "-format=json", path])).unwrap();
    assert_eq!(kept["data"]["subject"], made["subject"]);
    assert_eq!(kept["data"]["secrets"], made["predicate"]["secrets"]);
    assert_eq!(kept["data"]["at"], made["predicate"]["builtAt"]);
    let by_secret = "sys/records/by-secret/secret/shop/TOKEN";
    let found: Value =
        serde_json::from_str(&server.run(&["read", "-format=json", by_secret])).unwrap();
    assert_eq!(found["data"]["records"][0]["version"], 2);
    let again = server
        .command(&["write", path, "subject=x"])
        .output()
        .unwrap();
    assert!(!again.status.success(), "a record is never changed");
}

#[test]
fn what_is_only_pointed_out_otherwise_is_refused_when_strict() {
    let server = Server::up();
    let _docker = Docker::start("strict");
    server.run(&["kv", "put", "secret/TOKEN", "value=first-value-of-it"]);
    for (mount, expected) in [
        ("id=TOKEN", "TOKEN is not required"),
        (
            "id=TOKEN,required=true",
            "a new version of TOKEN does not rerun this step",
        ),
    ] {
        let dockerfile = format!("FROM {IMAGE}\nRUN --mount=type=secret,{mount} touch /x\n");
        let project = Project::new(&server, &dockerfile);
        let refused = project.build(&server, &["-strict"], &[client(), "build", "."]);
        assert_eq!(refused.status.code(), Some(1));
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            words.contains(expected) && words.contains("hint: "),
            "{words}"
        );
    }
}
