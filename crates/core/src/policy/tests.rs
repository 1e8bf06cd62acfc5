use super::*;
use crate::json::{Body, Budget};
use crate::operation::Operation;
use crate::path::{NameError, Path};
use cofferdam_secret::Secret;
use std::time::Duration;

mod model;
mod reading;
mod templates;

pub(super) const OPERATIONS: [Operation; 7] = [
    Operation::Create,
    Operation::Read,
    Operation::Update,
    Operation::Patch,
    Operation::Delete,
    Operation::List,
    Operation::Scan,
];

pub(super) fn acl(text: &str) -> Acl {
    acl_of(&[text])
}

pub(super) fn acl_of(texts: &[&str]) -> Acl {
    let policies: Vec<Policy> = texts
        .iter()
        .map(|text| Policy::parse("web", text).unwrap())
        .collect();
    Acl::new(&policies)
}

pub(super) fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub(super) fn allows(acl: &Acl, at: &str, operation: Operation) -> bool {
    matches!(
        acl.allows(&path(at), operation, &ParameterFacts::default()),
        Verdict::Allowed { .. }
    )
}

fn names(acl: &Acl, at: &str) -> Vec<&'static str> {
    acl.capabilities(&path(at)).names()
}

#[test]
fn a_deny_is_not_escaped_by_another_spelling() {
    // NAME-2
    let acl = acl(
        r#"path "a/*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "scan", "sudo"] }
           path "a/b" { capabilities = ["deny"] }"#,
    );
    for operation in OPERATIONS {
        for at in ["a/b", "a/b/", "A/B", "A/b", "A/b/"] {
            assert!(!allows(&acl, at, operation), "{operation:?} {at}");
        }
        // Case sensitive, and not below: as in Vault (design.md, 7.5).
        for at in ["a/B", "a/b/c", "a/c", "a/bb"] {
            assert!(allows(&acl, at, operation), "{operation:?} {at}");
        }
    }
    for at in ["a//b", "a/./b", "a/../a/b", "a/%62", "a/b//", "/a/b"] {
        assert!(Path::parse(at).is_err(), "{at}");
    }
}

