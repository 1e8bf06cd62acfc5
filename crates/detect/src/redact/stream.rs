//! One text on its way: what is held, what is masked, what leaves.

use super::view::{State, View};
use super::{MOST_SKIPPED, Masks, SHOWN};
use crate::matcher::Hit;
use crate::needles::SecretId;
use std::ops::Range;
use std::sync::Arc;
use zeroize::Zeroize;

/// Bytes searched at a time: fits in a second-level cache.
const BLOCK: usize = 64 * 1024;

/// A text that is being redacted. What it holds is wiped on drop.
pub struct Stream {
    masks: Arc<Masks>,
    /// The text from the first byte on that may still become a value.
    held: Vec<u8>,
    /// Up to here, in `held`, output was made already: masked, or let out by a pause.
    done: usize,
    /// Up to here, in `held`, reaches the last occurrence.
    masked: usize,
    /// Whose it was.
    last: Option<SecretId>,
    /// In which sequence `held` begins.
    state: State,
    view: View,
    hits: Vec<Hit>,
    found: Vec<Found>,
}

/// An occurrence. Ordered as they are shown: by the beginning, the longest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    start: usize,
    end: std::cmp::Reverse<usize>,
    /// Seen only without what steers a terminal.
    apart: bool,
    secret: SecretId,
}

impl Stream {
    pub(super) fn new(masks: Arc<Masks>) -> Self {
        Self {
            masks,
            held: Vec::new(),
            done: 0,
            masked: 0,
            last: None,
            state: State::default(),
            view: View::default(),
            hits: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Takes the next piece; `out` gets what leaves.
    pub fn push(&mut self, piece: &[u8], out: &mut impl FnMut(&[u8])) {
        for block in piece.chunks(BLOCK) {
            let grows = !self.held.is_empty();
            self.reserve(block.len());
            self.held.extend_from_slice(block);
            if grows && self.is_still_a_beginning() {
                continue;
            }
            self.look(false, out);
        }
    }

    /// Ends the text: all of it leaves.
    pub fn finish(&mut self, out: &mut impl FnMut(&[u8])) {
        self.look(true, out);
        self.state = State::default();
        self.masked = 0;
        self.last = None;
    }

    /// From here on masks other values; what is held is looked at again with the next piece.
    pub fn renew(&mut self, masks: Arc<Masks>) {
        self.masks = masks;
        // The number of a secret is that of its set.
        self.last = None;
    }

    /// Whether a pause would let something out.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.done < self.held.len() && self.visible() <= SHOWN
    }

    /// Lets out what is held, if it is little enough to give nothing away; see the parent module. To
    /// be called when nothing has come for a while and somebody may be waiting.
    pub fn release(&mut self, out: &mut impl FnMut(&[u8])) {
        if self.waits() {
            out(self.held.get(self.done..).unwrap_or_default());
            self.done = self.held.len();
        }
    }

    /// How many bytes are held that have not left.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len() - self.done
    }

    /// Held bytes that could belong to a value.
    fn visible(&self) -> usize {
        let mut view = View::default();
        if view.make(&self.held, self.state) {
            view.text.len()
        } else {
            self.held.len()
        }
    }

    /// Makes room without leaving a copy behind.
    fn reserve(&mut self, more: usize) {
        let needed = self.held.len() + more;
        if needed > self.held.capacity() {
            let mut larger = Vec::with_capacity(needed.next_power_of_two());
            larger.extend_from_slice(&self.held);
            self.held.zeroize();
            self.held = larger;
        }
    }

    /// Whether all that is held is, as before, the beginning of a value: the usual case when a value
    /// comes in small pieces.
    fn is_still_a_beginning(&mut self) -> bool {
        if self.masks.matcher().goes_on(&self.held) {
            return true;
        }
        // Its first byte must be one of the view.
        self.view.make(&self.held, self.state)
            && self.view.place(0) == 0
            && self.view.left_out() <= MOST_SKIPPED
            && self.masks.matcher().goes_on(&self.view.text)
    }

