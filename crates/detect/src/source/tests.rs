use super::*;
use crate::label::Label;
use crate::needles::Needles;
use cofferdam_secret::Secret;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

const VALUE: &str = "planted-Xy7-Pa55word";

fn matcher() -> Matcher {
    let mut needles = Needles::new();
    let value = Secret::new(VALUE.as_bytes().to_vec());
    needles
        .add(Label::new("secret/app/DB", Some(1), "value"), &value)
        .unwrap();
    Matcher::new(needles)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn locations(looked: &Looked) -> Vec<String> {
    looked
        .exposed
        .values()
        .flat_map(|e| &e.at)
        .map(|at| at.location.clone())
        .collect()
}

fn look(bytes: &[u8]) -> Looked {
    let matcher = matcher();
    let mut finder = Finder::new(&matcher, Limits::default());
    finder.reader("blob", &mut &bytes[..]);
    finder.take()
}

#[test]
fn value_in_a_file_in_gzip_in_tar_in_gzip_has_a_full_location() {
    let inner = gzip(format!("x={VALUE}").as_bytes());
    let archive = gzip(&tar_of(&[("etc/ok", b"fine"), ("srv/backup", &inner)]));
    let looked = look(&archive);
    assert_eq!(locations(&looked), ["blob: srv/backup, byte 2"]);
    assert!(looked.gaps.is_empty());
}

#[test]
fn names_links_and_long_names_are_searched_and_masked() {
    let long = format!("{}/{VALUE}.txt", "d".repeat(150));
    let archive = tar_of(&[(&long, b"content"), ("plain", b"x")]);
    let looked = look(&archive);
    assert!(!looked.exposed.is_empty());
    for location in locations(&looked) {
        assert!(!location.contains(VALUE), "{location}");
    }
}

#[test]
fn hostile_entries_are_names_only() {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (kind, name, link) in [
        (::tar::EntryType::Regular, "../../../etc/cron.d/x", ""),
        (::tar::EntryType::Symlink, "link", "/etc/shadow"),
        (::tar::EntryType::Link, "hard", "../../../etc/shadow"),
        (::tar::EntryType::Char, "device", ""),
        (::tar::EntryType::Fifo, "pipe", ""),
    ] {
        let content = format!("={VALUE}");
        let mut header = ::tar::Header::new_gnu();
        let regular = kind == ::tar::EntryType::Regular;
        header.set_entry_type(kind);
        header.set_size(if regular { content.len() as u64 } else { 0 });
        let raw = &mut header.as_gnu_mut().unwrap();
        raw.name[..name.len()].copy_from_slice(name.as_bytes());
        raw.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder
            .append(
                &header,
                if regular {
                    content.as_bytes()
                } else {
                    &b""[..]
                },
            )
            .unwrap();
    }
    let looked = look(&builder.into_inner().unwrap());
    assert_eq!(locations(&looked), ["blob: ../../../etc/cron.d/x, byte 1"]);
}

#[test]
fn damaged_tar_is_still_searched_and_says_so() {
    let mut archive = tar_of(&[("a", b"aaaa"), ("b", format!("={VALUE}").as_bytes())]);
    archive[1024] ^= 0xff;
    let looked = look(&archive);
    assert_eq!(looked.exposed.len(), 1);
    assert!(looked.gaps[0].reason.contains("damaged tar header"));
}

#[test]
fn truncated_tar_and_gzip_are_gaps() {
    let archive = tar_of(&[("a", &[b'x'; 4000])]);
    assert_eq!(look(&archive[..2000]).gaps[0].reason, "ends too early");
    let compressed = gzip(&tar_of(&[("a", &[b'x'; 4000])]));
    assert!(!look(&compressed[..compressed.len() / 2]).gaps.is_empty());
}

#[test]
fn absurd_sizes_end_as_gaps() {
    for size in [
        &b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"[..],
        b"77777777777\0",
    ] {
        let mut archive = tar_of(&[("a", b"x")]);
        archive[124..136].copy_from_slice(size);
        let sum: u64 = (0..512)
            .map(|at| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u64::from(archive[at])
                }
            })
            .sum();
        archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(!look(&archive).gaps.is_empty());
    }
}

