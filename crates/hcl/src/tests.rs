use crate::{Body, Error, Kind, Value, parse};
use proptest::prelude::*;
use std::fmt::Write as _;

/// A canonical rendering, so that a case can show the whole tree in one line.
fn show(body: &Body) -> String {
    let mut out = String::new();
    for entry in body.entries() {
        let labels: String = entry
            .labels
            .iter()
            .map(|label| format!(" {:?}", label.text))
            .collect();
        let sign = if entry.assigned { "=" } else { "" };
        write!(
            out,
            "{}{labels}{sign}{};",
            entry.key.text,
            show_value(&entry.value)
        )
        .unwrap();
    }
    out
}

fn show_value(value: &Value) -> String {
    match &value.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number(number) => number
            .integer()
            .map_or_else(|| format!("{:?}", number.float()), |i| i.to_string()),
        Kind::Text(text) => format!("{text:?}"),
        Kind::List(items) => format!(
            "[{}]",
            items.iter().map(show_value).collect::<Vec<_>>().join(",")
        ),
        Kind::Object(body) => format!("{{{}}}", show(body)),
    }
}

fn shown(text: &str) -> String {
    match parse(text) {
        Ok(body) => show(&body),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn native_syntax_is_read_as_the_original_reads_it() {
    let cases = [
        ("", ""),
        (" \t\r\n# c\n// d\n/* e\n */", ""),
        ("a = 1", "a=1;"),
        ("a=1 b=2", "a=1;b=2;"),
        ("a = 1, b = 2,", "a=1;b=2;"),
        ("a\n=\n1", "a=1;"),
        ("\u{feff}a = true", "a=true;"),
        ("\"a b\" = false", "a b=false;"),
        ("a-b.c_9 = 1", "a-b.c_9=1;"),
        ("é = 1", "é=1;"),
        ("a { b = 1 }", "a{b=1;};"),
        ("a { b = 1, c = 2, }", "a{b=1;c=2;};"),
        ("a = { b = 1 }", "a={b=1;};"),
        ("path \"x\" { }", "path \"x\"{};"),
        ("path x { }", "path \"x\"{};"),
        ("path \"x\" = { }", "path \"x\"{};"),
        ("\"path\" \"x\" \"y\" { }", "path \"x\" \"y\"{};"),
        ("a = [1, 2,]", "a=[1,2];"),
        ("a = [,1,,2]", "a=[1,2];"),
        (
            "a = [\n1, # one\n2 // two\n, /* three */ 3\n]",
            "a=[1,2,3];",
        ),
        (
            "a = [[1], [], {b = 1}, \"x\", true, 1.5]",
            "a=[[1],[],{b=1;},\"x\",true,1.5];",
        ),
        ("a = 0640", "a=416;"),
        ("a = -010", "a=-8;"),
        ("a = 0x1F", "a=31;"),
        ("a = 0", "a=0;"),
        ("a = -5", "a=-5;"),
        ("a = -9223372036854775808", "a=-9223372036854775808;"),
        (
            "a = 1.5 b = .5 c = 1e3 d = 1. e = 1E-2 f = 09.5",
            "a=1.5;b=0.5;c=1000.0;d=1.0;e=0.01;f=9.5;",
        ),
        (
            r#"a = "x\n\t\"\\\u00e9\U0001F600\x41\101""#,
            r#"a="x\n\t\"\\é😀AA";"#,
        ),
        ("a = \"${b}\"", "a=\"${b}\";"),
        (
            "a = \"x${b(\"c\\d\", {\n}) }y\"",
            "a=\"x${b(\\\"c\\\\d\\\", {\\n}) }y\";",
        ),
        ("a = \"$x $$ {\"", "a=\"$x $$ {\";"),
        (
            "a = <<EOF\none\n two\nEOF\nb = 1",
            "a=\"one\\n two\\n\";b=1;",
        ),
        ("a = <<EOF\none\n  EOF\n", "a=\"one\\n  \";"),
        (
            "a = <<-EOF\n    one\n      two\n    EOF\n",
            "a=\"one\\n  two\\n\";",
        ),
        (
            "a = <<-EOF\n  one\n two\n    EOF\n",
            "a=\"  one\\n two\\n\";",
        ),
        ("a = <<EOF\r\none\r\nEOF\r\n", "a=\"one\\r\\n\";"),
        ("a = <<EOF\nEOF", "a=\"\";"),
        (
            "a = <<EOF\nxEOF\nEOFx\n EOF x\nEOF",
            "a=\"xEOF\\nEOFx\\n EOF x\\n\";",
        ),
        ("a = [<<X\n1\nX\n, 2]", "a=[\"1\\n\",2];"),
        ("a = 1 a = 2", "a=1;a=2;"),
    ];
    for (text, tree) in cases {
        assert_eq!(shown(text), tree, "{text:?}");
    }
}

#[test]
fn json_is_read_into_the_same_tree() {
    let cases = [
        ("{}", ""),
        (
            " {\"a\": 1, \"b\": [true, null, -1.5e3,], \"a\": {\"c\": \"\"},} ",
            "a=1;b=[true,null,-1500.0];a={c=\"\";};",
        ),
        ("\u{feff}{\"a\": \"${x}\"}", "a=\"${x}\";"),
        (
            r#"{"a": "\u00e9\ud83d\ude00\/\"\\\b\f\n\r\t"}"#,
            "a=\"é😀/\\\"\\\\\\u{8}\\u{c}\\n\\r\\t\";",
        ),
        (
            r#"{"a": 0, "b": -0, "c": 9223372036854775808}"#,
            "a=0;b=0;c=9.223372036854776e18;",
        ),
    ];
    for (text, tree) in cases {
        assert_eq!(shown(text), tree, "{text:?}");
    }
}

#[test]
fn errors_name_the_place_and_nothing_of_the_text() {
    let cases = [
        (
            "a = hunter2",
            "line 1, column 5: expected a value; a string needs double quotes",
        ),
        (
            "a = 1\n  b ; 2",
            "line 2, column 5: expected '=' or '{' after a key",
        ),
        (
            "a = \"hunter2\nb",
            "line 1, column 5: string is not terminated",
        ),
        (
            "a = \"${hunter2\"",
            "line 1, column 5: string is not terminated",
        ),
        ("a = \"\\q\"", "line 1, column 6: unknown escape"),
        ("a = \"\\'\"", "line 1, column 6: unknown escape"),
        ("a = \"\\xff\"", "line 1, column 6: unknown escape"),
        ("a = \"\\ud800\"", "line 1, column 6: unknown escape"),
        ("a = \"\\uzzzz\"", "line 1, column 6: unknown escape"),
        (
            "a = <<EOF\nhunter2",
            "line 1, column 5: heredoc is not terminated",
        ),
        ("a = <<\nx\n", "line 1, column 5: malformed heredoc mark"),
        (
            "a = <<E F\nx\nE F",
            "line 1, column 5: malformed heredoc mark",
        ),
        ("a = <x", "line 1, column 5: expected a value"),
        ("a = [1 2]", "line 1, column 8: expected ',' or ']'"),
        ("a = [1", "line 1, column 5: bracket is not closed"),
        ("a { b = 1", "line 1, column 3: brace is not closed"),
        ("a = 1 }", "line 1, column 7: expected a key"),
        ("= 1", "line 1, column 1: expected a key"),
        ("a", "line 1, column 2: expected '=' or '{' after a key"),
        ("a = ", "line 1, column 5: expected a value"),
        (
            "a \"b\" = 1",
            "line 1, column 9: expected '{' after a label",
        ),
        ("a = 089", "line 1, column 5: malformed octal number"),
        ("a = 0x", "line 1, column 5: malformed hexadecimal number"),
        (
            "a = 9223372036854775808",
            "line 1, column 5: number is out of range",
        ),
        ("a = 1e999", "line 1, column 5: malformed number"),
        ("a = 1e", "line 1, column 5: malformed number"),
        ("a = .", "line 1, column 5: malformed number"),
        ("a = --1", "line 1, column 5: malformed number"),
        ("/* é", "line 1, column 1: comment is not terminated"),
        ("é = /x", "line 1, column 5: expected a value"),
        ("a = 1\0", "line 1, column 6: null character"),
        ("a = \"\0\"", "line 1, column 6: null character"),
        ("a: 1", "line 1, column 2: expected '=' or '{' after a key"),
        ("'a' = 1", "line 1, column 1: expected a key"),
        ("[1]", "line 1, column 1: expected a key"),
        (
            "{\"a\": 1} x",
            "line 1, column 10: text after the closing brace",
        ),
        ("{\"a\": 1", "line 1, column 8: expected ',' or '}'"),
        ("{\"a\" 1}", "line 1, column 6: expected ':'"),
        ("{a: 1}", "line 1, column 2: expected a quoted string"),
        ("{\"a\": 01}", "line 1, column 7: malformed number"),
        ("{\"a\": 1.}", "line 1, column 7: malformed number"),
        ("{\"a\": 1-1}", "line 1, column 7: malformed number"),
        ("{\"a\": 1e999}", "line 1, column 7: number is out of range"),
        (
            "{\"a\": \"\\ud800\"}",
            "line 1, column 8: malformed unicode escape",
        ),
        (
            "{\"a\": \"\\udc00\"}",
            "line 1, column 8: malformed unicode escape",
        ),
        (
            "{\"a\": \"\\ud800\\u0041\"}",
            "line 1, column 8: malformed unicode escape",
        ),
        (
            "{\"a\": \"\n\"}",
            "line 1, column 8: control character in a string",
        ),
        ("{\"a\": nul}", "line 1, column 7: expected a JSON value"),
        (
            "{\"a\": [1,,2]}",
            "line 1, column 10: expected a JSON value",
        ),
    ];
    for (text, error) in cases {
        assert_eq!(shown(text), format!("error: {error}"), "{text:?}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    for (open, close) in [("a = [", "]"), ("{\"a\": [", "]}")] {
        let nested = |depth: usize| {
            let brackets = depth - 1;
            format!(
                "{open}{}{}{close}",
                "[".repeat(brackets),
                "]".repeat(brackets)
            )
        };
        assert!(parse(&nested(64)).is_ok());
        assert!(parse(&nested(65)).is_err());
        assert!(parse(&nested(200_000)).is_err());
    }
    assert!(parse(&"a { ".repeat(100_000)).is_err());
    assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
    assert!(parse(&" ".repeat(crate::MAX_BYTES)).is_ok());
    assert!(parse(&" ".repeat(crate::MAX_BYTES + 1)).is_err());
}

#[test]
fn a_labelled_block_is_the_same_however_it_is_written() {
    let spellings = [
        "listener \"tcp\" { a = 1 } listener \"unix\" { }",
        "listener tcp { a = 1 } listener unix = { }",
        "listener = { tcp = { a = 1 } unix = { } }",
        "listener { tcp { a = 1 } unix { } }",
        "listener = [{ tcp = { a = 1 } }, { unix = { } }]",
        "{\"listener\": {\"tcp\": {\"a\": 1}, \"unix\": {}}}",
        "{\"listener\": [{\"tcp\": {\"a\": 1}}, {\"unix\": {}}]}",
        "{\"listener\": {\"tcp\": [{\"a\": 1}], \"unix\": {}}}",
    ];
    for text in spellings {
        let body = parse(text).unwrap();
        let found: Vec<_> = body
            .labelled("listener")
            .unwrap()
            .iter()
            .map(|block| {
                (
                    block.label(),
                    block.body.attribute("a").map(|a| a.integer().unwrap()),
                )
            })
            .collect();
        assert_eq!(
            found,
            [(Some("tcp"), Some(1)), (Some("unix"), None)],
            "{text}"
        );
    }
    let body = parse("listener { type = \"tcp\" }").unwrap();
    assert_eq!(body.labelled("listener").unwrap()[0].label(), None);
    assert!(parse("listener = 1").unwrap().labelled("listener").is_err());
    assert!(
        parse("x = 1")
            .unwrap()
            .labelled("listener")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn unknown_and_repeated_keys_have_their_places() {
    let body = parse("a = 1\nb = 2\n  a = 3\nc { }\nc { }").unwrap();
    let unknown: Vec<_> = body
        .unknown(&["a", "c"])
        .map(|key| (key.text.as_str(), key.position.to_string()))
        .collect();
    assert_eq!(unknown, [("b", "2:1".to_owned())]);
    let repeated: Vec<_> = body
        .duplicates()
        .map(|key| key.position.to_string())
        .collect();
    assert_eq!(repeated, ["3:3"]);
    assert_eq!(body.attribute("a").unwrap().integer(), Ok(3));
    assert!(body.attribute("z").is_none());
}

#[test]
fn values_convert_as_vaults_do() {
    let body = parse(
        "a = \"true\" b = 1 c = \"10\" d = \"hunter2\" e = [\"x\", 2] f = 0640 g = \"1h\" h = {} i = 1.5",
    )
    .unwrap();
    let value = |name: &str| body.attribute(name).unwrap();
    assert_eq!(
        (value("a").boolean(), value("b").boolean()),
        (Ok(true), Ok(true))
    );
    assert_eq!(
        (value("b").integer(), value("c").integer()),
        (Ok(1), Ok(10))
    );
    assert_eq!(
        (value("f").string(), value("f").integer()),
        (Ok("0640"), Ok(416))
    );
    assert_eq!(
        (value("d").strings(), value("e").strings()),
        (Ok(vec!["hunter2"]), Ok(vec!["x", "2"]))
    );
    assert_eq!(value("g").duration().unwrap().as_secs(), 3600);
    assert_eq!(value("c").duration().unwrap().as_secs(), 10);
    let refusals: [Result<(), Error>; 6] = [
        value("d").boolean().map(drop),
        value("d").integer().map(drop),
        value("i").integer().map(drop),
        value("h").string().map(drop),
        value("d").duration().map(drop),
        value("d").object().map(drop),
    ];
    for refusal in refusals {
        let text = refusal.unwrap_err().to_string();
        assert!(
            text.contains("expected ") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[test]
fn debug_output_shows_no_value() {
    let body = parse("token = \"hunter2\" nested { list = [\"hunter2\", 77] }").unwrap();
    let shown = format!("{body:?}");
    assert!(
        shown.contains("token") && !shown.contains("hunter2") && !shown.contains("77"),
        "{shown}"
    );
}

/// Text made of the grammar's own pieces reaches further than arbitrary characters do.
fn grammar_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "path", " ", "\n", "\r\n", "\"", "\"x\"", "\"${", "}", "{", "=", "[", "]", ",", ":",
        "1", "0640", "0x", "-", ".5", "1e", "true", "null", "<<E\n", "<<-E\n", "E\n", "#", "//",
        "/*", "*/", "\\", "\\u00", "\0", "é", "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), soup in grammar_soup()) {
        for text in [text, soup.clone(), format!("{{{soup}"), format!("a = {soup}")] {
            if let Ok(body) = parse(&text) {
                let _ = (body.blocks("a"), body.labelled("a"), body.duplicates().count(), format!("{body:?}"));
            }
        }
    }

    #[test]
    fn a_quoted_text_is_read_back(text in any::<String>()) {
        prop_assume!(!text.contains("${") && !text.contains('\0'));
        let mut quoted = String::new();
        for c in text.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                c if c.is_control() => write!(quoted, "\\U{:08x}", u32::from(c)).unwrap(),
                c => quoted.push(c),
            }
        }
        let body = parse(&format!("a = \"{quoted}\"")).unwrap();
        prop_assert_eq!(body.attribute("a").unwrap().string(), Ok(text.as_str()));
    }
}
