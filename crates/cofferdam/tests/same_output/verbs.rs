//! Which verbs there are, and what comes of what is said to them wrongly.

use super::{compare, program, run};

/// Verbs of OpenBao's command line that are refused with a word why, and no others.
const REFUSED: &[&str] = &[
    "agent",
    "auth help",
    "namespace",
    "operator diagnose",
    "operator members",
    "operator migrate",
    "operator raft",
    "operator step-down",
    "path-help",
    "pki",
    "plugin",
    "proxy",
    "ssh",
];

/// Verbs of OpenBao's command line that are not there and have no word. To be made fewer.
const LACKING: &[&str] = &[];

/// The words that a help lists, four blanks in.
fn listed(help: &str) -> Vec<String> {
    let words = help.lines().filter_map(|line| {
        let word = line.strip_prefix("    ")?;
        let (word, about) = word.split_once("  ")?;
        let name = |c: char| c.is_ascii_lowercase() || c == '-';
        (!word.is_empty() && !about.trim().is_empty() && word.chars().all(name))
            .then(|| word.to_owned())
    });
    words.collect()
}

#[test]
fn every_verb_of_the_client_is_there_or_refused_with_a_word() {
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("bao");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cofferdam"), &link).unwrap();
    let home = links.path().display().to_string();
    let environment = [("HOME", home.as_str())];
    let help = |words: &[&str]| {
        let ran = run(&program(), &[words, &["-h"]].concat(), "", &environment);
        listed(&(ran.stdout + &ran.stderr))
    };
    let ours = |words: &[&str]| run(&link, &[words, &["-h"]].concat(), "", &environment);
    let (mut refused, mut lacking, mut seen) = (Vec::new(), Vec::new(), 0);
    let mut judge = |words: &[&str]| {
        let ran = ours(words);
        seen += 1;
        if ran.code == 0 {
            return true;
        }
        if ran.stderr.starts_with("not supported: ") && ran.stderr.contains("\nhint: ") {
            refused.push(words.join(" "));
        } else {
            lacking.push(words.join(" "));
        }
        false
    };
    for verb in help(&[]) {
        if !judge(&[&verb]) || verb == "print" {
            continue;
        }
        for inner in help(&[&verb]) {
            judge(&[&verb, &inner]);
        }
    }
    refused.sort();
    assert_eq!(refused, REFUSED);
    assert_eq!(lacking, LACKING);
    assert!(seen > 60, "{seen} verbs seen");
}

#[test]
fn the_version_is_the_one_that_scripts_look_for() {
    let links = tempfile::tempdir().unwrap();
    let told = |name: &str, words: &[&str]| {
        let link = links.path().join(name);
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cofferdam"), &link);
        let ran = run(&link, words, "", &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    };
    let real = run(&program(), &["version"], "", &[]).stdout;
    let first_two = |text: &str| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
    for words in [["version"], ["-version"], ["--version"], ["-v"]] {
        assert_eq!(first_two(&told("bao", &words)), first_two(&real));
        let vault = told("vault", &words);
        assert!(vault.starts_with("Vault v1."), "{vault}");
        let number = vault.split([' ', 'v']).nth(2).unwrap();
        let parts: Vec<u32> = number
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect();
        assert_eq!(parts.len(), 3, "{vault}");
    }
    assert!(told("cofferdam", &["version"]).starts_with("Cofferdam v"));
}

#[test]
fn usage_errors_exit_the_same() {
    compare(&[
        (&[], ""),
        (&["nope"], ""),
        (&["kv"], ""),
        (&["token"], ""),
        (&["kv", "put", "secret/app"], ""),
        (&["kv", "put", "secret/app", "foo"], ""),
        (&["kv", "get"], ""),
        (&["kv", "get", "a", "b"], ""),
        (&["kv", "nope"], ""),
        (&["status", "-x"], ""),
        (&["kv", "get", "-format=xml", "secret/x"], ""),
        (&["kv", "undelete", "secret/x"], ""),
    ]);
}

/// But for `KEY=-`, of which OpenBao's client makes an empty value then, and ours a refusal.
#[test]
fn nobody_is_asked_where_nobody_is() {
    compare(&[
        (&["login", "-non-interactive"], "root\n"),
        (
            &["kv", "put", "-non-interactive", "secret/a", "-"],
            "{\"a\":\"b\"}",
        ),
        (&["operator", "unseal", "-non-interactive"], "AAAA\n"),
        (&["kv", "get", "secret/a"], ""),
        (&["kv", "put", "-non-interactive", "secret/a", "a=b"], ""),
    ]);
}
