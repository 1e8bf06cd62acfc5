//! `keys/NAME/csr` and `keys/NAME/set-certificate`: requests for certificates that a key signs, and the
//! certificates that came of them, kept with the version of the key that they are about.
//!
//! A request is PKCS #10 (RFC 2986). What a template asks for is taken over as it stands, its subject
//! and its attributes; public key and signature are the key's own. Of a chain is looked at what makes
//! it a mistake: that its first certificate is not this key's, or that what follows is no authority.
//! Whether anybody trusts it is for whoever reads it.

use super::batch::text_object;
use super::der::{self, Reader};
use super::fields::{Int, Sent, text};
use super::hash::Hash;
use super::key::{Key, Version};
use super::kind::Kind;
use super::signature::{Manner, Marshaling, Padding};
use super::{Transit, store};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::Deserialize;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer as _, X509Certificate};

pub(super) const CSR: Route<Transit> = Route::new("keys/:name/csr", &[(Verb::Write, request)])
    .takes::<Wanted>()
    .computing();
pub(super) const SET: Route<Transit> =
    Route::new("keys/:name/set-certificate", &[(Verb::Write, set)]).takes::<Given>();

/// The longest text of a template or a chain: a chain lies in the record of its key.
const LONGEST: usize = 64 << 10;
/// Certificates of a chain.
pub(super) const MOST: usize = 16;

/// Of a key's certificate, by the name that Go has for it.
const ALGORITHMS: [(&str, &str); 3] = [
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.10045.2.1", "ECDSA"),
    ("1.3.101.112", "Ed25519"),
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    version: Option<Int>,
    csr: Sent,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    version: Option<Int>,
    certificate_chain: Sent,
}

fn request<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let wanted: Wanted = call.body.parse()?;
        let key = transit.load(call.view, name).await?;
        let key = key.ok_or_else(|| missing(name))?;
        check_kind(&key)?;
        key.usable()?;
        let template = Template::parse(text(&wanted.csr))?;
        let prefixed = |why: &str| Fault::invalid(format!("could not create the csr: {why}"));
        let number = number(&key, wanted.version);
        let version = key.version(number).map_err(|_| prefixed(NO_VERSION))?;
        if !version.material.has_private() {
            return Err(prefixed(
                "private key not imported for key version selected",
            ));
        }
        answer(name, &key, "csr", &signed(key.kind, version, &template)?)
    })
}

fn set<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let given: Given = call.body.parse()?;
        let given_chain = text(&given.certificate_chain);
        let mut edit = |key: &mut Key| {
            check_kind(key)?;
            let chain = Chain::parse(given_chain)?;
            let prefixed =
                |why: String| Fault::invalid(format!("failed to persist certificate chain: {why}"));
            chain.check_order().map_err(|why| prefixed(why.into()))?;
            let number = number(key, given.version);
            let (kind, lowest) = (key.kind, key.min_decryption);
            let version = key.versions.get_mut(&number);
            let version = version
                .filter(|_| number >= lowest)
                .ok_or_else(|| prefixed(NO_VERSION.into()))?;
            chain.check_key(kind, version).map_err(prefixed)?;
            version.chain = chain.into_der();
            Ok(())
        };
        let changed = transit.change(&call, name, &mut edit).await?;
        let key = changed.ok_or_else(|| missing(name))?;
        answer(name, &key, "certificate_chain", given_chain)
    })
}

const NO_VERSION: &str = "no such key version";

fn missing(name: &str) -> Fault {
    Fault::invalid(format!("key with provided name '{name}' not found"))
}

fn check_kind(key: &Key) -> Result<(), Fault> {
    if !key.kind.signs() {
        return Err(Fault::invalid(format!(
            "key type '{}' does not support signing",
            key.kind.name()
        )));
    }
    match key.derived {
        true => Err(Fault::invalid(
            "operation not supported for keys with derivation enabled",
        )),
        false => Ok(()),
    }
}

