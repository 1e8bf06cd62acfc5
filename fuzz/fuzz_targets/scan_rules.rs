//! A foreign configuration of rules, and text against what it says: no panic, refused with a line or used.

#![no_main]

use cofferdam_detect::pattern::{DigestKey, IgnoreList, Imported, Scanner};
use cofferdam_detect::source::{Finder, Limits, Patterns};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (config, sample) = text.split_once("\n===\n").unwrap_or((text, ""));
    let list = IgnoreList::parse(config);
    match Imported::parse(config, &|_| Err("no files".to_owned())) {
        Err(refused) => assert!(refused.line >= 1 && refused.line <= config.lines().count() + 1),
        Ok(imported) => {
            let (scanner, key) = (Scanner::with(imported), DigestKey::new(&Secret::new(b"fuzz".to_vec())));
            let matcher = Matcher::new(Needles::new());
            let mut finder = Finder::new(&matcher, Limits::default()).with_patterns(Patterns::new(&scanner, &key));
            finder.reader("f", &mut sample.as_bytes());
            for finding in &finder.take().findings {
                let _ = list.contains(finding);
            }
        }
    }
});
