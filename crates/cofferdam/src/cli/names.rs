//! The names under which this program is called. A link to it is another program:
//!
//! | Called as | Is |
//! |---|---|
//! | `docker-cofferdam` | a plugin of Docker's command line, and Compose's provider |
//! | `docker-credential-cofferdam` | a credential helper of Docker |
//! | `cofferdam-shim` | `cofferdam shim`, as it is mounted into containers |
//! | `vault`, `bao` | that client: its verbs and no others, its version, its exit codes |
//!
//! Docker's protocol for plugins (docker/cli, `cli-plugins/manager`): one call with
//! `docker-cli-plugin-metadata` asks who we are, every other one repeats Docker's own global flags
//! before our name.

use super::{Exit, Failure, terminal};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Our name as a plugin of Docker's command line.
pub(super) const DOCKER_PLUGIN: &str = "docker-cofferdam";
/// Our name as a credential helper.
pub(super) const CREDENTIAL_HELPER: &str = "docker-credential-cofferdam";
/// Our name inside containers.
pub(super) const SHIM: &str = "cofferdam-shim";

/// Under whose name the command line is that of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `cofferdam`.
    Own,
    /// `vault`.
    Vault,
    /// `bao`.
    Bao,
}

/// The name of this process; tests have none.
static CALLED: OnceLock<Name> = OnceLock::new();

impl Name {
    /// What this process was called as.
    pub(crate) fn called() -> Self {
        CALLED.get().copied().unwrap_or(Self::Own)
    }

    fn of(arguments: &[OsString]) -> Self {
        Self::named(arguments.first().map_or("".as_ref(), OsString::as_os_str))
    }

    /// The name in a path of a program.
    pub(crate) fn named(program: impl AsRef<std::ffi::OsStr>) -> Self {
        let called = Path::new(program.as_ref()).file_name();
        match called.and_then(|name| name.to_str()) {
            Some("vault") => Self::Vault,
            Some("bao") => Self::Bao,
            _ => Self::Own,
        }
    }

    /// The word that is typed.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Own => "cofferdam",
            Self::Vault => "vault",
            Self::Bao => "bao",
        }
    }

    /// Whether the verbs are those of Vault only.
    pub(crate) const fn is_client(self) -> bool {
        !matches!(self, Self::Own)
    }

    /// A sentence with commands of ours in it, as they are typed under this name. Verbs that the
    /// name does not have are typed under our own.
    pub(crate) fn spoken(self, text: &str) -> String {
        if !self.is_client() {
            return text.to_owned();
        }
        let mut parts = text.split("cofferdam ");
        let mut spoken = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let word = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
            let shared = super::VERBS
                .iter()
                .any(|entry| entry.name == word && entry.is_shared_with(self));
            spoken.push_str(if shared { self.word() } else { "cofferdam" });
            spoken.push(' ');
            spoken.push_str(part);
        }
        spoken
    }
}

/// The question who a plugin is.
const METADATA: &str = "docker-cli-plugin-metadata";

/// Docker's global flags with a value, and the variable that says the same to whom we start.
const GLOBALS: [(&str, &str, Option<&str>); 7] = [
    ("--host", "-H", Some("DOCKER_HOST")),
    ("--context", "-c", Some("DOCKER_CONTEXT")),
    ("--config", "", Some("DOCKER_CONFIG")),
    ("--log-level", "-l", None),
    ("--tlscacert", "", None),
    ("--tlscert", "", None),
    ("--tlskey", "", None),
];

/// What a call means.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    /// These words, as if `cofferdam` had been typed.
    Words(Vec<OsString>),
    /// The same, with Docker's choice of an engine in the environment.
    Again(Vec<OsString>, Vec<(&'static str, OsString)>),
    /// Who are you?
    Metadata,
}

/// Turns a call under any of our names into one under our first name; answers what needs no verb.
pub(super) fn interpret(arguments: Vec<OsString>) -> Result<Result<Vec<OsString>, Exit>, Failure> {
    // Once a process: there is nobody who could have set it before.
    let _ = CALLED.set(Name::of(&arguments));
    match understood(arguments) {
        Call::Words(words) => Ok(Ok(words)),
        Call::Metadata => {
            terminal::write_out(metadata().as_bytes())?;
            Ok(Err(Exit::Success))
        }
        Call::Again(words, variables) => {
            // The environment of a process with threads cannot be changed; that of the next can.
            let mut command = Command::new("/proc/self/exe");
            command.arg0("cofferdam").args(words.iter().skip(1));
            let error = command.envs(variables).exec();
            Err(Failure::local(format!("cannot start myself: {error}")))
        }
    }
}

fn understood(arguments: Vec<OsString>) -> Call {
    let called = arguments.first().map(Path::new).and_then(Path::file_name);
    let called = called.unwrap_or_default().to_owned();
    // The parser takes its name in usage lines from here.
    let mut words = vec![OsString::from(Name::named(&called).word())];
    let rest = arguments.into_iter().skip(1);
    if called == SHIM {
        words.push("shim".into());
    } else if called == CREDENTIAL_HELPER {
        words.push("docker-credential".into());
    } else if called == DOCKER_PLUGIN {
        return plugin(words, rest.collect());
    }
    words.extend(rest);
    Call::Words(words)
}

fn plugin(mut words: Vec<OsString>, rest: Vec<OsString>) -> Call {
    if rest.first().is_some_and(|word| word == METADATA) {
        return Call::Metadata;
    }
    let mut variables = Vec::new();
    let mut rest = rest.into_iter().peekable();
    while let Some(flag) = rest.next_if(|word| word.as_encoded_bytes().starts_with(b"-")) {
        let text = flag.to_string_lossy().into_owned();
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (text, None),
        };
        let known = GLOBALS
            .iter()
            .find(|(long, short, _)| name == *long || (name == *short && !short.is_empty()));
        let Some((_, _, variable)) = known else {
            // A switch of Docker's, or a question to us: `docker-cofferdam --help`.
            if matches!(name.as_str(), "--help" | "-h" | "--version" | "-v") {
                words.push(name.into());
            }
            continue;
        };
        let value = attached.or_else(|| rest.next());
        variables.extend(variable.zip(value));
    }
    rest.next_if(|word| word == "cofferdam");
    words.extend(rest);
    if variables.is_empty() {
        Call::Words(words)
    } else {
        Call::Again(words, variables)
    }
}

