//! Any values, any text, any chunks: the stream finds what the whole text holds, and every raw
//! occurrence is among the hits.

#![no_main]

use cofferdam_detect::{Form, Label, Matcher, Needles};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<Vec<u8>>, Vec<u8>, Vec<u16>)| {
    let (mut values, text, cuts) = input;
    values.truncate(12);
    // Values that stand in the text, so that there is something to find.
    values.extend(text.chunks(23).take(6).map(<[u8]>::to_vec));
    let mut needles = Needles::new();
    for value in &values {
        needles.add(Label::new("fuzz", None, "value"), &Secret::new(value.clone())).unwrap();
    }
    let matcher = Matcher::new(needles);
    let whole = matcher.find(&text);

    let mut pieces = Vec::new();
    let mut stream = matcher.stream();
    let mut rest = text.as_slice();
    for cut in cuts {
        let (now, later) = rest.split_at(usize::from(cut).min(rest.len()));
        stream.push(now, |hit| pieces.push(hit));
        rest = later;
    }
    stream.push(rest, |hit| pieces.push(hit));
    stream.finish(|hit| pieces.push(hit));
    assert!(pieces == whole);

    for (number, value) in values.iter().enumerate() {
        let value = value.trim_ascii();
        let weak = matcher.needles().entries()[number].weakness.is_some();
        // Longer ones are known by their beginning.
        if weak || value.len() > 4096 {
            continue;
        }
        let expected = text.windows(value.len()).filter(|window| *window == value).count();
        let raw = whole.iter().filter(|hit| hit.secret.index() == number && hit.form == Form::Raw);
        assert!(raw.count() == expected);
    }
});
