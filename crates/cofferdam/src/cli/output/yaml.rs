//! YAML, keys sorted and text quoted as Vault's clients do it.
//!
//! Written here and not by a library for three reasons: numbers keep their digits, values leave
//! no copies behind, and text that YAML 1.1 readers would take for something else (`no`, `012`,
//! `2020-01-01`) is quoted. The tests read it back with such a library.

use cofferdam_api::Tree;
use cofferdam_secret::{Buffer, Secret};

/// One document, without the `---` line.
pub(crate) fn document(value: &Tree) -> Secret<Vec<u8>> {
    let mut out = Buffer::with_capacity(1024);
    match value {
        Tree::Map(entries) if !entries.is_empty() => push_map(entries, 0, false, &mut out),
        Tree::List(items) if !items.is_empty() => push_list(items, 0, false, &mut out),
        other => {
            push_scalar(other, 0, &mut out);
            out.push(b"\n");
        }
    }
    out.finish()
}

/// `inline`: the first line goes on where a `- ` was just written.
fn push_map(entries: &[(String, Tree)], indent: usize, inline: bool, out: &mut Buffer) {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| key);
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 || !inline {
            push_indent(indent, out);
        }
        push_key(key, out);
        match value {
            Tree::Map(inner) if !inner.is_empty() => {
                out.push(b":\n");
                push_map(inner, indent + 2, false, out);
            }
            Tree::List(items) if !items.is_empty() => {
                out.push(b":\n");
                push_list(items, indent, false, out);
            }
            scalar => {
                out.push(b": ");
                push_scalar(scalar, indent + 2, out);
                out.push(b"\n");
            }
        }
    }
}

fn push_list(items: &[Tree], indent: usize, inline: bool, out: &mut Buffer) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !inline {
            push_indent(indent, out);
        }
        out.push(b"- ");
        match item {
            Tree::Map(inner) if !inner.is_empty() => push_map(inner, indent + 2, true, out),
            Tree::List(inner) if !inner.is_empty() => push_list(inner, indent + 2, true, out),
            scalar => {
                push_scalar(scalar, indent + 2, out);
                out.push(b"\n");
            }
        }
    }
}

fn push_indent(indent: usize, out: &mut Buffer) {
    for _ in 0..indent {
        out.push(b" ");
    }
}

fn push_scalar(value: &Tree, indent: usize, out: &mut Buffer) {
    match value {
        Tree::Null => out.push(b"null"),
        Tree::Bool(value) => out.push(value.to_string().as_bytes()),
        Tree::Number(text) => out.push(text.expose().as_bytes()),
        Tree::Text(text) => push_text(text.expose(), indent, out),
        Tree::List(_) => out.push(b"[]"),
        Tree::Map(_) => out.push(b"{}"),
    }
}

fn push_key(key: &str, out: &mut Buffer) {
    if key.contains('\n') {
        push_double_quoted(key, out);
    } else {
        push_text(key, 0, out);
    }
}

fn push_text(text: &str, indent: usize, out: &mut Buffer) {
    if text.chars().any(is_special) {
        push_double_quoted(text, out);
    } else if text.contains('\n') {
        push_lines(text, indent, out);
    } else if means_something_else(text) {
        push_double_quoted(text, out);
    } else if is_plain(text) {
        out.push(text.as_bytes());
    } else {
        out.push(b"'");
        for (index, part) in text.split('\'').enumerate() {
            out.push(if index > 0 { b"''" } else { b"" });
            out.push(part.as_bytes());
        }
        out.push(b"'");
    }
}

