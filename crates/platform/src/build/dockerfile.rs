//! Which build secrets a Dockerfile asks for.
//!
//! Only as much of the format is read as that takes: comments, line continuation, the `escape`
//! directive, heredocs (skipped) and the `--mount` flags of `RUN`, as BuildKit reads them
//! (docs.docker.com/reference/dockerfile, `frontend/dockerfile/parser` of moby/buildkit).

use std::collections::BTreeSet;

/// A mount that cannot be understood without running the build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// `id=$X` depends on build arguments.
    #[error("line {line}: the id of a secret mount is a variable")]
    Variable {
        /// Where the instruction begins, from 1.
        line: usize,
    },
    /// Neither id nor target.
    #[error("line {line}: a secret mount has neither id nor target")]
    Nameless {
        /// Where the instruction begins, from 1.
        line: usize,
    },
}

/// The ids of all secret mounts, in byte order.
///
/// # Errors
/// [`Unclear`].
pub fn secret_ids(text: &str) -> Result<BTreeSet<String>, Unclear> {
    let mut ids = BTreeSet::new();
    for instruction in Instructions::new(text) {
        let (word, rest) = split_word(&instruction.text);
        if !word.eq_ignore_ascii_case("run") {
            continue;
        }
        for flag in flags(rest) {
            let Some(mount) = flag.strip_prefix("--mount=") else {
                continue;
            };
            ids.extend(secret_id(mount, instruction.line)?);
        }
    }
    Ok(ids)
}

/// The id of one `--mount`, if it is a secret's (BuildKit `dispatchSecret`).
fn secret_id(mount: &str, line: usize) -> Result<Option<String>, Unclear> {
    let (mut secret, mut id, mut source, mut target) = (false, None, None, None);
    for field in csv_fields(mount) {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        match key.to_ascii_lowercase().as_str() {
            "type" => secret = value.eq_ignore_ascii_case("secret"),
            "id" => id = Some(value.to_owned()),
            "source" | "src" => source = Some(value.to_owned()),
            "target" | "dst" | "destination" => target = Some(value.to_owned()),
            "env" if target.is_none() => target = Some(value.to_owned()),
            _ => {}
        }
    }
    if !secret {
        return Ok(None);
    }
    let named = source.or(id).filter(|name| !name.is_empty());
    let last = |path: String| path.rsplit('/').next().map(str::to_owned);
    let name = named.or_else(|| target.and_then(last));
    match name.filter(|name| !name.is_empty()) {
        None => Err(Unclear::Nameless { line }),
        Some(name) if name.contains('$') => Err(Unclear::Variable { line }),
        name => Ok(name),
    }
}

/// Splits as Go's csv package does for one line: `"` around a field, `""` for one quote.
pub(super) fn csv_fields(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

/// The words with `--` that stand before the command of a `RUN`.
fn flags(rest: &str) -> impl Iterator<Item = String> {
    let words = words(rest).into_iter();
    words.take_while(|word| word.starts_with("--") && word != "--")
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// Words as a shell splits them, quotes around a whole flag value taken away.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

struct Instruction {
    line: usize,
    text: String,
}

/// Logical lines: continued ones joined, comments and the bodies of heredocs left out.
struct Instructions<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    escape: char,
}

impl<'a> Instructions<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.trim_start_matches('\u{feff}').lines().enumerate(),
            escape: escape_directive(text),
        }
    }

    fn skip_heredocs(&mut self, instruction: &str) {
        for end in heredocs(instruction) {
            for (_, line) in self.lines.by_ref() {
                let line = if end.tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == end.word {
                    break;
                }
            }
        }
    }
}

impl Iterator for Instructions<'_> {
    type Item = Instruction;

    fn next(&mut self) -> Option<Instruction> {
        let mut begun: Option<Instruction> = None;
        for (number, line) in self.lines.by_ref() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let continued = trimmed.strip_suffix(self.escape);
            let instruction = begun.get_or_insert_with(|| Instruction {
                line: number + 1,
                text: String::new(),
            });
            instruction.text.push_str(continued.unwrap_or(trimmed));
            if continued.is_none() {
                break;
            }
        }
        let instruction = begun?;
        self.skip_heredocs(&instruction.text);
        Some(instruction)
    }
}

