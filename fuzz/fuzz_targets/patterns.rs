//! Foreign bytes against all rules, in pieces and as a whole: no panic, the same findings, and nothing
//! printable that still holds a value.

#![no_main]

use cofferdam_detect::findings::{Findings, Form, Style};
use cofferdam_detect::pattern::{DigestKey, Scanner};
use cofferdam_detect::source::{Finder, Limits, Patterns};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;
use std::io::Read as _;
use std::sync::OnceLock;

struct Ready {
    scanner: Scanner,
    key: DigestKey,
    matcher: Matcher,
}

fuzz_target!(|bytes: &[u8]| {
    static READY: OnceLock<Ready> = OnceLock::new();
    let ready = READY.get_or_init(|| Ready {
        scanner: Scanner::new(),
        key: DigestKey::new(&Secret::new(b"fuzz".to_vec())),
        matcher: Matcher::new(Needles::new()),
    });
    let finder = || {
        let patterns = Patterns::new(&ready.scanner, &ready.key);
        Finder::new(&ready.matcher, Limits::default()).with_patterns(patterns)
    };
    let mut whole = finder();
    whole.reader("f", &mut &*bytes);
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let mut pieces = finder();
    pieces.reader("f", &mut head.chain(tail));
    let (whole, pieces) = (Findings::new(whole.take()), Findings::new(pieces.take()));
    let json = whole.shown(Form::Json, Style::default());
    assert_eq!(json, pieces.shown(Form::Json, Style::default()));
    for (_, form) in Form::NAMES {
        let shown = whole.shown(*form, Style::default());
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
    }
});
