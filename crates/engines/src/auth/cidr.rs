//! Address ranges: read as Vault reads them, judged without being fooled by notation.

use cofferdam_core::Fault;
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// Ranges that must have a prefix length (`10.0.0.0/8`), as SecretIDs want them.
pub(super) fn ranges(words: &[String], refusal: &'static str) -> Result<Vec<IpNet>, Fault> {
    let parse = |word: &String| {
        word.parse()
            .map(canonical)
            .map_err(|_| Fault::invalid(refusal))
    };
    words.iter().map(parse).collect()
}

/// Ranges or single addresses, as tokens want them.
pub(super) fn ranges_or_addresses(
    words: &[String],
    refusal: &'static str,
) -> Result<Vec<IpNet>, Fault> {
    let parse = |word: &String| {
        let range = word
            .parse::<IpNet>()
            .ok()
            .or_else(|| Some(IpNet::from(word.parse::<IpAddr>().ok()?)));
        range.map(canonical).ok_or_else(|| Fault::invalid(refusal))
    };
    words.iter().map(parse).collect()
}

/// A range of IPv4-mapped IPv6 is the IPv4 range it means.
fn canonical(range: IpNet) -> IpNet {
    let IpNet::V6(six) = range else { return range };
    let (Some(four), Some(length)) = (
        six.addr().to_ipv4_mapped(),
        six.prefix_len().checked_sub(96),
    ) else {
        return range;
    };
    Ipv4Net::new(four, length).map_or(range, IpNet::V4)
}

/// Whether an address lies in one of the ranges; no ranges: anywhere.
pub(super) fn admits(ranges: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    ranges.is_empty() || ranges.iter().any(|range| range.contains(&address))
}

/// Whether each of the `inner` ranges lies in one of the `outer`; no `outer`: anywhere.
pub(super) fn within(inner: &[IpNet], outer: &[IpNet]) -> bool {
    outer.is_empty()
        || inner
            .iter()
            .all(|range| outer.iter().any(|wide| wide.contains(range)))
}

/// Ranges of tokens as Vault shows them: a single address without its length.
pub(super) fn shown(ranges: &[IpNet]) -> Vec<String> {
    let show = |range: &IpNet| match range.prefix_len() == range.max_prefix_len() {
        true => range.addr().to_string(),
        false => range.to_string(),
    };
    ranges.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn mapped_addresses_are_judged_as_the_ipv4_they_are() {
        let four = ranges(&words(&["10.0.0.0/8"]), "no").unwrap();
        assert!(admits(&four, "::ffff:10.1.2.3".parse().unwrap()));
        assert!(!admits(&four, "::ffff:11.1.2.3".parse().unwrap()));
        let mapped = ranges(&words(&["::ffff:10.0.0.0/104"]), "no").unwrap();
        assert_eq!(mapped, four);
        // A range of IPv6 that is wider than all of IPv4 stays one, and admits no IPv4 address.
        let wide = ranges(&words(&["::/0"]), "no").unwrap();
        assert!(!admits(&wide, "10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn a_range_within_another_is_told_from_one_that_sticks_out() {
        let outer = ranges(&words(&["10.0.0.0/8", "192.168.1.0/24"]), "no").unwrap();
        assert!(within(
            &ranges(&words(&["10.3.0.0/16", "192.168.1.7/32"]), "no").unwrap(),
            &outer
        ));
        assert!(!within(
            &ranges(&words(&["10.3.0.0/16", "192.168.0.0/16"]), "no").unwrap(),
            &outer
        ));
        assert!(!within(
            &ranges(&words(&["0.0.0.0/0"]), "no").unwrap(),
            &outer
        ));
    }

    #[test]
    fn only_tokens_take_a_plain_address() {
        assert!(ranges(&words(&["10.0.0.1"]), "no").is_err());
        let parsed = ranges_or_addresses(&words(&["10.0.0.1", "10.0.0.0/8"]), "no").unwrap();
        assert_eq!(shown(&parsed), ["10.0.0.1", "10.0.0.0/8"]);
    }
}
