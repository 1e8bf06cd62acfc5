//! Container logs, as far as the log driver keeps them.
//!
//! Without a terminal the engine mixes both streams in frames: one byte for the stream, three zero
//! bytes, four bytes of length (Engine API, "Attach to a container", stream format). Each stream is
//! searched on its own, so a value that was written in two pieces is still found.

use super::Search;
use super::containers::Inspected;
use crate::docker::engine::blocking::Engine;
use cofferdam_detect::Hit;
use std::io::{self, Read};

/// Longest piece read at a time.
const PIECE: usize = 32 << 10;

impl Search<'_> {
    pub(super) fn log(&mut self, engine: &Engine, name: &str, id: &str, state: Option<&Inspected>) {
        let Some(state) = state else {
            return self.finder.gap(name, "could not be inspected");
        };
        self.finder.count();
        if state.log_driver() == "none" {
            // Nothing is kept, so nothing lies there.
            return;
        }
        let body = engine.stream(&format!("/containers/{id}/logs?stdout=1&stderr=1"));
        let mut body = match body {
            Ok(body) => body,
            Err(error) => return self.vanished_or_gap(name, &error),
        };
        let limit = self.scope.log_bytes;
        let mut hits = Vec::new();
        let read = if state.tty() {
            self.terminal_log(&mut body, limit, &mut hits)
        } else {
            self.framed_log(&mut body, limit, &mut hits)
        };
        for (stream, hit) in hits {
            let location = format!("{name}: {stream}, byte {}", hit.start);
            self.finder.found(&hit, &location);
        }
        match read {
            Ok(read) if read >= limit => {
                let reason = format!(
                    "longer than {} MiB; the rest was not looked at",
                    limit >> 20
                );
                self.finder.gap(name, reason);
            }
            Ok(_) => {}
            Err(error) => self
                .finder
                .gap(name, format!("log cannot be read: {}", error.kind())),
        }
    }

    fn terminal_log(
        &self,
        body: &mut impl Read,
        limit: u64,
        hits: &mut Vec<(&'static str, Hit)>,
    ) -> io::Result<u64> {
        let mut stream = self.finder.matcher().stream();
        let read = stream.read(body, limit, |hit| hits.push(("terminal", hit)));
        stream.finish(|hit| hits.push(("terminal", hit)));
        read
    }

    fn framed_log(
        &self,
        body: &mut impl Read,
        limit: u64,
        hits: &mut Vec<(&'static str, Hit)>,
    ) -> io::Result<u64> {
        let mut stdout = self.finder.matcher().stream();
        let mut stderr = self.finder.matcher().stream();
        let mut total = 0;
        let mut piece = vec![0; PIECE];
        let outcome = 'frames: loop {
            if total >= limit {
                break Ok(total);
            }
            let (number, mut left) = match frame(body) {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(total),
                Err(error) => break Err(error),
            };
            let (name, stream) = if number == 2 {
                ("stderr", &mut stderr)
            } else {
                ("stdout", &mut stdout)
            };
            while left > 0 {
                let room = piece.get_mut(..left.min(PIECE)).unwrap_or_default();
                if let Err(error) = body.read_exact(room) {
                    break 'frames Err(error);
                }
                stream.push(room, |hit| hits.push((name, hit)));
                left -= room.len();
                total += room.len() as u64;
            }
        };
        stdout.finish(|hit| hits.push(("stdout", hit)));
        stderr.finish(|hit| hits.push(("stderr", hit)));
        outcome
    }
}

/// Number of the stream and length of the next frame; nothing at the end of the log.
pub(super) fn frame(body: &mut impl Read) -> io::Result<Option<(u8, usize)>> {
    let mut header = [0; 8];
    let mut filled = 0;
    while let Some(room) = header.get_mut(filled..).filter(|room| !room.is_empty()) {
        match body.read(room)? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    let [number, 0, 0, 0, length @ ..] = header else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    Ok(Some((number, u32::from_be_bytes(length) as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_and_nonsense_is_refused() {
        let log = [&[2, 0, 0, 0, 0, 0, 1, 2][..], b"rest"].concat();
        assert_eq!(frame(&mut log.as_slice()).unwrap(), Some((2, 258)));
        assert_eq!(frame(&mut &b""[..]).unwrap(), None);
        assert!(frame(&mut &b"\x01\0\0"[..]).is_err());
        assert!(frame(&mut &b"plain text"[..]).is_err());
    }
}
