//! Packs and their indices (`gitformat-pack(5)`).
//!
//! A pack is read through a small window and never mapped: mapped pages count as memory of the process,
//! and a file that is cut while it is mapped would kill it. The index of a pack says where objects begin
//! and what they are called; what it says is checked against the pack, and what disagrees is a gap.

use super::inflate::{DAMAGED, Damage, HELD, Inflater, TOO_LARGE};
use super::object::{Id, Kind};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

/// Largest index that is read: a billion bytes are thirty million objects.
const LARGEST_INDEX: u64 = 1 << 30;

/// Bytes a window reads at least where it goes on behind what it has.
const WINDOW: usize = 16 << 10;

/// Bytes it reads at least elsewhere: an object that lies apart from its base is mostly a short delta.
const JUMP: usize = 2 << 10;

/// Longest head of an entry: size, and the id or the distance of a base.
const HEAD: usize = 64;

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// Names and places of the objects in one pack: read as a whole, or looked up in the file.
pub(super) struct Index {
    file: File,
    size: u64,
    fanout: Vec<u32>,
    tables: OnceLock<Tables>,
    length: usize,
}

struct Tables {
    names: Vec<u8>,
    offsets: Vec<u32>,
    wide: Vec<u64>,
}

impl Index {
    /// `length` is that of an id.
    pub(super) fn open(file: File, length: usize) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let mut head = [0; 8];
        file.read_exact_at(&mut head, 0)?;
        // Version 1 has no head; git has not written it since 2008.
        if head != *b"\xfftOc\0\0\0\x02" {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let fanout = numbers(&read(&file, 8, 1024)?);
        let index = Self {
            file,
            size,
            fanout,
            tables: OnceLock::new(),
            length,
        };
        let rest = size.checked_sub(index.wide_at() + 2 * length as u64);
        if !index.fanout.is_sorted() || rest.is_none_or(|rest| rest % 8 != 0) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(index)
    }

    fn rows(&self) -> u64 {
        u64::from(self.fanout.last().copied().unwrap_or(0))
    }

    fn offsets_at(&self) -> u64 {
        1032 + self.rows() * (self.length as u64 + 4)
    }

    fn wide_at(&self) -> u64 {
        self.offsets_at() + self.rows() * 4
    }

    /// Reads all of it, for those who need every object.
    fn load(&self) -> io::Result<()> {
        if self.tables.get().is_some() {
            return Ok(());
        }
        if self.size > LARGEST_INDEX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let (rows, length) = (self.rows(), self.length as u64);
        let rest = self.size.saturating_sub(self.wide_at() + 2 * length);
        let wide = read(&self.file, self.wide_at(), rest)?;
        let wide = wide
            .chunks_exact(8)
            .filter_map(|bytes| bytes.try_into().ok());
        let tables = Tables {
            names: read(&self.file, 1032, rows * length)?,
            offsets: numbers(&read(&self.file, self.offsets_at(), rows * 4)?),
            wide: wide.map(u64::from_be_bytes).collect(),
        };
        let _ = self.tables.set(tables);
        Ok(())
    }

    pub(super) fn len(&self) -> u32 {
        self.fanout.last().copied().unwrap_or(0)
    }

    pub(super) fn id(&self, number: u32) -> Option<Id> {
        let at = number as usize * self.length;
        if let Some(tables) = self.tables.get() {
            return Id::new(tables.names.get(at..at + self.length)?);
        }
        let mut bytes = [0; 32];
        let bytes = bytes.get_mut(..self.length)?;
        self.file.read_exact_at(bytes, 1032 + at as u64).ok()?;
        Id::new(bytes)
    }

