//! The print of one value, and its bytes.
//!
//! ```text
//! 2                       version of these bytes
//! state      u8           0: searched for; else why not (see `Weakness`)
//! bits       u16          estimate of what is not given away
//! windows    u16, each:   length u8, flags u8, whole u32, samples u8, each: at u8, tag u32
//! forms      u16, each:   window u16, offset u16, length u16, form u8, digest 16
//! ```
//! Numbers are big endian. Version 1 is read and no longer made: its windows have no mark (`look.rs`), and
//! their samples no `at`, as they are the first ones.

use super::key::DIGEST;
use super::look::{Look, Looks};
use super::window::{WINDOW, Window};
use super::{PrintKey, estimate};
use crate::forms::{self, Form, Shape};
use crate::weak::{self, Weakness};
use memchr::memmem;

/// First byte.
const VERSION: u8 = 2;

/// What is read besides.
const FIRST_VERSION: u8 = 1;

/// What is known of a value without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print {
    version: u8,
    /// Why it is not searched for.
    pub weakness: Option<Weakness>,
    /// Estimated bits outside of its window.
    pub bits: u16,
    pub(super) windows: Vec<Look>,
    pub(super) forms: Vec<Trace>,
}

/// A form of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) window: u16,
    /// Where in the form the window lies.
    pub(super) offset: u16,
    pub(super) length: u16,
    pub(super) form: Form,
    pub(super) digest: [u8; DIGEST],
}

/// Bytes that are no print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint")]
pub struct Malformed;

impl Print {
    /// The print of a value under a key, if the value is worth at least `least` bits outside of its
    /// window; else one that says why not.
    #[must_use]
    pub fn of(key: &PrintKey, value: &[u8], least: u32) -> Self {
        let value = value.trim_ascii();
        let mut print = Self {
            version: VERSION,
            weakness: weak::judge(value).err(),
            bits: 0,
            windows: Vec::new(),
            forms: Vec::new(),
        };
        if print.weakness.is_some() {
            return print;
        }
        let each = estimate::of_bytes(value);
        let Some(first) = Window::of(value, 0) else {
            print.weakness = Some(Weakness::Guessable);
            return print;
        };
        // Base64 that is broken into lines has a second line, which the first window is not in.
        let second = Window::of(value, SECOND_LINE);
        let windows: Vec<_> = std::iter::once(first).chain(second).collect();
        let outside = outside(&each, 0..value.len(), &windows);
        print.bits = u16::try_from(outside).unwrap_or(u16::MAX);
        if outside < least {
            print.weakness = Some(Weakness::Guessable);
            return print;
        }
        print.add(key, value, &each, &windows, least);
        print
    }

    /// With these windows.
    pub(super) fn add(
        &mut self,
        key: &PrintKey,
        value: &[u8],
        each: &[f64],
        windows: &[Window],
        least: u32,
    ) {
        let mut looks = Looks::new(key.mix());
        for shape in forms::shapes(value) {
            if shape.form == Form::Line {
                continue;
            }
            self.form(key, &mut looks, &shape, windows);
        }
        for line in forms::lines_at(value) {
            let text = value.get(line.clone()).unwrap_or_default();
            let Some(window) = Window::of(text, 0) else {
                continue;
            };
            // The window of the whole may lie in this line too: it is given away twice over.
            let own = Window {
                at: window.at + line.start,
                shapes: window.shapes,
            };
            let known = windows.iter().filter(|window| line.contains(&window.at));
            let twice = WINDOW as f64 * 6.6 * known.count() as f64;
            let outside = outside(each, line, std::slice::from_ref(&own));
            if f64::from(outside) - twice >= f64::from(least) {
                let shape = Shape::exact(Form::Line, cofferdam_secret::Secret::new(text.to_vec()));
                self.form(key, &mut looks, &shape, std::slice::from_ref(&own));
            }
        }
        self.windows = looks.all;
    }

