use super::*;
use crate::pattern::specimen;
use proptest::prelude::*;

fn imported(document: &str) -> Result<Vec<Finding>, NotFindings> {
    let key = DigestKey::new(&Secret::new(b"import".to_vec()));
    import(document.as_bytes(), &Scanner::new(), &key)
}

/// The same finding as the four programs and SARIF write it.
fn documents(value: &str) -> Vec<(&'static str, String)> {
    vec![
        (
            "gitleaks",
            format!(
                r#"[{{"RuleID":"github-pat","Description":"d","StartLine":2,"EndLine":2,"StartColumn":15,"Match":"T={value}","Secret":"{value}","File":"a/app.env","SymlinkFile":"","Commit":"","Entropy":4.5,"Tags":[],"Fingerprint":"a/app.env:github-pat:2"}}]"#
            ),
        ),
        (
            "betterleaks",
            format!(
                r#"{{"schema_version":"1","findings":[{{"rule_id":"github-pat","match":{{"full":"{value}","value":"{value}"}},"attributes":{{"resource":"fs.content"}},"location":{{"path":"a/app.env","start_line":2,"start_column":14}}}}],"scan":{{}}}}"#
            ),
        ),
        (
            "kingfisher",
            format!(
                r#"{{"findings":[{{"rule":{{"name":"n","id":"github.1"}},"finding":{{"snippet":"{value}","line":2,"column_start":13,"path":"a/app.env","validate_command":"kingfisher validate '{value}'"}}}}],"metadata":{{}}}}"#
            ),
        ),
        (
            "trufflehog",
            format!(
                "{{\"level\":\"info\"}}\n{{\"SourceMetadata\":{{\"Data\":{{\"Filesystem\":{{\"file\":\"a/app.env\",\"line\":2}}}}}},\"DetectorName\":\"Github\",\"Verified\":false,\"Raw\":\"{value}\"}}\n"
            ),
        ),
        (
            "sarif",
            format!(
                r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"x"}}}},"results":[{{"ruleId":"r","message":{{"text":"m"}},"locations":[{{"physicalLocation":{{"artifactLocation":{{"uri":"a/app.env"}},"region":{{"startLine":2,"snippet":{{"text":"{value}"}}}}}}}}]}}]}}]}}"#
            ),
        ),
    ]
}

#[test]
fn the_findings_of_four_programs_and_of_sarif_become_the_same_one() {
    let value = specimen("ghp_{base62:36}", 8);
    let key = DigestKey::new(&Secret::new(b"import".to_vec()));
    for (name, document) in documents(&value) {
        let found = imported(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.len(), 1, "{name}");
        let one = &found[0];
        assert_eq!(one.place(), "a/app.env:2", "{name}");
        assert_eq!(one.digest, key.digest(value.as_bytes()), "{name}");
        // It is one that we know, so it has our name.
        assert_eq!(one.rule.id, "github-ghp-token", "{name}");
        let shown = format!("{one:?}");
        assert!(!shown.contains(&value[4..20]), "{name}: {shown}");
    }
}

#[test]
fn a_foreign_rule_keeps_its_name_and_a_masked_value_is_none() {
    let found = imported(
        r#"[{"RuleID":"acme\u001b[31m-key","StartLine":1,"Secret":"REDACTED","File":"x\ny"}]"#,
    );
    let found = found.unwrap();
    assert_eq!(found[0].rule.id, "acme31m-key");
    assert_eq!(found[0].location, "x\\u{a}y");
    assert_eq!(found[0].preview, "… (not in the document)");
}

#[test]
fn what_is_none_is_refused_by_its_place() {
    for (document, expected) in [
        ("", NotFindings::Unknown),
        ("{}", NotFindings::Unknown),
        ("{\"a\": 1}", NotFindings::Unknown),
        ("[{}]", NotFindings::Incomplete { number: 1 }),
        (
            "[{\"RuleID\":\"a\"}]",
            NotFindings::Incomplete { number: 1 },
        ),
        ("[1]", NotFindings::OtherShape { line: 1, column: 2 }),
        (
            "[{\"RuleID\":\n7}]",
            NotFindings::OtherShape { line: 2, column: 1 },
        ),
        (
            "{\"findings\": [",
            NotFindings::NotJson {
                line: 1,
                column: 14,
            },
        ),
        ("secret", NotFindings::NotJson { line: 1, column: 1 }),
    ] {
        assert_eq!(
            imported(document).map(|found| found.len()),
            Err(expected),
            "{document}"
        );
    }
    assert_eq!(imported("[]").unwrap().len(), 0);
    assert_eq!(imported("{\"runs\": []}").unwrap().len(), 0);
    let deep = "[".repeat(100_000);
    assert!(imported(&deep).is_err());
}

proptest! {
    #[test]
    fn a_broken_document_is_refused_and_never_quoted(cut in 0_usize..400, which in 0_usize..5) {
        let value = specimen("ghp_{base62:36}", 9);
        let document = documents(&value).swap_remove(which).1;
        let cut = cut.min(document.len());
        if let Some(part) = document.get(..cut)
            && let Err(error) = imported(part)
        {
            prop_assert!(!error.to_string().contains("ghp_"));
        }
    }
}
