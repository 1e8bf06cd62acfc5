//! Heredocs: `<<MARK`, lines, and a line with nothing but the mark, which may be indented.

use crate::Error;
use crate::cursor::{Cursor, is_space};

/// Parses from `<<` to the end of the line with the closing mark.
///
/// The text ends with a line end. After `<<-`, the indentation of the closing mark is taken off
/// every line, if every line has it.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    let start = *cursor;
    if !cursor.take("<<") {
        return Err(cursor.error("expected a value"));
    }
    let unindent = cursor.take("-");
    let mark = cursor.take_while(|c| super::is_letter(c) || c.is_numeric());
    let (rest, _) = cursor.take_line();
    if mark.is_empty() || !matches!(rest, "" | "\r") {
        return Err(start.error("malformed heredoc mark"));
    }
    let mut lines = Vec::new();
    loop {
        let (line, terminated) = cursor.take_line();
        if line.contains('\0') {
            return Err(start.error("null character in a heredoc"));
        }
        let indentation = closing_indentation(line, mark);
        match indentation {
            Some(indentation) if unindent => return Ok(without(indentation, &lines)),
            // The original keeps the blanks before the mark, in this form only.
            Some(indentation) => return Ok(join(&lines) + indentation),
            None if terminated => lines.push(line),
            None => return Err(start.error("heredoc is not terminated")),
        }
    }
}

/// What stands before the mark, if the line is the closing one.
fn closing_indentation<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let line = line.trim_end_matches('\r');
    let indentation = line.strip_suffix(mark)?;
    indentation.chars().all(is_space).then_some(indentation)
}

fn without(indentation: &str, lines: &[&str]) -> String {
    let stripped: Option<Vec<&str>> = lines
        .iter()
        .map(|line| line.strip_prefix(indentation))
        .collect();
    join(stripped.as_deref().unwrap_or(lines))
}

fn join(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
