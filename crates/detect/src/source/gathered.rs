//! What many threads saw, put together so that it hangs on what was seen and not on who came first.

use super::{FINDINGS_KEPT, GAPS_KEPT, Gap, Looked};
use crate::pattern::Finding;
use std::collections::BTreeSet;

/// Looks at the things of one source, each thing by one thread.
#[derive(Default)]
pub(super) struct Gathered {
    looked: Looked,
    findings: Vec<Finding>,
    gaps: BTreeSet<Gap>,
}

impl Gathered {
    /// Adds all that was seen in one thing.
    pub(super) fn add(&mut self, mut looked: Looked) {
        self.findings.append(&mut looked.findings);
        // Sorted now and then, so that the price of it is that of one sorting.
        if self.findings.len() > 2 * FINDINGS_KEPT {
            self.cut();
        }
        for gap in std::mem::take(&mut looked.gaps) {
            self.gaps.insert(gap);
            if self.gaps.len() > GAPS_KEPT && self.gaps.pop_last().is_some() {
                self.looked.more_gaps += 1;
            }
        }
        self.looked.absorb(looked);
    }

    /// All of it, by location: beyond the limits the first ones are kept.
    pub(super) fn finish(mut self) -> Looked {
        self.cut();
        self.looked.findings = self.findings;
        self.looked.gaps = self.gaps.into_iter().collect();
        for exposed in self.looked.exposed.values_mut() {
            exposed
                .at
                .sort_by(|a, b| (&a.location, a.form).cmp(&(&b.location, b.form)));
        }
        self.looked
    }

    fn cut(&mut self) {
        // Stable: findings of one place stay as its search gave them.
        self.findings
            .sort_by(|a, b| (&a.location, a.offset).cmp(&(&b.location, b.offset)));
        let more = self.findings.len().saturating_sub(FINDINGS_KEPT);
        self.looked.more_findings += more as u64;
        self.findings.truncate(FINDINGS_KEPT);
    }
}
