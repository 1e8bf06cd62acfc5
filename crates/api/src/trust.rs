//! Whom a TLS connection trusts.
//!
//! A CA that was named is the only one. Without one, a server on this machine must have a
//! certificate of the CA that it made for itself; any other server may also have one of the
//! system's CAs.

use crate::places::{self, Environment};
use crate::{Endpoint, Error};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where distributions keep the system's CAs as one file.
const SYSTEM_BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// How a TLS server proves itself, and how we do where it asks.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// PEM file with the only CAs to trust.
    pub ca_cert: Option<PathBuf>,
    /// Directory of such files.
    pub ca_path: Option<PathBuf>,
    /// Accept any certificate: whoever sits in between reads everything.
    pub dangerous_skip_verify: bool,
    /// Name to expect in the certificate instead of the address's host.
    pub server_name: Option<String>,
    /// PEM files of our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The CA of a local server.
    pub own_ca: Option<PathBuf>,
}

impl Trust {
    /// What the environment says: `VAULT_CACERT`, `VAULT_CAPATH`, `VAULT_SKIP_VERIFY`,
    /// `VAULT_TLS_SERVER_NAME`, `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY` or their `COFFERDAM_`
    /// and `BAO_` forms, and where a local server keeps its CA.
    #[must_use]
    pub fn resolve(environment: Environment<'_>) -> Self {
        let any = |name: &str| places::setting(environment, name).map(|(_, value)| value);
        let path = |name: &str| any(name).map(PathBuf::from);
        let own = places::ca_file(environment);
        Self {
            ca_cert: path("CACERT"),
            ca_path: path("CAPATH"),
            dangerous_skip_verify: places::is_on(environment, "SKIP_VERIFY"),
            server_name: any("TLS_SERVER_NAME"),
            identity: path("CLIENT_CERT").zip(path("CLIENT_KEY")),
            own_ca: Some(own),
        }
    }

    pub(crate) fn config(&self, endpoint: &Endpoint) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Trust {
                what: format!("no usable TLS version ({error})"),
                path: endpoint.to_string(),
            })?;
        let builder = if self.dangerous_skip_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            self.judged(builder, provider, endpoint)?
        };
        let Some((certificate, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(certificate)?;
        let key_der =
            PrivateKeyDer::from_pem_file(key).map_err(|_| broken("no private key in", key))?;
        builder
            .with_client_auth_cert(chain, key_der)
            .map_err(|_| broken("certificate and key do not belong together", key))
    }

    /// The judge of a server's certificate, whose roots are ours.
    fn judged(
        &self,
        builder: rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
        provider: Arc<CryptoProvider>,
        endpoint: &Endpoint,
    ) -> Result<rustls::ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
        // Read once: what is trusted is one state of the file.
        let named = self.ca_cert.as_deref().map(certificates).transpose()?;
        let roots = self.roots(endpoint, named.as_deref())?;
        let Some((file, named)) = self.ca_cert.as_deref().zip(named) else {
            return Ok(builder.with_root_certificates(roots));
        };
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let usual = usual.map_err(|_| broken("no usable certificate in", file))?;
        Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(OrNamed { usual, named })))
    }

    pub(crate) fn name(&self, host: &str) -> Result<ServerName<'static>, Error> {
        let name = self.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned())
            .map_err(|_| Error::Request("a server name that no certificate can have"))
    }

    /// `named`: what stands in `ca_cert`.
    fn roots(
        &self,
        endpoint: &Endpoint,
        named: Option<&[CertificateDer<'static>]>,
    ) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        if named.is_some() || self.ca_path.is_some() {
            roots.add_parsable_certificates(named.unwrap_or_default().iter().cloned());
            if let Some(directory) = &self.ca_path {
                add_directory(&mut roots, directory)?;
            }
            return Ok(roots);
        }
        let own = self.own_ca.as_deref().filter(|path| path.is_file());
        if let Some(own) = own {
            // Another user's unreadable CA is no error: the system's may do.
            if let Err(error) = add(&mut roots, own) {
                tracing::debug!(%error, "own CA not used");
            }
        }
        if roots.is_empty() || !is_loopback(endpoint) {
            let bundle = SYSTEM_BUNDLES
                .iter()
                .map(Path::new)
                .find(|path| path.is_file());
            if let Some(bundle) = bundle {
                add(&mut roots, bundle)?;
            }
        }
        Ok(roots)
    }
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Https { host, .. } | Endpoint::Http { host, .. } => {
            let address = host.parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        Endpoint::Socket(_) => true,
    }
}

