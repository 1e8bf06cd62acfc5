//! The ways in which one value can stand in a file, a log, a URL or a JSON document.
//!
//! Every form is a byte string to search for, with a mark on the bytes whose case does not matter
//! (hex digits). Base64 is cut to the characters that depend on the value alone, at each of the
//! three alignments, so that neither padding nor neighbours decide whether it is found.
//!
//! Not found, and said so in the documentation: a value that was compressed without a header,
//! encrypted, xored, reversed, or split over two files.

mod base64;
mod escape;

use cofferdam_secret::Secret;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

/// Longest byte string searched for. A longer form is known by its first bytes; a match of this
/// length is no accident.
pub const LONGEST: usize = 4096;

/// Length of a piece of a longer form, where all of it is searched for.
const PIECE: usize = 1024;

/// Shortest line of a multi-line value that is searched for alone.
const SHORTEST_LINE: usize = 16;

/// Most lines of one value that are searched for alone.
const MOST_LINES: usize = 128;

/// Least information of such a line, in bits: `-----END CERTIFICATE-----` or `"type": "x",` are no
/// secrets.
const LEAST_LINE_BITS: f64 = 64.0;

/// How a value was written down where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As it is.
    Raw,
    /// One line of a value with several.
    Line,
    /// Base64, standard alphabet, any alignment.
    Base64,
    /// Base64, URL-safe alphabet.
    Base64Url,
    /// Base64 of base64, as in a Kubernetes secret that holds a Docker config.
    Base64Twice,
    /// Hexadecimal, either case.
    Hex,
    /// Percent-encoded, any of the usual sets, `+` or `%20` for a space.
    Url,
    /// Inside a JSON string: `\"`, `\n`, `\u003c`, `\/`.
    Json,
    /// Inside JSON inside a JSON string.
    JsonTwice,
    /// Quoted for a shell.
    Shell,
    /// UTF-16, either byte order.
    Utf16,
}

impl Form {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Line => "one line",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Base64Twice => "base64 twice",
            Self::Hex => "hex",
            Self::Url => "url",
            Self::Json => "json",
            Self::JsonTwice => "json twice",
            Self::Shell => "shell",
            Self::Utf16 => "utf-16",
        }
    }
}

/// Every form with its number in fingerprints. A number is never given to another form.
const CODES: [(Form, u8); 11] = [
    (Form::Raw, 1),
    (Form::Line, 2),
    (Form::Base64, 3),
    (Form::Base64Url, 4),
    (Form::Base64Twice, 5),
    (Form::Hex, 6),
    (Form::Url, 7),
    (Form::Json, 8),
    (Form::JsonTwice, 9),
    (Form::Shell, 10),
    (Form::Utf16, 11),
];

impl Form {
    /// Its number in fingerprints.
    pub(crate) fn code(self) -> u8 {
        let known = CODES.iter().find(|(form, _)| *form == self);
        known.map_or(0, |(_, code)| *code)
    }

    /// The form with this number.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        let known = CODES.iter().find(|(_, known)| *known == code);
        known.map(|(form, _)| *form)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One byte string to look for.
pub struct Shape {
    /// Which form it is.
    pub form: Form,
    /// The bytes; letters whose case is free are lower case. Wiped on drop.
    pub bytes: Secret<Vec<u8>>,
    /// `0x20` where the case of the byte is free, else `0`; empty when no byte is free.
    pub caseless: Vec<u8>,
}

impl Shape {
    pub(crate) fn exact(form: Form, bytes: Secret<Vec<u8>>) -> Self {
        Self {
            form,
            bytes,
            caseless: Vec::new(),
        }
    }
}

/// Every form of `value` (which should not be weak), each byte string once.
///
/// White space at both ends is left out: files and variables rarely keep it as it was.
#[must_use]
pub fn shapes(value: &[u8]) -> Vec<Shape> {
    collect(value, Extent::Telling)
}

/// As [`shapes`], so that nothing of a form is left uncovered: a form that is longer than a piece
/// is several overlapping ones, and every line of a broken one is there.
#[must_use]
pub fn pieces(value: &[u8]) -> Vec<Shape> {
    collect(value, Extent::Whole)
}

/// How much of a form there is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Enough to know it by.
    Telling,
    /// All of it.
    Whole,
}

