//! Builders beside docker: podman and buildah leave nothing on the disk, Compose builds what its
//! file describes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::build::Project;
use flows::canary::{canary, files_with};
use flows::docker::{Docker, IMAGE};
use flows::server::shown;

/// Runs from nothing: these builders know no image of docker's.
const DOCKERFILE: &str = "FROM scratch\n\
    COPY busybox /bin/busybox\n\
    ARG COFFERDAM_SECRET_ID_TOKEN\n\
    RUN --mount=type=secret,id=TOKEN,required=true [\"/bin/busybox\", \"sh\", \"-c\", \"busybox grep '/run/secrets/TOKEN tmpfs' /proc/mounts > /mount && busybox sha256sum /run/secrets/TOKEN > /sum\"]\n";
const LEAKING: &str = "FROM scratch\n\
    COPY busybox /bin/busybox\n\
    RUN --mount=type=secret,id=TOKEN,required=true [\"/bin/busybox\", \"sh\", \"-c\", \"busybox gzip -c /run/secrets/TOKEN > /z\"]\n";

fn busybox(project: &Project) {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    let busybox = busybox.expect("a static busybox: apt-get install busybox-static");
    std::fs::copy(busybox, project.path().join("busybox")).unwrap();
}

fn builds_without_a_trace(builder: &str) {
    let server = Server::up();
    let value = canary();
    server.run(&["kv", "put", "secret/TOKEN", &format!("value={value}")]);
    let storage = tempfile::tempdir_in("/var/tmp").unwrap();
    let root = storage.path().join("root");
    let (root, run) = (root.to_str().unwrap(), storage.path().join("run"));
    let base = [
        builder,
        "--root",
        root,
        "--runroot",
        run.to_str().unwrap(),
        "--storage-driver",
        "vfs",
    ];
    let command = [
        &base[..],
        &["build", "--isolation", "chroot", "-t", "shop:1", "."],
    ]
    .concat();
    let project = Project::new(&server, DOCKERFILE);
    busybox(&project);
    let said = project.built(&server, &["-strict"], &command);
    // The step itself found its secret on a tmpfs, or it had failed.
    assert!(said.contains("record: sys/records/build/"), "{said}");
    assert!(files_with(storage.path(), &value).is_empty());
    let images = std::process::Command::new(base[0])
        .args(&base[1..])
        .arg("images")
        .output()
        .unwrap();
    assert!(
        shown(&images).contains("localhost/shop"),
        "{}",
        shown(&images)
    );

    let project = Project::new(&server, LEAKING);
    let leaking = [
        &base[..],
        &["build", "--isolation", "chroot", "-t", "leak:1", "."],
    ]
    .concat();
    let refused = project.build(&server, &[], &leaking);
    assert_eq!(refused.status.code(), Some(3), "{}", shown(&refused));
    assert!(shown(&refused).contains("layer "), "{}", shown(&refused));
    let images = std::process::Command::new(base[0])
        .args(&base[1..])
        .arg("images")
        .output()
        .unwrap();
    assert!(
        !shown(&images).contains("localhost/leak"),
        "{}",
        shown(&images)
    );
}

#[test]
fn podman_builds_without_a_trace_on_the_disk() {
    builds_without_a_trace("podman");
}

#[test]
fn buildah_builds_without_a_trace_on_the_disk() {
    builds_without_a_trace("buildah");
}

#[test]
fn compose_builds_each_service_with_its_own_secrets() {
    let server = Server::up();
    let docker = Docker::start("compose");
    let (web, api) = (docker.name("web"), docker.name("api"));
    server.run(&["kv", "put", "secret/shop/WEB", "value=value-of-web-itself"]);
    server.run(&["kv", "put", "secret/shop/API", "value=value-of-api-itself"]);
    let dockerfile = |id: &str| {
        format!(
            "FROM {IMAGE}\nARG WHO\nARG COFFERDAM_SECRETS_ID\n\
         RUN --mount=type=secret,id={id},required=true echo $WHO > /who && ls /run/secrets > /seen\n\
         CMD [\"cat\", \"/who\", \"/seen\"]\n"
        )
    };
    let project = Project::new(&server, &dockerfile("WEB"));
    std::fs::write(project.path().join("Api.Dockerfile"), dockerfile("API")).unwrap();
    let file = format!(
        "version: '3.8'\nservices:\n\
         \x20 web:\n    image: {web}\n    build: {{context: ., args: {{WHO: \"web\"}}}}\n\
         \x20 api:\n    image: {api}\n    build:\n      context: .\n      dockerfile: Api.Dockerfile\n      args: [\"WHO=api\"]\n\
         \x20 db:\n    image: {IMAGE}\n"
    );
    std::fs::write(project.path().join("docker-compose.yml"), file).unwrap();
    let flags = ["-app", "shop", "-strict"];
    project.built(&server, &flags, &["docker-compose", "build"]);
    assert_eq!(docker.run(&["run", "--rm", &web]), "web\nWEB");
    assert_eq!(docker.run(&["run", "--rm", &api]), "api\nAPI");

    docker.run(&["rmi", &web, &api]);
    project.built(
        &server,
        &flags,
        &["docker-compose", "build", "--no-cache", "api"],
    );
    assert!(!docker.output(&["image", "inspect", &web]).status.success());
    docker.run(&["image", "inspect", &api]);
}
