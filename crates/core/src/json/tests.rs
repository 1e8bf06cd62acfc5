use super::field::{Count, Flag, Pairs, SignedTtl, Text as TextField, Ttl, Words, duration_text};
use super::*;
use cofferdam_secret::{Buffer, Secret};
use proptest::prelude::*;
use serde::Deserialize;
use std::time::{Duration, Instant};

fn reason(bytes: &[u8]) -> Option<Reason> {
    check(bytes, &Budget::default()).err().map(|r| r.reason)
}

fn body(text: &str) -> Body {
    Body::checked(Secret::new(text.as_bytes().to_vec()), &Budget::default()).unwrap()
}

#[test]
fn ordinary_objects_pass() {
    for good in [
        "{}",
        " { } \r\n\t",
        r#"{"a":1,"b":[1,2.5,-0,1e10,-1.5E-3],"c":{"a":null},"d":[true,false],"e":""}"#,
        r#"{"\u0061":"\ud83d\ude00 \" \\ \/ \b\f\n\r\t"}"#,
        r#"{"ключ":"значение","😀":"\u2028"}"#,
        r#"{"a":{"a":{"a":1}}}"#,
        r#"{"n":123456789012345678901234567890}"#,
    ] {
        assert_eq!(reason(good.as_bytes()), None, "{good}");
    }
}

#[test]
fn refused_forms_have_the_right_reason() {
    use Reason::*;
    for (bad, want) in [
        (&b""[..], Truncated),
        (b"[]", NotAnObject),
        (b"\"a\"", NotAnObject),
        (b"null", NotAnObject),
        (b"\xEF\xBB\xBF{}", ByteOrderMark),
        (b"{\"a\":\"\xff\"}", NotUtf8),
        (b"{} x", TrailingBytes),
        (b"{}{}", TrailingBytes),
        (b"{\"a\":1", Truncated),
        (b"{\"a", Truncated),
        (b"{\"a\":tru", Truncated),
        (b"{\"a\":1,}", Syntax),
        (b"{\"a\":[1,]}", Syntax),
        (b"{,}", Syntax),
        (b"{\"a\" 1}", Syntax),
        (b"{a:1}", Syntax),
        (b"{'a':1}", Syntax),
        (b"{\"a\":01}", Syntax),
        (b"{\"a\":+1}", Syntax),
        (b"{\"a\":.5}", Syntax),
        (b"{\"a\":1.}", Syntax),
        (b"{\"a\":1e}", Syntax),
        (b"{\"a\":-}", Syntax),
        (b"{\"a\":NaN}", Syntax),
        (b"{\"a\":Infinity}", Syntax),
        (b"{\"a\":truE}", Syntax),
        (b"{\"a\":\"\n\"}", Syntax),
        (b"{\"a\":\"\x00\"}", Syntax),
        (b"{\"a\":\"\\x41\"}", Syntax),
        (b"{\"a\":\"\\u00g0\"}", Syntax),
        (b"{\"a\":1}//", TrailingBytes),
        (b"{/**/}", Syntax),
        (b"{\"a\":[}", Syntax),
        (b"{\"a\":{]}", Syntax),
        (b"{\"a\":1e999}", NumberOutOfRange),
        (b"{\"a\":\"\\ud800\"}", LoneSurrogate),
        (b"{\"a\":\"\\ud800x\"}", LoneSurrogate),
        (b"{\"a\":\"\\udc00\"}", LoneSurrogate),
        (b"{\"a\":\"\\ud800\\ud800\"}", LoneSurrogate),
        (b"{\"a\":\"\\ud800\\u0041\"}", LoneSurrogate),
        (b"{\"\\udfff\":1}", LoneSurrogate),
        (b"{\"a\":1,\"a\":2}", DuplicateKey),
        (b"{\"a\":1,\"\\u0061\":2}", DuplicateKey),
        (b"{\"x\":{\"b\":1,\"a\":[{}],\"b\":2}}", DuplicateKey),
        (b"{\"\":1,\"\":2}", DuplicateKey),
    ] {
        assert_eq!(reason(bad), Some(want), "{}", String::from_utf8_lossy(bad));
    }
}