fn collect(value: &[u8], extent: Extent) -> Vec<Shape> {
    let value = value.trim_ascii();
    let mut all = Collected::new(extent);
    whole(value, &mut all);
    let most = match extent {
        Extent::Telling => MOST_LINES,
        Extent::Whole => usize::MAX,
    };
    for line in lines(value).take(most) {
        let line = value.get(line).unwrap_or_default();
        all.push(Shape::exact(Form::Line, copy(line)));
    }
    if extent == Extent::Whole && value.contains(&b'\r') {
        // Terminals and pipes of terminals add and lose carriage returns; the search skips them.
        let plain = value.iter().copied().filter(|&byte| byte != b'\r');
        all.push(Shape::exact(Form::Raw, Secret::new(plain.collect())));
    }
    all.shapes
}

/// The value as a whole, in every form.
fn whole(value: &[u8], all: &mut Collected) {
    all.push(Shape::exact(Form::Raw, copy(value)));
    base64::shapes(value, all);
    escaped(value, all);
}

fn escaped(value: &[u8], all: &mut Collected) {
    all.push(escape::hex(value));
    escape::shapes(value, all);
    escape::utf16(value, all);
}

/// Every form of a few bytes that lie `before` bytes inside a value, however short: what all forms of the
/// value have.
pub(crate) fn of_window(window: &[u8], before: usize) -> Vec<Shape> {
    let mut all = Collected {
        shortest: 1,
        ..Collected::new(Extent::Telling)
    };
    all.push(Shape::exact(Form::Raw, copy(window)));
    base64::window(window, before, &mut all);
    escaped(window, &mut all);
    // A character that is cut in two is escaped as a whole: what lies between has these forms for certain.
    let whole = without_halves(window);
    if !whole.is_empty() && whole.len() < window.len() {
        escaped(whole, &mut all);
    }
    all.shapes
}

/// The bytes of characters that are there as a whole.
fn without_halves(mut bytes: &[u8]) -> &[u8] {
    while let [0x80..=0xbf, rest @ ..] = bytes {
        bytes = rest;
    }
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).unwrap_or_default()
        }
        _ => bytes,
    }
}

/// Where the lines are that are searched for alone.
pub(crate) fn lines_at(value: &[u8]) -> Vec<Range<usize>> {
    lines(value).take(MOST_LINES).collect()
}

/// Lines that are telling enough to be searched for alone.
fn lines(value: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let several = value.contains(&b'\n');
    let mut next = 0;
    value
        .split(|&byte| byte == b'\n')
        .map(move |line| {
            let start = next + (line.len() - line.trim_ascii_start().len());
            next += line.len() + 1;
            (start, line.trim_ascii())
        })
        .filter(move |_| several)
        .filter(|(_, line)| line.len() >= SHORTEST_LINE && !line.starts_with(b"-----"))
        .filter(|(_, line)| {
            crate::weak::information(line) >= LEAST_LINE_BITS.min(line.len() as f64 * 3.0)
        })
        .map(|(start, line)| start..start + line.len())
}

fn copy(bytes: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(bytes.to_vec())
}

/// Shapes without doubles. A shape shorter than the shortest value says nothing and is left out.
struct Collected {
    extent: Extent,
    shapes: Vec<Shape>,
    state: RandomState,
    known: HashSet<u64>,
    shortest: usize,
}

impl Collected {
    fn new(extent: Extent) -> Self {
        Self {
            extent,
            shapes: Vec::new(),
            state: RandomState::new(),
            known: HashSet::new(),
            shortest: crate::weak::SHORTEST,
        }
    }

    fn push(&mut self, mut shape: Shape) {
        match self.extent {
            Extent::Telling if shape.bytes.len() > LONGEST => {
                shape.bytes = copy(shape.bytes.expose().get(..LONGEST).unwrap_or_default());
                shape.caseless.truncate(LONGEST);
            }
            Extent::Whole if shape.bytes.len() > PIECE => return self.push_pieces(&shape),
            _ => {}
        }
        self.add(shape);
    }

    /// Pieces that overlap by half, the last one up to the end: so they are found as one stretch.
    fn push_pieces(&mut self, shape: &Shape) {
        let last = shape.bytes.len() - PIECE;
        for from in (0..last).step_by(PIECE / 2).chain([last]) {
            let cut = |bytes: &[u8]| bytes.get(from..from + PIECE).unwrap_or_default().to_vec();
            self.add(Shape {
                form: shape.form,
                bytes: Secret::new(cut(shape.bytes.expose())),
                caseless: cut(&shape.caseless),
            });
        }
    }

    fn add(&mut self, shape: Shape) {
        if shape.bytes.len() < self.shortest {
            return;
        }
        let print = self.state.hash_one((shape.bytes.expose(), &shape.caseless));
        if self.known.insert(print) {
            self.shapes.push(shape);
        }
    }
}

#[cfg(test)]
mod tests;
