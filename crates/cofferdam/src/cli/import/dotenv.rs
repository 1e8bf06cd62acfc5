//! Files of `NAME=value` lines, as dotenv, Docker Compose and shells read them.
//!
//! | written | value |
//! |---|---|
//! | `A=b c # note` | `b c` |
//! | `export A=b` | `b` |
//! | `A='b $c\n'` | as it stands, over several lines too |
//! | `A="b\n"` | with `\n \r \t \" \\ \$` read, over several lines too |
//!
//! `$` is an ordinary character: a password is no place for variables, and what is imported is
//! what stands in the file. A mistake is named by its line; the line is never repeated.

use cofferdam_secret::{Buffer, Secret};

/// One variable.
pub(in crate::cli) struct Variable {
    pub(in crate::cli) name: String,
    pub(in crate::cli) value: Secret<String>,
}

/// A line that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Mistake {
    line: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NoEquals,
    Name,
    Unclosed,
    AfterQuote,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            Kind::NoEquals => "no \"=\"",
            Kind::Name => "not a variable's name before \"=\"",
            Kind::Unclosed => "a quote begins here and does not end",
            Kind::AfterQuote => "text after the closing quote",
        };
        write!(out, "line {}: {what}", self.line)
    }
}

impl Mistake {
    pub(in crate::cli) const fn hint(self) -> &'static str {
        match self.kind {
            Kind::NoEquals => "a line looks like NAME=value; a comment begins with #",
            Kind::Name => "a name has letters, digits, '_', '.' and '-', and begins with no digit",
            Kind::Unclosed => "close the quote, or escape one that belongs to the value with \\",
            Kind::AfterQuote => "put the whole value into the quotes",
        }
    }
}

/// Reads a whole file.
pub(in crate::cli) fn parse(text: &str) -> Result<Vec<Variable>, Mistake> {
    let mut reader = Reader {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
    };
    let mut variables = Vec::new();
    loop {
        reader.skip_blank();
        if reader.rest.is_empty() {
            return Ok(variables);
        }
        variables.push(reader.variable()?);
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    const fn mistake(&self, kind: Kind) -> Mistake {
        Mistake {
            line: self.line,
            kind,
        }
    }

    /// Goes over empty lines and comments.
    fn skip_blank(&mut self) {
        loop {
            let trimmed = self.rest.trim_start();
            self.go_to(trimmed);
            if !trimmed.starts_with('#') {
                return;
            }
            self.end_line();
        }
    }

    fn go_to(&mut self, rest: &'a str) {
        let passed = self.rest.len() - rest.len();
        self.line += self
            .rest
            .bytes()
            .take(passed)
            .filter(|byte| *byte == b'\n')
            .count();
        self.rest = rest;
    }

    fn end_line(&mut self) {
        let rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.go_to(rest);
    }

    fn variable(&mut self) -> Result<Variable, Mistake> {
        let line = self.rest.lines().next().unwrap_or_default();
        let (name, _) = line.split_once('=').ok_or(self.mistake(Kind::NoEquals))?;
        let after = self.rest.get(name.len() + 1..).unwrap_or_default();
        let name = name.trim();
        let name = match name.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
            _ => name,
        };
        if !is_name(name) {
            return Err(self.mistake(Kind::Name));
        }
        self.rest = after.trim_start_matches([' ', '\t']);
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => self.quoted(quote)?,
            _ => self.bare(),
        };
        Ok(Variable {
            name: name.to_owned(),
            value,
        })
    }

    /// Up to the end of the line, or to a `#` after a blank.
    fn bare(&mut self) -> Secret<String> {
        let line = self.rest.lines().next().unwrap_or_default();
        let value = if line.starts_with('#') {
            ""
        } else {
            let comment = line.find(" #").into_iter().chain(line.find("\t#")).min();
            comment.and_then(|at| line.get(..at)).unwrap_or(line)
        };
        let value = Secret::new(value.trim_end().to_owned());
        self.end_line();
        value
    }

    fn quoted(&mut self, quote: char) -> Result<Secret<String>, Mistake> {
        let unclosed = self.mistake(Kind::Unclosed);
        let mut value = Buffer::with_capacity(64);
        let mut utf8 = [0_u8; 4];
        let mut characters = self.rest.char_indices().skip(1);
        let end = loop {
            let (at, c) = characters.next().ok_or(unclosed)?;
            match c {
                c if c == quote => break at + 1,
                '\\' if quote == '"' => {
                    let (_, escaped) = characters.next().ok_or(unclosed)?;
                    push_escaped(escaped, &mut value);
                }
                c => value.push(c.encode_utf8(&mut utf8).as_bytes()),
            }
        };
        self.go_to(self.rest.get(end..).unwrap_or_default());
        let tail = self.rest.lines().next().unwrap_or_default().trim();
        if !(tail.is_empty() || tail.starts_with('#')) {
            return Err(self.mistake(Kind::AfterQuote));
        }
        self.end_line();
        value.finish().into_text().ok_or(unclosed)
    }
}