    /// Where an object begins; none where the index is damaged.
    fn offset(&self, number: u32) -> Option<u64> {
        let tables = self.tables.get();
        let narrow = match tables {
            Some(tables) => *tables.offsets.get(number as usize)?,
            None => {
                let mut bytes = [0; 4];
                let at = self.offsets_at() + u64::from(number) * 4;
                self.file.read_exact_at(&mut bytes, at).ok()?;
                u32::from_be_bytes(bytes)
            }
        };
        if narrow & 0x8000_0000 == 0 {
            return Some(u64::from(narrow));
        }
        let row = narrow & 0x7fff_ffff;
        if let Some(tables) = tables {
            return tables.wide.get(row as usize).copied();
        }
        let mut bytes = [0; 8];
        let at = self.wide_at() + u64::from(row) * 8;
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(u64::from_be_bytes(bytes))
    }

    /// The numbers of objects whose ids begin with this byte.
    fn beginning_with(&self, first: u8) -> Option<Range<u32>> {
        let low = match usize::from(first).checked_sub(1) {
            Some(before) => *self.fanout.get(before)?,
            None => 0,
        };
        Some(low..*self.fanout.get(usize::from(first))?)
    }

    pub(super) fn find(&self, id: &Id) -> Option<u32> {
        let Range {
            start: mut low,
            end: mut high,
        } = self.beginning_with(*id.as_bytes().first()?)?;
        let wanted = head(id.as_bytes());
        while low < high {
            let middle = low + (high - low) / 2;
            // Eight bytes decide nearly always.
            let order = match self.head(middle)?.cmp(&wanted) {
                std::cmp::Ordering::Equal => self.id(middle)?.cmp(id),
                order => order,
            };
            match order {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// How the id of an object begins.
    fn head(&self, number: u32) -> Option<u64> {
        match self.tables.get() {
            Some(tables) => {
                let at = number as usize * self.length;
                tables.names.get(at..at + self.length).map(head)
            }
            None => self.id(number).map(|id| head(id.as_bytes())),
        }
    }

    /// Objects whose id begins with some digits.
    pub(super) fn beginning(&self, digits: &str) -> Vec<Id> {
        let first = digits
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let numbers = first
            .and_then(|first| self.beginning_with(first))
            .unwrap_or(0..0);
        let all = numbers.filter_map(|number| self.id(number));
        all.filter(|id| id.to_string().starts_with(digits))
            .collect()
    }
}

/// The first eight bytes, in the order of ids.
fn head(id: &[u8]) -> u64 {
    id.first_chunk()
        .map_or(0, |eight| u64::from_be_bytes(*eight))
}

fn read(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let words = bytes
        .chunks_exact(4)
        .filter_map(|bytes| bytes.try_into().ok());
    words.map(u32::from_be_bytes).collect()
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole(Kind),
    /// A delta against the entry that begins there.
    Near(u64),
    /// A delta against the object with this id.
    Named(Id),
}

/// The head of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) form: Form,
    /// Bytes of the object, or of the delta.
    pub(super) size: u64,
    /// Bytes of the head itself.
    pub(super) length: usize,
}

impl Head {
    /// Reads the head of the entry at `offset`, whose bytes are `bytes`.
    pub(super) fn parse(bytes: &[u8], offset: u64, length: usize) -> Option<Self> {
        let first = *bytes.first()?;
        let mut size = u64::from(first & 15);
        let mut used = 1;
        let mut more = first & 0x80 != 0;
        while more {
            let byte = *bytes.get(used)?;
            let shift = 4 + 7 * (used - 1);
            if shift > 57 {
                return None;
            }
            size |= u64::from(byte & 0x7f) << shift;
            used += 1;
            more = byte & 0x80 != 0;
        }
        let rest = bytes.get(used..)?;
        let (form, more) = match first >> 4 & 7 {
            6 => {
                let (distance, count) = distance(rest)?;
                (
                    Form::Near(offset.checked_sub(distance).filter(|_| distance > 0)?),
                    count,
                )
            }
            7 => (Form::Named(Id::new(rest.get(..length)?)?), length),
            kind => (Form::Whole(Kind::of_pack(kind)?), 0),
        };
        Some(Self {
            form,
            size,
            length: used + more,
        })
    }
}

fn distance(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value: u64 = 0;
    for (at, &byte) in bytes.iter().take(9).enumerate() {
        value = value.checked_add(u64::from(at > 0))?.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// One pack.
pub(super) struct Pack {
    file: File,
    /// Name of its file; safe to print.
    pub(super) name: String,
    pub(super) index: Index,
    /// Where the entries end.
    end: u64,
    /// How many objects its head says it has.
    said: u32,
}

impl Pack {
    pub(super) fn open(file: File, name: String, index: Index) -> io::Result<Self> {
        let mut head = [0; 12];
        file.read_exact_at(&mut head, 0)?;
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, said @ ..] = head else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let end = file.metadata()?.len().saturating_sub(index.length as u64);
        Ok(Self {
            file,
            name,
            index,
            end,
            said: u32::from_be_bytes(said),
        })
    }

    /// Where the object with this id begins.
    pub(super) fn find(&self, id: &Id) -> Option<u64> {
        self.index.offset(self.index.find(id)?)
    }

    /// The head of the entry at `start`.
    pub(super) fn head(&self, window: &mut Window, start: u64) -> Result<Head, Damage> {
        let most = self.end.saturating_sub(start).min(HEAD as u64);
        let bytes = window.get(&self.file, start, most).map_err(|_| DAMAGED)?;
        Head::parse(bytes, start, self.index.length).ok_or(DAMAGED)
    }

    /// The entry at `start` in `out`: the object, or the delta. Returns its head and how many bytes of
    /// the pack it takes; `most` says how many it can be, where that is known.
    pub(super) fn inflate(
        &self,
        reader: &mut Reader,
        start: u64,
        most: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(Head, u64), Damage> {
        let left = self.end.checked_sub(start).ok_or(DAMAGED)?;
        let length = match most {
            Some(most) => most,
            None => {
                // Deflate makes nothing larger by more than this (RFC 1951: stored blocks).
                let size = self.head(&mut reader.window, start)?.size;
                size.saturating_add(size / 512 + 128).min(left)
            }
        };
        if length > HELD + (HELD >> 8) {
            return Err(TOO_LARGE);
        }
        let bytes = reader
            .window
            .get(&self.file, start, length)
            .map_err(|_| DAMAGED)?;
        let head = Head::parse(bytes, start, self.index.length).ok_or(DAMAGED)?;
        let packed = bytes.get(head.length..).unwrap_or_default();
        let used = reader.inflater.whole(packed, head.size, out)?;
        reader.window.shrink();
        Ok((head, (head.length + used) as u64))
    }

    /// Every entry in its place.
    pub(super) fn layout(&self) -> io::Result<Layout<'_>> {
        self.index.load()?;
        let index = &self.index;
        let inside = |number: &u32| {
            let offset = index.offset(*number);
            offset.is_some_and(|at| (12..self.end).contains(&at))
        };
        let mut numbers: Vec<u32> = (0..index.len()).filter(inside).collect();
        let mut wrong = None;
        if self.said != index.len() {
            wrong = Some("its index does not name all of its objects");
        }
        if numbers.len() != index.len() as usize {
            wrong = Some("its index points outside of it");
        }
        numbers.sort_unstable_by_key(|&number| index.offset(number));
        let offsets = numbers.iter().filter_map(|&number| index.offset(number));
        Ok(Layout {
            pack: self,
            offsets: offsets.collect(),
            numbers,
            wrong,
        })
    }
}

/// The entries of a pack in the order in which they lie there. A *rank* is a position in this order.
pub(super) struct Layout<'p> {
    pub(super) pack: &'p Pack,
    offsets: Vec<u64>,
    numbers: Vec<u32>,
    /// What is wrong with the pack as a whole.
    pub(super) wrong: Option<&'static str>,
}

impl<'p> Layout<'p> {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.offsets.len()).unwrap_or(NONE)
    }

