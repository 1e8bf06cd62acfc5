//! Sample images and configurations with planted secrets: all are found, each with a place that a person
//! can open; the same without them is clean.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use cofferdam_detect::pattern::{DigestKey, Finding, Scanner, specimen};
use cofferdam_detect::source::{Finder, ImageArchive, Limits, Looked, Patterns, Tree, TreeOptions};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;

/// A token of its own for every place.
fn token(number: u64) -> String {
    specimen("ghp_{base62:36}", number)
}

fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A zip of one stored file (PKWARE APPNOTE 4.3.7).
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut out = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend((content.len() as u32).to_le_bytes());
    out.extend((content.len() as u32).to_le_bytes());
    out.extend((name.len() as u16).to_le_bytes());
    out.extend(0_u16.to_le_bytes());
    out.extend(name.as_bytes());
    out.extend(content);
    out
}

struct Ready {
    scanner: Scanner,
    key: DigestKey,
    matcher: Matcher,
}

impl Ready {
    fn new() -> Self {
        Self {
            scanner: Scanner::new(),
            key: DigestKey::new(&Secret::new(b"planted".to_vec())),
            matcher: Matcher::new(Needles::new()),
        }
    }

    fn finder(&self) -> Finder<'_> {
        Finder::new(&self.matcher, Limits::default())
            .with_patterns(Patterns::new(&self.scanner, &self.key))
    }

    fn tree(&self, root: &Path) -> Looked {
        let tree = Tree {
            matcher: &self.matcher,
            scanner: &self.scanner,
            key: &self.key,
            limits: Limits::default(),
            progress: &AtomicU64::new(0),
        };
        tree.search(root, TreeOptions::default()).unwrap()
    }

    /// Whether this finding is about this token.
    fn is(&self, finding: &Finding, value: &str) -> bool {
        finding.digest == self.key.digest(value.as_bytes())
    }
}

fn all(archive: ImageArchive) -> Vec<Finding> {
    let mut all = Looked::default();
    for image in archive.images {
        all.absorb(image.config);
        all.absorb(image.layers);
    }
    assert!(all.gaps.is_empty(), "{:?}", all.gaps);
    all.findings
}

/// The layers of the sample image. Number of the token, or nothing planted.
fn layers(planted: bool) -> Vec<Vec<u8>> {
    let secret = |number: u64| {
        if planted {
            format!("TOKEN={}\n", token(number))
        } else {
            "TOKEN=${TOKEN}\n".to_owned()
        }
    };
    let first = tar(&[
        ("app/deleted.env", secret(1).into_bytes()),
        ("app/overwritten.env", secret(2).into_bytes()),
        ("app/dir/below.env", secret(3).into_bytes()),
        (
            "srv/in.tar",
            tar(&[("inner.zip", zip("conf/a.txt", secret(4).as_bytes()))]),
        ),
        (
            "srv/app.jar",
            zip("BOOT-INF/application.properties", secret(5).as_bytes()),
        ),
        (
            "srv/data.db",
            [
                b"SQLite format 3\0\x10\0\x01\x01".as_slice(),
                secret(6).as_bytes(),
            ]
            .concat(),
        ),
        ("srv/blob", gzip(secret(7).as_bytes())),
    ]);
    let second = tar(&[
        ("app/.wh.deleted.env", vec![]),
        ("app/overwritten.env", b"TOKEN=\n".to_vec()),
        ("app/.wh.dir", vec![]),
    ]);
    vec![first, second]
}

fn config(planted: bool) -> Vec<u8> {
    let secret = |number: u64| {
        if planted {
            token(number)
        } else {
            "${TOKEN}".to_owned()
        }
    };
    let document = json!({
        "architecture": "amd64",
        "config": {
            "Env": ["PATH=/usr/bin", format!("API_TOKEN={}", secret(10))],
            "Labels": {"org.example.token": secret(11), "org.opencontainers.image.title": "shop"},
            "Cmd": ["server", format!("--token={}", secret(12))],
        },
        "history": [
            {"created_by": format!("ARG BUILD_TOKEN={}", secret(13))},
            {"created_by": format!("RUN |1 BUILD_TOKEN={} /bin/sh -c make # buildkit", secret(13))},
            {"created_by": format!("RUN /bin/sh -c curl -H \"Authorization: token {}\" https://a.example", secret(14))},
        ],
        "rootfs": {"type": "layers"},
    });
    serde_json::to_vec(&document).unwrap()
}

