//! Variables that Vault's and OpenBao's clients read: what is read here, and what is not. Those that
//! are set and have no effect are named in one warning.
//!
//! Each has the prefixes `COFFERDAM_`, `VAULT_` and `BAO_`; the first that is set wins. A flag wins over
//! a variable, but for the address of an agent, which wins over `-address` as in Vault.

use super::Failure;
use super::terminal::say;
use cofferdam_api::places::{Environment, is_on, setting};
use cofferdam_core::json::field::Ttl;
use std::sync::Once;
use std::time::Duration;

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is read.
    Read,
    /// What it asks for happens in any case.
    Always,
    /// A command that asks a server refuses to go on.
    Refused,
    /// It has no effect, and is named; why.
    Idle(&'static str),
}

use Fate::{Always, Idle, Read, Refused};

const IN_FILES: &str = "certificates and keys are named as files";
const STRAIGHT: &str = "connections to the server go straight";

/// Those that OpenBao 2.7 reads in its client, and Vault in its own.
const VARIABLES: &[(&str, Fate)] = &[
    ("ADDR", Read),
    ("AGENT_ADDR", Read),
    ("CACERT", Read),
    ("CACERT_BYTES", Idle(IN_FILES)),
    ("CAPATH", Read),
    // Nothing here has colours but on a terminal that says that it has them.
    ("CLI_NO_COLOR", Always),
    ("CLIENT_CERT", Read),
    ("CLIENT_CERT_BYTES", Idle(IN_FILES)),
    ("CLIENT_KEY", Read),
    ("CLIENT_KEY_BYTES", Idle(IN_FILES)),
    ("CLIENT_TIMEOUT", Read),
    ("DETAILED", Read),
    // Redirects are never followed: where a token goes is not for an answer to say.
    ("DISABLE_REDIRECTS", Always),
    ("FORMAT", Read),
    ("HTTP_PROXY", Idle(STRAIGHT)),
    ("MAX_RETRIES", Read),
    ("MFA", Read),
    ("NAMESPACE", Refused),
    ("PROXY_ADDR", Idle(STRAIGHT)),
    ("RATE_LIMIT", Idle("the server has its own quotas")),
    ("SKIP_VERIFY", Read),
    ("SRV_LOOKUP", Idle("an address names its host")),
    ("TLS_SERVER_NAME", Read),
    ("TOKEN", Read),
    ("TOKEN_PATH", Read),
    ("WRAP_TTL", Read),
];

/// The address of an agent. Ours for a server wins over Vault's for an agent.
pub(super) fn agent_address(environment: Environment<'_>) -> Option<String> {
    let (name, address) = setting(environment, "AGENT_ADDR")?;
    let ours = name.starts_with("COFFERDAM_") || environment("COFFERDAM_ADDR").is_none();
    ours.then_some(address)
}

/// Whether a namespace is the one that every server has.
pub(super) fn is_root(namespace: &str) -> bool {
    matches!(namespace, "" | "root" | "/" | "root/")
}

/// Refuses what would send a request elsewhere than was meant, and warns of what has no effect: once
/// a process.
pub(super) fn judge(environment: Environment<'_>) -> Result<(), Failure> {
    static WARNED: Once = Once::new();
    for (name, _) in VARIABLES.iter().filter(|(_, fate)| *fate == Refused) {
        let set = setting(environment, name);
        if let Some((name, _)) = set.filter(|(_, value)| !is_root(value)) {
            let failure = Failure::usage(format!("namespaces are not supported: {name} is set"));
            return Err(failure.hint(format!("unset {name}")));
        }
    }
    WARNED.call_once(|| {
        if let Some(warning) = warning(environment) {
            say(&format!("warning: {warning}"));
        }
    });
    Ok(())
}

/// One sentence that names all that is set and has no effect.
fn warning(environment: Environment<'_>) -> Option<String> {
    let idle = VARIABLES.iter().filter_map(|(name, fate)| match fate {
        Idle(why) => setting(environment, name).map(|(name, _)| format!("{name} ({why})")),
        _ => None,
    });
    let idle: Vec<_> = idle.collect();
    (!idle.is_empty()).then(|| format!("without effect: {}", idle.join(", ")))
}

