//! What buildx and bake are told, by a client that writes down every call. No BuildKit component is
//! in Debian 12; what these words do is Docker's to say, that they are these is ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::build::Project;
use flows::server::shown;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A client that only writes down how it was called, and reads the secret as docker's would.
struct Client {
    program: PathBuf,
    directory: PathBuf,
}

impl Client {
    /// Its image holds this text in its one layer.
    fn new(directory: &Path, content: &str) -> Self {
        let image = directory.join("image");
        std::fs::create_dir_all(image.join("layer")).unwrap();
        std::fs::write(image.join("layer/app"), content).unwrap();
        std::fs::write(image.join(format!("{ID}.json")), "{\"config\":{}}").unwrap();
        let manifest = format!("[{{\"Config\":\"{ID}.json\",\"Layers\":[\"layer.tar\"]}}]");
        std::fs::write(image.join("manifest.json"), manifest).unwrap();
        let pack = "tar -C layer -cf layer.tar app && \
                    tar -cf ../image.tar layer.tar manifest.json *.json";
        let packed = Command::new("sh")
            .args(["-c", pack])
            .current_dir(&image)
            .status();
        assert!(packed.unwrap().success());
        let script = format!(
            "#!/bin/sh\n\
             cd {directory}\n\
             echo \"$*\" >> calls\n\
             for word; do case $last in\n\
               --iidfile) echo sha256:{ID} > $word;;\n\
               --secret) cat ${{word#*src=}} >> seen;;\n\
             esac; last=$word; done\n\
             case \"$*\" in\n\
               *\"bake --print\"*) cat plan.json;;\n\
               *save*) cat image.tar;;\n\
               *inspect*) echo r/app@sha256:{ID};;\n\
             esac\n",
            directory = directory.display()
        );
        let program = directory.join("docker");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Self {
            program,
            directory: directory.to_owned(),
        }
    }

    fn program(&self) -> &str {
        self.program.to_str().unwrap()
    }

    /// The calls, with what differs from run to run left out.
    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.join("calls")).unwrap();
        let changing = |word: &str| match word {
            word if word.starts_with("/proc/self/fd/") => "FD".to_owned(),
            word if word.starts_with("id=") => word.split("/fd/").next().unwrap().to_owned(),
            word if word.starts_with("/run/") || word.starts_with("/dev/shm/") => "FILE".to_owned(),
            word if word.starts_with("COFFERDAM_") => word.split('=').next().unwrap().to_owned(),
            word => word.to_owned(),
        };
        let line = |line: &str| {
            let words: Vec<_> = line.split(' ').map(changing).collect();
            words.join(" ")
        };
        text.lines().map(line).collect()
    }
}

const DOCKERFILE: &str = "FROM x\nARG COFFERDAM_SECRETS_ID\n\
    RUN --mount=type=secret,id=TOKEN,required=true true\n";
const ADDED: &str = "--secret id=TOKEN,src=/proc/self --build-arg COFFERDAM_SECRETS_ID";

#[test]
fn buildx_builds_and_pushes_in_two_steps_with_the_search_between() {
    let server = Server::up();
    server.run(&["kv", "put", "secret/TOKEN", "value=one-value-of-a-token"]);
    let project = Project::new(&server, DOCKERFILE);
    let client = Client::new(server.directory().path(), "nothing of interest");
    let program = client.program();
    let command = [
        program,
        "--context",
        "c",
        "buildx",
        "--builder",
        "b",
        "build",
        "--push",
        "-t",
        "r/app:1",
        "--cache-to",
        "type=registry,ref=r/cache",
        ".",
    ];
    let said = project.built(&server, &["-strict"], &command);
    assert!(said.contains("record: sys/records/push/"), "{said}");
    let build = format!("--context c buildx --builder b build {ADDED} --iidfile FILE --load");
    assert_eq!(
        client.calls(),
        [
            format!("{build} ."),
            format!("--context c save sha256:{ID}"),
            format!("--context c tag sha256:{ID} r/app:1"),
            format!("{build} --cache-to type=registry,ref=r/cache ."),
            "--context c push r/app:1".to_owned(),
            format!(
                "--context c image inspect --format {{{{range .RepoDigests}}}}{{{{println .}}}}{{{{end}}}} sha256:{ID}"
            ),
        ]
    );
    let seen = std::fs::read_to_string(server.directory().path().join("seen")).unwrap();
    assert_eq!(
        seen,
        "one-value-of-a-token".repeat(2),
        "both runs could read it"
    );
}