/// Where each token has to be found.
const PLACES: &[(u64, &str)] = &[
    (1, "layer 1 of 2: app/deleted.env:1:7"),
    (2, "layer 1 of 2: app/overwritten.env:1:7"),
    (3, "layer 1 of 2: app/dir/below.env:1:7"),
    (4, "layer 1 of 2: srv/in.tar: inner.zip: conf/a.txt:1:7"),
    (
        5,
        "layer 1 of 2: srv/app.jar: BOOT-INF/application.properties:1:7",
    ),
    (6, "layer 1 of 2: srv/data.db, byte 26"),
    (7, "layer 1 of 2: srv/blob:1:7"),
    (10, "config: /config/Env/1"),
    (11, "config: /config/Labels/org.example.token"),
    (12, "config: /config/Cmd/1"),
    (13, "config: /history/0/created_by"),
    (13, "config: /history/1/created_by"),
    (14, "config: /history/2/created_by"),
];

fn judge(ready: &Ready, kind: &str, findings: &[Finding]) {
    for (number, place) in PLACES {
        let value = token(*number);
        let found = findings
            .iter()
            .any(|finding| ready.is(finding, &value) && finding.place().starts_with(place));
        let places: Vec<String> = findings.iter().map(Finding::place).collect();
        assert!(found, "{kind}: {number} is not at {place}: {places:#?}");
    }
    let note = |number: u64| {
        let value = token(number);
        findings
            .iter()
            .find(|finding| ready.is(finding, &value))
            .unwrap()
            .note
            .clone()
    };
    assert_eq!(note(1).as_deref(), Some("deleted in layer 2"));
    assert_eq!(note(2).as_deref(), Some("overwritten in layer 2"));
    assert_eq!(note(3).as_deref(), Some("deleted in layer 2"));
    assert_eq!(note(5), None);
}

/// `docker save`, the layout before Docker 25.
fn old_layout(planted: bool) -> Vec<u8> {
    let layers = layers(planted);
    let manifest = json!([{"Config": "abc.json", "RepoTags": ["shop:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]);
    tar(&[
        ("1/layer.tar", layers[0].clone()),
        ("1/json", b"{}".to_vec()),
        ("2/layer.tar", layers[1].clone()),
        ("abc.json", config(planted)),
        ("manifest.json", serde_json::to_vec(&manifest).unwrap()),
    ])
}

/// An OCI layout with gzip layers, as pairs of name and content.
fn oci_layout(planted: bool) -> Vec<(&'static str, Vec<u8>)> {
    let layers = layers(planted);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"digest": "sha256:c0"},
        "layers": [{"digest": "sha256:f1"}, {"digest": "sha256:a2"}],
    });
    let index = json!({"schemaVersion": 2, "manifests": [{"digest": "sha256:e0"}, {"digest": "sha256:d0"}]});
    // BuildKit's attestations are one more manifest, whose layers are JSON documents.
    let attested = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"digest": "sha256:c1"},
        "layers": [{"mediaType": "application/vnd.in-toto+json", "digest": "sha256:b0"}],
    });
    let argument = if planted {
        token(15)
    } else {
        "${TOKEN}".to_owned()
    };
    let provenance = json!({
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"invocation": {"parameters": {"args": {"build-arg:NPM_TOKEN": argument}}}},
    });
    vec![
        ("blobs/sha256/d0", serde_json::to_vec(&attested).unwrap()),
        (
            "blobs/sha256/c1",
            b"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}".to_vec(),
        ),
        ("blobs/sha256/b0", serde_json::to_vec(&provenance).unwrap()),
        (
            "oci-layout",
            b"{\"imageLayoutVersion\": \"1.0.0\"}".to_vec(),
        ),
        ("index.json", serde_json::to_vec(&index).unwrap()),
        ("blobs/sha256/e0", serde_json::to_vec(&manifest).unwrap()),
        ("blobs/sha256/c0", config(planted)),
        ("blobs/sha256/f1", gzip(&layers[0])),
        ("blobs/sha256/a2", zstd(&layers[1])),
    ]
}

fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn every_secret_of_an_image_is_found_in_every_layout() {
    let ready = Ready::new();
    for planted in [true, false] {
        let saved = all(ready.finder().image(&mut old_layout(planted).as_slice()));
        let files = oci_layout(planted);
        let oci_tar = all(ready.finder().image(&mut tar(&files).as_slice()));
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in &files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let oci_directory = all(ready.finder().image_directory(directory.path()).unwrap());
        for (kind, findings) in [
            ("docker save", saved),
            ("OCI tar", oci_tar),
            ("OCI directory", oci_directory),
        ] {
            if planted {
                judge(&ready, kind, &findings);
                let attested = findings.iter().any(|finding| {
                    ready.is(finding, &token(15)) && finding.place().contains("/predicate/")
                });
                assert_eq!(attested, kind != "docker save", "{kind}: {findings:#?}");
            } else {
                assert!(findings.is_empty(), "{kind}: {findings:#?}");
            }
        }
    }
}

#[test]
fn every_secret_of_a_project_is_found_and_a_clean_one_is_clean() {
    let ready = Ready::new();
    let password = |number: u64| specimen("q{base62:6}-7x#{base62:4}", number);
    let files = |secret: &dyn Fn(u64) -> String| {
        vec![
            (
                "compose.yaml",
                3,
                format!(
                    "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: \"{}\"\n",
                    secret(1)
                ),
                4,
            ),
            (
                "list.yaml",
                3,
                format!(
                    "services:\n  web:\n    environment:\n      - DB_PASSWORD={}\n",
                    secret(2)
                ),
                4,
            ),
            (
                "command.yaml",
                3,
                format!(
                    "services:\n  web:\n    command: [\"run\", \"--password={}\"]\n",
                    secret(3)
                ),
                3,
            ),
            (
                "url.yaml",
                3,
                format!(
                    "x:\n  DATABASE_URL: postgres://app:{}@db/app\n",
                    secret(4).replace('#', "-")
                ),
                2,
            ),
            (
                "Dockerfile",
                3,
                format!("FROM a\nENV DB_PASSWORD={}\n", secret(5)),
                2,
            ),
            (
                "arg/Dockerfile",
                3,
                format!("FROM a\nARG DB_PASSWORD={}\n", secret(6)),
                2,
            ),
            (
                "space/Dockerfile",
                3,
                format!("FROM a\nENV DB_PASSWORD {}\n", secret(7)),
                2,
            ),
            (
                "copied/.env",
                3,
                format!("A=1\nDB_PASSWORD={}\n", secret(8)),
                2,
            ),
            (
                "k8s/env.yaml",
                3,
                format!("env:\n- name: DB_PASSWORD\n  value: \"{}\"\n", secret(9)),
                3,
            ),
            (
                "k8s/secret.yaml",
                3,
                format!(
                    "kind: Secret\ndata:\n  password: {}\n",
                    specimen(&format!("{{b64:{}}}", secret(10)), 0)
                ),
                3,
            ),
        ]
    };
    let directory = tempfile::tempdir().unwrap();
    let planted = files(&password);
    for (name, _, content, _) in &planted {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let looked = ready.tree(directory.path());
    for (name, _, content, line) in &planted {
        let path = directory.path().join(name).display().to_string();
        let found = looked
            .findings
            .iter()
            .any(|finding| finding.location == path && finding.line == Some(*line));
        assert!(found, "{name}: {content}\n{:#?}", looked.findings);
    }
    assert_eq!(
        looked.findings.len(),
        planted.len(),
        "{:#?}",
        looked.findings
    );
    for (name, _, content, _) in files(&|_| "${FROM_OUTSIDE}".to_owned()) {
        let content = if name.ends_with("secret.yaml") {
            "kind: Secret\ndata: {}\n".to_owned()
        } else {
            content
        };
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    assert!(ready.tree(directory.path()).findings.is_empty());
}

#[test]
fn layers_are_named_by_their_digests_and_foreign_ones_are_gaps() {
    let ready = Ready::new();
    let ids: Vec<String> = (0..3_u8)
        .map(|n| format!("sha256:{}", format!("{n:02x}").repeat(32)))
        .collect();
    let config = json!({"rootfs": {"type": "layers", "diff_ids": ids}});
    let foreign = json!({
        "digest": "sha256:ffff",
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["http://169.254.169.254/layer"],
    });
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"digest": "sha256:c0"},
        "layers": [{"digest": "sha256:a1"}, foreign, {"digest": "sha256:a2"}],
    });
    let layer = tar(&[("etc/app.env", format!("TOKEN={}\n", token(1)).into_bytes())]);
    let last = tar(&[("etc/.wh.app.env", vec![])]);
    let files = [
        ("oci-layout", b"{}".to_vec()),
        ("blobs/sha256/e0", serde_json::to_vec(&manifest).unwrap()),
        ("blobs/sha256/c0", serde_json::to_vec(&config).unwrap()),
        ("blobs/sha256/a1", gzip(&layer)),
        ("blobs/sha256/a2", zstd(&last)),
    ];
    let archive = ready.finder().image(&mut tar(&files).as_slice());
    let look = &archive.images[0];
    let finding = &look.layers.findings[0];
    assert_eq!(
        finding.place(),
        "layer 1 of 3 (sha256:000000000000): etc/app.env:1:7"
    );
    assert_eq!(finding.note.as_deref(), Some("deleted in layer 3"));
    assert_eq!(look.layers.gaps.len(), 1);
    assert_eq!(
        look.layers.gaps[0].location,
        "layer 2 of 3 (sha256:010101010101)"
    );
    assert_eq!(
        look.layers.gaps[0].reason,
        "is kept elsewhere, at an address that was not asked"
    );
}

