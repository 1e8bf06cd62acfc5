//! The same policies and requests, decided by us and by a real OpenBao server.
//!
//! Where we differ on purpose, the case stands in a list of its own with the reason, so that a
//! difference that is not listed fails, and so does a listed one that has gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of this is a test, its helpers too"
)]

mod bao;
mod texts;

use bao::Bao;
use cofferdam_core::Operation;
use cofferdam_core::json::{Body, Budget};
use cofferdam_core::path::Path;
use cofferdam_core::policy::{Acl, ParameterFacts, Parameters, Policy, Verdict};
use cofferdam_secret::Secret;
use std::time::Duration;

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn pattern(&mut self) -> String {
        let parts: Vec<&str> = (0..self.below(5))
            .map(|_| self.one(&["a", "b", "ab", "é", "a", "b", "+", "+", "+", "+a", "a+"]))
            .collect();
        let pattern = parts.join("/") + self.one(&["", "", "/", "*", "/*"]);
        // What both refuse is the business of another test.
        if pattern.contains("+*") || pattern.starts_with('/') {
            self.pattern()
        } else {
            pattern
        }
    }

    fn policy(&mut self, prefix: &str) -> String {
        let all = [
            "create", "read", "update", "patch", "delete", "list", "scan", "sudo",
        ];
        let mut text = String::new();
        for _ in 0..1 + self.below(6) {
            let pattern = self.pattern();
            let mut granted: Vec<&str> = all.into_iter().filter(|_| self.below(3) == 0).collect();
            if self.below(5) == 0 {
                granted.push("deny");
            }
            text += &format!("path \"{prefix}{pattern}\" {{ capabilities = {granted:?} }}\n");
        }
        text
    }
}

/// Policies of one token, on both sides.
struct Pair {
    texts: Vec<String>,
    acl: Acl,
    token: String,
}

impl Pair {
    fn new(bao: &Bao, texts: Vec<String>) -> Pair {
        let names: Vec<String> = (0..texts.len()).map(|index| format!("p{index}")).collect();
        for (name, text) in names.iter().zip(&texts) {
            assert!(bao.put_policy(name, text), "bao refuses {text}");
        }
        let policies: Vec<Policy> = names
            .iter()
            .zip(&texts)
            .map(|(name, text)| Policy::parse(name, text).unwrap())
            .collect();
        Pair {
            acl: Acl::new(&policies),
            token: bao.token(&names),
            texts,
        }
    }

    fn random(bao: &Bao, dice: &mut Dice, prefix: &str) -> Pair {
        let texts = (0..1 + dice.below(3))
            .map(|_| dice.policy(prefix))
            .collect();
        Pair::new(bao, texts)
    }
}

/// All paths of one to four segments from a small alphabet, both slash forms.
fn paths() -> Vec<String> {
    let mut all = vec![Vec::new()];
    let mut paths = Vec::new();
    for _ in 0..4 {
        all = all
            .iter()
            .flat_map(|before: &Vec<&str>| {
                ["a", "b", "ab", "é"].map(|next| [before.as_slice(), &[next]].concat())
            })
            .collect();
        paths.extend(all.iter().map(|segments| segments.join("/")));
    }
    paths
        .iter()
        .flat_map(|path| [path.clone(), format!("{path}/")])
        .collect()
}

#[test]
fn capabilities_are_those_of_openbao() {
    let bao = Bao::start();
    let mut dice = Dice(0x5eed);
    let paths = paths();
    let (mut compared, mut stricter) = (0, 0);
    for _ in 0..60 {
        let pair = Pair::random(&bao, &mut dice, "");
        for (path, theirs) in paths.iter().zip(bao.capabilities(&pair.token, &paths)) {
            let ours = pair.acl.capabilities(&Path::parse(path).unwrap());
            compared += 1;
            if ours.names() == theirs {
                continue;
            }
            // The one difference: a deny on either slash form counts for names.
            assert!(
                path.ends_with('/') && ours.is_deny(),
                "{path}: {:?}, OpenBao {theirs:?}\n{:?}",
                ours.names(),
                pair.texts
            );
            stricter += 1;
        }
    }
    eprintln!("{compared} answers compared, {stricter} stricter by a deny on the other slash form");
    assert!(stricter * 100 < compared * 5, "{stricter} of {compared}");
}

#[test]
fn operations_are_allowed_as_by_openbao() {
    let bao = Bao::start();
    bao.mount_kv("kv");
    let mut dice = Dice(0xd1ce);
    let mut compared = 0;
    for _ in 0..20 {
        let pair = Pair::random(&bao, &mut dice, "kv/");
        for path in paths().iter().filter(|path| !path.contains('é')).step_by(3) {
            let path = format!("kv/{path}");
            let canonical = Path::parse(&path).unwrap();
            for (method, operation) in [
                ("GET", Operation::Read),
                ("DELETE", Operation::Delete),
                ("LIST", Operation::List),
                ("SCAN", Operation::Scan),
            ] {
                let names = matches!(operation, Operation::List | Operation::Scan);
                if canonical.is_directory() && !names {
                    continue;
                }
                let theirs = bao.call(method, &path, &pair.token, None, None).0 != 403;
                let ours = pair
                    .acl
                    .allows(&canonical, operation, &ParameterFacts::default());
                compared += 1;
                if matches!(ours, Verdict::Allowed { .. }) == theirs {
                    continue;
                }
                let denied = pair
                    .acl
                    .capabilities(&Path::parse(&format!("{path}/").replace("//", "/")).unwrap())
                    .is_deny();
                assert!(
                    names && theirs && denied,
                    "{method} {path}: {ours:?}\n{:?}",
                    pair.texts
                );
            }
        }
    }
    eprintln!("{compared} requests compared");
}

