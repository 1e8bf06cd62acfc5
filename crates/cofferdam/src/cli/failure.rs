//! A refusal as people read it: what happened, then the exact next command.

use super::Exit;
use super::names::Name;
use super::terminal::{self, clean};
use cofferdam_api::{Error, Refusal, Rehearsal};
use std::process::ExitCode;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    details: Vec<String>,
    hint: Option<String>,
    exit: Exit,
    quiet: bool,
    rehearsal: Option<Box<Rehearsal>>,
}

impl Failure {
    fn new(what: impl Into<String>, exit: Exit) -> Self {
        Self {
            what: what.into(),
            details: Vec::new(),
            hint: None,
            exit,
            quiet: false,
            rehearsal: None,
        }
    }

    /// The arguments are wrong.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(what, Exit::Local)
    }

    /// Something on this side is wrong: a file, a terminal, a missing program.
    pub(crate) fn local(what: impl Into<String>) -> Self {
        Self::new(what, Exit::Local)
    }

    /// The server refused, or its answer is not what it should be.
    pub(crate) fn server(what: impl Into<String>) -> Self {
        Self::new(what, Exit::Server)
    }

    /// Nothing is wrong and nothing more is to be done: the reader of our output went away.
    pub(crate) fn finished() -> Self {
        Self {
            quiet: true,
            ..Self::new("", Exit::Success)
        }
    }

    /// The request that was not sent, where that is all that happened.
    pub(crate) fn rehearsed(mut self) -> Result<Rehearsal, Self> {
        match self.rehearsal.take() {
            Some(rehearsal) => Ok(*rehearsal),
            None => Err(self),
        }
    }

    /// What happened, in words.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Adds the next command to type.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a line below the first: one more sentence of the server, one more place.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// Sets another exit code.
    #[must_use]
    pub(crate) const fn with_exit(mut self, exit: Exit) -> Self {
        // A reader that went away is no error, whoever asks.
        if !self.quiet {
            self.exit = exit;
        }
        self
    }

    /// What happened, in one line, for those who read it elsewhere than on stderr.
    pub(crate) fn sentence(&self) -> String {
        clean(&self.what).replace('\n', " ")
    }

    /// All of it on one line, for those who read no terminal.
    pub(crate) fn words(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("next: {hint}"));
        let lines = std::iter::once(&self.what)
            .chain(&self.details)
            .chain(&hint);
        let lines: Vec<_> = lines.map(|line| clean(line)).collect();
        lines.join("; ")
    }

    /// Prints it and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if !self.quiet {
            let name = Name::called();
            terminal::say(&self.what);
            for detail in &self.details {
                terminal::say(&format!("  {detail}"));
            }
            if let Some(hint) = &self.hint {
                terminal::say(&format!("hint: {}", name.spoken(hint)));
            }
        }
        self.exit.into()
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::local(format!("{error:#}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Endpoint(inner) => {
                Self::usage(inner.to_string()).hint("an address looks like https://127.0.0.1:8200 or unix:///run/cofferdam/cofferdam.sock")
            }
            Error::Reference(inner) => Self::usage(inner.to_string()),
            Error::Rehearsed(rehearsal) => Self {
                rehearsal: Some(rehearsal),
                ..Self::finished()
            },
            Error::Request(_) | Error::Trust { .. } => Self::local(error.to_string()),
            Error::Unreachable { address, reason } => unreachable_server(&address, &reason),
            Error::UntrustedSocket { .. } => Self::server(error.to_string())
                .hint("name a server with -address, or remove the socket if it is not yours"),
            Error::Tls { .. } => Self::server(error.to_string())
                .hint("name the CA with -ca-cert=FILE (VAULT_CACERT)"),
            Error::Timeout { .. } => Self::server(error.to_string()).hint("cofferdam status"),
            Error::Protocol { ref reason, .. } => {
                let https = reason.contains("https://");
                let failure = Self::server(error.to_string());
                failure.hint(if https {
                    "use an https:// address"
                } else {
                    "check -address, COFFERDAM_ADDR and VAULT_ADDR"
                })
            }
            Error::Sealed(_) => {
                Self::server(error.to_string()).hint("cofferdam operator unseal")
            }
            Error::Uninitialized(_) => {
                Self::server(error.to_string()).hint("cofferdam operator init")
            }
            Error::Denied(refusal) => denied(&refusal),
            Error::NotFound(refusal) if refusal.errors.is_empty() => not_found(&refusal),
            Error::NotFound(refusal) | Error::Api(refusal) => refused(
                format!("the server refused to {} {} ({})", refusal.method, refusal.path, refusal.status),
                &refusal,
            ),
        }
    }
}

