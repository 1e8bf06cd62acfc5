//! Durations as Vault takes and prints them.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt::{self, Write as _};
use std::time::Duration;

/// A duration: whole seconds as a number or text (`3600`, `"3600"`), Go's notation (`"1h30m"`,
/// `"1.5h"`, `"100ms"`), or with days (`"2d"`, `"2d12h"`). Empty means zero. Negative is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(pub Duration);

impl Ttl {
    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0.as_secs()
    }

    /// Whether it is zero, which most callers read as "use the default".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Reads the text form; `None` when it is none or negative.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        SignedTtl::parse(text).and_then(SignedTtl::not_negative)
    }
}

/// As [`Ttl`], but may be negative, which some fields (`delete_version_after`) read as "never".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignedTtl {
    /// Below zero.
    pub negative: bool,
    /// The distance from zero.
    pub length: Duration,
}

impl SignedTtl {
    /// Reads the text form; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if text.is_empty() {
            return Some(Self::default());
        }
        if digits.bytes().all(|b| b.is_ascii_digit()) {
            Self::from_seconds(negative, digits.parse().ok()?)
        } else {
            Some(Self::new(negative, parts(digits)?))
        }
    }

    /// `None` beyond Go's limit of 292 years, so that adding two of them cannot overflow.
    fn from_seconds(negative: bool, seconds: u64) -> Option<Self> {
        let within = seconds <= u64::MAX / 2 / 1_000_000_000;
        within.then(|| Self::new(negative, Duration::from_secs(seconds)))
    }

    const fn new(negative: bool, length: Duration) -> Self {
        Self {
            negative: negative && !length.is_zero(),
            length,
        }
    }

    fn not_negative(self) -> Option<Ttl> {
        (!self.negative).then_some(Ttl(self.length))
    }
}

/// `1h30m`, `1.5h`, `2d`: numbers with units, one after the other. Integer arithmetic throughout,
/// so that nothing is rounded; the limit is Go's, 2⁶³ nanoseconds (292 years).
fn parts(mut rest: &str) -> Option<Duration> {
    let mut total = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total = total.checked_add(scaled(number, unit_nanos(unit)?)?)?;
        rest = tail;
    }
    i64::try_from(total).ok()?;
    Some(Duration::from_nanos(total))
}

/// `number` (with at most one dot) times `unit`.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.checked_add(place.checked_mul(u64::from(digit - b'0'))?)?;
    }
    Some(total)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    })
}

/// The duration as Go prints it, which is how Vault answers: `0s`, `1m30s`, `768h0m0s`, `1.5s`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 && nanos > 0 {
        return match nanos {
            1_000_000.. => format!(
                "{}ms",
                with_fraction(nanos / 1_000_000, nanos % 1_000_000, 6)
            ),
            1_000.. => format!("{}µs", with_fraction(nanos / 1_000, nanos % 1_000, 3)),
            _ => format!("{nanos}ns"),
        };
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let mut out = String::new();
    if hours > 0 {
        let _infallible = write!(out, "{hours}h");
    }
    if seconds >= 60 {
        let _infallible = write!(out, "{minutes}m");
    }
    let _infallible = write!(out, "{}s", with_fraction(seconds % 60, nanos, 9));
    out
}

fn with_fraction(whole: impl fmt::Display, fraction: u32, places: usize) -> String {
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = format!("{fraction:0places$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

struct Read;

const EXPECTED: &str = "a duration such as 3600, \"1h30m\" or \"2d\"";

impl<'de> Visitor<'de> for Read {
    type Value = SignedTtl;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(EXPECTED)
    }

    fn visit_unit<E: Error>(self) -> Result<SignedTtl, E> {
        Ok(SignedTtl::default())
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<SignedTtl, E> {
        SignedTtl::from_seconds(false, seconds)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(seconds), &EXPECTED))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<SignedTtl, E> {
        SignedTtl::from_seconds(seconds < 0, seconds.unsigned_abs())
            .ok_or_else(|| E::invalid_value(Unexpected::Signed(seconds), &EXPECTED))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SignedTtl, E> {
        SignedTtl::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Other("text"), &EXPECTED))
    }
}

impl<'de> Deserialize<'de> for SignedTtl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let signed = SignedTtl::deserialize(deserializer)?;
        signed.not_negative().ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Other("negative"), &"a duration of zero or more")
        })
    }
}
