//! What the hooks start.

use super::Name;
use crate::cli::scan::{Judge, Occasion, Options};
use crate::cli::{Context, Exit, Failure};
use clap::Args;
use cofferdam_detect::source::git::Selection;
use std::io::Read as _;

/// Longest list of refs on stdin.
const LONGEST: u64 = 64 << 20;

/// One hook, as git starts it.
#[derive(Args)]
pub(super) struct Run {
    /// Which hook
    #[arg(value_enum, value_name = "HOOK")]
    name: Name,
    #[command(flatten)]
    known: super::Known,
    /// What git gives to it: the name of the remote, its address
    #[arg(
        value_name = "ARGUMENT",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<String>,
}

/// What is pushed: ids that come, ids that the other side has.
#[derive(Default)]
struct Pushed {
    new: Vec<String>,
    old: Vec<String>,
}

impl Run {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let options = Options {
            config: self.known.config.clone(),
            baseline: self.known.baseline.clone(),
            key_file: self.known.key_file.clone(),
            ..Options::default()
        };
        let judge = Judge::here(context, &options)?;
        match self.name {
            Name::PreCommit => judge.judge(context, &Selection::staged(), Occasion::Commit),
            Name::PrePush => {
                let remote = self.arguments.first().map_or("", String::as_str);
                // Without a name it is an address, and we have no refs of what is there.
                let known = if remote.contains(['/', ':']) {
                    String::new()
                } else {
                    format!("refs/remotes/{remote}/")
                };
                // LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID (githooks(5))
                let pushed = said(|words| (words.len() == 4).then_some((1, 3)))?;
                Self::pushed(context, &judge, &pushed, &known, Occasion::Push)
            }
            Name::PreReceive => {
                // OLD-ID NEW-ID REF
                let pushed = said(|words| (words.len() == 3).then_some((1, 0)))?;
                Self::pushed(context, &judge, &pushed, "refs/", Occasion::Receive)
            }
        }
    }

    fn pushed(
        context: &Context,
        judge: &Judge,
        pushed: &Pushed,
        known: &str,
        occasion: Occasion,
    ) -> Result<Exit, Failure> {
        if pushed.new.is_empty() {
            // Only names are taken away.
            return Ok(Exit::Success);
        }
        let selection = judge.new_with(&pushed.new, &pushed.old, known)?;
        judge.judge(context, &selection, occasion)
    }
}

/// What git says on stdin. `ids` finds the new and the old id in the words of a line; zeros stand for
/// none.
fn said(ids: fn(&[&str]) -> Option<(usize, usize)>) -> Result<Pushed, Failure> {
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(LONGEST)
        .read_to_string(&mut text);
    read.map_err(|error| Failure::local(format!("cannot read what git says: {error}")))?;
    let mut pushed = Pushed::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((new, old)) = ids(&words) else {
            return Err(Failure::local("not what git says to this hook")
                .hint("let git start it: cofferdam hook install"));
        };
        let some = |at: usize| {
            let id = words.get(at).map(|id| (*id).to_owned());
            id.filter(|id| id.bytes().any(|byte| byte != b'0'))
        };
        pushed.new.extend(some(new));
        pushed.old.extend(some(old));
    }
    Ok(pushed)
}
