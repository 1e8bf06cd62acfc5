use super::*;
use proptest::prelude::*;

fn mask(text: &str) -> String {
    let whole = in_pieces(&[text.as_bytes()]);
    for cut in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        assert_eq!(in_pieces(&[first, second]), whole, "cut at {cut}");
    }
    String::from_utf8(whole).unwrap()
}

fn in_pieces(pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = KeyStream::new(Style::parse("<{name}>").unwrap());
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out);
    }
    stream.finish(&mut out);
    out
}

#[test]
fn values_of_secret_keys_in_json_are_masked_and_it_stays_json() {
    for (text, expected) in [
        (r#"{"password":"x"}"#, r#"{"password":"<password>"}"#),
        (
            r#"{"db":{"password" : "a\"b\\", "user":"u"}}"#,
            r#"{"db":{"password" : "<password>", "user":"u"}}"#,
        ),
        (
            r#"{"api_key":12345,"n":1}"#,
            r#"{"api_key":"<api_key>","n":1}"#,
        ),
        (
            r#"{"token":null,"secret":true,"pwd":false}"#,
            r#"{"token":null,"secret":true,"pwd":false}"#,
        ),
        (
            r#"{"tokens":["a",["b",7],null],"k":"v"}"#,
            r#"{"tokens":["<tokens>",["<tokens>","<tokens>"],null],"k":"v"}"#,
        ),
        (
            r#"{"credentials":{"user":"u","password":"p"}}"#,
            r#"{"credentials":{"user":"u","password":"<password>"}}"#,
        ),
        (
            r#"{"public_key":"AAAA","token_type":"bearer","monkey":"see"}"#,
            r#"{"public_key":"AAAA","token_type":"bearer","monkey":"see"}"#,
        ),
        (r#"{"note":"password"}"#, r#"{"note":"password"}"#),
        (r#"["password","x"]"#, r#"["password","x"]"#),
        (
            "{\"password\":\n  \"x\"\n}",
            "{\"password\":\n  \"<password>\"\n}",
        ),
    ] {
        assert_eq!(mask(text), expected);
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(expected) {
            drop(value);
        } else {
            unreachable!("not JSON: {expected}");
        }
    }
}

#[test]
fn values_of_secret_keys_in_logfmt_are_masked() {
    for (text, expected) in [
        (
            "level=info password=hunter2 user=me\n",
            "level=info password=<password> user=me\n",
        ),
        (
            r#"msg="a b" api_key="x \" y" n=1"#,
            r#"msg="a b" api_key="<api_key>" n=1"#,
        ),
        ("token='a b' c=d", "token='<token>' c=d"),
        (
            "GET /?access_token=abc&page=2 HTTP/1.1",
            "GET /?access_token=<access_token>&page=2 HTTP/1.1",
        ),
        ("if password == x { }", "if password == x { }"),
        ("password= user=x", "password= user=x"),
        ("monkey=x token_type=bearer", "monkey=x token_type=bearer"),
        ("password=\u{fc}ber x", "password=<password> x"),
        (
            "\u{1b}[3mpassword\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"x\" \u{1b}[3mn\u{1b}[0m=1",
            "\u{1b}[3mpassword\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"<password>\" \u{1b}[3mn\u{1b}[0m=1",
        ),
    ] {
        assert_eq!(mask(text), expected);
    }
}

#[test]
fn an_unfinished_string_hides_no_later_line() {
    assert_eq!(
        mask("it's 5\" wide\npassword=x\n"),
        "it's 5\" wide\npassword=<password>\n"
    );
}

proptest! {
    #[test]
    fn text_without_secret_keys_passes_byte_for_byte(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        // Random bytes spell no name of the list.
        prop_assert_eq!(in_pieces(&[&text]), text);
    }

    #[test]
    fn pieces_never_change_what_is_masked(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "\"password\"", ":", "\"x\"", "=", "token", "[", "]", "{", "}", ",", " ", "12", "null",
                "\\", "\"", "'", "\n", "\u{1b}[1m", "\u{1b}", "key",
            ]),
            0..40,
        ),
    ) {
        let text = parts.concat();
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(in_pieces(&bytes), in_pieces(&[text.as_bytes()]));
    }
}
