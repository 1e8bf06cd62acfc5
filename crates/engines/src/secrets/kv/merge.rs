//! JSON merge patch (RFC 7396) on undecoded values: what a patch does not name stays as it was,
//! byte for byte.

use cofferdam_core::Fault;
use cofferdam_core::json::Body;
use cofferdam_core::json::{Budget, Raw, Text};
use cofferdam_secret::{Buffer, Secret};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// For data we stored ourselves: it passed the door's budget when it came in.
pub(super) const STORED: Budget = Budget {
    bytes: usize::MAX,
    depth: 256,
    keys: usize::MAX,
    strings: usize::MAX,
    values: usize::MAX,
    key_bytes: usize::MAX,
    string_bytes: usize::MAX,
    number_bytes: usize::MAX,
    large_numbers: false,
};

/// `before` with the patch applied.
///
/// # Errors
/// [`cofferdam_core::Kind::TooLarge`] when the whole would not have passed the door.
pub(super) fn patched(before: Secret<Vec<u8>>, patch: Raw<'_>) -> Result<Secret<Vec<u8>>, Fault> {
    let mut out = Buffer::with_capacity(before.len() + patch.as_bytes().len());
    let before = Body::checked(before, &STORED).map_err(Fault::internal)?;
    merge(Some(before.as_raw()), patch, &mut out);
    cofferdam_core::json::check(out.as_slice(), &Budget::default())
        .map_err(|_| Fault::too_large("the patched data would be larger than a request may be"))?;
    Ok(out.finish())
}

fn merge(target: Option<Raw<'_>>, patch: Raw<'_>, out: &mut Buffer) {
    if !patch.is_object() {
        out.push(patch.as_bytes());
        return;
    }
    let changes: BTreeMap<Cow<'_, str>, (Text<'_>, Raw<'_>)> = patch
        .fields()
        .map(|(name, value)| (name.decoded(), (name, value)))
        .collect();
    let mut kept = BTreeMap::new();
    let mut object = Fields { out, any: false };
    for (name, value) in target.into_iter().flat_map(Raw::fields) {
        let decoded = name.decoded();
        match changes.get(&decoded) {
            None => object.begin(name).push(value.as_bytes()),
            Some((_, change)) if change.is_null() => {}
            Some((_, change)) => merge(Some(value), *change, object.begin(name)),
        }
        kept.insert(decoded, ());
    }
    // New fields follow in the order of the patch.
    for (name, change) in patch.fields() {
        if !change.is_null() && !kept.contains_key(&name.decoded()) {
            merge(None, change, object.begin(name));
        }
    }
    object.end();
}

/// An object being written.
struct Fields<'a> {
    out: &'a mut Buffer,
    any: bool,
}

impl Fields<'_> {
    fn begin(&mut self, name: Text<'_>) -> &mut Buffer {
        self.out.push(if self.any { b"," } else { b"{" });
        self.any = true;
        push_name(self.out, name);
        self.out
    }

    fn end(self) {
        self.out.push(if self.any { b"}" } else { b"{}" });
    }
}

/// Writes a field's name as it stood, with its colon.
pub(super) fn push_name(out: &mut Buffer, name: Text<'_>) {
    out.push(b"\"");
    out.push(name.raw().as_bytes());
    out.push(b"\":");
}
