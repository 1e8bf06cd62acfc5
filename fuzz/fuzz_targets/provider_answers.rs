//! Any answer of any provider: no panic, and nothing of it is repeated.
#![no_main]

use cofferdam_detect::verify::{Life, question};
use libfuzzer_sys::fuzz_target;

const RULES: [&str; 5] = [
    "github-ghp-token",
    "gitlab-glpat",
    "slack-bot-token",
    "stripe-live-key",
    "aws-secret-access-key",
];

fuzz_target!(|answer: (u8, u16, &[u8])| {
    let (rule, status, body) = answer;
    let rule = RULES[usize::from(rule) % RULES.len()];
    let question = question(rule).expect("it is in the list");
    if let Life::Unknown(reason) = question.judge(status, body) {
        assert!(reason.len() < 100 && reason.is_ascii());
    }
});
