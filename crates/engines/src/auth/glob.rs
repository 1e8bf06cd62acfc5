//! The one pattern that login methods know: `*` stands for any characters, also for none.

/// Whether a pattern means a text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule in one line, for comparison: slow, and by recursion.
    fn model(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                (0..=text.len()).any(|skip| model(rest, text.get(skip..).unwrap()))
            }
            (Some((one, rest)), Some((other, below))) => one == other && model(rest, below),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_as_its_model(pattern in "[ab*]{0,6}", text in "[ab*]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), model(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
