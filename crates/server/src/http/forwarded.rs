//! `X-Forwarded-For`: for whom a proxy speaks, told with each request.
//!
//! Texts and statuses are OpenBao's. The header of a peer that is not listed changes nothing, whatever
//! the settings.

use super::refusal::Refusal;
use crate::fronts::Forwarded;
use cofferdam_core::Peer;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

const NAME: &str = "x-forwarded-for";

const ABSENT: Refusal =
    Refusal::invalid("missing x-forwarded-for header and configured to reject when not present");
const UNLISTED: Refusal = Refusal::invalid(
    "client address not authorized for x-forwarded-for and configured to reject connection",
);
const SHORT: Refusal = Refusal::invalid(
    "malformed x-forwarded-for configuration or request, hops to skip would skip before earliest chain link",
);
const NO_ADDRESS: Refusal = Refusal::invalid("the x-forwarded-for header names no IP address");

/// Who is asking: the peer, or whom it speaks for.
pub(super) fn asking(
    rules: Option<&Forwarded>,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Peer, Refusal> {
    let (Some(rules), Some(address)) = (rules, peer.address()) else {
        return Ok(peer);
    };
    let mut chain = Vec::new();
    for value in headers.get_all(NAME) {
        // Only the last hops are of interest, and those are the proxies' own words.
        let text = value.to_str().unwrap_or("?");
        chain.extend(text.split(',').map(str::trim));
    }
    if chain.iter().all(|hop| hop.is_empty()) {
        return if rules.reject_not_present {
            Err(ABSENT)
        } else {
            Ok(peer)
        };
    }
    if !rules.listed.has(address.ip()) {
        return if rules.reject_not_authorized {
            Err(UNLISTED)
        } else {
            Ok(peer)
        };
    }
    let hop = chain.iter().rev().nth(rules.hop_skips).ok_or(SHORT)?;
    let client = hop_address(hop).ok_or(NO_ADDRESS)?;
    Ok(peer.behind(SocketAddr::new(client, address.port())))
}

/// An address as proxies write it: bare, in brackets, or with a port, which does not count.
fn hop_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fronts::Listed;
    use http::HeaderValue;

    fn rules(listed: &str, hop_skips: usize, strict: bool) -> Forwarded {
        Forwarded {
            listed: Listed::new(vec![Listed::entry(listed).unwrap()]),
            hop_skips,
            reject_not_authorized: strict,
            reject_not_present: strict,
        }
    }

    fn ask(rules: &Forwarded, values: &[&[u8]]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, HeaderValue::from_bytes(value).unwrap());
        }
        let peer = Peer::Network("10.0.0.1:700".parse().unwrap());
        let asking = asking(Some(rules), &headers, peer);
        let told = |peer: Peer| peer.address().unwrap().to_string();
        asking.map(told).map_err(|refusal| refusal.text)
    }

    #[test]
    fn the_last_address_but_the_skipped_ones_counts() {
        let chain: [&[u8]; 2] = [b"1.2.3.4, 2.3.4.5", b"3.4.5.6,4.5.6.7"];
        for (skips, expected) in [
            (0, "4.5.6.7"),
            (1, "3.4.5.6"),
            (2, "2.3.4.5"),
            (3, "1.2.3.4"),
        ] {
            let client = ask(&rules("10.0.0.0/8", skips, true), &chain).unwrap();
            assert_eq!(client, format!("{expected}:700"), "{skips}");
        }
        assert_eq!(ask(&rules("10.0.0.1", 4, false), &chain), Err(SHORT.text));
    }

    #[test]
    fn forms_of_an_address() {
        let rules = rules("10.0.0.1", 0, false);
        for (text, expected) in [
            ("1.2.3.4:99", "1.2.3.4:700"),
            ("2001:db8::1", "[2001:db8::1]:700"),
            ("[2001:db8::1]", "[2001:db8::1]:700"),
            ("[2001:db8::1]:99", "[2001:db8::1]:700"),
        ] {
            assert_eq!(ask(&rules, &[text.as_bytes()]).unwrap(), expected, "{text}");
        }
        for wrong in [
            "unknown",
            "1.2.3",
            "1.2.3.4,",
            "[1.2.3.4]",
            "_hidden",
            "1.2.3.4 5",
        ] {
            let told = ask(&rules, &[wrong.as_bytes()]);
            assert_eq!(told, Err(NO_ADDRESS.text), "{wrong}");
        }
        assert_eq!(ask(&rules, &[b"1.2.3.4, \xff"]), Err(NO_ADDRESS.text));
        assert_eq!(ask(&rules, &[b"\xff, 1.2.3.4"]), Err(NO_ADDRESS.text));
    }

    #[test]
    fn who_is_not_listed_speaks_for_nobody() {
        let told: [&[u8]; 1] = [b"1.2.3.4"];
        assert_eq!(
            ask(&rules("10.0.0.2", 0, false), &told).unwrap(),
            "10.0.0.1:700"
        );
        assert_eq!(ask(&rules("10.0.0.2", 0, true), &told), Err(UNLISTED.text));
        for nothing in [&[][..], &[b"".as_slice()], &[b" , ,".as_slice()]] {
            assert_eq!(ask(&rules("10.0.0.1", 0, true), nothing), Err(ABSENT.text));
            assert_eq!(
                ask(&rules("10.0.0.1", 0, false), nothing).unwrap(),
                "10.0.0.1:700"
            );
        }
    }

    #[test]
    fn a_local_peer_has_no_proxy() {
        let mut headers = HeaderMap::new();
        headers.append(NAME, HeaderValue::from_static("1.2.3.4"));
        let local = Peer::Local {
            uid: 0,
            admin: true,
        };
        let strict = rules("0.0.0.0/0", 0, true);
        assert_eq!(asking(Some(&strict), &headers, local.clone()), Ok(local));
    }
}
