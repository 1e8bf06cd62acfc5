use super::*;
use crate::{Label, Matcher, Needles};
use ::base64::Engine as _;
use ::base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;

fn matcher(value: &[u8]) -> Matcher {
    let mut needles = Needles::new();
    let id = needles.add(
        Label::new("secret/a", Some(1), "value"),
        &Secret::new(value.to_vec()),
    );
    id.unwrap();
    Matcher::new(needles)
}

fn forms_in(matcher: &Matcher, text: &[u8]) -> Vec<Form> {
    let mut forms: Vec<_> = matcher.find(text).iter().map(|hit| hit.form).collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

const VALUE: &[u8] = br#"p@ss"w/rd <&> 'x' `$HOME`\?~"#;

#[test]
fn every_shape_is_there_once_and_long_enough() {
    let shapes = shapes(VALUE);
    for (position, shape) in shapes.iter().enumerate() {
        assert!(shape.bytes.len() >= 8, "{:?}", shape.form);
        for other in &shapes[..position] {
            assert!(
                other.bytes.expose() != shape.bytes.expose() || other.caseless != shape.caseless,
                "{:?} and {:?} are the same",
                other.form,
                shape.form
            );
        }
    }
}

#[test]
fn json_of_go_python_and_php_is_found() {
    let matcher = matcher(VALUE);
    let plain = serde_json::to_string(std::str::from_utf8(VALUE).unwrap()).unwrap();
    let go = plain
        .replace('<', "\\u003c")
        .replace('>', "\\u003E")
        .replace('&', "\\u0026");
    let php = plain.replace('/', "\\/");
    let nested = serde_json::to_string(&plain).unwrap();
    for (text, form) in [
        (&plain, Form::Json),
        (&go, Form::Json),
        (&php, Form::Json),
        (&nested, Form::JsonTwice),
    ] {
        assert!(
            forms_in(&matcher, text.as_bytes()).contains(&form),
            "{text}"
        );
    }
    let unicode = self::matcher("schlüssel-𝄞-wort".as_bytes());
    let python = r#"{"a": "schl\u00fcssel-\ud834\uDD1E-wort"}"#;
    assert_eq!(forms_in(&unicode, python.as_bytes()), [Form::Json]);
}

#[test]
fn urls_are_found_in_either_case_and_with_either_space() {
    let matcher = matcher(b"a b/c+d=e&f~g(h)");
    for text in [
        "a%20b%2Fc%2Bd%3De%26f~g%28h%29",
        "a%20b%2fc%2bd%3de%26f~g%28h%29",
        "a+b%2Fc%2Bd%3De%26f%7Eg%28h%29",
        "a%20b/c+d=e&f~g(h)",
        "a%20b%2Fc%2Bd%3De%26f~g(h)",
    ] {
        assert_eq!(forms_in(&matcher, text.as_bytes()), [Form::Url], "{text}");
    }
}

#[test]
fn shell_quoting_is_found() {
    let matcher = matcher(b"it's $5 `now`");
    for text in [
        r"'it'\''s $5 `now`'",
        r#"'it'"'"'s $5 `now`'"#,
        r#""it's \$5 \`now\`""#,
    ] {
        assert_eq!(forms_in(&matcher, text.as_bytes()), [Form::Shell], "{text}");
    }
}

#[test]
fn utf16_is_found_in_both_orders() {
    let matcher = matcher(b"wide-Pa55word");
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let text: Vec<u8> = "x wide-Pa55word y".encode_utf16().flat_map(order).collect();
        assert_eq!(forms_in(&matcher, &text), [Form::Utf16]);
    }
}

#[test]
fn long_base64_is_found_when_it_is_broken_into_lines() {
    let value: Vec<u8> = (0..200_u32).map(|n| b'!' + (n * 37 % 90) as u8).collect();
    let matcher = matcher(&value);
    let text = STANDARD.encode(&value);
    for width in [64, 76] {
        let lines: Vec<_> = text.as_bytes().chunks(width).collect();
        let broken = lines.join(&b"\r\n"[..]);
        assert_eq!(forms_in(&matcher, &broken), [Form::Base64], "width {width}");
    }
}

