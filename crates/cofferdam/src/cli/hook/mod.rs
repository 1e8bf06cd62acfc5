//! `cofferdam hook`: git asks before it commits and before it pushes.
//!
//! `install` writes two short scripts where git looks for hooks (`core.hooksPath` is respected). A hook
//! that is there already is kept beside ours and runs first, so that what it stages is judged as well;
//! `uninstall` puts it back as it was, byte for byte. What the scripts start is `cofferdam hook run`.

mod place;
mod run;
mod script;

use super::output::Format;
use super::{Context, Exit, Failure, Runtime, Verb};
use clap::{Args, Subcommand, ValueEnum};
use place::{Hooks, State};
use std::path::PathBuf;

/// Makes git ask before it commits and pushes.
#[derive(Args)]
pub(crate) struct Hook {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// make git ask; hooks that are there are kept and run first
    Install {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        known: Known,
    },
    /// take our hooks away and put back what was there
    Uninstall(Which),
    /// show what git asks
    Status(Which),
    /// what the hooks start
    Run(run::Run),
}

/// Which hooks of which repository.
#[derive(Args)]
struct Which {
    /// Repository, or a directory in it
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// Only this hook (default: pre-commit and pre-push; in a bare repository pre-receive)
    #[arg(long, value_enum, value_name = "HOOK")]
    only: Option<Name>,
    /// Also where hooks are shared with other repositories
    #[arg(long)]
    shared: bool,
}

/// What the hooks are told of rules and of findings that are known.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Known {
    /// Rules and allowlists in the format of gitleaks' configuration
    #[arg(long, short = 'c', value_name = "FILE", help_heading = "Rules")]
    pub(super) config: Option<PathBuf>,
    /// Leave out values that were known when this file was written
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub(super) baseline: Option<PathBuf>,
    /// File with the key of digests (default: one of your own)
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub(super) key_file: Option<PathBuf>,
}

impl Known {
    /// As arguments, with paths that hold wherever git starts a hook.
    fn arguments(&self) -> Result<Vec<String>, Failure> {
        let named = [
            ("config", &self.config),
            ("baseline", &self.baseline),
            ("key-file", &self.key_file),
        ];
        let mut arguments = Vec::new();
        for (name, file) in named {
            if let Some(file) = file {
                let file = file.canonicalize().map_err(|_| {
                    Failure::local(format!(
                        "cannot read {}: no such file or directory",
                        file.display()
                    ))
                })?;
                arguments.push(format!("-{name}={}", file.to_string_lossy()));
            }
        }
        Ok(arguments)
    }
}

/// The hooks that we know.
#[expect(
    clippy::enum_variant_names,
    reason = "the names that git gives to hooks"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Name {
    /// Before a commit: what is staged
    PreCommit,
    /// Before a push: the commits that the other side does not have
    PrePush,
    /// On a server, before refs change: the commits that it does not have
    PreReceive,
}

impl Name {
    const ALL: [Self; 3] = [Self::PreCommit, Self::PrePush, Self::PreReceive];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PrePush => "pre-push",
            Self::PreReceive => "pre-receive",
        }
    }
}

impl Verb for Hook {
    const NAME: &'static str = "hook";
    const ABOUT: &'static str = "make git look for secrets before it commits and pushes";
    const EXAMPLE: &'static str = "cofferdam hook install\n\
        cofferdam hook status\n\
        cofferdam hook uninstall";
    const RUNTIME: Runtime = Runtime::Small;
    const ERROR: Exit = Exit::Code(2);

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let outcome = match self.action {
            Action::Install { which, known } => which.install(context, &known),
            Action::Uninstall(which) => which.uninstall(context),
            Action::Status(which) => which.status(context),
            Action::Run(run) => run.run(context),
        };
        outcome.map_err(|failure| failure.with_exit(Self::ERROR))
    }
}

impl Which {
    fn wanted(&self, hooks: &Hooks) -> Vec<Name> {
        match self.only {
            Some(name) => vec![name],
            None if hooks.bare => vec![Name::PreReceive],
            None => vec![Name::PreCommit, Name::PrePush],
        }
    }

    fn install(&self, context: &Context, known: &Known) -> Result<Exit, Failure> {
        let arguments = known.arguments()?;
        let hooks = Hooks::find(&self.path)?;
        hooks.may_change(self.shared)?;
        for name in self.wanted(&hooks) {
            let before = hooks.state(name)?;
            hooks.install(name, &arguments)?;
            let path = hooks.path(name);
            let path = path.display();
            context.say(&match before {
                State::None => format!("{}: installed in {path}", name.word()),
                State::Ours { .. } => format!("{}: was installed already", name.word()),
                State::Foreign => format!(
                    "{}: installed in {path}; the hook that was there is kept as {} and runs first",
                    name.word(),
                    hooks.kept(name).display()
                ),
            });
        }
        Ok(Exit::Success)
    }

    fn uninstall(&self, context: &Context) -> Result<Exit, Failure> {
        let hooks = Hooks::find(&self.path)?;
        hooks.may_change(self.shared)?;
        let names = self
            .only
            .map_or_else(|| Name::ALL.to_vec(), |name| vec![name]);
        let mut none = true;
        for name in names {
            let State::Ours { chained } = hooks.state(name)? else {
                continue;
            };
            none = false;
            hooks.uninstall(name, chained)?;
            let back = if chained {
                "; the hook that was there before is back"
            } else {
                ""
            };
            context.say(&format!("{}: taken away{back}", name.word()));
        }
        if none {
            context.say("no hook of ours is here");
        }
        Ok(Exit::Success)
    }

    fn status(&self, context: &Context) -> Result<Exit, Failure> {
        let hooks = Hooks::find(&self.path)?;
        let mut rows = Vec::new();
        for name in Name::ALL {
            let state = match hooks.state(name)? {
                State::None => "none",
                State::Ours { chained: false } => "installed",
                State::Ours { chained: true } => "installed, after another hook",
                State::Foreign => "another hook",
            };
            rows.push((name.word(), state));
        }
        if context.format() == Format::Table {
            let lines = rows
                .iter()
                .map(|(name, state)| format!("{name:<12} {state}\n"));
            context.out(lines.collect::<String>().as_bytes())?;
            context.say(&format!("in {}", hooks.directory().display()));
            return Ok(Exit::Success);
        }
        let hooks_by_name: serde_json::Map<_, _> = rows
            .into_iter()
            .map(|(name, state)| (name.to_owned(), serde_json::Value::from(state)))
            .collect();
        let document = serde_json::json!({
            "directory": hooks.directory(),
            "hooks": hooks_by_name,
        });
        let text = match context.format() {
            Format::Yaml => serde_yaml_ng::to_string(&document).ok(),
            _ => serde_json::to_string_pretty(&document)
                .ok()
                .map(|text| text + "\n"),
        };
        let text = text.ok_or_else(|| Failure::local("the document broke down"))?;
        context.out(text.as_bytes())?;
        Ok(Exit::Success)
    }
}
