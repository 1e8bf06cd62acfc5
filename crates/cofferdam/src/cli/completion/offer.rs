//! What fits at the cursor: verbs, flags and their values from the table of verbs, the rest from
//! files or the server.

use super::super::arguments::normalise;
use super::super::context::Global;
use super::super::names::Name;
use super::super::{Context, VERBS, usage};
use super::Shell;
use super::ask::Server;
use clap::{Arg, ArgAction, Args as _, Command};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// One thing that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// The whole word.
    word: String,
    about: String,
}

impl Offer {
    pub(super) fn new(word: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            word: word.into(),
            about: about.into(),
        }
    }

    /// Whether the word goes on.
    fn is_open(&self) -> bool {
        self.word.ends_with(['/', '='])
    }

    /// No character that a shell would obey or break a word at.
    fn is_harmless(&self) -> bool {
        let harmless = |c: char| c.is_alphanumeric() || "-_./=:@+,%".contains(c);
        self.word.chars().all(harmless)
    }

    /// The line that the shell's script reads.
    pub(super) fn shown(&self, shell: Shell, typed: &str) -> String {
        match shell {
            Shell::Bash => {
                // bash replaces what stands behind its last break in the word only.
                let kept = typed.rfind(['=', ':', '@']).map_or(0, |at| at + 1);
                let rest = self.word.get(kept..).unwrap_or_default();
                let end = if self.is_open() { "" } else { " " };
                format!("{rest}{end}")
            }
            Shell::Zsh | Shell::Fish if self.about.is_empty() => self.word.clone(),
            Shell::Zsh | Shell::Fish => format!("{}\t{}", self.word, self.about),
        }
    }
}

/// What fits at the end of these words: the program, its arguments, the word at the cursor.
pub(super) async fn to(words: &[String]) -> Vec<Offer> {
    let Some((typed, before)) = words.split_last() else {
        return Vec::new();
    };
    let Some((program, before)) = before.split_first() else {
        return Vec::new();
    };
    let name = Name::named(program);
    let mut offers = match before.split_first() {
        None => verbs(name, typed),
        Some((verb, rest)) => {
            let mut known = VERBS.iter().filter(|entry| entry.is_known_to(name));
            match known.find(|entry| entry.name == *verb) {
                Some(entry) => {
                    let mut command = usage::command(name, [entry]);
                    command.build();
                    let typed_before = typed_words(&command, before);
                    match command.find_subcommand(verb) {
                        Some(verb) => below(verb, rest, typed, typed_before).await,
                        None => Vec::new(),
                    }
                }
                None => Vec::new(),
            }
        }
    };
    offers.retain(|offer| offer.word.starts_with(typed.as_str()) && offer.is_harmless());
    offers.sort_by(|one, other| one.word.cmp(&other.word));
    offers.dedup_by(|one, other| one.word == other.word);
    offers
}

fn typed_words(command: &Command, before: &[String]) -> Vec<OsString> {
    let words = std::iter::once(OsString::from("cofferdam"))
        .chain(before.iter().map(OsString::from))
        .collect();
    normalise(command, words)
}

fn verbs(name: Name, typed: &str) -> Vec<Offer> {
    if typed.starts_with('-') {
        let root = Global::augment_args(Command::new("cofferdam"));
        return flags(&root, typed);
    }
    let shown = VERBS.iter().filter(|entry| entry.is_known_to(name));
    shown
        .map(|entry| Offer::new(entry.name, entry.about))
        .collect()
}

/// Where the words before the cursor lead.
struct Walk<'a> {
    command: &'a Command,
    /// Arguments that are no flags.
    places: usize,
    /// The flag that the word at the cursor is the value of.
    pending: Option<&'a Arg>,
    /// What follows belongs to another program.
    over: bool,
}