/// PRE-1: each bomb is refused for its own reason, at once.
#[test]
fn bombs_are_refused_within_their_budget() {
    use Reason::*;
    let many = |unit: &str, n: usize| format!("{{\"a\":[{}0]}}", unit.repeat(n));
    let keys: String = (0..200_000).map(|i| format!("\"{i}\":0,")).collect();
    for (name, bomb, want) in [
        (
            "deep arrays",
            format!("{{\"a\":{}", "[".repeat(100_000)),
            TooDeep,
        ),
        ("deep objects", "{\"a\":".repeat(100_000), TooDeep),
        ("empty arrays", many("[],", 10_000_000), TooManyValues),
        ("empty objects", many("{},", 10_000_000), TooManyValues),
        ("tiny strings", many("\"\",", 1_000_000), TooManyStrings),
        ("keys", format!("{{{keys}\"x\":0}}"), TooManyKeys),
        (
            "huge number",
            format!("{{\"a\":{}}}", "9".repeat(1_000_000)),
            NumberTooLong,
        ),
        (
            "long key",
            format!("{{\"{}\":1}}", "k".repeat(1_000_000)),
            KeyTooLong,
        ),
        (
            "long string",
            format!("{{\"a\":\"{}\"}}", "s".repeat(9 << 20)),
            StringTooLong,
        ),
        (
            "large body",
            format!("{{\"a\":\"{}\"}}", "s".repeat(33 << 20)),
            TooLarge,
        ),
    ] {
        let start = Instant::now();
        assert_eq!(reason(bomb.as_bytes()), Some(want), "{name}");
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{name} took too long"
        );
    }
}

#[test]
fn depth_budget_counts_levels() {
    let budget = Budget {
        depth: 2,
        ..Budget::default()
    };
    assert!(check(b"{\"a\":[]}", &budget).is_ok());
    assert_eq!(
        check(b"{\"a\":[[]]}", &budget).unwrap_err(),
        Refusal {
            reason: Reason::TooDeep,
            at: 6
        }
    );
}