/// `# escape=X` among the comments at the very top.
fn escape_directive(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    for directive in directives {
        if let Some((name, value)) = directive.split_once('=')
            && name.trim().eq_ignore_ascii_case("escape")
        {
            return value.trim().chars().next().unwrap_or('\\');
        }
    }
    '\\'
}

struct Heredoc {
    word: String,
    tabs: bool,
}

/// `<<WORD`, `<<-WORD`, `<<"WORD"` and `3<<WORD` as words of their own.
fn heredocs(instruction: &str) -> Vec<Heredoc> {
    let (keyword, rest) = split_word(instruction);
    let bodies = ["run", "copy", "add"];
    if !bodies.iter().any(|name| keyword.eq_ignore_ascii_case(name)) {
        return Vec::new();
    }
    let words = rest.split_whitespace();
    let marked = words.filter_map(|word| {
        let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let word = word.strip_prefix("<<").filter(|word| !word.contains('<'))?;
        let (tabs, word) = match word.strip_prefix('-') {
            Some(word) => (true, word),
            None => (false, word),
        };
        let word = word.trim_matches(['"', '\'']).to_owned();
        (!word.is_empty()).then_some(Heredoc { word, tabs })
    });
    marked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        secret_ids(text).unwrap().into_iter().collect()
    }

    #[test]
    fn ids_come_from_id_source_or_target() {
        for (mount, expected) in [
            ("--mount=type=secret,id=a", &["a"][..]),
            ("--mount=type=secret,src=a,id=b", &["a"]),
            ("--mount=type=secret,target=/run/x/c", &["c"]),
            ("--mount=type=secret,id=d,required", &["d"]),
            ("--mount=id=e,TYPE=Secret,mode=0400", &["e"]),
            ("--mount=type=secret,id=f,env=F", &["f"]),
            ("--mount='type=secret,id=g'", &["g"]),
            (
                "--network=none --mount=type=secret,id=i --mount=type=secret,id=j",
                &["i", "j"],
            ),
            ("--mount=type=cache,id=k", &[]),
            ("--mount=target=/x", &[]),
            ("echo --mount=type=secret,id=l", &[]),
        ] {
            assert_eq!(
                ids(&format!("FROM x\nRUN {mount} true\n")),
                expected,
                "{mount}"
            );
        }
    }

    #[test]
    fn continuation_comments_and_case_are_read_as_docker_does() {
        let text = "FROM x\nrun --mount=type=secret,\\\n# a comment\n\n  id=a \\\r\n  cat x\n\
                    # RUN --mount=type=secret,id=no true\nENV X=\"RUN --mount=type=secret,id=no\"\n\
                    ONBUILD RUN --mount=type=secret,id=no true\n";
        assert_eq!(ids(text), ["a"]);
        let windows = "# syntax=docker/dockerfile:1\n# escape=`\nFROM x\n\
                       RUN `\n --mount=type=secret,id=b dir C:\\\nRUN --mount=type=secret,id=c x\n";
        assert_eq!(ids(windows), ["b", "c"]);
    }

    #[test]
    fn bodies_of_heredocs_are_not_instructions() {
        let text = "FROM x\nRUN --mount=type=secret,id=a <<EOF\n\
                    RUN --mount=type=secret,id=no true\nEOF\n\
                    COPY <<-\"ONE\" <<TWO /x/\nRUN --mount=type=secret,id=no x\n\tONE\n\
                    RUN --mount=type=secret,id=no x\nTWO\n\
                    RUN cat <<<word\nRUN --mount=type=secret,id=b true\n";
        assert_eq!(ids(text), ["a", "b"]);
    }

    #[test]
    fn what_only_the_build_knows_is_named_by_line() {
        let variable = secret_ids("FROM x\nARG N\nRUN --mount=type=secret,id=$N x\n");
        assert_eq!(variable, Err(Unclear::Variable { line: 3 }));
        let nameless = secret_ids("FROM x\n\nRUN --mount=type=secret x\n");
        assert_eq!(nameless, Err(Unclear::Nameless { line: 3 }));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(?s).{0,400}") {
            let _ = secret_ids(&text);
        }
    }
}
