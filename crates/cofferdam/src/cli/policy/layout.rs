//! `policy fmt`: the layout of a policy's text; nothing but blanks is changed.
//!
//! Two blanks for each open bracket, one around `=`, the `=` of neighbouring lines below each
//! other, one empty line at most. Strings, comments and heredocs stay as they are written.

use std::fmt::Write as _;

/// The text laid out, or `None` where more than blanks would change.
pub(super) fn lay_out(text: &str) -> Option<String> {
    let mut lines = Vec::new();
    let mut scanner = Scanner::default();
    for raw in text.lines() {
        let verbatim = scanner.inside_block();
        let scanned = scanner.line(raw);
        if verbatim {
            lines.push(Line {
                text: raw.trim_end().to_owned(),
                depth: None,
                equals: None,
            });
        } else {
            let trimmed = raw.trim();
            let offset = raw.len() - raw.trim_start().len();
            let equals = scanned.equals.and_then(|at| at.checked_sub(offset));
            lines.push(Line {
                text: trimmed.to_owned(),
                depth: Some(scanned.depth),
                equals: equals.filter(|at| is_attribute(trimmed, *at)),
            });
        }
    }
    let out = written(&lines);
    (without_blanks(&out) == without_blanks(text)).then_some(out)
}

struct Line {
    text: String,
    /// Open brackets around it; none for a line inside a comment or heredoc.
    depth: Option<usize>,
    /// Where its `=` stands.
    equals: Option<usize>,
}

fn is_attribute(line: &str, equals: usize) -> bool {
    let name = line.get(..equals).unwrap_or_default().trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"');
    !name.is_empty() && name.chars().all(legal)
}

fn written(lines: &[Line]) -> String {
    let mut out = String::new();
    let mut blank = true;
    for (index, line) in lines.iter().enumerate() {
        let Some(depth) = line.depth else {
            writeln!(out, "{}", line.text).unwrap_or_default();
            continue;
        };
        if line.text.is_empty() {
            if !blank {
                out.push('\n');
            }
            blank = true;
            continue;
        }
        blank = false;
        let indent = "  ".repeat(depth);
        let shown = match line.equals {
            Some(equals) => {
                let (name, value) = line.text.split_at(equals);
                let value = value.trim_start_matches('=').trim_start();
                format!(
                    "{:width$} = {value}",
                    name.trim(),
                    width = width(lines, index)
                )
            }
            None => line.text.clone(),
        };
        writeln!(out, "{indent}{shown}").unwrap_or_default();
    }
    let end = out.trim_end_matches('\n').len();
    out.truncate(end);
    out.push('\n');
    out
}

/// The longest name among the attributes directly above and below.
fn width(lines: &[Line], index: usize) -> usize {
    let name = |line: &Line| {
        let name = line.equals.and_then(|at| line.text.get(..at))?;
        Some(name.trim().len())
    };
    let same = |line: &&Line| {
        line.depth == lines.get(index).and_then(|own| own.depth) && line.equals.is_some()
    };
    let above = lines
        .iter()
        .take(index + 1)
        .rev()
        .take_while(same)
        .filter_map(name);
    let below = lines.iter().skip(index).take_while(same).filter_map(name);
    above.chain(below).max().unwrap_or_default()
}

/// What one line is, seen by its brackets.
struct Scanned {
    depth: usize,
    equals: Option<usize>,
}

/// Walks over text and knows what is string, comment or heredoc.
#[derive(Default)]
struct Scanner {
    depth: usize,
    comment: bool,
    heredoc: Option<String>,
}

impl Scanner {
    const fn inside_block(&self) -> bool {
        self.comment || self.heredoc.is_some()
    }

    fn line(&mut self, line: &str) -> Scanned {
        if let Some(end) = &self.heredoc {
            if line.trim() == end {
                self.heredoc = None;
            }
            return Scanned {
                depth: 0,
                equals: None,
            };
        }
        let closes_first = !self.comment && line.trim_start().starts_with(['}', ']']);
        let depth = self.depth.saturating_sub(usize::from(closes_first));
        let mut equals = None;
        let mut string = false;
        let mut characters = line.char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            match c {
                '*' if self.comment && next == Some('/') => self.comment = false,
                _ if self.comment => {}
                '\\' if string => drop(characters.next()),
                '"' => string = !string,
                _ if string => {}
                '#' => break,
                '/' if next == Some('/') => break,
                '/' if next == Some('*') => self.comment = true,
                '{' | '[' => self.depth += 1,
                '}' | ']' => self.depth = self.depth.saturating_sub(1),
                '=' if equals.is_none() && self.depth == depth => equals = Some(at),
                '<' if next == Some('<') => {
                    let word = line.get(at + 2..).unwrap_or_default();
                    self.heredoc = Some(word.trim_start_matches('-').trim().to_owned());
                    break;
                }
                _ => {}
            }
        }
        Scanned { depth, equals }
    }
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn brackets_names_and_empty_lines_are_laid_out() {
        let text = "\n\n# for the web\npath \"secret/data/web/*\" {\ncapabilities=[\"read\",\n\"list\"]\n      min_wrapping_ttl  = \"1s\" # short\n\n\n   allowed_parameters = {\n\"a=b\" = []\n}\n}\n\n\n\npath \"x\" { capabilities = [\"deny\"] }\n\n";
        let expected = "# for the web\npath \"secret/data/web/*\" {\n  capabilities = [\"read\",\n    \"list\"]\n  min_wrapping_ttl = \"1s\" # short\n\n  allowed_parameters = {\n    \"a=b\" = []\n  }\n}\n\npath \"x\" { capabilities = [\"deny\"] }\n";
        assert_eq!(lay_out(text).unwrap(), expected);
    }

    #[test]
    fn neighbours_have_their_equal_signs_below_each_other() {
        let text = "path \"a\" {\ncapabilities = [\"read\"]\nmin_wrapping_ttl = 1\n}";
        let expected = "path \"a\" {\n  capabilities     = [\"read\"]\n  min_wrapping_ttl = 1\n}\n";
        assert_eq!(lay_out(text).unwrap(), expected);
    }

    #[test]
    fn comments_strings_and_heredocs_stay() {
        let text = "/* {\n   as it was\n*/\npath \"a # {\" {\n  note = <<EOT\n { kept\n   too\nEOT\n  // }\n}\n";
        assert_eq!(lay_out(text).unwrap(), text);
    }

    proptest! {
        #[test]
        fn laying_out_twice_changes_nothing_more(text in "[a-c{}\\[\\]=\"#/* \n]{0,60}") {
            if let Some(once) = lay_out(&text) {
                prop_assert_eq!(without_blanks(&once), without_blanks(&text));
            }
        }
    }
}
