//! Lists of revoked certificates of a `cert` method.
//!
//! A server shows the numbers of a list and not the list. Numbers are all that a login is held
//! against, whoever issued the certificate, so a list with the same numbers, signed by a key that is
//! thrown away, is the same list. Only more is ever revoked: numbers that are added over there follow,
//! and none that is here goes away without `-overwrite`.

use super::Job;
use super::peer::Trouble;
use crate::cli::Failure;
use cofferdam_api::Tree;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use std::collections::BTreeSet;

const KIND: &str = "revocation list";
/// Octets of a number at most, RFC 5280 section 4.1.2.2.
const LONGEST: usize = 20;

/// Copies those of a method.
pub(super) async fn bring(job: &Job, root: &str) -> Result<(), Failure> {
    let root = format!("{root}/crls");
    let here = match job.target.names(&root).await {
        Ok(found) => found.good,
        Err(Trouble::Stop(failure)) => return Err(failure),
        Err(Trouble::Item(_)) => Vec::new(),
    };
    for name in job.list(KIND, &root).await? {
        let path = format!("{root}/{name}");
        let done = one(job, &path, here.contains(&name)).await;
        job.settle(KIND, &path, done)?;
    }
    Ok(())
}

fn numbers(list: &Tree) -> BTreeSet<String> {
    let serials = list.get("serials").into_iter().flat_map(Tree::entries);
    serials.map(|(number, _)| number.to_owned()).collect()
}

async fn one(job: &Job, path: &str, is_here: bool) -> Result<(), Trouble> {
    let Some(there) = job.source.data(path).await? else {
        return Ok(());
    };
    if there.get("cdp").is_some_and(|cdp| !cdp.is_empty()) {
        let why = "it is fetched from an address there, and nothing is fetched here: write it again when it changes";
        job.report().left(KIND, path, why);
    }
    let mut wanted = numbers(&there);
    if is_here {
        let here = job.target.data(path).await?;
        let here = here.as_ref().map(numbers).unwrap_or_default();
        if here == wanted {
            job.report().unchanged(KIND);
            return Ok(());
        }
        if !here.is_subset(&wanted) && !job.overwrite {
            job.report()
                .different(KIND, path, "other numbers are revoked here");
            return Ok(());
        }
    }
    let count = wanted.len();
    let (list, odd) = list(&wanted)?;
    if !job.dry_run {
        job.write(path, &Tree::map().with("crl", list)).await?;
        let now = job.target.data(path).await?;
        let now = now.as_ref().map(numbers).unwrap_or_default();
        wanted.retain(|number| !now.contains(number));
    }
    match is_here {
        true => job.report().changed(KIND, path, format!("{count} numbers")),
        false => job.report().created(KIND, path),
    }
    let lost = if job.dry_run { odd } else { wanted.len() };
    if lost > 0 {
        let why = format!("{lost} of its numbers are none that a certificate can have");
        job.report().left(KIND, path, why);
    }
    Ok(())
}

/// A list in PEM with these numbers, and how many are none.
fn list(numbers: &BTreeSet<String>) -> Result<(String, usize), Trouble> {
    let failed = |_| Trouble::item("a list with its numbers cannot be made");
    let read: Vec<_> = numbers.iter().filter_map(|number| octets(number)).collect();
    let odd = numbers.len() - read.len();
    let (begin, end) = (date_time_ymd(2026, 1, 1), date_time_ymd(2049, 12, 31));
    let revoked = read.iter().map(|octets| RevokedCertParams {
        serial_number: SerialNumber::from_slice(octets),
        revocation_time: begin,
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: begin,
        next_update: end,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let key = KeyPair::generate().map_err(failed)?;
    let issuer = Issuer::new(CertificateParams::default(), key);
    let pem = list.signed_by(&issuer).and_then(|list| list.pem());
    Ok((pem.map_err(failed)?, odd))
}

/// A number in decimal as octets, the most significant first.
fn octets(decimal: &str) -> Option<Vec<u8>> {
    let mut little: Vec<u8> = Vec::new();
    if decimal.is_empty() || decimal.len() > 3 * LONGEST {
        return None;
    }
    for digit in decimal.bytes() {
        let mut carry = u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        for octet in &mut little {
            let value = u16::from(*octet) * 10 + carry;
            let [high, low] = value.to_be_bytes();
            (*octet, carry) = (low, u16::from(high));
        }
        if let Ok(rest @ 1..) = u8::try_from(carry) {
            little.push(rest);
        }
    }
    if little.is_empty() {
        little.push(0);
    }
    little.reverse();
    (little.len() <= LONGEST).then_some(little)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_are_octets() {
        for (decimal, wanted) in [
            ("0", Some(vec![0])),
            ("7", Some(vec![7])),
            ("255", Some(vec![255])),
            ("256", Some(vec![1, 0])),
            ("0065536", Some(vec![1, 0, 0])),
            (
                "18446744073709551616",
                Some(vec![1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ),
            ("", None),
            ("-1", None),
            ("1a", None),
            ("١", None),
        ] {
            assert_eq!(octets(decimal), wanted, "{decimal}");
        }
        // 2 ** 160 is one octet too many.
        assert!(octets("1461501637330902918203684832716283019655932542975").is_some());
        assert!(octets("1461501637330902918203684832716283019655932542976").is_none());
        assert!(octets(&"9".repeat(10_000)).is_none());
    }

    #[test]
    fn a_list_names_what_it_can() {
        let numbers = [
            "5",
            "-5",
            "1461501637330902918203684832716283019655932542975",
        ];
        let numbers = numbers.iter().map(|number| (*number).to_owned()).collect();
        let Ok((pem, odd)) = list(&numbers) else {
            panic!("no list");
        };
        assert!(pem.starts_with("-----BEGIN X509 CRL-----"));
        assert_eq!(odd, 1);
    }
}
