//! What a finding means at the occasion at which it is made, and the search of a hook.

use super::git::{GitFlags, refused};
use super::{Options, Progress, Search, baseline, counts, key, style, unseen};
use crate::cli::{Context, Exit, Failure};
use cofferdam_detect::findings::{Findings, Form};
use cofferdam_detect::pattern::{Digest, Finding, IgnoreList, STORED};
use cofferdam_detect::source::git::{Repository, Selection};
use cofferdam_detect::{Matcher, Needles};
use std::collections::HashSet;
use std::path::Path;

/// Why something is looked at. It decides what is said at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Occasion {
    /// Files, images, streams.
    Files,
    /// A history, by hand or in a CI.
    History,
    /// What is staged, by hand.
    Staged,
    /// The hook before a commit.
    Commit,
    /// The hook before a push.
    Push,
    /// The hook of a server.
    Receive,
}

impl Occasion {
    /// What does not happen, for hooks.
    const fn stopped(self) -> Option<&'static str> {
        match self {
            Self::Commit => Some("not committed"),
            Self::Push => Some("not pushed"),
            Self::Receive => Some("not taken"),
            Self::Files | Self::History | Self::Staged => None,
        }
    }

    /// What to do next.
    pub(super) fn advise(self, context: &Context, first: &Finding) {
        let next = match self {
            Self::Files => {
                "a value that was here is known to others: give it a new one, then remove it"
            }
            Self::History => {
                "whoever has a copy of this repository has these values: give them new ones"
            }
            Self::Staged | Self::Commit => "take it out of the file, then: git add FILE",
            Self::Push | Self::Receive => {
                "take it out of these commits, then push again: git rebase -i COMMIT^"
            }
        };
        context.say(&format!("hint: {next}"));
        let rule = &first.rule.id;
        // A value of the store is never none.
        if rule != STORED {
            context.say(&format!(
                "hint: if it is none, say so in its line: cofferdam:allow {rule}"
            ));
        }
        match self {
            Self::Commit => context.say("hint: this once all the same: git commit --no-verify"),
            Self::Push => context.say("hint: this once all the same: git push --no-verify"),
            _ => {}
        }
    }
}

/// The search of a hook, in the repository that git started it for.
pub(in crate::cli) struct Judge {
    search: Search,
    repository: Repository,
    list: IgnoreList,
    baseline: Option<HashSet<Digest>>,
}

impl Judge {
    pub(in crate::cli) fn here(context: &Context, options: &Options) -> Result<Self, Failure> {
        let repository = GitFlags::default().open(context)?;
        let search = Search {
            scanner: options.scanner()?,
            key: key::find(context, options.key_file.as_deref())?,
            matcher: Matcher::new(Needles::new()),
            progress: Progress::new(),
        };
        let baseline = options.baseline.as_deref();
        Ok(Self {
            baseline: baseline
                .map(|path| baseline::read(path, &search.key))
                .transpose()?,
            // Git starts hooks where the worktree begins.
            list: options.ignore_list(Path::new("."))?,
            search,
            repository,
        })
    }

    /// What comes with some objects to somebody who has others.
    pub(in crate::cli) fn new_with(
        &self,
        new: &[String],
        old: &[String],
        known: &str,
    ) -> Result<Selection, Failure> {
        self.repository.new_with(new, old, known).map_err(refused)
    }

    /// Looks, and says something only where there is something to say.
    pub(in crate::cli) fn judge(
        &self,
        context: &Context,
        selection: &Selection,
        occasion: Occasion,
    ) -> Result<Exit, Failure> {
        let looked = self.search.repository(&self.repository, selection);
        self.search.progress.end();
        let mut findings = Findings::new(looked?);
        findings.without(&self.list);
        if let Some(known) = &self.baseline {
            findings.without_digests(known);
        }
        context.out(findings.shown(Form::Text, style(context)).as_bytes())?;
        let Some(first) = findings.findings.first() else {
            unseen(context, &findings);
            return Ok(Exit::Success);
        };
        let stopped = occasion.stopped().unwrap_or("found");
        context.say(&format!("{stopped}: {}", counts(&findings)));
        unseen(context, &findings);
        occasion.advise(context, first);
        Ok(Exit::Code(1))
    }
}
