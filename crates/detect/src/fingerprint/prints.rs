//! Many prints, ready to be searched for: the second stage, and what a [`crate::Matcher`] holds.

use super::PrintKey;
use super::filter::{Sample, Tier, fold};
use super::key::{DIGEST, Mix};
use super::print::Print;
use crate::forms::Form;
use crate::label::Label;
use crate::matcher::Hit;
use crate::needles::{Entry, SecretId};
use crate::weak::Weakness;

/// A print with the name of its value.
#[derive(Clone, Debug)]
pub struct Named {
    /// Whose it is.
    pub label: Label,
    /// The newest version of the secret, where there are versions.
    pub newest: Option<u64>,
    /// Who is to be told, as the store says.
    pub owner: Option<String>,
    /// The print.
    pub print: Print,
}

/// What is searched for by print.
#[derive(Default)]
pub struct Prints {
    entries: Vec<Entry>,
    looks: Vec<Look>,
    traces: Vec<Trace>,
    samples: [Vec<Sample>; 2],
    longest: usize,
}

/// A window in one form, and the forms that have it.
struct Look {
    length: u8,
    folded: bool,
    whole: u32,
    /// The first of its traces, and how many there are.
    traces: (u32, u32),
}

#[derive(Clone, Copy)]
struct Trace {
    offset: u16,
    length: u16,
    form: Form,
    secret: SecretId,
    digest: [u8; DIGEST],
}

impl Prints {
    /// Nothing to look for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a print. One of a weak value is kept by name only.
    pub fn add(&mut self, named: Named) {
        let secret = SecretId(self.entries.len() as u32);
        let print = named.print;
        for (number, look) in print.windows.iter().enumerate() {
            let mine = print
                .forms
                .iter()
                .filter(|trace| usize::from(trace.window) == number);
            let first = self.traces.len();
            self.traces.extend(mine.map(|trace| Trace {
                offset: trace.offset,
                length: trace.length,
                form: trace.form,
                secret,
                digest: trace.digest,
            }));
            let here = self.looks.len() as u32;
            self.looks.push(Look {
                length: look.length,
                folded: look.folded,
                whole: look.whole,
                traces: (first as u32, (self.traces.len() - first) as u32),
            });
            let tier = usize::from(look.folded);
            if let Some(samples) = self.samples.get_mut(tier) {
                samples.extend(look.samples.iter().enumerate().map(|(at, tag)| Sample {
                    tag: *tag,
                    look: here,
                    at: at as u8,
                }));
            }
        }
        let lengths = print.forms.iter().map(|trace| usize::from(trace.length));
        self.longest = lengths.max().unwrap_or(0).max(self.longest);
        self.entries.push(Entry {
            label: named.label,
            weakness: print.weakness,
            newest: named.newest,
            owner: named.owner,
        });
    }

    /// Adds a secret that nothing is known of: it has a row and is never searched for.
    pub fn add_unreadable(&mut self, label: Label) {
        self.entries.push(Entry {
            weakness: Some(Weakness::Unreadable),
            ..Entry::of(label)
        });
    }

    /// All secrets, in the order they were added.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many forms are searched for.
    #[must_use]
    pub const fn shapes(&self) -> usize {
        self.traces.len()
    }

    /// Secrets with the same value, by the digest of their first form.
    fn same(&self) -> Vec<(SecretId, Vec<u8>)> {
        let raw = self.traces.iter().filter(|trace| trace.form == Form::Raw);
        raw.map(|trace| (trace.secret, trace.digest.to_vec()))
            .collect()
    }

    /// Ready to be searched with, and the names.
    pub(crate) fn keyed(self, key: PrintKey) -> (Vec<Entry>, Keyed) {
        let same = self.same();
        let mix = key.mix();
        let [short, long] = self.samples;
        let keyed = Keyed {
            mix,
            key,
            short: Tier::new(mix, short),
            long: Tier::new(mix, long),
            looks: self.looks,
            traces: self.traces,
            longest: self.longest,
            same,
        };
        (self.entries, keyed)
    }
}

/// The search by print.
pub(crate) struct Keyed {
    key: PrintKey,
    mix: Mix,
    short: Option<Tier>,
    long: Option<Tier>,
    looks: Vec<Look>,
    traces: Vec<Trace>,
    longest: usize,
    same: Vec<(SecretId, Vec<u8>)>,
}

impl Keyed {
    /// What tells equal values.
    pub(crate) fn same(&self) -> &[(SecretId, Vec<u8>)] {
        &self.same
    }

    /// Length of the longest form.
    pub(crate) const fn longest(&self) -> usize {
        self.longest
    }

    /// How many forms are searched for.
    pub(crate) const fn shapes(&self) -> usize {
        self.traces.len()
    }

    /// Appends the hits in `text`, whose first byte has offset `base`.
    pub(crate) fn scan(&self, text: &[u8], base: u64, hits: &mut Vec<Hit>) {
        if let Some(tier) = &self.short {
            tier.scan(text, true, |look, start| {
                self.judge(text, base, look, start, hits)
            });
        }
        if let Some(tier) = &self.long {
            tier.scan(text, false, |look, start| {
                self.judge(text, base, look, start, hits)
            });
        }
    }

    /// What of the forms with this window lies around `start`.
    fn judge(&self, text: &[u8], base: u64, look: u32, start: usize, hits: &mut Vec<Hit>) {
        let Some(look) = self.looks.get(look as usize) else {
            return;
        };
        let Some(window) = text.get(start..start + usize::from(look.length)) else {
            return;
        };
        let whole = window.iter().map(|&byte| fold(byte, look.folded));
        if self.mix.whole(whole) != look.whole {
            return;
        }
        let (first, count) = (look.traces.0 as usize, look.traces.1 as usize);
        let traces = self.traces.get(first..first + count).unwrap_or_default();
        for trace in traces {
            let Some(begin) = start.checked_sub(usize::from(trace.offset)) else {
                continue;
            };
            let end = begin + usize::from(trace.length);
            let Some(bytes) = text.get(begin..end) else {
                continue;
            };
            if self.key.digest(trace.form, bytes) == trace.digest {
                hits.push(Hit {
                    end: base + end as u64,
                    start: base + begin as u64,
                    secret: trace.secret,
                    form: trace.form,
                });
            }
        }
    }
}
