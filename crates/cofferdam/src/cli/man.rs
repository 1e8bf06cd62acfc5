//! `cofferdam man`: the manual, a page for each verb, from the table of verbs.
//!
//! Written in the `man` macros of groff and mandoc. `SOURCE_DATE_EPOCH` dates the pages, as builds
//! that can be repeated have it; without it they have no date.

use super::input::reason;
use super::names::Name;
use super::verb::Entry;
use super::{Context, Exit, Failure, VERBS, Verb, usage};
use clap::{Arg, ArgAction, Args, Command};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// Writes the manual.
#[derive(Args)]
pub(crate) struct Man {
    /// Where to write the pages
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

impl Verb for Man {
    const NAME: &'static str = "man";
    const ABOUT: &'static str = "write the manual, a page for each verb";
    const EXAMPLE: &'static str = "cofferdam man /usr/local/share/man/man1\nman cofferdam-kv";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let date = context.environment("SOURCE_DATE_EPOCH");
        let date = date.and_then(|text| text.parse().ok());
        let date = date.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let date = date
            .map(|moment| moment.date().to_string())
            .unwrap_or_default();
        let failed = |path: &Path, error: &std::io::Error| {
            Failure::local(format!(
                "cannot write {}: {}",
                path.display(),
                reason(error)
            ))
            .hint("choose another directory")
        };
        let directory = self.directory.as_path();
        std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
        for (name, text) in pages(&date) {
            let path = directory.join(format!("{name}.1"));
            crate::files::replace(&path, 0o644, text.as_bytes())
                .map_err(|error| failed(&path, &error))?;
        }
        Ok(Exit::Success)
    }
}

/// All pages: name and text.
pub(super) fn pages(date: &str) -> Vec<(String, String)> {
    let mut root = usage::command(Name::Own, VERBS);
    root.build();
    let mut pages = vec![("cofferdam".to_owned(), overview(&root, date))];
    for entry in VERBS.iter().filter(|entry| entry.is_known_to(Name::Own)) {
        if let Some(verb) = root.find_subcommand(entry.name) {
            let name = format!("cofferdam-{}", entry.name);
            pages.push((name, of_verb(entry, verb, date)));
        }
    }
    pages
}

fn overview(root: &Command, date: &str) -> String {
    let mut page = head("cofferdam", &about(root), date);
    page.push_str(".SH SYNOPSIS\n.B cofferdam\n.I COMMAND\n.RI [ OPTIONS ]\n.RI [ ARGUMENTS ]\n");
    page.push_str(".SH COMMANDS\n");
    for entry in VERBS {
        let name = format!("cofferdam-{}", entry.name);
        let _ = writeln!(page, ".TP\n.BR {} (1)\n{}", roff(&name), text(entry.about));
    }
    page.push_str(".SH OPTIONS\nLong options take one dash or two.\nAll commands have these:\n");
    options(
        root.get_arguments().filter(|arg| !arg.is_positional()),
        &mut page,
    );
    tail(&mut page);
    page
}

fn of_verb(entry: &Entry, verb: &Command, date: &str) -> String {
    let name = format!("cofferdam-{}", entry.name);
    let mut page = head(&name, entry.about, date);
    page.push_str(".SH SYNOPSIS\n");
    let mut leaves = Vec::new();
    collect(verb, &format!("cofferdam {}", entry.name), &mut leaves);
    for (at, (line, command)) in leaves.iter().enumerate() {
        let br = if at > 0 { ".br\n" } else { "" };
        let _ = writeln!(page, "{br}.B {}\n{}", roff(line), text(&arguments(command)));
    }
    page.push_str(".SH DESCRIPTION\n");
    for (line, command) in &leaves {
        let several = leaves.len() > 1;
        if several {
            let _ = writeln!(page, ".SS {}", roff(line));
        }
        let _ = writeln!(page, "{}", text(&about(command)));
        let own = command.get_arguments().filter(|arg| !arg.is_global_set());
        options(own, &mut page);
    }
    if !entry.example.is_empty() {
        page.push_str(".SH EXAMPLES\n.nf\n");
        for line in entry.example.lines() {
            let _ = writeln!(page, "{}", text(line.trim_start()));
        }
        page.push_str(".fi\n");
    }
    tail(&mut page);
    page
}