fn walk<'a>(command: &'a Command, words: &[String]) -> Walk<'a> {
    let mut walk = Walk {
        command,
        places: 0,
        pending: None,
        over: false,
    };
    for word in words {
        if walk.pending.take().is_some() {
            continue;
        }
        if word == "--" {
            walk.over = true;
        } else if let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) {
            let flag = flag.trim_start_matches('-');
            walk.pending = flag_named(walk.command, flag).filter(|flag| takes_value(flag));
        } else if let Some(inner) = walk
            .command
            .find_subcommand(word)
            .filter(|_| walk.places == 0)
        {
            walk.command = inner;
        } else {
            walk.places += 1;
        }
    }
    walk
}

async fn below(verb: &Command, words: &[String], typed: &str, before: Vec<OsString>) -> Vec<Offer> {
    let walk = walk(verb, words);
    if walk.over {
        return Vec::new();
    }
    if let Some(flag) = walk.pending {
        return values(verb, walk.command, flag, "", typed, before).await;
    }
    if typed.starts_with('-') {
        return match typed.split_once('=') {
            None => flags(walk.command, typed),
            Some((flag, value)) => {
                let named = flag_named(walk.command, flag.trim_start_matches('-'));
                let Some(named) = named.filter(|flag| takes_value(flag)) else {
                    return Vec::new();
                };
                let prefix = format!("{flag}=");
                values(verb, walk.command, named, &prefix, value, before).await
            }
        };
    }
    if walk.places == 0 && walk.command.has_subcommands() {
        let inner = walk.command.get_subcommands();
        let inner = inner.filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
        return inner
            .map(|inner| Offer::new(inner.get_name(), about(inner.get_about())))
            .collect();
    }
    let places: Vec<&Arg> = walk.command.get_positionals().collect();
    let many = |last: &&&Arg| {
        let range = last.get_num_args();
        range.is_some_and(|range| range.max_values() > 1)
    };
    let place = places.get(walk.places);
    let place = place.or_else(|| places.last().filter(many)).copied();
    match place {
        Some(place) => values(verb, walk.command, place, "", typed, before).await,
        None => Vec::new(),
    }
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn flag_named<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let mut flags = command.get_arguments();
    flags.find(|flag| {
        let short = flag
            .get_short()
            .is_some_and(|short| name == short.to_string());
        flag.get_long() == Some(name) || short
    })
}

fn takes_value(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Set | ArgAction::Append)
        && !flag.is_positional()
        && !flag.is_require_equals_set()
}

/// Flags with as many dashes as were typed.
fn flags(command: &Command, typed: &str) -> Vec<Offer> {
    let dashes = if typed.starts_with("--") { "--" } else { "-" };
    let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
    let named = shown.filter_map(|flag| Some((flag, flag.get_long()?)));
    named
        .map(|(flag, long)| {
            let end = if takes_value(flag) { "=" } else { "" };
            Offer::new(format!("{dashes}{long}{end}"), about(flag.get_help()))
        })
        .collect()
}

/// Values of a flag or of an argument in its place, each behind `prefix`.
async fn values(
    verb: &Command,
    command: &Command,
    argument: &Arg,
    prefix: &str,
    typed: &str,
    before: Vec<OsString>,
) -> Vec<Offer> {
    let listed = argument.get_possible_values();
    let found: Vec<String> = if listed.is_empty() {
        let what = argument.get_value_names().and_then(|names| names.first());
        let what = what.map(|name| name.as_str()).unwrap_or_default();
        match (verb.get_name(), command.get_name(), what) {
            (_, _, "FORMAT") => ["table", "json", "yaml"].map(str::to_owned).to_vec(),
            (_, _, "FILE" | "FILE|SERVER" | "REPORT") => files(typed, false),
            (_, _, "DIRECTORY") => files(typed, true),
            (_, _, "DATA") => match typed.split_once('@') {
                Some((key, path)) if key.is_empty() || key.ends_with('=') => {
                    let found = files(path, false).into_iter();
                    found.map(|path| format!("{key}@{path}")).collect()
                }
                _ => Vec::new(),
            },
            // A flag that every verb has says the same at each: no verb's names are its values.
            _ if argument.is_global_set() => Vec::new(),
            _ => match context(before) {
                Some(context) => asked(&context, verb, command, what, typed).await,
                None => Vec::new(),
            },
        }
    } else {
        listed
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect()
    };
    let found = found.into_iter();
    found
        .map(|value| Offer::new(format!("{prefix}{value}"), ""))
        .collect()
}

