//! Text that arrives in pieces, seen through a window that moves.
//!
//! The window holds what lies behind a position, as far as a rule may look back, and what lies ahead, as
//! far as it may look on; both are constants of [`super::scan`], so the cuts never change what is found.

use super::Scanner;
use super::scan::{AHEAD, BEHIND, Found, line_around};
use std::io::{self, Read};
use zeroize::Zeroize;

/// Bytes judged at a time.
const BLOCK: usize = 256 << 10;

/// A text without NUL in its beginning is text.
const TELLING: usize = 8 << 10;

/// Something found, and where.
pub(crate) struct Sighting<'t> {
    pub(crate) found: &'t Found,
    /// The value itself: to be digested and masked, never kept.
    pub(crate) secret: &'t [u8],
    pub(crate) name: &'t [u8],
    /// Line, counted from one.
    pub(crate) line: u64,
    /// Column in bytes, counted from one.
    pub(crate) column: u64,
    /// Offset of the value.
    pub(crate) offset: u64,
    pub(crate) binary: bool,
}

/// A window over one text after another.
pub(crate) struct Windows {
    buffer: Vec<u8>,
}

impl Windows {
    pub(crate) const fn new() -> Self {
        Self { buffer: Vec::new() }
    }

    /// Looks at a whole text.
    pub(crate) fn whole(scanner: &Scanner, text: &[u8], mut seen: impl FnMut(&Sighting<'_>)) {
        let wide = wide_text(text);
        let text = wide.as_deref().unwrap_or(text);
        let binary = is_binary(text);
        let found = scanner.scan(text, 0, text.len(), binary);
        Place::default().report(text, &found, binary, &mut seen);
    }

    /// Looks at a stream to its end. Returns its length.
    pub(crate) fn read(
        &mut self,
        scanner: &Scanner,
        source: &mut dyn Read,
        mut also: impl FnMut(&[u8]),
        mut seen: impl FnMut(&Sighting<'_>),
    ) -> (u64, io::Result<()>) {
        self.buffer.resize(BEHIND + BLOCK + AHEAD, 0);
        let mut state = State::default();
        loop {
            let outcome = self.fill(source, &mut state, &mut also);
            let ended = !matches!(outcome, Ok(true));
            self.judge(scanner, &mut state, ended, &mut seen);
            if ended {
                return (state.place.base + state.filled as u64, outcome.map(drop));
            }
        }
    }

    /// Fills the window; whether it is full.
    fn fill(
        &mut self,
        source: &mut dyn Read,
        state: &mut State,
        also: &mut impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        while let Some(room) = self
            .buffer
            .get_mut(state.filled..)
            .filter(|room| !room.is_empty())
        {
            match source.read(room) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    also(room.get(..count).unwrap_or_default());
                    state.filled += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn judge(
        &mut self,
        scanner: &Scanner,
        state: &mut State,
        ended: bool,
        seen: &mut impl FnMut(&Sighting<'_>),
    ) {
        let text = self.buffer.get(..state.filled).unwrap_or_default();
        if ended && state.place.base == 0 && state.done == 0 {
            // All of it: no need for a window.
            return Self::whole(scanner, text, seen);
        }
        let binary = *state.binary.get_or_insert_with(|| is_binary(text));
        let to = if ended {
            text.len()
        } else {
            text.len().saturating_sub(AHEAD)
        };
        let found = scanner.scan(text, state.done, to, binary);
        state.place.report(text, &found, binary, seen);
        let keep = to.saturating_sub(BEHIND);
        state.place.advance(text, keep);
        let filled = state.filled;
        self.buffer.copy_within(keep..filled, 0);
        state.filled = filled - keep;
        state.done = to - keep;
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[derive(Default)]
struct State {
    place: Place,
    filled: usize,
    done: usize,
    binary: Option<bool>,
}

/// Where the first byte of the window stands.
#[derive(Default)]
pub(super) struct Place {
    base: u64,
    lines: u64,
    /// Bytes between the last line end and the window.
    column: u64,
}

impl Place {
    fn advance(&mut self, text: &[u8], by: usize) {
        let gone = text.get(..by).unwrap_or_default();
        (self.lines, self.column) = self.position(gone);
        self.base += by as u64;
    }

    /// Lines and bytes of the last line, behind `more`, which follows on this place.
    fn position(&self, more: &[u8]) -> (u64, u64) {
        let lines = memchr::memchr_iter(b'\n', more).count() as u64;
        match memchr::memrchr(b'\n', more) {
            Some(last) => (self.lines + lines, (more.len() - last - 1) as u64),
            None => (self.lines, self.column + more.len() as u64),
        }
    }

    /// `found` is in the order of the text, so that its lines are counted once.
    pub(super) fn report(
        &self,
        text: &[u8],
        found: &[Found],
        binary: bool,
        seen: &mut impl FnMut(&Sighting<'_>),
    ) {
        let mut counted = 0;
        let mut here = Self {
            base: self.base,
            lines: self.lines,
            column: self.column,
        };
        let mut allowances = Allowances::default();
        for one in found {
            let line = line_around(text, one.secret.start);
            if allowances.covers(text, line, &one.rule.id) {
                continue;
            }
            let more = text.get(counted..one.secret.start).unwrap_or_default();
            (here.lines, here.column) = here.position(more);
            counted = counted.max(one.secret.start);
            let name = one.name.clone().and_then(|name| text.get(name));
            seen(&Sighting {
                found: one,
                secret: text.get(one.secret.clone()).unwrap_or_default(),
                name: name.unwrap_or_default(),
                line: here.lines + 1,
                column: here.column + 1,
                offset: self.base + one.secret.start as u64,
                binary,
            });
        }
    }
}

/// `cofferdam:allow RULE` in a line lets one finding of that rule in this line pass; a second one needs
/// a second mention. So a new secret beside an allowed one is still found.
#[derive(Default)]
struct Allowances {
    /// Start of the line, rule, how many passed.
    passed: Vec<(usize, String, usize)>,
}

const ALLOW: &[u8] = b"cofferdam:allow";

impl Allowances {
    fn covers(&mut self, text: &[u8], line: &[u8], rule: &str) -> bool {
        let mentions = memchr::memmem::find_iter(line, ALLOW)
            .filter(|&at| {
                let rest = line.get(at + ALLOW.len()..).unwrap_or_default();
                let word = rest
                    .trim_ascii_start()
                    .split(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'-'))
                    .next();
                word == Some(rule.as_bytes())
            })
            .count();
        if mentions == 0 {
            return false;
        }
        let start = (line.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let known = self
            .passed
            .iter_mut()
            .find(|(line, id, _)| *line == start && id == rule);
        match known {
            Some((_, _, count)) => {
                *count += 1;
                *count <= mentions
            }
            None => {
                self.passed.push((start, rule.to_owned(), 1));
                true
            }
        }
    }
}

pub(super) fn is_binary(text: &[u8]) -> bool {
    memchr::memchr(0, text.get(..TELLING.min(text.len())).unwrap_or_default()).is_some()
}

/// UTF-16 with a byte order mark, as Windows writes `.reg` and scripts, in UTF-8.
pub(super) fn wide_text(text: &[u8]) -> Option<Vec<u8>> {
    let (little, rest) = match text {
        [0xff, 0xfe, rest @ ..] => (true, rest),
        [0xfe, 0xff, rest @ ..] => (false, rest),
        _ => return None,
    };
    let units = rest
        .chunks_exact(2)
        .filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
    let units = units.map(|pair| {
        if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        }
    });
    let text: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Some(text.into_bytes())
}
