//! SQLite databases (sqlite.org/fileformat2.html): rows that continue on other pages.
//!
//! A database is searched as the bytes it is, which also finds what was deleted and not yet overwritten.
//! Only a row longer than a page is cut, with a page number between the pieces: those rows are put
//! together here and searched once more. Nothing is interpreted beyond that.

use super::Finder;
use super::item::unreadable;
use super::location::join;
use std::collections::HashSet;
use std::io::Read;

/// What every database begins with.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

/// Largest database whose rows are put together.
const LARGEST: usize = 64 << 20;

/// Largest row that is.
const LONGEST: usize = 8 << 20;

const INDEX_INTERIOR: u8 = 2;
const INDEX_LEAF: u8 = 10;
const TABLE_LEAF: u8 = 13;

impl Finder<'_> {
    pub(super) fn sqlite(&mut self, location: &str, source: &mut dyn Read) {
        let mut database = Vec::new();
        let read = (&mut *source)
            .take(LARGEST as u64 + 1)
            .read_to_end(&mut database);
        if let Err(error) = read {
            self.plain(location, &mut database.as_slice());
            return self.gap(location, unreadable(&error));
        }
        if database.len() > LARGEST {
            self.plain(location, &mut database.as_slice().chain(source));
            return self.gap(location, "rows over several pages were not put together");
        }
        let before = self.looked.findings.len();
        self.plain(location, &mut database.as_slice());
        let plain: HashSet<_> = self
            .looked
            .findings
            .iter()
            .skip(before)
            .map(|finding| finding.digest)
            .collect();
        let known = self.looked.findings.len();
        each_long_row(&database, |page, row| {
            self.text(&join(location, &format!("a row of page {page}")), row);
        });
        let rows = self.looked.findings.split_off(known);
        let fresh = rows.into_iter().filter(|one| !plain.contains(&one.digest));
        self.looked.findings.extend(fresh);
    }
}

/// Calls `found` with every row that has more than one page, and the number of its first page.
fn each_long_row(database: &[u8], mut found: impl FnMut(usize, &[u8])) {
    let size = match short(database, 16) {
        Some(1) => 1 << 16,
        Some(size) if size >= 512 && size.is_power_of_two() => size,
        _ => return,
    };
    let reserved = database.get(20).copied().map_or(0, usize::from);
    let Some(usable) = size.checked_sub(reserved).filter(|&usable| usable >= 480) else {
        return;
    };
    let mut used = HashSet::new();
    for (number, page) in database.chunks(size).enumerate() {
        let start = if number == 0 { 100 } else { 0 };
        let Some(&kind) = page.get(start) else {
            continue;
        };
        if ![INDEX_INTERIOR, INDEX_LEAF, TABLE_LEAF].contains(&kind) {
            continue;
        }
        let cells = short(page, start + 3).unwrap_or(0);
        let pointers = start + if kind == INDEX_INTERIOR { 12 } else { 8 };
        for cell in 0..cells {
            let Some(at) = short(page, pointers + 2 * cell) else {
                break;
            };
            let Some(cell) = Cell::read(page, at, kind, usable) else {
                continue;
            };
            if let Some(row) = cell.row(database, page, size, usable, &mut used) {
                found(number + 1, &row);
            }
        }
    }
}

/// A cell whose payload goes on elsewhere.
struct Cell {
    payload: usize,
    local: std::ops::Range<usize>,
    next: u32,
}

impl Cell {
    fn read(page: &[u8], at: usize, kind: u8, usable: usize) -> Option<Self> {
        let mut at = if kind == INDEX_INTERIOR { at + 4 } else { at };
        let payload = usize::try_from(varint(page, &mut at)?).ok()?;
        let most = if kind == TABLE_LEAF {
            varint(page, &mut at)?;
            usable - 35
        } else {
            (usable - 12) * 64 / 255 - 23
        };
        if payload <= most || payload > LONGEST {
            return None;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let local = least + (payload - least) % (usable - 4);
        let local = if local <= most { local } else { least };
        let next = page.get(at + local..at + local + 4)?.try_into().ok()?;
        Some(Self {
            payload,
            local: at..at + local,
            next: u32::from_be_bytes(next),
        })
    }

    /// The whole payload. Every page belongs to one row, so a chain that returns to itself ends.
    fn row(
        &self,
        database: &[u8],
        page: &[u8],
        size: usize,
        usable: usize,
        used: &mut HashSet<u32>,
    ) -> Option<Vec<u8>> {
        let mut next = self.next;
        // Thousands of cells can lie over one another, each with a head as long as the page: it is copied
        // only where it goes on with a page that no other row has, so all copies together are bounded.
        let there = (next as usize).checked_sub(1)?.checked_mul(size)? < database.len();
        if !there || used.contains(&next) {
            return None;
        }
        let mut row = page.get(self.local.clone())?.to_vec();
        while row.len() < self.payload && next != 0 && used.insert(next) {
            let start = (next as usize - 1).checked_mul(size)?;
            let page = database.get(start..)?;
            let page = page.get(..usable.min(page.len()))?;
            next = u32::from_be_bytes(page.get(..4)?.try_into().ok()?);
            let wanted = self.payload - row.len();
            row.extend(page.iter().skip(4).take(wanted));
        }
        (row.len() > self.local.len()).then_some(row)
    }
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let two = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(two)))
}

/// Seven bits a byte, the ninth whole.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for count in 1..=9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if count == 9 {
            return Some(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const PAGE: usize = 1 << 16;

    /// A page whose 32 000 cells are one and the same: a head of 65 000 bytes that goes on at `next`.
    fn crowded(next: u32) -> Vec<u8> {
        let mut page = vec![b'x'; PAGE];
        page[0] = TABLE_LEAF;
        page[3..5].copy_from_slice(&32_000_u16.to_be_bytes());
        // The cell begins in the header of the page: a payload of 130 532 bytes, and row 0.
        page[5..8].copy_from_slice(&[0x87, 0xfb, 0x64]);
        for cell in 0..32_000 {
            page[8 + 2 * cell..10 + 2 * cell].copy_from_slice(&5_u16.to_be_bytes());
        }
        page[65_009..65_013].copy_from_slice(&next.to_be_bytes());
        page
    }

    fn database(pages: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let mut database = vec![0; PAGE];
        database[..16].copy_from_slice(MAGIC);
        database[17] = 1;
        database.extend(pages.flatten());
        database
    }

    #[test]
    fn cells_that_lie_over_one_another_cost_no_copies() {
        // Page 1 has no rows; the first cell of page 2 goes on there, the others of it find it taken.
        for (next, rows) in [(0, 0), (u32::MAX, 0), (1, 1)] {
            let database = database((0..64).map(|_| crowded(next)));
            let begun = Instant::now();
            let mut found = Vec::new();
            each_long_row(&database, |page, row| found.push((page, row.len())));
            assert_eq!(found, vec![(2, 65_000 + PAGE - 4); rows]);
            // Copied each time, the heads are 130 GB.
            assert!(begun.elapsed() < Duration::from_secs(8), "next {next}");
        }
    }
}
