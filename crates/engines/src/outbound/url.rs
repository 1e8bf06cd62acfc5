//! Where a request goes, checked when it is configured and again when it is used.

use super::Failed;
use http::Uri;
use std::net::IpAddr;

/// An address that we would ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(super) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the header has it.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
}

/// A URL with the parameters of a provider; longer ones are nobody's.
const MOST: usize = 4 << 10;

impl Url {
    /// Reads one.
    ///
    /// # Errors
    /// [`Failed::Url`] for another scheme, for `http` to another machine, for a user or a fragment.
    pub(crate) fn parse(text: &str) -> Result<Self, Failed> {
        if text.len() > MOST || text.contains('#') {
            return Err(Failed::Url);
        }
        let uri: Uri = text.parse().map_err(|_| Failed::Url)?;
        let authority = uri.authority().ok_or(Failed::Url)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(Failed::Url);
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_here(host) => false,
            _ => return Err(Failed::Url),
        };
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if secure => 443,
            None => 80,
        };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            authority: authority.to_string(),
            target: uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
                .to_owned(),
        })
    }
}

impl Url {
    /// Host and port as the header `Host` has them.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The path, without a query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("/")
    }
}

/// Whether a host is this machine by its name alone: no resolver is asked.
fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether a server can be there. Private networks count: that is where providers live.
pub(super) fn is_reachable(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            !four.is_link_local()
                && !four.is_unspecified()
                && !four.is_multicast()
                && !four.is_broadcast()
        }
        // AWS has its metadata at one address of a unique local network.
        IpAddr::V6(six) => {
            !six.is_unicast_link_local()
                && !six.is_unspecified()
                && !six.is_multicast()
                && six.segments() != [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_to_a_server_is_a_url() {
        let url = Url::parse("https://login.example:8443/a/b?c=d").unwrap();
        assert_eq!(
            (url.secure, url.host.as_str(), url.port, url.target.as_str()),
            (true, "login.example", 8443, "/a/b?c=d")
        );
        for here in [
            "http://127.0.0.1:80/x",
            "http://localhost",
            "http://[::1]:81/",
        ] {
            assert!(Url::parse(here).is_ok(), "{here}");
        }
        let long = format!("https://a/{}", "x".repeat(5000));
        for bad in [
            "",
            "/x",
            "file:///etc/passwd",
            "ftp://a/b",
            "gopher://a",
            "http://login.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "https://user@login.example/",
            "https://user:word@login.example/",
            "https://login.example/#a",
            "https:///x",
            "https://a b/",
            "https://a/\r\nHost: b",
            &long,
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_clouds_answer_at_are_not_connected_to() {
        for no in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert!(!is_reachable(no.parse().unwrap()), "{no}");
        }
        for yes in [
            "127.0.0.1",
            "10.0.0.7",
            "192.0.2.1",
            "::1",
            "2001:db8::1",
            "fd00::1",
        ] {
            assert!(is_reachable(yes.parse().unwrap()), "{yes}");
        }
    }
}
