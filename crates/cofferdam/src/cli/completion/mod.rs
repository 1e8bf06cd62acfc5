//! `cofferdam completion`: what the shell offers on the Tab key.
//!
//! The scripts are a few lines each; they ask this program about every word ([`offer`]). What it
//! knows of verbs, flags and their values comes from the one table of verbs. Mounts and names come
//! from the server ([`ask`]), where the caller may list them: quickly, or not at all, and never a
//! value. What is offered has no character that a shell would obey: somebody else may have named
//! it.
//!
//! What is typed comes on stdin: a line may hold a password for `echo` or a token for the
//! environment, and every user of the machine can read the arguments of a process.

mod ask;
mod install;
mod line;
mod offer;
mod script;

use super::names::Name;
use super::terminal::read_stdin;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand, ValueEnum};

pub(super) use install::{install, uninstall};
pub(super) use script::installed as scripts;

/// More than any line that a person types.
const LONGEST: usize = 1 << 20;

/// Prints the script that completes commands in a shell.
#[derive(Args)]
pub(crate) struct Completion {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// print the script for bash
    Bash,
    /// print the script for zsh
    Zsh,
    /// print the script for fish
    Fish,
    /// what the scripts ask
    #[command(hide = true)]
    Words(Words),
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// GNU bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
}

/// What fits behind what is typed so far, which stands on stdin: for bash the line up to the cursor,
/// else its words, each with a NUL behind it, the last one as far as it is typed.
#[derive(Args)]
struct Words {
    /// Who asks
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Verb for Completion {
    const NAME: &'static str = "completion";
    const ABOUT: &'static str = "print the script that completes commands in a shell";
    const EXAMPLE: &'static str =
        "source <(cofferdam completion bash)\ncofferdam -autocomplete-install";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let shell = match self.action {
            Action::Bash => Shell::Bash,
            Action::Zsh => Shell::Zsh,
            Action::Fish => Shell::Fish,
            Action::Words(asked) => return asked.answer(context).await,
        };
        context.out(script::of(shell, Name::called()).as_bytes())?;
        Ok(Exit::Success)
    }
}

impl Words {
    /// One candidate a line; a tab and what it is for where the shell shows that. Whatever goes
    /// wrong, the shell gets no candidates and people no words in the middle of their line.
    async fn answer(self, context: &Context) -> Result<Exit, Failure> {
        let Some(asked) = read_stdin(LONGEST)?.into_text() else {
            return Ok(Exit::Success);
        };
        let asked = asked.expose().as_str();
        let words: Vec<String> = match self.shell {
            Shell::Bash => line::words(asked),
            Shell::Zsh | Shell::Fish => asked.split_terminator('\0').map(str::to_owned).collect(),
        };
        let offers = offer::to(&words).await;
        let typed = words.last().map_or("", String::as_str);
        let mut text = String::new();
        for offer in offers {
            text.push_str(&offer.shown(self.shell, typed));
            text.push('\n');
        }
        context.out(text.as_bytes())?;
        Ok(Exit::Success)
    }
}
