//! Any bytes out of a FIFO, in any pieces: the same entries, each readable as it is written.

#![no_main]

use cofferdam_platform::docker::plugin::count_entries;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, u16)| {
    let (bytes, cut) = input;
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert!(count_entries(&[&bytes]).is_some());
    assert!(count_entries(&[first, second]).is_some());
});
