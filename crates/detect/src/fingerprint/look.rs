//! A window in one form: what a print says of it, and which samples of it are looked for.

use super::filter::{fold, word};
use super::key::Mix;
use super::turns::{self, DOUBLE, Mark, WIDTH};
use crate::forms::Shape;
use std::ops::Range;
use zeroize::Zeroize as _;

/// Samples without a mark, which are looked for at regular places. Short windows have five bytes at two
/// places, since every second place of a text is looked at; long ones eight at four.
pub(super) const SHORT: (usize, usize) = (5, 2);
pub(super) const LONG: (usize, usize) = (8, 4);

/// The letters of the window have no case.
const FOLDED: u8 = 1;
/// Its only sample has a mark, and which.
const TURN: u8 = 2;
const DIGITS: u8 = 4;
const WIDE: u8 = 6;
/// Of a turn.
const LOOSE: u8 = 8;
const HEX: u8 = 16;

/// A window in one form. A function of the window and the form alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) length: u8,
    /// Always, where there is a mark.
    pub(super) folded: bool,
    pub(super) whole: u32,
    pub(super) mark: Option<Mark>,
    /// Where in the window each begins, and its tag.
    pub(super) samples: Vec<(u8, u32)>,
}

impl Look {
    /// One whose sample stands at a mark.
    fn marked(mix: Mix, bytes: &[u8], mark: Mark, at: usize) -> Option<Self> {
        let sample = bytes.get(at..at + width(mark))?;
        Some(Self {
            mark: Some(mark),
            samples: vec![(at as u8, mix.tag(word(sample, true)))],
            ..Self::bare(mix, bytes, true)
        })
    }

    /// One whose samples are the first ones.
    fn regular(mix: Mix, bytes: &[u8], folded: bool) -> Self {
        let (width, step) = if folded { LONG } else { SHORT };
        let samples = bytes.windows(width).take(step).enumerate();
        let samples = samples.map(|(at, sample)| (at as u8, mix.tag(word(sample, folded))));
        Self {
            samples: samples.collect(),
            ..Self::bare(mix, bytes, folded)
        }
    }

    fn bare(mix: Mix, bytes: &[u8], folded: bool) -> Self {
        Self {
            length: bytes.len() as u8,
            folded,
            whole: mix.whole(bytes.iter().map(|&byte| fold(byte, folded))),
            mark: None,
            samples: Vec::new(),
        }
    }

    pub(super) const fn flags(&self) -> u8 {
        let folded = if self.folded { FOLDED } else { 0 };
        folded
            | match self.mark {
                None => 0,
                Some(Mark::Digits) => DIGITS,
                Some(Mark::Wide) => WIDE,
                Some(Mark::Turn { loose, hex }) => {
                    TURN | if loose { LOOSE } else { 0 } | if hex { HEX } else { 0 }
                }
            }
    }

    /// What a print says, if it makes sense.
    pub(super) fn read(length: u8, flags: u8, whole: u32, samples: Vec<(u8, u32)>) -> Option<Self> {
        let mark = match flags & !(FOLDED | LOOSE | HEX) {
            0 => None,
            TURN => Some(Mark::Turn {
                loose: flags & LOOSE != 0,
                hex: flags & HEX != 0,
            }),
            DIGITS => Some(Mark::Digits),
            WIDE => Some(Mark::Wide),
            _ => return None,
        };
        let look = Self {
            length,
            folded: flags & FOLDED != 0,
            whole,
            mark,
            samples,
        };
        let width = match mark {
            Some(mark) => width(mark),
            None if look.folded => LONG.0,
            None => SHORT.0,
        };
        let places = look.samples.iter().map(|(at, _)| usize::from(*at));
        let fit = places.clone().all(|at| at + width <= usize::from(length));
        let complete = match mark {
            Some(_) => look.samples.len() == 1 && look.folded,
            None => places.eq(0..if look.folded { LONG.1 } else { SHORT.1 }),
        };
        (fit && complete && look.flags() == flags).then_some(look)
    }
}

const fn width(mark: Mark) -> usize {
    match mark {
        Mark::Turn { .. } => WIDTH,
        Mark::Digits | Mark::Wide => DOUBLE,
    }
}

/// What it costs a search to look for a window in these forms, without a unit.
pub(super) fn cost(shapes: &[Shape]) -> u32 {
    let each = shapes.iter().map(|shape| match turns::mark(shape) {
        Some((Mark::Turn { loose, hex }, _)) => 2 * u32::from(loose) + u32::from(hex),
        Some(_) => 0,
        None => 16,
    });
    each.sum()
}

/// The windows of a print in all forms, each once.
pub(super) struct Looks {
    mix: Mix,
    pub(super) all: Vec<Look>,
}

impl Looks {
    pub(super) const fn new(mix: Mix) -> Self {
        Self {
            mix,
            all: Vec::new(),
        }
    }

    /// The numbers of a window in one form; none if it is too short to be sampled.
    pub(super) fn number(&mut self, part: &Shape) -> Option<Range<u16>> {
        let bytes = part.bytes.expose();
        let marked = turns::mark(part);
        let looks = match marked.and_then(|(mark, at)| Look::marked(self.mix, bytes, mark, at)) {
            Some(look) => vec![look],
            None => self.regular(part)?,
        };
        let known = self.all.windows(looks.len()).position(|all| all == looks);
        let first = match known {
            Some(first) => first,
            None => {
                self.all.extend(looks.iter().cloned());
                self.all.len() - looks.len()
            }
        };
        let first = u16::try_from(first).ok()?;
        Some(first..first + looks.len() as u16)
    }

    fn regular(&self, part: &Shape) -> Option<Vec<Look>> {
        let bytes = part.bytes.expose();
        if bytes.len() >= LONG.0 + LONG.1 - 1 {
            return Some(vec![Look::regular(self.mix, bytes, true)]);
        }
        if bytes.len() < SHORT.0 + SHORT.1 - 1 {
            return None;
        }
        let mut looks = vec![Look::regular(self.mix, bytes, false)];
        if part.caseless.iter().any(|mark| *mark != 0) {
            // All small, or all large: encoders do one or the other.
            let mut large = bytes.clone();
            for (byte, mark) in large.iter_mut().zip(&part.caseless) {
                *byte &= !mark;
            }
            looks.push(Look::regular(self.mix, &large, false));
            large.zeroize();
        }
        Some(looks)
    }
}
