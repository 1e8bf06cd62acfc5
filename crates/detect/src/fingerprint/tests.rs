//! What prints find, and what they give away (SCAN-3 of the threat model).

use super::*;
use crate::forms::{self, Form};
use crate::label::Label;
use crate::weak::Weakness;
use crate::{Hit, Matcher, Needles};
use cofferdam_secret::Secret;
use proptest::prelude::*;

fn secret(seed: u8) -> Secret<[u8; 32]> {
    Secret::new([seed; 32])
}

fn key() -> PrintKey {
    PrintKey::new(&secret(7))
}

fn prints(values: &[Vec<u8>]) -> Prints {
    let mut prints = Prints::new();
    for (number, value) in values.iter().enumerate() {
        let print = Print::of(&key(), value, LEAST_BITS);
        let again = Print::parse(&print.to_bytes());
        assert_eq!(again.as_ref(), Ok(&print), "bytes and back");
        prints.add(Named {
            label: Label::new(format!("secret/{number}"), Some(1), "value"),
            newest: Some(1),
            owner: None,
            print,
        });
    }
    prints
}

fn by_print(values: &[Vec<u8>]) -> Matcher {
    Matcher::of_prints(prints(values), key())
}

fn by_value(values: &[Vec<u8>]) -> Matcher {
    let mut needles = Needles::new();
    for (number, value) in values.iter().enumerate() {
        let label = Label::new(format!("secret/{number}"), Some(1), "value");
        needles.add(label, &Secret::new(value.clone())).unwrap();
    }
    Matcher::new(needles)
}

/// A print with these windows, whatever they are.
fn with(value: &[u8], windows: &[window::Window]) -> Print {
    let mut print = Print::of(&key(), b"", 0);
    print.weakness = None;
    print.add(&key(), value, &estimate::of_bytes(value), windows, 0);
    print
}

