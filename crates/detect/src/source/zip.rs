//! Zip (and jar, wheel, APK …), read from front to back by its local headers (PKWARE APPNOTE 4.3.7).
//!
//! The directory at the end is not consulted: it may name fewer entries than there are, and a stream
//! has no end to seek to. Entries are deflated or stored; what is encrypted or packed in another way is
//! a gap with its name. Whatever stands between and behind the entries is searched as plain bytes.

use super::Finder;
use super::item::{fill, unreadable};
use super::location::join;
use flate2::bufread::DeflateDecoder;
use std::io::{self, BufRead, BufReader, Read};

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// Sizes follow behind the content (general purpose flag 3).
const TRAILING_SIZE: u16 = 1 << 3;
const ENCRYPTED: u16 = 1;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Fixed part of a local header, behind the signature.
struct Local {
    flags: u16,
    method: u16,
    size: u64,
    name: Vec<u8>,
}

impl Local {
    fn read(source: &mut impl Read) -> io::Result<Self> {
        let mut fixed = [0; 26];
        source.read_exact(&mut fixed)?;
        let mut name = vec![0; usize::from(short(&fixed, 22))];
        source.read_exact(&mut name)?;
        let mut extra = vec![0; usize::from(short(&fixed, 24))];
        source.read_exact(&mut extra)?;
        let mut size = u64::from(long(&fixed, 14));
        if size == u64::from(u32::MAX) {
            size = zip64(&extra).ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(Self {
            flags: short(&fixed, 2),
            method: short(&fixed, 4),
            size,
            name,
        })
    }
}

fn short(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    u16::from_le_bytes(bytes.unwrap_or_default())
}

fn long(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(bytes.unwrap_or_default())
}

/// Compressed size in the zip64 record (id 1): it stands behind the plain size.
fn zip64(mut extra: &[u8]) -> Option<u64> {
    while extra.len() >= 4 {
        let (id, length) = (short(extra, 0), usize::from(short(extra, 2)));
        let record = extra.get(4..4 + length)?;
        if id == 1 {
            return record.get(8..16)?.try_into().ok().map(u64::from_le_bytes);
        }
        extra = extra.get(4 + length..)?;
    }
    None
}

impl Finder<'_> {
    /// Searches a zip stream; every entry is an item of its own.
    pub(super) fn zip(&mut self, location: &str, source: &mut dyn Read, depth: u32) {
        let mut source = BufReader::new(source);
        let mut entries = 0_u64;
        loop {
            let mut mark = [0; 4];
            match fill(&mut source, &mut mark) {
                Ok(0) => return,
                Ok(4) if u32::from_le_bytes(mark) == LOCAL && entries < self.limits.entries => {}
                // The directory: names, comments, and whatever was added behind it.
                Ok(count) => {
                    let mark = mark.get(..count).unwrap_or_default();
                    let place = join(location, "archive directory");
                    return self.plain(&place, &mut mark.chain(&mut source));
                }
                Err(error) => return self.gap(location, unreadable(&error)),
            }
            entries += 1;
            let done = Local::read(&mut source)
                .and_then(|local| self.zip_entry(location, &local, &mut source, depth));
            if let Err(error) = done {
                // Without the length of this entry the next one cannot be told.
                self.plain(&join(location, "behind a damaged entry"), &mut source);
                return self.gap(location, unreadable(&error));
            }
        }
    }

    fn zip_entry(
        &mut self,
        location: &str,
        local: &Local,
        source: &mut BufReader<&mut dyn Read>,
        depth: u32,
    ) -> io::Result<()> {
        let name = String::from_utf8_lossy(&local.name);
        self.text(&join(location, "entry name"), &local.name);
        let inner = join(location, &name);
        let trailing = local.flags & TRAILING_SIZE != 0;
        let encrypted = local.flags & ENCRYPTED != 0;
        match local.method {
            DEFLATED if !encrypted => {
                let mut content =
                    self.bounded(DeflateDecoder::new(&mut *source), DeflateDecoder::total_in);
                self.item(&inner, &mut content, depth);
                // The end of this entry is where its deflate stream ends.
                let rest = io::copy(&mut content, &mut io::sink());
                self.spent(content.out());
                rest?;
            }
            STORED if !encrypted && (!trailing || local.size > 0) => {
                let mut content = (&mut *source).take(local.size);
                self.item(&inner, &mut content, depth);
                whole(content)?;
            }
            _ => {
                let why = if encrypted {
                    "is encrypted"
                } else {
                    "is packed in an unknown way"
                };
                self.gap(&inner, why);
                if trailing && local.size == 0 {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                whole((&mut *source).take(local.size))?;
            }
        }
        if trailing { descriptor(source) } else { Ok(()) }
    }
}

/// Reads the rest of an entry, which must be there.
fn whole(mut content: io::Take<impl Read>) -> io::Result<()> {
    io::copy(&mut content, &mut io::sink())?;
    if content.limit() > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Checksum and sizes behind the content: with or without a signature, of 4 or 8 bytes each. The next
/// signature says which it was.
fn descriptor(source: &mut BufReader<&mut dyn Read>) -> io::Result<()> {
    let mut seen = Vec::with_capacity(24);
    for _ in 0..24 {
        let next = source.fill_buf()?;
        let starts =
            seen.len() >= 12 && next.starts_with(b"PK") && next.get(2..4) != Some(&DESCRIPTOR[2..]);
        if starts {
            return Ok(());
        }
        let Some(&byte) = next.first() else {
            return Ok(());
        };
        seen.push(byte);
        source.consume(1);
    }
    Ok(())
}
