//! Moments and signed numbers.

use crate::clock::Time;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use std::fmt;

/// A whole number, below zero too: `-1` or `"-1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(pub i64);

/// A moment: RFC 3339, or whole seconds since 1970 as a number or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Time);

struct ReadWhole;

impl Visitor<'_> for ReadWhole {
    type Value = Whole;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        let number = i64::try_from(number);
        number
            .map(Whole)
            .map_err(|_| E::invalid_value(Unexpected::Other("a number"), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Whole, E> {
        let number = text.trim().parse();
        number
            .map(Whole)
            .map_err(|_| E::invalid_value(Unexpected::Other("text"), &self))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadWhole)
    }
}

struct ReadMoment;

impl Visitor<'_> for ReadMoment {
    type Value = Moment;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a moment: RFC 3339, or seconds since 1970")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Moment, E> {
        let nanos = seconds.checked_mul(1_000_000_000);
        nanos
            .map(|nanos| Moment(Time::from_nanos(nanos)))
            .ok_or_else(|| E::invalid_value(Unexpected::Other("a number"), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
        let text = text.trim();
        if let Ok(seconds) = text.parse() {
            return self.visit_u64(seconds);
        }
        Time::parse(text)
            .map(Moment)
            .ok_or_else(|| E::invalid_value(Unexpected::Other("text"), &self))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadMoment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_moments_are_read_as_numbers_and_as_text() {
        let whole = |value| serde_json::from_value::<Whole>(value).ok();
        assert_eq!(whole(json!(-1)), Some(Whole(-1)));
        assert_eq!(whole(json!("7")), Some(Whole(7)));
        for bad in [
            json!("x"),
            json!(1.5),
            json!(u64::MAX),
            json!([1]),
            json!(""),
        ] {
            assert_eq!(whole(bad), None);
        }
        let moment = |value| serde_json::from_value::<Moment>(value).ok();
        let of = |seconds: u64| Some(Moment(Time::from_nanos(seconds * 1_000_000_000)));
        assert_eq!(moment(json!(1_893_456_000)), of(1_893_456_000));
        assert_eq!(moment(json!("1893456000")), of(1_893_456_000));
        assert_eq!(moment(json!("2030-01-01T00:00:00Z")), of(1_893_456_000));
        assert_eq!(
            moment(json!("2030-01-01T01:00:00+01:00")),
            of(1_893_456_000)
        );
        for bad in [
            json!("x"),
            json!(-1),
            json!(u64::MAX),
            json!(""),
            json!("1960-01-01T00:00:00Z"),
        ] {
            assert_eq!(moment(bad), None);
        }
    }
}