/// The version that is asked for, whether there is one or not; the newest where none is.
fn number(key: &Key, asked: Option<Int>) -> u64 {
    asked.map_or(key.latest, |Int(number)| {
        u64::try_from(number).unwrap_or_default()
    })
}

fn answer(name: &str, key: &Key, field: &str, value: &str) -> Result<Outcome, Fault> {
    let fields = [(field, value), ("name", name), ("type", key.kind.name())];
    let fields = fields.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
    Ok(Outcome::Data(cofferdam_core::Response::of(text_object(
        &fields,
    ))))
}

/// What a request asks for, as elements of DER.
struct Template {
    subject: Vec<u8>,
    attributes: Vec<u8>,
}

impl Template {
    /// Of a request in PEM; nothing is asked for by an empty text.
    fn parse(pem: &str) -> Result<Self, Fault> {
        let of = |subject: &[u8], attributes: &[u8]| Self {
            subject: der::public_element(der::SEQUENCE, &[subject]),
            attributes: der::public_element(ATTRIBUTES, &[attributes]),
        };
        if pem.is_empty() {
            return Ok(of(&[], &[]));
        }
        let wrong = || Fault::invalid("csr: expected a certificate request in PEM");
        if pem.len() > LONGEST {
            return Err(Fault::invalid("csr: longer than 64 KiB"));
        }
        let blocks = der::blocks(pem).ok_or_else(undecoded)?;
        let (_, bytes) = blocks.first().ok_or_else(undecoded)?;
        // Whether it is one is for the library to say; its parts are taken over byte by byte.
        let (rest, read) =
            X509CertificationRequest::from_der(bytes.expose()).map_err(|_| wrong())?;
        if !rest.is_empty() {
            return Err(wrong());
        }
        let mut info = Reader::new(read.certification_request_info.raw);
        let mut info = Reader::new(info.expect(der::SEQUENCE).ok_or_else(wrong)?);
        info.expect(der::INTEGER).ok_or_else(wrong)?;
        let subject = info.expect(der::SEQUENCE).ok_or_else(wrong)?;
        info.expect(der::SEQUENCE).ok_or_else(wrong)?;
        match info.next() {
            None => Ok(of(subject, &[])),
            Some((ATTRIBUTES, attributes)) => Ok(of(subject, attributes)),
            Some(_) => Err(wrong()),
        }
    }
}

/// The tag of a request's attributes: `[0]`, of several parts.
const ATTRIBUTES: u8 = 0xa0;

fn undecoded() -> Fault {
    Fault::invalid("could not decode PEM CSR")
}

/// A request in PEM, signed by this version with the hash that goes with its kind.
fn signed(kind: Kind, version: &Version, template: &Template) -> Result<String, Fault> {
    let zero = [der::INTEGER, 1, 0];
    let info = der::public_element(
        der::SEQUENCE,
        &[
            &zero,
            &template.subject,
            &version.material.spki(kind),
            &template.attributes,
        ],
    );
    let hash = match kind {
        Kind::EcP384 => Hash::Sha384,
        Kind::EcP521 => Hash::Sha512,
        _ => Hash::Sha256,
    };
    let manner = Manner {
        hash,
        padding: Padding::Pkcs1,
        marshaling: Marshaling::Asn1,
    };
    let input = match kind.signs_hash() {
        true => hash.sum(&info),
        false => info.clone(),
    };
    let signature = version.material.sign(kind, &input, manner)?;
    let bits = der::public_element(der::BITS, &[&[0], &signature]);
    let whole = der::public_element(der::SEQUENCE, &[&info, der::signed_with(kind), &bits]);
    Ok(der::pem("CERTIFICATE REQUEST", &whole))
}

/// A certificate: its bytes, and what of them is looked at.
pub(super) struct Certificate {
    der: Vec<u8>,
    /// SubjectPublicKeyInfo.
    key: Vec<u8>,
    algorithm: &'static str,
    is_authority: bool,
}