/// Commands that do something, with the words that lead to them.
fn collect<'a>(command: &'a Command, line: &str, leaves: &mut Vec<(String, &'a Command)>) {
    let shown = |inner: &&Command| !inner.is_hide_set() && inner.get_name() != "help";
    let inner: Vec<&Command> = command.get_subcommands().filter(shown).collect();
    if inner.is_empty() || !command.is_subcommand_required_set() {
        leaves.push((line.to_owned(), command));
    }
    for inner in inner {
        collect(inner, &format!("{line} {}", inner.get_name()), leaves);
    }
}

fn head(name: &str, about: &str, date: &str) -> String {
    let upper = roff(&name.to_uppercase());
    let version = env!("CARGO_PKG_VERSION");
    format!(
        ".TH {upper} 1 \"{date}\" \"Cofferdam {version}\" \"Cofferdam\"\n.SH NAME\n{} \\- {}\n",
        roff(name),
        text(about)
    )
}

fn tail(page: &mut String) {
    page.push_str(
        ".SH EXIT STATUS\n0 done; 1 the caller\\(aqs side: flags, files; 2 the server refused, is sealed or\n\
         cannot be reached.\nSome commands have codes of their own.\n.SH SEE ALSO\n.BR cofferdam (1)\n",
    );
}

fn about(command: &Command) -> String {
    let text = command.get_about().map(ToString::to_string);
    text.unwrap_or_default()
}

fn arguments(command: &Command) -> String {
    let places = command
        .get_positionals()
        .filter(|place| !place.is_hide_set());
    let words = places.map(|place| {
        let name = value(place);
        let more = if place
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1)
        {
            "..."
        } else {
            ""
        };
        let dashes = if place.is_last_set() { "-- " } else { "" };
        if place.is_required_set() {
            format!("{dashes}{name}{more}")
        } else {
            format!("[{dashes}{name}{more}]")
        }
    });
    let words: Vec<_> = std::iter::once("[OPTIONS]".to_owned())
        .chain(words)
        .collect();
    words.join(" ")
}

fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(clap::builder::Str::as_str).collect();
    names.join(" ")
}

fn options<'a>(arguments: impl Iterator<Item = &'a Arg>, page: &mut String) {
    for arg in arguments.filter(|arg| !arg.is_hide_set() && arg.get_id() != "help") {
        page.push_str(".TP\n");
        let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        match arg.get_long() {
            Some(long) => {
                let short = arg.get_short().map(|short| format!("-{short}, "));
                let flag = format!("{}-{long}", short.unwrap_or_default());
                if takes {
                    let _ = writeln!(page, ".BI \"{}=\" {}", roff(&flag), quoted(&value(arg)));
                } else {
                    let _ = writeln!(page, ".B \"{}\"", roff(&flag));
                }
            }
            None => {
                let _ = writeln!(page, ".I {}", quoted(&value(arg)));
            }
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut words = help;
        let values = arg.get_possible_values();
        if takes && !values.is_empty() {
            let names: Vec<_> = values.iter().map(|value| value.get_name()).collect();
            let _ = write!(words, " [{}]", names.join(" "));
        }
        let _ = writeln!(page, "{}", text(words.trim()));
    }
}

fn quoted(word: &str) -> String {
    format!("\"{}\"", roff(word).replace('"', "\\(dq"))
}

/// Text within a line: what is typed keeps its dashes, and nothing is a request.
fn roff(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '\u{2026}' => out.push_str("..."),
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A line of text: a dot at its beginning would be a request.
fn text(words: &str) -> String {
    let line = roff(words);
    if line.starts_with('.') {
        return format!("\\&{line}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_every_verb_stands_in_its_page() {
        let mut root = usage::command(Name::Own, VERBS);
        root.build();
        let pages = pages("2026-01-01");
        let known = || VERBS.iter().filter(|entry| entry.is_known_to(Name::Own));
        assert_eq!(pages.len(), known().count() + 1);
        for (entry, (name, page)) in known().zip(&pages[1..]) {
            let mut leaves = Vec::new();
            collect(root.find_subcommand(entry.name).unwrap(), "", &mut leaves);
            assert!(!leaves.is_empty(), "{name}");
            for (_, command) in leaves {
                for arg in command.get_arguments() {
                    let shown = !arg.is_hide_set() && !arg.is_global_set();
                    let Some(long) = arg.get_long().filter(|long| shown && *long != "help") else {
                        continue;
                    };
                    assert!(page.contains(&roff(&format!("-{long}"))), "{name}: {long}");
                }
            }
        }
    }

    #[test]
    fn no_text_becomes_a_request() {
        assert_eq!(text(".env 'x' a-b\\n"), "\\&.env \\(aqx\\(aq a\\-b\\en");
    }
}
