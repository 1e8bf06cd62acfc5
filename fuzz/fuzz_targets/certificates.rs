//! Foreign bytes as a certificate of a client, and as what an entry or a list is written with.
//!
//! What is read is read alike each time, and only a whole certificate is one.

#![no_main]

use cofferdam_engines::auth::cert::certificate::{Certificate, pem, revoked};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(read) = Certificate::parse(bytes) {
        assert_eq!(read.key.len(), 64);
        assert_eq!(Certificate::parse(bytes), Some(read));
        assert_eq!(Certificate::parse(&[bytes, b"x"].concat()), None);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(all) = pem(text) {
        assert!(!all.is_empty());
    }
    if let Some(numbers) = revoked(text) {
        assert!(numbers.iter().all(|number| number.bytes().all(|byte| byte.is_ascii_digit())));
    }
});