/// The inside of a rule, a body, and the wrapping TTL that is asked for.
const REQUESTS: &[(&str, &str, Option<u64>)] = &[
    ("allowed_parameters = { x = [] }", r#"{"x":"1"}"#, None),
    ("allowed_parameters = { x = [] }", r#"{"X":"1"}"#, None),
    ("allowed_parameters = { X = [] }", r#"{"x":"1"}"#, None),
    ("allowed_parameters = { x = [] }", r#"{"y":"1"}"#, None),
    (
        "allowed_parameters = { x = [] }",
        r#"{"x":"1","y":"1"}"#,
        None,
    ),
    ("allowed_parameters = { x = [] }", "{}", None),
    (
        "allowed_parameters = { x = [], \"*\" = [] }",
        r#"{"y":"1"}"#,
        None,
    ),
    (
        "allowed_parameters = { \"*\" = [\"v\"] }",
        r#"{"y":"1"}"#,
        None,
    ),
    (
        "allowed_parameters = { \"*\" = [\"v\"], x = [\"w\"] }",
        r#"{"x":"1"}"#,
        None,
    ),
    (
        "allowed_parameters = { \"*\" = [\"v\"], x = [\"w\"] }",
        r#"{"y":"1"}"#,
        None,
    ),
    ("allowed_parameters = {}", r#"{"y":"1"}"#, None),
    (
        "allowed_parameters = { x = [\"a*\"] }",
        r#"{"x":"ab"}"#,
        None,
    ),
    (
        "allowed_parameters = { x = [\"a*\"] }",
        r#"{"x":"ba"}"#,
        None,
    ),
    (
        "allowed_parameters = { x = [\"*a\"] }",
        r#"{"x":"ba"}"#,
        None,
    ),
    (
        "allowed_parameters = { x = [\"*a*\"] }",
        r#"{"x":"bab"}"#,
        None,
    ),
    ("allowed_parameters = { x = [\"*\"] }", r#"{"x":"a"}"#, None),
    ("allowed_parameters = { x = [\"*\"] }", r#"{"x":"*"}"#, None),
    (
        "allowed_parameters = { x = [\"**\"] }",
        r#"{"x":"a"}"#,
        None,
    ),
    (
        "allowed_parameters = { x = [\"a*b\"] }",
        r#"{"x":"axb"}"#,
        None,
    ),
    ("allowed_parameters = { x = [\"\"] }", r#"{"x":""}"#, None),
    ("allowed_parameters = { x = [true] }", r#"{"x":true}"#, None),
    (
        "allowed_parameters = { x = [true] }",
        r#"{"x":"true"}"#,
        None,
    ),
    (
        "allowed_parameters = { x = [\"true\"] }",
        r#"{"x":true}"#,
        None,
    ),
    ("allowed_parameters = { x = [\"1\"] }", r#"{"x":1}"#, None),
    (
        "allowed_parameters = { x = [\"a\"] }",
        r#"{"x":["a"]}"#,
        None,
    ),
    (
        "allowed_parameters = { x = [[\"a\", \"b\"]] }",
        r#"{"x":["a","b"]}"#,
        None,
    ),
    (
        "allowed_parameters = { x = [[\"a\", \"b\"]] }",
        r#"{"x":["b","a"]}"#,
        None,
    ),
    ("denied_parameters = { x = [] }", r#"{"x":"1"}"#, None),
    ("denied_parameters = { x = [] }", r#"{"X":"1"}"#, None),
    ("denied_parameters = { x = [] }", r#"{"y":"1"}"#, None),
    (
        "denied_parameters = { x = [\"a*\"] }",
        r#"{"x":"ab"}"#,
        None,
    ),
    ("denied_parameters = { x = [\"a*\"] }", r#"{"x":"b"}"#, None),
    ("denied_parameters = { \"*\" = [] }", r#"{"x":"1"}"#, None),
    ("denied_parameters = { \"*\" = [] }", "{}", None),
    (
        "denied_parameters = { x = [] } allowed_parameters = { x = [] }",
        r#"{"x":"1"}"#,
        None,
    ),
    ("required_parameters = [\"x\"]", r#"{"x":"1"}"#, None),
    ("required_parameters = [\"X\"]", r#"{"x":"1"}"#, None),
    ("required_parameters = [\"x\"]", r#"{"X":"1"}"#, None),
    ("required_parameters = [\"x\"]", r#"{"y":"1"}"#, None),
    ("required_parameters = [\"x\"]", "{}", None),
    ("required_parameters = [\"x\", \"y\"]", r#"{"x":"1"}"#, None),
    ("min_wrapping_ttl = \"60s\"", r#"{"x":"1"}"#, None),
    ("min_wrapping_ttl = \"60s\"", r#"{"x":"1"}"#, Some(59)),
    ("min_wrapping_ttl = \"60s\"", r#"{"x":"1"}"#, Some(60)),
    ("max_wrapping_ttl = 60", r#"{"x":"1"}"#, None),
    ("max_wrapping_ttl = 60", r#"{"x":"1"}"#, Some(60)),
    ("max_wrapping_ttl = 60", r#"{"x":"1"}"#, Some(61)),
    ("min_wrapping_ttl = \"0\"", r#"{"x":"1"}"#, None),
];

/// Several rules for the same path, as of several policies.
const MERGED: &[(&[&str], &str, Option<u64>)] = &[
    (
        &[
            "allowed_parameters = { x = [\"1\"] }",
            "allowed_parameters = { x = [\"2\"] }",
        ],
        r#"{"x":"2"}"#,
        None,
    ),
    (
        &[
            "allowed_parameters = { x = [\"1\"] }",
            "allowed_parameters = { x = [\"2\"] }",
        ],
        r#"{"x":"3"}"#,
        None,
    ),
    (
        &[
            "allowed_parameters = { x = [\"1\"] }",
            "allowed_parameters = { x = [] }",
        ],
        r#"{"x":"3"}"#,
        None,
    ),
    (
        &["allowed_parameters = { x = [\"1\"] }", ""],
        r#"{"x":"3"}"#,
        None,
    ),
    (
        &["", "allowed_parameters = { x = [\"1\"] }"],
        r#"{"x":"3"}"#,
        None,
    ),
    (
        &[
            "denied_parameters = { x = [\"1\"] }",
            "denied_parameters = { y = [] }",
        ],
        r#"{"x":"1"}"#,
        None,
    ),
    (
        &[
            "denied_parameters = { x = [\"1\"] }",
            "denied_parameters = { y = [] }",
        ],
        r#"{"x":"2"}"#,
        None,
    ),
    (
        &[
            "denied_parameters = { x = [\"1\"] }",
            "denied_parameters = { x = [] }",
        ],
        r#"{"x":"2"}"#,
        None,
    ),
    (
        &[
            "required_parameters = [\"x\"]",
            "required_parameters = [\"y\"]",
        ],
        r#"{"x":"2"}"#,
        None,
    ),
    (
        &["max_wrapping_ttl = 100", "max_wrapping_ttl = 50"],
        r#"{"x":"2"}"#,
        Some(70),
    ),
    (&["max_wrapping_ttl = 100", ""], r#"{"x":"2"}"#, Some(70)),
    (
        &["min_wrapping_ttl = 100", "min_wrapping_ttl = 50"],
        r#"{"x":"2"}"#,
        Some(70),
    ),
    (
        &["min_wrapping_ttl = 100", "max_wrapping_ttl = 50"],
        r#"{"x":"2"}"#,
        Some(70),
    ),
];

#[test]
fn parameters_and_wrapping_are_judged_as_by_openbao() {
    let bao = Bao::start();
    bao.mount_kv("kv");
    let single = REQUESTS
        .iter()
        .map(|(inside, body, wrap)| (vec![*inside], *body, *wrap));
    let merged = MERGED
        .iter()
        .map(|(insides, body, wrap)| (insides.to_vec(), *body, *wrap));
    for (insides, body, wrap) in single.chain(merged) {
        let rule = |inside: &&str| {
            format!("path \"kv/a\" {{ capabilities = [\"create\", \"update\"] {inside} }}")
        };
        let pair = Pair::new(&bao, insides.iter().map(rule).collect());
        let theirs = bao.call("POST", "kv/a", &pair.token, Some(body), wrap).0 != 403;
        let checked =
            Body::checked(Secret::new(body.as_bytes().to_vec()), &Budget::default()).unwrap();
        let facts = ParameterFacts {
            parameters: Parameters::Body(checked.as_raw()),
            wrap_ttl: wrap.map(Duration::from_secs),
        };
        let ours = pair
            .acl
            .allows(&Path::parse("kv/a").unwrap(), Operation::Update, &facts);
        assert_eq!(
            matches!(ours, Verdict::Allowed { .. }),
            theirs,
            "{insides:?} with {body}, wrapping {wrap:?}: {ours:?}"
        );
    }
}

#[test]
fn texts_are_taken_and_refused_as_by_openbao() {
    let bao = Bao::start();
    let ours = |text: &str| Policy::parse("p", text).is_ok();
    for text in texts::SAME {
        assert_eq!(ours(text), bao.put_policy("p", text), "{text}");
    }
    for (text, reason) in texts::ONLY_OPENBAO_TAKES {
        assert!(
            bao.put_policy("p", text) && !ours(text),
            "no difference any more ({reason}): {text}"
        );
    }
    for (text, reason) in texts::ONLY_WE_TAKE {
        assert!(
            !bao.put_policy("p", text) && ours(text),
            "no difference any more ({reason}): {text}"
        );
    }
}
