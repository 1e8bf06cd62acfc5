//! Patterns and filters, against what they are defined by.

use super::filter::Field;
use super::*;
use proptest::prelude::*;

/// The definition: `*` takes nothing, or one character and goes on.
fn model(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => {
            model(rest, text)
                || text
                    .split_first()
                    .is_some_and(|(_, more)| model(pattern, more))
        }
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(other, more)| first == other && model(rest, more)),
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_as_defined(pattern in "[ab*]{0,7}", text in "[ab]{0,9}") {
        prop_assert_eq!(
            matches(&pattern, &text),
            model(pattern.as_bytes(), text.as_bytes()),
            "{} {}", pattern, text
        );
    }

    #[test]
    fn no_filter_makes_it_panic(text in "\\PC{0,80}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn words_of_the_language_in_any_order_make_no_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "and", "or", "not", "in", "contains", "==", "!=", "(", ")", "operation", "\"x\"", "x",
            ]),
            0..12,
        )
    ) {
        let _ = Filter::parse(&words.join(" "));
    }

    #[test]
    fn a_negation_turns_every_answer_round(value in "[a-c]{1,2}", operation in "[a-c]{1,2}") {
        for word in ["==", "contains"] {
            let plain = format!("operation {word} {value}");
            let negated = format!("not ({plain})");
            prop_assert_ne!(holds(&plain, &operation), holds(&negated, &operation));
        }
    }
}

fn holds(filter: &str, operation: &str) -> bool {
    Filter::parse(filter).unwrap().holds(|field| match field {
        Field::Operation => operation,
        Field::DataPath => "secret/data/foo",
        Field::EventType => "kv-v2/data-write",
        Field::MountPath => "secret/",
        Field::Plugin => "kv",
        Field::Namespace => "",
    })
}

#[test]
fn filters_hold_as_they_read() {
    for (filter, expected) in [
        ("", true),
        ("  ", true),
        ("operation == write", true),
        ("operation == \"write\"", true),
        ("operation != write", false),
        // The example of Vault's documentation.
        (
            "data_path == secret/data/foo and operation != \"data-write\"",
            true,
        ),
        ("data_path contains \"/foo\"", true),
        ("data_path not contains foo", false),
        ("foo in data_path", true),
        ("\"bar\" not in data_path", true),
        ("not operation == write or plugin == kv", true),
        ("not (operation == write or plugin == kv)", false),
        ("operation == x or operation == y and plugin == kv", false),
        (
            "(operation == x or operation == write) and plugin == kv",
            true,
        ),
        ("namespace == \"\"", true),
        ("data_path == `secret/data/foo`", true),
        ("event_type==kv-v2/data-write", true),
        ("operation == \"a\\\"b\\\\\"", false),
    ] {
        assert_eq!(holds(filter, "write"), expected, "{filter}");
    }
}

#[test]
fn a_filter_that_is_not_understood_is_refused_without_repeating_it() {
    let deep = format!("{}operation == x{}", "(".repeat(40), ")".repeat(40));
    let nots = format!("{} operation == x", "not ".repeat(5_000));
    for filter in [
        "hunter2",
        "hunter2 == x",
        "operation = x",
        "operation ==",
        "operation == x and",
        "operation == x plugin == y",
        "operation matches \"hunter2\"",
        "(operation == x",
        "operation == x)",
        "operation == \"hunter2",
        "operation == \"\\n\"",
        "operation is empty",
        "x in hunter2",
        "== x",
        deep.as_str(),
        nots.as_str(),
    ] {
        let error = Filter::parse(filter).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
