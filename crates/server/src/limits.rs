//! Everything a peer may cost before anybody knows who it is, in one table with the reasons.
//!
//! The names are those of the configuration (Vault's where Vault has one, in a `listener` block);
//! the documentation is made from the same table.

use std::time::Duration;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// One row of the table.
pub struct Budget {
    /// Name in the configuration.
    pub name: &'static str,
    /// What its number counts.
    pub unit: Unit,
    /// Smallest and largest sensible value; outside of it the configuration is refused.
    pub range: (u64, u64),
    /// What it bounds, and why this default.
    pub why: &'static str,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

impl Budget {
    /// The value in `limits`.
    #[must_use]
    pub fn get(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }

    /// Changes it; `false` when `value` is out of range.
    #[must_use]
    pub fn set(&self, limits: &mut Limits, value: u64) -> bool {
        let fits = (self.range.0..=self.range.1).contains(&value);
        if fits {
            (self.set)(limits, value);
        }
        fits
    }
}

/// Budgets of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of a request with a token or from an admin of the local socket.
    pub body: usize,
    /// Of a request that shows no token.
    pub anonymous_body: usize,
    /// All bodies of the listener together, beyond the first [`Self::FREE_BODY`] of each.
    pub body_pool: usize,
    /// Request line and headers.
    pub head_bytes: usize,
    /// Connections of the listener.
    pub connections: usize,
    /// Connections of one address (IPv6: of one /64).
    pub connections_per_peer: usize,
    /// Requests at work at once.
    pub requests: usize,
    /// HTTP/2 streams of a connection.
    pub streams: u32,
    /// From the connection to the end of the TLS handshake, and from the first to the last byte of a head.
    pub head_time: Duration,
    /// From the head to the last byte of the body.
    pub body_time: Duration,
    /// Of a connection between two requests.
    pub idle_time: Duration,
    /// How long a client may take none of an answer's bytes.
    pub write_time: Duration,
    /// Of the work itself.
    pub request_time: Duration,
    /// What anybody may ask here.
    pub open: cofferdam_core::Open,
}

impl Limits {
    /// Headers of a request. Fixed: no client of Vault's API sends a dozen.
    pub const HEADERS: usize = 64;
    /// Query parameters of a request. Fixed.
    pub const PARAMETERS: usize = 64;
    /// Bytes of a body that do not count against the pool: small requests never wait for large ones.
    pub const FREE_BODY: usize = 16 << 10;

    /// Changes at work at once, of [`Self::requests`]: the rest is for reading.
    #[must_use]
    pub const fn changes(&self) -> usize {
        self.requests - self.requests / 4
    }

    /// Of those, changes that show no token.
    #[must_use]
    pub const fn strangers(&self) -> usize {
        self.requests.div_ceil(2)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 32 << 20,
            anonymous_body: 1 << 20,
            body_pool: 64 << 20,
            head_bytes: 32 << 10,
            connections: 4096,
            connections_per_peer: 1024,
            requests: 512,
            streams: 100,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(300),
            write_time: Duration::from_secs(30),
            request_time: Duration::from_secs(90),
            open: cofferdam_core::Open::default(),
        }
    }
}

/// Numbers come from a bounded range of the table, so nothing is cut off.
fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

macro_rules! budget {
    ($name:literal, bytes $field:ident, $range:expr, $why:literal) => {
        budget!(@ $name, Bytes, $range, $why, |limits| limits.$field as u64, |limits, value| limits.$field = size(value))
    };
    ($name:literal, count $field:ident, $range:expr, $why:literal) => {
        budget!(@ $name, Count, $range, $why, |limits| limits.$field as u64, |limits, value| limits.$field = size(value))
    };
    ($name:literal, seconds $field:ident, $range:expr, $why:literal) => {
        budget!(@ $name, Seconds, $range, $why, |limits| limits.$field.as_secs(),
            |limits, value| limits.$field = Duration::from_secs(value))
    };
    (@ $name:literal, $unit:ident, $range:expr, $why:literal, $get:expr, $set:expr) => {
        Budget { name: $name, unit: Unit::$unit, range: $range, why: $why, get: $get, set: $set }
    };
}

const MIB: u64 = 1 << 20;

/// The table.
pub const TABLE: &[Budget] = &[
    budget!("max_request_size", bytes body, (1024, 1024 * MIB), "body of a request that shows a token; Vault's default"),
    budget!("max_anonymous_request_size", bytes anonymous_body, (1024, 32 * MIB),
        "body of a request without a token: logins, unseal and unwrap need far less"),
    budget!("max_body_memory", bytes body_pool, (MIB, 16384 * MIB),
        "all bodies of the listener together, beyond the first 16 KiB of each and counted twice because buffers grow: one of the largest, or many small"),
    budget!("max_header_bytes", bytes head_bytes, (8192, MIB),
        "request line and headers together: the longest legal path is 4 KiB; more than 64 headers are refused anyway"),
    budget!("max_connections", count connections, (16, 1_000_000),
        "connections of the listener; when full, the one idle for longest makes room"),
    budget!("max_connections_per_peer", count connections_per_peer, (1, 1_000_000),
        "connections of one address (IPv6: one /64); when full, the peer's own longest idle one makes room"),
    budget!("max_requests_in_flight", count requests, (1, 100_000),
        "requests at work at once, so that cancelled ones cannot pile up; further ones wait. Writes take at most three quarters, writes without a token half: reads and health go on"),
    budget!("http_read_header_timeout", seconds head_time, (1, 600), "TLS handshake, and head of a request, each; Vault's default"),
    budget!("http_read_timeout", seconds body_time, (1, 3600), "whole body of a request; Vault's default"),
    budget!("http_write_timeout", seconds write_time, (1, 3600), "how long a client may take nothing of its answer"),
    budget!("http_idle_timeout", seconds idle_time, (1, 86_400), "between two requests of a connection; Vault's default"),
    budget!("max_request_duration", seconds request_time, (1, 3600),
        "work on a request; a write goes on to its end, its client is told that it is not known how it ended; Vault's default"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_lies_in_its_own_range_and_can_be_set() {
        for budget in TABLE {
            let mut limits = Limits::default();
            let default = budget.get(&limits);
            assert!(budget.set(&mut limits, default), "{}", budget.name);
            assert_eq!(limits, Limits::default());
            assert!(!budget.set(&mut limits, budget.range.1 + 1));
            assert!(budget.set(&mut limits, budget.range.0));
            assert_eq!(budget.get(&limits), budget.range.0);
        }
    }
}
