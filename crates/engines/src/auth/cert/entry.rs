//! An entry: which certificates it is for, and what the tokens of those are like.

use super::certificate::{Certificate, pem};
use super::path;
use crate::auth::glob;
use crate::auth::old_names::OldNames;
use crate::auth::token::Settings;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A list; that it was never set is told from an empty one, as OpenBao shows it.
pub(super) type Words = Option<Vec<String>>;

/// An entry as it is stored.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::auth) struct Entry {
    /// Lower case.
    pub(super) name: String,
    /// PEM.
    pub(super) certificate: String,
    pub(super) display_name: String,
    pub(super) names: Words,
    pub(super) common_names: Words,
    pub(super) dns: Words,
    pub(super) emails: Words,
    pub(super) uris: Words,
    pub(super) units: Words,
    /// `OID:pattern`.
    pub(super) required: Words,
    /// OIDs.
    pub(super) told: Words,
    pub(super) token: Settings,
    pub(super) old: OldNames,
}

/// How an entry takes a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is the one that stands in the entry.
    Pinned,
    /// It comes from an authority in the entry.
    Issued,
}

impl Entry {
    /// Refuses what would never admit anybody, in OpenBao's words.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let all = pem(&self.certificate);
        let all = all.ok_or_else(|| Fault::invalid("failed to parse certificate"))?;
        let first = all.first().map(|(_, first)| first);
        if first.is_some_and(|first| !first.is_authority && !first.is_for_clients) {
            return Err(Fault::invalid(
                "nonCA certificates should have TLS client authentication set as an extended key usage",
            ));
        }
        let is_oid = |text: &str| {
            let mut parts = text.split('.');
            let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            text.contains('.') && parts.all(number)
        };
        let named = |text: &String| text.split_once(':').is_some_and(|(oid, _)| is_oid(oid));
        if !self.required.iter().flatten().all(named) {
            return Err(Fault::invalid(
                "required_extensions: expected OIDs with values, as 1.2.3.4:value",
            ));
        }
        if !self.told.iter().flatten().all(|text| is_oid(text)) {
            return Err(Fault::invalid(
                "allowed_metadata_extensions: expected OIDs, as 1.2.3.4",
            ));
        }
        Ok(())
    }

    /// Whether what was shown is, or comes from, what stands in the entry.
    pub(super) fn takes(
        &self,
        shown: &[Vec<u8>],
        first: &Certificate,
        now: Time,
        revoked: &BTreeSet<String>,
    ) -> Option<Taken> {
        let all = pem(&self.certificate)?;
        let (der, pinned) = all.first()?;
        if pinned.is_authority {
            return path::leads(shown, &all, now, revoked).then_some(Taken::Issued);
        }
        let same = shown.first() == Some(der) && first.is_valid_at(now.seconds());
        (same && !revoked.contains(&first.serial)).then_some(Taken::Pinned)
    }

    /// Whether the names and extensions of a certificate are as they must be.
    pub(super) fn suits(&self, shown: &Certificate) -> bool {
        let fits = |patterns: &Words, texts: &[&[String]]| {
            let patterns = patterns.as_deref().unwrap_or_default();
            let any = |pattern: &String| {
                let mut all = texts.iter().flat_map(|texts| texts.iter());
                all.any(|text| glob::matches(pattern, text))
            };
            patterns.is_empty() || patterns.iter().any(any)
        };
        let common = std::slice::from_ref(&shown.common_name);
        let required = |wanted: &String| {
            let (oid, pattern) = wanted.split_once(':').unwrap_or_default();
            let value = shown.extensions.get(oid);
            value.is_some_and(|value| glob::matches(pattern, value))
        };
        fits(&self.names, &[common, &shown.dns, &shown.emails])
            && fits(&self.common_names, &[common])
            && fits(&self.dns, &[&shown.dns])
            && fits(&self.emails, &[&shown.emails])
            && fits(&self.uris, &[&shown.uris])
            && fits(&self.units, &[&shown.units])
            && self.required.iter().flatten().all(required)
    }

    /// What a token tells of the certificate.
    pub(super) fn metadata(&self, shown: &Certificate) -> BTreeMap<String, String> {
        let colons = |bytes: &[u8]| {
            let bytes = bytes.iter().map(|byte| hex::encode([*byte]));
            bytes.collect::<Vec<_>>().join(":")
        };
        let mut told: BTreeMap<String, String> = [
            ("cert_name", self.name.clone()),
            ("common_name", shown.common_name.clone()),
            ("serial_number", shown.serial.clone()),
            ("subject_key_id", colons(&shown.subject_key_id)),
            ("authority_key_id", colons(&shown.authority_key_id)),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into();
        for oid in self.told.iter().flatten() {
            if let Some(value) = shown.extensions.get(oid) {
                // With dashes: templates of policies divide at dots.
                told.insert(oid.replace('.', "-"), value.clone());
            }
        }
        told
    }
}
