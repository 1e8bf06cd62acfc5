//! Bytes that dockerd might send: the guard answers, keeps its promises about the answer, and a body
//! with a password in its environment is found whatever else stands in it.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_platform::docker::guard::{Mode, Policy, review};
use libfuzzer_sys::fuzz_target;

const ENFORCE: Policy = Policy { mode: Mode::Enforce, refuse_buildkit: false };
const WARN: Policy = Policy { mode: Mode::Warn, refuse_buildkit: false };

fuzz_target!(|bytes: &[u8]| {
    agree(bytes);
    let body = |bytes: &[u8]| {
        let call = serde_json::json!({
            "RequestMethod": "POST",
            "RequestUri": "/v1.41/containers/create",
            "RequestBody": STANDARD.encode(bytes),
        });
        call.to_string().into_bytes()
    };
    agree(&body(bytes));
    // The same with a member more: where it is JSON at all, it must be found.
    if let Ok(serde_json::Value::Object(_)) = serde_json::from_slice(bytes) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let rest = text.trim_start().trim_start_matches('{');
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        let planted = format!("{{\"eNv\":[\"A_PASSWORD=x1y2z3w4\"]{comma}{rest}");
        let verdict = review(ENFORCE, &body(planted.as_bytes()));
        assert!(!verdict.allow);
        assert!(!verdict.message.contains("x1y2z3w4"));
    }
});

/// Both modes find the same; a message is one line of words; only silence is allowed when enforcing.
fn agree(call: &[u8]) {
    let (strict, mild) = (review(ENFORCE, call), review(WARN, call));
    assert_eq!(strict.message, mild.message);
    assert!(mild.allow);
    assert_eq!(strict.allow, strict.message.is_empty());
    assert!(!strict.message.chars().any(char::is_control));
    assert!(strict.message.len() < 2048);
}
