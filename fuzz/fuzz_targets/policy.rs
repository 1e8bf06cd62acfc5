//! A policy text and a path, divided by a null character.
//!
//! Whatever the policy says: a deny added for exactly the path leaves nothing allowed there, and
//! both slash forms are decided alike.
#![no_main]

use cofferdam_core::Operation;
use cofferdam_core::path::Path;
use cofferdam_core::policy::{Acl, ParameterFacts, Policy, Verdict};
use libfuzzer_sys::fuzz_target;

const OPERATIONS: [Operation; 7] = [
    Operation::Create,
    Operation::Read,
    Operation::Update,
    Operation::Patch,
    Operation::Delete,
    Operation::List,
    Operation::Scan,
];

fuzz_target!(|text: &str| {
    let (text, path) = text.split_once('\0').unwrap_or((text, "a/b"));
    let (Ok(policy), Ok(path)) = (Policy::parse("p", text), Path::parse(path)) else { return };
    let acl = Acl::new([&policy]);
    let facts = ParameterFacts::default();
    let allows = |acl: &Acl, path: &Path, operation| matches!(acl.allows(path, operation, &facts), Verdict::Allowed { .. });
    let slashed = Path::parse(&format!("{}/", path.as_str()));
    let _ = (acl.capabilities(&path).names(), acl.reaches(&path), policy.warnings());
    for operation in OPERATIONS {
        if let Ok(slashed) = &slashed {
            assert_eq!(allows(&acl, &path, operation), allows(&acl, slashed, operation));
        }
    }
    // A path with quotes, backslashes or a template cannot be written without escapes; a path that
    // ends with a wildcard means something else.
    if path.as_str().contains(['"', '\\', '{', '*', '+', '$']) {
        return;
    }
    let deny = format!("path \"{}\" {{ capabilities = [\"deny\"] }}", path.as_str());
    let deny = Policy::parse("deny", &deny).expect("a plain path is a policy");
    let acl = Acl::new([&policy, &deny]);
    for operation in OPERATIONS {
        assert!(!allows(&acl, &path, operation));
    }
});
