//! One piece of a log on the wire: four bytes of length, big endian, and a protobuf message
//! (moby `api/types/plugins/logdriver`: `entry.proto`, `io.go`).
//!
//! Field 1 is the source, 2 the time in nanoseconds, 3 the line without its end, 4 whether this is a
//! part of a line, 5 which one: its field 1 says that it is the last. Others are passed over.

/// Longest message: a line is cut at 16 KiB by dockerd, the rest is small.
const LONGEST: usize = 1 << 20;

/// How each message begins: field 1, six bytes, `stdout` or `stderr`.
const BEGINNING: &[u8] = b"\x0a\x06std";

/// One piece of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) source: String,
    pub(super) nanoseconds: i64,
    pub(super) line: Vec<u8>,
    /// The line goes on in the next entry of its source.
    pub(super) partial: bool,
}

impl Entry {
    fn decode(mut message: &[u8]) -> Option<Self> {
        let mut entry = Self::default();
        let mut last = false;
        while !message.is_empty() {
            let key = varint(&mut message)?;
            match (key >> 3, key & 7) {
                (1, 2) => entry.source = String::from_utf8(bytes(&mut message)?.to_vec()).ok()?,
                (2, 0) => entry.nanoseconds = varint(&mut message)?.cast_signed(),
                (3, 2) => entry.line = bytes(&mut message)?.to_vec(),
                (4, 0) => entry.partial = varint(&mut message)? != 0,
                (5, 2) => last = is_last(bytes(&mut message)?)?,
                (_, 0) => drop(varint(&mut message)?),
                (_, 2) => drop(bytes(&mut message)?),
                (_, 1) => message = message.get(8..)?,
                (_, 5) => message = message.get(4..)?,
                _ => return None,
            }
        }
        // The last part of a line is marked as a part too.
        entry.partial &= !last;
        matches!(entry.source.as_str(), "stdout" | "stderr").then_some(entry)
    }

    /// As dockerd reads it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.line.len() + 40);
        put(&mut message, 1, self.source.as_bytes());
        message.push(2 << 3);
        put_varint(&mut message, self.nanoseconds.cast_unsigned());
        put(&mut message, 3, &self.line);
        if self.partial {
            message.extend([4 << 3, 1]);
        }
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut out = length.to_be_bytes().to_vec();
        out.append(&mut message);
        out
    }
}

/// Whether these marks of a part say that it is the last one.
fn is_last(mut marks: &[u8]) -> Option<bool> {
    while !marks.is_empty() {
        let key = varint(&mut marks)?;
        match (key >> 3, key & 7) {
            (1, 0) => return Some(varint(&mut marks)? != 0),
            (_, 0) => drop(varint(&mut marks)?),
            (_, 2) => drop(bytes(&mut marks)?),
            _ => return None,
        }
    }
    Some(false)
}

fn put(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn bytes<'m>(from: &mut &'m [u8]) -> Option<&'m [u8]> {
    let length = usize::try_from(varint(from)?).ok()?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

/// Entries out of a stream that may begin in the middle of one: whoever read before us was killed.
#[derive(Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    /// Bytes that belong to no entry.
    lost: usize,
}

impl Decoder {
    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next entry that is whole.
    pub(super) fn next(&mut self) -> Option<Entry> {
        loop {
            let head: [u8; 4] = *self.buffer.first_chunk()?;
            let length = u32::from_be_bytes(head) as usize;
            let begins = self.buffer.get(4..).unwrap_or_default();
            let alike = std::iter::zip(begins, BEGINNING).all(|(a, b)| a == b);
            if length <= LONGEST && alike {
                let message = self.buffer.get(4..4 + length)?;
                if let Some(entry) = Entry::decode(message) {
                    self.forget(4 + length);
                    return Some(entry);
                }
            }
            if !self.find_beginning() {
                return None;
            }
        }
    }

    /// How many bytes belonged to no entry, since this was last asked.
    pub(super) const fn take_lost(&mut self) -> usize {
        std::mem::replace(&mut self.lost, 0)
    }

    /// Goes on where an entry may begin. `false`: nowhere yet.
    fn find_beginning(&mut self) -> bool {
        let found = self
            .buffer
            .windows(BEGINNING.len())
            .skip(5)
            .position(|window| window == BEGINNING);
        let from = match found {
            Some(position) => position + 1,
            // An entry may begin in what is kept.
            None => self.buffer.len().saturating_sub(BEGINNING.len() + 3).max(1),
        };
        self.lost += from;
        self.forget(from);
        found.is_some()
    }

    fn forget(&mut self, count: usize) {
        let length = self.buffer.len();
        let left = length.saturating_sub(count);
        self.buffer.copy_within(length - left.., 0);
        zeroize::Zeroize::zeroize(self.buffer.get_mut(left..).unwrap_or_default());
        self.buffer.truncate(left);
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.buffer);
    }
}

/// How many entries there are, for who has bytes and no types of ours. `None`: one that was read could
/// not be written and read again.
#[must_use]
pub fn count_entries(pieces: &[&[u8]]) -> Option<usize> {
    let mut decoder = Decoder::default();
    let mut count = 0;
    for piece in pieces {
        decoder.push(piece);
        while let Some(entry) = decoder.next() {
            // What was read is written as it was read, unless it had more than we know.
            let mut again = Decoder::default();
            again.push(&entry.encode());
            if again.next().as_ref() != Some(&entry) {
                return None;
            }
            count += 1;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str, partial: bool) -> Entry {
        Entry {
            source: "stdout".to_owned(),
            nanoseconds: 1_700_000_000_123_456_789,
            line: line.into(),
            partial,
        }
    }

    #[test]
    fn entries_are_read_as_docker_writes_them() {
        // `{Source:"stderr", TimeNano:300, Line:"ab", Partial:true}` by protobuf's rules.
        let wire = b"\x00\x00\x00\x11\x0a\x06stderr\x10\xac\x02\x1a\x02ab\x20\x01";
        let mut decoder = Decoder::default();
        for byte in wire {
            assert_eq!(decoder.next(), None);
            decoder.push(&[*byte]);
        }
        let read = decoder.next().unwrap();
        assert_eq!(
            (
                read.source.as_str(),
                read.nanoseconds,
                read.line.as_slice(),
                read.partial
            ),
            ("stderr", 300, &b"ab"[..], true)
        );
        assert_eq!(read.encode(), wire);
    }

    #[test]
    fn the_last_part_of_a_line_ends_it() {
        let wire =
            b"\x00\x00\x00\x17\x0a\x06stdout\x10\x01\x1a\x01a\x20\x01\x2a\x06\x08\x01\x12\x02id";
        let mut decoder = Decoder::default();
        decoder.push(wire);
        assert!(!decoder.next().unwrap().partial);
        let wire = b"\x00\x00\x00\x15\x0a\x06stdout\x10\x01\x1a\x01a\x20\x01\x2a\x04\x12\x02id";
        decoder.push(wire);
        assert!(decoder.next().unwrap().partial);
    }

    #[test]
    fn who_begins_in_the_middle_loses_one_entry_and_counts_it() {
        let entries = [
            entry("first", false),
            entry(&"x".repeat(300), true),
            entry("third", false),
        ];
        let wire: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
        let first = entries[0].encode().len();
        for from in 1..first {
            let mut decoder = Decoder::default();
            decoder.push(&wire[from..]);
            let read: Vec<_> = std::iter::from_fn(|| decoder.next()).collect();
            assert_eq!(read, entries[1..], "from {from}");
            assert_eq!(decoder.take_lost(), first - from);
        }
    }
}
