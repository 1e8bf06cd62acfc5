//! `cofferdam fix` on any Dockerfile: edits fit, and the new text is read again.
#![no_main]

use cofferdam_detect::pattern::Scanner;
use cofferdam_platform::fix::dockerfile::{Given, fix};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    let scanner = SCANNER.get_or_init(Scanner::new);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let given = Given {
        arguments: BTreeMap::from([("A".to_owned(), Secret::new("kR7xmQ2vLp9w".to_owned()))]),
        also: BTreeSet::from(["B".to_owned()]),
        files: BTreeMap::from([("id_rsa".to_owned(), Secret::new("x".to_owned()))]),
        ..Given::default()
    };
    let fixed = fix(text, &given, scanner);
    let new = fixed.edits.apply(text);
    let Some(new) = new else {
        panic!("edits fit their text");
    };
    let _ = fix(&new, &given, scanner);
});
