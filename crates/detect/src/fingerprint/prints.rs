//! Many prints, ready to be searched for: the second stage, and what a [`crate::Matcher`] holds.

use super::PrintKey;
use super::filter::{Sample, Tier, fold};
use super::key::{DIGEST, Mix};
use super::look::Look as Shown;
use super::print::Print;
use super::runs;
use super::turns::{self, Asked};
use super::window::WINDOW;
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
    /// Those without a mark by [`Place`], then short and long ones.
    samples: [[Vec<Sample>; 2]; 3],
    /// Those with a mark.
    marked: Vec<Sample>,
    asked: Asked,
    /// Length of the shortest form that stands among letters and digits.
    lettered: Option<usize>,
    longest: usize,
}

/// Where a window is looked for that has no mark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere = 0,
    /// Where letters and digits stand in a row.
    Lettered = 1,
    /// Where every second byte is zero.
    Wide = 2,
}

impl Place {
    /// What all forms with a window have in common. None has the window: it is not looked for.
    ///
    /// `plain`: the value has nothing that a URL escapes, so it is letters, digits and `-._` alone.
    fn of(look: &Shown, forms: &[Trace], plain: bool) -> Option<Self> {
        let of_form = |form| match form {
            Form::Base64 | Form::Base64Url | Form::Base64Twice | Form::Hex => Self::Lettered,
            Form::Raw if plain => Self::Lettered,
            // With zeros between its bytes; one with characters of two bytes is of another length.
            Form::Utf16 if look.folded && usize::from(look.length) == 2 * WINDOW - 1 => Self::Wide,
            _ => Self::Anywhere,
        };
        let first = of_form(forms.first()?.form);
        let same = forms.iter().all(|trace| of_form(trace.form) == first);
        Some(if same { first } else { Self::Anywhere })
    }
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
        // A form that is like another one is not there twice.
        let plain = print.forms.iter().all(|trace| trace.form != Form::Url);
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
            let traces = self.traces.get(first..).unwrap_or_default();
            let place = Place::of(look, traces, plain);
            if place == Some(Place::Lettered) && look.mark.is_none() {
                let lengths = traces.iter().map(|trace| usize::from(trace.length));
                self.lettered = lengths.chain(self.lettered).min();
            }
            let to = match (place, look.mark) {
                // No form has it.
                (None, _) => None,
                (_, Some(mark)) => {
                    self.asked.add(mark);
                    Some(&mut self.marked)
                }
                (Some(place), None) => {
                    let tiers = self.samples.get_mut(place as usize);
                    tiers.and_then(|tiers| tiers.get_mut(usize::from(look.folded)))
                }
            };
            let samples = look.samples.iter();
            to.into_iter().for_each(|to| {
                to.extend(samples.clone().map(|&(at, tag)| Sample {
                    tag,
                    look: here,
                    at,
                }));
            });
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
        let tiers = self.samples.map(|[short, long]| {
            let tiers = [Tier::new(mix, false, short), Tier::new(mix, true, long)];
            tiers.into_iter().flatten().collect()
        });
        let [anywhere, lettered, wide] = tiers;
        let keyed = Keyed {
            mix,
            key,
            anywhere,
            lettered,
            wide,
            marked: Tier::new(mix, true, self.marked),
            asked: self.asked,
            shortest: self.lettered.unwrap_or(0),
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
    anywhere: Vec<Tier>,
    lettered: Vec<Tier>,
    wide: Vec<Tier>,
    marked: Option<Tier>,
    asked: Asked,
    /// The shortest row of letters and digits that may be a form.
    shortest: usize,
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
        let mut judge = |look, start| self.judge(text, base, look, start, hits);
        for tier in &self.anywhere {
            tier.scan(text, 0, &mut judge);
        }
        if !self.lettered.is_empty() {
            runs::each(text, self.shortest, |run| {
                let from = run.start;
                let run = text.get(run).unwrap_or_default();
                for tier in &self.lettered {
                    tier.scan(run, from, &mut judge);
                }
            });
        }
        for tier in &self.wide {
            tier.scan_wide(text, &mut judge);
        }
        if let Some(tier) = &self.marked {
            turns::each(text, self.asked, |sample, at| {
                tier.one(sample, at, &mut judge)
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