/// A literal block, where its end and its indentation can be told without hints.
fn push_lines(text: &str, indent: usize, out: &mut Buffer) {
    let starts_blank = text.starts_with([' ', '\n']);
    let ends_blank = text.lines().any(|line| line.ends_with(' '));
    if starts_blank || ends_blank {
        return push_double_quoted(text, out);
    }
    let body = text.trim_end_matches('\n');
    out.push(match text.len() - body.len() {
        0 => b"|-",
        1 => b"|",
        _ => b"|+",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push(b"\n");
        if !line.is_empty() {
            push_indent(indent.max(2), out);
            out.push(line.as_bytes());
        }
    }
}

fn push_double_quoted(text: &str, out: &mut Buffer) {
    let mut utf8 = [0_u8; 4];
    out.push(b"\"");
    for c in text.chars() {
        match c {
            '"' => out.push(b"\\\""),
            '\\' => out.push(b"\\\\"),
            '\n' => out.push(b"\\n"),
            '\t' => out.push(b"\\t"),
            '\r' => out.push(b"\\r"),
            '\u{1b}' => out.push(b"\\e"),
            c if is_special(c) && u32::from(c) < 0x100 => {
                out.push(format!("\\x{:02X}", u32::from(c)).as_bytes());
            }
            c if is_special(c) && u32::from(c) < 0x1_0000 => {
                out.push(format!("\\u{:04X}", u32::from(c)).as_bytes());
            }
            c => out.push(c.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    out.push(b"\"");
}

/// Characters that only double quotes can hold.
fn is_special(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Whether YAML's syntax leaves the text alone.
fn is_plain(text: &str) -> bool {
    let first_ends_it = text.starts_with([
        '#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`',
    ]);
    let first_then_space = ["-", "?", ":"].iter().any(|sign| {
        text.strip_prefix(sign)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    });
    let document = text.starts_with("---") || text.starts_with("...");
    let inside = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let edges = text.starts_with(' ') || text.ends_with(' ');
    !(first_ends_it || first_then_space || document || inside || edges)
}

/// Whether a reader of YAML 1.1 or 1.2 would take the text for no text.
fn means_something_else(text: &str) -> bool {
    const WORDS: [&str; 14] = [
        "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "=", ".nan",
    ];
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['-', '+']).unwrap_or(&lower);
    WORDS.contains(&lower.as_str())
        || unsigned == ".inf"
        || is_number(unsigned)
        || is_date(&lower)
        || is_sexagesimal(unsigned)
}

fn is_number(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        if let Some(rest) = digits.strip_prefix(prefix) {
            return !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix));
        }
    }
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-');
    let has_digit = digits.chars().any(|c| c.is_ascii_digit());
    has_digit && digits.chars().all(numeric) && digits.parse::<f64>().is_ok()
}

/// `2020-01-01` alone or at the beginning of a time.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |part: Option<&str>, count: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| {
            count.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        })
    };
    if !(digits(parts.next(), 4..=4) && digits(parts.next(), 1..=2)) {
        return false;
    }
    let rest = parts.next().unwrap_or_default();
    let day = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest.get(day..).unwrap_or_default();
    (1..=2).contains(&day) && (after.is_empty() || after.starts_with(['t', ' ']))
}

/// `12:30:45`, a number to base 60 in YAML 1.1.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.split(':');
    let number = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '_' | '.'))
    };
    text.contains(':') && parts.all(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_yaml_ng::Value;

    fn text(value: &Tree) -> String {
        String::from_utf8(document(value).expose().clone()).unwrap()
    }

    fn read_back(value: &Tree) -> serde_json::Value {
        let value: Value = serde_yaml_ng::from_str(&text(value)).unwrap();
        serde_json::to_value(value).unwrap()
    }

    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[ -~\n\t\u{e9}\u{2028}]{0,12}".prop_map(Into::into),
            "(yes|no|0x1|1e3|12:30|2020-01-01|- a|a: b|#|'|\"|\\||null| a|a )".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map("[ -~]{0,6}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn numbers_keep_their_digits() {
        let tree = Tree::parse(br#"{"big":123456789012345678901234567890,"x":1.50}"#).unwrap();
        assert_eq!(
            text(&tree),
            "big: 123456789012345678901234567890\nx: 1.50\n"
        );
    }

    proptest! {
        #[test]
        fn a_library_reads_the_same(value in tree()) {
            let tree = Tree::parse(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(read_back(&tree), value, "{}", text(&tree));
        }
    }
}
