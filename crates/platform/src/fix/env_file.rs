//! Files of `NAME=value` lines with the bytes of each part, as `cofferdam import` reads them.

use std::ops::Range;

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    /// The whole lines that it takes, with their end.
    pub(super) whole: Range<usize>,
    pub(super) name: Range<usize>,
    /// As written, with its quotes.
    pub(super) written: Range<usize>,
    /// What it means; no secret type, as it is judged before anything else.
    pub(super) value: String,
    /// Whether Compose would look for variables in it.
    pub(super) variables: bool,
}

/// Why a file is not understood; never its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// Reads a whole file.
pub(super) fn read(text: &str) -> Result<Vec<Line>, Mistake> {
    let mut lines = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut number = 1;
    while at < text.len() {
        let end = super::edit::next_line(text, at);
        let line = text.get(at..end).unwrap_or_default();
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            at = end;
            number += 1;
            continue;
        }
        let found = variable(text, at, end, number)?;
        number += text
            .get(found.whole.clone())
            .unwrap_or_default()
            .matches('\n')
            .count();
        at = found.whole.end;
        lines.push(found);
    }
    Ok(lines)
}

fn variable(text: &str, at: usize, end: usize, number: usize) -> Result<Line, Mistake> {
    let wrong = |what| Mistake { line: number, what };
    let line = text.get(at..end).unwrap_or_default();
    let body = line.trim_end_matches(['\r', '\n']);
    let Some(equals) = body.find('=') else {
        // `NAME` alone takes the caller's variable: there is no value here.
        let start = at + (body.len() - body.trim_start().len());
        let name = start..start + body.trim().len();
        if !is_name(body.trim()) {
            return Err(wrong("no \"=\""));
        }
        return Ok(Line {
            number,
            whole: at..end,
            written: name.end..name.end,
            name,
            value: String::new(),
            variables: false,
        });
    };
    let before = body.get(..equals).unwrap_or_default();
    let mut start = before.len() - before.trim_start().len();
    let rest = before.trim_start();
    if let Some(after) = rest
        .strip_prefix("export")
        .filter(|s| s.starts_with([' ', '\t']))
    {
        start += "export".len() + after.len() - after.trim_start().len();
    }
    let name = before.get(start..).unwrap_or_default().trim_end();
    if !is_name(name) {
        return Err(wrong("not a variable's name before \"=\""));
    }
    let name = at + start..at + start + name.len();
    let after = text.get(at + equals + 1..).unwrap_or_default();
    let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
    let from = at + equals + 1 + blanks;
    let after = text.get(from..).unwrap_or_default();
    match after.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => {
            let (value, length) =
                quoted(after, quote).ok_or(wrong("a quote begins here and does not end"))?;
            let written = from..from + length;
            let close = super::edit::next_line(text, written.end);
            let tail = text.get(written.end..close).unwrap_or_default().trim();
            if !(tail.is_empty() || tail.starts_with('#')) {
                return Err(wrong("text after the closing quote"));
            }
            let variables = quote == '"' && value.contains('$');
            Ok(Line {
                number,
                whole: at..close,
                name,
                written,
                value,
                variables,
            })
        }
        _ => {
            let line = text.get(from..at + body.len()).unwrap_or_default();
            let comment = line.find(" #").into_iter().chain(line.find("\t#")).min();
            let value = if line.starts_with('#') {
                ""
            } else {
                comment.and_then(|c| line.get(..c)).unwrap_or(line)
            };
            let value = value.trim_end().to_owned();
            Ok(Line {
                number,
                whole: at..end,
                name,
                written: from..from + value.len(),
                variables: value.contains('$'),
                value,
            })
        }
    }
}

/// The value, and how many bytes it takes with its quotes.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    loop {
        let (at, c) = characters.next()?;
        match c {
            c if c == quote => return Some((value, at + 1)),
            '\\' if quote == '"' => match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
}

fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_values_and_lines_have_their_bytes() {
        let text = "# c\r\n\r\nexport A = b c # d\r\nB='x\r\ny' # e\r\nC\r\nD=\"p\\\"$q\"";
        let lines = read(text).unwrap();
        let of = |range: &Range<usize>| &text[range.clone()];
        let seen: Vec<_> = lines
            .iter()
            .map(|l| {
                (
                    l.number,
                    of(&l.name),
                    of(&l.written),
                    l.value.as_str(),
                    l.variables,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (3, "A", "b c", "b c", false),
                (4, "B", "'x\r\ny'", "x\r\ny", false),
                (6, "C", "", "", false),
                (7, "D", "\"p\\\"$q\"", "p\"$q", true),
            ]
        );
        assert_eq!(of(&lines[1].whole), "B='x\r\ny' # e\r\n");
        for (text, line) in [
            ("A=1\nhunter 2\n", 2),
            ("A='1", 1),
            ("A='1'x", 1),
            ("9=x", 1),
        ] {
            assert_eq!(read(text).unwrap_err().line, line, "{text}");
        }
    }
}
