use super::*;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

const FIXED: &str = "invalid path: not in canonical form";

#[test]
fn every_non_canonical_spelling_is_refused_with_the_same_text() {
    // NAME-1: each hostile fragment alone, first, in the middle and last, plain and escaped.
    let fragments = [
        "",
        ".",
        "..",
        "..;",
        "..;x",
        ".;x",
        ".. ",
        " ..",
        "\\",
        "a\\b",
        "..\\",
        "\0",
        "a\0",
        "\n",
        "\r",
        "\t",
        "\u{7f}",
        "\u{80}",
        "\u{85}",
        "\u{ad}",
        "\u{a0}",
        "\u{2028}",
        "\u{2029}",
        "\u{3000}",
        "\u{200b}",
        "\u{200c}",
        "\u{200d}",
        "\u{200e}",
        "\u{200f}",
        "\u{202e}",
        "\u{2066}",
        "\u{feff}",
        "\u{2060}",
        "\u{e0041}",
        "\u{fe0f}",
        "\u{3164}",
        "\u{2800}",
        "\u{2044}",
        "\u{2215}",
        "\u{29f8}",
        "\u{ff0f}",
        "\u{ff0e}",
        "\u{2024}",
        "\u{2025}",
        "\u{2026}",
        "\u{fe52}",
        "\u{ff3c}",
        "\u{fe68}",
        "\u{2216}",
        "\u{29f5}",
        "\u{2105}",
        "\u{ff05}",
        "\u{ff0e}\u{ff0e}",
        "e\u{301}",
        "\u{212b}",
        "\u{378}",
        "\u{e000}",
        "\u{10ffff}",
        "%2e",
        "%2e%2e",
        "%2E%2E",
        "%2f",
        "a%2fb",
        "%00",
        "%41",
        "a%aa",
    ];
    for fragment in fragments {
        for path in [
            fragment.to_owned(),
            format!("{fragment}/a"),
            format!("a/{fragment}/b"),
            format!("a/b/{fragment}/"),
            format!("a/b/{fragment}/c/d"),
        ] {
            let escaped = utf8_percent_encode(&path, NON_ALPHANUMERIC).to_string();
            for refusal in [Path::parse(&path), Path::from_url(&escaped)] {
                assert_eq!(
                    refusal.map_err(|error| error.to_string()),
                    Err(FIXED.to_owned()),
                    "{path:?}"
                );
            }
        }
    }
}

#[test]
fn hostile_urls_are_refused() {
    let long = "a".repeat(64 * 1024);
    let deep = "a/".repeat(129);
    let urls = [
        "a//b",
        "//a",
        "/a",
        "/",
        "",
        "a/./b",
        "a/../b",
        "a/%2e%2e/b",
        "a/%2E./b",
        "a/%252e%252e/b",
        "a/%252e/b",
        "a/..;/b",
        "a/..%3b/b",
        "a/%5cb",
        "a\\b",
        "a/b%2f",
        "a/b%2F",
        "a/b//",
        "a/b/%2f",
        "a/b%2f/",
        "a/%00",
        "a%00",
        "a/%ef%bc%8e%ef%bc%8e/b",
        "a%e2%88%95b",
        "a%e2%80%8bb",
        "a%e2%80%8fb",
        "e%cc%81",
        "a%ff",
        "a%c0%ae",
        "%c0%af",
        "a%ed%a0%80",
        "a%",
        "a%2",
        "a%zz",
        "a%2g",
        "a%%32f",
        "a?b",
        "a#b",
        &long,
        &deep,
    ];
    for url in urls {
        let refusal = Path::from_url(url).map_err(|error| error.to_string());
        assert_eq!(
            refusal,
            Err(FIXED.to_owned()),
            "{:?}",
            url.get(..40).unwrap_or(url)
        );
    }
}

#[test]
fn ordinary_names_are_accepted_unchanged() {
    let paths = [
        "secret/data/app",
        "a",
        "a b/c",
        "...",
        "..a",
        "a..",
        ".hidden",
        "a;b",
        "100%",
        "%",
        "a%zz",
        "x*y+z",
        "é",
        "日本語/ключ",
        "a=b&c",
        "user@example.com",
        "A/B",
        "a:b",
        "~",
        "\"quoted\"",
        "{x}",
        "😀",
    ];
    for text in paths {
        let path = Path::parse(text).unwrap_or_else(|error| panic!("{text:?}: {}", error.reason()));
        assert_eq!(path.as_str(), text);
        let escaped = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        assert_eq!(Path::from_url(&escaped), Ok(path), "{text:?}");
    }
}

