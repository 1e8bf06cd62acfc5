//! A request: as a door hands it in ([`Arrival`]) and as an engine receives it ([`Call`]).

use crate::clock::{Steady, Time};
use crate::fields::asked::Asked;
use crate::json::Body;
use crate::mount::Mount;
use crate::operation::{Operation, Verb};
use crate::path::Path;
use crate::token;
use cofferdam_barrier::View;
use cofferdam_secret::Secret;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who is at the other end of the connection, as the kernel tells it; for a listed proxy, whom it
/// speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A network connection.
    Network(SocketAddr),
    /// A network connection whose other end showed certificates and proved that it has the key of the
    /// first. Whose they are, nobody has judged.
    Certified(SocketAddr, Chain),
    /// The local socket.
    Local {
        /// Of the peer process.
        uid: u32,
        /// Root or the user who owns the server: admin without a token.
        admin: bool,
    },
}

/// Certificates as TLS carried them (DER): the one of the key first, then what leads to an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(Arc<[Vec<u8>]>);

impl Chain {
    /// Of a connection whose handshake proved the key of the first; `None` without one.
    #[must_use]
    pub fn new(certificates: Vec<Vec<u8>>) -> Option<Self> {
        (!certificates.is_empty()).then(|| Self(certificates.into()))
    }

    /// All of them; there is at least one.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.0
    }
}

impl Peer {
    /// Where the other end is; the local socket has no address.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Network(address) | Self::Certified(address, _) => Some(*address),
            Self::Local { .. } => None,
        }
    }

    /// The same peer at another address: the one that it, a listed proxy, speaks for.
    #[must_use]
    pub fn behind(self, address: SocketAddr) -> Self {
        match self {
            Self::Network(_) => Self::Network(address),
            Self::Certified(_, chain) => Self::Certified(address, chain),
            Self::Local { .. } => self,
        }
    }

    /// What it showed.
    #[must_use]
    pub const fn chain(&self) -> Option<&Chain> {
        match self {
            Self::Certified(_, chain) => Some(chain),
            Self::Network(_) | Self::Local { .. } => None,
        }
    }

    /// The address for CIDR rules; a local peer counts as loopback.
    /// IPv4-mapped IPv6 is judged as the IPv4 address it is.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        match self {
            Self::Network(address) | Self::Certified(address, _) => address.ip().to_canonical(),
            Self::Local { .. } => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        }
    }
}

/// What a door hands in. Nothing in it is trusted yet.
pub struct Arrival {
    /// From the method and `list=true`.
    pub verb: Verb,
    /// The undecoded URI path after `/v1/`.
    pub path: String,
    /// Decoded query parameters, in order, without `list`.
    pub query: Vec<(String, String)>,
    /// `X-Vault-Token` or a bearer token.
    pub token: Option<Secret<String>>,
    /// `X-Vault-Wrap-TTL`, unparsed.
    pub wrap_ttl: Option<String>,
    /// `X-Vault-Namespace`, if any.
    pub namespace: Option<String>,
    /// The body as received; empty when there is none.
    pub body: Secret<Vec<u8>>,
    /// Headers that audit records are to show ([`crate::settings::Settings::headers`]), in lower case.
    pub headers: Vec<(String, String)>,
    /// What anybody may ask at this door.
    pub open: Open,
    /// The other end.
    pub peer: Peer,
}

/// What a door answers to anybody, if its configuration says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// `sys/metrics`, without a token and without a record.
    pub metrics: bool,
    /// `sys/in-flight-req`, the same.
    pub in_flight: bool,
}

/// Query parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) asked: Asked,
}

impl From<Vec<(String, String)>> for Query {
    /// Decoded parameters, in order.
    fn from(parameters: Vec<(String, String)>) -> Self {
        Self {
            pairs: parameters,
            asked: Asked::default(),
        }
    }
}

impl Query {
    /// The first parameter of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.asked.note(name);
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The segments a route pattern captured, in order.
#[derive(Clone, Debug, Default)]
pub struct Captures<'a>(pub(crate) Vec<(&'static str, &'a str)>);

impl<'a> Captures<'a> {
    /// The text captured as `name`; empty for a pattern that has no such capture, and for `*rest`
    /// when nothing followed.
    #[must_use]
    pub fn get(&self, name: &str) -> &'a str {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }
}

/// Who calls, once it is proven.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody needs to be known on this route.
    Anonymous,
    /// Admin by peer credentials of the local socket.
    Local {
        /// Of the peer process.
        uid: u32,
    },
    /// A live token.
    Token(std::sync::Arc<token::Entry>),
}

impl Caller {
    /// The token entry, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<&std::sync::Arc<token::Entry>> {
        match self {
            Self::Token(entry) => Some(entry),
            Self::Anonymous | Self::Local { .. } => None,
        }
    }

    /// For audit records and display.
    #[must_use]
    pub fn display_name(&self) -> String {
        match self {
            Self::Anonymous => String::new(),
            Self::Local { uid } => format!("local-uid-{uid}"),
            Self::Token(entry) => entry.display_name.clone(),
        }
    }

    /// Of the token, if it has one; else empty.
    pub(crate) fn entity_id(&self) -> &str {
        self.token().map_or("", |entry| &entry.entity_id)
    }
}

/// An authorized request on its way into an engine.
///
/// Only the pipeline makes one, after audit accepted the intent.
pub struct Call<'a> {
    /// What policy allowed.
    pub operation: Operation,
    /// Relative to the mount.
    pub path: &'a Path,
    /// What the route pattern captured of it.
    pub captures: Captures<'a>,
    /// A checked JSON object; empty when there was none.
    pub body: &'a Body,
    /// Query parameters.
    pub query: &'a Query,
    /// Who calls.
    pub caller: &'a Caller,
    /// The token as presented, for the few routes about "this token".
    pub presented: Option<&'a Secret<String>>,
    /// The other end of the connection.
    pub peer: &'a Peer,
    /// The mount that serves it.
    pub mount: &'a Mount,
    /// The mount's own storage.
    pub view: &'a View,
    /// When the request was admitted.
    pub now: Time,
    /// The same moment, for windows that are kept in memory.
    pub steady: Steady,
    /// The caller asked for a wrapped reply.
    pub wraps: bool,
}

impl Call<'_> {
    /// The capture called `name`.
    #[must_use]
    pub fn capture(&self, name: &str) -> &str {
        self.captures.get(name)
    }
}
