//! Any filter of a subscription: read or refused, and the refusal repeats none of it.
#![no_main]

use cofferdam_core::events::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Filter::parse(text) {
        assert!(error.to_string().len() < 200);
    }
});
