//! Kubernetes Secrets: base64 under `data:`, text under `stringData:`, in YAML or JSON.
//!
//! Read line by line: a manifest in the wild has templates and comments that a YAML parser refuses, and
//! a finding needs the place of the value and not its content.

use super::assignment;
use std::ops::Range;

/// One entry of a Secret.
pub(super) struct Entry {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) encoded: bool,
}

/// The YAML document around a position, bounded on both sides.
pub(super) fn document(text: &[u8], at: usize, behind: usize, ahead: usize) -> Range<usize> {
    let before = text.get(at.saturating_sub(behind)..at).unwrap_or_default();
    let start = memchr::memmem::rfind(before, b"\n---")
        .map_or(at - before.len(), |found| at - before.len() + found + 4);
    let after = text
        .get(at..(at + ahead).min(text.len()))
        .unwrap_or_default();
    let end = memchr::memmem::find(after, b"\n---").map_or(at + after.len(), |found| at + found);
    start..end
}

/// Entries of all `data` and `stringData` maps in a document.
pub(super) fn entries(text: &[u8], document: Range<usize>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut map: Option<(usize, bool)> = None;
    let mut at = document.start;
    while at < document.end {
        let rest = text.get(at..document.end).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let indent = line.iter().take_while(|&&byte| byte == b' ').count();
        let content = line.get(indent..).unwrap_or_default().trim_ascii();
        if let Some((level, encoded)) = map {
            if !content.is_empty() && !content.starts_with(b"#") && indent <= level {
                map = None;
            } else if let Some(entry) = entry(text, at + indent, encoded) {
                entries.push(entry);
            }
        }
        if map.is_none() {
            map = heading(content).map(|encoded| (indent, encoded));
        }
        at += length + 1;
    }
    entries
}

/// `data:` or `"stringData": {`; whether its values are base64.
fn heading(content: &[u8]) -> Option<bool> {
    let content = content
        .strip_suffix(b"{")
        .unwrap_or(content)
        .trim_ascii_end();
    match content {
        b"data:" | b"\"data\":" => Some(true),
        b"stringData:" | b"\"stringData\":" => Some(false),
        _ => None,
    }
}

fn entry(text: &[u8], start: usize, encoded: bool) -> Option<Entry> {
    let quoted = matches!(text.get(start), Some(b'"' | b'\''));
    let start = start + usize::from(quoted);
    let first = text.get(start)?;
    if !(first.is_ascii_alphanumeric() || matches!(first, b'_' | b'.' | b'-')) {
        return None;
    }
    // A name of a key may begin with a dot: `.dockerconfigjson`.
    let inner = start + usize::from(matches!(first, b'.' | b'-'));
    let found = assignment::around(text, inner)?;
    let name = found.name.start.min(start)..found.name.end;
    Some(Entry {
        name,
        value: found.value,
        encoded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_end_where_their_indentation_ends() {
        let text = b"apiVersion: v1\ndata:\n  a: QUJD\n  # b: no\n  .c: REVG\nkind: Secret\nmetadata:\n  name: x\n---\ndata:\n  z: no\n";
        let at = memchr::memmem::find(text, b"kind: Secret").unwrap();
        let range = document(text, at, 1000, 1000);
        let found: Vec<_> = entries(text, range)
            .into_iter()
            .map(|entry| {
                (
                    text[entry.name].to_vec(),
                    text[entry.value].to_vec(),
                    entry.encoded,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (b"a".to_vec(), b"QUJD".to_vec(), true),
                (b".c".to_vec(), b"REVG".to_vec(), true),
            ]
        );
    }
}