#[test]
fn nothing_is_tagged_exported_or_pushed_when_the_search_finds_something_or_fails() {
    let server = Server::up();
    server.run(&["kv", "put", "secret/TOKEN", "value=one-value-of-a-token"]);
    let project = Project::new(&server, DOCKERFILE);
    let client = Client::new(server.directory().path(), "x=one-value-of-a-token");
    let command = [
        client.program(),
        "buildx",
        "build",
        "--push",
        "-t",
        "r/app:1",
        "--cache-to",
        "type=inline",
        ".",
    ];
    let found = project.build(&server, &[], &command);
    assert_eq!(found.status.code(), Some(3), "{}", shown(&found));
    let build = format!("buildx build {ADDED} --iidfile FILE --load .");
    let expected = [
        build,
        format!("save sha256:{ID}"),
        format!("rmi sha256:{ID}"),
    ];
    assert_eq!(client.calls(), expected);

    // An engine that gives nothing, or half of it, is no clean image.
    for content in ["", "half"] {
        let directory = server.directory().path();
        std::fs::remove_file(directory.join("calls")).unwrap();
        let whole = std::fs::read(directory.join("image.tar")).unwrap();
        let part = if content.is_empty() { 0 } else { 700 };
        std::fs::write(directory.join("image.tar"), &whole[..part.min(whole.len())]).unwrap();
        let failed = project.build(&server, &[], &command);
        assert_eq!(
            failed.status.code(),
            Some(1),
            "{content}: {}",
            shown(&failed)
        );
        assert!(shown(&failed).contains("the image cannot be searched, and gets no name"));
        assert_eq!(client.calls().len(), 2, "{:?}", client.calls());
        std::fs::write(directory.join("image.tar"), whole).unwrap();
    }
}

#[test]
fn bake_builds_each_target_and_pushes_after_all_were_searched() {
    let server = Server::up();
    server.run(&["kv", "put", "secret/TOKEN", "value=one-value-of-a-token"]);
    let project = Project::new(&server, DOCKERFILE);
    let client = Client::new(server.directory().path(), "nothing of interest");
    let context = project.path().display();
    let plan = format!(
        "{{\"target\":{{\"one\":{{\"context\":\"{context}\",\"dockerfile\":\"Dockerfile\",\"tags\":[\"r/one\"],\"output\":[\"type=registry\"]}},\
         \"two\":{{\"context\":\"{context}\",\"tags\":[\"r/two\"],\"output\":[{{\"type\":\"docker\"}}]}}}}}}"
    );
    std::fs::write(server.directory().path().join("plan.json"), plan).unwrap();
    project.built(
        &server,
        &[],
        &[client.program(), "buildx", "bake", "--push", "one", "two"],
    );
    let calls = client.calls();
    let build = |rest: &str| format!("buildx build {ADDED} --iidfile FILE --load {rest}{context}");
    let file = format!("--file {context}/Dockerfile ");
    let expected = [
        "buildx bake --print --push one two".to_owned(),
        build(&file),
        build(""),
        format!("save sha256:{ID}"),
        format!("save sha256:{ID}"),
        format!("tag sha256:{ID} r/one"),
        "push r/one".to_owned(),
    ];
    assert_eq!(calls[..7], expected);
    assert_eq!(calls[8], format!("tag sha256:{ID} r/two"));
    assert_eq!(calls.len(), 9, "the second was not to be pushed: {calls:?}");
}
