//! Tar, read as a stream of named byte ranges (POSIX pax and ustar, GNU long names and sparse files).
//!
//! Written for hostile archives: names are only labels, links are only names, devices are only
//! entries, a sparse file is its stored bytes (never its holes), and whatever does not parse is
//! searched as plain bytes. Types without content ignore their size field, as Docker's own reader
//! does, so that both see the same entries.

use super::Finder;
use super::item::{fill, unreadable};
use std::io::{self, Read};

const BLOCK: usize = 512;

/// Longest extended header or long name that is interpreted.
const EXTENDED: u64 = 1 << 20;

/// One block, as an archive gives it.
pub(super) struct Header([u8; BLOCK]);

impl Header {
    fn field(&self, from: usize, length: usize) -> &[u8] {
        self.0.get(from..from + length).unwrap_or_default()
    }

    /// Text up to the first NUL.
    fn text(&self, from: usize, length: usize) -> &[u8] {
        let field = self.field(from, length);
        field.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    fn kind(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or(0)
    }

    fn size(&self) -> Option<u64> {
        number(self.field(124, 12))
    }

    fn name(&self) -> Vec<u8> {
        let name = self.text(0, 100);
        let prefix = self.text(345, 155);
        if self.field(257, 6) == b"ustar\0" && !prefix.is_empty() {
            return [prefix, b"/", name].concat();
        }
        name.to_vec()
    }

    fn link(&self) -> Vec<u8> {
        self.text(157, 100).to_vec()
    }
}

/// Octal with blanks, or GNU's base 256.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((&first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        // A negative number (0xff…) or one beyond 64 bits is nonsense for a size.
        let rest = rest.iter().try_fold(u64::from(first & 0x7f), |sum, &byte| {
            sum.checked_mul(256)?.checked_add(u64::from(byte))
        });
        return rest.filter(|&size| size < 1 << 62);
    }
    let digits = field.split(|&byte| byte == 0).next()?.trim_ascii();
    digits.iter().try_fold(0_u64, |sum, &byte| match byte {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Whether a block is a tar header: its checksum is right (as signed or unsigned bytes).
pub(super) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else {
        return false;
    };
    let Some(expected) = block.get(148..156).and_then(number) else {
        return false;
    };
    let (mut unsigned, mut signed) = (0_u64, 0_i64);
    for (at, &byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        unsigned += u64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    block.first() != Some(&0) && (expected == unsigned || i64::try_from(expected) == Ok(signed))
}

/// What an entry is to the caller.
pub(super) struct Entry<'a> {
    /// Name as it stands in the archive, lossily decoded.
    pub(super) name: &'a str,
    /// Target, when it is a hard or symbolic link.
    pub(super) link: Option<&'a str>,
}

/// What extended headers said about the next entry.
#[derive(Default)]
struct Overrides {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Overrides {
    /// Records of a pax header: `LENGTH KEY=VALUE\n`.
    fn pax(&mut self, mut records: &[u8]) {
        while let Some(space) = records.iter().position(|&byte| byte == b' ') {
            let length = records
                .get(..space)
                .and_then(decimal)
                .and_then(|n| usize::try_from(n).ok());
            let Some((record, rest)) = length.and_then(|length| records.split_at_checked(length))
            else {
                return;
            };
            records = rest;
            let record = record.get(space + 1..).unwrap_or_default();
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = record.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            let value = record.get(equals + 1..).unwrap_or_default();
            match record.get(..equals).unwrap_or_default() {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = decimal(value),
                _ => {}
            }
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn long_name(data: &[u8]) -> Vec<u8> {
    data.split(|&byte| byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec()
}

impl Finder<'_> {
    /// Searches a tar stream; every entry is an item of its own.
    pub(super) fn tar(&mut self, location: &str, source: &mut dyn Read, depth: u32) {
        // Only the outermost archive's names are anybody's business.
        let mut names = self.names.take();
        self.tar_entries(location, source, &mut |finder, entry, data| {
            if let Some(names) = names
                .as_mut()
                .filter(|names| names.len() < super::image::NAMES)
            {
                names.push(entry.name.to_owned());
            }
            let inner = super::location::join(location, entry.name);
            finder.item(&inner, data, depth);
        });
        self.names = names;
    }

    /// Searches a tar stream whose names continue those of a directory elsewhere.
    pub fn tar_of_directory(&mut self, location: &str, directory: &str, source: &mut dyn Read) {
        let directory = directory.trim_matches('/');
        let depth = self.limits.depth;
        self.tar_entries(location, source, &mut |finder, entry, data| {
            let name = match directory {
                "" => entry.name.to_owned(),
                directory => format!("{directory}/{}", entry.name),
            };
            let inner = super::location::join(location, &name);
            finder.item(&inner, data, depth);
            finder.name_of_file(&inner, std::path::Path::new(&name));
        });
    }

    /// Calls `each` for every entry that is not a header extension, with its content.
    pub(super) fn tar_entries(
        &mut self,
        location: &str,
        source: &mut dyn Read,
        each: &mut dyn FnMut(&mut Self, &Entry<'_>, &mut dyn Read),
    ) {
        let mut overrides = Overrides::default();
        let mut entries = 0_u64;
        loop {
            let mut header = Header([0; BLOCK]);
            match fill(source, &mut header.0) {
                Ok(0) => return,
                Ok(BLOCK) => {}
                Ok(_) => return self.gap(location, "ends too early"),
                Err(error) => return self.gap(location, unreadable(&error)),
            }
            if header.0.iter().all(|&byte| byte == 0) {
                // The end mark. Writers fill up with zeros; anything else there is searched too.
                return self.plain(
                    &super::location::join(location, "behind the end of the archive"),
                    source,
                );
            }
            entries += 1;
            let valid = is_header(&header.0) && entries <= self.limits.entries;
            let Some(size) = overrides.size.or_else(|| header.size()).filter(|_| valid) else {
                return self.damaged(location, &header, source);
            };
            self.bytes(&super::location::join(location, "header"), &header.0);
            if let Err(error) =
                self.tar_entry(location, &header, size, &mut overrides, source, each)
            {
                return self.gap(location, unreadable(&error));
            }
        }
    }

    fn tar_entry(
        &mut self,
        location: &str,
        header: &Header,
        size: u64,
        overrides: &mut Overrides,
        source: &mut dyn Read,
        each: &mut dyn FnMut(&mut Self, &Entry<'_>, &mut dyn Read),
    ) -> io::Result<()> {
        match header.kind() {
            kind @ (b'x' | b'g' | b'L' | b'K') if size <= EXTENDED => {
                let mut data = Vec::new();
                (&mut *source).take(size).read_to_end(&mut data)?;
                self.bytes(&super::location::join(location, "extended header"), &data);
                match kind {
                    b'x' => overrides.pax(&data),
                    b'L' => overrides.name = Some(long_name(&data)),
                    b'K' => overrides.link = Some(long_name(&data)),
                    _ => {}
                }
                return skip(source, padding(size));
            }
            b'S' => sparse_map(header, source)?,
            _ => {}
        }
        let of_entry = std::mem::take(overrides);
        let name = of_entry.name.unwrap_or_else(|| header.name());
        let link = matches!(header.kind(), b'1' | b'2')
            .then(|| of_entry.link.unwrap_or_else(|| header.link()));
        let link = link.map(|link| String::from_utf8_lossy(&link).into_owned());
        let entry = Entry {
            name: &String::from_utf8_lossy(&name),
            link: link.as_deref(),
        };
        let size = if matches!(header.kind(), b'1'..=b'6') {
            0
        } else {
            size
        };
        let mut content = Content { source, left: size };
        each(self, &entry, &mut content);
        let left = content.left;
        skip(source, left)?;
        skip(source, padding(size))
    }

    fn damaged(&mut self, location: &str, header: &Header, source: &mut dyn Read) {
        let mut whole = header.0.chain(source);
        self.plain(
            &super::location::join(location, "behind a damaged header"),
            &mut whole,
        );
        self.gap(
            location,
            "damaged tar header; the rest was searched as plain bytes",
        );
    }
}

/// GNU sparse files may have more map blocks before their content.
fn sparse_map(header: &Header, source: &mut dyn Read) -> io::Result<()> {
    let mut more = header.field(482, 1) != [0];
    while more {
        let mut block = [0; BLOCK];
        if fill(source, &mut block)? < BLOCK {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        more = block.get(504) != Some(&0);
    }
    Ok(())
}

const fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

fn skip(source: &mut dyn Read, count: u64) -> io::Result<()> {
    let skipped = io::copy(&mut source.take(count), &mut io::sink())?;
    if skipped < count {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// The content of one entry; an early end of the archive is an error, not an end of file.
struct Content<'r> {
    source: &'r mut dyn Read,
    left: u64,
}

impl Read for Content<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(out.len());
        let Some(room) = out.get_mut(..most).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        let count = self.source.read(room)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}
