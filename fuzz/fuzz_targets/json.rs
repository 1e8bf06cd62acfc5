//! What the checker lets through, serde_json and our own reader read, alike; and the audit transform
//! keeps its structure and none of its text.
#![no_main]

use cofferdam_core::audit::{Fragment, Salt};
use cofferdam_core::json::{Body, Budget, check};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let budget = Budget::default();
    if check(bytes, &budget).is_err() {
        return;
    }
    let theirs: Value = serde_json::from_slice(bytes).expect("serde_json reads what passed");
    let body = Body::checked(Secret::new(bytes.to_vec()), &budget).ok().expect("checked twice");
    let ours: Value = body.parse().expect("our reader reads what passed");
    assert!(ours == theirs || has_wide_numbers(&theirs));
    for (name, value) in body.as_raw().fields() {
        let value: Value = serde_json::from_str(value.as_str()).expect("a raw value is JSON");
        assert!(theirs[&*name.decoded()] == value || has_wide_numbers(&value));
    }
    let salt = Salt::new(&Secret::new([1; 32]));
    let fragment = Fragment::redact(&salt, bytes, &[]).expect("a checked body can be recorded");
    let redacted: Value =
        serde_json::from_slice(fragment.json(&salt).expect("same salt")).expect("still JSON");
    assert!(same_shape(&theirs, &redacted, &salt));
});

/// Numbers beyond 64 bits become doubles, which the two readers may round differently.
fn has_wide_numbers(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(list) => list.iter().any(has_wide_numbers),
        Value::Object(map) => map.values().any(has_wide_numbers),
        _ => false,
    }
}

fn same_shape(value: &Value, redacted: &Value, salt: &Salt) -> bool {
    match (value, redacted) {
        (Value::String(text), Value::String(hash)) => {
            salt.hash_value(text.as_bytes()).as_str() == hash
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b, salt))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same_shape(v, w, salt)))
        }
        (a, b) => a == b,
    }
}