/// An unknown escape stays as it is written: `"\d"` in a pattern must not lose its backslash.
fn push_escaped(c: char, value: &mut Buffer) {
    match c {
        'n' => value.push(b"\n"),
        'r' => value.push(b"\r"),
        't' => value.push(b"\t"),
        '"' | '\\' | '$' => value.push(&[u8::try_from(c).unwrap_or(b'\\')]),
        other => {
            let mut utf8 = [0_u8; 4];
            value.push(b"\\");
            value.push(other.encode_utf8(&mut utf8).as_bytes());
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
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let variables = parse(text).unwrap();
        variables
            .into_iter()
            .map(|v| (v.name, v.value.expose().clone()))
            .collect()
    }

    fn one(text: &str) -> String {
        let pairs = pairs(text);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        pairs[0].1.clone()
    }

    #[test]
    fn each_way_to_write_a_value_is_read() {
        for (text, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A= # note", ""),
            ("  export\tA = b c  # note", "b c"),
            ("A=b#c", "b#c"),
            ("A=b=c==", "b=c=="),
            ("A=p$a${s}s", "p$a${s}s"),
            ("A='b $c \\n' # note", "b $c \\n"),
            ("A=\"b $c \\\" \\\\ \\n \\$ \\d\"", "b $c \" \\ \n $ \\d"),
            ("A=`b 'c' \"d\"`", "b 'c' \"d\""),
            (
                "A=\"-----BEGIN-----\nx\n-----END-----\n\"",
                "-----BEGIN-----\nx\n-----END-----\n",
            ),
            ("\u{feff}A=b\r\n", "b"),
            ("A=it's", "it's"),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
    }

    #[test]
    fn comments_and_empty_lines_are_no_variables() {
        let text = "# first\n\n  # second\nA=1\n\nB='2\n3'\n# last";
        assert_eq!(
            pairs(text),
            [("A".into(), "1".into()), ("B".into(), "2\n3".into())]
        );
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_without_its_content() {
        for (text, line, kind) in [
            ("A=1\nhunter2", 2, Kind::NoEquals),
            ("A='1\n2'\n\n9hunter2=x", 4, Kind::Name),
            ("A=1\nB=\"hunter2\nC=3\n", 2, Kind::Unclosed),
            ("A='1'hunter2", 1, Kind::AfterQuote),
        ] {
            let mistake = parse(text).map(|_| ()).unwrap_err();
            assert_eq!((mistake.line, mistake.kind), (line, kind), "{text}");
            assert!(!format!("{mistake} {mistake:?}").contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in "[A-Z='\"`\\\\#\n\r \t$a\u{e9}]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_single_quoted_value_is_what_stands_there(value in "[^']{0,40}") {
            prop_assert_eq!(one(&format!("A='{value}'")), value);
        }
    }
}
