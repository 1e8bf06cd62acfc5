//! What clients hand to transit: ciphertexts (`vault:v3:…`), base64, backups of keys. No panic, bounded
//! work; what is wrong is said without the content.
#![no_main]

use cofferdam_engines::secrets::transit::Backup;
use cofferdam_engines::secrets::transit::encoding::{Versioned, decode};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(found) = Versioned::parse(text) {
        assert!(text.ends_with(found.body));
        let _ = decode(found.body);
    }
    if let Ok(bytes) = decode(text) {
        assert!(bytes.expose().len() <= text.len());
    }
    // The envelope is left out, so that most of what is tried arrives where it is read.
    for json in [text.to_owned(), format!("{{\"policy\":{text}}}")] {
        match Backup::read(Secret::new(json.into_bytes())).and_then(Backup::check) {
            Ok(()) => {}
            Err(error) => assert!(error.to_string().len() < 400),
        }
    }
});