impl Certificate {
    /// Reads one; `None` for what is none.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let (rest, read) = X509Certificate::from_der(der).ok()?;
        let constraints = read.basic_constraints().ok()?;
        let algorithm = read.public_key().algorithm.algorithm.to_id_string();
        let known = ALGORITHMS.iter().find(|(id, _)| *id == algorithm);
        rest.is_empty().then(|| Self {
            der: der.to_vec(),
            key: read.public_key().raw.to_vec(),
            algorithm: known.map_or("unknown", |(_, name)| name),
            is_authority: constraints.is_some_and(|found| found.value.ca),
        })
    }

    pub(super) fn into_der(self) -> Vec<u8> {
        self.der
    }
}

/// Certificates, the one of the key first; never empty.
struct Chain(Vec<Certificate>);

impl Chain {
    fn parse(pem: &str) -> Result<Self, Fault> {
        if pem.len() > LONGEST {
            return Err(Fault::invalid("certificate_chain: longer than 64 KiB"));
        }
        let blocks = der::blocks(pem).ok_or_else(|| {
            Fault::invalid("could not decode a PEM block in the certificate chain")
        })?;
        // Others may stand between them, as in Vault.
        let certificates = blocks
            .iter()
            .filter(|(label, _)| ["CERTIFICATE", "X509 CERTIFICATE"].contains(label));
        let read = certificates.map(|(_, der)| {
            Certificate::parse(der.expose()).ok_or_else(|| {
                Fault::invalid("could not parse a certificate in the certificate chain")
            })
        });
        let chain = read.collect::<Result<Vec<_>, _>>()?;
        match chain.len() {
            0 => Err(Fault::invalid(
                "provided certificate chain did not contain any valid PEM encoded certificate",
            )),
            1..=MOST => Ok(Self(chain)),
            _ => Err(Fault::invalid(format!(
                "certificate_chain: more than {MOST} certificates"
            ))),
        }
    }

    /// The key's own certificate, then authorities.
    fn check_order(&self) -> Result<(), &'static str> {
        let Some((leaf, authorities)) = self.0.split_first() else {
            return Ok(());
        };
        if leaf.is_authority {
            return Err("certificate in the first element is not a valid leaf certificate");
        }
        match authorities.split_last() {
            Some((last, _)) if !last.is_authority => {
                Err("certificate in the last element is not a valid CA certificate")
            }
            Some((_, between)) if between.iter().any(|one| !one.is_authority) => Err(
                "could not validate if there is only one leaf certificate in the provided chain",
            ),
            _ => Ok(()),
        }
    }

    /// Whether the first one is about this version.
    fn check_key(&self, kind: Kind, version: &Version) -> Result<(), String> {
        let Some(leaf) = self.0.first() else {
            return Ok(());
        };
        let expected = match kind {
            Kind::Ed25519 => "Ed25519",
            _ if kind.is_rsa() => "RSA",
            _ => "ECDSA",
        };
        if leaf.algorithm != expected {
            return Err(format!(
                "could not validate key match between leaf certificate key and key entry in transit: provided leaf certificate public key algorithm '{}' does not match the transit key type '{}'",
                leaf.algorithm,
                kind.name()
            ));
        }
        match leaf.key == version.material.spki(kind) {
            true => Ok(()),
            false => Err(
                "leaf certificate public key does not match the selected key version".to_owned(),
            ),
        }
    }

    fn into_der(self) -> Vec<Vec<u8>> {
        self.0.into_iter().map(Certificate::into_der).collect()
    }
}

impl Version {
    /// Its certificates as PEM, one after the other; empty without.
    pub(super) fn chain_pem(&self) -> String {
        let pem: String = self
            .chain
            .iter()
            .map(|der| der::pem("CERTIFICATE", der))
            .collect();
        pem.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests;
