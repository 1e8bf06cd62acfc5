//! Two small questions that every editor here asks of a text: on which line, and under what name.

/// The line of a byte of `text`, from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// A name as variables and secrets have it: upper case, and `_` for what no variable has.
pub(super) fn variable_name(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    text.chars().map(plain).collect()
}
