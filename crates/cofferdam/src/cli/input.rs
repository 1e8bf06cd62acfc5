//! Data from the command line: `key=value`, `key=@file`, `key=-`, `@file` and `-`.

use super::Failure;
use super::terminal::{self, read_all, read_stdin};
use cofferdam_api::Tree;
use cofferdam_secret::Secret;
use std::path::Path;

/// The server's budget for a body is smaller; this stops a mistake like `@/dev/zero`.
const MAX_INPUT: usize = 32 * 1024 * 1024;

/// Reads the data arguments of `write` and `kv put` into one object.
pub(crate) fn parse_data(words: &[String]) -> Result<Tree, Failure> {
    let mut data = Tree::map();
    let mut stdin_taken = false;
    let mut literal = false;
    for word in words {
        if word == "-" {
            merge(
                &mut data,
                whole_object(&take_stdin(&mut stdin_taken)?, "stdin")?,
            );
        } else if let Some(path) = word.strip_prefix('@').filter(|_| !word.contains('=')) {
            merge(&mut data, whole_object(&read_file(path)?, path)?);
        } else {
            let (key, value) = word.split_once('=').ok_or_else(not_a_pair)?;
            let value = match value {
                "-" => text_of(take_stdin(&mut stdin_taken)?, key)?,
                value => match value.strip_prefix('@') {
                    Some(path) => text_of(read_file(path)?, key)?,
                    None => {
                        literal = true;
                        let plain = value.strip_prefix("\\@").map(|rest| format!("@{rest}"));
                        Secret::new(plain.unwrap_or_else(|| value.to_owned()))
                    }
                },
            };
            add(&mut data, key, Tree::Text(value));
        }
    }
    if literal && terminal::stderr_is_terminal() {
        terminal::say(
            "note: a value on the command line stays in the shell's history; KEY=- reads it from stdin, KEY=@FILE from a file",
        );
    }
    Ok(data)
}

/// Reads `KEY=VALUE` flags whose values are no secrets.
pub(crate) fn parse_pairs(words: &[String]) -> Result<Tree, Failure> {
    let mut pairs = Tree::map();
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(not_a_pair)?;
        pairs.insert(key, value);
    }
    Ok(pairs)
}

/// A file's content, or stdin for `-`.
pub(crate) fn read_file_or_stdin(path: &str) -> Result<Secret<Vec<u8>>, Failure> {
    if path == "-" {
        read_stdin(MAX_INPUT)
    } else {
        read_file(path)
    }
}

fn read_file(path: &str) -> Result<Secret<Vec<u8>>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::local(format!("cannot read {path}: {}", reason(&error)));
    let file = std::fs::File::open(Path::new(path)).map_err(unreadable)?;
    read_all(file, MAX_INPUT).map_err(unreadable)
}

/// The system's reason without "(os error 2)".
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}

fn not_a_pair() -> Failure {
    // The word itself may be a value: it is not repeated.
    Failure::usage("an argument is not of the form KEY=VALUE")
        .hint("KEY=VALUE, KEY=@FILE, KEY=- for stdin, or @FILE with a JSON object")
}

fn take_stdin(taken: &mut bool) -> Result<Secret<Vec<u8>>, Failure> {
    if std::mem::replace(taken, true) {
        return Err(Failure::usage("stdin can be read only once"));
    }
    read_stdin(MAX_INPUT)
}

fn text_of(bytes: Secret<Vec<u8>>, key: &str) -> Result<Secret<String>, Failure> {
    bytes.into_text().ok_or_else(|| {
        Failure::local(format!("the value for {key} is not UTF-8"))
            .hint("encode it first, for example with: base64 -w0 FILE")
    })
}

fn whole_object(text: &Secret<Vec<u8>>, from: &str) -> Result<Tree, Failure> {
    let tree = Tree::parse(text.expose()).ok();
    tree.filter(|tree| matches!(tree, Tree::Map(_)))
        .ok_or_else(|| Failure::local(format!("not a JSON object: {from}")))
}

fn merge(data: &mut Tree, more: Tree) {
    if let Tree::Map(entries) = more {
        for (key, value) in entries {
            data.insert(key, value);
        }
    }
}

/// A key that comes twice becomes a list, as in Vault's client.
fn add(data: &mut Tree, key: &str, value: Tree) {
    let together = match data.take(key) {
        None => value,
        Some(Tree::List(mut items)) => {
            items.push(value);
            Tree::List(items)
        }
        Some(first) => Tree::List(vec![first, value]),
    };
    data.insert(key, together);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<String, Failure> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let json = parse_data(&words)?.to_json();
        Ok(String::from_utf8(json.expose().clone()).unwrap())
    }

    #[test]
    fn pairs_files_and_repeated_keys_become_one_object() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "two\n").unwrap();
        let words = [
            "a=one=1",
            &format!("b=@{}", file.path().display()),
            "c=\\@x",
            "a=again",
        ];
        assert_eq!(
            parse(&words).unwrap(),
            r#"{"b":"two\n","c":"@x","a":["one=1","again"]}"#
        );
    }

    #[test]
    fn a_json_file_keeps_its_types() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"n": 1.50, "t": true}"#).unwrap();
        let word = format!("@{}", file.path().display());
        assert_eq!(parse(&[&word]).unwrap(), r#"{"n":1.50,"t":true}"#);
        std::fs::write(file.path(), "[1]").unwrap();
        assert!(parse(&[&word]).is_err());
    }

    #[test]
    fn a_word_that_is_no_pair_is_not_repeated() {
        let failure = parse(&["hunter2"]).unwrap_err();
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
}
