//! Verbs and flags of Vault's and OpenBao's command lines that are not there: each has a word why, and
//! where there is another way, its name.

use super::Failure;
use super::names::Name;
use std::ffi::OsString;

/// The words, why there is no such verb, and what to type instead.
struct Row {
    words: &'static [&'static str],
    why: &'static str,
    hint: &'static str,
    /// Under which names. Under the others these words are a verb.
    names: &'static [Name],
}

const fn row(words: &'static [&'static str], why: &'static str, hint: &'static str) -> Row {
    Row {
        words,
        why,
        hint,
        names: &[Name::Own, Name::Vault, Name::Bao],
    }
}

impl Row {
    const fn under(self, names: &'static [Name]) -> Self {
        Self { names, ..self }
    }
}

const NO_PROCESSES: &str = "there are no plugin processes: engines and methods are built in";
const NO_CERTIFICATES: &str = "certificates are not issued yet";
const EQUAL: &str = "replicas are equal: there is no leader, and none knows of the others";

const ROWS: &[Row] = &[
    row(
        &["agent"],
        "there is no agent process: programs get their secrets as files",
        "cofferdam run -- PROGRAM",
    ),
    row(
        &["proxy"],
        "there is no proxy process: programs get their secrets as files",
        "cofferdam run -- PROGRAM",
    ),
    row(
        &["namespace"],
        "namespaces are not supported",
        "separate with mounts and policies: cofferdam secrets enable -path=TEAM kv-v2",
    ),
    row(
        &["pki"],
        NO_CERTIFICATES,
        "see what is served with: cofferdam secrets list",
    ),
    row(
        &["ssh"],
        "SSH keys and one-time passwords are not issued yet",
        "see what is served with: cofferdam secrets list",
    ),
    row(
        &["path-help"],
        "the server has no texts about paths",
        "cofferdam read -format=json sys/internal/specs/openapi",
    ),
    row(
        &["plugin"],
        NO_PROCESSES,
        "see what is mounted with: cofferdam secrets list, cofferdam auth list",
    )
    .under(&[Name::Vault, Name::Bao]),
    row(
        &["scan"],
        "it is OpenBao's word for the names of all levels, and ours for a search for leaked values",
        "cofferdam kv scan PATH",
    )
    .under(&[Name::Vault]),
    row(
        &["auth", "help"],
        "methods have no texts of their own",
        "cofferdam login -h",
    ),
    row(&["operator", "members"], EQUAL, "cofferdam status"),
    row(&["operator", "step-down"], EQUAL, "cofferdam status"),
    row(
        &["operator", "raft"],
        "storage is not replicated by the servers themselves",
        "cofferdam status",
    ),
    row(
        &["operator", "migrate"],
        "a store is not moved from one backend to another in place",
        "copy a running server with: cofferdam import vaults://HOST:PORT",
    ),
    row(
        &["operator", "diagnose"],
        "the server says itself why it does not start",
        "cofferdam doctor",
    ),
];

/// Flags of a verb, or of all below it.
struct FlagRow {
    words: &'static [&'static str],
    flags: &'static [&'static str],
    why: &'static str,
    hint: &'static str,
}

const LOG_FILES: &str = "the log file is rotated by others: a signal opens it anew";
const NO_TLS_FOR_TESTS: &str = "the server for tests has no TLS";
const FLAGS: &[FlagRow] = &[
    FlagRow {
        words: &[],
        flags: &["plugin-name", "plugin-version"],
        why: NO_PROCESSES,
        hint: "leave it out: a type has one version, the server's own",
    },
    FlagRow {
        words: &[],
        flags: &["external-entropy-access"],
        why: "random numbers are the kernel's",
        hint: "leave it out",
    },
    FlagRow {
        words: &["operator", "generate-root"],
        flags: &["generate-otp"],
        why: "the pad is made when an attempt begins",
        hint: "cofferdam operator generate-root -init",
    },
    FlagRow {
        words: &["operator", "generate-root"],
        flags: &["recovery-token"],
        why: "there is no recovery mode",
        hint: "cofferdam operator generate-root -init",
    },
    FlagRow {
        words: &["server"],
        flags: &[
            "log-rotate-bytes",
            "log-rotate-duration",
            "log-rotate-max-files",
        ],
        why: LOG_FILES,
        hint: "logrotate, with: postrotate kill -HUP",
    },
    FlagRow {
        words: &["server"],
        flags: &["recovery"],
        why: "there is no recovery mode",
        hint: "cofferdam doctor",
    },
    FlagRow {
        words: &["server"],
        flags: &["dev-tls", "dev-tls-cert-dir", "dev-cluster-json"],
        why: NO_TLS_FOR_TESTS,
        hint: "one with TLS and a certificate of its own: cofferdam up -foreground",
    },
];

