//! Everything that touches the terminal: words on stderr, data on stdout, a prompt without echo.

use super::Failure;
use cofferdam_secret::{Buffer, Secret};
use rustix::termios::{self, LocalModes, OptionalActions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Longest line that a prompt takes.
const MAX_LINE: usize = 64 * 1024;

/// Writes words to stderr, without the terminal escapes of foreign text.
pub(crate) fn say(text: &str) {
    // Where nobody listens on stderr there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{}", clean(text));
}

/// Removes what a terminal would obey: controls other than newline and tab.
pub(crate) fn clean(text: &str) -> String {
    let obeyed = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars().filter(|c| !obeyed(c)).collect()
}

/// Writes data to stdout as it is.
pub(crate) fn write_out(data: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(data).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::finished(),
        _ => Failure::local(format!("cannot write to stdout: {error}")),
    })
}

/// Whether stdout is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether stderr is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether stdin is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Whether nobody is there to be asked (`-non-interactive`).
static ALONE: AtomicBool = AtomicBool::new(false);

/// From here on nothing is read from stdin, and nobody is asked.
pub(crate) fn ask_nothing() {
    ALONE.store(true, Ordering::Relaxed);
}

fn may_ask() -> Result<(), Failure> {
    match ALONE.load(Ordering::Relaxed) {
        true => Err(
            Failure::usage("not read from stdin, nor asked for, with -non-interactive")
                .hint("give it as an argument or in a file, or leave out -non-interactive"),
        ),
        false => Ok(()),
    }
}

/// Reads all of stdin, up to `limit` bytes.
pub(crate) fn read_stdin(limit: usize) -> Result<Secret<Vec<u8>>, Failure> {
    may_ask()?;
    read_all(io::stdin().lock(), limit)
        .map_err(|error| Failure::local(format!("cannot read stdin: {error}")))
}

/// Reads a stream to its end without leaving copies behind.
pub(crate) fn read_all(mut from: impl io::Read, limit: usize) -> io::Result<Secret<Vec<u8>>> {
    let mut collected = Buffer::with_capacity(4096);
    let mut chunk = Secret::new([0_u8; 4096]);
    loop {
        let count = from.read(chunk.expose_mut())?;
        let Some(read) = chunk.expose().get(..count).filter(|read| !read.is_empty()) else {
            return Ok(collected.finish());
        };
        if collected.len() + count > limit {
            return Err(io::Error::other(format!("more than {limit} bytes")));
        }
        collected.push(read);
    }
}

/// Asks for a secret without echo; without a terminal it reads one line from stdin.
pub(crate) fn prompt_secret(question: &str) -> Result<Secret<String>, Failure> {
    may_ask()?;
    let unreadable = |error: io::Error| Failure::local(format!("cannot read the answer: {error}"));
    if !stdin_is_terminal() {
        return read_line().map_err(unreadable);
    }
    let _ = write!(io::stderr().lock(), "{question} (will be hidden): ");
    let answer = {
        let _echo = NoEcho::begin().map_err(unreadable)?;
        read_line().map_err(unreadable)
    };
    say("");
    answer
}

/// One line from stdin that is no secret: an answer to a question of ours.
pub(crate) fn read_answer() -> Result<String, Failure> {
    may_ask()?;
    let answer = read_line();
    let answer =
        answer.map_err(|error| Failure::local(format!("cannot read the answer: {error}")))?;
    Ok(answer.expose().clone())
}

/// Turns echo off until it is dropped.
struct NoEcho(termios::Termios);

impl NoEcho {
    fn begin() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn read_line() -> io::Result<Secret<String>> {
    let mut line = Buffer::with_capacity(256);
    let mut byte = [0_u8; 1];
    let mut stdin = io::stdin().lock();
    while line.len() < MAX_LINE && stdin.read(&mut byte)? == 1 && byte != *b"\n" {
        line.push(&byte);
    }
    let text = line.finish().into_text();
    let text = text.ok_or_else(|| io::Error::other("not UTF-8"))?;
    Ok(Secret::new(text.expose().trim().to_owned()))
}
