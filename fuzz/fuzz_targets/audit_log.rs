//! `audit verify` reads any bytes, and never takes bytes it did not write for a record.
#![no_main]

use cofferdam_core::audit::ChainKey;
use cofferdam_core::audit::verify::{Expected, verify};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = ChainKey::new(&Secret::new([1; 32]));
    let report = verify(bytes, &key, &Expected::default()).expect("reading memory cannot fail");
    assert_eq!(report.records, 0);
});
