//! Canonical names: the one [`Path`] that routing, policy, audit and storage share, and [`Name`]
//! for things that are called by a single word.
//!
//! A path is parsed once, at the door. What is not canonical is rejected, never cleaned: a
//! cleaned path is a second spelling of the same thing, and every second spelling is a chance
//! for a policy to look at one and the router at the other (CVE-2026-3605, CVE-2026-89322).
//! There is no constructor beside the parsers, so a `Path` in a signature is the proof.
//!
//! Names are case sensitive, as in Vault. NFC is the only legal form. The refusal has one fixed
//! text; the reason is for our own log and holds nothing of the input.

mod characters;
mod name;
mod shown;

pub use name::{Name, NameError};
pub(crate) use shown::shown;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use unicode_normalization::is_nfc;

/// The longest path, in bytes after decoding. Vault's own routes stay far below it.
const MAX_BYTES: usize = 4096;
/// The most segments of a path; a listing of each level then stays a bounded walk.
const MAX_SEGMENTS: usize = 128;

/// Canonical request path, relative to `/v1/`: no empty and no dot segments, NFC, no controls.
///
/// The text has neither a leading nor a trailing slash; that a trailing slash was written is
/// remembered beside it, since Vault's `LIST` is asked for in both forms.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    text: String,
    directory: bool,
}

/// A path that is not canonical. The text is the same for every cause, and never the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path: not in canonical form")]
pub struct PathError {
    reason: &'static str,
}

impl PathError {
    /// Which rule was broken, for our own log.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

fn refuse<T>(reason: &'static str) -> Result<T, PathError> {
    Err(PathError { reason })
}

impl Path {
    /// Parses the undecoded part of a request URI after `/v1/`, without its query.
    ///
    /// Percent escapes are decoded exactly once. An escaped slash separates segments like a
    /// plain one, as in Vault, but does not count as the trailing slash of a directory.
    pub fn from_url(raw: &str) -> Result<Path, PathError> {
        // Three bytes of escape for each byte: longer input cannot become a legal path.
        if raw.len() > MAX_BYTES * 3 {
            return refuse("too long");
        }
        if raw.contains(['?', '#']) {
            return refuse("query or fragment");
        }
        if !raw.contains('%') {
            return Path::parse(raw);
        }
        if !escapes_are_whole(raw) {
            return refuse("malformed percent escape");
        }
        let Ok(text) = percent_decode_str(raw).decode_utf8() else {
            return refuse("not UTF-8");
        };
        if text.ends_with('/') && !raw.ends_with('/') {
            return refuse("escaped trailing slash");
        }
        Path::parse(&text)
    }

    /// Parses text that is decoded already: a path in a request body, or on a command line.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        if text.len() > MAX_BYTES {
            return refuse("too long");
        }
        let (text, directory) = match text.strip_suffix('/') {
            Some(text) => (text, true),
            None => (text, false),
        };
        check_characters(text)?;
        check_segments(text)?;
        Ok(Path {
            text: text.to_owned(),
            directory,
        })
    }

    /// The empty path: what an engine sees when its mount itself is addressed.
    pub fn root() -> Path {
        Path {
            text: String::new(),
            directory: false,
        }
    }

    /// The canonical text, without leading and trailing slash; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text with its trailing slash, if one was written; what Vault records in its audit log.
    pub fn written(&self) -> Cow<'_, str> {
        if self.directory {
            Cow::Owned(format!("{}/", self.text))
        } else {
            Cow::Borrowed(&self.text)
        }
    }

    /// Was it written with a trailing slash?
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// Is it the empty path?
    pub fn is_root(&self) -> bool {
        self.text.is_empty()
    }

    /// The parts between the slashes; none for the root.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').filter(|segment| !segment.is_empty())
    }

    /// The part below a mount, which may be written with or without its trailing slash.
    ///
    /// Whole segments only: `secrets/a` is not below `secret`. The mount itself gives the root.
    pub fn strip_prefix(&self, mount: &str) -> Option<Path> {
        let mount = mount.strip_suffix('/').unwrap_or(mount);
        if mount.is_empty() {
            return Some(self.clone());
        }
        let rest = self.text.strip_prefix(mount)?;
        let rest = if rest.is_empty() {
            rest
        } else {
            rest.strip_prefix('/')?
        };
        Some(Path {
            text: rest.to_owned(),
            directory: self.directory,
        })
    }

    /// This path with some of its segments, by their number, in ASCII lower case; `None` if they
    /// are that already.
    pub fn lowercased(&self, which: impl Fn(usize) -> bool) -> Option<Path> {
        // Of every script: what looks names up does not stop at ASCII either.
        let is_upper = |segment: &str| match segment.is_ascii() {
            true => segment.bytes().any(|b| b.is_ascii_uppercase()),
            false => segment.to_lowercase() != segment,
        };
        let segments = || self.text.split('/').enumerate();
        if !segments().any(|(index, segment)| is_upper(segment) && which(index)) {
            return None;
        }
        let mut text = String::with_capacity(self.text.len());
        for (index, segment) in segments() {
            if index > 0 {
                text.push('/');
            }
            match which(index) {
                true => text.push_str(&segment.to_lowercase()),
                false => text.push_str(segment),
            }
        }
        Some(Path {
            text,
            directory: self.directory,
        })
    }

    /// This path followed by one more segment; the result is not a directory.
    pub fn child(&self, segment: &str) -> Result<Path, PathError> {
        if segment.is_empty() || segment.contains('/') {
            return refuse("not one segment");
        }
        if self.is_root() {
            return Path::parse(segment);
        }
        Path::parse(&format!("{}/{segment}", self.text))
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Path, PathError> {
        Path::parse(text)
    }
}

/// The decoder leaves a broken escape as it is; Go's refuses it, and so do we.
fn escapes_are_whole(raw: &str) -> bool {
    raw.split('%').skip(1).all(starts_with_two_hex_digits)
}

fn starts_with_two_hex_digits(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

fn check_characters(text: &str) -> Result<(), PathError> {
    if let Some(reason) = text.chars().find_map(characters::refusal) {
        return refuse(reason);
    }
    // What still looks escaped was escaped twice, and would be decoded by someone behind us.
    if text.split('%').skip(1).any(starts_with_two_hex_digits) {
        return refuse("escaped twice");
    }
    if !text.is_ascii() && !is_nfc(text) {
        return refuse("not NFC");
    }
    Ok(())
}

fn check_segments(text: &str) -> Result<(), PathError> {
    for (index, segment) in text.split('/').enumerate() {
        if index >= MAX_SEGMENTS {
            return refuse("too many segments");
        }
        if segment.is_empty() {
            return refuse("empty segment");
        }
        if is_dots(segment) {
            return refuse("dot segment");
        }
    }
    Ok(())
}

/// `.` and `..`, also as servlet containers (`..;x`) and Windows (`.. `) read them.
fn is_dots(segment: &str) -> bool {
    if !segment.starts_with(['.', ' ']) {
        return false;
    }
    let name = segment.split(';').next().unwrap_or(segment);
    matches!(name.trim_matches(' '), "." | "..")
}

#[cfg(test)]
mod tests;