fn broken(what: &str, path: &Path) -> Error {
    Error::Trust {
        what: what.to_owned(),
        path: path.display().to_string(),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |_| broken("cannot read certificates from", path);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect();
    let found = found.map_err(unreadable)?;
    if found.is_empty() {
        return Err(broken("no certificate in", path));
    }
    Ok(found)
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    roots.add_parsable_certificates(certificates(path)?);
    Ok(())
}

fn add_directory(roots: &mut RootCertStore, directory: &Path) -> Result<(), Error> {
    let entries =
        std::fs::read_dir(directory).map_err(|_| broken("cannot read directory", directory))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    // Of several that are broken the error names the first by name.
    paths.sort();
    for path in paths {
        if path
            .extension()
            .is_some_and(|end| end == "pem" || end == "crt")
        {
            add(roots, &path)?;
        }
    }
    Ok(())
}

/// The usual judgement; besides, a certificate that stands in the file itself is the server's, also
/// where it says of itself that it is an authority. People make such, signed by themselves, with one
/// command, and the usual judgement refuses an authority at a server's place. Go's programs take it.
#[derive(Debug)]
struct OrNamed {
    usual: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for OrNamed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged =
            self.usual
                .verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        match judged {
            // Its time is judged before what it says of itself, which has no name of its own here.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.named.iter().any(|named| named == end_entity) =>
            {
                let read = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&read, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Takes every certificate; signatures are still checked, so that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::sync::mpsc;
    use std::time::Duration;

    /// A CA that signs nothing.
    const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIBgDCCASWgAwIBAgIUczy1X+ZMiL3bx/HqWvtDwIExKKswCgYIKoZIzj0EAwIw\nFDESMBAGA1UEAwwJYSBjbHVzdGVyMCAXDTI2MTEyNjAyMTkxM1oYDzIxMjYxMTAy\nMDIxOTEzWjAUMRIwEAYDVQQDDAlhIGNsdXN0ZXIwWTATBgcqhkjOPQIBBggqhkjO\nPQMBBwNCAASj5o4+jUc4OAj9dyypWbTMKqtQZKHoWDj3rGcT/TeWSSTg65fxKEit\nwEWZyPH2TRFzDUJ0+pMj3I3I0B5zoIvHo1MwUTAdBgNVHQ4EFgQUNqsUD5LnGcPY\nPXGq4JhNQbTeHCEwHwYDVR0jBBgwFoAUNqsUD5LnGcPYPXGq4JhNQbTeHCEwDwYD\nVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAsh66LM5GUQ7yhoqEh2h3\noQ8pZaWxZWMaf2UVXuP/zvgCIQCRknU3adrX83Gx/aS7PcC0Rt/c6ZDcSMwENUbv\nLvJsDw==\n-----END CERTIFICATE-----";

    #[test]
    fn of_broken_files_in_a_directory_the_first_by_name_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..50 {
            let file = dir.path().join(format!("{number:02}.pem"));
            std::fs::write(file, if number < 10 { CA } else { "" }).unwrap();
        }
        let error = add_directory(&mut RootCertStore::empty(), dir.path()).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("/10.pem"), "{told}");
    }

    /// A pipe can be read once: what is judged by is what was checked.
    #[test]
    fn the_file_of_the_ca_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let to = path.clone();
        let writer = std::thread::spawn(move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(to).unwrap();
            pipe.write_all(CA.as_bytes()).unwrap();
        });
        let (told, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let trust = Trust {
                ca_cert: Some(path),
                ..Trust::default()
            };
            let endpoint = Endpoint::parse("https://vault.example:8200").unwrap();
            told.send(trust.config(&endpoint).is_ok()).unwrap();
        });
        let answer = heard.recv_timeout(Duration::from_secs(20));
        assert_eq!(answer, Ok(true), "the file was read twice");
        writer.join().unwrap();
    }
}