#[test]
fn a_million_layers_and_manifests_of_each_other_end() {
    // SCAN-1: one manifest with 10⁶ layers, and manifests that name themselves and each other.
    let ready = Ready::new();
    let layers: Vec<_> = (0..1_000_000).map(|_| "a/layer.tar").collect();
    let manifest = json!([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": layers}]);
    let archive = tar(&[("manifest.json", serde_json::to_vec(&manifest).unwrap())]);
    let looked = ready.finder().image(&mut archive.as_slice());
    assert_eq!(looked.images.len(), 1);
    let layers = &looked.images[0].layers;
    assert_eq!(layers.gaps[0].location, "layers");
    assert!(layers.more_gaps < 10_000, "{}", layers.more_gaps);
    let of = |config: &str, layers: &[&str]| {
        let layers: Vec<_> = layers
            .iter()
            .map(|digest| json!({"digest": digest}))
            .collect();
        serde_json::to_vec(&json!({"config": {"digest": config}, "layers": layers})).unwrap()
    };
    let files = [
        (
            "blobs/sha256/e0",
            of("sha256:e0", &["sha256:e0", "sha256:e1"]),
        ),
        (
            "blobs/sha256/e1",
            of("sha256:e0", &["sha256:e0", "sha256:e1"]),
        ),
        (
            "index.json",
            b"{\"manifests\":[{\"digest\":\"sha256:e0\"}]}".to_vec(),
        ),
    ];
    let looked = ready.finder().image(&mut tar(&files).as_slice());
    assert_eq!(looked.images.len(), 2);
}

/// A database of one table row that is longer than a page (sqlite.org/fileformat2.html).
fn database(value: &[u8]) -> Vec<u8> {
    const PAGE: usize = 512;
    let payload = value.len();
    let least = (PAGE - 12) * 32 / 255 - 23;
    let local = least + (payload - least) % (PAGE - 4);
    let local = if local <= PAGE - 35 { local } else { least };
    let mut first = vec![0; PAGE];
    first[..16].copy_from_slice(b"SQLite format 3\0");
    first[16..18].copy_from_slice(&512_u16.to_be_bytes());
    first[100] = 13;
    first[103..105].copy_from_slice(&1_u16.to_be_bytes());
    let mut cell = vec![0x80 | (payload >> 7) as u8, (payload & 0x7f) as u8, 1];
    cell.extend(&value[..local]);
    cell.extend(2_u32.to_be_bytes());
    let at = PAGE - cell.len();
    first[108..110].copy_from_slice(&(at as u16).to_be_bytes());
    first[at..].copy_from_slice(&cell);
    let mut pages = first;
    let mut rest = &value[local..];
    let mut number = 2_u32;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.len().min(PAGE - 4));
        let next = if more.is_empty() { 0 } else { number + 1 };
        pages.extend(next.to_be_bytes());
        pages.extend(piece);
        pages.resize(PAGE * number as usize, 0);
        (rest, number) = (more, number + 1);
    }
    pages
}

