//! Any `/proc/PID/cgroup`: what is found is one whole identifier, the innermost and only one there.
#![no_main]

use cofferdam_platform::docker::workload::cgroup::container_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(found) = container_of(text) else { return };
    let id = found.as_str();
    assert!(id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    let scope = format!("docker-{id}.scope");
    for line in text.lines() {
        let Some(path) = line.splitn(3, ':').nth(2) else { continue };
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        // Nothing below it, and no other identifier beside it.
        let holds = parts.iter().position(|part| *part == id || *part == scope);
        assert!(holds.is_none_or(|at| at + 1 == parts.len()));
        let other = |part: &&&str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
        assert!(parts.iter().filter(other).all(|part| *part == id));
    }
});
