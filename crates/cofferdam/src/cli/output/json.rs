//! JSON for programs, laid out and escaped as Go's encoder does.

use cofferdam_api::Tree;
use cofferdam_secret::{Buffer, Secret};

/// Indented by two spaces, with a newline at the end where asked.
pub(crate) fn pretty(value: &Tree, newline: bool) -> Secret<Vec<u8>> {
    let mut out = Buffer::with_capacity(1024);
    push(value, 0, &mut out);
    if newline {
        out.push(b"\n");
    }
    out.finish()
}

fn push(value: &Tree, depth: usize, out: &mut Buffer) {
    match value {
        Tree::Null => out.push(b"null"),
        Tree::Bool(value) => out.push(value.to_string().as_bytes()),
        Tree::Number(text) => out.push(text.expose().as_bytes()),
        Tree::Text(text) => push_text(text.expose(), out),
        Tree::List(items) if items.is_empty() => out.push(b"[]"),
        Tree::Map(entries) if entries.is_empty() => out.push(b"{}"),
        Tree::List(items) => {
            out.push(b"[");
            for (index, item) in items.iter().enumerate() {
                next_line(index, depth + 1, out);
                push(item, depth + 1, out);
            }
            end_line(depth, out);
            out.push(b"]");
        }
        Tree::Map(entries) => {
            out.push(b"{");
            for (index, (key, value)) in entries.iter().enumerate() {
                next_line(index, depth + 1, out);
                push_text(key, out);
                out.push(b": ");
                push(value, depth + 1, out);
            }
            end_line(depth, out);
            out.push(b"}");
        }
    }
}

fn next_line(index: usize, depth: usize, out: &mut Buffer) {
    if index > 0 {
        out.push(b",");
    }
    end_line(depth, out);
}

fn end_line(depth: usize, out: &mut Buffer) {
    out.push(b"\n");
    for _ in 0..depth {
        out.push(b"  ");
    }
}

/// Go escapes what HTML or JavaScript would read, so its output and ours can be compared.
fn push_text(text: &str, out: &mut Buffer) {
    out.push(b"\"");
    let mut utf8 = [0_u8; 4];
    for c in text.chars() {
        match c {
            '"' => out.push(b"\\\""),
            '\\' => out.push(b"\\\\"),
            '\n' => out.push(b"\\n"),
            '\r' => out.push(b"\\r"),
            '\t' => out.push(b"\\t"),
            '\u{8}' => out.push(b"\\b"),
            '\u{c}' => out.push(b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            c => out.push(c.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    out.push(b"\"");
}
