//! Tables for people: columns four spaces apart, the heading underlined, `n/a` for nothing.

use cofferdam_api::Tree;
use cofferdam_secret::{Buffer, Secret};

const GAP: &str = "    ";

/// Rows in aligned columns; the first row is the heading where `heading` says so.
pub(crate) fn columns(rows: &[Vec<Secret<String>>], heading: bool) -> Secret<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| shown(cell).chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = Buffer::with_capacity(1024);
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<&str> = row.iter().map(shown).collect();
        push_row(&mut out, &cells, &widths);
        if index == 0 && heading {
            let lines: Vec<String> = cells
                .iter()
                .map(|cell| "-".repeat(cell.chars().count()))
                .collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            push_row(&mut out, &lines, &widths);
        }
    }
    text(out)
}

fn push_row(out: &mut Buffer, cells: &[&str], widths: &[usize]) {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        out.push(cell.as_bytes());
        if column + 1 < cells.len() {
            out.push(
                " ".repeat(width.saturating_sub(cell.chars().count()))
                    .as_bytes(),
            );
            out.push(GAP.as_bytes());
        }
    }
    out.push(b"\n");
}

fn shown(cell: &Secret<String>) -> &str {
    match cell.expose().trim() {
        "" => "n/a",
        text => text,
    }
}

/// `Key` and `Value` with one row for each member; nothing where there is none.
pub(crate) fn map_table(data: &Tree) -> Secret<String> {
    let rows = map_rows(data);
    if rows.is_empty() {
        return Secret::new(String::new());
    }
    pairs(rows)
}

/// A table of pairs under `Key` and `Value`.
pub(crate) fn pairs(rows: Vec<(String, Secret<String>)>) -> Secret<String> {
    let heading = vec![
        Secret::new("Key".to_owned()),
        Secret::new("Value".to_owned()),
    ];
    let rows = rows
        .into_iter()
        .map(|(key, value)| vec![Secret::new(key), value]);
    columns(
        &std::iter::once(heading).chain(rows).collect::<Vec<_>>(),
        true,
    )
}

/// The members of an object as rows, sorted, durations in words.
pub(crate) fn map_rows(data: &Tree) -> Vec<(String, Secret<String>)> {
    let mut members: Vec<_> = data.entries().collect();
    members.sort_by_key(|(key, _)| *key);
    let row = |(key, value): (&str, &Tree)| {
        let seconds = value.as_u64().filter(|_| looks_like_duration(key));
        let shown = seconds.map_or_else(|| go_value(value), |s| Secret::new(human_seconds(s)));
        (key.to_owned(), shown)
    };
    members.into_iter().map(row).collect()
}

/// Names under `Keys`.
pub(crate) fn list_table(keys: &[String]) -> Secret<String> {
    let heading = vec![Secret::new("Keys".to_owned())];
    let rows = keys.iter().map(|key| vec![Secret::new(key.clone())]);
    columns(
        &std::iter::once(heading).chain(rows).collect::<Vec<_>>(),
        true,
    )
}

/// A title between equal signs, as wide as `width` where that is possible.
pub(crate) fn titled(title: &str, width: usize) -> String {
    let signs = match width.saturating_sub(title.len() + 2) {
        0 => 4,
        signs => signs,
    };
    let side = "=".repeat(signs.div_ceil(2));
    format!("{side} {title} {side}\n")
}

/// How Go prints a value: `map[a:b]`, `[a b]`, `<nil>`.
pub(crate) fn go_value(value: &Tree) -> Secret<String> {
    let mut out = Buffer::default();
    push_go(value, &mut out);
    text(out)
}

fn push_go(value: &Tree, out: &mut Buffer) {
    match value {
        Tree::Null => out.push(b"<nil>"),
        Tree::Bool(value) => out.push(value.to_string().as_bytes()),
        Tree::Number(text) | Tree::Text(text) => out.push(text.expose().as_bytes()),
        Tree::List(items) => {
            out.push(b"[");
            for (index, item) in items.iter().enumerate() {
                out.push(if index == 0 { b"" } else { b" " });
                push_go(item, out);
            }
            out.push(b"]");
        }
        Tree::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| key);
            out.push(b"map[");
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push(if index == 0 { b"" } else { b" " });
                out.push(key.as_bytes());
                out.push(b":");
                push_go(value, out);
            }
            out.push(b"]");
        }
    }
}

/// Which fields hold seconds, by their name, as in Vault's client.
fn looks_like_duration(key: &str) -> bool {
    let ends_in = |word: &str| {
        let before = key.strip_suffix(word);
        before.is_some_and(|before| before.is_empty() || before.ends_with('_'))
    };
    ["period", "ttl", "duration"].into_iter().any(ends_in) || matches!(key, "lease_max" | "ttl_max")
}

/// `3600` as `1h`, `90` as `1m30s`, as Go writes durations without their empty ends.
pub(crate) fn human_seconds(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, rest) => format!("{minutes}m{rest}s"),
        (hours, 0, 0) => format!("{hours}h"),
        (hours, minutes, 0) => format!("{hours}h{minutes}m"),
        (hours, minutes, rest) => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn text(out: Buffer) -> Secret<String> {
    // Only whole strings were pushed.
    out.finish()
        .into_text()
        .unwrap_or_else(|| Secret::new(String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_writes_them() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m59s"),
            (3600, "1h"),
            (3660, "1h1m"),
            (3601, "1h0m1s"),
            (2_764_800, "768h"),
        ] {
            assert_eq!(human_seconds(seconds), text);
        }
        for (key, is) in [
            ("ttl", true),
            ("creation_ttl", true),
            ("period", true),
            ("token_period", true),
            ("cattle", false),
            ("subttl", false),
        ] {
            assert_eq!(looks_like_duration(key), is, "{key}");
        }
    }

    #[test]
    fn titles_are_as_wide_as_what_they_stand_over() {
        assert_eq!(titled("Secret Path", 15), "= Secret Path =\n");
        assert_eq!(titled("Metadata", 24), "======= Metadata =======\n");
        assert_eq!(titled("Data", 10), "== Data ==\n");
        assert_eq!(titled("Data", 3), "== Data ==\n");
    }

    #[test]
    fn empty_cells_say_so_and_last_columns_are_not_padded() {
        let rows = [["Key", "Value"], ["a", ""], ["longer", " x "]];
        let rows: Vec<Vec<Secret<String>>> = rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|cell| Secret::new((*cell).to_owned()))
                    .collect()
            })
            .collect();
        assert_eq!(
            columns(&rows, true).expose(),
            "Key       Value\n---       -----\na         n/a\nlonger    x\n"
        );
    }
}
