//! Base64 at its three alignments (RFC 4648, both alphabets).
//!
//! In `base64(prefix + value + suffix)` the characters of the value depend on the length of the
//! prefix modulo three. Those that also carry bits of a neighbour are cut off; what remains is the
//! same whatever stands around it, padded or not.

use super::{Collected, Extent, Form, Shape};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use cofferdam_secret::Secret;

/// `base64` and MIME break lines at 76 characters, PEM at 64: this many hold in both.
const FIRST_LINE: usize = 64;
/// Second line of MIME that is also inside the second line of PEM.
const SECOND_LINE: std::ops::Range<usize> = 76..128;

pub(super) fn shapes(value: &[u8], all: &mut Collected) {
    once(value, all);
    wrapped(value, all);
    // A value that is encoded twice is nearly always encoded alone the first time.
    twice(&encode(&STANDARD_NO_PAD, value), all);
}

/// A few bytes that have `before` bytes before them in a value that is encoded alone.
pub(super) fn window(window: &[u8], before: usize, all: &mut Collected) {
    once(window, all);
    twice(&interior(&STANDARD_NO_PAD, window, before % 3), all);
}

fn once(value: &[u8], all: &mut Collected) {
    for alignment in 0..3 {
        all.push(Shape::exact(
            Form::Base64,
            interior(&STANDARD_NO_PAD, value, alignment),
        ));
        all.push(Shape::exact(
            Form::Base64Url,
            interior(&URL_SAFE_NO_PAD, value, alignment),
        ));
    }
}

fn twice(once: &Secret<Vec<u8>>, all: &mut Collected) {
    for alignment in 0..3 {
        let twice = interior(&STANDARD_NO_PAD, once.expose(), alignment);
        all.push(Shape::exact(Form::Base64Twice, twice));
    }
}

/// A value that is encoded alone and broken into lines.
fn wrapped(value: &[u8], all: &mut Collected) {
    let whole = interior(&STANDARD_NO_PAD, value, 0);
    let text = whole.expose();
    if all.extent == Extent::Whole && text.len() > FIRST_LINE {
        for width in [FIRST_LINE, SECOND_LINE.start] {
            for line in text.chunks(width) {
                all.push(Shape::exact(Form::Base64, super::copy(line)));
            }
        }
        return;
    }
    // The first line of a PEM file is its armour, which says nothing.
    if text.len() > FIRST_LINE && !value.starts_with(b"-----") {
        let first = text.get(..FIRST_LINE).unwrap_or_default();
        all.push(Shape::exact(Form::Base64, super::copy(first)));
    }
    if let Some(second) = text.get(SECOND_LINE) {
        all.push(Shape::exact(Form::Base64, super::copy(second)));
    }
}

/// The characters of `value` that no neighbour can change, with `alignment` bytes before it.
fn interior(engine: &GeneralPurpose, value: &[u8], alignment: usize) -> Secret<Vec<u8>> {
    let mut padded = Secret::new(vec![0; alignment]);
    padded.expose_mut().reserve_exact(value.len());
    padded.expose_mut().extend_from_slice(value);
    let text = encode(engine, padded.expose());
    let first = (alignment * 8).div_ceil(6);
    let end = (alignment + value.len()) * 8 / 6;
    super::copy(text.expose().get(first..end).unwrap_or_default())
}

fn encode(engine: &GeneralPurpose, bytes: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(engine.encode(bytes).into_bytes())
}
