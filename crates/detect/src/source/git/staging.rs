//! The index of a worktree: what is staged (`gitformat-index(5)`, versions 2 to 4).

use super::inflate::Damage;
use super::object::Id;

/// Names in one index.
const MOST: u32 = 50_000_000;

/// One staged name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) mode: u32,
    pub(super) id: Id,
    pub(super) path: Vec<u8>,
    /// Only planned (`git add --intent-to-add`): nothing is staged.
    pub(super) intended: bool,
}

/// A directory whose tree is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: Vec<u8>,
    /// How many names of the index are below it, and its tree; none where something changed.
    pub(super) tree: Option<(usize, Id)>,
    pub(super) below: Vec<Known>,
}

/// An index as it was read.
#[derive(Debug, Default)]
pub(super) struct Staging {
    pub(super) entries: Vec<Staged>,
    pub(super) known: Option<Known>,
}

const DAMAGED: Damage = "the index is damaged";
const SPLIT: Damage = "the index is split";

impl Staging {
    pub(super) fn parse(bytes: &[u8], length: usize) -> Result<Self, Damage> {
        let [b'D', b'I', b'R', b'C', 0, 0, 0, version @ 2..=4, count @ ..] =
            bytes.first_chunk::<12>().ok_or(DAMAGED)?
        else {
            return Err("the index is of a version that is not read");
        };
        let count = u32::from_be_bytes(*count);
        // An entry takes more than sixty bytes; a count is a claim.
        if count > MOST || u64::from(count) * 44 > bytes.len() as u64 {
            return Err(DAMAGED);
        }
        let end = bytes.len().checked_sub(length).ok_or(DAMAGED)?;
        let bytes = bytes.get(..end).ok_or(DAMAGED)?;
        let mut staging = Self::default();
        let mut at = 12;
        let mut before = Vec::new();
        for _ in 0..count {
            let (staged, next) = entry(bytes, at, length, *version, &before).ok_or(DAMAGED)?;
            before.clone_from(&staged.path);
            staging.entries.push(staged);
            at = next;
        }
        while let Some(head) = bytes.get(at..at + 8) {
            let (name, size) = head.split_at(4);
            let size = u32::from_be_bytes(size.try_into().map_err(|_| DAMAGED)?) as usize;
            let body = bytes.get(at + 8..at + 8 + size).ok_or(DAMAGED)?;
            match name {
                b"TREE" => staging.known = known(body, length, 0).map(|(known, _)| known),
                // Its names lie in another file.
                b"link" => return Err(SPLIT),
                [b'A'..=b'Z', ..] | b"sdir" => {}
                _ => return Err("the index has an extension that is not read"),
            }
            at += 8 + size;
        }
        Ok(staging)
    }
}

fn entry(
    bytes: &[u8],
    at: usize,
    length: usize,
    version: u8,
    before: &[u8],
) -> Option<(Staged, usize)> {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let mode = word(at + 24)?;
    let id = Id::new(bytes.get(at + 40..at + 40 + length)?)?;
    let flags_at = at + 40 + length;
    let flags = word(flags_at)? >> 16;
    let extended = version >= 3 && flags & 0x4000 != 0;
    let more = if extended {
        word(flags_at + 2)? >> 16
    } else {
        0
    };
    let name_at = flags_at + 2 + 2 * usize::from(extended);
    let (path, next) = if version == 4 {
        let (dropped, used) = shortened(bytes.get(name_at..)?)?;
        let kept = before.get(..before.len().checked_sub(dropped)?)?;
        let rest = bytes.get(name_at + used..)?;
        let end = memchr::memchr(0, rest)?;
        ([kept, rest.get(..end)?].concat(), name_at + used + end + 1)
    } else {
        let rest = bytes.get(name_at..)?;
        let end = memchr::memchr(0, rest)?;
        let size = name_at - at + end;
        (rest.get(..end)?.to_vec(), at + (size + 8) / 8 * 8)
    };
    let intended = more & 0x2000 != 0;
    Some((
        Staged {
            mode,
            id,
            path,
            intended,
        },
        next,
    ))
}

/// The number of bytes that a version 4 name drops of the one before; written as the distance of a base.
fn shortened(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value: usize = 0;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        value = (value + usize::from(at > 0)) << 7 | usize::from(byte & 0x7f);
        if at == 0 {
            value = usize::from(byte & 0x7f);
        }
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// One directory of the extension `TREE`, with those below it.
fn known(bytes: &[u8], length: usize, deep: usize) -> Option<(Known, usize)> {
    let name = memchr::memchr(0, bytes)?;
    let rest = bytes.get(name + 1..)?;
    let line = memchr::memchr(b'\n', rest)?;
    let numbers = std::str::from_utf8(rest.get(..line)?).ok()?;
    let (count, inner) = numbers.split_once(' ')?;
    let (count, inner): (i64, usize) = (count.parse().ok()?, inner.parse().ok()?);
    let mut at = name + 1 + line + 1;
    let mut known_here = Known {
        name: bytes.get(..name)?.to_vec(),
        ..Known::default()
    };
    if let Ok(count) = usize::try_from(count) {
        known_here.tree = Some((count, Id::new(bytes.get(at..at + length)?)?));
        at += length;
    }
    if deep > 500 || inner > bytes.len() {
        return None;
    }
    for _ in 0..inner {
        let (below, used) = known(bytes.get(at..)?, length, deep + 1)?;
        known_here.below.push(below);
        at += used;
    }
    Some((known_here, at))
}
