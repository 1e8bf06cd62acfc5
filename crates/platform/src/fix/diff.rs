//! A unified diff of edits, for people (values masked) or for `patch` (as it is).

use super::edit::{Edits, Piece, line_of, next_line};
use std::fmt::Write as _;
use std::ops::Range;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Bytes of the old text that are not to be shown, and what is shown instead.
pub type Mask = (Range<usize>, String);

/// A changed stretch: whole lines, old and new.
struct Change {
    old: Range<usize>,
    new: Vec<String>,
}

/// The diff of one file; `masks` empty shows everything.
#[must_use]
pub fn unified(path: &str, text: &str, edits: &Edits, masks: &[Mask]) -> String {
    if edits.is_empty() {
        return String::new();
    }
    let starts = line_starts(text);
    let by_lines = edits.by_lines(text);
    let edits = match by_lines.apply(text) == edits.apply(text) {
        true => &by_lines,
        false => edits,
    };
    let changes = changes(text, edits, masks, &starts);
    if changes.is_empty() {
        return String::new();
    }
    let mut out = format!("--- a/{path}\n+++ b/{path}\n");
    let mut shift: isize = 0;
    let mut group: Vec<&Change> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        group.push(change);
        let far = changes
            .get(at + 1)
            .is_none_or(|next| next.old.start > change.old.end + 2 * CONTEXT);
        if far {
            hunk(&mut out, text, &starts, &group, masks, &mut shift);
            group.clear();
        }
    }
    out
}

fn line_starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    // A text that ends with its last line's end has no line behind it.
    if starts.last() == Some(&text.len()) {
        starts.pop();
    }
    starts
}

fn changes(text: &str, edits: &Edits, masks: &[Mask], starts: &[usize]) -> Vec<Change> {
    let number = |at: usize| {
        starts
            .partition_point(|start| *start <= at)
            .saturating_sub(1)
    };
    let after = |span: &Range<usize>| {
        let mut new = String::new();
        for piece in edits.pieces(span.clone()) {
            match piece {
                Piece::Kept(range) => new.push_str(&shown(text, range, masks)),
                Piece::New(text) => new.push_str(text),
            }
        }
        new
    };
    let line_at = |at: usize| match at < text.len() {
        true => number(at),
        false => starts.len(),
    };
    let of = |span: Range<usize>| Change {
        old: line_at(span.start)..line_at(span.end),
        new: after(&span)
            .split_inclusive('\n')
            .map(str::to_owned)
            .collect(),
    };
    let spans = spans(text, edits, after);
    let changes = spans.into_iter().map(of);
    // What is written as it was is no change, and `patch` refuses a hunk without one.
    changes
        .map(|change| trimmed(change, text, masks, starts))
        .filter(|change| !(change.old.is_empty() && change.new.is_empty()))
        .collect()
}

/// The stretches of old lines that change. What stands for one of them is whole lines too: else the
/// line behind it belongs to it.
fn spans(text: &str, edits: &Edits, after: impl Fn(&Range<usize>) -> String) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (range, new) in edits.sorted() {
        // Whole lines that go or come touch no other line.
        let whole = range.start == line_of(text, range.start).start
            && (new.is_empty() || new.ends_with('\n'))
            && (range.is_empty() || text.get(range.clone()).is_some_and(|s| s.ends_with('\n')));
        let from = line_of(text, range.start).start;
        let to = if whole {
            range.end
        } else {
            next_line(text, range.end)
        };
        match spans.last_mut() {
            Some(last) if from <= last.end => last.end = last.end.max(to),
            _ => spans.push(from..to),
        }
    }
    let mut closed: Vec<Range<usize>> = Vec::new();
    for mut span in spans {
        if let Some(last) = closed.pop_if(|last| span.start <= last.end) {
            span = last.start..last.end.max(span.end);
        }
        let open = |span: &Range<usize>| {
            let new = after(span);
            !new.is_empty() && !new.ends_with('\n') && span.end < text.len()
        };
        while open(&span) {
            span.end = next_line(text, span.end);
        }
        closed.push(span);
    }
    closed
}

/// Without lines at either end that are the same before and after.
fn trimmed(mut change: Change, text: &str, masks: &[Mask], starts: &[usize]) -> Change {
    let old = |n: usize| line(text, starts, n, masks);
    while !change.old.is_empty() && change.new.first() == Some(&old(change.old.start)) {
        change.old.start += 1;
        change.new.remove(0);
    }
    while !change.old.is_empty() && change.new.last() == Some(&old(change.old.end - 1)) {
        change.old.end -= 1;
        change.new.pop();
    }
    change
}

/// One old line with its end, masked.
fn line(text: &str, starts: &[usize], number: usize, masks: &[Mask]) -> String {
    let Some(&from) = starts.get(number) else {
        return String::new();
    };
    let to = starts.get(number + 1).copied().unwrap_or(text.len());
    shown(text, from..to, masks)
}

