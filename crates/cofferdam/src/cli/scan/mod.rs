//! `cofferdam scan`: does anything here look like a secret?
//!
//! Exit code: 0 clean, 1 at least one finding, 2 when what was asked for could not be looked at, or on
//! any error. Works without a server and without a network; where a server is on
//! this host, its values are looked for too, by fingerprint. Only `-verify` asks somebody else.

mod baseline;
mod git;
mod import;
mod judge;
mod key;
mod places;
pub(in crate::cli) mod progress;
mod verify;

use super::exact::{self, PackFlags};
use super::output::Format;
use super::{Context, Exit, Failure, Runtime, Verb, terminal};
use clap::{Args, Subcommand};
use cofferdam_detect::findings::{Findings, Form, Style};
use cofferdam_detect::pattern::{DigestKey, IgnoreList, Imported, Scanner};
use cofferdam_detect::source::Looked;
use cofferdam_detect::{Matcher, Needles};
pub(in crate::cli) use judge::{Judge, Occasion};
use progress::Progress;
use std::path::{Path, PathBuf};

/// Longest configuration or list that is read.
const LONGEST: u64 = 16 << 20;

/// Looks for secrets in files, images, containers and streams.
#[derive(Args)]
pub(crate) struct Scan {
    #[command(subcommand)]
    what: Option<What>,
    /// Directory or file; the current directory if nothing is named
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Ask the providers of found values whether they live: sends each to its provider
    #[arg(long, global = true)]
    verify: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum What {
    /// look into every file of a directory, or into one file
    #[command(visible_aliases = ["directory", "files", "filesystem"])]
    Dir {
        /// Directory or file
        #[arg(value_name = "PATH", default_value = ".")]
        path: PathBuf,
        #[command(flatten)]
        tree: TreeFlags,
    },
    /// look into a git repository: its whole history, what is staged, or some commits
    #[command(visible_aliases = ["repo"])]
    Git(git::GitFlags),
    /// look into what comes on stdin
    #[command(visible_aliases = ["pipe"])]
    Stdin,
    /// look into an image: its configuration, its history and every layer
    #[command(visible_aliases = ["docker"])]
    Image {
        /// Name of an image of the engine, a file of docker save, or an OCI directory
        #[arg(value_name = "IMAGE", required_unless_present = "image")]
        name: Option<String>,
        /// The same, as other scanners name it
        #[arg(long, value_name = "IMAGE", hide = true, conflicts_with = "name")]
        image: Option<String>,
    },
    /// look into containers: what inspect shows, their processes, what they wrote, their logs
    Container {
        /// Names or ids
        #[arg(value_name = "CONTAINER", required_unless_present = "all")]
        names: Vec<String>,
        /// Every container of the engine, stopped ones too
        #[arg(long, short = 'a', conflicts_with = "names")]
        all: bool,
    },
    /// take over findings of gitleaks, betterleaks, kingfisher, trufflehog, or SARIF
    Import {
        /// Their reports, in JSON
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Look into this directory, too, and show each finding once
        #[arg(long, value_name = "PATH")]
        with: Option<PathBuf>,
    },
    /// list the rules
    Rules,
}

#[derive(Args, Default)]
struct TreeFlags {
    /// Leave out what git's ignore files name
    #[arg(long)]
    gitignore: bool,
}

/// What every kind of search has.
#[derive(Args, Default)]
pub(in crate::cli) struct Options {
    /// Rules and allowlists in the format of gitleaks' configuration
    #[arg(
        long,
        short = 'c',
        value_name = "FILE",
        global = true,
        help_heading = "Rules"
    )]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Known findings, one fingerprint a line (default: .gitleaksignore, where there is one)
    #[arg(long, value_name = "FILE", global = true, help_heading = "Rules")]
    pub(in crate::cli) ignore_list: Option<PathBuf>,
    /// Leave out values that were known when this file was written
    #[arg(long, value_name = "FILE", global = true, help_heading = "Rules")]
    pub(in crate::cli) baseline: Option<PathBuf>,
    /// Write what is found to a baseline, as keyed digests
    #[arg(long, value_name = "FILE", global = true, help_heading = "Rules")]
    pub(in crate::cli) write_baseline: Option<PathBuf>,
    /// File with the key of digests (default: one of your own)
    #[arg(long, value_name = "FILE", global = true, help_heading = "Rules")]
    pub(in crate::cli) key_file: Option<PathBuf>,
    /// Look only for what looks like a secret, not for stored values
    #[arg(long, global = true, help_heading = "Stored values")]
    pub(in crate::cli) no_store: bool,
    #[command(flatten)]
    pub(in crate::cli) pack: PackFlags,
}