    /// Masks and lets out everything up to the first byte that may still become a value.
    fn look(&mut self, at_end: bool, out: &mut impl FnMut(&[u8])) {
        let masks = Arc::clone(&self.masks);
        let apart = self.view.make(&self.held, self.state);
        self.search(&masks, apart);
        let keep = if at_end {
            self.held.len()
        } else {
            self.keep_from(&masks, apart)
        };
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable();
        for hit in found.iter().filter(|hit| hit.start < keep) {
            self.mask(&masks, *hit, out);
        }
        found.clear();
        self.found = found;
        if keep > self.done {
            out(self.held.get(self.done..keep).unwrap_or_default());
            self.done = keep;
        }
        self.let_go(keep);
    }

    /// All occurrences in what is held.
    fn search(&mut self, masks: &Masks, apart: bool) {
        self.hits.clear();
        masks.matcher().find_into(&self.held, &mut self.hits);
        self.found.extend(self.hits.iter().map(|hit| Found {
            start: hit.start as usize,
            end: std::cmp::Reverse(hit.end as usize),
            apart: false,
            secret: hit.secret,
        }));
        if !apart {
            return;
        }
        self.hits.clear();
        masks.matcher().find_into(&self.view.text, &mut self.hits);
        for hit in &self.hits {
            let start = self.view.place(hit.start as usize);
            let end = self.view.place((hit.end as usize).saturating_sub(1)) + 1;
            let skipped = (end - start).saturating_sub((hit.end - hit.start) as usize);
            if skipped > 0 && skipped <= MOST_SKIPPED {
                self.found.push(Found {
                    start,
                    end: std::cmp::Reverse(end),
                    apart: true,
                    secret: hit.secret,
                });
            }
        }
    }

    /// The first byte that may still become a value.
    fn keep_from(&self, masks: &Masks, apart: bool) -> usize {
        let matcher = masks.matcher();
        let plain = matcher.unfinished(&self.held, 0).unwrap_or(self.held.len());
        if !apart {
            return plain;
        }
        let view = &self.view;
        let mut from = 0;
        while let Some(start) = matcher.unfinished(&view.text, from) {
            let place = view.place(start);
            let skipped = (self.held.len() - place) - (view.text.len() - start);
            if skipped <= MOST_SKIPPED {
                return plain.min(place);
            }
            from = start + 1;
        }
        plain
    }

    /// Shows one occurrence by its name.
    fn mask(&mut self, masks: &Masks, hit: Found, out: &mut impl FnMut(&[u8])) {
        let end = hit.end.0;
        if end <= self.masked {
            return;
        }
        if hit.start >= self.masked {
            self.last = None;
        }
        if hit.start > self.done {
            out(self.held.get(self.done..hit.start).unwrap_or_default());
            self.done = hit.start;
        }
        if self.last != Some(hit.secret) {
            out(masks.name(hit.secret));
            self.last = Some(hit.secret);
        }
        if hit.apart {
            self.pass_on(self.done..end, out);
        }
        self.done = self.done.max(end);
        self.masked = end;
    }

    /// What steers the terminal inside an occurrence; a carriage return would have it written over.
    fn pass_on(&self, range: Range<usize>, out: &mut impl FnMut(&[u8])) {
        for gap in self.view.gaps(range) {
            let bytes = self.held.get(gap).unwrap_or_default();
            for part in bytes.split(|&byte| byte == b'\r') {
                if !part.is_empty() {
                    out(part);
                }
            }
        }
    }

    /// Forgets the first `count` bytes.
    fn let_go(&mut self, count: usize) {
        let gone = self.held.get(..count).unwrap_or_default();
        self.state = self.state.behind(gone);
        let left = self.held.len() - count;
        self.held.copy_within(count.., 0);
        if let Some(stale) = self.held.get_mut(left..) {
            stale.zeroize();
        }
        self.held.truncate(left);
        self.done = self.done.saturating_sub(count);
        self.masked = self.masked.saturating_sub(count);
        if self.masked == 0 {
            self.last = None;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Stream({} bytes held)", self.held())
    }
}
