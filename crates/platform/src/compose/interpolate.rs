//! `${VARIABLE}` in values, as Compose replaces it before it reads them.
//!
//! The forms are those of the Compose specification (12-interpolation.md): `$$`, `$X`, `${X}` and
//! `${X:-d}`, `${X-d}`, `${X:?e}`, `${X?e}`, `${X:+r}`, `${X+r}`, where `d` and `r` may have
//! variables themselves. What a variable holds is not looked into again.

/// Nesting of defaults.
const MAX_DEPTH: usize = 8;
/// Longest result; what is read here are names, users and paths.
const MAX_LENGTH: usize = 16 << 10;

/// Why a value cannot be filled in. The value is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterpolationError {
    /// Not one of the forms.
    #[error("a \"$\" that begins no variable: write \"$$\" for the character")]
    Form,
    /// `${X:?…}` without X.
    #[error("a variable that the file requires is not set")]
    Required,
    /// Nested too deeply or grown too long.
    #[error("variables make too much of it")]
    Bounds,
}

/// Replaces the variables of `text`; one that is not set is empty.
///
/// # Errors
/// [`InterpolationError`].
pub fn interpolate(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, InterpolationError> {
    fill(text, environment, 0)
}

/// The same text again after Compose has replaced the variables in it.
pub(super) fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

fn fill(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, InterpolationError> {
    if depth > MAX_DEPTH {
        return Err(InterpolationError::Bounds);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let (inside, after) = braced(inside).ok_or(InterpolationError::Form)?;
            out.push_str(&expand(inside, environment, depth)?);
            rest = after;
        } else {
            let (name, after) = name(after).ok_or(InterpolationError::Form)?;
            out.push_str(&environment(name).unwrap_or_default());
            rest = after;
        }
        if out.len() > MAX_LENGTH {
            return Err(InterpolationError::Bounds);
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between the braces.
fn expand(
    inside: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, InterpolationError> {
    let (name, operator) = name(inside).ok_or(InterpolationError::Form)?;
    let value = environment(name);
    let set = |colon: bool| value.clone().filter(|value| !colon || !value.is_empty());
    let colon = operator.starts_with(':');
    let operator = operator.strip_prefix(':').unwrap_or(operator);
    let mut characters = operator.chars();
    let kind = characters.next();
    let word = characters.as_str();
    match kind {
        None if !colon => Ok(value.unwrap_or_default()),
        Some('-') => match set(colon) {
            Some(value) => Ok(value),
            None => fill(word, environment, depth + 1),
        },
        Some('?') => set(colon).ok_or(InterpolationError::Required),
        Some('+') => match set(colon) {
            Some(_) => fill(word, environment, depth + 1),
            None => Ok(String::new()),
        },
        _ => Err(InterpolationError::Form),
    }
}

/// Up to the brace that closes, and what follows it.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

/// The name at the beginning, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !legal(c)).unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end)?;
    let first = name.chars().next()?;
    (!first.is_ascii_digit()).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            "DOLLAR" => Some("p$A${A}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn every_form_is_replaced() {
        for (text, value) in [
            ("x", "x"),
            ("$A-${A}", "a-a"),
            ("$$A $${A}", "$A ${A}"),
            ("$UNSET.", "."),
            ("${UNSET:-d}${UNSET-d}", "dd"),
            ("${EMPTY:-d}${EMPTY-d}", "d"),
            ("${UNSET:-${EMPTY:-${A}}}", "a"),
            ("${A:+r}${EMPTY:+r}${EMPTY+r}", "rr"),
            ("${A:?e}${EMPTY?e}", "a"),
            ("${UNSET:-a:b-c}", "a:b-c"),
            // A value is not looked into again.
            ("${DOLLAR}", "p$A${A}"),
        ] {
            assert_eq!(interpolate(text, &environment).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_compose_refuses_is_refused() {
        for text in [
            "$", "a$ b", "${", "${A", "${}", "${1}", "$1", "${A!}", "${A:}",
        ] {
            let refused = interpolate(text, &environment).unwrap_err();
            assert_eq!(refused, InterpolationError::Form, "{text}");
        }
        for text in ["${UNSET:?hunter2}", "${EMPTY:?}", "${UNSET?}"] {
            let refused = interpolate(text, &environment).unwrap_err();
            assert_eq!(refused, InterpolationError::Required, "{text}");
            assert!(!refused.to_string().contains("hunter2"));
        }
        let deep = "${U:-".repeat(20) + &"}".repeat(20);
        let refused = interpolate(&deep, &environment).unwrap_err();
        assert_eq!(refused, InterpolationError::Bounds);
    }

    proptest! {
        #[test]
        fn escaped_text_comes_back(text in "[a$\\{\\}:-]{0,20}") {
            prop_assert_eq!(interpolate(&escape(&text), &environment).unwrap(), text);
        }

        #[test]
        fn foreign_text_never_panics(text in "[$\\{\\}A:?+\\-\u{e9} ]{0,30}") {
            let _ = interpolate(&text, &environment);
        }
    }
}
