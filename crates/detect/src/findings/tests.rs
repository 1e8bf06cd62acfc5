use super::*;
use crate::pattern::{DigestKey, Scanner, specimen};
use crate::source::{Finder, Limits, Patterns};
use crate::{Matcher, Needles};
use cofferdam_secret::Secret;
use serde_json::Value;

fn findings() -> (Findings, String) {
    let value = specimen("ghp_{base62:36}", 5);
    let (scanner, key) = (Scanner::new(), DigestKey::new(&Secret::new(b"k".to_vec())));
    let matcher = Matcher::new(Needles::new());
    let mut finder =
        Finder::new(&matcher, Limits::default()).with_patterns(Patterns::new(&scanner, &key));
    // A name that is hostile to every form.
    let location = format!("a \"<&>',:%\u{1b}[31m/{value}.env");
    finder.reader(&location, &mut format!("x\nTOKEN={value}\n").as_bytes());
    finder.gap("b.zip", "is encrypted");
    (Findings::new(finder.take()), value)
}

#[test]
fn no_form_holds_the_value_or_an_escape() {
    let (findings, value) = findings();
    assert_eq!(findings.findings.len(), 1);
    for (name, form) in Form::NAMES {
        let shown = findings.shown(*form, Style::default());
        assert!(!shown.contains(&value), "{name}");
        assert!(!shown.contains(&value[..12]), "{name}");
        assert!(!shown.contains('\u{1b}'), "{name}");
        assert!(shown.contains("github-ghp-token"), "{name}: {shown}");
    }
}

#[test]
fn text_names_the_place_first() {
    let (findings, _) = findings();
    let text = findings.shown(Form::Text, Style::default());
    assert!(text.contains(":2:7  github-ghp-token  GitHub personal access token (classic)\n    ghp_… (40 characters)\n"), "{text}");
    assert!(
        findings
            .shown(Form::Text, Style { colour: true })
            .contains("\u{1b}[1m")
    );
}

#[test]
fn documents_parse_and_say_what_was_not_looked_at() {
    let (findings, _) = findings();
    for form in [Form::Json, Form::Sarif] {
        let shown = findings.shown(form, Style::default());
        let document: Value = serde_json::from_str(&shown).unwrap();
        assert!(document.to_string().contains("is encrypted"));
    }
    let sarif: Value =
        serde_json::from_str(&findings.shown(Form::Sarif, Style::default())).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(
        result["locations"][0]["physicalLocation"]["region"]["startLine"],
        2
    );
    assert_eq!(result["ruleIndex"], 0);
    let gitlab: Value =
        serde_json::from_str(&findings.shown(Form::Gitlab, Style::default())).unwrap();
    assert_eq!(gitlab[0]["location"]["lines"]["begin"], 2);
    let github = findings.shown(Form::Github, Style::default());
    assert_eq!(github.lines().count(), 2);
    assert!(
        github.starts_with("::error file=a \"<&>'%2C%3A%25"),
        "{github}"
    );
    let junit = findings.shown(Form::Junit, Style::default());
    assert!(junit.contains("failures=\"1\" skipped=\"1\""), "{junit}");
    assert!(!junit.contains("\"<&>"), "{junit}");
}

#[test]
fn a_page_is_whole_and_asks_for_nothing() {
    let (findings, _) = findings();
    let page = findings.shown(Form::Html, Style::default());
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</body></html>\n"));
    for part in [
        "<script", "http://", "https://", "src=", "href=", "@import", "url(",
    ] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("a &quot;&lt;&amp;&gt;&#39;,:%"), "{page}");
    assert!(page.contains("<code>b.zip</code>: is encrypted"), "{page}");
    assert_eq!(page.matches("<tr>").count(), 2);
}

#[test]
fn findings_of_others_are_added_once() {
    let (mut findings, value) = findings();
    let own = findings.findings[0].clone();
    let key = DigestKey::new(&Secret::new(b"k".to_vec()));
    let report = serde_json::json!([
        {"RuleID": "github-pat", "StartLine": 2, "Secret": value, "File": own.location},
        {"RuleID": "other", "StartLine": 9, "Secret": "q7Zk2mLw9x", "File": "elsewhere"},
        {"RuleID": "other", "StartLine": 9, "Secret": "q7Zk2mLw9x", "File": "./elsewhere"},
    ]);
    let others = import(report.to_string().as_bytes(), &Scanner::new(), &key).unwrap();
    findings.merge(others);
    let places: Vec<String> = findings.findings.iter().map(|one| one.place()).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert_eq!(places[1], "elsewhere:9");
}
