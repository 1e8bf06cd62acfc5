//! Foreign bytes as a token and as a set of keys.
//!
//! A token that was made of the bytes is never signed by a key that is fixed here; a key set that was
//! let in can be asked about any token; and what is read twice is read alike.

#![no_main]

use cofferdam_engines::auth::jose::{Algorithm, Expected, Key, KeySet, Token};
use libfuzzer_sys::fuzz_target;

/// The public key of RFC 8037, appendix A, as it stands in a certificate's place.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (token, document) = text.split_once('\n').unwrap_or((text, text));
    let _ = Key::from_pem(document);
    let fixed = KeySet::of(vec![Key::from_pem(PUBLIC).expect("a key")]);
    let found = KeySet::parse(document.as_bytes());
    let Ok(token) = Token::parse(token) else { return };
    assert!(fixed.verify(&token, &Algorithm::ALL).is_err());
    assert!(fixed.verify(&token, &[]).is_err());
    if let Some((set, _)) = found {
        if let Ok(claims) = set.verify(&token, &Algorithm::ALL) {
            let _ = Expected::default().check(&claims, cofferdam_core::clock::Time::from_nanos(1));
        }
    }
    let _ = token.unverified().map(|claims| claims.claim("iss").is_some());
});