/// The connection that the words before the cursor describe.
struct Typed {
    context: Context,
    /// `-mount` of the KV verbs.
    mount: Option<String>,
}

fn context(before: Vec<OsString>) -> Option<Typed> {
    let root = Command::new("cofferdam").ignore_errors(true);
    let root = Global::augment_args(root)
        .arg(Arg::new("mount").long("mount"))
        .arg(Arg::new("words").num_args(0..));
    let matches = root.try_get_matches_from(before).ok()?;
    Some(Typed {
        mount: matches.get_one::<String>("mount").cloned(),
        context: Context::from_matches(&matches, &[]).ok()?,
    })
}

/// Names that the server lists.
async fn asked(
    typed_before: &Typed,
    verb: &Command,
    command: &Command,
    what: &str,
    typed: &str,
) -> Vec<String> {
    let Some(server) = Server::of(&typed_before.context) else {
        return Vec::new();
    };
    let mount = typed_before.mount.as_deref();
    let asking = async {
        match (verb.get_name(), command.get_name(), what) {
            ("kv", _, "MOUNT") => server.kv_mounts().await,
            ("kv", _, "NAME") => server.kv_names(mount, typed).await,
            // OpenBao's `scan` has no words below it. Ours is about files.
            ("scan", _, _) if verb.has_subcommands() => None,
            ("read" | "write" | "list" | "scan" | "delete" | "patch", _, "PATH")
            | ("token", "capabilities", "PATH") => server.paths(typed).await,
            ("lease", _, "LEASE") => server.list("sys/leases/lookup", typed).await,
            ("policy", "read" | "write" | "delete", "NAME") | ("token", "create", "NAME") => {
                server.list("sys/policies/acl", typed).await
            }
            ("token", "create", "ROLE") => server.list("auth/token/roles", typed).await,
            ("secrets", "disable" | "tune", _) | ("secrets", "move", "SOURCE") => {
                server.mounts().await
            }
            ("auth", "disable" | "tune", _) | ("auth", "move", "SOURCE") => server.methods().await,
            ("audit", "disable" | "verify", "PATH") => server.devices().await,
            _ => None,
        }
    };
    let answered = tokio::time::timeout(super::ask::PATIENCE, asking).await;
    answered.ok().flatten().unwrap_or_default()
}

