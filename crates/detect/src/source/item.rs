//! One stream of unknown content: plain bytes, gzip, zstd, tar, zip, a database, or an archive we do not
//! open.

use super::zstd::Frames;
use super::{Finder, sqlite, tar};
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};

/// Enough to tell a tar header.
const HEAD: usize = 512;

/// What the first bytes say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Gzip,
    Zstd,
    Tar,
    Zip,
    /// A zip behind the four bytes of a Java module (JEP 261).
    Module,
    Sqlite,
    /// Compressed in a way that is not opened; the word for people.
    Closed(&'static str),
}

/// File signatures of formats that hide their content.
const CLOSED: &[(&[u8], &str)] = &[
    (b"\xfd7zXZ\0", "xz stream"),
    (b"BZh", "bzip2 stream"),
    (b"\x04\x22\x4d\x18", "lz4 stream"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!\x1a\x07", "rar archive"),
];

pub(super) fn kind(head: &[u8]) -> Kind {
    if head.starts_with(b"\x1f\x8b\x08") {
        return Kind::Gzip;
    }
    if head.starts_with(b"PK\x03\x04") {
        return Kind::Zip;
    }
    if head.starts_with(b"\x28\xb5\x2f\xfd") {
        return Kind::Zstd;
    }
    if head.starts_with(b"JM\x01\0PK\x03\x04") {
        return Kind::Module;
    }
    if head.starts_with(sqlite::MAGIC) {
        return Kind::Sqlite;
    }
    if tar::is_header(head) {
        return Kind::Tar;
    }
    let closed = CLOSED.iter().find(|(magic, _)| head.starts_with(magic));
    closed.map_or(Kind::Plain, |(_, word)| Kind::Closed(word))
}

/// A reader whose first bytes are known and will be read again.
pub(super) struct Peeked<'r> {
    head: [u8; HEAD],
    filled: usize,
    read: usize,
    rest: &'r mut dyn Read,
}

impl<'r> Peeked<'r> {
    pub(super) fn new(rest: &'r mut dyn Read) -> io::Result<Self> {
        let mut head = [0; HEAD];
        let filled = fill(rest, &mut head)?;
        Ok(Self {
            head,
            filled,
            read: 0,
            rest,
        })
    }

    pub(super) fn head(&self) -> &[u8] {
        self.head.get(..self.filled).unwrap_or_default()
    }
}

impl Read for Peeked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut left = self.head.get(self.read..self.filled).unwrap_or_default();
        if left.is_empty() {
            return self.rest.read(out);
        }
        let count = left.read(out)?;
        self.read += count;
        Ok(count)
    }
}

