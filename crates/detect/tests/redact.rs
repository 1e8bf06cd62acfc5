//! The redactor against a slow model of it: every split, every form, overlaps, terminals; and that it
//! changes nothing else and holds nothing long.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

mod redact_model;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cofferdam_detect::redact::{Masks, Style};
use cofferdam_detect::{Label, Matcher, Needles, Weakness};
use cofferdam_secret::Secret;
use proptest::prelude::*;
use redact_model::needles;
use std::sync::Arc;

fn masks(values: &[Vec<u8>]) -> Arc<Masks> {
    Arc::new(Masks::new(needles(values), &Style::ascii()))
}

fn one(value: &str) -> Arc<Masks> {
    masks(&[value.as_bytes().to_vec()])
}

fn name(secret: usize) -> Vec<u8> {
    format!("<secret:s/{secret}>").into_bytes()
}

fn in_pieces(masks: &Arc<Masks>, pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stream = masks.stream();
    for piece in pieces {
        stream.push(piece, &mut |part| out.extend_from_slice(part));
    }
    stream.finish(&mut |part| out.extend_from_slice(part));
    out
}

/// The text whole, cut in two at every byte, and byte by byte.
fn redacted(masks: &Arc<Masks>, text: &[u8]) -> String {
    let whole = masks.redact(text);
    for cut in 0..=text.len() {
        let (first, second) = text.split_at(cut);
        assert_eq!(in_pieces(masks, &[first, second]), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(in_pieces(masks, &bytes), whole, "byte by byte");
    String::from_utf8_lossy(&whole).into_owned()
}

const VALUE: &str = "hunter2#\"Qz/'é\\x9 & <K>";

#[test]
fn every_form_is_masked_at_every_split() {
    let masks = one(VALUE);
    let forms = every_form(VALUE);
    assert!(forms.len() > 25);
    for (form, text) in forms {
        let framed = [b"before=", text.as_slice(), b" after\n"].concat();
        let out = redacted(&masks, &framed);
        assert!(out.contains("<secret:s/0>"), "{form}: {out:?}");
        // What may stand at the edges are characters that carry bits of the neighbours.
        let left = out.replace("<secret:s/0>", "");
        assert!(
            left.len() <= "before= after\n".len() + 10,
            "{form}: {left:?}"
        );
    }
}

fn every_form(value: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = value.as_bytes();
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, text: Vec<u8>| all.push((name.to_owned(), text));
    add("raw", bytes.to_vec());
    for alignment in 0..3 {
        let before = &b"xyz"[..alignment];
        let joined = [before, bytes].concat();
        add(
            &format!("base64 {alignment}"),
            STANDARD.encode(&joined).into(),
        );
        add(
            &format!("base64url {alignment}"),
            URL_SAFE_NO_PAD.encode(&joined).into(),
        );
        let twice = [before, STANDARD.encode(bytes).as_bytes()].concat();
        add(
            &format!("base64 twice {alignment}"),
            STANDARD.encode(twice).into(),
        );
    }
    add("hex", hex::encode(bytes).into());
    add("HEX", hex::encode_upper(bytes).into());
    let url = percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC);
    add("url", url.to_string().replace("%5F", "_").into());
    let form = |plain: &str, space: &str| {
        let encode = |&b: &u8| match b {
            b' ' => space.to_owned(),
            b if b.is_ascii_alphanumeric() || plain.as_bytes().contains(&b) => {
                char::from(b).to_string()
            }
            b => format!("%{b:02X}"),
        };
        bytes.iter().map(encode).collect::<String>()
    };
    add("form", form("-._*", "+").into());
    add("uri component", form("-._~!*'()", "%20").into());
    let mut add = |name: &str, text: String| all.push((name.to_owned(), text.into()));
    let json = serde_json::to_string(value).unwrap();
    let json = json.trim_matches('"');
    add("json", json.to_owned());
    let twice = serde_json::to_string(json).unwrap();
    add("json twice", twice.trim_matches('"').to_owned());
    let html = |text: &str| {
        text.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
    };
    add("json of Go", html(json));
    add("json of Python", json.replace('é', "\\u00e9"));
    add("JSON of Python", json.replace('é', "\\u00E9"));
    add(
        "json of PHP",
        json.replace('/', "\\/").replace('é', "\\u00e9"),
    );
    add("json of Gson", html(json).replace('\'', "\\u0027"));
    add(
        "json of .NET",
        html(&json.replace("\\\"", "\\u0022"))
            .replace('\'', "\\u0027")
            .replace('é', "\\u00E9"),
    );
    add("sh single", format!("'{}'", value.replace('\'', "'\\''")));
    add(
        "sh single by double",
        format!("'{}'", value.replace('\'', "'\"'\"'")),
    );
    add(
        "sh double",
        value.replace('\\', "\\\\").replace('"', "\\\""),
    );
    let backslash = |c: char| {
        let plain = !c.is_ascii() || c.is_ascii_alphanumeric() || "_./:=@%+,- ".contains(c);
        if plain {
            c.to_string()
        } else {
            format!("\\{c}")
        }
    };
    add("sh backslash", value.chars().map(backslash).collect());
    let utf16 = |order: fn(u16) -> [u8; 2]| value.encode_utf16().flat_map(order).collect();
    all.push(("utf-16 le".to_owned(), utf16(u16::to_le_bytes)));
    all.push(("utf-16 be".to_owned(), utf16(u16::to_be_bytes)));
    all
}

#[test]
fn lines_of_a_key_are_masked_alone_and_together() {
    let body: String = (0..12)
        .map(|n| {
            let line: Vec<u8> = (0..48_u32)
                .map(|i| (i * 7 + n * 31 + i * i * n % 97) as u8)
                .collect();
            STANDARD.encode(line) + "\n"
        })
        .collect();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n");
    let masks = one(&key);
    assert_eq!(redacted(&masks, key.as_bytes()), "<secret:s/0>\n");
    let crlf = key.trim_end().replace('\n', "\r\n");
    assert_eq!(masks.redact(crlf.as_bytes()), b"<secret:s/0>");
    for line in body.lines() {
        assert_eq!(
            redacted(&masks, format!("> {line}\n").as_bytes()),
            "> <secret:s/0>\n"
        );
    }
    for width in [64, 76] {
        let encoded = STANDARD.encode(key.trim_end());
        let lines: Vec<_> = encoded.as_bytes().chunks(width).collect();
        let out = String::from_utf8(masks.redact(&lines.join(&b'\n'))).unwrap();
        // The last character carries bits of nothing but padding and four of the value.
        let left = out.replace("<secret:s/0>", "").replace(['\n', '='], "");
        assert!(left.len() <= 1, "{out}");
    }
}

#[test]
fn long_value_is_masked_to_its_end_in_every_form() {
    let value: String = (0..9_000_u64)
        .map(|n| char::from(b'!' + (n.wrapping_mul(n + 7) >> 3).wrapping_mul(31) as u8 % 90))
        .collect();
    let masks = one(&value);
    assert_eq!(masks.redact(value.as_bytes()), b"<secret:s/0>");
    assert_eq!(
        masks.redact(hex::encode(&value).as_bytes()),
        b"<secret:s/0>"
    );
    assert_eq!(
        masks.redact(STANDARD.encode(&value).as_bytes()),
        b"<secret:s/0>"
    );
    // The rest of one that was cut off, and a part out of the middle.
    let out = masks.redact(&value.as_bytes()[700..6_000]);
    assert!(out.len() < 1_100, "{}", out.len());
}

#[test]
fn overlapping_and_nested_secrets_leave_nothing() {
    let values = [
        "alpha-Beta-9",
        "Beta-9-gamma",
        "xx-alpha-Beta-9-yy",
        "gamma-Delta-3",
    ];
    let masks = masks(&values.map(|value| value.as_bytes().to_vec()));
    for (text, expected) in [
        ("[alpha-Beta-9-gamma]", "[<secret:s/0><secret:s/1>]"),
        ("[xx-alpha-Beta-9-yy]", "[<secret:s/2>]"),
        ("[xx-alpha-Beta-9-gamma]", "[xx-<secret:s/0><secret:s/1>]"),
        (
            "alpha-Beta-9-gamma-Delta-3",
            "<secret:s/0><secret:s/1><secret:s/3>",
        ),
        ("alpha-Beta-9alpha-Beta-9", "<secret:s/0><secret:s/0>"),
        ("xx-alpha-Beta-", "xx-alpha-Beta-"),
    ] {
        assert_eq!(redacted(&masks, text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn colours_and_carriage_returns_hide_no_value() {
    let masks = one("swordfish-77!");
    for (text, expected) in [
        (
            "\x1b[31mswordfish-77!\x1b[0m",
            "\x1b[31m<secret:s/0>\x1b[0m",
        ),
        (
            "sword\x1b[01;31m\x1b[Kfish\x1b[m\x1b[K-77! ok",
            "<secret:s/0>\x1b[01;31m\x1b[K\x1b[m\x1b[K ok",
        ),
        ("50%\rswordfish-77!\r51%", "50%\r<secret:s/0>\r51%"),
        ("swordf\rish-77!", "<secret:s/0>"),
        ("\x1b]0;swordfish-77!\x07", "\x1b]0;<secret:s/0>\x07"),
        ("swordfish\x1b[31m-78!", "swordfish\x1b[31m-78!"),
    ] {
        assert_eq!(redacted(&masks, text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn trivial_values_are_refused_by_name_and_not_masked() {
    let values = ["{", "e", "test", "", "password", "a real Pa55word"];
    let masks = masks(&values.map(|value| value.as_bytes().to_vec()));
    let refused: Vec<_> = masks
        .refused()
        .map(|(label, why)| (label.path.clone(), why))
        .collect();
    let expected = [
        ("s/0", Weakness::TooShort),
        ("s/1", Weakness::TooShort),
        ("s/2", Weakness::TooShort),
        ("s/3", Weakness::Empty),
        ("s/4", Weakness::CommonWord),
    ];
    assert_eq!(refused, expected.map(|(path, why)| (path.to_owned(), why)));
    let text = b"{ e test password }";
    assert_eq!(masks.redact(text), text);
}

#[test]
fn nothing_is_held_but_the_beginning_of_a_value() {
    let masks = one("swordfish-77!");
    let mut stream = masks.stream();
    let mut out = Vec::new();
    let mut push = |stream: &mut cofferdam_detect::redact::Stream, text: &str| {
        out.clear();
        stream.push(text.as_bytes(), &mut |part| out.extend_from_slice(part));
        String::from_utf8(out.clone()).unwrap()
    };
    assert_eq!(push(&mut stream, "Continue? [y/N] "), "Continue? [y/N] ");
    assert_eq!(push(&mut stream, "a sword"), "a ");
    assert_eq!(push(&mut stream, "fish"), "");
    assert_eq!(push(&mut stream, "ing trip\n"), "swordfishing trip\n");
    assert_eq!(push(&mut stream, "swordfish-77"), "");
    assert_eq!(stream.held(), 12);
    assert_eq!(push(&mut stream, "! s"), "<secret:s/0> ");
    assert_eq!(stream.held(), 1);
}

#[test]
fn a_pause_shows_three_bytes_at_most_and_the_rest_is_masked() {
    let masks = one("swordfish-77!");
    let mut out = Vec::new();
    let mut stream = masks.stream();
    for byte in b"Name: swordfish-77!\n" {
        stream.push(&[*byte], &mut |part| out.extend_from_slice(part));
        stream.release(&mut |part| out.extend_from_slice(part));
    }
    assert_eq!(String::from_utf8(out).unwrap(), "Name: swo<secret:s/0>\n");

    let mut out = Vec::new();
    let mut stream = masks.stream();
    stream.push(b"login as sw", &mut |part| out.extend_from_slice(part));
    assert!(stream.waits());
    stream.release(&mut |part| out.extend_from_slice(part));
    assert_eq!(out, b"login as sw");
    stream.push(b"iss\n", &mut |part| out.extend_from_slice(part));
    assert_eq!(out, b"login as swiss\n");
}

#[test]
fn previous_values_stay_masked_when_the_set_is_renewed() {
    let old = one("swordfish-77!");
    let mut newer = Needles::for_redaction();
    let label = Label::new("s/0", None, "value");
    newer
        .add(label, &Secret::new(b"marlin-2026-Xy".to_vec()))
        .unwrap();
    newer.keep(old.needles()).unwrap();
    let shapes = newer.shapes();
    newer.keep(old.needles()).unwrap();
    assert_eq!(newer.shapes(), shapes, "nothing is taken over twice");
    let new = Arc::new(Masks::new(newer, &Style::ascii()));
    let mut out = Vec::new();
    let mut stream = old.stream();
    stream.push(b"swordfish-77! swordf", &mut |part| {
        out.extend_from_slice(part)
    });
    stream.renew(Arc::clone(&new));
    stream.push(b"ish-77! marlin-2026-Xy", &mut |part| {
        out.extend_from_slice(part)
    });
    stream.finish(&mut |part| out.extend_from_slice(part));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "<secret:s/0> <secret:s/0> <secret:s/0>"
    );
}

#[test]
fn a_flood_of_sequences_inside_a_value_is_not_held_for_ever() {
    let masks = one("swordfish-77!");
    let mut stream = masks.stream();
    stream.push(b"sword", &mut |_| {});
    for _ in 0..10_000 {
        stream.push(b"\x1b[m\x1b[0K", &mut |_| {});
        assert!(stream.held() < 16 * 1024);
    }
    assert_eq!(stream.held(), 0);
}

/// Few different bytes, so that pieces of values, overlaps and prefixes are common.
fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![
        Just(b'a'),
        Just(b'B'),
        Just(b'3'),
        Just(b'\n'),
        Just(b'\r'),
        Just(0x1b),
        Just(b'['),
        any::<u8>()
    ];
    proptest::collection::vec(proptest::collection::vec(byte, 8..40), 1..8)
}

fn text(values: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let mut pieces: Vec<Vec<u8>> = values.to_vec();
    for value in values {
        pieces.push(hex::encode_upper(value).into_bytes());
        pieces.push(STANDARD.encode(value).into_bytes());
        pieces.push(value[..value.len() / 2].to_vec());
        pieces.push(value[value.len() / 2..].to_vec());
    }
    let steering = [
        "\x1b[31m", "\x1b[m", "\r", "\r\n", "\x1b", "\x1b[3", "\x1b(B",
    ];
    let steering = proptest::sample::select(steering.map(|text| text.as_bytes().to_vec()).to_vec());
    let piece = prop_oneof![
        4 => proptest::sample::select(pieces),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
        2 => steering,
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn cut<'t>(text: &'t [u8], cuts: &[usize]) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for &cut in cuts {
        let cut = cut.clamp(from, text.len());
        pieces.push(&text[from..cut]);
        from = cut;
    }
    pieces.push(&text[from..]);
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn does_what_the_model_does_however_the_text_is_cut(
        (values, text) in values().prop_flat_map(|values| {
            let text = text(&values);
            (Just(values), text)
        }),
        mut cuts in proptest::collection::vec(0..600_usize, 0..24),
    ) {
        cuts.sort_unstable();
        let masks = masks(&values);
        let expected = redact_model::redact(&Matcher::new(needles(&values)), &text, name);
        prop_assert_eq!(&in_pieces(&masks, &cut(&text, &cuts)), &expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        prop_assert_eq!(&in_pieces(&masks, &bytes), &expected);
    }

    #[test]
    fn text_without_a_value_passes_byte_for_byte(
        text in proptest::collection::vec(any::<u8>(), 0..3000),
        mut cuts in proptest::collection::vec(0..3000_usize, 0..12),
    ) {
        cuts.sort_unstable();
        let masks = one("no random text holds this: Kq7#x");
        prop_assert_eq!(&in_pieces(&masks, &cut(&text, &cuts)), &text);
    }
}
