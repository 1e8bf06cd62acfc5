//! Any URL path: what is accepted is canonical, and another spelling of it is the same path.
#![no_main]

use cofferdam_core::path::{Name, Path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &str| {
    let _ = Name::policy(raw).map(|name| assert!(!name.is_root()));
    if let Ok(path) = Path::parse(raw) {
        assert_eq!(Path::parse(&path.written()).as_ref(), Ok(&path));
    }
    let Ok(path) = Path::from_url(raw) else { return };
    assert_eq!(Path::parse(&path.written()).as_ref(), Ok(&path));
    let escaped: String = path
        .written()
        .bytes()
        .map(|b| if b == b'/' { "/".to_owned() } else { format!("%{b:02x}") })
        .collect();
    assert_eq!(Path::from_url(&escaped).as_ref(), Ok(&path));
    for segment in path.segments() {
        assert!(!matches!(segment, "" | "." | ".."));
        assert!(!segment.contains(|c: char| c.is_control() || c == '\\'));
    }
    for mount in ["a", "a/b", ""] {
        if let Some(below) = path.strip_prefix(mount) {
            assert!(path.as_str().ends_with(below.as_str()));
        }
    }
});
