//! Reports of other scanners: no panic, and nothing printable that holds what they carry as a value.

#![no_main]

use cofferdam_detect::findings::{Findings, Form, Style, import};
use cofferdam_detect::pattern::{DigestKey, Scanner};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

struct Ready {
    scanner: Scanner,
    key: DigestKey,
}

fuzz_target!(|bytes: &[u8]| {
    static READY: OnceLock<Ready> = OnceLock::new();
    let ready = READY.get_or_init(|| Ready {
        scanner: Scanner::new(),
        key: DigestKey::new(&Secret::new(b"fuzz".to_vec())),
    });
    let found = match import(bytes, &ready.scanner, &ready.key) {
        Ok(found) => found,
        Err(refused) => {
            assert!(refused.to_string().len() < 120);
            return;
        }
    };
    let mut findings = Findings::default();
    findings.merge(found);
    for (_, form) in Form::NAMES {
        let shown = findings.shown(*form, Style::default());
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
    }
});
