//! The tables of KV answers: the path, the metadata, the data.

use super::super::output::{map_table, titled};
use cofferdam_api::{Response, Tree};
use cofferdam_secret::{Buffer, Secret};

/// `= Secret Path =` and the path below it.
pub(super) fn path_heading(title: &str, path: &str, out: &mut Buffer) {
    out.push(titled(title, path.len()).as_bytes());
    out.push(format!("{path}\n\n").as_bytes());
}

/// A title as wide as the table below it, and the table.
pub(super) fn section(title: &str, data: &Tree, out: &mut Buffer) {
    let longest = data
        .entries()
        .map(|(key, _)| key.len())
        .max()
        .unwrap_or_default();
    // Four columns between key and value, five for the heading "Value".
    out.push(titled(title, longest + 9).as_bytes());
    out.push(map_table(data).expose().as_bytes());
}

pub(super) fn finish(out: Buffer) -> Secret<String> {
    out.finish()
        .into_text()
        .unwrap_or_else(|| Secret::new(String::new()))
}

/// Path and metadata of a version that was written.
pub(super) fn written(path: &str, response: &Response) -> Secret<String> {
    let mut out = Buffer::with_capacity(512);
    path_heading("Secret Path", path, &mut out);
    if let Some(metadata) = response.tree() {
        section("Metadata", &metadata, &mut out);
    }
    finish(out)
}

/// Path, metadata and data of a version that was read.
pub(super) fn version(path: &str, data: &Tree) -> Secret<String> {
    let mut out = Buffer::with_capacity(512);
    path_heading("Secret Path", path, &mut out);
    if let Some(metadata) = data.get("metadata").filter(|metadata| !metadata.is_empty()) {
        section("Metadata", metadata, &mut out);
        out.push(b"\n");
    }
    if let Some(fields) = data
        .get("data")
        .filter(|fields| !matches!(fields, Tree::Null))
    {
        section("Data", fields, &mut out);
    }
    finish(out)
}

/// The data of a version 1 secret.
pub(super) fn unversioned(data: &Tree) -> Secret<String> {
    let mut out = Buffer::with_capacity(512);
    section("Data", data, &mut out);
    finish(out)
}
