//! Any bytes for a stream of events, cut anywhere: the number of lines is that of the line ends.
#![no_main]

use cofferdam_api::events::count_lines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, u16)| {
    let (bytes, cut) = input;
    let (head, tail) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
    if bytes.len() < 60_000 {
        assert_eq!(count_lines(&[head, tail]), ends);
        assert_eq!(count_lines(&[&bytes]), ends);
    }
});
