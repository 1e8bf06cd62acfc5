//! Zstandard (RFC 8878): one frame after another, skippable frames passed over.
//!
//! The decoder is foreign; what is ours is the bound on its window, and the seam between frames, which
//! the decoder leaves to its caller.

use super::item::fill;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::io::{self, Read};

/// Largest window: what the reference decoder takes without being asked for more.
const WINDOW: u64 = 128 << 20;

const FRAME: [u8; 4] = *b"\x28\xb5\x2f\xfd";

/// A source of which four bytes were read ahead, and whose bytes are counted.
pub(super) struct Source<'r> {
    ahead: [u8; 4],
    left: usize,
    rest: &'r mut dyn Read,
    count: u64,
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ahead = self.ahead.get(4 - self.left..).unwrap_or_default();
        if ahead.is_empty() {
            let count = self.rest.read(out)?;
            self.count += count as u64;
            return Ok(count);
        }
        let count = (&mut &*ahead).read(out)?;
        self.left -= count;
        Ok(count)
    }
}

enum State<'r> {
    Between(Source<'r>),
    Inside(Box<StreamingDecoder<Source<'r>, FrameDecoder>>),
    /// An error was given out; nothing follows.
    Broken,
}

/// The content of all frames.
pub(super) struct Frames<'r> {
    state: State<'r>,
    /// What was taken when the state broke.
    taken: u64,
}

impl<'r> Frames<'r> {
    pub(super) fn new(rest: &'r mut dyn Read) -> Self {
        Self {
            state: State::Between(Source {
                ahead: [0; 4],
                left: 0,
                rest,
                count: 0,
            }),
            taken: 0,
        }
    }

    /// Bytes taken from the source.
    pub(super) fn taken(&self) -> u64 {
        match &self.state {
            State::Between(source) => source.count,
            State::Inside(decoder) => decoder.get_ref().count,
            State::Broken => self.taken,
        }
    }

    /// Goes to the content of the next frame, if there is one.
    fn next(&mut self, mut source: Source<'r>) -> io::Result<bool> {
        self.taken = source.count;
        loop {
            let mut magic = [0; 4];
            match fill(&mut source, &mut magic)? {
                0 => {
                    self.state = State::Between(source);
                    return Ok(false);
                }
                4 => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            if magic == FRAME {
                source.ahead = magic;
                source.left = 4;
                let decoder = StreamingDecoder::new_with_max_window_size(source, WINDOW);
                let decoder = decoder.map_err(|_| io::ErrorKind::InvalidData)?;
                self.state = State::Inside(Box::new(decoder));
                return Ok(true);
            }
            if magic[0] & 0xf0 != 0x50 || magic.get(1..) != Some(b"\x2a\x4d\x18") {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut length = [0; 4];
            source.read_exact(&mut length)?;
            let length = u64::from(u32::from_le_bytes(length));
            if io::copy(&mut (&mut source).take(length), &mut io::sink())? < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Broken) {
                State::Broken => return Ok(0),
                State::Between(source) => {
                    if !self.next(source)? {
                        return Ok(0);
                    }
                }
                State::Inside(mut decoder) => {
                    self.taken = decoder.get_ref().count;
                    // Its own words would say more than "damaged", and nobody could act on them.
                    let count = decoder
                        .read(out)
                        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                    if count > 0 {
                        self.state = State::Inside(decoder);
                        return Ok(count);
                    }
                    self.state = State::Between(decoder.into_inner());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn content(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut source = bytes;
        Frames::new(&mut source).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn frames_follow_each_other_and_others_are_passed_over() {
        let one = compress_to_vec(&b"one "[..], CompressionLevel::Fastest);
        let two = compress_to_vec(&b"two"[..], CompressionLevel::Fastest);
        let skipped = b"\x53\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let all = [skipped.clone(), one.clone(), skipped, two].concat();
        assert_eq!(content(&all).unwrap(), b"one two");
        for cut in 1..one.len() {
            let broken = content(&one[..cut]);
            assert!(broken.is_err() || broken.unwrap().len() < 4, "{cut}");
        }
        assert!(content(&[one, b"rubbish".to_vec()].concat()).is_err());
    }
}
