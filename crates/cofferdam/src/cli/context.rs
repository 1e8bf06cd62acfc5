//! What every verb may use: the connection, the output format, the environment.

use super::output::Format;
use super::terminal::{self, say};
use super::{Failure, agent_marker, variables};
use clap::{ArgMatches, Args, FromArgMatches as _};
use cofferdam_api::{Client, Endpoint, HeaderError, Manner, Trust, places};
use cofferdam_secret::Secret;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Flags that every verb has.
#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Global {
    /// Server: https://host:port, http://host:port or unix:///socket
    #[arg(long, global = true, value_name = "ADDRESS")]
    address: Option<String>,
    /// Address of an agent: wins over -address
    #[arg(long, global = true, value_name = "ADDRESS")]
    agent_address: Option<String>,
    /// File with the only CA to trust
    #[arg(long, global = true, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Directory of files with the only CAs to trust
    #[arg(long, global = true, value_name = "DIRECTORY")]
    ca_path: Option<PathBuf>,
    /// File with our own certificate
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// File with the key of our own certificate
    #[arg(long, global = true, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Name to expect in the server's certificate
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Accept any certificate; whoever sits in between reads everything
    #[arg(long, global = true)]
    tls_skip_verify: bool,
    /// Ask for a wrapping token of this lifetime instead of the answer
    #[arg(long, global = true, value_name = "TTL")]
    wrap_ttl: Option<String>,
    /// Header for every request; may be given more than once
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// Answer for multi-factor authentication, for servers that ask for one (VAULT_MFA)
    #[arg(long, global = true, value_name = "ANSWER")]
    mfa: Vec<String>,
    /// Ask nothing, and read nothing from stdin
    #[arg(long, global = true)]
    non_interactive: bool,
    /// Accepted for scripts: redirects are never followed
    #[arg(long, global = true, hide = true)]
    disable_redirects: bool,
    /// Accepted for scripts: no server here has policies that could be overridden
    #[arg(long, global = true, hide = true)]
    policy_override: bool,
    /// Not supported: it unlocks a namespace
    #[arg(long, global = true, value_name = "KEY", hide = true)]
    unlock_key: Option<String>,
    /// Not supported: this server has no namespaces
    #[arg(long, global = true, value_name = "NAME", alias = "ns", hide = true)]
    namespace: Option<String>,
    /// Print the request as a curl command instead of sending it
    #[arg(long, global = true, help_heading = "Output")]
    output_curl_string: bool,
    /// Print the policy that the request needs instead of sending it
    #[arg(long, global = true, help_heading = "Output")]
    output_policy: bool,
    /// table, json or yaml (VAULT_FORMAT)
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Output")]
    format: Option<String>,
    /// Print values although an AI agent runs this command
    #[arg(long, global = true, help_heading = "Output")]
    allow_agent: bool,
}

/// The resolved form of [`Global`] and of the environment.
pub(crate) struct Context {
    global: Global,
    format: Format,
    format_name: Option<String>,
}

impl Context {
    /// `formats` are the names of formats that the verb has of its own.
    pub(crate) fn from_matches(matches: &ArgMatches, formats: &[&str]) -> Result<Self, Failure> {
        let global = Global::from_arg_matches(matches)
            .map_err(|error| Failure::usage(error.kind().to_string()))?;
        if global.non_interactive {
            terminal::ask_nothing();
        }
        let named = global.format.clone().or_else(|| {
            let set = places::setting(&places::environment, "FORMAT");
            set.map(|(_, format)| format)
        });
        let format = match named.as_deref() {
            None => Format::Table,
            Some(name) if formats.contains(&name) => Format::Table,
            Some(name) => Format::parse(name, formats)?,
        };
        let namespace = global.namespace.as_deref();
        if namespace.is_some_and(|name| !variables::is_root(name)) {
            return Err(Failure::usage("namespaces are not supported").hint("leave out -namespace"));
        }
        if global.unlock_key.is_some() {
            return Err(Failure::usage(
                "not supported: -unlock-key: it unlocks a namespace, and there are none",
            )
            .hint("leave out -unlock-key"));
        }
        Ok(Self {
            global,
            format,
            format_name: named,
        })
    }

