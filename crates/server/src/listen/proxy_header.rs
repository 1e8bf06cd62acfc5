//! The header that a proxy puts before everything else on a connection: the PROXY protocol, version 1
//! (a line) and version 2 (binary), after HAProxy's `proxy-protocol.txt`, sections 2.1 and 2.2.
//!
//! A strict reader of our own: what does not match the text to the letter ends the connection, and
//! nobody else's. It holds at most [`ENOUGH`] bytes, whatever a peer announces, and believes nothing:
//! whether the address counts is [`crate::fronts`]' matter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Bytes that decide: the longest line (107), and of the binary form all that is not skipped.
pub const ENOUGH: usize = 107;
/// The longest binary header: addresses, and what proxies add (a client's certificate is some 2 KiB).
const LONGEST: usize = 16 + 4096;
/// How long a header may take from the beginning of the connection. A proxy sends it at once.
const TIME: Duration = Duration::from_secs(10);

/// How the binary form begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How the line begins.
const WORD: &[u8; 6] = b"PROXY ";

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Not to be told yet.
    More,
    /// No header: the connection's own bytes.
    Absent,
    /// A header that breaks a rule.
    Wrong,
    /// A header.
    Header {
        /// Its length in bytes, some of which may still be on their way.
        length: usize,
        /// Who is behind the proxy; `None`: the proxy speaks for itself, or for no address.
        source: Option<SocketAddr>,
    },
}

/// Reads what is there; more of the same connection never changes an answer but [`Opening::More`].
#[must_use]
pub fn read(seen: &[u8]) -> Opening {
    if let Some(rest) = seen.strip_prefix(SIGNATURE) {
        return binary(rest).unwrap_or(Opening::More);
    }
    if seen.starts_with(WORD) {
        return line(seen);
    }
    if SIGNATURE.starts_with(seen) || WORD.starts_with(seen) {
        return Opening::More;
    }
    Opening::Absent
}

/// After the signature; `None`: more is needed.
fn binary(rest: &[u8]) -> Option<Opening> {
    let (&[command, family, high, low], rest) = rest.split_first_chunk::<4>()?;
    let announced = usize::from(u16::from_be_bytes([high, low]));
    let length = SIGNATURE.len() + 4 + announced;
    let proxied = match command {
        0x20 => false,
        0x21 => true,
        _ => return Some(Opening::Wrong),
    };
    // Address family and transport; a datagram is what a proxy of QUIC says of its clients.
    let addresses = match family {
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Some(Opening::Wrong),
    };
    if length > LONGEST {
        return Some(Opening::Wrong);
    }
    // The proxy's own connection (a check of health): whatever addresses it holds are to be skipped.
    if !proxied {
        let source = None;
        return Some(Opening::Header { length, source });
    }
    // A client of no family is refused, as OpenBao does.
    if announced < addresses || family == 0 {
        return Some(Opening::Wrong);
    }
    let source = match family >> 4 {
        1 => {
            let (block, _) = rest.split_first_chunk::<12>()?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *block;
            Some((IpAddr::from([a, b, c, d]), u16::from_be_bytes([high, low])))
        }
        2 => {
            let (source, rest) = rest.split_first_chunk::<16>()?;
            let (_destination, rest) = rest.split_first_chunk::<16>()?;
            let (port, _) = rest.split_first_chunk::<2>()?;
            Some((IpAddr::from(*source), u16::from_be_bytes(*port)))
        }
        // A client on a socket of the proxy's machine has no address: the proxy's is as near as it gets.
        _ => None,
    };
    let source = source.map(SocketAddr::from);
    Some(Opening::Header { length, source })
}

/// The whole line: `PROXY TCP4 SOURCE DESTINATION PORT PORT`, or `PROXY UNKNOWN` and anything.
fn line(seen: &[u8]) -> Opening {
    let within = seen.get(..ENOUGH).unwrap_or(seen);
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return if seen.len() < ENOUGH {
            Opening::More
        } else {
            Opening::Wrong
        };
    };
    let length = end + 1;
    let text = within.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(text) = text.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Opening::Wrong;
    };
    let mut words = text.split(' ').skip(1);
    let source = match words.next() {
        Some("UNKNOWN") => None,
        Some(family @ ("TCP4" | "TCP6")) => match addressed(family, &mut words) {
            Some(source) => Some(source),
            None => return Opening::Wrong,
        },
        _ => return Opening::Wrong,
    };
    Opening::Header { length, source }
}

fn addressed<'a>(family: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<SocketAddr> {
    // IPv4 in a line of IPv6 is what nginx writes where the two sides differ; there is one reading.
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        _ => text
            .parse::<Ipv6Addr>()
            .map(IpAddr::from)
            .or_else(|_| text.parse::<Ipv4Addr>().map(IpAddr::from))
            .ok(),
    };
    let source = address(words.next()?)?;
    address(words.next()?)?;
    let from = port(words.next()?)?;
    port(words.next()?)?;
    words
        .next()
        .is_none()
        .then(|| SocketAddr::new(source, from))
}

/// Digits alone, no zero before them.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// What came of a connection's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There was none, or one that names nobody.
    Nobody,
    /// It names who is behind.
    Source(SocketAddr),
    /// It broke a rule, did not come in time, or the peer left.
    Broken,
}

/// Takes the header off the connection, and not a byte more; [`TIME`] at most.
pub(super) async fn take(stream: &mut TcpStream, time: Duration) -> Taken {
    tokio::time::timeout(time.min(TIME), taken(stream))
        .await
        .unwrap_or(Taken::Broken)
}

async fn taken(stream: &mut TcpStream) -> Taken {
    let mut seen = [0_u8; ENOUGH];
    let mut pause = Duration::from_millis(2);
    let (length, source) = loop {
        let Ok(count) = stream.peek(&mut seen).await else {
            return Taken::Broken;
        };
        match read(seen.get(..count).unwrap_or_default()) {
            // The peer left.
            _ if count == 0 => return Taken::Broken,
            Opening::Absent => return Taken::Nobody,
            Opening::Wrong => return Taken::Broken,
            Opening::Header { length, source } => break (length, source),
            // Looking again returns at once while there is anything: wait a little, then longer.
            Opening::More => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(250));
            }
        }
    };
    let mut left = length;
    while left > 0 {
        let most = left.min(seen.len());
        let Some(room) = seen.get_mut(..most) else {
            return Taken::Broken;
        };
        match stream.read(room).await {
            Ok(0) | Err(_) => return Taken::Broken,
            Ok(count) => left -= count,
        }
    }
    source.map_or(Taken::Nobody, Taken::Source)
}

#[cfg(test)]
mod tests;
