//! Certificates of our own CA for the listeners that have no files: made at start, renewed daily.

use crate::cli::Failure;
use crate::config::Resolved;
use cofferdam_core::clock::{Clock, WallClock};
use cofferdam_server::tls::{Authority, Clients, Context, Oldest};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Our own CA, opened when the first listener needs it, and what it certified.
pub(super) struct Certificates {
    directory: PathBuf,
    api_host: Option<String>,
    authority: Option<Authority>,
    issued: Vec<(Arc<Context>, Vec<String>)>,
    /// Of listeners with files.
    files: Vec<Filed>,
}

/// A listener's certificate and key in files.
#[derive(Clone)]
pub(super) struct Filed {
    pub(super) context: Arc<Context>,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Certificates {
    pub(super) fn new(directory: &Path, resolved: &Resolved) -> Self {
        let api_host = resolved
            .api_addr
            .as_deref()
            .and_then(host)
            .map(str::to_owned);
        Self {
            directory: directory.to_owned(),
            api_host,
            authority: None,
            issued: Vec::new(),
            files: Vec::new(),
        }
    }

    /// A certificate from files, to be read again when the server is told to.
    pub(super) fn filed(
        &mut self,
        certificate: &Path,
        key: &Path,
        oldest: Oldest,
        clients: &Clients,
    ) -> Result<Arc<Context>, Failure> {
        let context = Context::from_files(certificate, key, oldest, clients)
            .map_err(|error| Failure::local(error.to_string()))?;
        let context = Arc::new(context);
        self.files.push(Filed {
            context: Arc::clone(&context),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        });
        Ok(context)
    }

    /// Those from files.
    pub(super) fn files(&self) -> Vec<Filed> {
        self.files.clone()
    }

    /// A certificate for a listener at `address`.
    pub(super) fn own(
        &mut self,
        address: SocketAddr,
        more: &[String],
        oldest: Oldest,
        clients: &Clients,
    ) -> Result<Arc<Context>, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::local(error.to_string());
        if self.authority.is_none() {
            self.authority =
                Some(Authority::open(&self.directory, now()).map_err(|error| failed(&error))?);
        }
        let names = self.names(address, more);
        let Some(authority) = &self.authority else {
            return Err(failed(&"the CA is not open"));
        };
        let context = Context::from_authority(authority, &names, now(), oldest, clients)
            .map_err(|error| failed(&error))?;
        let context = Arc::new(context);
        self.issued.push((Arc::clone(&context), names));
        Ok(context)
    }

    fn names(&self, address: SocketAddr, more: &[String]) -> Vec<String> {
        let mut names = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        if !address.ip().is_unspecified() {
            names.push(address.ip().to_string());
        }
        names.extend(hostname());
        names.extend(self.api_host.clone());
        names.extend(more.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// Renews every day, for as long as the server runs.
    pub(super) async fn keep_fresh(self) {
        let Some(authority) = self.authority else {
            return;
        };
        loop {
            tokio::time::sleep(DAY).await;
            for (context, names) in &self.issued {
                if let Err(error) = context.renew(&authority, names, now()) {
                    tracing::error!("the TLS certificate was not renewed: {error}");
                }
            }
        }
    }
}

fn now() -> OffsetDateTime {
    let nanos = i128::from(WallClock.now().nanos());
    // Times since 1970 in 64 bits of nanoseconds always fit.
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The kernel's name of this host, if it can stand in a certificate.
fn hostname() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()?
        .trim()
        .to_owned();
    let legal = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    (legal && !name.is_empty() && name != "(none)").then_some(name)
}

/// The host of a URL.
fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn the_host_of_an_api_address_is_found() {
        for (url, expected) in [
            ("https://vault.example:8200", Some("vault.example")),
            ("https://[2001:db8::1]:8200/x", Some("2001:db8::1")),
            ("https://10.0.0.1", Some("10.0.0.1")),
            ("vault.example", None),
            ("https://", None),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
