//! Our SARIF against the schema of OASIS (`tests/sarif/sarif-2.1.0.json`, as Microsoft's package
//! `@microsoft/jest-sarif` carries it). The parts of JSON Schema that this schema uses are checked here;
//! a word that is not known fails, so nothing is passed over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use cofferdam_detect::findings::{Findings, Form, Style};
use cofferdam_detect::pattern::{DigestKey, Scanner, specimen};
use cofferdam_detect::source::{Finder, Limits, Patterns};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use serde_json::{Value, json};

struct Schema(Value);

impl Schema {
    fn faults(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        for (word, rule) in schema.as_object().unwrap() {
            let holds = match word.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().unwrap().trim_start_matches('#');
                    self.faults(self.0.pointer(pointer).unwrap(), value, at, faults);
                    true
                }
                "type" => match rule {
                    Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                    kind => is(kind, value),
                },
                "enum" => rule.as_array().unwrap().contains(value),
                "required" => {
                    let needed = rule.as_array().unwrap();
                    needed
                        .iter()
                        .all(|name| value.get(name.as_str().unwrap()).is_some())
                }
                "properties" => {
                    for (name, inner) in rule.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.faults(inner, value, &format!("{at}/{name}"), faults);
                        }
                    }
                    true
                }
                "additionalProperties" => self.additional(schema, rule, value, at, faults),
                "items" => {
                    for (number, value) in value.as_array().into_iter().flatten().enumerate() {
                        self.faults(rule, value, &format!("{at}/{number}"), faults);
                    }
                    true
                }
                "minItems" => value
                    .as_array()
                    .is_none_or(|all| all.len() as u64 >= rule.as_u64().unwrap()),
                "uniqueItems" => value.as_array().is_none_or(|all| {
                    all.iter()
                        .enumerate()
                        .all(|(n, one)| !all[..n].contains(one))
                }),
                "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
                "anyOf" | "oneOf" => rule.as_array().unwrap().iter().any(|one| {
                    let mut inner = Vec::new();
                    self.faults(one, value, at, &mut inner);
                    inner.is_empty()
                }),
                // Said about the form of texts that we do not write, or not a rule at all.
                "pattern" | "format" | "description" | "default" | "title" | "$schema" | "id"
                | "$id" | "definitions" => true,
                other => panic!("a word of the schema is not known: {other}"),
            };
            if !holds {
                faults.push(format!("{at}: {word} {rule}"));
            }
        }
    }

    fn additional(
        &self,
        schema: &Value,
        rule: &Value,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) -> bool {
        let known = &schema["properties"];
        let extra = value.as_object().into_iter().flatten();
        let extra: Vec<_> = extra
            .filter(|(name, _)| known.get(name).is_none())
            .collect();
        match rule {
            Value::Bool(allowed) => *allowed || extra.is_empty(),
            inner => {
                for (name, value) in extra {
                    self.faults(inner, value, &format!("{at}/{name}"), faults);
                }
                true
            }
        }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("a type is not known: {other}"),
    }
}

fn document() -> Value {
    let (scanner, key) = (Scanner::new(), DigestKey::new(&Secret::new(b"k".to_vec())));
    let matcher = Matcher::new(Needles::new());
    let mut finder =
        Finder::new(&matcher, Limits::default()).with_patterns(Patterns::new(&scanner, &key));
    for number in 0..3 {
        let token = specimen("ghp_{base62:36}", number);
        let text = format!("a\nTOKEN={token}\nDB_PASSWORD=x8#kQz{number}-w\n");
        finder.reader(&format!("dir {number}/ä,:.env"), &mut text.as_bytes());
        let binary = format!("\0\0{token}");
        finder.reader("app.bin", &mut binary.as_bytes());
    }
    finder.gap("b.zip", "is encrypted");
    let findings = Findings::new(finder.take());
    assert!(findings.findings.len() >= 7);
    serde_json::from_str(&findings.shown(Form::Sarif, Style::default())).unwrap()
}

#[test]
fn our_sarif_fits_the_schema() {
    let text = include_str!("sarif/sarif-2.1.0.json");
    let schema = Schema(serde_json::from_str(text).unwrap());
    let mut faults = Vec::new();
    let document = document();
    schema.faults(&schema.0, &document, "", &mut faults);
    assert!(faults.is_empty(), "{faults:#?}");
    // The check sees what is wrong.
    for (pointer, wrong) in [
        ("/version", json!("2.0.0")),
        ("/runs/0/results/0/level", json!("fatal")),
        (
            "/runs/0/results/0/locations/0/physicalLocation/region/startLine",
            json!(0),
        ),
        ("/runs/0/tool/driver", json!({})),
    ] {
        let mut broken = document.clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        let mut faults = Vec::new();
        schema.faults(&schema.0, &broken, "", &mut faults);
        assert!(!faults.is_empty(), "{pointer}");
    }
}