#[test]
fn a_deny_on_either_slash_form_denies_names() {
    for deny in ["a/b", "a/b/", "a/b*", "a/+", "a/b/*", "+/b", "+/+/"] {
        let acl = acl(&format!(
            r#"path "{deny}" {{ capabilities = ["deny"] }}
               path "a/*" {{ capabilities = ["list", "scan"] }}"#
        ));
        let covered = !deny.contains('+') || deny == "a/+";
        for operation in [Operation::List, Operation::Scan] {
            for at in ["a/b", "a/b/"] {
                // `a/*` has its wildcard later than `+/…`, so it decides there.
                assert_eq!(
                    allows(&acl, at, operation),
                    !covered,
                    "{operation:?} {at}, deny on {deny}"
                );
            }
        }
    }
    let acl = acl(r#"path "*" { capabilities = ["deny"] } path "a/" { capabilities = ["list"] }"#);
    assert!(
        !allows(&acl, "a/", Operation::List),
        "a deny on a/b denies LIST a/b/, also a wide one"
    );
}

#[test]
fn names_may_be_granted_on_either_slash_form() {
    for grant in ["a/b", "a/b/", "a/b*", "a/*", "a/+", "a/+/", "+/b/", "*"] {
        let acl = acl(&format!(r#"path "{grant}" {{ capabilities = ["list"] }}"#));
        for at in ["a/b", "a/b/"] {
            assert!(
                allows(&acl, at, Operation::List),
                "{at}, granted on {grant}"
            );
        }
    }
}

#[test]
fn the_most_specific_rule_decides_alone() {
    // Each pattern grants its own capability; the first of a line is the one that decides.
    let cases: [(&str, &[&str]); 13] = [
        ("a/b/c", &["a/b/c", "a/b/*", "a/+/c", "*"]),
        ("a/b/c", &["a/b/*", "a/+/c"]),
        ("a/b/c", &["a/b/+", "a/b/*"]),
        ("a/b/c", &["a/+/c", "a/*"]),
        ("a/b/c", &["a/+/c", "a/+/+"]),
        ("a/b/c", &["a/+/c", "+/b/c"]),
        ("a/b/c", &["a/+/+", "a/+/*"]),
        ("a/b/cc", &["a/+/cc*", "a/+/c*"]),
        ("x/a/c/d", &["+/a/+/d", "+/+/c/d"]),
        ("a/b/c", &["a/b*", "a/*", "*"]),
        ("a/b/c", &["+/b/c", "+/b/*", "+/*", "*"]),
        ("a/b/c/d", &["a/+/c/*", "a/+/*"]),
        // Surprising, and so in Vault: both have their wildcard at the third place, one has a `+`.
        ("a/b/c/d", &["a/*", "a/+/c/*"]),
    ];
    let grants = ["read", "list", "update", "delete"];
    for (at, patterns) in cases {
        for rotation in 0..patterns.len() {
            let mut text = String::new();
            for index in 0..patterns.len() {
                let index = (index + rotation) % patterns.len();
                text += &format!(
                    "path \"{}\" {{ capabilities = [\"{}\"] }}\n",
                    patterns[index], grants[index]
                );
            }
            assert_eq!(names(&acl(&text), at), [grants[0]], "{at} by {patterns:?}");
        }
    }
}

#[test]
fn names_of_a_directory_are_judged_by_what_is_granted_below_it() {
    let wide = r#"path "a/*" { capabilities = ["read"] } "#;
    let below = acl(&format!(
        r#"{wide} path "a/b/*" {{ capabilities = ["list"] }}"#
    ));
    for at in ["a/b", "a/b/"] {
        assert!(allows(&below, at, Operation::List), "{at}");
    }
    // An exact rule for either form comes before wildcards.
    let exact =
        acl(r#"path "a/b" { capabilities = ["list"] } path "a/b/*" { capabilities = ["read"] }"#);
    assert!(allows(&exact, "a/b/", Operation::List));
    // CVE-2026-63131: the deny is below, the grant beside it.
    let denied =
        acl(r#"path "a/*" { capabilities = ["list"] } path "a/b/*" { capabilities = ["deny"] }"#);
    for at in ["a/b", "a/b/", "a/b/c"] {
        assert!(!allows(&denied, at, Operation::List), "{at}");
    }
}

#[test]
fn wildcards_are_text_elsewhere() {
    let acl = acl(r#"path "a*b" { capabilities = ["read"] }
           path "c+" { capabilities = ["read"] }
           path "d/+e" { capabilities = ["read"] }
           path "f**" { capabilities = ["read"] }"#);
    for at in ["a*b", "c+", "d/+e", "f*", "f*x"] {
        assert_eq!(names(&acl, at), ["read"], "{at}");
    }
    for at in ["axb", "ab", "c", "cd", "d/xe", "fx", "f"] {
        assert_eq!(names(&acl, at), ["deny"], "{at}");
    }
}

#[test]
fn rules_of_several_policies_are_united_and_deny_wins() {
    let read = r#"path "a" { capabilities = ["read"] }"#;
    let write = r#"path "/a" { capabilities = ["update", "create"] }"#;
    let deny = r#"path "a" { capabilities = ["deny"] }"#;
    assert_eq!(
        names(&acl_of(&[read, write]), "a"),
        ["create", "read", "update"]
    );
    for texts in [
        [read, write, deny],
        [deny, read, write],
        [read, deny, write],
    ] {
        assert_eq!(names(&acl_of(&texts), "a"), ["deny"]);
    }
}

#[test]
fn capabilities_are_printed_as_vault_prints_them() {
    let all = acl(
        r#"path "a" { capabilities = ["update", "sudo", "scan", "read", "patch", "list", "delete", "create"] }
           path "b" { capabilities = ["read", "deny"] }
           path "c" { }"#,
    );
    assert_eq!(
        names(&all, "a"),
        [
            "create", "delete", "list", "patch", "read", "scan", "sudo", "update"
        ]
    );
    for at in ["b", "c", "d"] {
        assert_eq!(names(&all, at), ["deny"]);
    }
    assert_eq!(names(&Acl::root(), "a"), ["root"]);
    assert!(all.capabilities(&path("b")).is_deny() && !all.capabilities(&path("c")).is_deny());
}

#[test]
fn root_may_do_everything_and_nobody_can_write_root() {
    for operation in OPERATIONS {
        let verdict = Acl::root().allows(&path("sys/seal"), operation, &ParameterFacts::default());
        assert_eq!(verdict, Verdict::Allowed { sudo: true });
    }
    for name in ["root", "Root", "ROOT"] {
        assert_eq!(
            Policy::parse(name, "").unwrap_err(),
            PolicyError::Name(NameError::Reserved)
        );
    }
    for name in ["root ", "r\u{43e}\u{43e}t", "../root", "ns/../root", ""] {
        assert_eq!(
            Policy::parse(name, "").unwrap_err(),
            PolicyError::Name(NameError::Invalid)
        );
    }
}

#[test]
fn sudo_is_reported_beside_the_permission() {
    let acl = acl(
        r#"path "sys/*" { capabilities = ["read", "sudo"] } path "sys/health" { capabilities = ["read"] }"#,
    );
    let sudo = |at: &str| acl.allows(&path(at), Operation::Read, &ParameterFacts::default());
    assert_eq!(sudo("sys/raw"), Verdict::Allowed { sudo: true });
    assert_eq!(sudo("sys/health"), Verdict::Allowed { sudo: false });
}

#[test]
fn a_refusal_names_the_rule_that_decided() {
    let web = Policy::parse("Web", r#"path "secret/*" { capabilities = ["read"] }"#).unwrap();
    let ops = Policy::parse(
        "ops",
        r#"path "secret/*" { } path "x" { capabilities = ["deny"] }"#,
    )
    .unwrap();
    let acl = Acl::new([&web, &ops]);
    let nearest =
        |at: &str| match acl.allows(&path(at), Operation::Update, &ParameterFacts::default()) {
            Verdict::Denied { nearest } => nearest,
            Verdict::Allowed { .. } => panic!("allowed"),
        };
    assert_eq!(
        nearest("secret/a").as_deref(),
        Some("secret/* (policies web, ops) lacks the capability")
    );
    assert_eq!(nearest("x").as_deref(), Some("x (policy ops) denies"));
    assert_eq!(nearest("y"), None);
}

fn decides(rules: &str, body: &str, wrap: Option<u64>) -> bool {
    let acl = acl_of(&rules.split("|||").collect::<Vec<_>>());
    let body = Body::checked(Secret::new(body.as_bytes().to_vec()), &Budget::default()).unwrap();
    let facts = ParameterFacts {
        parameters: Parameters::Body(body.as_raw()),
        wrap_ttl: wrap.map(Duration::from_secs),
    };
    matches!(
        acl.allows(&path("a"), Operation::Update, &facts),
        Verdict::Allowed { .. }
    )
}

/// The inside of a rule for `a`, bodies it allows, bodies it does not.
const PARAMETERS: &[(&str, &[&str], &[&str])] = &[
    (
        "allowed_parameters = { x = [] }",
        &["{}", r#"{"x":1}"#, r#"{"X":[2]}"#],
        &[r#"{"y":1}"#, r#"{"x":1,"y":1}"#],
    ),
    (
        "allowed_parameters = { x = [], \"*\" = [] }",
        &[r#"{"y":1,"x":2}"#],
        &[],
    ),
    (
        "allowed_parameters = { \"*\" = [\"v\"] }",
        &[r#"{"y":1,"x":2}"#],
        &[],
    ),
    (
        "allowed_parameters = { x = [\"v\"], \"*\" = [] }",
        &[r#"{"y":1,"x":"v"}"#],
        &[r#"{"x":"w"}"#, r#"{"X":"w"}"#],
    ),
    ("allowed_parameters = {}", &[r#"{"y":1}"#], &[]),
    (
        "allowed_parameters = { x = [\"a*\", \"*b\", \"*c*\", \"d\"] }",
        &[
            r#"{"x":"a"}"#,
            r#"{"x":"ax"}"#,
            r#"{"x":"xb"}"#,
            r#"{"x":"xcx"}"#,
            r#"{"x":"d"}"#,
            r#"{"x":"\u0061x"}"#,
        ],
        &[
            r#"{"x":"xa"}"#,
            r#"{"x":"bx"}"#,
            r#"{"x":"dd"}"#,
            r#"{"x":1}"#,
            r#"{"x":["a"]}"#,
            r#"{"x":null}"#,
        ],
    ),
    (
        "allowed_parameters = { x = [\"*\"] }",
        &[r#"{"x":"*"}"#],
        &[r#"{"x":"a"}"#, r#"{"x":""}"#],
    ),
    (
        "allowed_parameters = { x = [\"**\"] }",
        &[r#"{"x":"a"}"#, r#"{"x":""}"#],
        &[r#"{"x":1}"#],
    ),
    (
        "allowed_parameters = { x = [\"\"] }",
        &[r#"{"x":""}"#],
        &[r#"{"x":"a"}"#],
    ),
    (
        "allowed_parameters = { x = [1, 2.5, true, [\"a*\", 1], { b = [\"c\"] }] }",
        &[
            r#"{"x":1}"#,
            r#"{"x":1.0}"#,
            r#"{"x":2.5}"#,
            r#"{"x":25e-1}"#,
            r#"{"x":true}"#,
            r#"{"x":["a*",1]}"#,
            r#"{"x":{"b":["c"]}}"#,
        ],
        &[
            r#"{"x":2}"#,
            r#"{"x":"1"}"#,
            r#"{"x":false}"#,
            r#"{"x":["ab",1]}"#,
            r#"{"x":["a*"]}"#,
            r#"{"x":{}}"#,
            r#"{"x":{"b":["c"],"d":1}}"#,
            r#"{"x":{"b":"c"}}"#,
        ],
    ),
    (
        "denied_parameters = { x = [] }",
        &["{}", r#"{"y":1}"#],
        &[r#"{"x":1}"#, r#"{"X":1}"#, r#"{"y":1,"\u0078":1}"#],
    ),
    (
        "denied_parameters = { X = [\"a*\", 5] }",
        &[r#"{"x":"b"}"#],
        &[r#"{"x":"ab"}"#, r#"{"x":5}"#, r#"{"x":5.0}"#],
    ),
    (
        "denied_parameters = { \"*\" = [] }",
        &["{}"],
        &[r#"{"x":1}"#],
    ),
    (
        "denied_parameters = { x = [] } allowed_parameters = { x = [], y = [] }",
        &[r#"{"y":1}"#],
        &[r#"{"x":1}"#],
    ),
    (
        "required_parameters = [\"x\", \"Y\"]",
        &[r#"{"x":1,"y":2}"#, r#"{"x":null,"y":2,"z":3}"#],
        &["{}", r#"{"x":1}"#, r#"{"x":1,"Y":2}"#],
    ),
    (
        "required_parameters = [\"x\"] allowed_parameters = { y = [] }",
        &[],
        &["{}", r#"{"x":1}"#, r#"{"y":1}"#],
    ),
];

#[test]
fn parameters_are_judged_as_in_vault() {
    for (inside, allowed, refused) in PARAMETERS {
        let rule = format!("path \"a\" {{ capabilities = [\"update\"] {inside} }}");
        for body in *allowed {
            assert!(decides(&rule, body, None), "{inside} allows {body}");
        }
        for body in *refused {
            assert!(!decides(&rule, body, None), "{inside} refuses {body}");
        }
    }
}

#[test]
fn parameters_of_several_policies_are_merged() {
    let rules = r#"path "a" { capabilities = ["update"] allowed_parameters = { x = ["1"], y = ["1"] } }|||
                   path "a" { capabilities = ["update"] allowed_parameters = { x = ["2"], y = [] } }|||
                   path "a" { capabilities = ["read"] }"#;
    let reversed = rules
        .split("|||")
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .join("|||");
    for rules in [rules, &reversed] {
        for body in [r#"{"x":"1"}"#, r#"{"x":"2"}"#, r#"{"y":"7"}"#] {
            assert!(decides(rules, body, None), "{body}");
        }
        for body in [r#"{"x":"3"}"#, r#"{"z":"1"}"#] {
            assert!(!decides(rules, body, None), "{body}");
        }
    }
}

#[test]
fn parameters_of_reads_are_the_query_and_other_operations_have_none() {
    let acl = acl(
        r#"path "a" { capabilities = ["read", "list", "delete"] allowed_parameters = { version = ["1"] } }"#,
    );
    let decides = |operation, value: &str| {
        let query = [("version".to_owned(), value.to_owned())];
        let facts = ParameterFacts {
            parameters: Parameters::Query(&query),
            wrap_ttl: None,
        };
        matches!(
            acl.allows(&path("a"), operation, &facts),
            Verdict::Allowed { .. }
        )
    };
    assert!(decides(Operation::Read, "1") && !decides(Operation::Read, "2"));
    assert!(decides(Operation::List, "2") && decides(Operation::Delete, "2"));
}

#[test]
fn wrapping_bounds_hold() {
    let bounded = "path \"a\" { capabilities = [\"update\"] min_wrapping_ttl = \"1m\" max_wrapping_ttl = 120 }";
    for (wrap, allowed) in [
        (None, false),
        (Some(59), false),
        (Some(60), true),
        (Some(120), true),
        (Some(121), false),
    ] {
        assert_eq!(decides(bounded, "{}", wrap), allowed, "{wrap:?}");
    }
    // Of two bounds the smaller one, so nothing is left here.
    let merged = format!("{bounded}|||path \"a\" {{ max_wrapping_ttl = \"30s\" }}");
    for wrap in [None, Some(30), Some(60)] {
        assert!(!decides(&merged, "{}", wrap), "{wrap:?}");
    }
    assert!(decides(
        "path \"a\" { capabilities = [\"update\"] min_wrapping_ttl = 0 }",
        "{}",
        None
    ));
}

#[test]
fn a_mount_is_reached_by_rules_at_it_and_below() {
    for pattern in [
        "kv", "kv/", "kv/a", "kv/*", "kv/a*", "k*", "*", "+/a", "kv/+", "kv/+/x", "+/+/x*",
        "kv/a/+/*",
    ] {
        let acl = acl(&format!(
            r#"path "{pattern}" {{ capabilities = ["read"] }}"#
        ));
        assert!(acl.reaches(&path("kv/")), "{pattern}");
    }
    for pattern in ["kw/*", "kvx", "x/+", "kvx/*", "x/kv/a"] {
        let acl = acl(&format!(
            r#"path "{pattern}" {{ capabilities = ["read"] }}"#
        ));
        assert!(!acl.reaches(&path("kv/")), "{pattern}");
    }
    assert!(
        !acl(r#"path "kv/*" { capabilities = ["deny"] } path "kv/b" { }"#).reaches(&path("kv"))
    );
    assert!(Acl::root().reaches(&path("kv")));
}

#[test]
fn the_default_policy_lets_a_token_look_after_itself_only() {
    let acl = acl(DEFAULT);
    let granted: [(&str, Operation); 14] = [
        ("auth/token/lookup-self", Operation::Read),
        ("auth/token/renew-self", Operation::Update),
        ("auth/token/revoke-self", Operation::Update),
        ("sys/capabilities-self", Operation::Update),
        ("sys/internal/ui/resultant-acl", Operation::Read),
        ("sys/renew", Operation::Update),
        ("sys/leases/renew", Operation::Update),
        ("sys/leases/lookup", Operation::Update),
        ("cubbyhole/a/b", Operation::Create),
        ("cubbyhole/", Operation::List),
        ("sys/wrapping/wrap", Operation::Update),
        ("sys/wrapping/lookup", Operation::Update),
        ("sys/wrapping/unwrap", Operation::Update),
        ("sys/tools/hash/sha2-256", Operation::Update),
    ];
    for (at, operation) in granted {
        assert!(allows(&acl, at, operation), "{operation:?} {at}");
    }
    for at in [
        "secret/data/a",
        "sys/mounts",
        "sys/policies/acl/web",
        "auth/token/create",
        "sys/tools/random",
        "sys/seal",
    ] {
        assert!(
            OPERATIONS
                .iter()
                .all(|operation| !allows(&acl, at, *operation)),
            "{at}"
        );
    }
    assert!(
        Policy::parse("default", DEFAULT)
            .unwrap()
            .warnings()
            .is_empty()
    );
}
