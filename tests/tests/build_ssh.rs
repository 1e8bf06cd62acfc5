//! A key from the store signs in during a build, and is on no disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::build::Project;
use flows::canary::files_with;
use flows::docker::{Docker, IMAGE, client};
use flows::server::shown;
use std::path::Path;
use std::process::Command;

/// Copies a program with everything it needs to run.
fn copy_program(program: &str, root: &Path) {
    let needed = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&needed.stdout).into_owned();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let to = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
}

#[test]
fn a_step_signs_with_a_key_that_is_no_file() {
    let server = Server::up();
    let docker = Docker::start("ssh");
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = directory.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "of-a-test", "-f"])
        .arg(&file)
        .status();
    assert!(made.expect("apt-get install openssh-client").success());
    server.run(&[
        "kv",
        "put",
        "secret/deploy",
        &format!("value=@{}", file.display()),
    ]);
    let private = std::fs::read_to_string(&file).unwrap();
    let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    std::fs::remove_file(&file).unwrap();
    // The last line but one holds the secret half.
    let line = private.lines().rev().nth(2).unwrap();

    let dockerfile = format!(
        "FROM {IMAGE}\nCOPY root/ /\n\
         RUN --mount=type=ssh,required=true ssh-add -L > /keys && touch /message && \\\n\
         ssh-keygen -q -Y sign -n file -f /keys /message\n\
         CMD [\"cat\", \"/keys\", \"/message.sig\"]\n"
    );
    let project = Project::new(&server, &dockerfile);
    for program in ["/usr/bin/ssh-add", "/usr/bin/ssh-keygen"] {
        copy_program(program, &project.path().join("root"));
    }
    // OpenSSH looks up who it is.
    std::fs::create_dir_all(project.path().join("root/etc")).unwrap();
    std::fs::write(
        project.path().join("root/etc/passwd"),
        "root:x:0:0:root:/:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(
        project.path().join("root/etc/nsswitch.conf"),
        "passwd: files\n",
    )
    .unwrap();

    let image = docker.name("image");
    let command = [
        client(),
        "build",
        "--progress=plain",
        "--no-cache",
        "-t",
        &image,
        ".",
    ];
    let said = project.built(&server, &["-ssh", "default=secret/deploy"], &command);
    assert!(said.contains("record: sys/records/build/"), "{said}");
    let held = docker.run(&["run", "--rm", &image]);
    assert!(held.starts_with(public.trim()), "{held}");
    assert!(held.contains("BEGIN SSH SIGNATURE"), "{held}");
    for place in [
        "/var/lib/docker",
        "/run/docker",
        server.directory().path().to_str().unwrap(),
    ] {
        let found = files_with(Path::new(place), line);
        assert!(found.is_empty(), "{found:?}");
    }
    let left = std::fs::read_dir("/run/cofferdam-run")
        .into_iter()
        .flatten()
        .count();
    assert_eq!(left, 0, "no socket is left");

    // A step that writes the key out is not possible; one that is lent it as a secret is caught.
    let leaking =
        format!("FROM {IMAGE}\nRUN --mount=type=secret,id=deploy cat /run/secrets/deploy > /key\n");
    let project = Project::new(&server, &leaking);
    let refused = project.build(&server, &[], &[client(), "build", "."]);
    assert_eq!(refused.status.code(), Some(3), "{}", shown(&refused));
}

#[test]
fn a_value_that_is_no_key_is_refused_before_the_build() {
    let server = Server::up();
    let _docker = Docker::start("nokey");
    server.run(&["kv", "put", "secret/nokey", "value=not-a-key-at-all"]);
    let project = Project::new(
        &server,
        &format!("FROM {IMAGE}\nRUN --mount=type=ssh touch /x\n"),
    );
    let command = [client(), "build", "."];
    let refused = project.build(&server, &["-ssh", "default=secret/nokey"], &command);
    let said = shown(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("default: not a private key in OpenSSH's format"),
        "{said}"
    );
    assert!(
        said.contains("hint: ") && !said.contains("not-a-key-at-all"),
        "{said}"
    );
    assert!(!said.contains("load build definition"), "the build began");
}
