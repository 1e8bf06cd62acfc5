//! Any text, any cut: masking by keys does not depend on the pieces, and changes nothing where no name
//! of a secret stands.

#![no_main]

use cofferdam_detect::redact::Style;
use cofferdam_detect::redact::keys::{KeyStream, is_secret};
use libfuzzer_sys::fuzz_target;

fn mask(pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = KeyStream::new(Style::ascii());
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out);
    }
    stream.finish(&mut out);
    out
}

fuzz_target!(|input: (Vec<u8>, u16)| {
    let (text, cut) = input;
    let whole = mask(&[&text]);
    let (first, second) = text.split_at(usize::from(cut).min(text.len()));
    assert!(mask(&[first, second]) == whole);
    let key = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"_-.".contains(byte));
    let named = text.split(key).any(|word| is_secret(&String::from_utf8_lossy(word)));
    let strings = text.contains(&b'"') || text.contains(&0x1b);
    assert!(named || strings || whole == text);
});
