//! Whether what a client showed leads to an authority.

use super::certificate::Certificate;
use cofferdam_core::clock::Time;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::collections::BTreeSet;
use std::time::Duration;
use webpki::{EndEntityCert, Error, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

/// Whether the first of `shown` was issued below one of `authorities`, by way of the others that were
/// shown; all of the path are good now, and none has a number that is revoked.
pub(super) fn leads(
    shown: &[Vec<u8>],
    authorities: &[(Vec<u8>, Certificate)],
    now: Time,
    revoked: &BTreeSet<String>,
) -> bool {
    let Some((first, between)) = shown.split_first() else {
        return false;
    };
    let first = CertificateDer::from(first.as_slice());
    let Ok(first) = EndEntityCert::try_from(&first) else {
        return false;
    };
    let between: Vec<_> = between
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let algorithms =
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now.seconds()));
    authorities.iter().any(|(der, authority)| {
        let judge = |path: &VerifiedPath<'_>| match good(path, authority, revoked) {
            true => Ok(()),
            false => Err(Error::CertRevoked),
        };
        // Of the authority itself webpki knows its name, its key and the names it may speak of.
        let may = authority.is_authority
            && authority.may_sign
            && authority.is_valid_at(now.seconds())
            && !revoked.contains(&authority.serial);
        let der = CertificateDer::from(der.as_slice());
        let Ok(anchor) = anchor_from_trusted_cert(&der) else {
            return false;
        };
        may && first
            .verify_for_usage(
                algorithms.all,
                &[anchor],
                &between,
                time,
                KeyUsage::client_auth(),
                None,
                Some(&judge),
            )
            .is_ok()
    })
}

/// Whether no certificate of a path, but the authority, has a revoked number; and what webpki does not
/// ask: whether those between may sign, and are not more than the authority allows.
fn good(path: &VerifiedPath<'_>, authority: &Certificate, revoked: &BTreeSet<String>) -> bool {
    let stands = |read: &Certificate| !revoked.contains(&read.serial);
    let read = |der: CertificateDer<'_>| Certificate::parse(der.as_ref());
    let between = || path.intermediate_certificates();
    let most = authority.path_length.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    between().count() <= most
        && read(path.end_entity().der()).is_some_and(|read| stands(&read))
        && between().all(|one| read(one.der()).is_some_and(|read| read.may_sign && stands(&read)))
}