/// The answer of a plugin that is asked who it is. It reads nothing: Docker asks on every `--help`.
fn metadata() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let url = env!("CARGO_PKG_REPOSITORY");
    format!(
        "{{\"SchemaVersion\":\"0.1.0\",\"Vendor\":\"cofferdam\",\"Version\":\"{version}\",\
         \"ShortDescription\":\"Secrets for containers\",\"URL\":\"{url}\"}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Call {
        understood(line.split(' ').map(OsString::from).collect())
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_link_is_another_program() {
        for (line, meant) in [
            ("cofferdam kv get a", "cofferdam kv get a"),
            ("/usr/bin/cofferdam", "cofferdam"),
            (
                "docker-credential-cofferdam get",
                "cofferdam docker-credential get",
            ),
            (
                "/cofferdam-shim -image x -- a",
                "cofferdam shim -image x -- a",
            ),
            (
                "/p/docker-cofferdam cofferdam kv get a",
                "cofferdam kv get a",
            ),
            (
                "docker-cofferdam compose up --project-name=x svc",
                "cofferdam compose up --project-name=x svc",
            ),
            (
                "docker-cofferdam compose metadata",
                "cofferdam compose metadata",
            ),
            (
                "docker-cofferdam --debug -D cofferdam status",
                "cofferdam status",
            ),
            ("docker-cofferdam --help", "cofferdam --help"),
            (
                "docker-cofferdam cofferdam kv get -H x cofferdam",
                "cofferdam kv get -H x cofferdam",
            ),
        ] {
            assert_eq!(call(line), Call::Words(words(meant)), "{line}");
        }
    }

    #[test]
    fn commands_in_sentences_have_the_name_that_was_typed() {
        let sentence = "log in with: cofferdam login; or start one: cofferdam up";
        assert_eq!(Name::Own.spoken(sentence), sentence);
        assert_eq!(
            Name::Bao.spoken(sentence),
            "log in with: bao login; or start one: cofferdam up"
        );
        // OpenBao's word for something else.
        let sentence = "look for it with: cofferdam scan .";
        assert_eq!(Name::Bao.spoken(sentence), sentence);
        for (line, name) in [
            ("/usr/local/bin/vault kv", Name::Vault),
            ("bao", Name::Bao),
            ("./bao2 x", Name::Own),
            ("vault/cofferdam", Name::Own),
        ] {
            assert_eq!(Name::of(&words(line)), name, "{line}");
        }
    }

    #[test]
    fn the_engine_that_docker_was_told_of_is_ours_too() {
        let host = ("DOCKER_HOST", OsString::from("unix:///x.sock"));
        let config = ("DOCKER_CONFIG", OsString::from("cfg"));
        assert_eq!(
            call("docker-cofferdam --config cfg -H unix:///x.sock -l debug cofferdam report leaks"),
            Call::Again(words("cofferdam report leaks"), vec![config, host.clone()])
        );
        assert_eq!(
            call("docker-cofferdam --host=unix:///x.sock --tlsverify cofferdam ps"),
            Call::Again(words("cofferdam ps"), vec![host])
        );
    }

    #[test]
    fn who_we_are_is_json_as_docker_reads_it() {
        assert_eq!(
            call("docker-cofferdam docker-cli-plugin-metadata"),
            Call::Metadata
        );
        let metadata: serde_json::Value = serde_json::from_str(&metadata()).unwrap();
        assert_eq!(metadata["SchemaVersion"], "0.1.0");
        assert_eq!(metadata["Vendor"], "cofferdam");
    }
}