/// Bytes of the old text with what is masked in them replaced. A secret of several lines is
/// masked in each.
fn shown(text: &str, range: Range<usize>, masks: &[Mask]) -> String {
    let mut out = String::new();
    let mut at = range.start;
    for (mask, name) in masks {
        let (from, to) = (mask.start.max(at), mask.end.min(range.end));
        if from >= to {
            continue;
        }
        out.push_str(text.get(at..from).unwrap_or_default());
        let hidden = text.get(from..to).unwrap_or_default();
        // Line ends are kept, so that lines stay lines.
        for (index, piece) in hidden.split_inclusive('\n').enumerate() {
            let body = piece.trim_end_matches(['\r', '\n']);
            if !body.is_empty() {
                let dots = if index == 0 { name.as_str() } else { "…" };
                let _ = write!(out, "‹{dots}›");
            }
            out.push_str(piece.get(body.len()..).unwrap_or_default());
        }
        at = to;
    }
    out.push_str(text.get(at..range.end).unwrap_or_default());
    out
}

fn hunk(
    out: &mut String,
    text: &str,
    starts: &[usize],
    group: &[&Change],
    masks: &[Mask],
    shift: &mut isize,
) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return;
    };
    let from = first.old.start.saturating_sub(CONTEXT);
    let to = (last.old.end + CONTEXT).min(starts.len());
    let mut body = String::new();
    let mut put = |mark: char, line: &str| {
        body.push(mark);
        body.push_str(line);
        if !line.ends_with('\n') {
            body.push_str("\n\\ No newline at end of file\n");
        }
    };
    let mut at = from;
    let (mut removed, mut added) = (0_usize, 0_usize);
    for change in group {
        for n in at..change.old.start {
            put(' ', &line(text, starts, n, masks));
        }
        for n in change.old.clone() {
            put('-', &line(text, starts, n, masks));
        }
        for new in &change.new {
            put('+', new);
        }
        removed += change.old.len();
        added += change.new.len();
        at = change.old.end;
    }
    for n in at..to {
        put(' ', &line(text, starts, n, masks));
    }
    let old = to - from;
    let new = old - removed + added;
    let begin = isize::try_from(from).unwrap_or(0) + *shift;
    *shift += isize::try_from(added).unwrap_or(0) - isize::try_from(removed).unwrap_or(0);
    // An empty stretch is named by the line before it.
    let at_old = if old == 0 { from } else { from + 1 };
    let at_new = if new == 0 { begin } else { begin + 1 };
    let _ = writeln!(out, "@@ -{at_old},{old} +{at_new},{new} @@");
    out.push_str(&body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn a_mask_hides_the_old_value_and_keeps_lines() {
        let text =
            "a: 1\r\nkey: hunter2 # c\r\nother: hunter3\r\nm: |\r\n  one\r\n  two\r\nz: 1\r\n";
        let mut edits = Edits::default();
        let at = text.find("hunter2").unwrap();
        edits.replace(at..at + 7, "/run/secrets/key");
        let other = text.find("hunter3").unwrap();
        let block = text.find("one").unwrap();
        let masks = [
            (at..at + 7, "key".to_owned()),
            (other..other + 7, "secret".to_owned()),
            (block..block + 10, "m".to_owned()),
        ];
        let diff = unified("c.yml", text, &edits, &masks);
        assert_eq!(
            diff,
            "--- a/c.yml\n+++ b/c.yml\n@@ -1,5 +1,5 @@\n a: 1\r\n-key: ‹key› # c\r\n\
             +key: /run/secrets/key # c\r\n other: ‹secret›\r\n m: |\r\n   ‹m›\r\n"
        );
    }

    #[test]
    fn what_is_written_as_it_was_is_no_change() {
        let text = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl";
        let mut edits = Edits::default();
        edits.replace(2..3, "b");
        assert_eq!(unified("f", text, &edits, &[]), "");
        edits.replace(22..23, "x");
        assert_eq!(
            unified("f", text, &edits, &[]),
            "--- a/f\n+++ b/f\n@@ -9,4 +9,4 @@\n i\n j\n k\n-l\n\\ No newline at end of file\n\
             +x\n\\ No newline at end of file\n"
        );
    }

    fn patched(text: &str, diff: &str) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        std::fs::write(&file, text).unwrap();
        let mut patch = Command::new("patch")
            .args(["-p1", "-s", "--binary", "-f"])
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("patch is installed");
        patch
            .stdin
            .take()
            .unwrap()
            .write_all(diff.as_bytes())
            .unwrap();
        assert!(patch.wait().unwrap().success(), "{diff}");
        std::fs::read(&file).unwrap_or_default()
    }

    #[test]
    fn what_stands_for_lines_takes_the_next_one_when_it_has_no_end() {
        let text = "a\n\r\n\n\r\n\na";
        let mut edits = Edits::default();
        assert!(edits.remove(5..8) && edits.replace(1..4, "x\nxy"));
        let new = edits.apply(text).unwrap();
        assert_eq!(
            patched(text, &unified("f", text, &edits, &[])),
            new.as_bytes()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 32, ..ProptestConfig::default() })]
        #[test]
        fn patch_makes_the_new_text_of_the_old_one(
            text in "([ab]{0,3}\r?\n){1,30}[ab]{0,3}",
            wanted in prop::collection::vec((0..90_usize, 0..6_usize, "[xy\n]{0,4}"), 1..6),
        ) {
            let mut edits = Edits::default();
            for (from, length, new) in wanted {
                let to = (from + length).min(text.len());
                if from <= to {
                    edits.replace(from..to, new);
                }
            }
            let new = edits.apply(&text).unwrap();
            prop_assume!(new != text && !new.is_empty());
            let diff = unified("f", &text, &edits, &[]);
            prop_assert_eq!(patched(&text, &diff), new.into_bytes());
        }
    }
}
