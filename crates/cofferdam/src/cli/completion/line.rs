//! A line of bash as words: what is quoted belongs together. bash itself breaks words at `=` and
//! `:` for completion, which is of no use to flags of the form `-format=json`.

/// The words of the last command of a line, the last one as far as it is typed (it may be empty).
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut started = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let Some(word) = words.last_mut() else { break };
        match (c, quote) {
            ('\\', None | Some('"')) => word.extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                started = true;
            }
            (' ' | '\t', None) => {
                if started || !word.is_empty() {
                    words.push(String::new());
                    started = false;
                }
            }
            // Another command begins; the name of this one comes next.
            ('|' | '&' | ';' | '(' | '\n' | '`', None) => {
                words = vec![String::new()];
                started = false;
            }
            (c, None) => word.push(c),
        }
    }
    // `X=1 sudo cofferdam kv`: what comes before us is not ours.
    let own = |word: &String| {
        let name = word.rsplit('/').next().unwrap_or_default();
        matches!(name, "cofferdam" | "vault" | "bao")
    };
    let at = words.iter().position(own).unwrap_or_default();
    words.split_off(at)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_line_is_read_as_the_shell_would() {
        for (line, expected) in [
            ("cofferdam ", vec!["cofferdam", ""]),
            (
                "cofferdam kv get -format=js",
                vec!["cofferdam", "kv", "get", "-format=js"],
            ),
            (
                "cd /x && A=b sudo ./bao kv  get 'a b'",
                vec!["./bao", "kv", "get", "a b"],
            ),
            ("vault a\\ b \"c \\\"d", vec!["vault", "a b", "c \"d"]),
            ("echo $(cofferdam read se", vec!["cofferdam", "read", "se"]),
            (
                "cofferdam kv put '' x",
                vec!["cofferdam", "kv", "put", "", "x"],
            ),
            ("", vec![""]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
