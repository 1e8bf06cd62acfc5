//! A secret's mount whose target leads elsewhere, beside other stages and inside a cache: nothing is
//! read or written outside of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::build::Project;
use flows::canary::canary;
use flows::docker::{Docker, IMAGE, client};
use sha2::{Digest as _, Sha256};

/// As `sha256sum` prints it; an image may hold that, and not the value.
fn sum(value: &str) -> String {
    hex::encode(Sha256::digest(value))
}

#[test]
fn a_mount_in_a_link_in_parallel_or_in_a_cache_stays_a_mount() {
    let server = Server::up();
    let docker = Docker::start("mounts");
    let (one, two, three) = (canary(), canary(), canary());
    for (name, value) in [("ONE", &one), ("TWO", &two), ("THREE", &three)] {
        server.run(&[
            "kv",
            "put",
            &format!("secret/{name}"),
            &format!("value={value}"),
        ]);
    }
    // A file of the host; the link in the image has its path.
    let host = server.directory().path().join("victim");
    let of_host = canary();
    std::fs::write(&host, &of_host).unwrap();
    let (host_path, mark) = (host.display(), docker.name("step"));
    // In /out: what the step saw through the mount, and what its place holds without it.
    let dockerfile = format!(
        "FROM {IMAGE} AS base\n\
         RUN : {mark} && busybox mkdir /out && echo before > /victim \
           && busybox ln -s {host_path} /outside && busybox ln -s /victim /inside\n\
         FROM base AS one\n\
         RUN --mount=type=secret,id=ONE,required=true,target=/outside \
           sha256sum /outside > /out/one\n\
         RUN (cat /outside || echo nothing) > /out/outside\n\
         FROM base AS two\n\
         RUN --mount=type=secret,id=TWO,required=true,target=/inside \
           sha256sum /inside > /out/two\n\
         RUN cat /victim > /out/victim\n\
         FROM base AS three\n\
         RUN --mount=type=cache,id={mark},target=/cache \
           --mount=type=secret,id=THREE,required=true,target=/cache/THREE \
           sha256sum /cache/THREE > /out/three && busybox ln -s /victim /cache/link\n\
         RUN --mount=type=cache,id={mark},target=/cache \
           (wc -c < /cache/THREE || echo 0) > /out/cached && cat /cache/link > /out/link\n\
         FROM {IMAGE}\n\
         COPY --from=one /out /out/\n\
         COPY --from=two /out /out/\n\
         COPY --from=three /out /out/\n"
    );
    let project = Project::new(&server, &dockerfile);
    let tag = docker.name("image");
    let build = [
        client(),
        "build",
        "--progress=plain",
        "--no-cache",
        "-t",
        &tag,
        ".",
    ];
    let said = project.built(&server, &[], &build);
    for value in [&one, &two, &three, &of_host] {
        assert!(!said.contains(value.as_str()), "{said}");
    }
    let out = |name: &str| {
        let file = format!("/out/{name}");
        docker.run(&["run", "--rm", "--network=none", &tag, "cat", &file])
    };
    for (name, value) in [("one", &one), ("two", &two), ("three", &three)] {
        assert!(out(name).starts_with(&sum(value)), "{name}: {}", out(name));
    }
    assert_eq!(
        out("victim"),
        "before",
        "what the link leads to is as it was"
    );
    assert_eq!(out("link"), "before");
    assert_eq!(
        out("cached").trim(),
        "0",
        "the cache has the place, not the value"
    );
    let outside = out("outside");
    assert!(
        ["", "nothing"].contains(&outside.trim()),
        "a place of the image or none, not the host's file: {outside}"
    );
    assert_eq!(std::fs::read_to_string(&host).unwrap(), of_host);
}
