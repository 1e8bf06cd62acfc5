//! Certificates of clients: not asked for, asked for, or demanded.
//!
//! Where they are asked for, a handshake proves that a client has the key of the certificate it shows,
//! and nothing else: whose it is, a login method judges. So whoever has none, or one of somebody else,
//! is served like anybody.

use super::{TlsError, files};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use std::path::PathBuf;
use std::sync::Arc;

/// What a listener wants of its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// A certificate, if they have one.
    #[default]
    Asked,
    /// Nothing.
    Unasked,
    /// A certificate of the CA in this file.
    Demanded(PathBuf),
}

/// Certificates that a client may show, and their bytes together: they are kept as long as its
/// connection, before anybody knows who it is.
const MOST_CERTIFICATES: usize = 8;
const MOST_BYTES: usize = 16 << 10;

impl Clients {
    /// The CA that a certificate is demanded of.
    #[must_use]
    pub fn authority(&self) -> Option<&std::path::Path> {
        match self {
            Self::Demanded(path) => Some(path),
            Self::Asked | Self::Unasked => None,
        }
    }

    /// What judges handshakes; `None`: clients are not asked.
    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let path = match self {
            Self::Unasked => return Ok(None),
            Self::Asked => return Ok(Some(Arc::new(OfKeys(provider)))),
            Self::Demanded(path) => path,
        };
        let refused = || TlsError::ClientAuthority(path.clone());
        let mut roots = RootCertStore::empty();
        for certificate in files::certificates(path)? {
            roots.add(certificate).map_err(|_| refused())?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Some(verifier.map_err(|_| refused())?))
    }
}

/// Takes any certificate whose key the client has, and clients without one.
#[derive(Debug)]
struct OfKeys(Arc<CryptoProvider>);

impl ClientCertVerifier for OfKeys {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let bytes = intermediates.iter().map(|one| one.len()).sum::<usize>() + end_entity.len();
        match intermediates.len() < MOST_CERTIFICATES && bytes <= MOST_BYTES {
            true => Ok(ClientCertVerified::assertion()),
            false => Err(rustls::Error::General(
                "a client shows more certificates than anybody has".to_owned(),
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