    /// The number in the index of the entry at `rank`.
    pub(super) fn number(&self, rank: u32) -> u32 {
        self.numbers.get(rank as usize).copied().unwrap_or(NONE)
    }

    pub(super) fn id(&self, rank: u32) -> Option<Id> {
        self.pack.index.id(self.number(rank))
    }

    fn rank_at(&self, offset: u64) -> Option<u32> {
        let rank = self.offsets.binary_search(&offset).ok()?;
        u32::try_from(rank).ok()
    }

    /// The entry a delta is against; none if it is not in this pack.
    pub(super) fn base(&self, form: Form) -> Option<u32> {
        match form {
            Form::Whole(_) => None,
            Form::Near(offset) => self.rank_at(offset),
            Form::Named(id) => self.rank_at(self.pack.find(&id)?),
        }
    }

    /// Begin and length of an entry with its head.
    fn span(&self, rank: u32) -> Option<(u64, u64)> {
        let start = *self.offsets.get(rank as usize)?;
        let next = self.offsets.get(rank as usize + 1).copied();
        Some((start, next.unwrap_or(self.pack.end).saturating_sub(start)))
    }

    pub(super) fn head(&self, window: &mut Window, rank: u32) -> Result<Head, Damage> {
        let start = self.offsets.get(rank as usize).ok_or(DAMAGED)?;
        self.pack.head(window, *start)
    }