impl Verb for Scan {
    const NAME: &'static str = "scan";
    const ABOUT: &'static str =
        "look for what looks like a secret in files, images, containers and streams";
    const EXAMPLE: &'static str = "cofferdam scan .\n\
        cofferdam scan git\n\
        cofferdam scan git -staged\n\
        cofferdam scan image myapp:1\n\
        docker logs web | cofferdam scan stdin -format=json";
    const RUNTIME: Runtime = Runtime::Small;
    const FORMATS: &'static [&'static str] =
        &["text", "sarif", "junit", "github", "gitlab", "html"];
    const ERROR: Exit = Exit::Code(2);

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let outcome = Box::pin(self.search(context)).await;
        // Every failure here is an error of the search, which must not look like "findings".
        outcome.map_err(|failure| failure.with_exit(Self::ERROR))
    }
}

/// What every search is given.
struct Search {
    scanner: Scanner,
    key: DigestKey,
    matcher: Matcher,
    progress: Progress,
}

impl Scan {
    async fn search(self, context: &Context) -> Result<Exit, Failure> {
        let scanner = self.options.scanner()?;
        if matches!(self.what, Some(What::Rules)) {
            return rules(context, &scanner);
        }
        let scanner = match self.verify {
            true => scanner.keeping_values(),
            false => scanner,
        };
        let search = Search {
            scanner,
            key: key::find(context, self.options.key_file.as_deref())?,
            matcher: self.options.stored(context).await?,
            progress: Progress::new(),
        };
        let baseline = self.options.baseline.as_deref();
        let baseline = baseline
            .map(|path| baseline::read(path, &search.key))
            .transpose()?;
        let list = self.options.ignore_list(self.root())?;
        // Readers of images wait for an engine on a runtime of their own, which needs a thread of its own.
        let (what, path) = (&self.what, &self.path);
        let foreign = match what {
            Some(What::Import { files, .. }) => search.import(files)?,
            _ => Vec::new(),
        };
        let looked = std::thread::scope(|scope| {
            let thread = scope.spawn(|| look(&search, context, what.as_ref(), path.as_deref()));
            thread
                .join()
                .map_err(|_| Failure::local("the search broke down"))?
        });
        search.progress.end();
        let mut looked = looked?;
        looked.name_exposed(&search.key, search.matcher.needles().entries());
        unprotected(context, &search.matcher);
        let mut findings = Findings::new(looked);
        findings.merge(foreign);
        if let Some(path) = &self.options.write_baseline {
            baseline::write(path, &search.key, &findings)?;
            context.say(&format!(
                "{} written to {}",
                counted(findings.findings.len() as u64, "finding"),
                path.display()
            ));
            return Ok(Exit::Success);
        }
        findings.without(&list);
        if let Some(known) = &baseline {
            findings.without_digests(known);
        }
        if self.verify && !findings.is_clean() {
            Box::pin(verify::ask(context, &search.scanner, &mut findings)).await?;
        }
        print(context, &findings, self.occasion())
    }

    fn occasion(&self) -> Occasion {
        match &self.what {
            Some(What::Git(flags)) if flags.staged => Occasion::Staged,
            Some(What::Git(_)) => Occasion::History,
            _ => Occasion::Files,
        }
    }

    /// Where lists of known findings are looked for.
    fn root(&self) -> &Path {
        match (&self.what, &self.path) {
            (Some(What::Dir { path, .. }), _) | (None, Some(path)) => path,
            (Some(What::Git(flags)), _) => flags.root(),
            _ => Path::new("."),
        }
    }
}

fn look(
    search: &Search,
    context: &Context,
    what: Option<&What>,
    path: Option<&Path>,
) -> Result<Looked, Failure> {
    match what {
        None => search.tree(path.unwrap_or(Path::new(".")), false),
        Some(What::Dir { path, tree }) => search.tree(path, tree.gitignore),
        Some(What::Git(flags)) => search.git(context, flags),
        Some(What::Stdin) => Ok(search.stdin()),
        Some(What::Image { name, image }) => {
            let name = name.as_deref().or(image.as_deref());
            search.image(name.unwrap_or_default())
        }
        Some(What::Container { names, all }) => search.containers(names, *all),
        Some(What::Import { with, .. }) => {
            let looked = with.as_ref().map(|path| search.tree(path, false));
            looked.unwrap_or_else(|| Ok(Looked::default()))
        }
        Some(What::Rules) => Ok(Looked::default()),
    }
}

impl Options {
    fn scanner(&self) -> Result<Scanner, Failure> {
        let Some(path) = &self.config else {
            return Ok(Scanner::new());
        };
        let text = text_of(path)?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let open = |name: &str| {
            let inner = beside.join(name);
            text_of(&inner).map_err(|failure| failure.what().to_owned())
        };
        let imported = Imported::parse(&text, &open).map_err(|refused| {
            Failure::local(format!("{}: {refused}", path.display()))
                .hint("see what is understood of gitleaks' format in docs/book/scan.md")
        })?;
        Ok(Scanner::with(imported))
    }

