//! The parser made from the table of verbs, and its complaints in our own words.

use super::context::Global;
use super::names::Name;
use super::terminal::{say, write_out};
use super::verb::Entry;
use super::{Exit, Failure};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args as _, Command};

const ABOUT: &str = "gives containers their secrets as files, and proves that none leaked";

/// The whole command line.
pub(crate) fn command<'a>(name: Name, verbs: impl IntoIterator<Item = &'a Entry>) -> Command {
    let root = Command::new(name.word())
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(100)
        .disable_help_subcommand(false)
        .arg_required_else_help(false);
    let root = Global::augment_args(root).about(ABOUT);
    let verbs = verbs.into_iter().filter(|verb| verb.is_known_to(name));
    verbs.fold(root, |root, verb| {
        let about = StyledStr::from(verb.about);
        let inner = (verb.augment)(Command::new(verb.name)).about(about);
        let inner = if verb.example.is_empty() {
            inner
        } else {
            inner.before_help(format!(
                "Example:\n  {}",
                name.spoken(verb.example).replace('\n', "\n  ")
            ))
        };
        root.subcommand(inner)
    })
}

/// `cofferdam` alone shows what there is, and fails like Vault does.
pub(crate) fn overview(command: &mut Command) -> Result<Exit, Failure> {
    instead(&command.render_help().to_string())?;
    Ok(match Name::called() {
        Name::Own => Exit::Local,
        Name::Vault | Name::Bao => NO_COMMAND,
    })
}

/// Help that nobody asked for. A script of Vault's that reads our stdout gets nothing there.
fn instead(help: &str) -> Result<(), Failure> {
    if Name::called().is_client() {
        say(help);
        return Ok(());
    }
    write_out(help.as_bytes())
}

/// The exit code of Vault's clients where there is no command of a name.
pub(crate) const NO_COMMAND: Exit = Exit::Code(127);

/// The flag that clap does not know, if that is what it refused.
pub(crate) fn unknown_flag(error: &clap::Error) -> Option<String> {
    let unknown = error.kind() == ErrorKind::UnknownArgument;
    match error.get(ContextKind::InvalidArg).filter(|_| unknown) {
        Some(ContextValue::String(flag)) => Some(flag.clone()),
        _ => None,
    }
}

/// What clap refused, in the form of all our errors. Arguments that are no flags are not
/// repeated: one of them may be a secret in the wrong place.
pub(crate) fn explain(error: &clap::Error) -> Result<Exit, Failure> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let list = |kind| match error.get(kind) {
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let usage = error
        .get(ContextKind::Usage)
        .map(ToString::to_string)
        .unwrap_or_default();
    let usage = usage
        .trim_start_matches("Usage: ")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let failure = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            write_out(error.render().to_string().as_bytes())?;
            return Ok(Exit::Success);
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let failure = Failure::usage(format!("unknown flag: {argument}"));
            return Err(match text(ContextKind::SuggestedArg) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None => failure.hint(usage),
            });
        }
        ErrorKind::UnknownArgument => Failure::usage("too many arguments"),
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let mut failure = Failure::usage(format!("unknown command: {word}"));
            let of_all = !usage.trim_end_matches(" [OPTIONS] [COMMAND]").contains(' ');
            if Name::called().is_client() && of_all {
                failure = failure.with_exit(NO_COMMAND);
            }
            return Err(match text(ContextKind::SuggestedSubcommand) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None => failure.hint("see the list with: cofferdam help"),
            });
        }
        ErrorKind::MissingRequiredArgument => {
            Failure::usage(format!("missing: {}", list(ContextKind::InvalidArg)))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            instead(&error.render().to_string())?;
            return Ok(Exit::Local);
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::WrongNumberOfValues => {
            let failure = Failure::usage(format!("not a value for {argument}"));
            let choices = list(ContextKind::ValidValue);
            if !choices.is_empty() {
                return Err(failure.hint(format!("one of: {choices}")));
            }
            failure
        }
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg).unwrap_or_default();
            Failure::usage(format!("not together: {argument} and {other}"))
        }
        other => Failure::usage(other.to_string()),
    };
    Err(if usage.is_empty() {
        failure
    } else {
        failure.hint(usage)
    })
}