    /// Adds one form, found by the first of these windows that it has.
    fn form(&mut self, key: &PrintKey, looks: &mut Looks, shape: &Shape, windows: &[Window]) {
        let bytes = shape.bytes.expose();
        for window in windows {
            // The longest one that is in it: `abc` escaped is longer than `abc`.
            let mut parts: Vec<&Shape> = window.shapes.iter().collect();
            parts.sort_by_key(|part| std::cmp::Reverse(part.bytes.len()));
            let place = parts.into_iter().find_map(|part| {
                let at = memmem::find(bytes, part.bytes.expose())?;
                looks.number(part).zip(Some(at))
            });
            let Some((numbers, at)) = place else { continue };
            let (Ok(offset), Ok(length)) = (u16::try_from(at), u16::try_from(bytes.len())) else {
                continue;
            };
            let digest = key.digest(shape.form, bytes);
            self.forms.extend(numbers.map(|window| Trace {
                window,
                offset,
                length,
                form: shape.form,
                digest,
            }));
            return;
        }
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![self.version, self.weakness.map_or(0, Weakness::code)];
        out.extend(self.bits.to_be_bytes());
        let count = |many: usize| u16::try_from(many).unwrap_or(u16::MAX);
        let (windows, forms) = (count(self.windows.len()), count(self.forms.len()));
        out.extend(windows.to_be_bytes());
        for look in self.windows.iter().take(usize::from(windows)) {
            out.extend([look.length, look.flags()]);
            out.extend(look.whole.to_be_bytes());
            out.push(look.samples.len() as u8);
            for (at, tag) in &look.samples {
                if self.version != FIRST_VERSION {
                    out.push(*at);
                }
                out.extend(tag.to_be_bytes());
            }
        }
        out.extend(forms.to_be_bytes());
        for trace in self.forms.iter().take(usize::from(forms)) {
            for number in [trace.window, trace.offset, trace.length] {
                out.extend(number.to_be_bytes());
            }
            out.push(trace.form.code());
            out.extend(trace.digest);
        }
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`Malformed`] for anything that [`Print::to_bytes`] does not make.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader(bytes);
        let version = from.byte()?;
        if !(FIRST_VERSION..=VERSION).contains(&version) {
            return Err(Malformed);
        }
        let weakness = match from.byte()? {
            0 => None,
            code => Some(Weakness::of_code(code).ok_or(Malformed)?),
        };
        let bits = from.short()?;
        let mut windows = Vec::new();
        for _ in 0..from.short()? {
            windows.push(from.look(version)?);
        }
        let mut forms = Vec::new();
        for _ in 0..from.short()? {
            forms.push(from.trace(&windows)?);
        }
        if !from.0.is_empty() || (weakness.is_some() && !forms.is_empty()) {
            return Err(Malformed);
        }
        Ok(Self {
            version,
            weakness,
            bits,
            windows,
            forms,
        })
    }
}

/// Base64 breaks its lines at 76 characters, which are this many bytes.
const SECOND_LINE: usize = 57;

/// Estimated bits of a part of the value that no window shows.
fn outside(each: &[f64], part: std::ops::Range<usize>, windows: &[Window]) -> u32 {
    let shown = |at: usize| {
        windows
            .iter()
            .any(|window| (window.at..window.at + WINDOW).contains(&at))
    };
    let hidden = part.filter(|&at| !shown(at));
    hidden.filter_map(|at| each.get(at)).sum::<f64>() as u32
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(u8::from_be_bytes)
    }

    fn short(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    fn look(&mut self, version: u8) -> Result<Look, Malformed> {
        let (length, flags, whole) = (self.byte()?, self.byte()?, self.long()?);
        let mut samples = Vec::new();
        for number in 0..self.byte()? {
            let at = match version {
                FIRST_VERSION => number,
                _ => self.byte()?,
            };
            samples.push((at, self.long()?));
        }
        let marked = version != FIRST_VERSION;
        Look::read(length, flags, whole, samples)
            .filter(|look| marked || look.mark.is_none())
            .ok_or(Malformed)
    }

    fn trace(&mut self, windows: &[Look]) -> Result<Trace, Malformed> {
        let (window, offset, length) = (self.short()?, self.short()?, self.short()?);
        let form = Form::of_code(self.byte()?).ok_or(Malformed)?;
        let digest = self.take()?;
        let look = windows.get(usize::from(window)).ok_or(Malformed)?;
        let inside = u32::from(offset) + u32::from(look.length) <= u32::from(length);
        if !inside || usize::from(length) > forms::LONGEST {
            return Err(Malformed);
        }
        Ok(Trace {
            window,
            offset,
            length,
            form,
            digest,
        })
    }
}
