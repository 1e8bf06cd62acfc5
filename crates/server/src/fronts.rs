//! Proxies in front of a listener: which of them may say for whom they speak, and how.
//!
//! Two ways, as Vault's files name them: a header before everything else on the connection (the PROXY
//! protocol, read in [`crate::listen::proxy_header`]) and a header of each request
//! (`X-Forwarded-For`, read in [`crate::http::forwarded`]). An address that a peer tells counts only
//! where that peer is listed here; it then is the peer for CIDR rules, limits and records.
//! See `docs/adr/0045-proxies-in-front.md`.

use ipnet::IpNet;
use std::net::IpAddr;

/// Addresses of proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed(Vec<IpNet>);

impl Listed {
    /// Reads one entry: an address, or a network. `None`: it is neither.
    #[must_use]
    pub fn entry(text: &str) -> Option<IpNet> {
        let text = text.trim();
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(address)
    }

    /// Of these networks.
    #[must_use]
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Nobody is listed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they were written.
    pub fn networks(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }

    /// Is this peer one of them? An IPv4 address that came over IPv6 is the IPv4 address it is.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Whose PROXY protocol counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// `use_always`: everybody's. Whoever reaches the listener chooses an address.
    DangerouslyAnybodys,
    /// `allow_authorized`: that of listed peers; others are served as who they are.
    ListedOnes(Listed),
    /// `deny_unauthorized`: nobody else is served at all.
    ListedOnly(Listed),
}

/// What a connection may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// A header, which counts.
    Counts,
    /// A header, which is read and does not count.
    Ignored,
    /// Nothing: it is closed.
    Refused,
}

impl Header {
    pub(crate) fn trust(&self, address: IpAddr) -> Trust {
        match self {
            Self::DangerouslyAnybodys => Trust::Counts,
            Self::ListedOnes(listed) | Self::ListedOnly(listed) if listed.has(address) => {
                Trust::Counts
            }
            Self::ListedOnes(_) => Trust::Ignored,
            Self::ListedOnly(_) => Trust::Refused,
        }
    }

    /// Is it a proxy by name, whose connections are those of many?
    fn names(&self, address: IpAddr) -> bool {
        match self {
            Self::DangerouslyAnybodys => false,
            Self::ListedOnes(listed) | Self::ListedOnly(listed) => listed.has(address),
        }
    }
}

/// Whose `X-Forwarded-For` counts, and which of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The proxies.
    pub listed: Listed,
    /// Addresses from the rear that are proxies' own.
    pub hop_skips: usize,
    /// The header of a peer that is not listed is an error; else it is not looked at.
    pub reject_not_authorized: bool,
    /// A request without the header is an error; else the peer's own address counts.
    pub reject_not_present: bool,
}

/// Both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fronts {
    /// The PROXY protocol; `None`: it is not spoken.
    pub header: Option<Header>,
    /// `X-Forwarded-For`; `None`: nobody's is looked at.
    pub forwarded: Option<Forwarded>,
}

impl Fronts {
    /// May many clients come from this address, each with a connection of its own or sharing some?
    /// Then a limit of connections for each address would be one for all of them.
    pub(crate) fn stands_for_many(&self, address: IpAddr) -> bool {
        self.header
            .as_ref()
            .is_some_and(|header| header.names(address))
            || self.shares(address)
    }

    /// May requests of many clients come over connections of this address?
    pub(crate) fn shares(&self, address: IpAddr) -> bool {
        let forwarded = self.forwarded.as_ref();
        forwarded.is_some_and(|forwarded| forwarded.listed.has(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: &[&str]) -> Listed {
        Listed::new(
            entries
                .iter()
                .filter_map(|text| Listed::entry(text))
                .collect(),
        )
    }

    #[test]
    fn entries_are_addresses_and_networks() {
        let proxies = listed(&["10.1.2.3", "192.0.2.77/24", " 2001:db8::/32 "]);
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "2001:db8:9::1"] {
            assert!(proxies.has(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.1.2.4", "192.0.3.1", "2001:db9::1", "::10.1.2.3"] {
            assert!(!proxies.has(outside.parse().unwrap()), "{outside}");
        }
        for wrong in [
            "",
            "proxy.example",
            "10.0.0.0/33",
            "/run/x.sock",
            "10.0.0.1-9",
        ] {
            assert!(Listed::entry(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn who_is_not_listed_is_never_believed() {
        let (proxy, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let ones = Header::ListedOnes(listed(&["10.0.0.1"]));
        let only = Header::ListedOnly(listed(&["10.0.0.1"]));
        assert_eq!(
            (ones.trust(proxy), ones.trust(other)),
            (Trust::Counts, Trust::Ignored)
        );
        assert_eq!(
            (only.trust(proxy), only.trust(other)),
            (Trust::Counts, Trust::Refused)
        );
        assert_eq!(
            Header::ListedOnly(Listed::default()).trust(proxy),
            Trust::Refused
        );
        let anybodys = Fronts {
            header: Some(Header::DangerouslyAnybodys),
            forwarded: None,
        };
        assert!(!anybodys.stands_for_many(proxy), "a stranger is one peer");
        let fronts = Fronts {
            header: Some(only),
            forwarded: None,
        };
        assert!(fronts.stands_for_many(proxy) && !fronts.stands_for_many(other));
        assert!(!fronts.shares(proxy));
    }
}
