//! Foreign bytes as a pack, as a bundle and as a print; and a search with whatever was let in.

#![no_main]

use cofferdam_detect::Matcher;
use cofferdam_detect::fingerprint::{Pack, Print, PrintKey, Prints};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = Secret::new([7; 32]);
    assert!(Pack::open(bytes, &[1; 32], &key, 0, &|_, _| true).is_err());
    if let Ok(print) = Print::parse(bytes) {
        assert_eq!(print.to_bytes(), bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut prints = Prints::new();
    if prints.add_bundle(text, &|_, _| true).is_ok() {
        let matcher = Matcher::of_prints(prints, PrintKey::new(&key));
        let whole = matcher.find(bytes);
        let mut pieces = Vec::new();
        let mut stream = matcher.stream();
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        stream.push(head, |hit| pieces.push(hit));
        stream.push(tail, |hit| pieces.push(hit));
        stream.finish(|hit| pieces.push(hit));
        assert_eq!(whole, pieces);
    }
});