#[test]
fn bomb_is_stopped_by_ratio_and_by_total() {
    let zeros = gzip(&vec![0; 8 << 20]);
    let matcher = matcher();
    for (limits, words) in [
        (
            Limits {
                ratio: 100,
                ratio_from: 1 << 20,
                ..Limits::default()
            },
            "bomb",
        ),
        (
            Limits {
                expanded: 1 << 20,
                ..Limits::default()
            },
            "limit",
        ),
    ] {
        let mut finder = Finder::new(&matcher, limits);
        finder.reader("bomb.gz", &mut zeros.as_slice());
        let looked = finder.take();
        assert!(looked.gaps[0].reason.contains(words), "{:?}", looked.gaps);
        assert!(looked.bytes < 4 << 20);
    }
}

#[test]
fn nesting_beyond_the_limit_is_a_gap() {
    let mut blob = VALUE.as_bytes().to_vec();
    for _ in 0..9 {
        blob = gzip(&blob);
    }
    assert_eq!(look(&blob).gaps[0].reason, "archives nested too deep");
}

#[test]
fn closed_formats_are_named() {
    let looked = look(b"\x04\x22\x4d\x18 rest of an lz4 stream");
    assert_eq!(looked.gaps[0].reason, "lz4 stream was not opened");
}

#[test]
fn json_finding_has_a_pointer_and_the_name_of_the_variable() {
    let matcher = matcher();
    let mut finder = Finder::new(&matcher, Limits::default());
    let document = serde_json::json!({
        "Config": { "Env": ["PATH=/bin", format!("DB_PASSWORD={VALUE}")], "Labels": { "a/b": VALUE } },
        VALUE: 1,
    });
    finder.json("web", document.to_string().as_bytes());
    let looked = finder.take();
    assert_eq!(
        locations(&looked),
        [
            "web: /Config/Env/1 (DB_PASSWORD)",
            "web: /Config/Labels/a~1b",
            "web: / (a key)"
        ]
    );
}

#[test]
fn broken_or_deep_json_is_searched_as_bytes() {
    let matcher = matcher();
    for document in [
        format!("{{\"a\": [1, \"{VALUE}"),
        format!("{}\"{VALUE}\"", "[".repeat(100_000)),
    ] {
        let mut finder = Finder::new(&matcher, Limits::default());
        finder.json("doc", document.as_bytes());
        assert_eq!(finder.take().exposed.len(), 1);
    }
}

#[test]
fn locations_carry_no_terminal_escapes() {
    let archive = tar_of(&[("evil\x1b[2J\u{202e}name", VALUE.as_bytes())]);
    let looked = look(&archive);
    assert_eq!(
        locations(&looked),
        ["blob: evil\\u{1b}[2J\\u{202e}name, byte 0"]
    );
}

#[test]
fn directory_is_walked_without_following_links() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), VALUE).unwrap();
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("a/b")).unwrap();
    std::fs::write(root.path().join("a/b/.env"), format!("DB={VALUE}")).unwrap();
    std::fs::hard_link(root.path().join("a/b/.env"), root.path().join("a/same")).unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("away")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let matcher = matcher();
    let mut finder = Finder::new(&matcher, Limits::default());
    finder.directory(root.path());
    let looked = finder.take();
    assert_eq!(locations(&looked).len(), 1, "{:?}", locations(&looked));
    assert!(looked.gaps.is_empty());
    assert_eq!(looked.objects, 1);
}

#[test]
fn of_many_places_in_a_directory_the_first_by_name_are_kept() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..200 {
        let file = root.path().join(format!("{number:03}.env"));
        std::fs::write(file, VALUE).unwrap();
    }
    let matcher = matcher();
    let mut finder = Finder::new(&matcher, Limits::default());
    finder.directory(root.path());
    let looked = finder.take();
    let place = |number| format!("{}/{number:03}.env, byte 0", root.path().display());
    let expected: Vec<_> = (0..20).map(place).collect();
    assert_eq!(locations(&looked), expected);
    assert_eq!(
        looked.exposed.values().map(|one| one.more).sum::<u64>(),
        180
    );
}

