//! What a verb is, and how one is started.

use super::names::Name;
use super::{Context, Exit, Failure};
use crate::serve::memory;
use clap::ArgMatches;

/// How many threads a verb wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// The calling thread: a few requests.
    Small,
    /// One worker per core.
    Large,
    /// The same for a long time.
    Server,
}

/// One command, with clap's arguments as its fields.
pub(crate) trait Verb: clap::Args {
    /// The word people type.
    const NAME: &'static str;
    /// One line for the list of commands, lower-case start, no full stop.
    const ABOUT: &'static str;
    /// Example that help shows before the options; lines of commands.
    const EXAMPLE: &'static str = "";
    /// Threads.
    const RUNTIME: Runtime = Runtime::Small;
    /// Output formats of its own, beside those of all.
    const FORMATS: &'static [&'static str] = &[];
    /// How it ends when its arguments are wrong.
    const ERROR: Exit = Exit::Local;

    /// Does it. Data goes to `context.out()`, words to `context.say()`.
    async fn run(self, context: &Context) -> Result<Exit, Failure>;
}

/// A verb in the table.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) example: &'static str,
    pub(crate) error: Exit,
    /// A word of ours, that Vault's clients do not have, or have for something else.
    pub(crate) ours: bool,
    /// The one name under which there is this verb.
    only: Option<Name>,
    pub(crate) augment: fn(clap::Command) -> clap::Command,
    start: fn(&ArgMatches) -> Result<Exit, Failure>,
}

impl Entry {
    pub(crate) const fn of<V: Verb>() -> Self {
        Self {
            name: V::NAME,
            about: V::ABOUT,
            example: V::EXAMPLE,
            error: V::ERROR,
            ours: false,
            only: None,
            augment: V::augment_args,
            start: start::<V>,
        }
    }

    /// The same, as a verb of ours.
    pub(crate) const fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    /// The same, as a verb of one client: under the other names the word is another verb, or none.
    pub(crate) const fn only_as(mut self, name: Name) -> Self {
        self.only = Some(name);
        self
    }

    /// Whether the program has it under this name.
    pub(crate) fn is_known_to(&self, name: Name) -> bool {
        match self.only {
            Some(only) => only == name,
            None => !(self.ours && name.is_client()),
        }
    }

    /// Whether our own command of this word means the same under this name.
    pub(crate) fn is_shared_with(&self, name: Name) -> bool {
        self.is_known_to(Name::Own) && self.is_known_to(name)
    }

    pub(crate) fn launch(&self, matches: &ArgMatches) -> Result<Exit, Failure> {
        // What is ours mostly asks several times, and acts on the answers.
        for flag in ["output_curl_string", "output_policy"] {
            if self.ours && matches.get_flag(flag) {
                let flag = flag.replace('_', "-");
                return Err(Failure::usage(format!("not for {}: -{flag}", self.name))
                    .hint("it is for Vault's own commands, such as: cofferdam kv get")
                    .with_exit(self.error));
            }
        }
        (self.start)(matches)
    }
}

fn start<V: Verb>(matches: &ArgMatches) -> Result<Exit, Failure> {
    let unreadable = |error: &clap::Error| Failure::usage(error.kind().to_string());
    let verb = V::from_arg_matches(matches).map_err(|error| unreadable(&error))?;
    let context = Context::from_matches(matches, V::FORMATS)
        .map_err(|failure| failure.with_exit(V::ERROR))?;
    if V::RUNTIME == Runtime::Server {
        memory::goes_back();
    }
    let mut builder = match V::RUNTIME {
        Runtime::Small => tokio::runtime::Builder::new_current_thread(),
        // On one core a second thread only takes turns with the first.
        _ if one_core() => tokio::runtime::Builder::new_current_thread(),
        Runtime::Large | Runtime::Server => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::local(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(Box::pin(async {
        context.ended(verb.run(&context).await).await
    }))
}

fn one_core() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1)
}
