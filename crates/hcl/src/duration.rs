//! Durations as Vault writes them.

use std::time::Duration;

/// Parses a duration: seconds (`90`), days (`7d`), or Go's form (`1h30m`, `1.5h`, `250ms`).
///
/// `None` for anything else, negative durations and what does not fit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    // As Vault's `ParseDurationSecond`: days stand alone, and are whole.
    if let Some(days) = text.strip_suffix('d') {
        if !days.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        return days
            .parse::<u64>()
            .ok()?
            .checked_mul(86_400)
            .map(Duration::from_secs);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        total = total.checked_add(part(number, unit)?)?;
        rest = after;
    }
    Some(total)
}

/// One number with its unit, exact to the nanosecond.
fn part(number: &str, unit: &str) -> Option<Duration> {
    let nanos: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let mut total = u128::from(whole) * nanos;
    let mut scale = nanos;
    // `fraction` may hold a second dot, which is no digit.
    for digit in fraction.chars() {
        scale /= 10;
        total += u128::from(digit.to_digit(10)?) * scale;
    }
    let seconds = u64::try_from(total / 1_000_000_000).ok()?;
    let nanos = u32::try_from(total % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_vault_reads_them() {
        let cases = [
            ("90", 90_000),
            ("0", 0),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("7d", 604_800_000),
            (".5s", 500),
            ("1m.5s", 60_500),
            ("0s", 0),
        ];
        for (text, millis) in cases {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "d",
            "-1",
            "-5m",
            "5 m",
            "1x",
            "h",
            "1h2",
            "1..5s",
            ".s",
            "1d12h",
            "99999999999999999999",
            "9e3s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration(&format!("{}d", u64::MAX)), None);
        assert_eq!(parse_duration(&"9".repeat(10_000)), None);
    }
}
