//! Every command of ours that the documents and the hints show is one: its verbs and flags are there, in
//! the places where they are written. Nothing is done: each is asked for its help, which comes behind its own words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = "cofferdam";

/// A command as it stands in a document, and where.
struct Shown {
    place: String,
    words: Vec<String>,
}

#[test]
fn every_command_that_is_shown_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut shown = Vec::new();
    for page in pages(&root) {
        let text = std::fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(&root).unwrap().display().to_string();
        for (line, command) in commands(&text) {
            let place = format!("{name}:{line}");
            let ours = ours(&command).into_iter();
            shown.extend(ours.map(|words| Shown {
                place: place.clone(),
                words,
            }));
        }
    }
    shown.extend(hints());
    assert!(shown.len() > 250, "{} were found", shown.len());
    let home = tempfile::tempdir().unwrap();
    let wrong: Vec<_> = shown.iter().filter_map(|one| judge(one, &home)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a command.
fn judge(shown: &Shown, home: &tempfile::TempDir) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .args(&shown.words)
        .arg("-help")
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let helped = String::from_utf8_lossy(&output.stdout).contains("Usage:");
    let said = String::from_utf8_lossy(&output.stderr);
    let Shown { place, words } = shown;
    (!helped).then(|| format!("{place}: {PROGRAM} {}: {}", words.join(" "), said.trim()))
}

/// The commands of the hints that the transcripts have.
fn hints() -> Vec<Shown> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for (number, line) in text.lines().enumerate() {
            let Some((_, hint)) = line.split_once("2 hint: ") else {
                continue;
            };
            // Of several, each; where a usage stands, none.
            let parts = hint.split("; ").flat_map(|part| part.split(", "));
            for part in parts.filter(|part| !part.contains(['<', '['])) {
                let command = part.rsplit_once(": ").map_or(part, |(_, command)| command);
                all.extend(ours(command).into_iter().map(|words| Shown {
                    place: format!("{file}:{}", number + 1),
                    words,
                }));
            }
        }
    }
    all
}

fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages: Vec<_> = ["README.md", "SECURITY.md", "examples/fix/README.md"]
        .map(|name| root.join(name))
        .into();
    for directory in ["docs", "docs/book"] {
        let entries = std::fs::read_dir(root.join(directory)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages.sort();
    pages
}

/// Lines of sessions, and what stands between backticks, each with the number of its line.
fn commands(text: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let mut fence: Option<bool> = None;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            fence = fence.is_none().then_some(kind == "console");
            continue;
        }
        let typed = match fence {
            Some(true) => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")),
            Some(false) => None,
            None => line.strip_prefix("    "),
        };
        let Some(typed) = typed else {
            if fence.is_none() {
                let spans = line.split('`').skip(1).step_by(2);
                all.extend(spans.map(|span| (number + 1, span.to_owned())));
            }
            continue;
        };
        let mut command = typed.to_owned();
        while command.ends_with('\\') {
            command.pop();
            command.push_str(lines.next().map_or("", |(_, line)| line));
        }
        all.push((number + 1, command));
    }
    all
}

/// The words of each call of ours in a line of a shell, up to what belongs to another program.
fn ours(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for words in simple(line, &mut found) {
        let own = words.iter().skip_while(|word| {
            let variable = word.split_once('=').is_some_and(|(name, _)| {
                name.bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            });
            variable || *word == "sudo" || *word == "export"
        });
        let mut own = own.map(String::as_str);
        let called = own.next().unwrap_or_default();
        let words: Vec<_> = own
            .take_while(|word| *word != "--")
            .map(str::to_owned)
            .collect();
        // These have no help: one installs, whatever stands behind it, the other is help.
        let other = |word: &String| word.starts_with("-autocomplete") || word == "help";
        let asked = !words.is_empty() && !words.iter().any(other);
        if called.trim_start_matches("./") == PROGRAM && asked {
            found.push(words);
        }
    }
    found
}

/// The simple commands of a line, without redirections and comments. What stands in `$(…)` goes to
/// `inner` when it is ours.
fn simple(line: &str, inner: &mut Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut redirected = false;
    let mut rest = line.chars();
    let mut finish = |word: &mut Option<String>, redirected: &mut bool, ends: bool| {
        if let Some(word) = word.take()
            && !std::mem::take(redirected)
        {
            commands.last_mut().unwrap().push(word);
        }
        if ends {
            commands.push(Vec::new());
        }
    };
    while let Some(character) = rest.next() {
        match (character, quote) {
            ('$', None | Some('"')) if rest.as_str().starts_with('(') => {
                let inside = parenthesised(rest.as_str());
                inner.extend(ours(inside));
                word.get_or_insert_default().push('x');
                // Both parentheses as well.
                rest.nth(inside.chars().count() + 1);
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().extend(rest.next()),
            ('#', None) if word.is_none() => break,
            ('<' | '>', None) => {
                // The number before it belongs to it.
                word.take_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
                finish(&mut word, &mut redirected, false);
                redirected = true;
            }
            ('&', None) if redirected => word = Some("&".to_owned()),
            ('|' | ';' | '&', None) => finish(&mut word, &mut redirected, true),
            (' ', None) => finish(&mut word, &mut redirected, false),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    finish(&mut word, &mut redirected, false);
    commands
}

/// What stands between the parenthesis that `text` begins with and its partner.
fn parenthesised(text: &str) -> &str {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(1..at).unwrap_or_default();
        }
    }
    text.get(1..).unwrap_or_default()
}

#[test]
fn lines_of_a_shell_are_read_as_a_shell_does() {
    let words = |line: &str| -> Vec<String> {
        ours(line)
            .into_iter()
            .map(|words| words.join("|"))
            .collect()
    };
    assert_eq!(words("cofferdam up   # cofferdam down"), ["up"]);
    assert_eq!(
        words("docker logs -f shop 2>&1 | cofferdam redact -app 'a b' < old > new"),
        ["redact|-app|a b"]
    );
    assert_eq!(
        words("A_B=1 sudo ./cofferdam run -x -- cofferdam y; cofferdam down && echo cofferdam"),
        ["run|-x", "down"]
    );
    assert_eq!(
        words("echo z | sh -c \"$(cofferdam podman-secret options) db -\""),
        ["podman-secret|options"]
    );
    assert_eq!(
        words("cofferdam write a p=$(base64 <<< \"4 (x) 1\") b"),
        ["write|a|p=x|b"]
    );
    assert_eq!(
        words("cofferdam policy write shop - <<< 'a \"b\"'"),
        ["policy|write|shop|-"]
    );
    assert_eq!(words("not cofferdam at all"), Vec::<String>::new());
}