/// A denial that says why, as the socket that knows its containers gives it: with a hint of its own,
/// where there is one.
pub(super) fn explained(what: &str, refusal: &Refusal) -> Option<Failure> {
    let plain = [
        "permission denied",
        "missing client token",
        // A question of ours, which nobody asked for.
        "preflight capability check",
    ];
    let mut said = Vec::new();
    let mut hint = None;
    for line in refusal.errors.iter().map(|error| clean(error)) {
        match line.strip_prefix("hint: ") {
            Some(own) => hint = Some(own.to_owned()),
            None if plain.iter().any(|word| line.contains(word)) => {}
            None => said.push(line),
        }
    }
    if said.is_empty() {
        return None;
    }
    let failure = Failure::server(format!("permission denied: {what}"));
    let failure = said.into_iter().fold(failure, Failure::detail);
    Some(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

fn unreachable_server(address: &str, reason: &str) -> Failure {
    let failure = Failure::server(format!("no server at {address} ({reason})"));
    if reason.contains("permission denied") {
        return failure.hint("this socket belongs to another user: run as its owner or as root");
    }
    failure.hint("start one with: cofferdam up")
}

/// The server denies to tell mounts from nothing to those who may use neither.
pub(super) fn nowhere(path: &str) -> Failure {
    Failure::server(format!("permission denied, or nothing mounted: {path}")).hint(
        "see the mounts with: cofferdam secrets list; see your token with: cofferdam token lookup",
    )
}

fn denied(refusal: &Refusal) -> Failure {
    if let Some(path) = refusal.path.strip_prefix("sys/internal/ui/mounts/") {
        return explained(path, refusal).unwrap_or_else(|| nowhere(path));
    }
    let what = format!("{} {}", refusal.method, refusal.path);
    let plain = || Failure::server(format!("permission denied: {what}"));
    let mut failure = explained(&what, refusal).unwrap_or_else(plain);
    if failure.hint.is_some() {
        return failure;
    }
    if refusal
        .errors
        .iter()
        .any(|error| error.contains("missing client token"))
    {
        failure = failure.hint("log in with: cofferdam login");
    } else {
        failure = failure.hint(format!(
            "see what you may do with: cofferdam token capabilities {}",
            refusal.path
        ));
    }
    failure
}

fn not_found(refusal: &Refusal) -> Failure {
    let path = refusal.path.trim_end_matches('/');
    let failure = refused(format!("nothing at {path}"), refusal);
    // A name in a KV mount: what the caller may list is where a typing error shows.
    match path.split_once("/data/") {
        Some((mount, name)) => {
            let above = name.rsplit_once('/').map_or("", |(above, _)| above);
            let above = format!("{mount}/{above}");
            failure.hint(format!(
                "see the names with: cofferdam kv list {}",
                above.trim_end_matches('/')
            ))
        }
        None => failure,
    }
}

/// Sentences that servers say, with what to do about them.
const KNOWN: [(&str, &str); 7] = [
    (
        "already initialized",
        "see its state with: cofferdam status",
    ),
    (
        "wrapping token is not valid",
        "a wrapping token opens once and ends soon: ask for a new one",
    ),
    (
        "path is already in use",
        "see the mounts with: cofferdam secrets list, cofferdam auth list",
    ),
    (
        "plugin not found",
        "there is no engine or method of this type",
    ),
    (
        "hex or base64",
        "give one of the shares that operator init printed",
    ),
    (
        "no handler for route",
        "see the mounts with: cofferdam secrets list",
    ),
    (
        "failed to parse policy",
        "a rule looks like: path \"secret/data/app/*\" { capabilities = [\"read\"] }",
    ),
];

/// Where the version stands that a writer has to name: of a secret, or of what has versions elsewhere.
fn current_version(path: &str) -> String {
    match path
        .split_once("/data/")
        .or_else(|| path.split_once("/metadata/"))
    {
        Some((mount, name)) => format!(
            "read the current version with: cofferdam kv metadata get {mount}/{name}, and pass it as -cas"
        ),
        None => format!(
            "read the current version with: cofferdam read -field=version {path}, and pass it as cas=VERSION"
        ),
    }
}

fn refused(what: String, refusal: &Refusal) -> Failure {
    let sentences = refusal
        .errors
        .iter()
        .chain(&refusal.warnings)
        .map(|error| clean(error));
    let failure = sentences.fold(Failure::server(what), Failure::detail);
    let says = |part: &str| refusal.errors.iter().any(|error| error.contains(part));
    if says("check-and-set") {
        return failure.hint(current_version(refusal.path.trim_end_matches('/')));
    }
    match KNOWN.iter().find(|(part, _)| says(part)) {
        Some((_, hint)) => failure.hint(*hint),
        None => failure,
    }
}