#[test]
fn of_many_gaps_in_a_tree_the_first_by_name_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let damaged = gzip(VALUE.as_bytes());
    for number in 0..300 {
        let file = root.path().join(format!("{number:03}.gz"));
        std::fs::write(file, &damaged[..15]).unwrap();
        let file = root.path().join(format!("{number:03}.env"));
        std::fs::write(file, VALUE).unwrap();
    }
    let matcher = matcher();
    let key = crate::pattern::DigestKey::new(&Secret::new(b"order".to_vec()));
    let tree = Tree {
        matcher: &matcher,
        scanner: &crate::pattern::Scanner::new(),
        key: &key,
        limits: Limits::default(),
        progress: &std::sync::atomic::AtomicU64::new(0),
    };
    let options = TreeOptions {
        threads: 4,
        ..TreeOptions::default()
    };
    let looked = tree.search(root.path(), options).unwrap();
    assert_eq!((looked.gaps.len(), looked.more_gaps), (100, 200));
    for (number, gap) in looked.gaps.iter().enumerate() {
        let name = format!("/{number:03}.gz");
        assert!(gap.location.contains(&name), "{}", gap.location);
    }
    assert_eq!(locations(&looked).len(), 300);
    assert!(locations(&looked).is_sorted());
}

#[test]
fn missing_directory_is_a_gap() {
    let matcher = matcher();
    let mut finder = Finder::new(&matcher, Limits::default());
    finder.directory(std::path::Path::new("/nonexistent/cofferdam"));
    assert_eq!(finder.take().gaps.len(), 1);
}

#[test]
fn image_of_the_old_layout_is_put_together() {
    let leaky = tar_of(&[
        ("app/ok", b"fine"),
        ("app/.wh.x", b""),
        ("app/.env", format!("DB={VALUE}").as_bytes()),
    ]);
    let clean = tar_of(&[("bin/sh", b"#!")]);
    let config = serde_json::json!({
        "config": { "Env": [format!("DB={VALUE}")] },
        "history": [{ "created_by": "COPY" }, { "created_by": format!("RUN |1 T={VALUE} make") }],
    });
    let manifest = serde_json::json!([{
        "Config": format!("{}.json", "ab".repeat(32)), "RepoTags": ["app:1"],
        "Layers": ["one/layer.tar", "two/layer.tar"],
    }]);
    let archive = tar_of(&[
        ("one/VERSION", b"1.0"),
        ("one/json", b"{}"),
        ("one/layer.tar", &clean),
        ("two/VERSION", b"1.0"),
        ("two/json", b"{}"),
        ("two/layer.tar", &leaky),
        (
            &format!("{}.json", "ab".repeat(32)),
            config.to_string().as_bytes(),
        ),
        ("manifest.json", manifest.to_string().as_bytes()),
    ]);
    let matcher = matcher();
    let mut finder = Finder::new(&matcher, Limits::default());
    let images = finder.image(&mut archive.as_slice()).images;
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].tags, ["app:1"]);
    assert_eq!(images[0].id, "ab".repeat(32));
    assert_eq!(
        locations(&images[0].layers),
        ["layer 2 of 2: app/.env, byte 3"]
    );
    assert_eq!(
        locations(&images[0].config),
        [
            "config: /config/Env/0 (DB)",
            "config: /history/1/created_by"
        ]
    );
    assert_eq!(images[0].layers.objects, 2);
    assert!(images[0].layers.gaps.is_empty());
}

