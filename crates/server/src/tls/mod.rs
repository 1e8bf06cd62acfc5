//! TLS of the listeners: rustls with aws-lc-rs, TLS 1.2 at least, HTTP/2 and HTTP/1.1.
//!
//! Certificates come from files, or from a CA of our own ([`authority`]) whose certificate clients
//! pin. With our own CA the server's certificate never touches the disk: it is made at start, for
//! the names the listener has then, and again when it ages.

pub mod authority;
mod clients;
mod files;

pub use authority::{Authority, AuthorityError};
pub use clients::Clients;
pub use files::FileError;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Oldest protocol version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oldest {
    /// TLS 1.2, with forward secrecy and authenticated ciphers only.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// TLS that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Our own CA.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The certificate does not belong to the key, or is of a sort that cannot be used.
    #[error("the certificate and the key cannot be used together: {0}")]
    Unusable(rustls::Error),
    /// The CA file for client certificates.
    #[error("no usable CA certificate for clients in: {0}")]
    ClientAuthority(PathBuf),
}

/// What a listener needs to speak TLS. The certificate can be replaced while it is in use.
pub struct Context {
    config: Arc<rustls::ServerConfig>,
    current: Arc<Current>,
}

impl Context {
    /// With a certificate chain and a key from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn from_files(
        certificate: &Path,
        key: &Path,
        oldest: Oldest,
        clients: &Clients,
    ) -> Result<Self, TlsError> {
        Self::new(certified(certificate, key)?, oldest, clients)
    }

    /// With a certificate that `authority` makes now for `names`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn from_authority(
        authority: &Authority,
        names: &[String],
        now: time::OffsetDateTime,
        oldest: Oldest,
        clients: &Clients,
    ) -> Result<Self, TlsError> {
        Self::new(issue(authority, names, now)?, oldest, clients)
    }

    fn new(certified: CertifiedKey, oldest: Oldest, clients: &Clients) -> Result<Self, TlsError> {
        let current = Arc::new(Current(ArcSwap::from_pointee(certified)));
        let versions: &[_] = match oldest {
            Oldest::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            Oldest::Tls13 => &[&rustls::version::TLS13],
        };
        let provider = Arc::new(provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(TlsError::Unusable)?;
        let builder = match clients.verifier(provider)? {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut config =
            builder.with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            current,
        })
    }

    /// Replaces a certificate of our own CA by a fresh one; connections that are open keep theirs.
    ///
    /// # Errors
    /// When it cannot be made; the old one stays in use then.
    pub fn renew(
        &self,
        authority: &Authority,
        names: &[String],
        now: time::OffsetDateTime,
    ) -> Result<(), TlsError> {
        self.current
            .0
            .store(Arc::new(issue(authority, names, now)?));
        Ok(())
    }

    /// Replaces the certificate by what the files hold now; connections that are open keep theirs.
    ///
    /// # Errors
    /// When they do not hold what they should; the old one stays in use then.
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        self.current.0.store(Arc::new(certified(certificate, key)?));
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = files::certificates(certificate)?;
    let key = files::key(key)?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Unusable)
}

fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

fn issue(
    authority: &Authority,
    names: &[String],
    now: time::OffsetDateTime,
) -> Result<CertifiedKey, TlsError> {
    let (chain, key) = authority.issue(names, now)?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Unusable)
}

/// The certificate in use.
struct Current(ArcSwap<CertifiedKey>);

impl std::fmt::Debug for Current {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
