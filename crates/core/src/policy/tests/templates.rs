//! Rules that name who asks, and what a value can and cannot do in them.

use super::{OPERATIONS, allows, path};
use crate::policy::{Acl, Field, Of, Policy, What};

/// What a test says of the holder; by what stands between the braces.
type Values<'a> = &'a [(Field, &'a str)];

fn key(key: &str) -> Field {
    Field::Entity(What::Metadata(key.to_owned()))
}

fn filled(texts: &[&str], values: Values<'_>) -> Acl {
    let policies: Vec<Policy> = texts
        .iter()
        .map(|text| Policy::parse("web", text).unwrap())
        .collect();
    let known = |field: &Field| values.iter().find(|(known, _)| known == field);
    Acl::new(&policies).with(&policies, |field| known(field).map(|(_, value)| *value))
}

fn names(acl: &Acl, at: &str) -> Vec<&'static str> {
    acl.capabilities(&path(at)).names()
}

#[test]
fn every_name_of_the_documentation_is_known() {
    let cases = [
        ("identity.entity.id", Field::Entity(What::Id)),
        ("identity.entity.name", Field::Entity(What::Name)),
        ("identity.entity.metadata.team", key("team")),
        ("identity.entity.metadata.a.b", key("a.b")),
        (
            "identity.entity.aliases.auth_jwt_1.id",
            Field::Alias("auth_jwt_1".into(), What::Id),
        ),
        (
            "identity.entity.aliases.auth_jwt_1.name",
            Field::Alias("auth_jwt_1".into(), What::Name),
        ),
        (
            "identity.entity.aliases.auth_jwt_1.metadata.k",
            Field::Alias("auth_jwt_1".into(), What::Metadata("k".into())),
        ),
        (
            "identity.entity.aliases.auth_jwt_1.custom_metadata.k",
            Field::Alias("auth_jwt_1".into(), What::Custom("k".into())),
        ),
        (
            "identity.groups.ids.1-2.name",
            Field::Group(Of::Id("1-2".into()), What::Name),
        ),
        (
            "identity.groups.names.ops.id",
            Field::Group(Of::Name("ops".into()), What::Id),
        ),
        (
            "identity.groups.names.ops.metadata.k",
            Field::Group(Of::Name("ops".into()), What::Metadata("k".into())),
        ),
    ];
    for (name, field) in cases {
        let rule = format!("path \"a/{{{{ {name} }}}}/b\" {{ capabilities = [\"read\"] }}");
        let acl = filled(&[&rule], &[(field, "v")]);
        assert_eq!(names(&acl, "a/v/b"), ["read"], "{name}");
        assert_eq!(names(&acl, "a/w/b"), ["deny"], "{name}");
    }
}

#[test]
fn what_is_misspelled_is_refused_or_said() {
    for text in ["a/{{b", "a/b}}", "a/{{b}}}}", "{{a/{{b}}"] {
        let rule = format!("path \"{text}\" {{ capabilities = [\"read\"] }}");
        assert!(Policy::parse("web", &rule).is_err(), "{text}");
    }
    assert!(Policy::parse("web", "path \"+*{{identity.entity.id}}\" { }").is_err());
    for name in [
        "",
        "foo",
        "identity.entity",
        "identity.entity.metadata",
        "identity.entity.custom_metadata.k",
        "identity.groups.ops.id",
        "identity.groups.names.ops",
        "identity.entity.aliases.acc",
    ] {
        let rule = format!("path \"a/{{{{{name}}}}}\" {{ capabilities = [\"read\"] }}");
        let policy = Policy::parse("web", &rule).unwrap();
        assert_eq!(policy.warnings().len(), 1, "{name}");
        let acl = Acl::new([&policy]).with([&policy], |field| {
            Some("v").filter(|_| *field != Field::Unknown)
        });
        assert_eq!(acl.rules().count(), 0, "{name}");
    }
}

#[test]
fn without_a_value_there_is_no_rule() {
    let rules = r#"path "a/{{identity.entity.metadata.k}}" { capabilities = ["read"] }
           path "a/{{identity.entity.metadata.k}}*" { capabilities = ["read"] }
           path "b/{{identity.entity.metadata.k}}-{{identity.entity.metadata.j}}" { capabilities = ["read"] }"#;
    for values in [&[][..], &[(key("k"), "")], &[(key("j"), "x")]] {
        let acl = filled(&[rules], values);
        assert_eq!(acl.rules().count(), 0);
    }
    let acl = filled(&[rules], &[(key("k"), "v"), (key("j"), "w")]);
    assert_eq!(names(&acl, "b/v-w"), ["read"]);
    assert_eq!(names(&acl, "a/vx"), ["read"]);
}

/// Each would widen a rule, or lead out of it, if it were read as a part of a pattern.
const HOSTILE: &[&str] = &[
    "+",
    "*",
    "**",
    "+*",
    "a*",
    "*a",
    "a+",
    "/",
    "a/",
    "/a",
    "a/b",
    "a/*",
    "+/+",
    "..",
    ".",
    "../..",
    "a/../b",
    "\\",
    "a\nb",
    "a\0",
    "%2e%2e",
    "a\u{200b}",
    "\u{2215}",
    "\u{ff0f}",
    "e\u{301}",
    "{{identity.entity.id}}/*",
    "*,b",
];

#[test]
fn no_value_widens_a_rule() {
    // NAME-5, GHSA-59w7-v8rr-pr4p
    let own = r#"path "kv/{{identity.entity.metadata.k}}/*" { capabilities = ["read", "list"] }
           path "kv/x-{{identity.entity.metadata.k}}" { capabilities = ["read"] }
           path "{{identity.entity.metadata.k}}/own" { capabilities = ["read"] }
           path "kv/{{identity.entity.metadata.k}}" { capabilities = ["read"] }
           path "kv/{{identity.entity.metadata.k}}*" { capabilities = ["read"] }"#;
    for value in HOSTILE {
        let acl = filled(&[own], &[(key("k"), value)]);
        for at in [
            "kv/bob/secret",
            "kv/a/secret",
            "kv/a/b",
            "kv/a/b/c",
            "kv/+/c",
            "kv/bob",
            "kv/x-bob",
            "kv/x-a",
            "kv/x-a/b",
            "kv/x-a*",
            "bob/own",
            "a/b/own",
            "own",
            "sys/seal",
            "kv/a*",
        ] {
            for operation in OPERATIONS {
                assert!(!allows(&acl, at, operation), "{value:?} opens {at}");
            }
        }
    }
}

#[test]
fn no_value_lifts_a_restriction() {
    // A rule that says less than another, or nothing, stays where the text would have put it.
    let rules = r#"path "kv/*" { capabilities = ["read", "update", "delete"] }
           path "kv/{{identity.entity.metadata.k}}" { capabilities = ["deny"] }
           path "kv/{{identity.entity.metadata.k}}/locked" { capabilities = ["read"] }"#;
    let usual = filled(&[rules], &[(key("k"), "a")]);
    assert_eq!(names(&usual, "kv/a"), ["deny"]);
    assert_eq!(names(&usual, "kv/a/locked"), ["read"]);
    assert_eq!(names(&usual, "kv/b/locked"), ["delete", "read", "update"]);
    let slash = filled(&[rules], &[(key("k"), "a/b")]);
    assert_eq!(names(&slash, "kv/a/b"), ["deny"]);
    assert_eq!(names(&slash, "kv/a/b/locked"), ["deny"]);
    assert_eq!(names(&slash, "kv/a/c"), ["delete", "read", "update"]);
    let star = filled(&[rules], &[(key("k"), "*")]);
    for at in ["kv/a", "kv/a/b", "kv/locked"] {
        assert_eq!(names(&star, at), ["deny"], "{at}");
    }
    let plus = filled(&[rules], &[(key("k"), "+")]);
    for at in ["kv/a", "kv/a/locked"] {
        assert_eq!(names(&plus, at), ["deny"], "{at}");
    }
}

#[test]
fn braces_in_a_value_are_text() {
    let rule = r#"path "a/{{identity.entity.metadata.k}}" { capabilities = ["read"] }"#;
    let value = "{{identity.entity.id}}";
    let acl = filled(
        &[rule],
        &[(key("k"), value), (Field::Entity(What::Id), "root")],
    );
    assert_eq!(names(&acl, "a/{{identity.entity.id}}"), ["read"]);
    assert_eq!(names(&acl, "a/root"), ["deny"]);
}

#[test]
fn rules_for_one_pattern_are_united_wherever_they_come_from() {
    let own = r#"path "a/{{identity.entity.metadata.k}}" { capabilities = ["read"] }"#;
    let shared =
        r#"path "a/v" { capabilities = ["update"] } path "a/*" { capabilities = ["list"] }"#;
    let deny = r#"path "a/v" { capabilities = ["deny"] }"#;
    let values = &[(key("k"), "v")];
    let acl = filled(&[own, shared], values);
    assert_eq!(names(&acl, "a/v"), ["read", "update"]);
    assert_eq!(names(&acl, "a/w"), ["list"]);
    assert_eq!(acl.rules().count(), 2, "one rule for a pattern");
    assert_eq!(
        names(&filled(&[own, shared, deny], values), "a/v"),
        ["deny"]
    );
    // The more specific one decides, also between the two kinds.
    let wide = r#"path "a/{{identity.entity.metadata.k}}*" { capabilities = ["delete"] }"#;
    let acl = filled(&[wide, shared], values);
    assert_eq!(names(&acl, "a/v"), ["update"]);
    assert_eq!(names(&acl, "a/vv"), ["delete"]);
    assert_eq!(names(&acl, "a/w"), ["list"]);
}
