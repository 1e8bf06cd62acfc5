//! Reads a log and names the lines that somebody touched.
//!
//! Each line is first judged alone (is it written with the key?), then by its place. What is found:
//!
//! | found | means |
//! |---|---|
//! | edited | the line has a link, but not this content |
//! | foreign | no record of ours at all |
//! | removed | numbers are missing before this line |
//! | moved | the line stands later than it was written |
//! | repeated | a copy of an earlier line |
//! | forked | the right number, but behind another line: parts of two logs |
//! | truncated | the log ends before the head that was noted elsewhere |
//!
//! A record that a crash cut off is listed apart: it is no sign of tampering, and was never
//! accepted.

use super::chain::{ChainKey, Head, Link};
use crate::json::{self, Reason, Tokens};
use std::fmt;
use std::io::{self, BufRead, Read as _};

/// Findings that are kept; further ones are counted.
const MOST: usize = 1_000;
/// Longest line that is read; the largest possible record is smaller.
const LONGEST_LINE: u64 = 64 << 20;

/// What is known of the log from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    /// The log goes on from here (the head of the file before it); else it must begin with 1.
    pub after: Option<Head>,
    /// The log must reach this.
    pub head: Option<Head>,
}

/// One place that was touched. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A line's content does not fit its code.
    Edited {
        /// Where.
        line: u64,
    },
    /// A line that is no record of this log.
    Foreign {
        /// Where.
        line: u64,
    },
    /// Records are missing before a line.
    Removed {
        /// Before this line.
        line: u64,
        /// Number of the first one missing.
        first: u64,
        /// How many.
        count: u64,
    },
    /// A line stands later than it was written.
    Moved {
        /// Where.
        line: u64,
        /// Its number.
        seq: u64,
    },
    /// A copy of an earlier line.
    Repeated {
        /// Where.
        line: u64,
        /// Its number.
        seq: u64,
    },
    /// A genuine line that was written behind another one than stands before it.
    Forked {
        /// Where.
        line: u64,
        /// Its number.
        seq: u64,
    },
    /// The end is missing.
    Truncated {
        /// Number of the last record that is there.
        last: u64,
        /// Number of the last record there was.
        expected: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { line } => write!(out, "line {line}: edited"),
            Self::Foreign { line } => write!(out, "line {line}: not a record of this log"),
            Self::Removed {
                line,
                first,
                count: 1,
            } => {
                write!(out, "before line {line}: record {first} is missing")
            }
            Self::Removed { line, first, count } => {
                write!(
                    out,
                    "before line {line}: {count} records from {first} on are missing"
                )
            }
            Self::Moved { line, seq } => {
                write!(
                    out,
                    "line {line}: record {seq} stands later than it was written"
                )
            }
            Self::Repeated { line, seq } => {
                write!(out, "line {line}: record {seq} stands here a second time")
            }
            Self::Forked { line, seq } => {
                write!(
                    out,
                    "line {line}: record {seq} was written behind another line"
                )
            }
            Self::Truncated { last, expected } => {
                write!(
                    out,
                    "the log ends with record {last}, but reached {expected}"
                )
            }
        }
    }
}

/// What a log turned out to be.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Lines read.
    pub lines: u64,
    /// Genuine records.
    pub records: u64,
    /// Head before the first genuine record.
    pub first: Option<Head>,
    /// Head after the last genuine record.
    pub last: Option<Head>,
    /// Places that were touched, by line; at most 1 000 of them.
    pub findings: Vec<Finding>,
    /// Findings beyond those kept.
    pub further: u64,
    /// Lines with a record that a crash or a full disk cut off; at most 1 000.
    pub incomplete: Vec<u64>,
}

impl Report {
    /// Whether nothing was touched.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.findings.is_empty() && self.further == 0
    }
}

/// Reads the log to its end. Memory: one line, and what the report keeps.
///
/// # Errors
/// When reading fails.
pub fn verify(log: impl io::Read, key: &ChainKey, expected: &Expected) -> io::Result<Report> {
    let mut log = io::BufReader::with_capacity(256 << 10, log);
    let mut walk = Walk::new(key, expected);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut log).take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(walk.finish());
        }
        walk.line(&line);
    }
}

struct Walk<'a> {
    key: &'a ChainKey,
    expected: &'a Expected,
    report: Report,
    /// The genuine (or edited) line before.
    before: Head,
    /// The code of the line before is not known: it was edited.
    blind: bool,
    /// Numbers that were jumped over and may still turn up, as half-open ranges.
    missing: Vec<(u64, u64)>,
    head_seen: bool,
}

