//! Any `otpauth://` URL: no panic; what is wrong with it is said in fixed words.
#![no_main]

use cofferdam_engines::secrets::totp::{BadUrl, Parameters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Parameters::parse(text) {
        Ok(found) => {
            // Nothing comes out that did not go in.
            let longest = text.len();
            assert!(found.account_name.len() <= longest);
            assert!(found.issuer.is_none_or(|issuer| issuer.len() <= longest));
            assert!(found.secret.is_none_or(|secret| secret.expose().len() <= longest));
        }
        Err(BadUrl(words)) => assert!(words.starts_with("an error occurred")),
    }
});
