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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::ResolvesClientCert;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::sign::CertifiedKey;
    use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

    fn provider() -> Arc<CryptoProvider> {
        Arc::new(rustls::crypto::aws_lc_rs::default_provider())
    }

    struct Made {
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    }

    fn made(name: &str) -> Made {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        Made {
            certificate: params.self_signed(&key).unwrap().der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// Shows what it is told to, whoever's key it has.
    #[derive(Debug)]
    struct Shows(Option<Arc<CertifiedKey>>);

    impl ResolvesClientCert for Shows {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            self.0.clone()
        }

        fn has_certs(&self) -> bool {
            self.0.is_some()
        }
    }

    /// How many certificates the server got, or why there is no connection.
    fn handshake(
        clients: &Clients,
        shown: Option<(Vec<CertificateDer<'static>>, &PrivateKeyDer<'static>)>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> Result<usize, rustls::Error> {
        let own = made("server.example");
        let mut roots = RootCertStore::empty();
        roots.add(own.certificate.clone()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap();
        let builder = match clients.verifier(provider()).unwrap() {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let server = builder
            .with_single_cert(vec![own.certificate.clone()], own.key.clone_key())
            .unwrap();
        let shown = shown.map(|(chain, key)| {
            let key = provider().key_provider.load_private_key(key.clone_key());
            Arc::new(CertifiedKey::new(chain, key.unwrap()))
        });
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(Shows(shown)));
        let name = ServerName::try_from("server.example").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        for _ in 0..20 {
            if !client.is_handshaking() && !server.is_handshaking() {
                break;
            }
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest).unwrap();
                server.process_new_packets()?;
            }
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets()?;
            }
        }
        assert!(!server.is_handshaking(), "the handshake does not end");
        Ok(server.peer_certificates().unwrap_or_default().len())
    }

    #[test]
    fn a_certificate_counts_with_its_key_alone() {
        let (ada, eve) = (made("ada"), made("eve"));
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let shown = |chain: Vec<CertificateDer<'static>>, made: &Made| {
                handshake(&Clients::Asked, Some((chain, &made.key)), version)
            };
            let own = vec![ada.certificate.clone()];
            assert_eq!(shown(own.clone(), &ada), Ok(1));
            assert!(shown(own.clone(), &eve).is_err(), "the key of another");
            assert_eq!(handshake(&Clients::Asked, None, version), Ok(0));
            let unasked = handshake(&Clients::Unasked, Some((own.clone(), &ada.key)), version);
            assert_eq!(unasked, Ok(0));
            // More than anybody has.
            assert!(shown(vec![ada.certificate.clone(); MOST_CERTIFICATES], &ada).is_ok());
            assert!(shown(vec![ada.certificate.clone(); MOST_CERTIFICATES + 1], &ada).is_err());
            let large = CertificateDer::from(vec![0; MOST_BYTES]);
            assert!(shown(vec![ada.certificate.clone(), large], &ada).is_err());
        }
    }
}
