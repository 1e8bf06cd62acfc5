//! The log as a stream, for `sys/monitor`: lines from the moment somebody asks, at a level of the
//! listener's own.
//!
//! The log never waits for a listener: each has a bounded [`Queue`], and what does not fit is counted
//! and told where it would have stood. A stream ends with its caller's right to it, and with the
//! vault; the last line says why. What a line looks like, the process decides that writes the log
//! ([`crate::host::Host::listen`]); this room reads none.

use crate::clock::Time;
use crate::events::{End, Needs, Standing};
use crate::fault::Fault;
use crate::path::Path;
use crate::request::Caller;
use crate::vault::Services;
use bytes::Bytes;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes that wait for one listener.
const MOST_BYTES: usize = 256 << 10;
/// Lines that wait: each costs more than its bytes.
const MOST_LINES: usize = 4096;
/// Longest line that is told whole.
const LONGEST: usize = 16 << 10;

/// Lines on their way to one listener.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Bytes>,
    bytes: usize,
    /// Since the last line that waits.
    lost: u64,
}

/// What a listener hears next.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Line(Bytes),
    /// So many lines are missing here.
    Lost(u64),
}

impl Queue {
    /// Never waits. Once a line is lost, all are until the listener has taken what waited: so a gap is
    /// in one place, and told there.
    pub fn push(&self, line: &[u8]) {
        let cut = line.get(..LONGEST).filter(|_| line.len() > LONGEST);
        let mut waiting = self.waiting();
        let full = waiting.bytes + cut.unwrap_or(line).len() > MOST_BYTES
            || waiting.lines.len() >= MOST_LINES;
        if full || waiting.lost > 0 {
            waiting.lost += 1;
        } else {
            let line = cut.map_or_else(
                || Bytes::copy_from_slice(line),
                |cut| [cut, b"...\n"].concat().into(),
            );
            waiting.bytes += line.len();
            waiting.lines.push_back(line);
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// May be dropped half-way: nothing is lost.
    async fn next(&self) -> Said {
        loop {
            if let Some(said) = self.take() {
                return said;
            }
            // What came in between left its word here.
            self.news.notified().await;
        }
    }

    fn take(&self) -> Option<Said> {
        let mut waiting = self.waiting();
        if let Some(line) = waiting.lines.pop_front() {
            waiting.bytes = waiting.bytes.saturating_sub(line.len());
            return Some(Said::Line(line));
        }
        match std::mem::take(&mut waiting.lost) {
            0 => None,
            lost => Some(Said::Lost(lost)),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the listeners, left on drop.
pub struct Listener {
    queue: Arc<Queue>,
    word: fn(&str) -> Vec<u8>,
    _seat: Box<dyn Any + Send + Sync>,
}

impl Listener {
    /// `word` makes a line of the log of a sentence of ours; `seat` is dropped when nobody listens any
    /// more.
    #[must_use]
    pub fn new(
        queue: Arc<Queue>,
        word: fn(&str) -> Vec<u8>,
        seat: Box<dyn Any + Send + Sync>,
    ) -> Self {
        Self {
            queue,
            word,
            _seat: seat,
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.queue.waiting().lines.len();
        write!(out, "Listener({count} lines wait)")
    }
}

/// The log for one caller.
pub struct Monitor {
    standing: Standing,
    listener: Listener,
    ended: bool,
}

impl Monitor {
    /// Begins now.
    ///
    /// # Errors
    /// [`crate::Kind::TooMany`]; or the store's failure.
    pub(crate) async fn open(
        services: &Arc<Services>,
        caller: Caller,
        now: Time,
        place: Path,
        listener: Listener,
    ) -> Result<Self, Fault> {
        Ok(Self {
            standing: Standing::open(services, caller, now, place, Needs::Sudo).await?,
            listener,
            ended: false,
        })
    }

    /// The next line; `None` behind the last one, which says why it is the last. To be driven to its
    /// end.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        Some(match self.look().await {
            Ok(Said::Line(line)) => line,
            Ok(Said::Lost(count)) => self.word(&format!(
                "{count} lines of this log were dropped: nobody took them in time"
            )),
            Err(end) => self.farewell(why(end)),
        })
    }

    /// The last line.
    pub fn farewell(&mut self, why: &str) -> Bytes {
        self.ended = true;
        self.word(&format!("this stream ends: {why}"))
    }

    fn word(&self, text: &str) -> Bytes {
        (self.listener.word)(text).into()
    }

    async fn look(&mut self) -> Result<Said, End> {
        loop {
            let turn = tokio::select! {
                // Rights first: lines that come without end must not hide that they are gone.
                biased;
                turn = self.standing.turn() => turn,
                said = self.listener.queue.next() => return Ok(said),
            };
            self.standing.judge(turn).await?;
        }
    }
}

const fn why(end: End) -> &'static str {
    match end {
        End::Behind => "the rights of its caller cannot be read",
        End::Denied | End::Sealed => end.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &Queue) -> Vec<Said> {
        std::iter::from_fn(|| queue.take()).collect()
    }

    #[test]
    fn a_listener_that_does_not_read_costs_so_much_and_no_more() {
        for length in [1, 100, 10_000, 1 << 20] {
            let queue = Queue::default();
            let line = vec![b'x'; length];
            for _ in 0..10_000 {
                queue.push(&line);
            }
            let waiting = queue.waiting();
            assert!(waiting.bytes <= MOST_BYTES + 4, "{length}");
            assert!(waiting.lines.len() <= MOST_LINES, "{length}");
            assert_eq!(
                waiting.lines.iter().map(Bytes::len).sum::<usize>(),
                waiting.bytes
            );
            assert_eq!(waiting.lines.len() as u64 + waiting.lost, 10_000);
        }
    }

    #[test]
    fn a_gap_is_told_where_it_is() {
        let queue = Queue::default();
        for number in 0..MOST_LINES + 7 {
            queue.push(format!("{number}\n").as_bytes());
        }
        let heard = all(&queue);
        assert_eq!(heard.len(), MOST_LINES + 1);
        assert_eq!(heard.last(), Some(&Said::Lost(7)));
        queue.push(b"after\n");
        assert_eq!(all(&queue), [Said::Line(Bytes::from_static(b"after\n"))]);
    }

    #[test]
    fn nothing_fits_before_the_gap_was_told() {
        let queue = Queue::default();
        for _ in 0..=MOST_LINES {
            queue.push(b"early\n");
        }
        let first = queue.take();
        assert_eq!(first, Some(Said::Line(Bytes::from_static(b"early\n"))));
        queue.push(b"late\n");
        let heard = all(&queue);
        assert_eq!(heard.last(), Some(&Said::Lost(2)));
        assert!(!heard.contains(&Said::Line(Bytes::from_static(b"late\n"))));
    }

    #[tokio::test]
    async fn what_is_said_while_nobody_waits_is_heard() {
        let queue = Queue::default();
        queue.push(b"one\n");
        assert_eq!(queue.next().await, Said::Line(Bytes::from_static(b"one\n")));
        queue.push(b"two\n");
        queue.push(b"three\n");
        assert_eq!(queue.next().await, Said::Line(Bytes::from_static(b"two\n")));
        let long = vec![b'y'; LONGEST + 1];
        queue.push(&long);
        queue.next().await;
        let Said::Line(cut) = queue.next().await else {
            panic!("nothing is lost")
        };
        assert!(cut.ends_with(b"y...\n") && cut.len() < LONGEST + 10);
    }
}
