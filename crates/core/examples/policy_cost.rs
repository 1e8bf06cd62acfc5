//! What a decision costs with one policy and with fifty: `cargo run --profile fast -p
//! cofferdam-core --example policy_cost`.
//!
//! Each policy has what a small application has: its own secrets, listing, and two rules with
//! wildcards. The requests go round over paths of all policies, allowed and refused ones.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for people to run and read"
)]

use cofferdam_core::Operation;
use cofferdam_core::path::Path;
use cofferdam_core::policy::{Acl, ParameterFacts, Policy, Verdict};
use std::hint::black_box;
use std::time::Instant;

/// Short runs, so that on a busy machine the best one was not disturbed.
const ROUNDS: usize = 3_000;
const RUNS: usize = 500;

fn policy(number: usize) -> Policy {
    let text = format!(
        r#"path "secret/data/app{number}/*" {{ capabilities = ["create", "read", "update"] }}
           path "secret/data/app{number}/root" {{ capabilities = ["deny"] }}
           path "secret/metadata/app{number}/*" {{ capabilities = ["list"] }}
           path "team{number}/+/config" {{ capabilities = ["read"] }}
           path "team{number}/+/logs/*" {{ capabilities = ["read", "list"] }}"#
    );
    Policy::parse(&format!("app{number}"), &text).expect("the text above is a policy")
}

fn requests(number: usize) -> Vec<(Path, Operation)> {
    let texts = [
        (format!("secret/data/app{number}/database"), Operation::Read),
        (format!("secret/data/app{number}/root"), Operation::Read),
        (format!("secret/metadata/app{number}"), Operation::List),
        (format!("team{number}/blue/config"), Operation::Read),
        (format!("team{number}/blue/logs/today"), Operation::Read),
        ("sys/mounts".to_owned(), Operation::Read),
    ];
    let parse =
        |(text, operation): (String, _)| (Path::parse(&text).expect("a canonical path"), operation);
    texts.into_iter().map(parse).collect()
}

/// Nanoseconds for one decision, the best of several runs.
fn measure(acl: &Acl, requests: &[(Path, Operation)]) -> (f64, usize) {
    let mut best = f64::INFINITY;
    let mut allowed = 0;
    for _ in 0..RUNS {
        allowed = 0;
        let start = Instant::now();
        for (path, operation) in requests.iter().cycle().take(ROUNDS) {
            let verdict = acl.allows(black_box(path), *operation, &ParameterFacts::default());
            allowed += usize::from(matches!(verdict, Verdict::Allowed { .. }));
        }
        #[allow(clippy::cast_precision_loss, reason = "a small count")]
        let nanoseconds = start.elapsed().as_secs_f64() * 1e9 / ROUNDS as f64;
        best = best.min(nanoseconds);
    }
    (best, allowed * 100 / ROUNDS)
}

fn main() {
    let policies: Vec<Policy> = (0..50).map(policy).collect();
    let start = Instant::now();
    black_box(Acl::new(&policies));
    println!("building 50 policies: {:?}", start.elapsed());
    let mut one = f64::NAN;
    for count in [1, 2, 10, 50] {
        let policies = policies.get(..count).unwrap_or_default();
        let requests: Vec<_> = (0..count).flat_map(requests).collect();
        let (nanoseconds, allowed) = measure(&Acl::new(policies), &requests);
        if count == 1 {
            one = nanoseconds;
        }
        println!(
            "{count:>2} policies: {nanoseconds:6.1} ns, {:.2} x ({allowed} % allowed)",
            nanoseconds / one
        );
    }
}
