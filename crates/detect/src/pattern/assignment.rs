//! `NAME = value` in all the ways in which configuration and code write it down.
//!
//! Given a position inside a name, this finds the whole name, the sign behind it and the value: `=`, `:`,
//! `:=`, `=>`, quotes, YAML, JSON, XML elements and attributes, function calls, `ENV NAME value` of a
//! Dockerfile, `--name value` of a command, `name:`/`value:` pairs of Kubernetes and ECS. It looks at a
//! bounded number of bytes on either side and never goes back.

use std::ops::Range;

/// Longest name that is taken for one.
const LONGEST_NAME: usize = 80;

/// Longest value.
pub(super) const LONGEST_VALUE: usize = 2048;

/// A value and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) quoted: bool,
    /// More words follow behind a colon and a value without quotes: a sentence, or a line of a log.
    pub(super) prose: bool,
    /// Name and value are two of a list of texts.
    pub(super) listed: bool,
}

const fn of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// A cursor that never leaves the text.
#[derive(Clone, Copy)]
struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(with))
    }

    fn take(&mut self, with: &[u8]) -> bool {
        let here = self.starts(with);
        if here {
            self.at += with.len();
        }
        here
    }

    /// Passes over bytes for which `skipped` holds, `most` at most.
    fn skip(&mut self, most: usize, skipped: impl Fn(u8) -> bool) -> usize {
        let from = self.at;
        while self.at - from < most && self.peek().is_some_and(&skipped) {
            self.at += 1;
        }
        self.at - from
    }

    fn blanks(&mut self, most: usize) -> usize {
        self.skip(most, |byte| matches!(byte, b' ' | b'\t'))
    }

    /// A quotation mark, perhaps escaped once or twice; the length of the escape.
    fn quote(&mut self) -> Option<(u8, usize)> {
        let from = self.at;
        let escapes = self.skip(3, |byte| byte == b'\\');
        match self.peek() {
            Some(quote @ (b'"' | b'\'' | b'`')) => {
                self.at += 1;
                Some((quote, escapes))
            }
            _ => {
                self.at = from;
                None
            }
        }
    }
}

/// The name around a position.
pub(super) fn name_around(text: &[u8], at: usize) -> Range<usize> {
    let before = text.get(..at).unwrap_or_default();
    let left = before
        .iter()
        .rev()
        .take(LONGEST_NAME)
        .take_while(|&&byte| of_name(byte))
        .count();
    let behind = text.get(at..).unwrap_or_default();
    let right = behind
        .iter()
        .take(LONGEST_NAME)
        .take_while(|&&byte| of_name(byte))
        .count();
    let mut start = at - left;
    // `--db-password`, and the end of an escape before a name: `\nDB_PASSWORD`.
    while start < at
        && text
            .get(start)
            .is_some_and(|byte| matches!(byte, b'-' | b'.'))
    {
        start += 1;
    }
    let escaped = start.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'\\')
        && matches!(text.get(start), Some(b'n' | b't' | b'r'));
    if escaped && start < at {
        start += 1;
    }
    start..at + right
}

/// The assignment whose name is around `at`.
pub(super) fn around(text: &[u8], at: usize) -> Option<Assignment> {
    let name = name_around(text, at);
    let cursor = Cursor { text, at: name.end };
    let (value, quoted) = element(&name, cursor)
        .or_else(|| pair(&name, cursor))
        .or_else(|| signed(&name, cursor))
        .or_else(|| spaced(&name, cursor))?;
    if value.is_empty() || (!quoted && columns(text, &name, &value)) {
        return None;
    }
    let quoted = quoted || in_text(text, &name, &value);
    Some(Assignment {
        prose: !quoted && prose(text, &value),
        listed: quoted && listed(text, &name, &value),
        name,
        value,
        quoted,
    })
}

