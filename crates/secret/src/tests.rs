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
fn buffer_grows_to_what_is_announced_and_seldom() {
    const FIRST: usize = 16;
    let wholes = [0, 10_000, 10_007, 16_384];
    let lengths = [1, 17, 300, 2_500, 2_501, 5_001, 10_000, 20_000];
    for (whole, length) in wholes
        .iter()
        .flat_map(|whole| lengths.map(|length| (*whole, length)))
    {
        let mut buffer = Buffer::with_capacity(FIRST);
        let (mut copied, mut at) = (0, buffer.as_slice().as_ptr());
        for number in 0..length {
            buffer.push_of(&[number as u8], whole);
            let now = buffer.as_slice().as_ptr();
            copied += u32::from(std::mem::replace(&mut at, now) != now);
        }
        assert!(copied <= 12, "{whole} {length}: copied {copied} times");
        let content = buffer.finish();
        let expected: Vec<u8> = (0..length).map(|number| number as u8).collect();
        assert_eq!(content.expose(), &expected);
        let room = content.expose().capacity();
        assert!(
            room <= (2 * length).max(FIRST * 4),
            "{whole} {length}: {room}"
        );
        assert!(
            room <= whole.max(FIRST) || length > whole,
            "{whole} {length}: {room}"
        );
    }
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