#[test]
fn a_value_over_two_pages_of_a_database_is_found() {
    let ready = Ready::new();
    let value = token(1);
    for before in (0..1200).step_by(7) {
        let text = format!(
            "{}TOKEN={value}\n{}",
            "x ".repeat(before / 2),
            "y ".repeat(700)
        );
        let mut finder = ready.finder();
        finder.reader("app.db", &mut database(text.as_bytes()).as_slice());
        let looked = finder.take();
        let found: Vec<_> = looked.findings.iter().map(Finding::place).collect();
        assert_eq!(found.len(), 1, "{before}: {found:?}");
        assert!(ready.is(&looked.findings[0], &value), "{before}: {found:?}");
        assert!(found[0].starts_with("app.db"), "{found:?}");
    }
    let broken = database(&[b'x'; 1400]);
    for at in 0..broken.len() {
        let mut broken = broken.clone();
        broken[at] ^= 0xff;
        ready.finder().reader("app.db", &mut broken.as_slice());
    }
}

#[test]
fn bombs_and_hostile_archives_are_bounded() {
    // SCAN-1.
    let ready = Ready::new();
    let directory = tempfile::tempdir().unwrap();
    let bomb = gzip(&gzip(&vec![0; 64 << 20]));
    std::fs::write(directory.path().join("bomb.gz"), &bomb).unwrap();
    std::fs::write(directory.path().join("bomb.zst"), zstd(&vec![0; 64 << 20])).unwrap();
    let mut nested = token(1).into_bytes();
    for _ in 0..40 {
        nested = gzip(&nested);
    }
    std::fs::write(directory.path().join("nested.gz"), nested).unwrap();
    std::fs::write(
        directory.path().join("truncated.gz"),
        &gzip(&[7; 4096])[..20],
    )
    .unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for kind in [
        tar::EntryType::Char,
        tar::EntryType::Block,
        tar::EntryType::Fifo,
        tar::EntryType::Link,
        tar::EntryType::Symlink,
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.as_mut_bytes()[..16].copy_from_slice(b"../../../etc/x\0\0");
        header.as_mut_bytes()[157..169].copy_from_slice(b"/etc/passwd\0");
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    std::fs::write(
        directory.path().join("hostile.tar"),
        builder.into_inner().unwrap(),
    )
    .unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        directory.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
    let limits = Limits {
        expanded: 16 << 20,
        ..Limits::default()
    };
    let tree = Tree {
        matcher: &ready.matcher,
        scanner: &ready.scanner,
        key: &ready.key,
        limits,
        progress: &AtomicU64::new(0),
    };
    let looked = tree
        .search(
            directory.path(),
            TreeOptions {
                threads: 1,
                ..TreeOptions::default()
            },
        )
        .unwrap();
    assert!(looked.findings.is_empty());
    let names: Vec<&str> = looked
        .gaps
        .iter()
        .map(|gap| gap.location.rsplit('/').next().unwrap())
        .collect();
    for name in ["bomb.gz", "bomb.zst", "nested.gz", "truncated.gz"] {
        assert!(
            names.iter().any(|one| one.starts_with(name)),
            "{name}: {names:?}"
        );
    }
    assert!(looked.bytes < 64 << 20, "{}", looked.bytes);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 7);
}