#[test]
fn one_trailing_slash_is_remembered_beside_the_text() {
    let path = Path::from_url("secret/metadata/").unwrap();
    assert_eq!(
        (path.as_str(), path.is_directory()),
        ("secret/metadata", true)
    );
    assert_eq!(path.written(), "secret/metadata/");
    let path = Path::from_url("secret/metadata").unwrap();
    assert_eq!(
        (path.written().as_ref(), path.is_directory()),
        ("secret/metadata", false)
    );
}

#[test]
fn escaped_slashes_give_the_same_path_as_plain_ones() {
    assert_eq!(
        Path::from_url("secret%2Fdata%2fapp"),
        Path::from_url("secret/data/app")
    );
}

#[test]
fn a_mount_is_stripped_by_whole_segments() {
    let path = Path::parse("secret/team/app/").unwrap();
    let below = |mount| {
        path.strip_prefix(mount)
            .map(|path| (path.to_string(), path.is_directory()))
    };
    assert_eq!(below("secret/"), Some(("team/app".to_owned(), true)));
    assert_eq!(below("secret/team"), Some(("app".to_owned(), true)));
    assert_eq!(below("secret/team/app/"), Some((String::new(), true)));
    assert_eq!(below(""), Some(("secret/team/app".to_owned(), true)));
    assert_eq!(below("secret/te"), None);
    assert_eq!(below("secret/team/app/x"), None);
}

#[test]
fn chosen_segments_are_lowercased() {
    let lowered = |text: &str, which: usize| {
        let path = Path::parse(text)
            .unwrap()
            .lowercased(|segment| segment == which);
        path.map(|path| path.written().into_owned())
    };
    assert_eq!(lowered("A/Bc/D/", 1).as_deref(), Some("A/bc/D/"));
    assert_eq!(lowered("A/bc/D", 1), None);
    // Names of entities and groups have a case in every script.
    assert_eq!(lowered("\u{c4}b/x", 0).as_deref(), Some("\u{e4}b/x"));
    assert_eq!(lowered("\u{e4}b/\u{6771}", 0), None);
    assert_eq!(Path::root().lowercased(|_| true), None);
}

#[test]
fn a_child_is_one_segment() {
    let path = Path::parse("sys/mounts").unwrap();
    assert_eq!(path.child("kv").unwrap().as_str(), "sys/mounts/kv");
    assert_eq!(Path::root().child("kv").unwrap().as_str(), "kv");
    for segment in ["", "..", "a/b", "/"] {
        assert!(path.child(segment).is_err(), "{segment:?}");
        assert!(Path::root().child(segment).is_err(), "{segment:?}");
    }
}

#[test]
fn limits_hold_at_their_edge() {
    assert!(Path::parse(&"a".repeat(4096)).is_ok());
    assert!(Path::parse(&"a".repeat(4097)).is_err());
    assert!(Path::parse(&vec!["a"; 128].join("/")).is_ok());
    assert!(Path::parse(&vec!["a"; 129].join("/")).is_err());
    assert!(Path::from_url(&"%61".repeat(4096)).is_ok());
}

/// What a careful client escapes.
const ESCAPED: &AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'?')
    .add(b'#')
    .add(b'"');

fn nasty_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9]{1,3}",
        2 => Just("/".to_owned()),
        1 => prop::sample::select(vec![".", "..", ";", "%", "%2e", "%2f", "%25", "\\", " ", "\0", "é", "e\u{301}"])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn escaping_an_accepted_path_gives_it_back(text in nasty_text()) {
        if let Ok(path) = Path::parse(&text) {
            let escaped = utf8_percent_encode(&text, ESCAPED).to_string();
            prop_assert_eq!(Path::from_url(&escaped), Ok(path.clone()));
            prop_assert_eq!(Path::parse(&path.written()), Ok(path));
        }
    }

    #[test]
    fn an_accepted_url_has_one_meaning_however_often_it_is_decoded(raw in nasty_text()) {
        if let Ok(path) = Path::from_url(&raw) {
            let again = percent_decode_str(path.as_str()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(again, path.as_str());
            prop_assert!(path.segments().all(|s| s != "." && s != ".." && !s.is_empty()));
            prop_assert!(path.as_str().nfc().eq(path.as_str().chars()));
            // Also a reader that folds compatibility forms sees the same structure.
            let folded: String = path.as_str().nfkc().collect();
            prop_assert_eq!(folded.matches(['/', '\\']).count(), path.as_str().matches('/').count());
        }
    }

    #[test]
    fn arbitrary_text_never_panics(raw in any::<String>(), mount in nasty_text()) {
        if let Ok(path) = Path::from_url(&raw) {
            let _ = path.strip_prefix(&mount);
        }
        let _ = (Path::parse(&raw), Name::parse(&raw), Name::policy(&raw));
    }
}

use unicode_normalization::UnicodeNormalization as _;
