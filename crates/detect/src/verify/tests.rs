use super::*;
use crate::pattern::Scanner;

fn secret(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

#[test]
fn every_question_is_about_rules_that_there_are_and_goes_to_a_fixed_host() {
    let scanner = Scanner::new();
    let ids: Vec<String> = scanner.rules().iter().map(|rule| rule.id.clone()).collect();
    assert!(ALL.len() >= 15);
    let mut seen = Vec::new();
    for question in ALL.iter() {
        assert!(
            question.source.starts_with("https://"),
            "{}",
            question.provider
        );
        for rule in &question.rules {
            assert!(ids.contains(rule), "{rule}");
            assert!(!seen.contains(&rule), "{rule} twice");
            seen.push(rule);
        }
        match question.way() {
            Way::Request | Way::Signed => {
                let host = question.host();
                assert!(
                    question.url.starts_with(&format!("https://{host}/")),
                    "{host}"
                );
                assert!(
                    host.bytes()
                        .all(|b| b.is_ascii_lowercase() || b".-".contains(&b)),
                    "{host}"
                );
                assert!(
                    !question.url.contains('{'),
                    "a value in an address is logged everywhere"
                );
            }
            Way::Server => assert!(question.url.is_empty()),
            Way::Never => assert!(question.cannot.is_some()),
        }
        if question.way() == Way::Request {
            assert!(!question.live.is_empty(), "{}", question.provider);
            let value = question.only.first().map_or("x", String::as_str);
            let request = question.request(&secret(value)).unwrap();
            let carried = request.headers.iter().filter(|(_, text)| {
                memchr::memmem::find(text.expose(), value.as_bytes()).is_some()
            });
            assert!(carried.count() >= 1, "{}", question.provider);
            assert!(
                request
                    .headers
                    .iter()
                    .all(|(_, text)| !text.expose().contains(&b'{'))
            );
        }
    }
}

#[test]
fn a_value_that_could_change_the_request_is_not_sent() {
    let question = question("github-ghp-token").unwrap();
    for value in ["", "a\r\nHost: evil.example", "a b", "a\u{e9}", "a\0"] {
        assert!(question.request(&secret(value)).is_none(), "{value:?}");
        assert!(question.objection(&secret(value)).is_some(), "{value:?}");
    }
    let asked = question.request(&secret("ghp_abc")).unwrap();
    assert_eq!(
        (asked.host.as_str(), asked.target.as_str()),
        ("api.github.com", "/user")
    );
    assert_eq!(asked.headers[0].0, "Authorization");
    assert_eq!(asked.headers[0].1.expose(), b"Bearer ghp_abc");
}

#[test]
fn kinds_without_a_question_are_not_sent() {
    for (rule, value) in [
        ("anthropic-key", "sk-ant-oat01-x"),
        ("openai-project-key", "sk-admin-x"),
        ("figma-token", "figo_x"),
        ("pypi-token", "pypi-AgE"),
        ("docker-hub-token", "dckr_pat_x"),
    ] {
        let question = question(rule).unwrap();
        assert!(question.request(&secret(value)).is_none(), "{rule}");
        assert!(question.objection(&secret(value)).is_some(), "{rule}");
    }
    assert!(question("generic-password").is_none());
}

#[test]
fn answers_mean_live_dead_or_nothing() {
    let life = |rule: &str, status, body: &str| {
        question(rule)
            .unwrap()
            .judge(status, body.as_bytes())
            .word()
    };
    assert_eq!(life("github-ghp-token", 200, "{}"), "live");
    assert_eq!(life("github-ghp-token", 401, "{}"), "dead");
    for status in [301, 403, 404, 429, 500, 204, 0] {
        assert_eq!(
            life("github-ghp-token", status, "{}"),
            "unknown",
            "{status}"
        );
    }
    assert_eq!(
        life("gitlab-glpat", 401, ""),
        "unknown",
        "it may be another GitLab's"
    );
    assert_eq!(life("stripe-live-key", 403, ""), "live");
    assert_eq!(life("slack-bot-token", 200, r#"{"ok":true}"#), "live");
    assert_eq!(
        life(
            "slack-bot-token",
            200,
            r#"{"ok":false,"error":"token_revoked"}"#
        ),
        "dead"
    );
    for body in [
        "",
        "[]",
        "{}",
        r#"{"ok":"true"}"#,
        r#"{"ok":false}"#,
        r#"{"ok":false,"error":"ratelimited"}"#,
    ] {
        assert_eq!(life("slack-bot-token", 200, body), "unknown", "{body}");
    }
    assert_eq!(life("slack-bot-token", 401, r#"{"ok":true}"#), "unknown");
}