    /// An entry in `out`: the object, or the delta. It must fill its place in the pack: bytes that no
    /// entry claims are bytes that nobody looked at.
    pub(super) fn inflate(
        &self,
        reader: &mut Reader,
        rank: u32,
        out: &mut Vec<u8>,
    ) -> Result<Head, Damage> {
        let (start, length) = self.span(rank).ok_or(DAMAGED)?;
        let (head, used) = self.pack.inflate(reader, start, Some(length), out)?;
        if used == length {
            Ok(head)
        } else {
            Err("more in its place in the pack than belongs to it")
        }
    }

    /// The compressed bytes of an entry, for what is too large to be held.
    pub(super) fn packed(&self, rank: u32, head: &Head) -> Option<Section<'p>> {
        let (start, length) = self.span(rank)?;
        Some(Section {
            file: &self.pack.file,
            at: start + head.length as u64,
            end: start + length,
        })
    }
}

/// A decompressor and a window: what one thread needs to read entries.
pub(super) struct Reader {
    pub(super) window: Window,
    pub(super) inflater: Inflater,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            window: Window::new(),
            inflater: Inflater::new(),
        }
    }
}

/// The part of a file that is in memory.
pub(super) struct Window {
    bytes: Vec<u8>,
    start: u64,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// `length` bytes of `file` at `at`. One window belongs to one file.
    fn get(&mut self, file: &File, at: u64, length: u64) -> io::Result<&[u8]> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let known = at
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok())
            .filter(|&from| from + length <= self.bytes.len());
        let from = if let Some(from) = known {
            from
        } else {
            let behind = at.checked_sub(self.start);
            let goes_on = behind.is_some_and(|by| by <= (self.bytes.len() + WINDOW) as u64);
            let least = if goes_on { WINDOW } else { JUMP };
            self.bytes.resize(length.max(least), 0);
            self.start = at;
            let mut filled = 0;
            while filled < length {
                let room = self.bytes.get_mut(filled..).unwrap_or_default();
                match file.read_at(room, at + filled as u64) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        self.bytes.clear();
                        return Err(error);
                    }
                }
            }
            self.bytes.truncate(filled);
            0
        };
        self.bytes
            .get(from..from + length)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// One large entry must not cost its memory until the end.
    fn shrink(&mut self) {
        if self.bytes.capacity() > 4 << 20 {
            self.bytes = Vec::new();
        }
    }
}

/// A piece of a file, as a stream.
pub(super) struct Section<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Section<'_> {
    pub(super) const fn len(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }
}

impl io::Read for Section<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = out.len().min(left);
        let count = self
            .file
            .read_at(out.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