#[test]
fn refusals_and_field_errors_never_quote_the_input() {
    const CANARY: &str = "hunter2-canary";
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its errors are of interest")]
    struct Shape {
        number: u32,
        choice: Choice,
        ttl: Ttl,
        net: std::net::IpAddr,
        nested: std::collections::BTreeMap<String, Count>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Choice {
        One,
        Two,
    }
    let fine = [
        ("number", "1"),
        ("choice", "\"one\""),
        ("ttl", "1"),
        ("net", "\"::1\""),
        ("nested", "{}"),
    ];
    for (broken, text) in [
        ("number", "number: expected a whole number"),
        ("choice", "choice: expected one of: one, two"),
        (
            "ttl",
            "ttl: expected a duration such as 3600, \"1h30m\" or \"2d\"",
        ),
        ("net", "net: not a usable value"),
        ("nested", "nested: expected an object"),
    ] {
        let fields: Vec<_> = fine
            .iter()
            .map(|(name, value)| {
                let canary = format!("\"{CANARY}\"");
                format!(
                    "\"{name}\":{}",
                    if *name == broken { &canary } else { *value }
                )
            })
            .collect();
        let body = body(&format!("{{{}}}", fields.join(",")));
        assert_eq!(body.parse::<Shape>().err().unwrap().to_string(), text);
    }
    let weird = body(&format!("{{\"nested\":{{\"{CANARY} x\":\"{CANARY}\"}}}}"));
    let error = weird.parse::<Shape>().err().unwrap().to_string();
    assert_eq!(error, "nested.?: expected a whole number of zero or more");
    let refusal = check(
        format!("{{\"{CANARY}\":\"{CANARY}").as_bytes(),
        &Budget::default(),
    );
    assert!(!refusal.unwrap_err().to_string().contains(CANARY));
}

#[test]
fn body_gives_typed_fields_and_paths() {
    #[derive(Deserialize)]
    struct Options {
        cas: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Write {
        #[serde(default)]
        options: Option<Options>,
        data: OwnedRaw,
        #[serde(default)]
        list: Vec<u8>,
    }
    let text = r#" {"extra":[{"x":{}}], "options": {"cas": 3}, "data" : { "k":  "v\u0041" } } "#;
    let write: Write = body(text).parse().unwrap();
    assert_eq!(write.options.unwrap().cas, Some(3));
    assert_eq!(write.data.as_raw().as_str(), r#"{ "k":  "v\u0041" }"#);
    let path_of = |text: &str| body(text).parse::<Write>().err().unwrap().to_string();
    assert_eq!(
        path_of(r#"{"options":{"cas":"x"},"data":1}"#),
        "options.cas: expected a whole number"
    );
    assert_eq!(
        path_of(r#"{"data":1,"list":[1,2,900]}"#),
        "list[2]: expected a whole number"
    );
    assert_eq!(path_of(r#"{"options":null}"#), "data: missing");
    assert!(write.list.is_empty());
}

#[test]
fn body_gives_undecoded_values() {
    let body = body(r#"{"a":1, "d\u0061ta" :[ {"x":"y"} , 2 ],"z":null}"#);
    assert_eq!(body.raw("data").unwrap().as_str(), r#"[ {"x":"y"} , 2 ]"#);
    assert_eq!(body.raw("a").unwrap().as_str(), "1");
    assert!(body.raw("z").unwrap().is_null());
    assert!(body.raw("y").is_none());
    let names: Vec<_> = body
        .as_raw()
        .fields()
        .map(|(n, _)| n.decoded().into_owned())
        .collect();
    assert_eq!(names, ["a", "data", "z"]);
    assert!(Body::empty().is_empty());
    for nothing in ["", " \n"] {
        let bytes = Secret::new(nothing.as_bytes().to_vec());
        let body = Body::checked(bytes, &Budget::default()).unwrap();
        assert_eq!(body.as_bytes(), b"{}");
    }
}

#[test]
fn lenient_fields_take_what_vault_clients_send() {
    #[derive(Deserialize)]
    struct All {
        ttl: Ttl,
        count: Count,
        flag: Flag,
        words: Words,
        pairs: Pairs,
        text: TextField,
    }
    let read = |text: &str| body(text).parse::<All>();
    for form in [
        r#"{"ttl":5400,"count":7,"flag":true,"words":["a"," b"],"pairs":{"k":"v","n":1},"text":"t"}"#,
        r#"{"ttl":"5400","count":"7","flag":"true","words":"a, b,","pairs":["k=v","n=1"],"text":"t"}"#,
        r#"{"ttl":"1h30m","count":" 7","flag":1,"words":"a,b","pairs":"k=v, n=1","text":"\u0074"}"#,
        r#"{"ttl":"90m","count":7,"flag":"t","words":"a,b","pairs":"{\"k\":\"v\",\"n\":1}","text":"t"}"#,
        r#"{"ttl":"1.5h","count":7,"flag":"1","words":["a","b",""],"pairs":{"k":"v","n":"1"},"text":"t"}"#,
    ] {
        let all = read(form).unwrap();
        assert_eq!(all.ttl.seconds(), 5400);
        assert_eq!(all.count, Count(7));
        assert_eq!(all.flag, Flag(true));
        assert_eq!(all.words.0, ["a", "b"]);
        assert_eq!(all.pairs.0.get("k").unwrap(), "v");
        assert_eq!(all.pairs.0.get("n").unwrap(), "1");
        assert_eq!(all.text.0.expose(), "t");
    }
    let nulls = r#"{"ttl":null,"count":"","flag":null,"words":null,"pairs":null,"text":null}"#;
    let all = read(nulls).unwrap();
    assert!(all.ttl.is_zero() && all.words.0.is_empty() && all.text.is_empty() && !all.flag.0);
    for (form, message) in [
        (r#"{"ttl":-1}"#, "ttl: expected a duration of zero or more"),
        (
            r#"{"ttl":"5x"}"#,
            "ttl: expected a duration such as 3600, \"1h30m\" or \"2d\"",
        ),
        (
            r#"{"ttl":0,"count":-1}"#,
            "count: expected a whole number of zero or more",
        ),
        (
            r#"{"ttl":0,"count":0,"flag":"yes"}"#,
            "flag: expected true or false",
        ),
        (
            r#"{"ttl":0,"count":0,"flag":0,"words":{}}"#,
            "words: expected a list of words, or one text with commas between them",
        ),
        (r#"{"pairs":["x"]}"#, "pairs[0]: expected name=value"),
        (r#"{"text":[]}"#, "text: expected text"),
    ] {
        let text = read(form).err().unwrap().to_string();
        // A list is read whole before its complaint arises, so the index may be gone.
        assert_eq!(text.replace("pairs:", "pairs[0]:"), message);
    }
}

#[test]
fn durations_follow_go() {
    for (text, want) in [
        ("", Some(0)),
        ("90", Some(90_000)),
        ("2d", Some(172_800_000)),
        ("2d12h", Some(216_000_000)),
        ("1h2m3s4ms", Some(3_723_004)),
        (".5s", Some(500)),
        ("1.25s", Some(1_250)),
        ("1h 3m", None),
        ("h", None),
        ("1.2.3s", None),
        (".s", None),
        ("-5s", None),
        ("5", Some(5_000)),
        ("9999999999999h", None),
        ("9223372036", Some(9_223_372_036_000)),
        ("9223372037", None),
        ("٣s", None),
    ] {
        let got = Ttl::parse(text).map(|ttl| ttl.0.as_millis());
        assert_eq!(got, want, "{text}");
    }
    assert!(SignedTtl::parse("-1s").unwrap().negative);
    for (millis, text) in [
        (0, "0s"),
        (1, "1ms"),
        (1_500, "1.5s"),
        (90_000, "1m30s"),
        (2_764_800_000, "768h0m0s"),
        (3_600_000, "1h0m0s"),
    ] {
        assert_eq!(duration_text(Duration::from_millis(millis)), text);
    }
}

#[test]
fn objects_are_written_field_by_field() {
    let data = Data::object()
        .text("a\"b", "line\nbreak \u{1b}[31m \u{2028}")
        .number("n", 5)
        .raw("raw", b"[1]")
        .flag("f", true)
        .value("v", &["x"])
        .unwrap()
        .finish();
    let text = std::str::from_utf8(data.as_bytes()).unwrap();
    assert_eq!(
        text,
        r#"{"a\"b":"line\nbreak \u001b[31m \u2028","n":5,"raw":[1],"f":true,"v":["x"]}"#
    );
    assert_eq!(Data::object().finish().as_bytes(), b"{}");
    assert_eq!(
        Data::of(&serde_json::json!({"k": 1})).unwrap().as_bytes(),
        br#"{"k":1}"#
    );
    let bad = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(Data::of(&bad).is_err());
}

/// Text that is nearly JSON: pieces of grammar in any order.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just("\"a\"".to_owned()),
        Just("\"b\"".to_owned()),
        Just("1".to_owned()),
        Just("-0.5e3".to_owned()),
        Just("null".to_owned()),
        Just("\"\\ud83d\\ude00\"".to_owned()),
        Just("\"\\ud83d\"".to_owned()),
        Just(" ".to_owned()),
        Just("true".to_owned()),
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| format!("{{{}}}", pieces.concat()))
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_passes_serde_json_reads_too(text in nearly_json()) {
        if check(text.as_bytes(), &Budget::default()).is_ok() {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            prop_assert!(theirs.is_ok_and(|value| value.is_object()), "{}", text);
        }
    }

    #[test]
    fn nothing_in_bytes_breaks_the_checker(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _no_panic = check(&bytes, &Budget::default());
    }

    #[test]
    fn what_serde_json_writes_passes_and_reads_back_the_same(value in any_value()) {
        let wrapped = serde_json::json!({"v": value});
        for text in [wrapped.to_string(), serde_json::to_string_pretty(&wrapped).unwrap()] {
            prop_assert_eq!(reason(text.as_bytes()), None);
            let ours: serde_json::Value = body(&text).parse().unwrap();
            prop_assert_eq!(&ours, &wrapped);
            let raw = body(&text).raw("v").unwrap().to_owned();
            let theirs: serde_json::Value = serde_json::from_str(raw.as_raw().as_str()).unwrap();
            prop_assert_eq!(&theirs, &wrapped["v"]);
        }
    }

    #[test]
    fn quoted_text_reads_back_and_stays_on_one_line(text in any::<String>()) {
        let mut out = Buffer::default();
        quote_into(&mut out, &text);
        let quoted = std::str::from_utf8(out.as_slice()).unwrap();
        let breaks_lines = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        prop_assert!(!quoted.contains(breaks_lines));
        prop_assert_eq!(serde_json::from_str::<String>(quoted).unwrap(), text);
    }
}