/// A flag that is not known and has a row, as a refusal.
pub(super) fn refuse_flag(arguments: &[OsString], flag: &str) -> Option<Failure> {
    let words: Vec<_> = arguments
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .filter(|word| !word.starts_with('-'))
        .collect();
    let flag = flag.trim_start_matches('-').split('=').next()?;
    let mut rows = FLAGS.iter().filter(|row| words.starts_with(row.words));
    let row = rows.find(|row| row.flags.contains(&flag))?;
    let refused = Failure::usage(format!("not supported: -{flag}: {}", row.why));
    Some(refused.hint(row.hint))
}

/// A call of one of these verbs, as a refusal.
pub(super) fn refuse(name: Name, arguments: &[OsString]) -> Result<(), Failure> {
    let words: Vec<_> = arguments
        .iter()
        .skip(1)
        .map_while(|word| word.to_str())
        .take(2)
        .collect();
    let row = ROWS
        .iter()
        .filter(|row| row.names.contains(&name))
        .find(|row| words.starts_with(row.words));
    match row {
        None => Ok(()),
        Some(row) => Err(Failure::usage(format!(
            "not supported: {}: {}",
            row.words.join(" "),
            row.why
        ))
        .hint(row.hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{VERBS, usage};

    fn refused(name: Name, line: &str) -> bool {
        let words: Vec<_> = line.split(' ').map(OsString::from).collect();
        refuse(name, &words).is_err()
    }

    #[test]
    fn words_of_ours_are_refused_under_the_others_names_only() {
        for (line, by_bao) in [("x plugin list", true), ("x scan secret", false)] {
            assert!(refused(Name::Vault, line) && !refused(Name::Own, line));
            assert_eq!(refused(Name::Bao, line), by_bao);
        }
        assert!(!refused(Name::Vault, "x kv get scan"));
    }

    #[test]
    fn a_flag_is_refused_by_name_and_without_its_value() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let line = words("bao secrets enable -plugin-name=x kv");
        let refused = refuse_flag(&line, "--plugin-name=hunter2").unwrap();
        assert!(refused.what().starts_with("not supported: -plugin-name: "));
        assert!(!format!("{refused:?}").contains("hunter2"));
        assert!(refuse_flag(&line, "--recovery").is_none());
        assert!(refuse_flag(&words("bao server -dev"), "--recovery").is_some());
    }

    #[test]
    fn no_flag_is_refused_that_is_there() {
        let command = usage::command(Name::Own, VERBS);
        for row in FLAGS {
            let mut verb = &command;
            for word in row.words {
                verb = verb.find_subcommand(word).unwrap();
            }
            let known: Vec<_> = verb
                .get_arguments()
                .filter_map(|flag| flag.get_long())
                .collect();
            assert!(
                !row.flags.iter().any(|flag| known.contains(flag)),
                "{:?}",
                row.flags
            );
        }
    }

    #[test]
    fn nothing_is_refused_that_is_there() {
        for row in ROWS.iter().filter(|row| row.words.len() == 1) {
            for name in [Name::Own, Name::Vault, Name::Bao] {
                let mut verbs = VERBS.iter().filter(|entry| entry.is_known_to(name));
                let is_there = verbs.any(|entry| entry.name == row.words[0]);
                let refused = row.names.contains(&name);
                assert_eq!(is_there, !refused, "{} {}", name.word(), row.words[0]);
            }
        }
        for row in ROWS.iter().filter(|row| row.words.len() == 2) {
            let entry = VERBS.iter().find(|entry| entry.name == row.words[0]);
            let command = usage::command(Name::Own, [entry.unwrap()]);
            let verb = command.find_subcommand(row.words[0]).unwrap();
            assert!(
                verb.find_subcommand(row.words[1]).is_none(),
                "{:?}",
                row.words
            );
        }
    }
}