#[test]
fn telling_lines_of_a_key_are_found_and_its_armour_is_not() {
    let key = b"-----BEGIN OPENSSH PRIVATE KEY-----\n\
        b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gt\n\
        QyNTUxOQAAACDrUjQZxCkFf9sLwK0aTnYb7hVqkJ3xWmH2gRzEoP5u4QAAAJjx8Yp78f\n\
        -----END OPENSSH PRIVATE KEY-----\n";
    let matcher = matcher(key);
    let other = b"-----BEGIN OPENSSH PRIVATE KEY-----\nQUJD\n-----END OPENSSH PRIVATE KEY-----\n";
    assert!(matcher.find(other).is_empty());
    let indented =
        b"  key: |\r\n    QyNTUxOQAAACDrUjQZxCkFf9sLwK0aTnYb7hVqkJ3xWmH2gRzEoP5u4QAAAJjx8Yp78f\r\n";
    assert_eq!(forms_in(&matcher, indented), [Form::Line]);
}

#[test]
fn added_newline_does_not_hide_a_value() {
    let matcher = matcher(b"newline-Pa55\r\n");
    assert_eq!(forms_in(&matcher, b"X=newline-Pa55;"), [Form::Raw]);
    let echoed = STANDARD.encode(b"newline-Pa55\n");
    assert_eq!(forms_in(&matcher, echoed.as_bytes()), [Form::Base64]);
}

/// Values that pass the judge.
fn values() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 8..200).prop_filter("strong", |value| {
        value.trim_ascii() == value.as_slice() && crate::weak::judge(value).is_ok()
    })
}

proptest! {
    #[test]
    fn any_value_is_found_in_base64_at_any_alignment(
        value in values(),
        before in proptest::collection::vec(any::<u8>(), 0..9),
        after in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let matcher = matcher(&value);
        let whole = [before, value, after].concat();
        prop_assert!(forms_in(&matcher, STANDARD.encode(&whole).as_bytes()).contains(&Form::Base64));
        prop_assert!(forms_in(&matcher, STANDARD_NO_PAD.encode(&whole).as_bytes()).contains(&Form::Base64));
        let url = forms_in(&matcher, URL_SAFE.encode(&whole).as_bytes());
        prop_assert!(url.contains(&Form::Base64) || url.contains(&Form::Base64Url));
    }

    #[test]
    fn any_value_is_found_in_base64_of_base64(value in values(), before in 0..5_usize) {
        let once = STANDARD.encode(&value);
        let twice = STANDARD.encode(format!("{}{once}", "x".repeat(before)));
        prop_assert!(forms_in(&matcher(&value), twice.as_bytes()).contains(&Form::Base64Twice));
    }

    #[test]
    fn any_value_is_found_in_hex_of_any_case(value in values(), upper in any::<u64>()) {
        let text: String = hex::encode(&value)
            .char_indices()
            .map(|(at, c)| if upper >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        prop_assert!(forms_in(&matcher(&value), text.as_bytes()).contains(&Form::Hex));
    }

    #[test]
    fn any_text_is_found_in_json_and_in_urls(text in "\\PC{10,60}") {
        let value = text.trim().as_bytes();
        prop_assume!(crate::weak::judge(value.trim_ascii()).is_ok());
        let matcher = matcher(value);
        let json = serde_json::to_string(&serde_json::json!({ "key": text })).unwrap();
        prop_assert!(!matcher.find(json.as_bytes()).is_empty());
        let url = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        let strict = url.to_string().replace("%2D", "-").replace("%2E", ".")
            .replace("%5F", "_").replace("%7E", "~");
        prop_assert!(!matcher.find(strict.as_bytes()).is_empty());
    }
}
