//! Any values, any text, any cuts: the redactor does what its slow model does, and where the model
//! finds nothing, what `cat` does.

#![no_main]

use cofferdam_detect::Matcher;
use cofferdam_detect::redact::{Masks, Style};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

#[path = "../../crates/detect/tests/redact_model/mod.rs"]
mod model;

fuzz_target!(|input: (Vec<Vec<u8>>, Vec<u8>, Vec<u16>)| {
    let (mut values, text, cuts) = input;
    values.truncate(8);
    // Values that stand in the text, so that there is something to mask.
    values.extend(text.chunks(19).take(6).map(<[u8]>::to_vec));
    let matcher = Matcher::new(model::needles(&values));
    let expected = model::redact(&matcher, &text, |secret| {
        format!("<secret:s/{secret}>").into_bytes()
    });
    if matcher.needles().shapes() == 0 {
        assert!(expected == text);
    }

    let masks = Arc::new(Masks::new(model::needles(&values), &Style::ascii()));
    let mut out = Vec::new();
    let mut stream = masks.stream();
    let mut rest = text.as_slice();
    for cut in cuts {
        let (now, later) = rest.split_at(usize::from(cut).min(rest.len()));
        stream.push(now, &mut |part| out.extend_from_slice(part));
        rest = later;
    }
    stream.push(rest, &mut |part| out.extend_from_slice(part));
    stream.finish(&mut |part| out.extend_from_slice(part));
    assert!(out == expected);
});
