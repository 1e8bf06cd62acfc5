//! Which server is copied from, who we are there, and who is who in the environment.
//!
//! While a server is copied from, `VAULT_…` and `BAO_…` describe that one and `COFFERDAM_…` and the
//! global flags ours, so that the token of the one never reaches the other.

use super::super::Import;
use crate::cli::terminal;
use crate::cli::{Context, Failure, input};
use cofferdam_api::{Client, Endpoint, Trust, places};
use cofferdam_secret::Secret;
use std::time::Duration;

/// Vault's port.
const PORT: u16 = 8200;
/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server to copy from.
#[derive(Debug)]
pub(in crate::cli::import) struct Address {
    pub(super) endpoint: Endpoint,
    /// Empty, or segments with a slash behind each.
    pub(super) namespace: String,
}

impl Address {
    /// Reads `vaults://HOST:PORT/NAMESPACE` and its like; `None` for the name of a file.
    pub(in crate::cli::import) fn of(text: &str, plain: bool) -> Result<Option<Self>, Failure> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(None);
        };
        let tls = match scheme {
            "vaults" | "https" => true,
            "vault" | "http" => false,
            _ => {
                return Err(
                    Failure::usage(format!("not a server to import from: {scheme}://")).hint(
                        "an address looks like vaults://HOST:PORT or vaults://HOST:PORT/NAMESPACE",
                    ),
                );
            }
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = with_port(authority);
        let scheme = if tls { "https" } else { "http" };
        let endpoint = Endpoint::parse(&format!("{scheme}://{authority}"))
            .map_err(|error| Failure::from(cofferdam_api::Error::from(error)))?;
        if !tls && !plain && !is_loopback(&endpoint) {
            return Err(Failure::usage(format!(
                "{endpoint} would carry the token and every value in the clear"
            ))
            .hint(format!(
                "import vaults://{authority}, or pass -source-plain-http if nobody else is on that network"
            )));
        }
        let mut namespace = String::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let segment = super::names::checked(segment)
                .map_err(|why| Failure::usage(format!("not a namespace in the address: {why}")))?;
            namespace.push_str(segment);
            namespace.push('/');
        }
        Ok(Some(Self {
            endpoint,
            namespace,
        }))
    }

    /// A client of that server.
    pub(super) fn client(&self, import: &Import) -> Result<Client, Failure> {
        let flags = &import.server;
        let environment =
            |name: &str| (!name.starts_with("COFFERDAM_")).then(|| places::environment(name))?;
        let resolved = Trust::resolve(&environment);
        let trust = Trust {
            ca_cert: flags.source_ca_cert.clone().or(resolved.ca_cert.clone()),
            dangerous_skip_verify: flags.source_tls_skip_verify || resolved.dangerous_skip_verify,
            ..resolved
        };
        let token = token(flags.source_token_file.as_deref())?;
        Client::with_timeout(self.endpoint.clone(), trust, Some(token), PATIENCE).map_err(|error| {
            let broken = matches!(error, cofferdam_api::Error::Trust { .. });
            let failure = Failure::from(error);
            match broken {
                true => {
                    failure.hint("name a file of certificates in PEM with -source-ca-cert=FILE")
                }
                false => failure,
            }
        })
    }

    /// The namespace of the flag or of the environment, where the address has none.
    pub(super) fn with_environment(
        mut self,
        context: &Context,
        import: &Import,
    ) -> Result<Self, Failure> {
        let flag = import.server.source_namespace.clone();
        let flag = flag.filter(|named| !matches!(named.trim_matches('/'), "" | "root"));
        if flag.is_some() && !self.namespace.is_empty() {
            return Err(
                Failure::usage("two namespaces of the other server are named")
                    .hint("name it in the address or with -source-namespace"),
            );
        }
        let named = ["VAULT_NAMESPACE", "BAO_NAMESPACE"];
        let named = named.iter().find_map(|name| context.environment(name));
        if let Some(named) = flag.or(named).filter(|_| self.namespace.is_empty()) {
            let whole = format!("vaults://x/{named}");
            self.namespace = Self::of(&whole, false)?
                .map(|at| at.namespace)
                .unwrap_or_default();
        }
        Ok(self)
    }
}

/// The authority with Vault's port where it names none.
fn with_port(authority: &str) -> String {
    let behind = authority.rsplit(']').next().unwrap_or(authority);
    if behind.contains(':') || authority.is_empty() {
        authority.to_owned()
    } else {
        format!("{authority}:{PORT}")
    }
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Socket(_) => true,
        Endpoint::Http { host, .. } | Endpoint::Https { host, .. } => {
            let address = host.parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    }
}

/// The token for the other server.
fn token(file: Option<&str>) -> Result<Secret<String>, Failure> {
    let token = if let Some(file) = file {
        let text = input::read_file_or_stdin(file)?.into_text();
        text.ok_or_else(|| Failure::local(format!("not UTF-8: {file}")))?
    } else {
        let names = ["COFFERDAM_SOURCE_TOKEN", "VAULT_TOKEN", "BAO_TOKEN"];
        match names.iter().find_map(|name| places::environment(name)) {
            Some(token) => Secret::new(token),
            None if terminal::stdin_is_terminal() => {
                terminal::prompt_secret("Token of the server to copy from")?
            }
            None => Secret::new(String::new()),
        }
    };
    let token = Secret::new(token.expose().trim().to_owned());
    if token.is_empty() {
        return Err(Failure::local("no token for the server to copy from").hint(
            "put it into COFFERDAM_SOURCE_TOKEN, or into a file for -source-token-file=FILE",
        ));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match Address::of(text, false) {
            Ok(Some(at)) => format!("{} {}", at.endpoint, at.namespace),
            Ok(None) => "file".to_owned(),
            Err(failure) => format!("refused: {}", failure.what()),
        }
    }

    #[test]
    fn an_address_says_how_it_is_spoken_to() {
        for (text, meant) in [
            (".env", "file"),
            ("-", "file"),
            ("shop/vault:", "file"),
            ("vaults://v.example:8201", "https://v.example:8201 "),
            ("vaults://v.example/a/b/", "https://v.example:8200 a/b/"),
            ("https://[::1]", "https://[::1]:8200 "),
            ("https://[::1]:1/x", "https://[::1]:1 x/"),
            ("vault://127.0.0.1:8200", "http://127.0.0.1:8200 "),
            ("http://localhost", "http://localhost:8200 "),
        ] {
            assert_eq!(read(text), meant, "{text}");
        }
    }

    #[test]
    fn a_token_goes_in_the_clear_to_this_machine_alone() {
        for text in [
            "vault://v.example:8200",
            "http://10.0.0.1",
            "vault://127.0.0.1.evil:1",
        ] {
            assert!(read(text).contains("in the clear"), "{text}");
        }
        assert!(
            Address::of("vault://v.example:8200", true)
                .unwrap()
                .is_some()
        );
        for text in [
            "ftp://x",
            "vaults://",
            "vaults://user:pass@h",
            "vaults://h/../sys",
            "vaults://h:99999",
        ] {
            assert!(read(text).starts_with("refused"), "{text}");
        }
    }
}