/// Reads until `out` is full or the source ends.
pub(super) fn fill(source: &mut dyn Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Finder<'_> {
    /// Searches one stream; `depth` is how many more archives may be opened.
    pub(super) fn item(&mut self, location: &str, source: &mut dyn Read, depth: u32) {
        let mut peeked = match Peeked::new(source) {
            Ok(peeked) => peeked,
            Err(error) => return self.gap(location, unreadable(&error)),
        };
        match kind(peeked.head()) {
            Kind::Plain => self.plain(location, &mut peeked),
            Kind::Closed(word) => {
                self.plain(location, &mut peeked);
                self.gap(location, format!("{word} was not opened"));
            }
            Kind::Sqlite => self.sqlite(location, &mut peeked),
            _ if depth == 0 => {
                self.plain(location, &mut peeked);
                self.gap(location, "archives nested too deep");
            }
            Kind::Gzip => self.gzip(location, &mut peeked, depth - 1),
            Kind::Zstd => self.zstd(location, &mut peeked, depth - 1),
            Kind::Module => {
                let skipped = fill(&mut peeked, &mut [0; 4]);
                debug_assert_eq!(skipped.ok(), Some(4), "the head was seen");
                self.zip(location, &mut peeked, depth - 1);
            }
            Kind::Tar => self.tar(location, &mut peeked, depth - 1),
            Kind::Zip => self.zip(location, &mut peeked, depth - 1),
        }
    }

    /// Searches bytes as they come.
    pub(super) fn plain(&mut self, location: &str, source: &mut dyn Read) {
        let mut hits = Vec::new();
        let read = match &mut self.patterns {
            None => {
                let mut source = source;
                let read = self
                    .stream
                    .read(&mut source, u64::MAX, |hit| hits.push(hit));
                self.looked.bytes += self.stream.position();
                read.map(drop)
            }
            Some(patterns) => {
                let stream = &mut self.stream;
                let exact = self.matcher.shapes() > 0;
                let also = |piece: &[u8]| {
                    if exact {
                        stream.push(piece, |hit| hits.push(hit));
                    }
                };
                let (length, read) = patterns.read(location, source, also, &mut self.looked);
                self.looked.bytes += length;
                read
            }
        };
        self.stream.restart(|hit| hits.push(hit));
        for hit in &hits {
            self.found(hit, &super::location::at(location, hit.start));
        }
        if let Err(error) = read {
            self.gap(location, unreadable(&error));
        }
    }

    fn gzip(&mut self, location: &str, source: &mut dyn Read, depth: u32) {
        let counted = Counted { source, count: 0 };
        let taken: Taken<MultiGzDecoder<Counted<'_>>> = |decoder| decoder.get_ref().count;
        let mut content = self.bounded(MultiGzDecoder::new(counted), taken);
        self.item(location, &mut content, depth);
        self.spent(content.out);
    }

    fn zstd(&mut self, location: &str, source: &mut dyn Read, depth: u32) {
        let taken: Taken<Frames<'_>> = Frames::taken;
        let mut content = self.bounded(Frames::new(source), taken);
        self.item(location, &mut content, depth);
        self.spent(content.out);
    }

    /// A decoder under the limits of this finder.
    pub(super) const fn bounded<D: Read>(&self, decoder: D, taken: Taken<D>) -> Bounded<D> {
        Bounded {
            decoder,
            taken,
            out: 0,
            left: self.limits.expanded.saturating_sub(self.expanded),
            ratio: self.limits.ratio,
            ratio_from: self.limits.ratio_from,
        }
    }

    /// Counts what a decoder gave.
    pub(super) const fn spent(&mut self, out: u64) {
        self.expanded = self.expanded.saturating_add(out);
    }
}

/// The words for a failed read. Bombs speak for themselves; other texts are the system's.
pub(super) fn unreadable(error: &io::Error) -> String {
    if error.get_ref().is_some_and(|inner| inner.is::<Bomb>()) {
        return error.to_string();
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::UnexpectedEof => "ends too early".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => "damaged".to_owned(),
        kind => format!("cannot be read: {kind}"),
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Bomb {
    #[error("expands too much for what it is: a decompression bomb?")]
    Ratio,
    #[error("more to decompress than the limit allows")]
    Total,
}

struct Counted<'r> {
    source: &'r mut dyn Read,
    count: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(out)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// How many bytes a decoder has taken.
pub(super) type Taken<D> = fn(&D) -> u64;

/// A decoder that stops when it gives too much.
pub(super) struct Bounded<D> {
    decoder: D,
    taken: Taken<D>,
    out: u64,
    left: u64,
    ratio: u64,
    ratio_from: u64,
}

impl<D> Bounded<D> {
    /// How many bytes it gave.
    pub(super) const fn out(&self) -> u64 {
        self.out
    }
}

impl<D: Read> Read for Bounded<D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.out > self.left {
            return Err(io::Error::other(Bomb::Total));
        }
        let allowed = (self.taken)(&self.decoder).saturating_mul(self.ratio);
        if self.out > self.ratio_from && self.out > allowed {
            return Err(io::Error::other(Bomb::Ratio));
        }
        let count = self.decoder.read(out)?;
        self.out += count as u64;
        Ok(count)
    }
}