#[test]
fn images_of_one_oci_archive_do_not_share_findings() {
    let leaky = gzip(&tar_of(&[("key", VALUE.as_bytes())]));
    let clean = gzip(&tar_of(&[("bin/sh", b"#!")]));
    let manifest = serde_json::json!([
        { "Config": "blobs/sha256/c1", "RepoTags": ["right:1"], "Layers": ["blobs/sha256/l1"] },
        { "Config": "blobs/sha256/c2", "RepoTags": null, "Layers": ["blobs/sha256/l1", "blobs/sha256/l2"] },
    ]);
    let archive = tar_of(&[
        ("blobs/sha256/c1", b"{}"),
        ("blobs/sha256/c2", b"{}"),
        ("blobs/sha256/l1", &clean),
        ("blobs/sha256/l2", &leaky),
        ("index.json", b"{}"),
        ("oci-layout", b"{}"),
        ("manifest.json", manifest.to_string().as_bytes()),
    ]);
    let matcher = matcher();
    let images = Finder::new(&matcher, Limits::default())
        .image(&mut archive.as_slice())
        .images;
    assert!(images[0].layers.exposed.is_empty());
    assert_eq!(locations(&images[1].layers), ["layer 2 of 2: key, byte 0"]);
}

#[test]
fn layer_missing_from_the_archive_is_a_gap() {
    let manifest =
        serde_json::json!([{ "Config": "c", "RepoTags": ["x:1"], "Layers": ["gone/layer.tar"] }]);
    let archive = tar_of(&[("manifest.json", manifest.to_string().as_bytes())]);
    let matcher = matcher();
    let images = Finder::new(&matcher, Limits::default())
        .image(&mut archive.as_slice())
        .images;
    assert_eq!(images[0].layers.gaps[0].reason, "is not in the archive");
}

/// A zip as `zip` writes it to a file (sizes in front) or to a pipe (sizes behind, `streamed`).
fn zip_of(files: &[(&str, &[u8])], streamed: bool, deflated: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        let mut packed = content.to_vec();
        if deflated {
            let mut encoder =
                flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            packed = encoder.finish().unwrap();
        }
        let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
        let shown = if streamed { [0; 4] } else { size };
        out.extend_from_slice(b"PK\x03\x04\x14\0");
        out.extend_from_slice(&[
            if streamed { 8 } else { 0 },
            0,
            if deflated { 8 } else { 0 },
            0,
        ]);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&shown);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&[name.len() as u8, 0, 0, 0]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&packed);
        if streamed {
            out.extend_from_slice(b"PK\x07\x08\0\0\0\0");
            out.extend_from_slice(&size);
            out.extend_from_slice(&[0; 4]);
        }
    }
    out.extend_from_slice(b"PK\x01\x02 the directory");
    out
}

#[test]
fn value_in_a_zip_in_a_tar_has_a_full_location() {
    let content = format!("key={VALUE}");
    for (streamed, deflated) in [(false, false), (false, true), (true, true)] {
        let files: &[(&str, &[u8])] = &[
            ("META-INF/x", b"first"),
            ("app.properties", content.as_bytes()),
        ];
        let archive = tar_of(&[("srv/app.jar", &zip_of(files, streamed, deflated))]);
        let looked = look(&archive);
        assert_eq!(
            locations(&looked),
            ["blob: srv/app.jar: app.properties, byte 4"]
        );
        assert!(looked.gaps.is_empty(), "{:?}", looked.gaps);
    }
}

#[test]
fn encrypted_entry_and_zip_bomb_are_gaps() {
    let mut archive = zip_of(&[("a", b"hidden")], false, true);
    archive[6] |= 1;
    assert_eq!(look(&archive).gaps[0].reason, "is encrypted");
    let bomb = zip_of(&[("zeros", &vec![0; 8 << 20])], false, true);
    let matcher = matcher();
    let limits = Limits {
        ratio: 100,
        ratio_from: 1 << 20,
        ..Limits::default()
    };
    let mut finder = Finder::new(&matcher, limits);
    finder.reader("bomb.zip", &mut bomb.as_slice());
    let looked = finder.take();
    assert!(
        looked.gaps.iter().any(|gap| gap.reason.contains("bomb")),
        "{:?}",
        looked.gaps
    );
    assert!(looked.bytes < 4 << 20);
}

#[test]
fn truncated_zip_is_a_gap() {
    let archive = zip_of(&[("a", &[b'x'; 4000])], false, false);
    assert!(!look(&archive[..2000]).gaps.is_empty());
    assert!(!look(&archive[..20]).gaps.is_empty());
}
