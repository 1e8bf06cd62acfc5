//! What is a policy, and what is refused.

use super::{names, path};
use crate::operation::Operation;
use crate::policy::{Acl, ParameterFacts, Policy, Verdict};

fn refusal(text: &str) -> String {
    match Policy::parse("web", text) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn all_spellings_of_a_policy_mean_the_same() {
    let spellings = [
        r#"path "a/*" { capabilities = ["read", "list"] }"#,
        r#""path" "a/*" { "capabilities" = ["read", "list",], comment = "x" }"#,
        r#"name = "other" path "/a/*" { policy = "read" }"#,
        r#"path "a/*" = { capabilities = ["list"] policy = "read" }"#,
        "\u{feff}# c\npath \"a/*\" { // d\n capabilities = [\n\"read\" /* e */, \"list\"] }",
        r#"path "a/*" { capabilities = ["read"] } path "a/*" { capabilities = ["list"] }"#,
        r#"path { "a/*" { capabilities = ["read", "list"] } }"#,
        r#"{"path": {"a/*": {"capabilities": ["read", "list"]}}}"#,
        r#"{"path": [{"a/*": {"capabilities": ["read"]}}, {"a/*": {"capabilities": ["list"]}}]}"#,
        r#"{"path": {"a/*": [{"capabilities": ["read", "list"]}]}}"#,
        r#"{"path": {"a/*": {"policy": "read"}, "b": {}}, "name": "x"}"#,
    ];
    for text in spellings {
        let policy = Policy::parse("web", text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            names(&Acl::new([&policy]), "a/b"),
            ["list", "read"],
            "{text}"
        );
    }
    for empty in [
        "",
        "# nothing",
        "{}",
        r#"{"path": {}}"#,
        r#"{"path": []}"#,
        "name = \"x\"",
    ] {
        assert_eq!(refusal(empty), "accepted", "{empty}");
    }
}

#[test]
fn the_old_words_mean_what_they_meant() {
    let cases: [(&str, &[&str]); 4] = [
        ("deny", &["deny"]),
        ("read", &["list", "read"]),
        ("write", &["create", "delete", "list", "read", "update"]),
        (
            "sudo",
            &["create", "delete", "list", "read", "sudo", "update"],
        ),
    ];
    for (word, expected) in cases {
        let text = format!("path \"a\" {{ policy = \"{word}\" }}");
        assert_eq!(names(&super::acl(&text), "a"), expected);
    }
    assert_eq!(
        names(
            &super::acl(r#"path "a" { policy = "deny" capabilities = ["read"] }"#),
            "a"
        ),
        ["deny"]
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place_and_without_its_text() {
    let capabilities = "unknown capability; known are create, delete, deny, list, patch, read, scan, subscribe, sudo, update";
    let cases = [
        (
            "bogus = 1",
            "line 1, column 1: unknown key; known are name, path",
        ),
        (
            "Path \"a\" { }",
            "line 1, column 1: unknown key; known are name, path",
        ),
        (
            "path \"a\" {\n  capabilities = [\"Read\"] }",
            &format!("line 2, column 19: {capabilities}"),
        ),
        (
            "path \"a\" { capabilities = [\"deny\", \"root\"] }",
            &format!("line 1, column 36: {capabilities}"),
        ),
        (
            "path \"a\" { capabilities = \"read\" }",
            "line 1, column 27: expected a list, found a string",
        ),
        (
            "path \"a\" { capabilities = [true] }",
            "line 1, column 28: expected a string, found a boolean",
        ),
        (
            "path \"a\" { capabilities = [\"read\"] capabilities = [\"list\"] }",
            "line 1, column 36: the key is set a second time",
        ),
        (
            "path \"a\" { denied_parameters { a = [] } denied_parameters { b = [] } }",
            "line 1, column 41: the key is set a second time",
        ),
        (
            "path \"a\" { denied_parameters \"b\" { a = [] } }",
            "line 1, column 30: expected '=' or '{', found a label",
        ),
        (
            "path \"a\" { allowed_parameters = { x = [], X = [] } }",
            "line 1, column 43: the key is set a second time",
        ),
        (
            "path \"a\" { allowed_parameters = { x = \"y\" } }",
            "line 1, column 39: expected a list, found a string",
        ),
        (
            "path \"a\" { allowed_parameters = [{ x = [] }] }",
            "line 1, column 33: expected an object, found a list",
        ),
        (
            "path \"a\" { required_parameters = \"x\" }",
            "line 1, column 34: expected a list, found a string",
        ),
        (
            "path \"a\" { policy = \"bogus\" }",
            "line 1, column 21: unknown policy; known are deny, read, write, sudo",
        ),
        (
            "path \"a\" { min_wrapping_ttl = \"soon\" }",
            "line 1, column 31: expected a duration, found a string",
        ),
        (
            "path \"a\" { min_wrapping_ttl = \"2h\" max_wrapping_ttl = \"1h\" }",
            "line 1, column 10: max_wrapping_ttl is less than min_wrapping_ttl",
        ),
        (
            "path \"a\" { control_group = { } }",
            "line 1, column 12: control_group is not supported",
        ),
        (
            "path \"a\" { mfa_methods = [\"x\"] }",
            "line 1, column 12: mfa_methods is not supported",
        ),
        (
            "path \"a\" { pagination_limit = 5 }",
            "line 1, column 12: pagination_limit is not supported",
        ),
        (
            "path \"a\" { expiration = \"2030-01-01T00:00:00Z\" }",
            "line 1, column 12: expiration is not supported",
        ),
        (
            "path \"a+*\" { }",
            "line 1, column 6: a path cannot hold '+*': '+' is a whole segment",
        ),
        (
            "path \"a/+*\" { }",
            "line 1, column 6: a path cannot hold '+*': '+' is a whole segment",
        ),
        (
            "path \"s/{{identity.entity.id}/*\" { }",
            "line 1, column 6: unbalanced braces: a name stands between '{{' and '}}'",
        ),
        (
            "path { capabilities = [\"read\"] }",
            "line 1, column 1: a path block has one label, the path",
        ),
        (
            "path \"a\" \"b\" { }",
            "line 1, column 1: a path block has one label, the path",
        ),
        (
            "path = 1",
            "line 1, column 8: expected an object, found a number",
        ),
        ("path \"a\" { ", "line 1, column 10: brace is not closed"),
        (
            "{\"path\": {\"a\": {}, \"a\": {}}}",
            "line 1, column 20: the key is set a second time",
        ),
        (
            "{\"path\": {}, \"path\": {}}",
            "line 1, column 14: the key is set a second time",
        ),
        (
            "{\"path\": {\"a\": {\"capabilities\": []}}} x",
            "line 1, column 39: text after the closing brace",
        ),
        (
            "hunter2",
            "line 1, column 8: expected '=' or '{' after a key",
        ),
    ];
    let refusals: Vec<_> = cases.iter().map(|(text, _)| refusal(text)).collect();
    let expected = cases.map(|(_, problem)| problem.to_owned());
    assert_eq!(refusals, expected);
}

#[test]
fn what_can_never_match_is_warned_about() {
    for pattern in ["a//b", "a/../b", "", "a/./*", "e\\u0301", "a\\\\b", "//a"] {
        let policy = Policy::parse("web", &format!("\npath \"{pattern}\" {{ }}")).unwrap();
        assert!(
            policy.warnings()[0].starts_with("line 2: no request can match"),
            "{pattern}: {:?}",
            policy.warnings()
        );
    }
    let lone = "path \"a\" { capabilities = [\"read\"] denied_parameters = { x = [\"*\"] } }";
    assert_eq!(Policy::parse("web", lone).unwrap().warnings().len(), 1);
    for pattern in ["*", "a/", "a/*", "a/+", "+", "+/a/", "a/.*", "/a", "a b/c"] {
        let policy = Policy::parse("web", &format!("path \"{pattern}\" {{ }}")).unwrap();
        assert!(
            policy.warnings().is_empty(),
            "{pattern}: {:?}",
            policy.warnings()
        );
    }
}

#[test]
fn a_policy_without_rules_grants_nothing() {
    let acl = Acl::new([&Policy::parse("web", "").unwrap()]);
    let verdict = acl.allows(&path("a"), Operation::Read, &ParameterFacts::default());
    assert_eq!(verdict, Verdict::Denied { nearest: None });
    assert_eq!(acl.rules().count(), 0);
}

#[test]
fn who_may_be_told_is_read_from_the_rule_of_the_path() {
    let acl = |text: &str| Acl::new([&Policy::parse("p", text).unwrap()]);
    let path = crate::path::Path::parse("a/b").unwrap();
    let hears = |text: &str| acl(text).hears(&path, "kv-v2/data-write");
    for (rule, told) in [
        (r#"capabilities = ["read"]"#, true),
        (r#"capabilities = ["list"]"#, false),
        (r#"capabilities = ["subscribe"]"#, false),
        (
            r#"capabilities = ["subscribe"] subscribe_event_types = ["kv*"]"#,
            true,
        ),
        (
            r#"capabilities = ["subscribe"] subscribe_event_types = ["database/*"]"#,
            false,
        ),
        (
            r#"capabilities = ["subscribe", "deny"] subscribe_event_types = ["*"]"#,
            false,
        ),
        (r#"subscribe_event_types = ["*"]"#, false),
        (r#"capabilities = ["read"] min_wrapping_ttl = "1m""#, false),
        (
            r#"capabilities = ["read"] required_parameters = ["x"]"#,
            false,
        ),
    ] {
        assert_eq!(hears(&format!("path \"a/*\" {{ {rule} }}")), told, "{rule}");
        // A more specific rule decides alone, and a deny of another policy wins.
        let narrower =
            format!("path \"a/*\" {{ {rule} }}\npath \"a/b\" {{ capabilities = [\"list\"] }}");
        assert!(!hears(&narrower), "{rule}");
    }
    assert!(Acl::root().hears(&path, "kv-v2/data-write"));
    assert!(!Acl::new([]).hears(&path, "kv-v2/data-write"));
    let denied = acl(r#"path "a/b/*" { capabilities = ["deny"] }"#);
    let below = crate::path::Path::parse("a/b/c").unwrap();
    assert!(denied.denies(&below) && !denied.denies(&path));
}
