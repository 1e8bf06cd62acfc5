use super::*;
use std::io::Write as _;

#[test]
fn buffer_keeps_what_was_written_across_growth() {
    let mut buffer = Buffer::with_capacity(1);
    for chunk in [&b"a"[..], b"bc", b"", b"defghijklmnop"] {
        buffer.write_all(chunk).unwrap();
    }
    assert_eq!(buffer.finish().expose(), b"abcdefghijklmnop");
}

#[test]
fn base62_has_the_length_and_alphabet_asked_for() {
    for length in [0, 1, 24, 95] {
        let text = random_base62(length).unwrap();
        assert_eq!(text.len(), length);
        assert!(text.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}

#[test]
fn invalid_utf8_is_not_text() {
    assert!(Secret::new(vec![0xff]).into_text().is_none());
}

#[test]
fn comparison_is_by_content() {
    assert!(constant_time_eq(b"same", b"same"));
    assert!(!constant_time_eq(b"same", b"Same"));
    assert!(!constant_time_eq(b"same", b"samer"));
}