/// Whether `list` shows all that is known (`DETAILED`).
pub(super) fn detailed(environment: Environment<'_>) -> bool {
    is_on(environment, "DETAILED")
}

/// How long a request may take (`CLIENT_TIMEOUT`): Vault's default is a minute, and 0 means it.
pub(super) fn timeout(environment: Environment<'_>) -> Result<Duration, Failure> {
    const DEFAULT: Duration = Duration::from_mins(1);
    let Some((name, text)) = setting(environment, "CLIENT_TIMEOUT") else {
        return Ok(DEFAULT);
    };
    let read = Ttl::parse(&text).ok_or_else(|| {
        Failure::usage(format!("not a duration: {name}")).hint(format!("for example {name}=30s"))
    })?;
    Ok(if read.is_zero() { DEFAULT } else { read.0 })
}

/// How often a request is sent again (`MAX_RETRIES`); not at all where nothing is said, as Vault's
/// command line does it.
pub(super) fn retries(environment: Environment<'_>) -> Result<u32, Failure> {
    let Some((name, text)) = setting(environment, "MAX_RETRIES") else {
        return Ok(0);
    };
    let read = text.trim().parse();
    read.map_err(|_| Failure::usage(format!("not a number from 0 up: {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn all_of_them_stand_in_the_book() {
        let book = include_str!("../../../../docs/book/cli.md");
        for (name, _) in VARIABLES {
            assert!(book.contains(&format!("`VAULT_{name}`")), "VAULT_{name}");
        }
    }

    #[test]
    fn what_has_no_effect_is_named_once_and_without_its_value() {
        let environment = set(&[
            ("BAO_RATE_LIMIT", "7:7"),
            ("VAULT_PROXY_ADDR", "http://me:hunter2@proxy"),
            ("VAULT_MAX_RETRIES", "3"),
        ]);
        let warning = warning(&environment).unwrap();
        assert!(!warning.contains("hunter2") && !warning.contains("7:7"));
        assert!(warning.contains("VAULT_PROXY_ADDR") && warning.contains("BAO_RATE_LIMIT"));
        assert!(!warning.contains("MAX_RETRIES"));
        assert!(super::warning(&set(&[("VAULT_ADDR", "x")])).is_none());
    }

    #[test]
    fn a_namespace_is_refused_and_the_root_one_is_none() {
        assert!(judge(&set(&[("BAO_NAMESPACE", "team/")])).is_err());
        for root in ["root", "/", "root/"] {
            assert!(judge(&set(&[("VAULT_NAMESPACE", root)])).is_ok());
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, seconds) in [
            ("30", 30),
            ("30s", 30),
            ("1m30s", 90),
            ("2h", 7200),
            ("0", 60),
        ] {
            let read = timeout(&set(&[("VAULT_CLIENT_TIMEOUT", text)]));
            assert_eq!(read.unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["x", "s", "1x", "1m2", "-5s", "1 m", "99999999999999999999s"] {
            assert!(
                timeout(&set(&[("BAO_CLIENT_TIMEOUT", text)])).is_err(),
                "{text}"
            );
        }
        let read = timeout(&set(&[("VAULT_CLIENT_TIMEOUT", "0.25s")]));
        assert_eq!(read.unwrap(), Duration::from_millis(250));
    }

    #[test]
    fn our_own_server_wins_over_anothers_agent() {
        let agent = |pairs: &[(&str, &str)]| agent_address(&set(pairs));
        assert_eq!(agent(&[("VAULT_AGENT_ADDR", "a")]).as_deref(), Some("a"));
        assert_eq!(
            agent(&[("VAULT_AGENT_ADDR", "a"), ("COFFERDAM_ADDR", "b")]),
            None
        );
        let both = [("COFFERDAM_AGENT_ADDR", "a"), ("COFFERDAM_ADDR", "b")];
        assert_eq!(agent(&both).as_deref(), Some("a"));
    }
}
