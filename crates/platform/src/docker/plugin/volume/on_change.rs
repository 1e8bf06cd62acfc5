//! The volume option `on_change`: what a container that uses the volume is told when its files
//! have changed.
//!
//! The grammar is a contract with Compose files and labels; it may grow and must not change:
//!
//! ```text
//! on_change = "none"
//!           | "signal:" NAME       HUP, SIGHUP or a number from 1 to 64
//!           | "exec:" WORDS        a program and its arguments, split at spaces, no shell
//!           | "exec:" JSON         the same as a JSON list of strings, for words with spaces
//!           | "restart"
//! ```

use crate::docker::plugin::Fault;

/// Longest option: it is a command line, not a program.
const LONGEST: usize = 4096;

/// The signals by name, as Docker's `kill` takes them. A name that Docker does not know would fail
/// only when the secret changes.
const SIGNALS: [&str; 30] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "KILL", "PIPE",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU",
];

/// What to do with a container after its files have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnChange {
    /// It looks at its files by itself.
    #[default]
    Nothing,
    /// Send this signal to its first process.
    Signal(String),
    /// Run this in it, as its own user.
    Exec(Vec<String>),
    /// Restart it.
    Restart,
}

impl OnChange {
    /// Reads the option.
    ///
    /// # Errors
    /// [`Fault::Request`]; the option is not repeated.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(refused());
        }
        match text.split_once(':') {
            None if text == "none" => Ok(Self::Nothing),
            None if text == "restart" => Ok(Self::Restart),
            Some(("signal", name)) => signal(name),
            Some(("exec", command)) => exec(command),
            _ => Err(refused()),
        }
    }
}

fn refused() -> Fault {
    Fault::Request("option on_change is none, signal:HUP, exec:COMMAND or restart".to_owned())
}

fn signal(name: &str) -> Result<OnChange, Fault> {
    let unknown = || {
        Fault::Request(
            "option on_change: a signal is a name like HUP or a number from 1 to 64".to_owned(),
        )
    };
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u8 = name.parse().map_err(|_| unknown())?;
        let known = (1..=64).contains(&number) && number.to_string() == name;
        return known
            .then(|| OnChange::Signal(name.to_owned()))
            .ok_or_else(unknown);
    }
    let short = name.strip_prefix("SIG").unwrap_or(name);
    if !SIGNALS.contains(&short) {
        return Err(unknown());
    }
    Ok(OnChange::Signal(format!("SIG{short}")))
}

fn exec(command: &str) -> Result<OnChange, Fault> {
    let command = command.trim();
    let words: Vec<String> = if command.starts_with('[') {
        serde_json::from_str(command).map_err(|_| {
            Fault::Request("option on_change: exec:[…] is a JSON list of strings".to_owned())
        })?
    } else {
        command.split_whitespace().map(str::to_owned).collect()
    };
    let usable = words.first().is_some_and(|program| !program.is_empty())
        && !words.iter().any(|word| word.contains('\0'));
    if !usable {
        return Err(Fault::Request(
            "option on_change: exec: names no program".to_owned(),
        ));
    }
    Ok(OnChange::Exec(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[&str]) -> OnChange {
        OnChange::Exec(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("none", OnChange::Nothing),
            ("restart", OnChange::Restart),
            ("signal:HUP", OnChange::Signal("SIGHUP".to_owned())),
            ("signal:SIGUSR1", OnChange::Signal("SIGUSR1".to_owned())),
            ("signal:34", OnChange::Signal("34".to_owned())),
            ("exec:nginx -s reload", words(&["nginx", "-s", "reload"])),
            ("exec: a  b ", words(&["a", "b"])),
            (
                r#"exec:["sh","-c","echo a:b, c > /tmp/x"]"#,
                words(&["sh", "-c", "echo a:b, c > /tmp/x"]),
            ),
            ("exec:a:b", words(&["a:b"])),
        ] {
            assert_eq!(OnChange::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_docker_would_refuse_later_is_refused_now_and_not_repeated() {
        for text in [
            "",
            "None",
            "signal",
            "signal:",
            "signal:hup",
            "signal:NOPE",
            "signal:0",
            "signal:65",
            "signal:007",
            "signal:-1",
            "exec",
            "exec:",
            "exec:  ",
            "exec:[]",
            "exec:[1]",
            "exec:[\"\"]",
            "exec:[\"a\\u0000\"]",
            "exec:[\"a\"",
            "restart:now",
            "hunter2",
            "exec:[hunter2",
        ] {
            let error = OnChange::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
        assert!(OnChange::parse(&format!("exec:{}", "x".repeat(LONGEST))).is_err());
    }

    proptest! {
        #[test]
        fn any_list_of_words_survives_the_json_form(
            words in prop::collection::vec("[^\\x00]{1,20}", 1..6)
        ) {
            let text = format!("exec:{}", serde_json::to_string(&words).unwrap());
            prop_assert_eq!(OnChange::parse(&text).unwrap(), OnChange::Exec(words));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,60}") {
            let _ = OnChange::parse(&text);
        }
    }
}
