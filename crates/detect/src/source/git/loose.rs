//! Objects that lie alone: one file each, named after their id.

use super::inflate::{DAMAGED, Damage, HELD, SIZE_LIES};
use super::object::{Id, Kind};
use flate2::read::ZlibDecoder;
use sha1::Digest as _;
use std::fs::File;
use std::io::{self, BufReader, Read};

/// Longest head: a word, a number, a NUL.
const HEAD: usize = 40;

/// An object that is being read.
pub(super) struct Loose {
    pub(super) kind: Kind,
    pub(super) size: u64,
    /// What the head left over.
    rest: Vec<u8>,
    source: ZlibDecoder<BufReader<File>>,
}

impl Loose {
    pub(super) fn open(file: File) -> Result<Self, Damage> {
        let mut source = ZlibDecoder::new(BufReader::with_capacity(16 << 10, file));
        let mut head = [0; HEAD];
        let mut filled = 0;
        while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
            match source.read(room) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(DAMAGED),
            }
        }
        let head = head.get(..filled).unwrap_or_default();
        let end = memchr::memchr(0, head).ok_or(DAMAGED)?;
        let line = head.get(..end).unwrap_or_default();
        let space = memchr::memchr(b' ', line).ok_or(DAMAGED)?;
        let (word, number) = line.split_at(space);
        let number = std::str::from_utf8(number).map_err(|_| DAMAGED)?;
        Ok(Self {
            kind: Kind::of_word(word).ok_or("an object of an unknown kind")?,
            size: number.trim_start().parse().map_err(|_| DAMAGED)?,
            rest: head.get(end + 1..).unwrap_or_default().to_vec(),
            source,
        })
    }

    /// All of it. Its name is checked: an object under another's name is none that git would give.
    pub(super) fn whole(self, id: &Id, out: &mut Vec<u8>) -> Result<Kind, Damage> {
        let kind = self.kind;
        out.clear();
        if self.size > HELD {
            return Err("an object of more than 256 MiB");
        }
        let size = self.size;
        let mut sum = Sum::new(id);
        sum.update(format!("{} {size}\0", kind.word()).as_bytes());
        self.stream()
            .take(size + 1)
            .read_to_end(out)
            .map_err(|_| DAMAGED)?;
        if out.len() as u64 != size {
            return Err(SIZE_LIES);
        }
        sum.update(out);
        if sum.is(id) {
            Ok(kind)
        } else {
            Err(OTHER_NAME)
        }
    }

    /// Its content as a stream.
    pub(super) fn stream(self) -> impl Read {
        io::Cursor::new(self.rest).chain(self.source)
    }
}

pub(super) const OTHER_NAME: Damage = "not the object that its name says";

/// The hash of a repository.
enum Sum {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Sum {
    fn new(id: &Id) -> Self {
        if id.as_bytes().len() == 20 {
            Self::Sha1(sha1::Sha1::new())
        } else {
            Self::Sha256(sha2::Sha256::new())
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
        }
    }

    fn is(self, id: &Id) -> bool {
        match self {
            Self::Sha1(sum) => sum.finalize().as_slice() == id.as_bytes(),
            Self::Sha256(sum) => sum.finalize().as_slice() == id.as_bytes(),
        }
    }
}
