//! How hard a value is to guess, in bits. An estimate, on the low side.
//!
//! Each byte counts what its alphabet says (digits, letters of one case, of both, …), unless it could be
//! foretold: letters of something like a word count two bits, what repeats or goes on in a row
//! counts half a bit. It knows no list of passwords: `hunter2` is weak for being short.

use std::collections::HashSet;

/// Of a letter in a word of a language (Shannon 1951 measured less).
const LETTER: f64 = 2.0;
/// Of a byte that follows from those before.
const FORETOLD: f64 = 0.5;
/// Shortest run of letters that may be a word.
const SHORTEST_WORD: usize = 4;

/// The commonest pairs of letters of English and its neighbours. Random letters hit one in five.
const PAIRS: &str = "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha \
    as ou io le ve co me de hi ri ro ic ne ea ra ce li ch ll be ma si om ur ca el ta la ns di fo ho \
    pe ec pr no ct us ac ot il tr ly nc et ut ss so rs un lo wa ge ie wh ee wi em ad ol rt po we na \
    ul ni ts mo ow pa im mi ai sh ir su id os iv ia am fi ci vi pl ig tu ev ld ry mp fe bl ab gh ty \
    op sa ay ex ke fr oo av ag if ap gr od bo sp rd do uc bu ei ov by rm ep tt oc fa ef cu rn sc gi \
    da yo cr cl du ga qu ue ff ba ey ls va um pp ua up lu go ht ru ug ds lt pi rc rr eg au ck ew";

/// Estimated bits of the whole value.
#[must_use]
pub fn bits(value: &[u8]) -> u32 {
    let total: f64 = of_bytes(value).iter().sum();
    total as u32
}

/// Estimated bits of each byte.
pub(super) fn of_bytes(value: &[u8]) -> Vec<f64> {
    let full = alphabet(value).log2();
    let mut each = vec![full; value.len()];
    for (start, end) in words(value) {
        for bits in each.get_mut(start..end).unwrap_or_default() {
            *bits = bits.min(LETTER);
        }
    }
    let mut seen = HashSet::new();
    let mut before: Option<i16> = None;
    for (at, pair) in value.windows(2).enumerate() {
        let (&[a, b], next) = (pair, at + 1) else {
            continue;
        };
        let step = i16::from(b) - i16::from(a);
        let goes_on = before == Some(step) && step.abs() <= 1;
        before = Some(step);
        let repeats = value
            .get(next.wrapping_sub(2)..=next)
            .is_some_and(|three| !seen.insert(three.to_vec()));
        if (goes_on || repeats)
            && let Some(bits) = each.get_mut(next)
        {
            *bits = bits.min(FORETOLD);
        }
    }
    each
}

/// How many different bytes the value could be made of, by the kinds it has.
fn alphabet(value: &[u8]) -> f64 {
    if value.iter().all(u8::is_ascii_digit) {
        return 10.0;
    }
    let hex = |lower: bool| {
        value.iter().all(|byte| match byte {
            b'0'..=b'9' | b'-' => true,
            b'a'..=b'f' => lower,
            b'A'..=b'F' => !lower,
            _ => false,
        })
    };
    if hex(true) || hex(false) {
        return 16.0;
    }
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    let mut size = 0.0;
    for (is_there, more) in [
        (has(u8::is_ascii_digit), 10.0),
        (has(u8::is_ascii_lowercase), 26.0),
        (has(u8::is_ascii_uppercase), 26.0),
        (has(u8::is_ascii_punctuation), 16.0),
    ] {
        if is_there {
            size += more;
        }
    }
    // White space and other bytes: text of some language, or binary. Either is counted low.
    if value.iter().any(|byte| !byte.is_ascii_graphic()) {
        size += 16.0;
    }
    f64::max(size, 2.0)
}

/// Runs of letters that look like words.
fn words(value: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    for at in 0..=value.len() {
        let goes_on = |at: usize| {
            let (Some(here), before) = (value.get(at), at.checked_sub(1)) else {
                return false;
            };
            let before = before.filter(|_| at > start).and_then(|at| value.get(at));
            here.is_ascii_alphabetic()
                // A capital begins a word, unless all of it is in capitals.
                && before.is_none_or(|before| !(before.is_ascii_lowercase() && here.is_ascii_uppercase()))
        };
        if goes_on(at) {
            continue;
        }
        if value.get(start..at).is_some_and(is_word) {
            found.push((start, at));
        }
        start = if value.get(at).is_some_and(u8::is_ascii_alphabetic) {
            at
        } else {
            at + 1
        };
    }
    found
}

fn is_word(run: &[u8]) -> bool {
    if run.len() < SHORTEST_WORD {
        return false;
    }
    let common = run.windows(2).filter(|pair| is_common(pair)).count();
    common * 2 >= run.len() - 1
}

fn is_common(pair: &[u8]) -> bool {
    let &[a, b] = pair else { return false };
    let pair = [a.to_ascii_lowercase(), b.to_ascii_lowercase()];
    PAIRS
        .as_bytes()
        .split(u8::is_ascii_whitespace)
        .any(|known| known == pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_make_up_counts_little() {
        for (value, most) in [
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 25),
            ("12345678901234567890", 45),
            ("abcdefghijklmnopqrstuvwxyz", 25),
            ("abcabcabcabcabcabcabcabc", 25),
            ("correct horse battery staple", 75),
            ("CorrectHorseBatteryStaple", 60),
            ("production-database-password", 75),
        ] {
            let bits = bits(value.as_bytes());
            assert!(bits <= most, "{value}: {bits}");
        }
    }

    #[test]
    fn what_machines_make_counts_nearly_what_it_holds() {
        for (value, least) in [
            ("9f86d081884c7d659a2feaa0c55ad015", 115),
            ("k3Tq9ZpL2vXw7RbN", 85),
            ("550e8400-e29b-41d4-a716-446655440000", 110),
            ("Vh7Qk2Zp-9sRt_4XcB1nMw8", 120),
        ] {
            let bits = bits(value.as_bytes());
            assert!(bits >= least, "{value}: {bits}");
        }
    }
}
