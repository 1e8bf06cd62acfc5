//! Which server to talk to.

use crate::places::{self, Environment};
use std::fmt;
use std::path::PathBuf;

/// Address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket; the kernel tells the server who we are.
    Socket(PathBuf),
    /// TLS.
    Https {
        /// Name or address, without brackets.
        host: String,
        /// TCP port.
        port: u16,
        /// Path before `/v1`, empty or beginning with a slash.
        base: String,
    },
    /// Plain TCP, for servers behind a proxy and for `bao server -dev`.
    Http {
        /// Name or address, without brackets.
        host: String,
        /// TCP port.
        port: u16,
        /// Path before `/v1`, empty or beginning with a slash.
        base: String,
    },
}

/// An address that cannot be used. The address itself is shown without user information.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither `http://`, `https://` nor `unix://`.
    #[error("not an address with http://, https:// or unix://: {0}")]
    Scheme(String),
    /// No host, or a port that is no port.
    #[error("no host or port to connect to in the address: {0}")]
    Authority(String),
    /// `https://user:password@host`.
    #[error("an address must not contain a user name or password")]
    UserInformation,
}

impl Endpoint {
    /// Parses `https://host:port`, `http://host:port` or `unix:///path`.
    ///
    /// # Errors
    /// [`EndpointError`] when it is none of these.
    pub fn parse(address: &str) -> Result<Self, EndpointError> {
        let address = address.trim();
        if let Some(path) = address.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(Self::Socket(PathBuf::from(path)))
            } else {
                Err(EndpointError::Authority(address.to_owned()))
            };
        }
        let (tls, rest) = if let Some(rest) = address.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = address.strip_prefix("http://") {
            (false, rest)
        } else if address.contains('@') {
            return Err(EndpointError::UserInformation);
        } else {
            return Err(EndpointError::Scheme(address.to_owned()));
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(EndpointError::UserInformation);
        }
        let (host, port) = split_authority(authority, tls)
            .ok_or_else(|| EndpointError::Authority(address.to_owned()))?;
        let path = path.trim_matches('/');
        let base = if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        };
        Ok(if tls {
            Self::Https { host, port, base }
        } else {
            Self::Http { host, port, base }
        })
    }

    /// The server to use: the flag, else `COFFERDAM_ADDR`, `VAULT_ADDR`, `BAO_ADDR`, else the
    /// local socket: this user's own, or the system's where only that one exists.
    ///
    /// # Errors
    /// [`EndpointError`] for an address that cannot be used, wherever it came from.
    pub fn resolve(
        flag: Option<&str>,
        environment: Environment<'_>,
    ) -> Result<Self, EndpointError> {
        let set = || places::setting(environment, "ADDR").map(|(_, address)| address);
        let named = flag.map(str::to_owned).or_else(set);
        named.map_or_else(
            || Ok(Self::Socket(local_socket(environment))),
            |address| Self::parse(&address),
        )
    }

    /// The text for the `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Socket(_) => "localhost".to_owned(),
            Self::Https { host, port, .. } | Self::Http { host, port, .. } => {
                bracketed(host, *port)
            }
        }
    }

    /// Path before `/v1`.
    pub(crate) fn base(&self) -> &str {
        match self {
            Self::Socket(_) => "",
            Self::Https { base, .. } | Self::Http { base, .. } => base,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(out, "unix://{}", path.display()),
            Self::Https { host, port, base } => {
                write!(out, "https://{}{base}", bracketed(host, *port))
            }
            Self::Http { host, port, base } => {
                write!(out, "http://{}{base}", bracketed(host, *port))
            }
        }
    }
}

fn local_socket(environment: Environment<'_>) -> PathBuf {
    let own = places::socket(environment);
    let system = PathBuf::from("/run/cofferdam/cofferdam.sock");
    if !own.exists() && system.exists() {
        system
    } else {
        own
    }
}

fn bracketed(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn split_authority(authority: &str, tls: bool) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        (
            host,
            after.strip_prefix(':').or(after.is_empty().then_some(""))?,
        )
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(legal) {
        return None;
    }
    // Vault's clients take an address as a URL, so a missing port is the scheme's and not 8200.
    let default = if tls { 443 } else { 80 };
    let port = if port.is_empty() {
        default
    } else {
        port.parse().ok()?
    };
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_a_round_trip() {
        for address in [
            "https://vault.example:8200",
            "http://127.0.0.1:8200",
            "https://[::1]:8200",
            "https://proxy.example:443/vault",
            "unix:///run/cofferdam/cofferdam.sock",
        ] {
            assert_eq!(Endpoint::parse(address).unwrap().to_string(), address);
        }
    }

    #[test]
    fn an_unusable_address_is_refused_without_its_password() {
        for address in [
            "vault:8200",
            "ftp://x",
            "https://",
            "http://a b",
            "unix://relative",
        ] {
            assert!(Endpoint::parse(address).is_err(), "{address}");
        }
        let error = Endpoint::parse("https://admin:hunter2@vault").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(
            !Endpoint::parse("ftp://admin:hunter2@vault")
                .unwrap_err()
                .to_string()
                .contains("hunter2")
        );
    }

    #[test]
    fn the_flag_wins_over_our_variable_and_ours_over_vaults() {
        let environment = |name: &str| match name {
            "VAULT_ADDR" => Some("http://vault:1".to_owned()),
            "COFFERDAM_ADDR" => Some("http://ours:1".to_owned()),
            _ => None,
        };
        let resolve = |flag| Endpoint::resolve(flag, &environment).unwrap().to_string();
        assert_eq!(resolve(Some("http://flag:1")), "http://flag:1");
        assert_eq!(resolve(None), "http://ours:1");
        let only_vault = |name: &str| environment(name).filter(|_| name == "VAULT_ADDR");
        assert_eq!(
            Endpoint::resolve(None, &only_vault).unwrap().to_string(),
            "http://vault:1"
        );
    }
}
