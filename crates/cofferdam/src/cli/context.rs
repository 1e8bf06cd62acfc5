//! What every verb may use: the connection, the output format, the environment.

use super::output::Format;
use super::terminal::{self, say};
use super::{Failure, agent_marker};
use clap::{ArgMatches, Args, FromArgMatches as _};
use cofferdam_api::{Client, Endpoint, Trust, places};
use cofferdam_secret::Secret;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Flags that every verb has.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Server: https://host:port, http://host:port or unix:///socket
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        help_heading = "Connection"
    )]
    address: Option<String>,
    /// File with the only CA to trust
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    ca_cert: Option<PathBuf>,
    /// Directory of files with the only CAs to trust
    #[arg(
        long,
        global = true,
        value_name = "DIRECTORY",
        help_heading = "Connection"
    )]
    ca_path: Option<PathBuf>,
    /// File with our own certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Connection",
        requires = "client_key"
    )]
    client_cert: Option<PathBuf>,
    /// File with the key of our own certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Connection",
        requires = "client_cert"
    )]
    client_key: Option<PathBuf>,
    /// Name to expect in the server's certificate
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    tls_server_name: Option<String>,
    /// Accept any certificate; whoever sits in between reads everything
    #[arg(long, global = true, help_heading = "Connection")]
    tls_skip_verify: bool,
    /// Ask for a wrapping token of this lifetime instead of the answer
    #[arg(long, global = true, value_name = "TTL", help_heading = "Connection")]
    wrap_ttl: Option<String>,
    /// Not supported: this server has no namespaces
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        alias = "ns",
        help_heading = "Connection",
        hide = true
    )]
    namespace: Option<String>,
    /// Print the request as a curl command instead of sending it
    #[arg(long, global = true, help_heading = "Output")]
    output_curl_string: bool,
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
        let named = global.format.clone().or_else(|| {
            let names = ["COFFERDAM_FORMAT", "VAULT_FORMAT", "BAO_FORMAT"];
            names.iter().find_map(|name| places::environment(name))
        });
        let format = match named.as_deref() {
            None => Format::Table,
            Some(name) if formats.contains(&name) => Format::Table,
            Some(name) => Format::parse(name, formats)?,
        };
        if global
            .namespace
            .as_deref()
            .is_some_and(|name| !matches!(name, "" | "root" | "/" | "root/"))
        {
            return Err(Failure::usage("namespaces are not supported").hint("leave out -namespace"));
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

    /// The server's address.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        Endpoint::resolve(self.global.address.as_deref(), &places::environment)
            .map_err(|error| Failure::from(cofferdam_api::Error::from(error)))
    }

    /// A client with the caller's token, if there is one.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let endpoint = self.endpoint()?;
        let token = self.token(&endpoint)?;
        let client = Client::with_timeout(endpoint, self.trust(), token, timeout())?;
        Ok(match &self.global.wrap_ttl {
            Some(ttl) => client.with_wrap_ttl(go_duration(ttl)),
            None => client,
        })
    }

    /// A client of our own server while another one is copied from: `VAULT_…` and `BAO_…` of the
    /// environment are about that one, so neither its address nor its token are taken for ours.
    pub(crate) fn client_of_ours(&self) -> Result<Client, Failure> {
        if self.wants_curl() {
            return Err(Failure::usage("an import is more than one request")
                .hint("leave out -output-curl-string; -dry-run says what would be done"));
        }
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
        Client::with_timeout(endpoint, trust, token, timeout()).map_err(Failure::from)
    }

    /// Whether requests are to be printed instead of sent.
    pub(crate) const fn wants_curl(&self) -> bool {
        self.global.output_curl_string
    }

    /// The CA file that was named by flag, for `-output-curl-string`.
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
        let names = ["COFFERDAM_TOKEN", "VAULT_TOKEN", "BAO_TOKEN"];
        if let Some(token) = names.iter().find_map(|name| self.environment(name)) {
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

/// Where `login` keeps the token, as Vault does.
pub(crate) fn token_file() -> Option<PathBuf> {
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

fn timeout() -> Duration {
    let named = places::environment("VAULT_CLIENT_TIMEOUT");
    let seconds = named.and_then(|text| text.trim_end_matches('s').parse().ok());
    Duration::from_secs(seconds.filter(|seconds| *seconds > 0).unwrap_or(60))
}
