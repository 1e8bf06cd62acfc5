//! The leak matrix, made anew: every way of giving a secret to a container, right and wrong, against
//! every place where it may lie. One code looks for all of them, in every form the matcher knows: it
//! has to find what is known to be found for the wrong ways, or its silence about ours says nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test stops where something is not as it should be"
)]

mod disk;
mod matrix;
mod places;
mod ways;

use matrix::Matrix;
use ways::Site;

/// Where a value may lie when it is delivered rightly, by way and place; everything else is a leak.
const ALLOWED: &[(&str, &str)] = &[
    // The delivery itself.
    ("volume", "tmpfs on the host"),
    ("swarm driver", "tmpfs on the host"),
    ("compose", "tmpfs on the host"),
    ("shim", "tmpfs on the host"),
    // What a variable is: the shim makes one for programs that read nothing else.
    ("shim", "environ in the container"),
    ("shim", "environ on the host"),
];

/// What is known of the wrong ways, measured on this engine: the search has to see each of them.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "run -e",
        &[
            "client argv",
            "container inspect",
            "exec env",
            "environ in the container",
            "environ on the host",
            "commit and save",
            "disk: containers",
            "disk: containerd",
            "OCI bundle",
        ],
    ),
    (
        "run --env-file",
        &[
            "container inspect",
            "exec env",
            "environ in the container",
            "environ on the host",
            "commit and save",
            "disk: containers",
            "disk: containerd",
            "OCI bundle",
        ],
    ),
    (
        "service -e",
        &[
            "client argv",
            "container inspect",
            "task inspect",
            "service inspect",
            "exec env",
            "environ in the container",
            "environ on the host",
            "commit and save",
            "disk: containers",
            "disk: containerd",
            "disk: swarm",
            "OCI bundle",
        ],
    ),
    (
        "Dockerfile ENV",
        &[
            "image inspect",
            "image history",
            "image config",
            "disk: image",
            "disk: overlay2",
        ],
    ),
    (
        "build-arg, classic",
        &[
            "client argv",
            "image inspect",
            "image history",
            "image config",
            "disk: image",
        ],
    ),
    (
        "build-arg, BuildKit",
        &[
            "client argv",
            "image history",
            "image config",
            "disk: image",
        ],
    ),
    ("COPY and rm", &["image layers", "disk: overlay2"]),
    (
        "run --label",
        &[
            "client argv",
            "container inspect",
            "events",
            "commit and save",
            "disk: containers",
        ],
    ),
    (
        "run argument",
        &[
            "client argv",
            "container inspect",
            "top",
            "arguments on the host",
            "commit and save",
            "disk: containers",
            "disk: containerd",
            "OCI bundle",
        ],
    ),
    (
        "create, cp, start",
        &["export", "commit and save", "disk: overlay2"],
    ),
    ("docker config", &["config inspect", "tmpfs on the host"]),
];

#[test]
fn ours_lie_nowhere_but_in_their_tmpfs_and_the_wrong_ways_are_seen_everywhere() {
    let site = Site::new();
    let matrix = Matrix::look(&site);
    // The figures of record; CI shows them.
    println!("{matrix}");
    let mut wrong = Vec::new();
    for (way, places) in KNOWN {
        for place in *places {
            if !matrix.found(way, place) {
                wrong.push(format!(
                    "blind: {way} lies in {place}, and the search does not see it"
                ));
            }
        }
    }
    for way in site.ways.iter().filter(|way| way.ours) {
        for place in matrix.places_of(way.name) {
            if !ALLOWED.contains(&(way.name, place)) {
                let at = matrix.locations(way.name, place);
                wrong.push(format!("LEAK: {} lies in {place}: {at:?}", way.name));
            }
        }
        // A value that arrived nowhere leaks nowhere: that proves nothing.
        assert!(way.arrived, "{} did not arrive", way.name);
    }
    assert!(wrong.is_empty(), "{}\n{matrix}", wrong.join("\n"));
}