    /// Stored values to look for: of a pack, else of the server on this host where there is one.
    async fn stored(&self, context: &Context) -> Result<Matcher, Failure> {
        if self.no_store {
            return Ok(Matcher::new(Needles::new()));
        }
        if let Some(file) = &self.pack.pack {
            let exact = self.pack.open(context, file, &|_, _| true)?;
            return Ok(exact.into_matcher());
        }
        let client = context.client()?.without_wrapping();
        if !exact::is_local(&client) {
            return Ok(Matcher::new(Needles::new()));
        }
        match exact::session(&client, &[], &|_, _| true).await {
            Ok(exact) => Ok(exact.into_matcher()),
            Err(cofferdam_api::Error::Unreachable { .. }) => Ok(Matcher::new(Needles::new())),
            // There is a store, and it is not looked into: that must not look like "nothing found".
            Err(error) => {
                let why = Failure::from(error);
                context.say(&format!("not looked for stored values: {}", why.what()));
                Ok(Matcher::new(Needles::new()))
            }
        }
    }

    fn ignore_list(&self, root: &Path) -> Result<IgnoreList, Failure> {
        if let Some(path) = &self.ignore_list {
            return Ok(IgnoreList::parse(&text_of(path)?));
        }
        let usual = root.join(".gitleaksignore");
        if usual.is_file() {
            return Ok(IgnoreList::parse(&text_of(&usual)?));
        }
        Ok(IgnoreList::default())
    }
}

/// Values that are named one by one where no search can be made for them. A store of many short ones
/// would hide what was found.
const NAMED: usize = 5;

/// Names the values that no search can be made for.
fn unprotected(context: &Context, matcher: &Matcher) {
    let entries = matcher.needles().entries().iter();
    let mut weak = entries.filter_map(|entry| Some((&entry.label, entry.weakness?)));
    for (label, weakness) in weak.by_ref().take(NAMED) {
        context.say(&format!("not looked for: {label}: {weakness}"));
    }
    let more = weak.count();
    if more > 0 {
        context.say(&format!(
            "not looked for: {more} more: cofferdam report leaks names each"
        ));
    }
}

/// A small file of the caller's.
fn text_of(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| {
        Failure::local(format!(
            "cannot read {}: {}",
            path.display(),
            reason(&error)
        ))
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// The words of the system without its number.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    }
}

fn rules(context: &Context, scanner: &Scanner) -> Result<Exit, Failure> {
    use std::fmt::Write as _;
    let mut out = String::new();
    for rule in scanner.rules() {
        let _ = writeln!(
            out,
            "{:<34} {:<9} {:<44} {}",
            rule.id,
            rule.severity.word(),
            rule.name,
            rule.source
        );
    }
    context.out(out.as_bytes())?;
    Ok(Exit::Success)
}

fn print(context: &Context, findings: &Findings, occasion: Occasion) -> Result<Exit, Failure> {
    let named = context.format_name().and_then(Form::parse);
    let form = named.unwrap_or(match context.format() {
        Format::Table => Form::Text,
        Format::Json | Format::Yaml => Form::Json,
    });
    let mut text = findings.shown(form, style(context));
    if context.format() == Format::Yaml && form == Form::Json {
        let document: serde_json::Value =
            serde_json::from_str(&text).map_err(|_| Failure::local("the document broke down"))?;
        text = serde_yaml_ng::to_string(&document)
            .map_err(|_| Failure::local("the document broke down"))?;
    }
    context.out(text.as_bytes())?;
    summary(context, findings);
    if let Some(first) = findings.findings.first() {
        occasion.advise(context, first);
    }
    Ok(Exit::Code(u8::from(!findings.is_clean())))
}

/// What was done, in words on stderr.
fn summary(context: &Context, findings: &Findings) {
    let mut line = counts(findings);
    if findings.known > 0 {
        line.push_str(&format!(
            "; {} left out",
            counted(findings.known, "known finding")
        ));
    }
    context.say(&line);
    unseen(context, findings);
}

fn counts(findings: &Findings) -> String {
    let found = findings.findings.len() as u64 + findings.more;
    format!(
        "{} in {} ({})",
        counted(found, "finding"),
        counted(findings.objects, "object"),
        size(findings.bytes)
    )
}

/// What was not looked at.
fn unseen(context: &Context, findings: &Findings) {
    let gaps = findings.gaps.len() as u64 + findings.more_gaps;
    if gaps > 0 {
        context.say(&format!("{} not looked at:", counted(gaps, "place")));
        for gap in &findings.gaps {
            context.say(&format!("  {}: {}", gap.location, gap.reason));
        }
        if findings.more_gaps > 0 {
            context.say(&format!("  … and {} more", findings.more_gaps));
        }
    }
}

fn counted(count: u64, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "one digit behind the point is shown"
    )]
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = UNITS.iter();
    let mut word = unit.next().copied().unwrap_or_default();
    while amount >= 1024.0
        && let Some(next) = unit.next()
    {
        amount /= 1024.0;
        word = next;
    }
    format!("{amount:.1} {word}")
}

/// Colour belongs to a terminal; `NO_COLOR` (no-color.org) and a dumb terminal say no.
fn style(context: &Context) -> Style {
    let plain = context.environment("NO_COLOR").is_some()
        || context.environment("TERM").as_deref() == Some("dumb");
    Style {
        colour: terminal::stdout_is_terminal() && !plain,
    }
}
