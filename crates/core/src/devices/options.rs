//! What may be set on an audit device by its options.
//!
//! A path set through the API is a way to write files as the server's user (CVE-2025-6000,
//! CVE-2025-54997), so it is fenced: no bytes in front of records, no executable mode, only plain
//! files of ours, and never a file that holds anything else.

use super::Row;
use crate::audit::Names;
use crate::audit::device::FileOptions;
use crate::fault::Fault;
use crate::json::field::Flag;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Options that are served, or that ask for what happens anyway.
const KNOWN: &[&str] = &[
    "file_path",
    "path",
    "mode",
    "sync",
    "format",
    "hmac_accessor",
    "log_raw",
    "prefix",
    "elide_list_responses",
    "fallback",
];

pub(super) fn check(row: &Row) -> Result<(), Fault> {
    if !matches!(row.kind.as_str(), "file" | "stdout") {
        return Err(Fault::unsupported(
            "field type: audit devices of this server are file and stdout",
        ));
    }
    if row
        .options
        .keys()
        .any(|name| !KNOWN.contains(&name.as_str()))
    {
        return Err(Fault::invalid(
            "options: unknown option; known are file_path, mode, sync, elide_list_responses and format",
        ));
    }
    let value = |name: &str| {
        row.options
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    if !matches!(value("format"), "" | "json") {
        return Err(Fault::unsupported("options.format: records are json"));
    }
    if !value("prefix").is_empty() {
        return Err(Fault::unsupported(
            "options.prefix: refused, since it would let a caller write a file of their choice",
        ));
    }
    if switch(row, "log_raw")? == Some(true) {
        return Err(Fault::unsupported(
            "options.log_raw: refused, since secrets never go to a log",
        ));
    }
    if switch(row, "hmac_accessor")? == Some(false) {
        return Err(Fault::unsupported(
            "options.hmac_accessor: accessors are always hashed",
        ));
    }
    if switch(row, "fallback")? == Some(true) {
        return Err(Fault::unsupported(
            "options.fallback: refused, since devices have no filters here: each gets every record",
        ));
    }
    names(row)?;
    if !is_stdout(row) {
        let options = file(row)?;
        refuse_foreign(&options.path)?;
    }
    Ok(())
}

fn path(row: &Row) -> &str {
    row.options
        .get("file_path")
        .or_else(|| row.options.get("path"))
        .map(String::as_str)
        .unwrap_or_default()
}

/// A switch among the options, as Go's `ParseBool` reads it; `None` where it is not given.
fn switch(row: &Row, name: &str) -> Result<Option<bool>, Fault> {
    let given = row.options.get(name);
    let given = given.map(String::as_str).filter(|text| !text.is_empty());
    let read = given.map(|text| Flag::read(text).map(|Flag(on)| on));
    match read {
        Some(None) => Err(Fault::invalid(format!("options.{name}: true or false"))),
        Some(read) => Ok(read),
        None => Ok(None),
    }
}

/// What a device is told of the names in a list.
pub(super) fn names(row: &Row) -> Result<Names, Fault> {
    let elided = switch(row, "elide_list_responses")?;
    Ok(match elided {
        Some(true) => Names::Counted,
        _ => Names::Hashed,
    })
}

/// Whether it is standard output; as a file's path that is Vault's way of saying so.
pub(super) fn is_stdout(row: &Row) -> bool {
    row.kind == "stdout" || path(row).eq_ignore_ascii_case("stdout")
}

pub(super) fn file(row: &Row) -> Result<FileOptions, Fault> {
    let path = path(row);
    if path.is_empty() {
        return Err(Fault::invalid(
            "options.file_path: missing; give an absolute path",
        ));
    }
    let path = PathBuf::from(path);
    let dotted = path.components().any(|part| {
        matches!(
            part,
            std::path::Component::ParentDir | std::path::Component::CurDir
        )
    });
    if !path.is_absolute() || dotted {
        return Err(Fault::invalid(
            "options.file_path: must be absolute, without dot segments",
        ));
    }
    let mut options = FileOptions::new(path);
    if let Some(text) = row.options.get("mode").filter(|text| !text.is_empty()) {
        let mode = u32::from_str_radix(text.trim_start_matches("0o"), 8).ok();
        // 0000 asks to leave the mode alone in Vault; ours is set at creation in any case.
        let mode = mode.map(|mode| if mode == 0 { 0o600 } else { mode });
        options.mode = mode.filter(|mode| mode & !0o660 == 0).ok_or_else(|| {
            Fault::invalid(
                "options.mode: octal, for owner and group, without execution (0600, 0640)",
            )
        })?;
    }
    options.sync = switch(row, "sync")? == Some(true);
    options.names = names(row)?;
    Ok(options)
}

/// A file that holds something is taken only if it is an audit log of ours.
fn refuse_foreign(path: &Path) -> Result<(), Fault> {
    let Ok(mut file) = std::fs::File::open(path) else {
        return Ok(());
    };
    let mut start = [0_u8; 9];
    let read = file.read(&mut start).unwrap_or(0);
    let begins = start.get(..read).unwrap_or_default();
    if read == 0 || begins == b"{\"time\":\"" {
        return Ok(());
    }
    Err(Fault::invalid(
        "options.file_path: the file holds something else than audit records",
    ))
}
