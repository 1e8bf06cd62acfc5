//! Foreign bytes as somebody's public key, and as a file with one in it.
//!
//! Nothing panics, a key is judged alike each time, and what was judged good is stored, comes back, and
//! can be encrypted to.

#![no_main]

use cofferdam_openpgp::{Recipient, binary};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_800_000_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = binary(bytes) {
        check(&key);
    }
    check(bytes);
});

fn check(bytes: &[u8]) {
    let Ok(recipient) = Recipient::from_binary(bytes, NOW) else { return };
    let again = Recipient::from_binary(bytes, NOW).unwrap();
    assert_eq!(recipient.fingerprint(), again.fingerprint());
    let stored = serde_json::to_string(&recipient).unwrap();
    let back: Recipient = serde_json::from_str(&stored).unwrap();
    assert_eq!(back.fingerprint(), recipient.fingerprint());
    assert!(back.encrypt(b"share").unwrap().len() > 60);
    // There is no key in it that was not whole.
    assert!(Recipient::from_binary(&bytes[..bytes.len() - 1], NOW).is_err());
}
