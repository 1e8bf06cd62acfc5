//! Patterns of routes ([`super::Route::pattern`]) and the paths they match.

use crate::path::Path;

/// Whether the pattern takes the segment of this number in any case.
pub(crate) fn folds(pattern: &str, segment: usize) -> bool {
    pattern
        .split('/')
        .nth(segment)
        .is_some_and(|part| part.starts_with('~'))
}

/// Matches a pattern; the captures in order, or `None`.
pub(super) fn capture<'a>(
    pattern: &'static str,
    path: &'a Path,
) -> Option<Vec<(&'static str, &'a str)>> {
    let mut rest = path.as_str();
    let mut captures = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if let Some(name) = part.strip_prefix('*') {
            let behind = pattern
                .split_once("*")
                .and_then(|(_, rest)| rest.split_once('/'));
            let rest = match behind {
                Some((_, behind)) => rest.strip_suffix(behind)?.strip_suffix('/')?,
                None => rest,
            };
            captures.push((name, rest));
            return Some(captures);
        }
        if rest.is_empty() {
            return None;
        }
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        rest = after;
        if let Some(name) = part.strip_prefix([':', '~']) {
            captures.push((name, segment));
        } else if part != segment {
            return None;
        }
    }
    rest.is_empty().then_some(captures)
}
