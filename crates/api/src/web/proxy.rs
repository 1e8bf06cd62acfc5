//! The proxy of the environment: `https_proxy`, `all_proxy` and `no_proxy`, in either case, as curl reads
//! them (curl.se/docs/manpage.html, "Environment").

use super::WebError;
use crate::places::Environment;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_secret::Secret;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest answer of a proxy to `CONNECT`.
const MAX_HEAD: usize = 16 << 10;

/// Where connections begin.
pub(super) struct Proxy {
    server: Option<Server>,
    none: Vec<String>,
}

enum Server {
    Http {
        host: String,
        port: u16,
        credentials: Option<Secret<String>>,
    },
    /// Of a kind that is not spoken here.
    Other,
}

impl Proxy {
    /// As the environment says.
    pub(super) fn from_environment(environment: Environment<'_>) -> Self {
        let any = |names: &[&str]| {
            let mut found = names.iter().filter_map(|name| environment(name));
            found.find(|text| !text.trim().is_empty())
        };
        let server = any(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        let none = any(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        Self {
            server: server.map(|address| Server::parse(address.trim())),
            none: none
                .split([',', ' '])
                .map(|name| name.trim().trim_start_matches('.').to_ascii_lowercase())
                .filter(|name| !name.is_empty())
                .collect(),
        }
    }

    /// The proxy for a host, without its credentials.
    pub(super) fn shown(&self, host: &str) -> Option<String> {
        match self.of(host)? {
            Server::Http { host, port, .. } => Some(format!("{host}:{port}")),
            Server::Other => Some("of the environment".to_owned()),
        }
    }

    fn of(&self, host: &str) -> Option<&Server> {
        let host = host.to_ascii_lowercase();
        let excepted = self.none.iter().any(|name| {
            name == "*"
                || host == *name
                || host
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.ends_with('.'))
        });
        self.server.as_ref().filter(|_| !excepted)
    }

    /// A connection to port 443 of a host: what passes through it is TLS with that host.
    pub(super) async fn connect(&self, host: &str) -> Result<TcpStream, WebError> {
        let Some(server) = self.of(host) else {
            let stream = TcpStream::connect((host, 443)).await;
            return stream.map_err(|_| WebError::Unreachable);
        };
        let Server::Http {
            host: proxy,
            port,
            credentials,
        } = server
        else {
            return Err(WebError::Proxy);
        };
        let stream = TcpStream::connect((proxy.as_str(), *port)).await;
        let mut stream = stream.map_err(|_| WebError::Unreachable)?;
        let mut head = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n");
        if let Some(credentials) = credentials {
            head.push_str("Proxy-Authorization: Basic ");
            head.push_str(&STANDARD.encode(credentials.expose()));
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let head = Secret::new(head);
        let sent = stream.write_all(head.expose().as_bytes()).await;
        sent.map_err(|_| WebError::Unreachable)?;
        match answered(&mut stream).await? {
            200..=299 => Ok(stream),
            status => Err(WebError::Refused(status)),
        }
    }
}

impl Server {
    fn parse(address: &str) -> Self {
        // curl takes an address without a scheme as one with http://.
        let rest = match address.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Self::Other,
            None => address,
        };
        let rest = rest.split('/').next().unwrap_or_default();
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        let endpoint = crate::Endpoint::parse(&format!("http://{authority}"));
        let Ok(crate::Endpoint::Http { host, port, .. }) = endpoint else {
            return Self::Other;
        };
        let credentials = user.map(|user| {
            let text = percent_decode_str(user).decode_utf8_lossy().into_owned();
            Secret::new(if text.contains(':') { text } else { text + ":" })
        });
        // curl's default for proxies.
        let named = authority.rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let port = if named { port } else { 1080 };
        Self::Http {
            host,
            port,
            credentials,
        }
    }
}

/// The status of an answer to `CONNECT`; not a byte behind its head is taken.
async fn answered(stream: &mut TcpStream) -> Result<u16, WebError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(WebError::Answer);
        }
        let byte = stream.read_u8().await;
        head.push(byte.map_err(|_| WebError::Answer)?);
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| WebError::Answer)?;
    let mut words = line.split(' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse().ok());
    status
        .filter(|_| version.starts_with("HTTP/1."))
        .ok_or(WebError::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(pairs: &[(&str, &str)]) -> Proxy {
        Proxy::from_environment(&|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn proxies_are_those_of_the_environment() {
        let all = proxy(&[("HTTPS_PROXY", "http://user:p%40ss@proxy.example:3128/")]);
        assert_eq!(
            all.shown("api.github.com").as_deref(),
            Some("proxy.example:3128")
        );
        let Some(Server::Http { credentials, .. }) = all.of("x") else {
            panic!("no proxy");
        };
        assert_eq!(credentials.as_ref().unwrap().expose(), "user:p@ss");
        let plain = proxy(&[("all_proxy", "proxy.example")]);
        assert_eq!(plain.shown("x").as_deref(), Some("proxy.example:1080"));
        let lower = proxy(&[
            ("https_proxy", "a:1"),
            ("HTTPS_PROXY", "b:2"),
            ("https_proxy", ""),
        ]);
        assert_eq!(lower.shown("x").as_deref(), Some("a:1"));
        assert!(proxy(&[]).of("x").is_none());
        for other in ["socks5://p:1", "https://p:1", "http://"] {
            let proxy = proxy(&[("HTTPS_PROXY", other)]);
            assert!(matches!(proxy.of("x"), Some(Server::Other)), "{other}");
        }
    }

    #[test]
    fn exceptions_are_names_and_what_lies_below_them() {
        let proxy = proxy(&[
            ("https_proxy", "p:1"),
            ("no_proxy", "github.com, .slack.com"),
        ]);
        for (host, straight) in [
            ("api.github.com", true),
            ("GITHUB.COM", true),
            ("slack.com", true),
            ("notgithub.com", false),
            ("github.com.evil.example", false),
        ] {
            assert_eq!(proxy.of(host).is_none(), straight, "{host}");
        }
    }

    /// Nothing goes past a proxy that cannot be used.
    #[tokio::test]
    async fn a_proxy_that_is_not_spoken_stops_the_request() {
        let proxy = proxy(&[("https_proxy", "socks5://127.0.0.1:1")]);
        let connected = proxy.connect("api.github.com").await;
        assert_eq!(connected.err(), Some(WebError::Proxy));
    }
}