/// Passwords as machines make them: with bytes that every form escapes, tokens that none does, of one class
/// of characters only, and with letters of two bytes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let of = |pattern: &str| proptest::string::string_regex(pattern).unwrap();
    let marks = of("[A-Za-z0-9+/=_.:@%&?<>\"'\\\\ $~!#-]{20,64}");
    prop_oneof![
        marks,
        of("[A-Za-z0-9._-]{16,64}"),
        of("[A-Za-z0-9~!*/+-]{16,64}"),
        of("[a-z]{20,64}"),
        of("[A-Z2-7]{16,64}"),
        of("[0-9a-f]{24,64}"),
        of("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        of("[!-/:-@^-`]{20,40}"),
        of("[a-zA-Z0-9äöüж€]{20,30}"),
        of("[a-z]{4,10}://[a-z]{2,8}:[A-Za-z0-9!%]{16,24}@[a-z.]{4,12}/[a-z]{1,8}"),
    ]
    .prop_map(String::into_bytes)
    .prop_filter("as strong as asked for, with all forms", |value| {
        let print = Print::of(&key(), value, LEAST_BITS);
        // Letters of two bytes: a window may cut one in two, which is not covered.
        print.weakness.is_none()
            && (value.is_ascii() || print.forms.len() >= forms::shapes(value).len())
    })
}

/// Each form of each value among noise, and noise.
fn text(values: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for value in values {
        let shapes = forms::shapes(value);
        pieces.extend(shapes.iter().map(|shape| shape.bytes.expose().clone()));
        pieces.extend(
            shapes
                .iter()
                .filter(|shape| !shape.caseless.is_empty())
                .map(|shape| {
                    let bytes = shape.bytes.expose().iter();
                    bytes
                        .zip(&shape.caseless)
                        .map(|(byte, free)| byte & !free)
                        .collect()
                }),
        );
        pieces.push(value[..value.len() / 2].to_vec());
    }
    let piece = prop_oneof![
        3 => proptest::sample::select(pieces),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::string::string_regex("[a-zA-Z0-9 ]{1,70}").unwrap().prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn prints_find_what_the_values_find(
        (values, text) in proptest::collection::vec(value(), 1..4).prop_flat_map(|values| {
            let text = text(&values);
            (Just(values), text)
        })
    ) {
        prop_assert_eq!(by_print(&values).find(&text), by_value(&values).find(&text));
    }

    #[test]
    fn chunk_boundaries_never_change_what_prints_find(
        (values, text) in proptest::collection::vec(value(), 1..3).prop_flat_map(|values| {
            let text = text(&values);
            (Just(values), text)
        }),
        mut cuts in proptest::collection::vec(0..900_usize, 0..20),
    ) {
        cuts.sort_unstable();
        let matcher = by_print(&values);
        let mut hits: Vec<Hit> = Vec::new();
        let mut stream = matcher.stream();
        let mut from = 0;
        for cut in cuts {
            let cut = cut.clamp(from, text.len());
            stream.push(&text[from..cut], |hit| hits.push(hit));
            from = cut;
        }
        stream.push(&text[from..], |hit| hits.push(hit));
        stream.finish(|hit| hits.push(hit));
        prop_assert_eq!(hits, matcher.find(&text));
    }

    /// The bound: whatever the bytes outside of the window are, the first stage is the same, as long as
    /// the window lies where it lay and no form has another length.
    #[test]
    fn first_stage_is_a_function_of_one_window(
        value in value(),
        other in proptest::string::string_regex("[A-Za-z0-9]{64}").unwrap(),
        place in 0..PLACES,
    ) {
        prop_assume!(value.len() <= 57);
        let places = window::places(value.len(), 0);
        let at = places[place % places.len()];
        let mut changed = value.clone();
        for (here, byte) in changed.iter_mut().enumerate() {
            // What is escaped somewhere stays, so that lengths do.
            if !(at..at + WINDOW).contains(&here) && byte.is_ascii_alphanumeric() {
                *byte = other.as_bytes()[here];
            }
        }
        // A form is found at the first place that shows it: a value that has a part of its window once more
        // says so. Halves of characters are left out of escapes, so there a part may be one character.
        let least = if value.is_ascii() { 5 } else { 2 };
        let again = |value: &[u8]| {
            let window = at..at + WINDOW;
            let mut elsewhere = value.windows(least).enumerate().filter(|(here, _)| {
                *here < window.start || here + least > window.end
            });
            elsewhere.any(|(_, part)| value[window.clone()].windows(least).any(|own| own == part))
        };
        if again(&value) || again(&changed) {
            return Ok(());
        }
        let first = |value: &[u8]| with(value, &[window::Window::at(value, at)]);
        let (before, after) = (first(&value), first(&changed));
        // Tags, marks and where samples lie. Which of the windows are used is told by the second stage:
        // a form that is the same in both alphabets of base64 is there once.
        let all = |print: &Print| {
            let forms = print.forms.iter().filter(|trace| trace.form != Form::Base64Url);
            forms.map(|trace| {
                let look = print.windows[usize::from(trace.window)].clone();
                (look, trace.offset, trace.length, trace.form)
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(all(&before), all(&after));
    }

    /// The other part of the bound: which of the places it is, the only choice that depends on the rest.
    #[test]
    fn window_lies_at_one_of_a_few_places_that_the_length_decides(value in value(), from in 0..60_usize) {
        let places = window::places(value.len(), from);
        prop_assert!(places.len() <= PLACES);
        match window::Window::of(&value, from) {
            Some(window) => {
                prop_assert!(places.contains(&window.at) && window.at + WINDOW <= value.len());
            }
            None => prop_assert!(places.is_empty() && value.len() < from + WINDOW),
        }
    }

    /// Under another key nothing of a print is the same, so who has none cannot try a guess.
    #[test]
    fn without_the_key_no_guess_is_confirmable(value in value(), seed in 8_u8..) {
        let mine = Print::of(&key(), &value, 0);
        let guess = Print::of(&PrintKey::new(&secret(seed)), &value, 0);
        let tags = |print: &Print| {
            let looks = print.windows.iter();
            looks.flat_map(|look| look.samples.iter().map(|(_, tag)| *tag).chain([look.whole])).collect::<Vec<_>>()
        };
        let (mine_tags, guessed) = (tags(&mine), tags(&guess));
        // 32 bits each: a few hundred pairs agree by chance once in ten million.
        let agree = mine_tags.iter().filter(|tag| guessed.contains(tag)).count();
        prop_assert!(agree <= 1, "{} tags agree", agree);
        for trace in &mine.forms {
            prop_assert!(guess.forms.iter().all(|other| other.digest != trace.digest));
        }
        let text = [b"x=".as_slice(), &value, b"\n"].concat();
        let mut other = Prints::new();
        other.add(Named {
            label: Label::new("secret/a", None, "value"),
            newest: None,
            owner: None,
            print: mine,
        });
        let wrong = Matcher::of_prints(other, PrintKey::new(&secret(seed)));
        prop_assert!(wrong.find(&text).is_empty());
    }

    #[test]
    fn bytes_that_are_no_print_are_refused_and_nothing_breaks(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(print) = Print::parse(&bytes) {
            prop_assert_eq!(print.to_bytes(), bytes);
        }
    }
}

#[test]
fn weak_values_are_named_and_have_no_print() {
    for (value, why) in [
        ("hunter2#9", Weakness::Guessable),
        ("correct horse", Weakness::Guessable),
        ("s3cr3t-Pa55", Weakness::Guessable),
        ("password123", Weakness::CommonWord),
        ("short", Weakness::TooShort),
        ("production-database", Weakness::Guessable),
    ] {
        let print = Print::of(&key(), value.as_bytes(), LEAST_BITS);
        assert_eq!(print.weakness, Some(why), "{value}");
        assert!(
            print.forms.is_empty() && print.windows.is_empty(),
            "{value}"
        );
    }
    assert_eq!(
        Weakness::Guessable.to_string(),
        "cannot be protected by fingerprint, please rotate"
    );
}

/// Prints as the first version made them, under [`key`]: they lie in stores and in packs.
#[test]
fn prints_of_the_first_version_are_read_and_find_all_they_found() {
    let old = [
        ("k3Tq9ZpL2vXw7RbN4sYc", include_str!("old/token.hex")),
        ("p@ss w/rd<&>'x'`k3Tq9ZpL2v", include_str!("old/marks.hex")),
    ];
    for (value, print) in old {
        let bytes = hex::decode(print.trim()).unwrap();
        let print = Print::parse(&bytes).unwrap();
        assert_eq!(print.to_bytes(), bytes, "it stays what it was");
        let shapes = forms::shapes(value.as_bytes());
        assert_eq!(print.forms.len(), shapes.len());
        let mut prints = Prints::new();
        let mut add = |path: &str, print| {
            prints.add(Named {
                label: Label::new(path, Some(1), "value"),
                newest: Some(1),
                owner: None,
                print,
            });
        };
        add("secret/0", print);
        // Both versions in one search.
        let new = "Zt7wQ1mX9cR4bN8kV2pL";
        add("secret/1", Print::of(&key(), new.as_bytes(), LEAST_BITS));
        let mixed = Matcher::of_prints(prints, key());
        let text: Vec<u8> = shapes
            .iter()
            .chain(&forms::shapes(new.as_bytes()))
            .flat_map(|shape| [b"x".as_slice(), shape.bytes.expose(), b" "].concat())
            .collect();
        let values = [value, new].map(|value| value.as_bytes().to_vec());
        assert_eq!(mixed.find(&text), by_value(&values).find(&text));
    }
    let mut unknown = hex::decode(old[0].1.trim()).unwrap();
    for version in [0, 3, u8::MAX] {
        unknown[0] = version;
        assert_eq!(Print::parse(&unknown), Err(Malformed), "{version}");
    }
}

/// What makes a search fast: a window without a mark is looked for at every second byte of a text.
#[test]
fn hardly_any_token_has_a_window_without_a_mark() {
    let mut number = 7_u64;
    let mut random = |alphabet: &[u8], length: usize| -> Vec<u8> {
        let next = |_| {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            alphabet[(number >> 33) as usize % alphabet.len()]
        };
        (0..length).map(next).collect()
    };
    let base62 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (alphabet, length, most) in [
        (&base62[..], 16, 2),
        (base62, 24, 0),
        (base62, 40, 0),
        (&b"0123456789abcdef"[..], 32, 0),
    ] {
        let slow = (0..300).filter(|_| {
            let print = Print::of(&key(), &random(alphabet, length), 0);
            print.windows.iter().any(|look| look.mark.is_none())
        });
        assert!(
            slow.count() <= most,
            "{} characters of {}",
            length,
            alphabet.len()
        );
    }
}

/// `\\u` in JSON is a backslash and a letter; the escape behind it has digits of its own, in either case.
#[test]
fn an_escape_behind_what_looks_like_one_is_found_in_either_case() {
    let value = br#"~\u+'?R\_@.<\8+<"_+:"#.to_vec();
    let values = [value];
    for shape in forms::shapes(&values[0]) {
        let bytes = shape.bytes.expose();
        let large: Vec<u8> = bytes
            .iter()
            .enumerate()
            .map(|(at, byte)| byte & !shape.caseless.get(at).copied().unwrap_or(0))
            .collect();
        for text in [bytes, &large] {
            let hits = by_print(&values).find(text);
            assert_eq!(hits, by_value(&values).find(text), "{:?}", shape.form);
            assert!(!hits.is_empty(), "{:?}", shape.form);
        }
    }
}

#[test]
fn lines_of_a_key_are_found_alone_and_each_is_strong_without_its_window() {
    let key_file = "-----BEGIN EC PRIVATE KEY-----\n\
        MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY+0uoAoGCCqGSM49\n\
        AwEHoUQDQgAEPR3tU2Fta9ktY+6P9G0cWO+0kETA6SFs38GecTyudlHz6xvCdz8q\n\
        -----END EC PRIVATE KEY-----";
    let matcher = by_print(&[key_file.as_bytes().to_vec()]);
    let text = "x = AwEHoUQDQgAEPR3tU2Fta9ktY+6P9G0cWO+0kETA6SFs38GecTyudlHz6xvCdz8q;";
    let hits = matcher.find(text.as_bytes());
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(hits[0].form, Form::Line);
    let whole = matcher.find(key_file.as_bytes());
    assert!(whole.iter().any(|hit| hit.form == Form::Raw), "{whole:?}");
}

#[test]
fn every_form_of_plain_values_is_in_the_print() {
    for value in [
        "k3Tq9ZpL2vXw7RbN4sYc",
        "p@ss w/rd<&>'x'`$HOME`\\?~k3Tq9ZpL2v",
        "postgres://shop:k3Tq9ZpL2vXw7RbN@db:5432/shop?sslmode=require",
    ] {
        let print = Print::of(&key(), value.as_bytes(), LEAST_BITS);
        assert_eq!(print.weakness, None, "{value}");
        let shapes = forms::shapes(value.as_bytes());
        assert_eq!(print.forms.len(), shapes.len(), "{value}");
    }
    // Letters of two bytes: every form that keeps the value in one piece.
    let value = "пароль-Kx7Qz9Tw3Lp5-ключ".as_bytes();
    let print = Print::of(&key(), value, LEAST_BITS);
    assert_eq!(print.forms.len(), forms::shapes(value).len());
}

fn a_pack(values: &[&str]) -> Vec<u8> {
    let (key, signer) = (secret(1), Signer::new(&secret(2)).unwrap());
    let mut pack = Pack::new(&key);
    for (number, value) in values.iter().enumerate() {
        let label = Label::new(format!("secret/{number}"), Some(3), "value");
        let value = Secret::new(value.as_bytes().to_vec());
        pack.add(label, Some(4), Some("ops".to_owned()), &value);
    }
    let order = Order {
        key: &key,
        signer: &signer,
        issued: 1000,
        expires: 2000,
    };
    pack.finish(&order).unwrap()
}

#[test]
fn pack_takes_only_what_may_leave_the_host_and_finds_it() {
    let strong = "k3Tq9ZpL2vXw7RbN4sYcHd8";
    let pack = a_pack(&[strong, "k3Tq9ZpL2vXw", "hunter2#9"]);
    let trusted = Signer::new(&secret(2)).unwrap().public();
    let opened = Pack::open(&pack, &trusted, &secret(1), 1500, &|_, _| true).unwrap();
    assert_eq!(opened.prints.entries().len(), 1, "weak ones are not in it");
    let entry = opened.prints.entries()[0].clone();
    assert_eq!(entry.label.to_string(), "secret/0@3#value");
    assert_eq!(
        (entry.newest, entry.owner.as_deref()),
        (Some(4), Some("ops"))
    );
    let matcher = Matcher::of_prints(opened.prints, opened.key);
    assert_eq!(matcher.find(format!("a={strong}").as_bytes()).len(), 1);
    for plain in [strong, "secret/0"] {
        let there = memchr::memmem::find(&pack, plain.as_bytes());
        assert_eq!(there, None, "not even names are there for everybody");
    }
}

#[test]
fn pack_that_was_changed_or_has_expired_or_is_foreign_is_refused() {
    let pack = a_pack(&["k3Tq9ZpL2vXw7RbN4sYcHd8"]);
    let trusted = Signer::new(&secret(2)).unwrap().public();
    let open = |pack: &[u8], trusted: &[u8; 32], seed: u8, now: i64| {
        Pack::open(pack, trusted, &secret(seed), now, &|_, _| true).err()
    };
    assert_eq!(open(&pack, &trusted, 1, 1500), None);
    assert_eq!(open(&pack, &trusted, 1, 2000), Some(PackError::Expired));
    assert_eq!(open(&pack, &trusted, 1, -9000), Some(PackError::Early));
    assert_eq!(open(&pack, &[0; 32], 1, 1500), Some(PackError::Foreign));
    assert_eq!(open(&pack, &trusted, 9, 1500), Some(PackError::WrongKey));
    for at in 0..pack.len() {
        let mut changed = pack.clone();
        changed[at] ^= 1;
        let refused = open(&changed, &trusted, 1, 1500);
        assert!(refused.is_some(), "byte {at} was changed and nobody saw it");
        let refused = open(&pack[..at], &trusted, 1, 1500);
        assert!(refused.is_some(), "cut at {at}");
    }
    // A longer life under the same signature, which is what somebody would want.
    let mut longer = pack;
    longer[25 + 32 + 16 + 8] = 0x7f;
    assert_eq!(open(&longer, &trusted, 1, 5000), Some(PackError::Tampered));
}