/// A part of a text with its own signs, such as `"Server=db;Password=…;"`: it stands between quotes, though
/// those are not its own.
fn in_text(text: &[u8], name: &Range<usize>, value: &Range<usize>) -> bool {
    let before = name.start.checked_sub(1).and_then(|at| text.get(at));
    text.get(name.end..value.start) == Some(b"=")
        && matches!(before, Some(b';' | b'"'))
        && matches!(text.get(value.end), Some(b';' | b'"'))
}

/// One column of several, as in `/etc/passwd:x:0` and `arn:aws:secretsmanager:…:secret:name`.
fn columns(text: &[u8], name: &Range<usize>, value: &Range<usize>) -> bool {
    let before = name.start.checked_sub(1).and_then(|at| text.get(at));
    text.get(name.end..value.start) == Some(b":") && matches!(before, Some(b':' | b'/'))
}

/// Whether the line goes on behind a value that stands behind a colon and a blank.
fn prose(text: &[u8], value: &Range<usize>) -> bool {
    let sign = text.get(..value.start).unwrap_or_default();
    let sign = sign.get(sign.len().saturating_sub(8)..).unwrap_or_default();
    if !sign.trim_ascii_end().ends_with(b":") || sign.ends_with(b":") {
        return false;
    }
    let rest = text.get(value.end..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(80)).unwrap_or_default();
    if !matches!(rest.first(), Some(b' ' | b'\t')) {
        return false;
    }
    let rest = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let next = rest.trim_ascii().first().copied();
    !matches!(
        next,
        None | Some(b'#' | b'/' | b',' | b'}' | b']' | b';' | b'"' | b'\'' | b'<' | b'|' | b'\\')
    )
}

/// `'user', 'password', 'mail', …`: nothing is the value of anything here. An option and its value
/// (`"--password", "…"`) are.
fn listed(text: &[u8], name: &Range<usize>, value: &Range<usize>) -> bool {
    let between = text.get(name.end..value.start).unwrap_or_default();
    // `f(handle, THE_PASSWORD, "…")`: a constant that is no text itself names what follows.
    if !between.contains(&b',')
        || between.contains(&b':')
        || between.contains(&b'=')
        || between.starts_with(b",")
    {
        return false;
    }
    let before = text.get(..name.start).unwrap_or_default();
    let before = before
        .get(before.len().saturating_sub(40)..)
        .unwrap_or_default();
    let before = before.trim_ascii_end();
    let unquoted = before
        .strip_suffix(b"'")
        .or_else(|| before.strip_suffix(b"\""))
        .unwrap_or(before);
    unquoted.trim_ascii_end().ends_with(b",")
}

/// `<password>value</password>`.
fn element(name: &Range<usize>, mut cursor: Cursor<'_>) -> Option<(Range<usize>, bool)> {
    let before = name.start.checked_sub(1)?;
    if cursor.text.get(before) != Some(&b'<') || !cursor.take(b">") {
        return None;
    }
    let from = cursor.at;
    cursor.skip(LONGEST_VALUE, |byte| !matches!(byte, b'<' | b'\n'));
    cursor.starts(b"</").then_some((from..cursor.at, true))
}

