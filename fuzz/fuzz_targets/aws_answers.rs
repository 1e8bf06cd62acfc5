//! Foreign bytes as an answer of STS or IAM, as a signed request's header, and as an ARN.
//!
//! Who is found in an answer stands in it as a whole document, and nothing in what is found could lead
//! out of its place: no pattern, no separator, no other account.

#![no_main]

use cofferdam_engines::auth::aws::answer::{What, caller, problem, resolved};
use cofferdam_engines::auth::aws::arn::{Bound, Principal};
use cofferdam_engines::auth::aws::authorization::{Authorization, is_region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(found) = caller(bytes) {
        assert!(bytes.trim_ascii().starts_with(b"<") && bytes.trim_ascii().ends_with(b">"));
        assert!(!found.arn.contains(['*', ' ', '<', '"']));
        assert_eq!(Principal::parse(&found.arn).as_ref(), Some(&found.principal));
    }
    let _ = resolved(bytes, What::Role).or(resolved(bytes, What::User));
    if let Some(word) = problem(bytes) {
        assert!(word.bytes().all(|byte| byte.is_ascii_alphabetic()));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(read) = Authorization::parse(text) {
        assert!(is_region(read.region) && text.matches("SignedHeaders=").count() == 1);
        assert!(read.signed.iter().all(|name| !name.contains([' ', ':', '\r', '\n'])));
    }
    if let Ok(Bound::Pattern(pattern)) = Bound::parse(text) {
        assert!(pattern.split('*').next().is_some_and(|fixed| fixed.matches(':').count() == 5));
    }
    if let Some(principal) = Principal::parse(text) {
        let canonical = Principal::parse(&principal.canonical()).expect("an ARN");
        assert!(canonical.is(&principal));
    }
});
