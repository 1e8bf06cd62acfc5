//! A certificate, as far as logins look at it.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use x509_parser::asn1_rs::{Any, FromDer as _, Tag};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Certificate;
use x509_parser::revocation_list::CertificateRevocationList;

/// What a certificate says, and of which key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The last one of its subject; empty without.
    pub common_name: String,
    /// Organizational units of its subject.
    pub units: Vec<String>,
    /// Alternative names that are DNS names.
    pub dns: Vec<String>,
    /// Alternative names that are mail addresses.
    pub emails: Vec<String>,
    /// Alternative names that are URIs.
    pub uris: Vec<String>,
    /// By their OIDs: the texts of those extensions that are a text, else nothing.
    pub extensions: BTreeMap<String, String>,
    /// In decimal.
    pub serial: String,
    /// As the extension has it.
    pub subject_key_id: Vec<u8>,
    /// As the extension has it.
    pub authority_key_id: Vec<u8>,
    /// A digest of the public key with its algorithm.
    pub key: String,
    /// Whether it says of itself that it is an authority.
    pub is_authority: bool,
    /// Authorities that may stand between it and whom it speaks for, where it says so.
    pub path_length: Option<u32>,
    /// Whether its key may sign certificates.
    pub may_sign: bool,
    /// Whether it may be used by clients of TLS.
    pub is_for_clients: bool,
    /// Seconds since 1970, of both ends.
    pub valid: (i64, i64),
}

impl Certificate {
    /// Reads one; `None` for what is none, or has an extension twice.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (rest, read) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() || read.extensions_map().is_err() {
            return None;
        }
        let subject = read.subject();
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            value.as_str().ok().map(str::to_owned)
        };
        let mut found = Self {
            common_name: subject
                .iter_common_name()
                .last()
                .and_then(text)
                .unwrap_or_default(),
            units: subject
                .iter_organizational_unit()
                .filter_map(text)
                .collect(),
            serial: read.tbs_certificate.serial.to_string(),
            key: hex::encode(Sha256::digest(read.public_key().raw)),
            is_for_clients: true,
            may_sign: true,
            valid: (
                read.validity().not_before.timestamp(),
                read.validity().not_after.timestamp(),
            ),
            ..Self::default()
        };
        for extension in read.extensions() {
            let name = extension.oid.to_id_string();
            found.extensions.insert(name, plain(extension.value));
            found.note(extension.parsed_extension());
        }
        Some(found)
    }

    fn note(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => {
                self.is_authority = constraints.ca;
                self.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => self.may_sign = usage.key_cert_sign(),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.is_for_clients = usage.client_auth || usage.any;
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = id.0.to_vec(),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                let id = id.key_identifier.as_ref();
                self.authority_key_id = id.map(|id| id.0.to_vec()).unwrap_or_default();
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(text) => self.dns.push((*text).to_owned()),
                        GeneralName::RFC822Name(text) => self.emails.push((*text).to_owned()),
                        GeneralName::URI(text) => self.uris.push((*text).to_owned()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether it is good at this second.
    #[must_use]
    pub fn is_valid_at(&self, seconds: u64) -> bool {
        i64::try_from(seconds).is_ok_and(|now| self.valid.0 <= now && now <= self.valid.1)
    }
}

/// The text of an extension that is one of ASN.1's kinds of texts.
fn plain(value: &[u8]) -> String {
    let Ok((_, any)) = Any::from_der(value) else {
        return String::new();
    };
    let is_text = [
        Tag::Utf8String,
        Tag::PrintableString,
        Tag::Ia5String,
        Tag::NumericString,
        Tag::VisibleString,
    ]
    .contains(&any.tag());
    let text = is_text
        .then(|| std::str::from_utf8(any.data).ok())
        .flatten();
    text.unwrap_or_default().to_owned()
}

/// The certificates of a PEM text; `None` when there is none, or one that cannot be read.
#[must_use]
pub fn pem(text: &str) -> Option<Vec<(Vec<u8>, Certificate)>> {
    let read = |der: CertificateDer<'_>| {
        let der = der.as_ref().to_vec();
        let certificate = Certificate::parse(&der)?;
        Some((der, certificate))
    };
    let all: Option<Vec<_>> = CertificateDer::pem_slice_iter(text.as_bytes())
        .map(|der| der.ok().and_then(read))
        .collect();
    all.filter(|all| !all.is_empty())
}

/// The numbers, in decimal, that a list of revoked certificates in PEM names.
#[must_use]
pub fn revoked(text: &str) -> Option<Vec<String>> {
    let mut lists = CertificateRevocationListDer::pem_slice_iter(text.as_bytes());
    let der = lists.next()?.ok()?;
    if lists.next().is_some() {
        return None;
    }
    let (rest, list) = CertificateRevocationList::from_der(der.as_ref()).ok()?;
    let numbers = list
        .iter_revoked_certificates()
        .map(|revoked| revoked.user_certificate.to_string());
    rest.is_empty().then(|| numbers.collect())
}
