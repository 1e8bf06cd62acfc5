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

/// Two locations, the second inside the first. An offset that had no location of its own is one in the
/// first.
pub(super) fn join(outer: &str, inner: &str) -> String {
    let offset = || inner.strip_prefix("byte ")?.parse().ok();
    match (outer.is_empty(), inner.is_empty()) {
        (true, _) => inner.to_owned(),
        (_, true) => outer.to_owned(),
        _ => match offset() {
            Some(offset) => at(outer, offset),
            None => format!("{outer}: {inner}"),
        },
    }
}

/// An offset inside a location.
pub(super) fn at(location: &str, offset: u64) -> String {
    if location.is_empty() {
        return format!("byte {offset}");
    }
    format!("{location}, byte {offset}")
}

#[cfg(test)]
mod tests {
    use super::{at, join};

    #[test]
    fn an_offset_belongs_to_what_it_is_put_into() {
        assert_eq!(
            join("app.tar", &at("app.env", 12)),
            "app.tar: app.env, byte 12"
        );
        assert_eq!(join("app.env", &at("", 12)), "app.env, byte 12");
        assert_eq!(join("", &at("", 12)), "byte 12");
        assert_eq!(join("a.tar", "byte order"), "a.tar: byte order");
        assert_eq!(join("a.tar", ""), "a.tar");
    }
}
