//! Which characters a name may hold.
//!
//! Refused are those that cannot be seen, those that change how their neighbours are read, and
//! those that look like, or are turned by a compatibility normalisation into, one of the four
//! characters that carry structure: `/`, `\`, `.` and `%`.

use unicode_normalization::char::decompose_compatible;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Why this character may not stand in a name, or `None` if it may.
pub(super) fn refusal(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("backslash"),
        ' '..='~' => None,
        _ if c.is_ascii() => Some("control character"),
        _ => refusal_beyond_ascii(c),
    }
}

fn refusal_beyond_ascii(c: char) -> Option<&'static str> {
    use GeneralCategory as G;
    match c.general_category() {
        G::Control => return Some("control character"),
        G::Format => return Some("format character"),
        G::SpaceSeparator | G::LineSeparator | G::ParagraphSeparator => {
            return Some("space other than U+0020");
        }
        // Their normal form is not settled yet, so "NFC" would mean nothing.
        G::Unassigned | G::PrivateUse | G::Surrogate => return Some("unassigned character"),
        _ => {}
    }
    if is_invisible(c) {
        return Some("invisible character");
    }
    if looks_like_structure(c) {
        return Some("lookalike of a separator");
    }
    None
}

/// Default-ignorable code points that are not in the format category.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{034F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}'
        | '\u{E0100}'..='\u{E01EF}')
}

fn looks_like_structure(c: char) -> bool {
    // Fraction slash, division slash, set minus, and the two big solidi have no decomposition.
    if matches!(
        c,
        '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29F5}' | '\u{29F8}' | '\u{29F9}'
    ) {
        return true;
    }
    let mut found = false;
    decompose_compatible(c, |part| found |= matches!(part, '/' | '\\' | '.' | '%'));
    found
}
