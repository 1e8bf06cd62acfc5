//! One stream, from a descriptor to another.

use super::Current;
use super::terminal::Raw;
use cofferdam_detect::redact::keys::KeyStream;
use cofferdam_detect::redact::{Stream, Style};
use cofferdam_secret::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroize as _;

/// How long nothing must come before a short beginning of a value is let out: longer than a program
/// needs between two writes of one line, shorter than a person notices.
pub const QUIET: Duration = Duration::from_millis(25);

/// What a pipe holds by default.
const PIECE: usize = 64 * 1024;

/// How often somebody in the background looks whether the terminal is its own again: no signal says so.
const BEHIND: Duration = Duration::from_millis(100);

/// After the process ended: how long its children may be silent, and how much of theirs is carried.
const AFTER: (Duration, usize) = (Duration::from_millis(100), 1 << 20);

/// How a lane ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The source has ended, and all of it was written.
    Source,
    /// Nobody reads any more.
    Reader,
}

/// Carries one stream.
pub struct Lane<From, To> {
    from: From,
    to: To,
    /// Without it everything passes as it is: what is typed.
    masking: Option<Masking>,
    /// The terminal where it is typed.
    raw: Option<Arc<Raw>>,
    /// Masks by the names of keys what has passed the other.
    keys: Option<KeyStream>,
    /// What is to be written; wiped when it was.
    out: Vec<u8>,
}

struct Masking {
    current: Arc<Current>,
    stream: Stream,
    seen: u64,
}

impl<From: AsFd, To: AsFd> Lane<From, To> {
    /// A lane that masks.
    pub fn new(from: From, to: To, current: Arc<Current>) -> Self {
        // In this order: a change in between is seen once more, and not missed.
        let seen = current.changes();
        let stream = current.get().stream();
        Self {
            masking: Some(Masking {
                current,
                stream,
                seen,
            }),
            ..Self::plain(from, to)
        }
    }

    /// A lane that passes on what is typed, as long as it is typed for us.
    pub(super) fn keys(from: From, to: To, raw: Arc<Raw>) -> Self {
        Self {
            raw: Some(raw),
            ..Self::plain(from, to)
        }
    }

    const fn plain(from: From, to: To) -> Self {
        Self {
            from,
            to,
            masking: None,
            raw: None,
            keys: None,
            out: Vec::new(),
        }
    }

    /// Masks by the names of keys too.
    #[must_use]
    pub fn with_keys(mut self, style: Style) -> Self {
        self.keys = Some(KeyStream::new(style));
        self
    }