    /// A variable of the environment; empty counts as absent.
    #[expect(
        clippy::unused_self,
        reason = "verbs take the environment from here, so that there is one door"
    )]
    pub(crate) fn environment(&self, name: &str) -> Option<String> {
        places::environment(name)
    }

    /// How data is printed.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// The name of the format that was asked for, for verbs that have formats of their own.
    pub(crate) fn format_name(&self) -> Option<&str> {
        self.format_name.as_deref()
    }

    /// The flags that say which server it is, as they were given: for the next command to type.
    pub(crate) fn flags_of_server(&self) -> String {
        let shown = |path: &PathBuf| path.display().to_string();
        let given = [
            ("agent-address", self.global.agent_address.clone()),
            ("address", self.global.address.clone()),
            ("ca-cert", self.global.ca_cert.as_ref().map(shown)),
            ("ca-path", self.global.ca_path.as_ref().map(shown)),
        ];
        let flags = given.into_iter();
        flags
            .filter_map(|(name, value)| Some(format!(" -{name}={}", value?)))
            .collect()
    }

    /// The server's address.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        let agent = self.global.agent_address.clone();
        let agent = agent.or_else(|| variables::agent_address(&places::environment));
        let named = agent.as_ref().or(self.global.address.as_ref());
        Endpoint::resolve(named.map(String::as_str), &places::environment)
            .map_err(|error| Failure::from(cofferdam_api::Error::from(error)))
    }

    /// A client with the caller's token, if there is one.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let environment = &places::environment;
        variables::judge(environment)?;
        let endpoint = self.endpoint()?;
        let token = self.token(&endpoint)?;
        let timeout = variables::timeout(environment)?;
        let client = Client::with_timeout(endpoint, self.trust(), token, timeout)?;
        let client = client.with_manner(self.manner(environment)?);
        let set = || places::setting(environment, "WRAP_TTL").map(|(_, ttl)| ttl);
        Ok(match self.global.wrap_ttl.clone().or_else(set) {
            Some(ttl) => client.with_wrap_ttl(go_duration(&ttl)),
            None => client,
        })
    }

    /// How the requests of this command go out.
    fn manner(&self, environment: places::Environment<'_>) -> Result<Manner, Failure> {
        let Global { header, mfa, .. } = &self.global;
        if !(header.is_empty() && mfa.is_empty()) && terminal::stderr_is_terminal() {
            say("note: a value on the command line stays in the shell's history");
        }
        let mut manner = Manner::default().retrying(variables::retries(environment)?);
        for pair in header {
            // The pair itself may be a secret: it is not repeated.
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                Failure::usage("a header is not of the form NAME=VALUE").hint("-header=NAME=VALUE")
            })?;
            manner = manner.header(name, value).map_err(|error| match error {
                HeaderError::Own => {
                    let name = name.trim();
                    Failure::usage(format!("not a header for -header: {name}"))
                        .hint("what Vault names X-Vault-… has a flag or variable of its own; the others frame the message")
                }
                HeaderError::NotHttp => Failure::usage("-header: no name or value of HTTP"),
            })?;
        }
        let set = || places::setting(environment, "MFA").map(|(_, answers)| answers);
        let answers = match mfa.is_empty() {
            true => set().into_iter().collect(),
            false => mfa.clone(),
        };
        for answer in answers.iter().flat_map(|answers| answers.split(',')) {
            let sent = manner.mfa(answer.trim());
            manner = sent.map_err(|_| Failure::usage("-mfa: no value of HTTP"))?;
        }
        Ok(match self.rehearses() {
            true => manner.rehearsing(),
            false => manner,
        })
    }

    /// A client of our own server while another one is copied from: `VAULT_…` and `BAO_…` of the
    /// environment are about that one, so neither its address nor its token are taken for ours.
    pub(crate) fn client_of_ours(&self) -> Result<Client, Failure> {
        let ours = |name: &str| {
            let theirs = name.starts_with("VAULT_") || name.starts_with("BAO_");
            (!theirs).then(|| places::environment(name))?
        };
        let endpoint = Endpoint::resolve(self.global.address.as_deref(), &ours)
            .map_err(|error| Failure::from(cofferdam_api::Error::from(error)))?;
        let token = ours("COFFERDAM_TOKEN").map(|token| Secret::new(token.trim().to_owned()));
        if token.is_none() && !matches!(endpoint, Endpoint::Socket(_)) {
            return Err(
                Failure::local(format!("no token for the server to copy to: {endpoint}"))
                    .hint("COFFERDAM_TOKEN=$(cofferdam print token) cofferdam import …"),
            );
        }
        let trust = self.trusting(&ours);
        let timeout = variables::timeout(&ours)?;
        let client = Client::with_timeout(endpoint, trust, token, timeout)?;
        Ok(client.with_manner(self.manner(&ours)?))
    }

    /// Whether the request is to be printed instead of sent, and as what.
    pub(crate) const fn rehearses(&self) -> bool {
        self.global.output_curl_string || self.global.output_policy
    }

    /// Whether it is the request itself that is wanted. It wins over its policy.
    pub(crate) const fn wants_curl(&self) -> bool {
        self.global.output_curl_string
    }

    /// Whom to believe: what flags name, else the environment.
    pub(crate) fn trust(&self) -> Trust {
        self.trusting(&places::environment)
    }

    fn trusting(&self, environment: places::Environment<'_>) -> Trust {
        let global = &self.global;
        let resolved = Trust::resolve(environment);
        Trust {
            ca_cert: global.ca_cert.clone().or(resolved.ca_cert),
            ca_path: global.ca_path.clone().or(resolved.ca_path),
            dangerous_skip_verify: global.tls_skip_verify || resolved.dangerous_skip_verify,
            server_name: global.tls_server_name.clone().or(resolved.server_name),
            identity: global
                .client_cert
                .clone()
                .zip(global.client_key.clone())
                .or(resolved.identity),
            own_ca: resolved.own_ca,
        }
    }

    /// The token: environment, else `~/.vault-token`.
    ///
    /// On a socket where the kernel makes us the administrator the file stays unread: it mostly
    /// belongs to another server, and this one must not see it.
    fn token(&self, endpoint: &Endpoint) -> Result<Option<Secret<String>>, Failure> {
        if let Some((_, token)) = places::setting(&places::environment, "TOKEN") {
            return Ok(Some(Secret::new(token.trim().to_owned())));
        }
        if is_admin_by_socket(endpoint) {
            return Ok(None);
        }
        let Some(path) = token_file() else {
            return Ok(None);
        };
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let text =
            terminal::read_all(file, 64 * 1024).map_err(|error| unreadable(&path, &error))?;
        let text = text
            .into_text()
            .map(|text| Secret::new(text.expose().trim().to_owned()));
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Words for people, on stderr.
    #[expect(
        clippy::unused_self,
        reason = "verbs speak through the context, so that there is one door"
    )]
    pub(crate) fn say(&self, text: &str) {
        say(text);
    }

    /// Data, on stdout, as it is.
    #[expect(
        clippy::unused_self,
        reason = "verbs print through the context, so that there is one door"
    )]
    pub(crate) fn out(&self, data: &[u8]) -> Result<(), Failure> {
        terminal::write_out(data)
    }

    /// Refuses to go on where an AI agent would read the value that is about to be printed.
    pub(crate) fn may_print_values(&self) -> Result<(), Failure> {
        match agent_marker::found(&places::environment) {
            Some(marker) if !self.global.allow_agent => Err(Failure::local(format!(
                "refusing to print a secret to an AI agent ({marker} is set)"
            ))
            .hint("give the value to a program with: cofferdam run, or pass -allow-agent")),
            _ => Ok(()),
        }
    }
}

/// Where `login` keeps the token, as Vault does, or where the environment says.
pub(crate) fn token_file() -> Option<PathBuf> {
    if let Some((_, path)) = places::setting(&places::environment, "TOKEN_PATH") {
        return Some(PathBuf::from(path));
    }
    places::environment("HOME").map(|home| Path::new(&home).join(".vault-token"))
}

/// Whether the kernel's word about us is enough on this socket.
pub(crate) fn is_admin_by_socket(endpoint: &Endpoint) -> bool {
    let Endpoint::Socket(path) = endpoint else {
        return false;
    };
    let me = rustix::process::geteuid();
    me.is_root() || std::fs::metadata(path).is_ok_and(|found| found.uid() == me.as_raw())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(format!("cannot read {}: {error}", path.display()))
}

/// A bare number means seconds on Vault's command line.
pub(crate) fn go_duration(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{text}s")
    } else {
        text.to_owned()
    }
}
