//! Text that a shell reads: where a value stands in it, and what may stand there instead.

/// What surrounds a place in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    None,
    Double,
    Single,
    /// Something that is not followed here: a comment, a here-document, `$(…)` inside of quotes.
    Unclear,
}

/// The quotes around byte `at` (POSIX shell, 2.2 Quoting).
pub(super) fn quoting(script: &str, at: usize) -> Quoting {
    let mut state = Quoting::None;
    let mut characters = script.char_indices();
    let mut word_begins = true;
    while let Some((index, c)) = characters.next() {
        if index >= at {
            return state;
        }
        match (state, c) {
            (Quoting::None | Quoting::Double, '\\') => {
                characters.next();
                word_begins = false;
                continue;
            }
            (Quoting::None, '#') if word_begins => return Quoting::Unclear,
            (_, '`') if state != Quoting::Single => return Quoting::Unclear,
            (Quoting::Double, '$') if script.get(index..).is_some_and(|s| s.starts_with("$(")) => {
                return Quoting::Unclear;
            }
            (Quoting::None, '<') if script.get(index..).is_some_and(|s| s.starts_with("<<")) => {
                return Quoting::Unclear;
            }
            (Quoting::None, '\'') => state = Quoting::Single,
            (Quoting::Single, '\'') | (Quoting::Double, '"') => state = Quoting::None,
            (Quoting::None, '"') => state = Quoting::Double,
            _ => {}
        }
        word_begins = c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(');
    }
    state
}

/// What reads `file` at such a place; `dollar` is `$` or `$$`, as Compose takes it.
pub(super) fn read_file(quoting: Quoting, file: &str, dollar: &str) -> Option<String> {
    let cat = format!("{dollar}(cat {file})");
    match quoting {
        Quoting::None => Some(format!("\"{cat}\"")),
        Quoting::Double => Some(cat),
        Quoting::Single => Some(format!("'\"{cat}\"'")),
        Quoting::Unclear => None,
    }
}

/// Whether these words start a shell with a script, and which word the script is.
pub(super) fn script_of(words: &[&str]) -> Option<usize> {
    let first = words.first()?;
    let name = first.rsplit('/').next()?;
    if !matches!(name, "sh" | "bash" | "ash" | "dash" | "busybox") {
        return None;
    }
    let flag = words
        .iter()
        .position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    words.get(flag + 1).map(|_| flag + 1)
}

/// `$NAME` and `${NAME}` in a script, with `dollar` for `$`: their bytes, in order.
pub(super) fn uses(script: &str, name: &str, dollar: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in script.match_indices(dollar) {
        let rest = script.get(at + dollar.len()..).unwrap_or_default();
        if let Some(inner) = rest.strip_prefix('{') {
            if inner.strip_prefix(name).is_some_and(|s| s.starts_with('}')) {
                found.push(at..at + dollar.len() + name.len() + 2);
            }
        } else if let Some(after) = rest.strip_prefix(name) {
            let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if !goes_on {
                found.push(at..at + dollar.len() + name.len());
            }
        }
    }
    found
}

/// Whether the name is used in a way that [`uses`] does not give: `${NAME:-x}`, `${#NAME}`.
pub(super) fn uses_otherwise(script: &str, name: &str, dollar: &str) -> bool {
    script.match_indices(dollar).any(|(at, _)| {
        let rest = script.get(at + dollar.len()..).unwrap_or_default();
        let Some(inner) = rest.strip_prefix('{') else {
            return false;
        };
        let inside = inner.split('}').next().unwrap_or_default();
        let inside = inside.trim_start_matches(['#', '!']);
        inside.strip_prefix(name).is_some_and(|after| {
            !after.is_empty() && !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_value_is_read_from_its_file_at_every_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        let value = "it's a \"$value\" `x` \\n";
        std::fs::write(&file, value).unwrap();
        for script in [
            "printf %s HERE",
            "printf %s \"HERE\"",
            "printf %s 'HERE'",
            "printf '%s' 'a'HERE | sed 's/^a//'",
            "echo \"it\\\"s\" >/dev/null; printf %s HERE",
        ] {
            let at = script.find("HERE").unwrap();
            let text = read_file(quoting(script, at), file.to_str().unwrap(), "$").unwrap();
            let script = script.replace("HERE", &text);
            let out = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&out.stdout), value, "{script}");
        }
        for script in [
            "# HERE",
            "cat <<E\nHERE\nE",
            "echo `HERE`",
            "echo \"$(x HERE)\"",
        ] {
            let at = script.find("HERE").unwrap();
            assert_eq!(quoting(script, at), Quoting::Unclear, "{script}");
        }
    }

    #[test]
    fn uses_of_a_variable_are_found() {
        let text = "x -p$$A \"$${A}\" $$AB $${A:-x} '$$A'";
        let found = uses(text, "A", "$$");
        let found: Vec<_> = found.into_iter().map(|r| &text[r]).collect();
        assert_eq!(found, ["$$A", "$${A}", "$$A"]);
        assert!(uses_otherwise(text, "A", "$$") && !uses_otherwise(text, "AB", "$$"));
        assert_eq!(script_of(&["/bin/sh", "-ec", "x"]), Some(2));
        assert_eq!(script_of(&["redis-server", "-c", "x"]), None);
    }
}
