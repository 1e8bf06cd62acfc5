//! A Dockerfile's instructions with their bytes: continued lines, comments between them, heredocs.

use crate::fix::words::line_at;
use std::ops::Range;

/// One instruction.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    /// From 1.
    pub(super) line: usize,
    /// All of its lines, with the last one's end and its heredocs.
    pub(super) whole: Range<usize>,
    /// In lower case.
    pub(super) word: String,
    /// What stands behind the word, up to the end of its last line.
    pub(super) rest: Range<usize>,
    /// Whether bodies of heredocs belong to it.
    pub(super) heredoc: bool,
}

/// A word of an instruction and its bytes, quotes among them.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) span: Range<usize>,
    /// Without quotes and escapes.
    pub(super) text: String,
    /// `$` in it means a variable.
    pub(super) expands: bool,
}

/// All instructions.
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut all = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    while at < text.len() {
        let end = super::super::edit::next_line(text, at);
        let line = text.get(at..end).unwrap_or_default();
        if is_blank(line) {
            at = end;
            continue;
        }
        let start = at + (line.len() - line.trim_start().len());
        let mut last = at..end;
        while continues(text.get(last.clone()).unwrap_or_default(), escape) && last.end < text.len()
        {
            let mut next = last.end..super::super::edit::next_line(text, last.end);
            while is_blank(text.get(next.clone()).unwrap_or_default()) && next.end < text.len() {
                next = next.end..super::super::edit::next_line(text, next.end);
            }
            last = next;
        }
        let body = text.get(start..last.end).unwrap_or_default();
        let body = body.trim_end();
        let word_end = body.find(|c: char| c.is_whitespace()).unwrap_or(body.len());
        let word = body
            .get(..word_end)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let rest = start + word_end..start + body.len();
        let (end, heredoc) = heredocs(text, &word, rest.clone(), last.end);
        let line = line_at(text, start);
        all.push(Instruction {
            line,
            whole: at..end,
            word,
            rest,
            heredoc,
        });
        at = end;
    }
    all
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn continues(line: &str, escape: char) -> bool {
    let trimmed = line.trim();
    // A comment between continued lines does not end them; it was skipped before.
    trimmed.ends_with(escape)
}

/// `# escape=X` at the very top.
fn escape(text: &str) -> char {
    directive(text, "escape")
        .and_then(|range| text.get(range)?.chars().next())
        .unwrap_or('\\')
}

/// The value of a parser directive, by its bytes (docs.docker.com/reference/dockerfile).
pub(super) fn directive(text: &str, name: &str) -> Option<Range<usize>> {
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    while at < text.len() {
        let line = super::super::edit::line_of(text, at);
        let written = text.get(line.clone())?;
        let body = written.trim_start().strip_prefix('#')?;
        let (key, value) = body.split_once('=')?;
        if key.trim().eq_ignore_ascii_case(name) {
            let value = value.trim();
            let from = line.start + written.rfind(value)?;
            return Some(from..from + value.len());
        }
        at = super::super::edit::next_line(text, at);
    }
    None
}

/// Where the bodies of heredocs end.
fn heredocs(text: &str, word: &str, rest: Range<usize>, end: usize) -> (usize, bool) {
    if !matches!(word, "run" | "copy" | "add") {
        return (end, false);
    }
    let mut end = end;
    let mut any = false;
    for part in text.get(rest).unwrap_or_default().split_whitespace() {
        let part = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(mark) = part.strip_prefix("<<").filter(|mark| !mark.contains('<')) else {
            continue;
        };
        let (tabs, mark) = mark
            .strip_prefix('-')
            .map_or((false, mark), |mark| (true, mark));
        let mark = mark.trim_matches(['"', '\'']);
        if mark.is_empty() {
            continue;
        }
        any = true;
        while end < text.len() {
            let next = super::super::edit::next_line(text, end);
            let line = text
                .get(end..next)
                .unwrap_or_default()
                .trim_end_matches(['\r', '\n']);
            end = next;
            let line = if tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if line == mark {
                break;
            }
        }
    }
    (end, any)
}

/// Words with their bytes; a `\` before a line's end joins lines.
pub(super) fn tokens(text: &str, range: Range<usize>) -> Vec<Token> {
    let mut all: Vec<Token> = Vec::new();
    let mut current: Option<Token> = None;
    let mut quote: Option<char> = None;
    let body = text.get(range.clone()).unwrap_or_default();
    let mut characters = body.char_indices().peekable();
    while let Some((index, c)) = characters.next() {
        let at = range.start + index;
        if quote.is_none() && c.is_whitespace() {
            all.extend(current.take());
            continue;
        }
        if c == '\\' && quote != Some('\'') {
            let next = characters.peek().map(|(_, c)| *c);
            if matches!(next, Some('\n' | '\r' | ' ' | '\t') | None) && quote.is_none() {
                // A continued line: nothing of a word.
                let tail = body.get(index + 1..).unwrap_or_default();
                let blank = tail.split('\n').next().is_some_and(|s| s.trim().is_empty());
                if blank {
                    all.extend(current.take());
                    continue;
                }
            }
            characters.next();
            let token = begin(&mut current, at);
            token.text.extend(next);
            token.span.end = at + 1 + next.map_or(0, char::len_utf8);
            continue;
        }
        let token = begin(&mut current, at);
        token.span.end = at + c.len_utf8();
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (_, '$') if quote != Some('\'') => {
                token.expands = true;
                token.text.push('$');
            }
            (_, c) => token.text.push(c),
        }
    }
    all.extend(current);
    all
}

fn begin(current: &mut Option<Token>, at: usize) -> &mut Token {
    current.get_or_insert_with(|| Token {
        span: at..at,
        text: String::new(),
        expands: false,
    })
}
