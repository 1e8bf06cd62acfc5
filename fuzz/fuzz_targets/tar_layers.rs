//! Foreign bytes as an image stream, as a nested archive and as JSON: no panic, bounded work, and
//! nothing printable that still holds the value.

#![no_main]

use cofferdam_detect::source::{Finder, Limits};
use cofferdam_detect::{Label, Matcher, Needles};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

const VALUE: &str = "fuzzed-Xy7-Pa55word";

fn matcher() -> &'static Matcher {
    static MATCHER: OnceLock<Matcher> = OnceLock::new();
    MATCHER.get_or_init(|| {
        let mut needles = Needles::new();
        let value = Secret::new(VALUE.as_bytes().to_vec());
        needles.add(Label::new("fuzz", None, "value"), &value).unwrap();
        Matcher::new(needles)
    })
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { expanded: 8 << 20, ratio_from: 1 << 20, ..Limits::default() };
    let mut finder = Finder::new(matcher(), limits);
    let archive = finder.image(&mut &data[..]);
    finder.reader("blob", &mut &data[..]);
    finder.json("document", data);
    let own = finder.take();
    // Opening archives may read the same bytes a few times, and a bomb up to its limit.
    assert!(own.bytes < (32 << 20) + 16 * data.len() as u64);
    let images = archive.images.iter().flat_map(|image| [&image.config, &image.layers]);
    for looked in images.chain([&own]) {
        let found = looked.exposed.values().flat_map(|exposed| &exposed.at).map(|at| &at.location);
        for location in found.chain(looked.gaps.iter().map(|gap| &gap.location)) {
            assert!(!location.contains(VALUE) && !location.contains('\x1b'));
        }
    }
});