impl<'a> Walk<'a> {
    fn new(key: &'a ChainKey, expected: &'a Expected) -> Self {
        let before = expected.after.unwrap_or_default();
        let head_seen = expected.head.is_none_or(|head| head == before);
        Self {
            key,
            expected,
            report: Report::default(),
            before,
            blind: false,
            missing: Vec::new(),
            head_seen,
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.report.findings.len() < MOST {
            self.report.findings.push(finding);
        } else {
            self.report.further += 1;
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.report.lines += 1;
        let at = self.report.lines;
        let text = line.strip_suffix(b"\n");
        let mut incomplete = text.is_none();
        let text = text.unwrap_or(line);
        match Link::parse(text) {
            Some(link) if self.key.is_authentic(&link) => self.genuine(at, &link),
            Some(link) => self.edited(at, &link),
            None if is_torn(text) => incomplete = true,
            None => self.find(Finding::Foreign { line: at }),
        }
        if incomplete && self.report.incomplete.len() < MOST {
            self.report.incomplete.push(at);
        }
    }

    /// A line with a link that does not fit. If it claims the number that is due, it stands for it.
    fn edited(&mut self, line: u64, link: &Link<'_>) {
        self.find(Finding::Edited { line });
        if link.head.seq == self.before.seq.saturating_add(1) {
            self.before.seq = link.head.seq;
            self.blind = true;
        }
    }

    fn genuine(&mut self, line: u64, link: &Link<'_>) {
        self.report.records += 1;
        let seq = link.head.seq;
        let due = self.before.seq.saturating_add(1);
        if seq < due {
            self.late(line, seq);
            return;
        }
        if seq > due {
            if self.report.findings.len() < MOST {
                self.missing.push((due, seq));
            }
            self.find(Finding::Removed {
                line,
                first: due,
                count: seq - due,
            });
        } else if !self.blind && link.prev != self.before.mac {
            self.find(Finding::Forked { line, seq });
        }
        self.report.first.get_or_insert(Head {
            seq: seq - 1,
            mac: link.prev,
        });
        self.report.last = Some(link.head);
        self.before = link.head;
        self.blind = false;
        if let Some(head) = self.expected.head.filter(|head| head.seq == seq) {
            if head != link.head {
                self.find(Finding::Forked { line, seq });
            }
            self.head_seen = true;
        }
    }

    /// A genuine line with a number that was due earlier: moved here, or a copy.
    fn late(&mut self, line: u64, seq: u64) {
        let gap = self
            .missing
            .iter()
            .position(|(from, to)| (*from..*to).contains(&seq));
        let Some(gap) = gap else {
            self.find(Finding::Repeated { line, seq });
            return;
        };
        let (from, to) = self.missing.swap_remove(gap);
        self.missing.extend(
            [(from, seq), (seq + 1, to)]
                .into_iter()
                .filter(|(a, b)| a < b),
        );
        self.find(Finding::Moved { line, seq });
    }

    /// Ends the report: what turned up later was not removed.
    fn finish(mut self) -> Report {
        if let Some(head) = self.expected.head.filter(|_| !self.head_seen)
            && head.seq > self.before.seq
        {
            let last = self.before.seq;
            self.find(Finding::Truncated {
                last,
                expected: head.seq,
            });
        }
        let missing = std::mem::take(&mut self.missing);
        self.report.findings = self
            .report
            .findings
            .into_iter()
            .flat_map(|finding| still_missing(finding, &missing))
            .collect();
        self.report
    }
}

/// Whether `text` is the beginning of a record: JSON that starts as ours does and ends too early.
fn is_torn(text: &[u8]) -> bool {
    const START: &[u8] = b"{\"time\":\"";
    if !text.starts_with(START) {
        return !text.is_empty() && START.starts_with(text);
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() => text
            .get(..error.valid_up_to())
            .and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default(),
        Err(_) => return false,
    };
    let mut tokens = Tokens::new(text, json::DEPTH);
    loop {
        match tokens.next() {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(refusal) => return refusal.reason == Reason::Truncated,
        }
    }
}

/// A removal cut down to the numbers that never turned up; any other finding as it is.
fn still_missing(finding: Finding, missing: &[(u64, u64)]) -> Vec<Finding> {
    let Finding::Removed { line, first, count } = finding else {
        return vec![finding];
    };
    let mut parts: Vec<_> = missing
        .iter()
        .filter(|(from, _)| (first..first + count).contains(from))
        .map(|(from, to)| Finding::Removed {
            line,
            first: *from,
            count: to - from,
        })
        .collect();
    parts.sort_by_key(|part| match part {
        Finding::Removed { first, .. } => *first,
        _ => 0,
    });
    parts
}

#[cfg(test)]
mod tests;
