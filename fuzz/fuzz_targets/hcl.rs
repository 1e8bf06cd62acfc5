//! Any text: no panic, bounded time, and every accessor can be called.
#![no_main]

use cofferdam_hcl::{Body, Value, parse};
use libfuzzer_sys::fuzz_target;

fn read(body: &Body) {
    for key in body.unknown(&[]) {
        let _ = (body.blocks(&key.text), body.labelled(&key.text));
        let _ = body.attribute(&key.text).map(values);
    }
    let _ = (body.duplicates().count(), format!("{body:?}"));
}

fn values(value: &Value) {
    let _ = (value.string(), value.strings(), value.boolean(), value.integer(), value.duration());
    if let Ok(body) = value.object() {
        read(body);
    }
}

fuzz_target!(|text: &str| {
    if let Ok(body) = parse(text) {
        read(&body);
    }
});
