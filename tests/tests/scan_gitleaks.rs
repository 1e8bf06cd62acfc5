//! `cofferdam scan` beside a real gitleaks: the same configuration finds the same, and its reports are
//! taken over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::pattern::specimen;
use flows::peers::gitleaks;
use flows::server::{bare, shown};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

const RULES: &str = r#"
title = "ours"
[extend]
path = "base.toml"
disabledRules = ["unwanted"]
[[rules]]
id = "acme-key"
description = "Acme key"
regex = '''acme_([a-z0-9]{16})'''
keywords = ["acme_"]
[[rules]]
id = "acme-group"
description = "Acme group"
regex = '''(?i)(grp)_([a-z0-9]{12})'''
secretGroup = 2
entropy = 2.5
keywords = ["GRP_"]
[[rules.allowlists]]
condition = "OR"
stopwords = ["stopme"]
regexes = ['''^aaaa''']
[[rules]]
id = "both"
description = "AND"
regex = '''both-[0-9]{6}'''
[[rules.allowlists]]
condition = "AND"
paths = ['''vendor/''']
regexes = ['''both-0000''']
[[rules]]
id = "line-allowed"
description = "line"
regex = '''lined-[0-9]{6}'''
[[rules.allowlists]]
regexTarget = "line"
regexes = ['''# fine''']
[[rules]]
id = "match-allowed"
description = "match"
regex = '''key=(mt[0-9]{6})'''
secretGroup = 1
[[rules.allowlists]]
regexTarget = "match"
regexes = ['''key=mt11''']
[[rules]]
id = "secret-file"
description = "a file by its name"
path = '''\.p12$'''
[[rules]]
id = "only-here"
description = "by path"
regex = '''here-[0-9]{4}'''
path = '''src/.*\.txt$'''
[[allowlists]]
targetRules = ["acme-key"]
paths = ['''vendor/''']
[[allowlists]]
stopwords = ["globalstop"]
"#;

const BASE: &str = r#"
[[rules]]
id = "of-base"
description = "base"
regex = '''base-[0-9]{6}'''
[[rules]]
id = "unwanted"
description = "base"
regex = '''unwanted-[0-9]{6}'''
"#;

const FILES: &[(&str, &str)] = &[
    (
        "src/a.txt",
        "acme_0123456789abcdef\nacme_globalstop123456\n\
         grp_abcdefghijkl GRP_stopme123456 grp_aaaa12345678 grp_aaaaaaaaaaaa\n\
         both-000012 both-123456\nlined-123456 # fine\nlined-123456\n\
         key=mt112233 key=mt223344\nhere-1234\nbase-123456 unwanted-123456\n\
         acme_0000000000000000 acme_1111111111111111\n",
    ),
    (
        "vendor/b.txt",
        "acme_0123456789abcdef\nboth-000012 both-123456\nhere-1234\n",
    ),
    ("src/y.p12", "x"),
    (".gitleaksignore", "# known\nsrc/a.txt:line-allowed:6\n"),
];

fn theirs(root: &Path, rules: &str, form: &str, report: &Path) -> Output {
    let output = Command::new(gitleaks())
        .args(["dir", ".", "--no-banner", "-c", rules, "-f", form, "-r"])
        .arg(report)
        .current_dir(root)
        .output()
        .expect("gitleaks can be run");
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    output
}

fn ours(home: &Path, root: &Path, arguments: &[&str]) -> Value {
    let output = bare(home)
        .arg("scan")
        .args(arguments)
        .arg("-format=json")
        .current_dir(root)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// File, line, rule of everything found; a rule about a file alone has line 0.
fn ours_found(document: &Value) -> BTreeSet<(String, u64, String)> {
    let findings = document["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .map(|one| {
            let line = one["line"].as_u64().unwrap_or(0);
            (text(&one["location"]), line, text(&one["rule"]))
        })
        .collect()
}

#[test]
fn the_same_configuration_finds_the_same() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("tree");
    for (name, text) in FILES {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let rules = home.path().join("rules.toml");
    // gitleaks looks for an extended file from where it was started, we look beside the configuration.
    let base = home.path().join("base.toml");
    std::fs::write(&rules, RULES.replace("base.toml", base.to_str().unwrap())).unwrap();
    std::fs::write(&base, BASE).unwrap();
    let report = home.path().join("report.json");
    let rules = rules.to_str().unwrap();
    theirs(&root, rules, "json", &report);
    let document: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let expected: BTreeSet<_> = document
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            (
                text("File"),
                one["StartLine"].as_u64().unwrap(),
                text("RuleID"),
            )
        })
        .collect();
    assert!(expected.len() >= 8, "{expected:#?}");
    let found = ours_found(&ours(home.path(), &root, &["dir", ".", "-config", rules]));
    assert_eq!(found, expected);
}

#[test]
fn its_reports_are_taken_over_and_found_once() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("tree");
    std::fs::create_dir(&root).unwrap();
    let token = specimen("ghp_{base62:36}", 4);
    let text = format!("A=1\nTOKEN={token}\nacme_0123456789abcdef\n");
    std::fs::write(root.join("app.env"), text).unwrap();
    let rules = home.path().join("rules.toml");
    let both = "[extend]\nuseDefault = true\n[[rules]]\nid = \"acme-key\"\ndescription = \"Acme\"\n\
        regex = '''acme_([a-z0-9]{16})'''\n";
    std::fs::write(&rules, both).unwrap();
    for form in ["json", "sarif"] {
        let report = home.path().join(format!("report.{form}"));
        theirs(&root, rules.to_str().unwrap(), form, &report);
        let report = report.to_str().unwrap();
        let alone = ours(home.path(), &root, &["import", report]);
        let expected = [
            ("app.env".to_owned(), 2, "github-ghp-token".to_owned()),
            ("app.env".to_owned(), 3, "acme-key".to_owned()),
        ];
        assert_eq!(ours_found(&alone), BTreeSet::from(expected), "{form}");
        assert!(!alone.to_string().contains(&token[4..]), "{form}");
        let together = ours(home.path(), &root, &["import", report, "-with=."]);
        assert_eq!(together["findings"].as_array().unwrap().len(), 2, "{form}");
        // What they found is known to our baseline by its value.
        let known = home.path().join(format!("known.{form}"));
        let known = known.to_str().unwrap();
        let written = bare(home.path())
            .args(["scan", "import", report, "-write-baseline", known])
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(written.status.success(), "{}", shown(&written));
        let left = bare(home.path())
            .args(["scan", ".", "-baseline", known])
            .current_dir(&root)
            .output()
            .unwrap();
        assert_eq!(left.status.code(), Some(0), "{}", shown(&left));
        assert!(
            !std::fs::read_to_string(known)
                .unwrap()
                .contains(&token[4..20])
        );
    }
}