/// The value that stands beside a name which is itself a value:
/// `name: X` and `value: Y`, `{"name": "X", "value": "Y"}`, `key="X" value="Y"`.
fn pair(name: &Range<usize>, mut cursor: Cursor<'_>) -> Option<(Range<usize>, bool)> {
    let line = cursor.text.get(name.start.saturating_sub(24)..name.start)?;
    let line = line.trim_ascii_end();
    let line = line
        .strip_suffix(b"\"")
        .or_else(|| line.strip_suffix(b"'"))
        .unwrap_or(line)
        .trim_ascii_end();
    let line = line
        .strip_suffix(b":")
        .or_else(|| line.strip_suffix(b"="))?
        .trim_ascii_end();
    let line = line.strip_suffix(b"\"").unwrap_or(line);
    let named = [&b"name"[..], b"Name", b"key", b"Key", b"NAME"]
        .iter()
        .any(|word| line.ends_with(word));
    if !named {
        return None;
    }
    cursor.quote();
    cursor.blanks(8);
    cursor.take(b",");
    // The next line, in YAML and in pretty JSON.
    cursor.skip(200, |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    cursor.quote();
    let word = [&b"value"[..], b"Value", b"VALUE"];
    if !word.iter().any(|word| cursor.take(word)) {
        return None;
    }
    signed(name, cursor)
}

/// A sign of assignment, and the value behind it.
fn signed(name: &Range<usize>, mut cursor: Cursor<'_>) -> Option<(Range<usize>, bool)> {
    // The end of a quoted or indexed name: `"name"`, `['name']`, `%name%`.
    let closed = cursor.quote().is_some();
    cursor.skip(2, |byte| matches!(byte, b']' | b')'));
    let blanks = cursor.blanks(40);
    // A type between name and sign: `password: String = "…"`, `$password: string = …`.
    let signs: [&[u8]; 7] = [b":=", b"=>", b"->", b"===", b"==", b"=", b":"];
    let sign = signs.iter().find(|sign| cursor.starts(sign)).copied();
    match sign {
        // Comparisons are about a value that somebody else has.
        Some(b"==" | b"===" | b"->") => return None,
        Some(sign) => {
            cursor.at += sign.len();
        }
        None if blanks == 0 && cursor.take(b"(") => {}
        // `"name", "value"`, and a constant that names what follows: `CURLOPT_USERPWD, "value"`.
        None if blanks == 0 && (closed || constant(cursor.text, name)) && cursor.take(b",") => {
            cursor.blanks(80);
            // Without quotes it is the next argument and no value.
            return value(cursor).filter(|(_, quoted)| *quoted);
        }
        None => return None,
    }
    if sign == Some(b":") {
        typed(&mut cursor);
        if let Some(inner) = nested(cursor) {
            return Some(inner);
        }
    }
    cursor.blanks(80);
    value(cursor)
}

/// `LIKE_THIS`.
fn constant(text: &[u8], name: &Range<usize>) -> bool {
    let name = text.get(name.clone()).unwrap_or_default();
    name.contains(&b'_') && !name.iter().any(u8::is_ascii_lowercase)
}

/// `"db_password": {"value": "…"}`, as a Terraform state writes its outputs.
fn nested(mut cursor: Cursor<'_>) -> Option<(Range<usize>, bool)> {
    let white = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    cursor.blanks(8);
    if !cursor.take(b"{") {
        return None;
    }
    cursor.skip(200, white);
    if !cursor.take(b"\"value\":") {
        return None;
    }
    cursor.blanks(8);
    cursor.starts(b"\"").then(|| value(cursor))?
}

/// Passes over `String =`, `&str =`, `string =` behind a colon.
fn typed(cursor: &mut Cursor<'_>) {
    let mut ahead = *cursor;
    ahead.blanks(8);
    ahead.skip(1, |byte| byte == b'&');
    let letters = ahead.skip(24, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let blanks = ahead.blanks(4);
    if letters > 0 && blanks > 0 && ahead.starts(b"= ") {
        ahead.at += 1;
        *cursor = ahead;
    }
}

/// `ENV NAME value`, `--password value`, `login me password value`, `#define NAME "value"`,
/// `storePassword "value"`, `requirepass value`.
fn spaced(name: &Range<usize>, mut cursor: Cursor<'_>) -> Option<(Range<usize>, bool)> {
    let line = cursor
        .text
        .get(name.start.saturating_sub(200)..name.start)?;
    let line = line.rsplit(|&byte| byte == b'\n').next()?;
    let head = line.trim_ascii();
    let option = line.ends_with(b"--");
    let instruction = head.eq_ignore_ascii_case(b"ENV")
        || head.eq_ignore_ascii_case(b"set")
        || head.eq_ignore_ascii_case(b"export");
    let netrc = memchr::memmem::find(line, b"login ").is_some() || head.starts_with(b"machine ");
    if cursor.blanks(40) == 0 {
        return None;
    }
    if option || instruction || netrc {
        return value(cursor);
    }
    // A word and a text between quotes, at the beginning of a line.
    if head.is_empty() || head == b"#define" {
        return value(cursor).filter(|(_, quoted)| *quoted).or_else(|| {
            let name = cursor.text.get(name.clone()).unwrap_or_default();
            let of_redis = head.is_empty() && (name == b"requirepass" || name == b"masterauth");
            value(cursor).filter(|_| of_redis)
        });
    }
    None
}

/// The value at the cursor: between quotes, or up to where an unquoted one ends.
fn value(mut cursor: Cursor<'_>) -> Option<(Range<usize>, bool)> {
    // Prefixes of string literals (`b"…"`, `r'…'`, `@"…"`, `String::from("`, `new("`) are rare enough
    // to be left out, but for the one letter.
    if matches!(
        cursor.peek(),
        Some(b'b' | b'r' | b'u' | b'f' | b'@' | b'L' | b'N')
    ) && matches!(cursor.text.get(cursor.at + 1), Some(b'"' | b'\''))
    {
        cursor.at += 1;
    }
    if let Some((quote, escapes)) = cursor.quote() {
        let from = cursor.at;
        return quoted(cursor, from, quote, escapes);
    }
    let from = cursor.at;
    cursor.skip(LONGEST_VALUE, |byte| {
        !matches!(
            byte,
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b'<' | b',' | b';' | b'\\' | 0
        )
    });
    let mut end = cursor.at;
    // Brackets and the next parameter of a query belong to the text around.
    let bytes = cursor.text.get(from..end)?;
    let query = from.checked_sub(1).and_then(|at| cursor.text.get(at)) == Some(&b'=');
    if query && let Some(cut) = bytes.iter().position(|&byte| byte == b'&') {
        end = from + cut;
    }
    let bytes = cursor.text.get(from..end)?;
    let opens = |open: u8| bytes.contains(&open);
    let trailing = bytes
        .iter()
        .rev()
        .take_while(|&&byte| {
            (byte == b')' && !opens(b'('))
                || (byte == b']' && !opens(b'['))
                || (byte == b'}' && !opens(b'{'))
        })
        .count();
    Some((from..end - trailing, false))
}

fn quoted(
    mut cursor: Cursor<'_>,
    from: usize,
    quote: u8,
    escapes: usize,
) -> Option<(Range<usize>, bool)> {
    loop {
        cursor.skip(LONGEST_VALUE, |byte| {
            byte != quote && byte != b'\n' && byte != b'\\'
        });
        if cursor.at - from >= LONGEST_VALUE {
            return None;
        }
        match cursor.peek() {
            Some(b'\\') => {
                let before = cursor.at;
                let run = cursor.skip(8, |byte| byte == b'\\');
                if cursor.peek() == Some(quote) && run == escapes {
                    return Some((from..before, true));
                }
                cursor.at += 1;
            }
            Some(byte) if byte == quote && escapes == 0 => return Some((from..cursor.at, true)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(&str, &str, bool)> {
        let at = text.to_ascii_lowercase().find("pass").unwrap();
        let found = around(text.as_bytes(), at)?;
        Some((&text[found.name], &text[found.value], found.quoted))
    }

    #[test]
    fn every_way_to_write_it_down() {
        for (text, name, value, quoted) in [
            ("DB_PASSWORD=abc#1\n", "DB_PASSWORD", "abc#1", false),
            ("export DB_PASSWORD=\"a b\"\n", "DB_PASSWORD", "a b", true),
            ("db.password: 'x y'", "db.password", "x y", true),
            (
                "  \"dbPassword\" : \"q\\\"r\",",
                "dbPassword",
                "q\\\"r",
                true,
            ),
            ("config['password'] = 'z1'", "password", "z1", true),
            ("password := `raw`", "password", "raw", true),
            (":password => 'hash'", "password", "hash", true),
            ("setPassword(\"call\")", "setPassword", "call", true),
            ("<password>inner</password>", "password", "inner", true),
            (
                "<add key=\"DbPassword\" value=\"attr\"/>",
                "DbPassword",
                "attr",
                true,
            ),
            ("ENV DB_PASSWORD plain\n", "DB_PASSWORD", "plain", false),
            ("mysql --password secret1 db", "password", "secret1", false),
            ("mysql --password=secret1 db", "password", "secret1", false),
            (
                "machine h login me password pw1\n",
                "password",
                "pw1",
                false,
            ),
            (
                "- name: DB_PASSWORD\n  value: k8s1\n",
                "DB_PASSWORD",
                "k8s1",
                false,
            ),
            (
                "{\"name\": \"DB_PASSWORD\", \"value\": \"ecs1\"}",
                "DB_PASSWORD",
                "ecs1",
                true,
            ),
            ("?user=a&password=b1&x=c", "password", "b1", false),
            ("Server=h;Password=p1;Database=d", "Password", "p1", true),
            ("{\\\"password\\\":\\\"esc1\\\"}", "password", "esc1", true),
            ("let password: &str = \"typed\";", "password", "typed", true),
            (
                "\"A=1\\nDB_PASSWORD=nl1\\nB=2\"",
                "DB_PASSWORD",
                "nl1",
                false,
            ),
            ("f(password=p2)", "password", "p2", false),
            (
                "#define WIFI_PASSWORD \"def1\"",
                "WIFI_PASSWORD",
                "def1",
                true,
            ),
            ("    storePassword \"gra1\"", "storePassword", "gra1", true),
            ("\nrequirepass red1\n", "requirepass", "red1", false),
            (
                "f(CURLOPT_PASSWORD, \"opt1\")",
                "CURLOPT_PASSWORD",
                "opt1",
                true,
            ),
            ("[\"--password\", \"arg1\"]", "password", "arg1", true),
            (
                "\"db_password\": {\n  \"value\": \"state1\",",
                "db_password",
                "state1",
                true,
            ),
        ] {
            assert_eq!(parsed(text), Some((name, value, quoted)), "{text}");
        }
    }

    #[test]
    fn what_assigns_nothing_is_nothing() {
        for text in [
            "if password == other {",
            "the password is long",
            "password\n",
            "user->password->x",
            "\"password\"",
            "password: \n  x",
            "account:password:UID:GID",
            "check(password, 'utf8')",
            "(A_PASS, EXTRA_PASS)",
        ] {
            let value = parsed(text);
            assert!(
                value.is_none_or(|(_, value, _)| value.is_empty()),
                "{text}: {value:?}"
            );
        }
    }

    #[test]
    fn sentences_and_lists_are_told_from_configuration() {
        let of = |text: &str| {
            let at = text.to_ascii_lowercase().find("pass").unwrap();
            let found = around(text.as_bytes(), at).unwrap();
            (found.prose, found.listed)
        };
        assert_eq!(of("PASS: gdb.base/a1.exp: set the x"), (true, false));
        assert_eq!(of("password: abc1 # a comment"), (false, false));
        assert_eq!(of("password: abc1\n"), (false, false));
        assert_eq!(of("password=abc1 and=more"), (false, false));
        assert_eq!(of("f('user', 'password', 'from')"), (false, true));
        assert_eq!(of("f('password', 'from')"), (false, false));
        assert_eq!(of("[\"-u\", \"x\", \"--password\", \"y\"]"), (false, false));
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut text: Vec<u8> = (0..=255).collect();
        text.extend(b"password=\\\\\\\"");
        for at in 0..text.len() {
            let _ = around(&text, at);
        }
    }
}
