//! Locations are made of foreign names; this makes them safe to print.

/// Longest location kept, in characters.
const LONGEST: usize = 400;

/// `text` without control characters, terminal escapes and invisible direction marks, and cut in the
/// middle when it is very long.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || invisible(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    let count = out.chars().count();
    if count > LONGEST {
        let head: String = out.chars().take(LONGEST / 2).collect();
        let tail: String = out.chars().skip(count - LONGEST / 2).collect();
        return format!("{head}…{tail}");
    }
    out
}

/// Characters that change how the rest of a line looks without being seen (Unicode category Cf and
/// line separators, as far as they are used for that).
const fn invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Two locations, the second inside the first.
pub(super) fn join(outer: &str, inner: &str) -> String {
    match (outer.is_empty(), inner.is_empty()) {
        (true, _) => inner.to_owned(),
        (_, true) => outer.to_owned(),
        _ => format!("{outer}: {inner}"),
    }
}

/// An offset inside a location.
pub(super) fn at(location: &str, offset: u64) -> String {
    if location.is_empty() {
        return format!("byte {offset}");
    }
    format!("{location}, byte {offset}")
}