    /// Carries until the source ends, or until the other side of `stop` is closed and what was
    /// written by then is through.
    ///
    /// # Errors
    /// When the source cannot be read or the target not be written.
    pub fn run(mut self, mut stop: Option<BorrowedFd<'_>>) -> io::Result<End> {
        let mut piece = Secret::new(vec![0_u8; PIECE]);
        let mut left = None;
        while left != Some(0) {
            match self.wait(stop, left.is_some())? {
                Event::Ready => {
                    match rustix::io::read(&self.from, piece.expose_mut().as_mut_slice()) {
                        // A terminal whose other side is gone says EIO.
                        Ok(0) | Err(Errno::IO) => break,
                        Ok(count) => {
                            self.take(piece.expose().get(..count).unwrap_or_default());
                            left = left.map(|left: usize| left.saturating_sub(count));
                        }
                        Err(Errno::INTR | Errno::AGAIN) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Event::Quiet if left.is_some() => break,
                Event::Quiet => self.release(),
                Event::Stopped if self.masking.is_none() => return Ok(End::Source),
                Event::Stopped => {
                    stop = None;
                    left = Some(AFTER.1);
                }
            }
            self.mask_keys(false);
            if !self.write(stop)? {
                return Ok(End::Reader);
            }
        }
        if let Some(masking) = &mut self.masking {
            let out = &mut self.out;
            masking
                .stream
                .finish(&mut |part| out.extend_from_slice(part));
        }
        self.mask_keys(true);
        let written = self.write(None)?;
        Ok(if written { End::Source } else { End::Reader })
    }

    fn take(&mut self, piece: &[u8]) {
        let out = &mut self.out;
        let Some(masking) = &mut self.masking else {
            out.extend_from_slice(piece);
            return;
        };
        let changes = masking.current.changes();
        if changes != masking.seen {
            masking.seen = changes;
            masking.stream.renew(masking.current.get());
        }
        masking
            .stream
            .push(piece, &mut |part| out.extend_from_slice(part));
    }

    fn mask_keys(&mut self, at_end: bool) {
        if let Some(keys) = &mut self.keys {
            let mut masked = Vec::with_capacity(self.out.len());
            keys.push(&self.out, &mut masked);
            if at_end {
                keys.finish(&mut masked);
            }
            self.out.zeroize();
            self.out = masked;
        }
    }

    fn release(&mut self) {
        let out = &mut self.out;
        if let Some(masking) = &mut self.masking {
            masking
                .stream
                .release(&mut |part| out.extend_from_slice(part));
        }
    }

    fn wait(&self, stop: Option<BorrowedFd<'_>>, ended: bool) -> io::Result<Event> {
        if self.is_behind() {
            let mut fds: Vec<_> = stop
                .iter()
                .map(|stop| PollFd::new(stop, PollFlags::IN))
                .collect();
            let stopped = poll_for(&mut fds, Some(BEHIND))?;
            return Ok(if stopped {
                Event::Stopped
            } else {
                Event::Quiet
            });
        }
        let waits = self
            .masking
            .as_ref()
            .is_some_and(|masking| masking.stream.waits());
        let patience = match (ended, waits) {
            (true, _) => Some(AFTER.0),
            (false, true) => Some(QUIET),
            (false, false) => None,
        };
        let mut fds = vec![PollFd::new(&self.from, PollFlags::IN)];
        fds.extend(stop.as_ref().map(|stop| PollFd::new(stop, PollFlags::IN)));
        if !poll_for(&mut fds, patience)? {
            return Ok(Event::Quiet);
        }
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        // What was typed for a process that is gone is not read: it is the next one's.
        if self.masking.is_none() && ready(1) {
            return Ok(Event::Stopped);
        }
        Ok(match ready(0) {
            // Who typed it may have put us into the background before.
            true if self.is_behind() => Event::Quiet,
            true => Event::Ready,
            false => Event::Stopped,
        })
    }

    /// Whether what is typed is somebody else's.
    fn is_behind(&self) -> bool {
        self.raw.as_ref().is_some_and(|raw| !raw.has_keys())
    }

    /// `false`: nobody reads.
    fn write(&mut self, stop: Option<BorrowedFd<'_>>) -> io::Result<bool> {
        let mut written = 0;
        while let Some(rest) = self.out.get(written..).filter(|rest| !rest.is_empty()) {
            match rustix::io::write(&self.to, rest) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = vec![PollFd::new(&self.to, PollFlags::OUT)];
                    let typed = stop.as_ref().filter(|_| self.masking.is_none());
                    fds.extend(typed.map(|stop| PollFd::new(stop, PollFlags::IN)));
                    poll_for(&mut fds, None)?;
                    if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
                        break;
                    }
                }
                Err(Errno::PIPE | Errno::IO) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.out.zeroize();
        Ok(true)
    }
}

enum Event {
    Ready,
    Quiet,
    Stopped,
}

/// `false`: nothing happened in that time.
fn poll_for(fds: &mut [PollFd<'_>], patience: Option<Duration>) -> io::Result<bool> {
    let patience = patience.map(|time| Timespec {
        tv_sec: 0,
        tv_nsec: time.subsec_nanos().into(),
    });
    loop {
        match poll(fds, patience.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_detect::redact::{Masks, Style};
    use cofferdam_detect::{Label, Needles};
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    fn current(value: &str) -> Arc<Current> {
        let mut needles = Needles::for_redaction();
        let value = Secret::new(value.as_bytes().to_vec());
        needles
            .add(Label::new("kv/db", Some(7), "value"), &value)
            .unwrap();
        Current::new(Masks::new(needles, &Style::ascii()))
    }

    #[test]
    fn a_prompt_comes_out_and_a_value_does_not() {
        let (mut program, from) = UnixStream::pair().unwrap();
        let (to, mut terminal) = UnixStream::pair().unwrap();
        let lane = Lane::new(from, to, current("swordfish-77!"));
        let carrier = std::thread::spawn(move || lane.run(None));
        let mut seen = [0; 9];
        program.write_all(b"fish or s").unwrap();
        // The last letter is what the value begins with: only the pause lets it out.
        terminal.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"fish or s");
        program.write_all(b"o swordfish-77!").unwrap();
        drop(program);
        let mut rest = String::new();
        terminal.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "o <secret:kv/db@7>");
        assert_eq!(carrier.join().unwrap().unwrap(), End::Source);
    }

    #[test]
    fn what_was_written_before_the_end_is_carried_though_somebody_keeps_it_open() {
        let (mut program, from) = UnixStream::pair().unwrap();
        let (to, mut reader) = UnixStream::pair().unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        program.write_all(b"bye, swordfish-7").unwrap();
        drop(stop);
        let lane = Lane::new(from, to, current("swordfish-77!"));
        assert_eq!(lane.run(Some(stopped.as_fd())).unwrap(), End::Source);
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "bye, swordfish-7");
        drop(program);
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_lane() {
        let (mut program, from) = UnixStream::pair().unwrap();
        let (to, reader) = UnixStream::pair().unwrap();
        drop(reader);
        program.write_all(b"hello").unwrap();
        let lane = Lane::new(from, to, current("swordfish-77!"));
        assert_eq!(lane.run(None).unwrap(), End::Reader);
    }
}