/// Files of this machine that begin like this.
fn files(typed: &str, directories: bool) -> Vec<String> {
    let (above, begun) = match typed.rsplit_once('/') {
        Some((above, begun)) => (format!("{above}/"), begun),
        None => (String::new(), typed),
    };
    let directory = if above.is_empty() { "." } else { &above };
    let Ok(entries) = std::fs::read_dir(Path::new(directory)) else {
        return Vec::new();
    };
    let fitting = entries.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        let hidden = name.as_bytes().starts_with(b".") && !begun.starts_with('.');
        name.as_bytes().starts_with(begun.as_bytes()) && !hidden
    });
    let mut fitting: Vec<_> = fitting.collect();
    fitting.sort_by_cached_key(std::fs::DirEntry::file_name);
    let fitting = fitting.into_iter().take(10_000);
    fitting
        .filter_map(|entry| {
            let is_directory = entry.path().is_dir();
            let name = entry.file_name().into_string().ok()?;
            let end = if is_directory { "/" } else { "" };
            (is_directory || !directories).then(|| format!("{above}{name}{end}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let offers = runtime.block_on(to(&words));
        offers.into_iter().map(|offer| offer.word).collect()
    }

    #[test]
    fn verbs_and_their_verbs_are_offered() {
        assert_eq!(offered("cofferdam un"), ["uninstall", "unwrap"]);
        assert_eq!(offered("bao un"), ["unwrap"]);
        assert_eq!(offered("/usr/bin/vault le"), ["lease"]);
        assert_eq!(offered("cofferdam lease re"), ["renew", "revoke"]);
        assert_eq!(offered("cofferdam kv metadata pu"), ["put"]);
        assert_eq!(offered("bao build "), Vec::<String>::new());
        assert_eq!(offered("cofferdam"), Vec::<String>::new());
    }

    #[test]
    fn flags_and_values_are_offered_with_the_dashes_that_were_typed() {
        assert_eq!(offered("cofferdam kv get -mo"), ["-mount="]);
        assert_eq!(offered("cofferdam kv get --mo"), ["--mount="]);
        assert_eq!(offered("cofferdam -fo"), ["-format="]);
        assert_eq!(offered("cofferdam lease revoke -pre"), ["-prefix"]);
        assert_eq!(offered("cofferdam kv get -format=j"), ["-format=json"]);
        assert_eq!(offered("cofferdam kv get -format y"), ["yaml"]);
        assert_eq!(
            offered("cofferdam kv patch -method="),
            ["-method=patch", "-method=rw"]
        );
        assert_eq!(
            offered("cofferdam kv get -format=json -mount=x -fi"),
            ["-field="]
        );
        assert_eq!(
            offered("cofferdam run -secret=A -- -"),
            Vec::<String>::new()
        );
        assert_eq!(offered("cofferdam completion "), ["bash", "fish", "zsh"]);
    }

    #[test]
    fn every_verb_and_flag_of_the_table_can_be_offered() {
        let names = [Name::Own, Name::Bao].into_iter();
        let all = names.flat_map(|name| VERBS.iter().map(move |entry| (name, entry)));
        for (name, entry) in all.filter(|(name, entry)| entry.is_known_to(*name)) {
            let mut command = usage::command(name, [entry]);
            command.build();
            let verb = command.find_subcommand(entry.name).unwrap();
            let line = format!("{} {} -", name.word(), entry.name);
            let found = offered(&line);
            for flag in verb.get_arguments().filter(|flag| !flag.is_hide_set()) {
                let Some(long) = flag.get_long() else {
                    continue;
                };
                let is_offered = found
                    .iter()
                    .any(|word| word.trim_end_matches('=') == format!("-{long}"));
                assert!(is_offered, "{line}{long}: {found:?}");
            }
        }
    }

    #[test]
    fn files_are_offered_where_files_are_meant() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display().to_string();
        for name in ["a.json", "b c", "b$(x)", ".hidden"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        std::fs::create_dir(directory.path().join("sub")).unwrap();
        // What a shell would obey is not offered.
        assert_eq!(
            offered(&format!("cofferdam kv put secret/x @{at}/")),
            [format!("@{at}/a.json"), format!("@{at}/sub/")]
        );
        assert_eq!(
            offered(&format!("cofferdam kv put secret/x key=@{at}/a")),
            [format!("key=@{at}/a.json")]
        );
        assert_eq!(
            offered(&format!("cofferdam status -ca-path={at}/")),
            [format!("-ca-path={at}/sub/")]
        );
    }

    #[test]
    fn bash_gets_the_part_behind_its_breaks() {
        let offer = Offer::new("-format=json", "");
        assert_eq!(offer.shown(Shell::Bash, "-format=j"), "json ");
        assert_eq!(offer.shown(Shell::Bash, "-fo"), "-format=json ");
        assert_eq!(
            Offer::new("-mount=", "x").shown(Shell::Bash, "-m"),
            "-mount="
        );
        assert_eq!(
            Offer::new("-mount=", "x").shown(Shell::Fish, "-m"),
            "-mount=\tx"
        );
    }
}
