//! RFC 3339 in a fraction of the time a formatting library takes; every record needs one.

/// `2026-11-23T20:29:36.687113348Z` from nanoseconds since the Unix epoch. Always nine digits, so
/// that times sort as text.
pub(super) fn rfc3339(nanos: u64) -> [u8; 30] {
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let mut out = *b"0000-00-00T00:00:00.000000000Z";
    for (at, width, value) in [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
        (20, 9, nanos),
    ] {
        let mut rest = value;
        for digit in out.iter_mut().skip(at).take(width).rev() {
            // A remainder of ten fits a byte.
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
    }
    out
}

/// Year, month and day of a day since 1970, by counting in eras of 400 years that begin in March,
/// so that the leap day comes last.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let next_year = if month <= 2 { 1 } else { 0 };
    (year_of_era + era * 400 + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;
    use proptest::prelude::*;
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    proptest! {
        #[test]
        fn agrees_with_the_time_crate(nanos: u64) {
            let ours = rfc3339(nanos);
            let ours = std::str::from_utf8(&ours).unwrap();
            let theirs = OffsetDateTime::parse(ours, &Rfc3339).unwrap();
            prop_assert_eq!(theirs.unix_timestamp_nanos(), i128::from(nanos));
        }
    }
}
