//! The server's own log as a stream (`sys/monitor`), line by line.

use crate::transport::Body;
use crate::{Client, Error, Request};
use std::time::Duration;

/// A quiet server says nothing, and gives no sign of life: whoever listens waits as long as it wants.
const SILENCE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Longest line that is given out whole.
const LONGEST: usize = 64 * 1024;

/// An open stream.
pub struct Log {
    body: Body,
    lines: Lines,
    over: bool,
}

impl Client {
    /// Listens to the log of the server, at a level by Vault's names, as `standard` or `json`.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn monitor(&self, level: &str, format: &str) -> Result<Log, Error> {
        let request = Request::get("sys/monitor")
            .query("log_level", level)
            .query("log_format", format);
        Ok(Log {
            body: self.open(request).await?,
            lines: Lines::default(),
            over: false,
        })
    }
}

impl Log {
    /// The next line, foreign text; `None` when the server ended the stream. May be dropped half-way:
    /// no line is lost.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(line) = self.lines.next(self.over) {
                return Ok(Some(line));
            }
            if self.over {
                return Ok(None);
            }
            match self.body.piece(SILENCE).await? {
                Some(piece) => self.lines.add(&piece),
                None => self.over = true,
            }
        }
    }
}

/// Pieces of any size become lines.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
    /// What of `pending` has been given out.
    taken: usize,
}

impl Lines {
    fn add(&mut self, piece: &[u8]) {
        self.pending.drain(..self.taken);
        self.taken = 0;
        self.pending.extend_from_slice(piece);
    }

    fn next(&mut self, over: bool) -> Option<String> {
        let rest = self.pending.get(self.taken..).unwrap_or_default();
        let end = rest.iter().take(LONGEST + 1).position(|b| *b == b'\n');
        let (length, skip) = match end {
            Some(end) => (end, 1),
            None if rest.is_empty() => return None,
            None if rest.len() <= LONGEST => {
                if !over {
                    return None;
                }
                (rest.len(), 0)
            }
            // A line without end is given out in pieces.
            None => (LONGEST, 0),
        };
        let line = rest.get(..length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8_lossy(line).into_owned();
        self.taken += length + skip;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for piece in pieces {
            lines.add(piece);
            all.extend(std::iter::from_fn(|| lines.next(false)));
        }
        all.extend(std::iter::from_fn(|| lines.next(true)));
        all
    }

    #[test]
    fn where_the_pieces_are_cut_changes_nothing() {
        let text = "one\n\nzwölf\r\nrest".as_bytes();
        for cut in 0..=text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(lines(&[first, second]), ["one", "", "zwölf", "rest"]);
        }
    }

    #[test]
    fn a_line_without_end_comes_in_pieces_and_is_no_memory() {
        let long = vec![b'x'; LONGEST * 3 + 5];
        let lengths: Vec<_> = lines(&[&long]).iter().map(String::len).collect();
        assert_eq!(lengths, [LONGEST, LONGEST, LONGEST, 5]);
    }

    /// A server may say a million lines at once: each costs what it has, not what stands behind it.
    #[test]
    fn many_lines_in_one_piece_cost_their_length() {
        let begun = std::time::Instant::now();
        assert_eq!(lines(&[&b"\n".repeat(1 << 20)]).len(), 1 << 20);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
