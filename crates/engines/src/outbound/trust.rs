//! Whose certificates count: of the CA that was given, else of the system's.

use super::Failed;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Where distributions keep the system's CAs as one file.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a server must show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust<'a> {
    /// PEM; empty: the system's CAs.
    pub(crate) authority: &'a str,
    /// Names, one of which the certificate must have; empty: the one of the URL.
    pub(crate) names: &'a [String],
}

impl Trust<'_> {
    /// Whether it can be used at all.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        self.config().map(drop)
    }

    pub(super) fn config(&self) -> Result<ClientConfig, Failed> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| Failed::Untrusted)?;
        let roots = self.roots()?;
        if self.names.is_empty() {
            return Ok(builder.with_root_certificates(roots).with_no_client_auth());
        }
        let names = self
            .names
            .iter()
            .map(|name| ServerName::try_from(name.clone()));
        let names = names.collect::<Result<_, _>>().map_err(|_| Failed::Name)?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = OneOf {
            names,
            inner: inner.map_err(|_| Failed::Authority)?,
        };
        Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }

    fn roots(&self) -> Result<RootCertStore, Failed> {
        let mut roots = RootCertStore::empty();
        if self.authority.is_empty() {
            let bundles = BUNDLES.iter().filter_map(|path| std::fs::read(path).ok());
            for bundle in bundles.take(1) {
                let found = CertificateDer::pem_slice_iter(&bundle).filter_map(Result::ok);
                roots.add_parsable_certificates(found);
            }
            return match roots.is_empty() {
                true => Err(Failed::NoRoots),
                false => Ok(roots),
            };
        }
        for certificate in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            let certificate = certificate.map_err(|_| Failed::Authority)?;
            roots.add(certificate).map_err(|_| Failed::Authority)?;
        }
        match roots.is_empty() {
            true => Err(Failed::Authority),
            false => Ok(roots),
        }
    }
}

/// Takes a certificate that is good for one of these names.
#[derive(Debug)]
struct OneOf {
    names: Vec<ServerName<'static>>,
    inner: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for OneOf {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut last = rustls::Error::General("no name to compare with".to_owned());
        for name in &self.names {
            match self
                .inner
                .verify_server_cert(end_entity, intermediates, name, ocsp, now)
            {
                Ok(verified) => return Ok(verified),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
