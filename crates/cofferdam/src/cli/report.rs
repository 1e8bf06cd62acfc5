//! `cofferdam report leaks`: is any stored value in a plain place of this machine?
//!
//! Exit code: 0 clean, 1 at least one exposure, 2 when a place that was asked for could not be looked
//! at, or on any error. The values are searched for by fingerprint; with `-values` they are read
//! (`docs/adr/0007-leak-search.md`).

mod keep;
pub(super) mod values;

use super::exact::{self, PackFlags};
use super::output::Format;
use super::{Context, Exit, Failure, Runtime, Verb, terminal};
use clap::{Args, Subcommand, ValueEnum};
use cofferdam_detect::report::{Cell, Matrix, Place, Style};
use cofferdam_detect::{Label, Matcher, Needles};
use cofferdam_platform::docker::sources::{self, Processes, Scope, Selection};
use std::path::PathBuf;
use std::time::Duration;

/// Reports about the secrets in the store.
#[derive(Args)]
pub(crate) struct Report {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// look for every stored value in containers, images, services, logs, processes and directories
    Leaks(Box<Leaks>),
}

/// What to look for, and where.
#[derive(Args)]
struct Leaks {
    #[command(subcommand)]
    action: Option<Action>,
    /// Look into every object of this git repository; may be repeated
    #[arg(long, value_name = "REPOSITORY", help_heading = "Where")]
    git: Vec<PathBuf>,
    /// Look into these logs of a CI: a directory, a file, or - for stdin; may be repeated
    #[arg(long, value_name = "PATH", help_heading = "Where")]
    ci_logs: Vec<PathBuf>,
    /// Say what changed since this report or day (2026-11-25)
    #[arg(long, value_name = "REPORT", help_heading = "Output")]
    since: Option<String>,
    /// Do not keep the report in the store
    #[arg(long, help_heading = "Output")]
    no_keep: bool,
    /// Look into this directory too; may be repeated
    #[arg(long, value_name = "DIRECTORY", help_heading = "Where")]
    dir: Vec<PathBuf>,
    /// Of Docker, look only into this image; may be repeated
    #[arg(long, value_name = "IMAGE", help_heading = "Where")]
    image: Vec<String>,
    /// Of Docker, look only into this container; may be repeated
    #[arg(long, value_name = "CONTAINER", help_heading = "Where")]
    container: Vec<String>,
    /// Of Docker, look only into this service and its containers; may be repeated
    #[arg(long, value_name = "SERVICE", help_heading = "Where")]
    service: Vec<String>,
    /// Do not ask the Docker engine
    #[arg(long, help_heading = "Where")]
    no_docker: bool,
    /// Do not look into processes
    #[arg(long, help_heading = "Where")]
    no_processes: bool,
    /// Look only for secrets below this path, such as secret/myapp
    #[arg(long, value_name = "PREFIX", help_heading = "What")]
    app: Vec<String>,
    /// Which versions to look for
    #[arg(long, value_enum, default_value = "all", help_heading = "What")]
    versions: Versions,
    /// Read the values and look for them, also for those too weak for a fingerprint
    #[arg(long, help_heading = "What", conflicts_with = "pack")]
    values: bool,
    #[command(flatten)]
    pack: PackFlags,
    /// Title above the table
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    title: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// say what changed from one kept report to another
    Diff {
        /// Report, or a day: the last report until then
        from: String,
        /// Report, or a day
        to: String,
    },
    /// list the reports that the store keeps
    List,
}

/// Which versions of a secret are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Versions {
    /// Every version that still has a value
    All,
    /// The current one
    Current,
}

impl Verb for Report {
    const NAME: &'static str = "report";
    const ABOUT: &'static str = "show whether stored values lie in plain places";
    const EXAMPLE: &'static str = "cofferdam report leaks -dir /srv\n\
        cofferdam report leaks -app secret/myapp -image myapp:1 -service myapp";
    const RUNTIME: Runtime = Runtime::Large;
    const FORMATS: &'static [&'static str] = &["html", "sarif"];
    const ERROR: Exit = Exit::Code(2);

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let What::Leaks(leaks) = self.what;
        // Every failure here is an error of the report, which must not look like "findings".
        leaks
            .run(context)
            .await
            .map_err(|failure| failure.with_exit(Exit::Code(2)))
    }
}

impl Leaks {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match &self.action {
            Some(Action::Diff { from, to }) => return keep::diff(context, from, to).await,
            Some(Action::List) => return keep::list(context).await,
            None => {}
        }
        let before = match &self.since {
            Some(name) => Some(keep::find(context, name).await?),
            None => None,
        };
        let progress = Progress::new();
        progress.show("reading the store");
        let matcher = self.matcher(context).await?;
        if matcher.needles().entries().is_empty() {
            return Err(Failure::local("no secrets to look for")
                .hint("import some with: cofferdam import .env"));
        }
        let scope = self.scope();
        let shown = progress.clone();
        let search = tokio::task::spawn_blocking(move || {
            sources::search(&matcher, &scope, &mut |what| shown.show(what))
        });
        let matrix = search
            .await
            .map_err(|_| Failure::local("the search broke down"))?;
        progress.end();
        let mut matrix = match &self.title {
            Some(title) => matrix.titled(title),
            None => matrix,
        };
        if !self.no_keep && self.pack.pack.is_none() {
            keep::keep(context, &mut matrix).await?;
        }
        if let Some(before) = &before {
            keep::print_diff(context, &keep::since(before, &matrix))?;
        } else {
            print(context, &matrix)?;
        }
        Ok(Exit::Code(matrix.verdict().exit_code()))
    }

    /// What to look for: fingerprints, or values where somebody says so.
    async fn matcher(&self, context: &Context) -> Result<Matcher, Failure> {
        let current = self.versions == Versions::Current;
        if self.values {
            let client = context.client()?;
            let found = values::collect(&client, &self.app, current, Needles::new()).await?;
            return Ok(Matcher::new(found));
        }
        let below = |label: &Label| {
            let inside = |prefix: &String| {
                let rest = label.path.strip_prefix(prefix.trim_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            self.app.is_empty() || self.app.iter().any(inside)
        };
        let wanted = |label: &Label, newest: Option<u64>| {
            below(label) && (!current || label.version.is_none() || label.version == newest)
        };
        if let Some(file) = &self.pack.pack {
            return Ok(self.pack.open(context, file, &wanted)?.into_matcher());
        }
        let client = context.client()?.without_wrapping();
        if !exact::is_local(&client) {
            return Err(Failure::local(
                "fingerprints are given over the server's own socket only",
            )
            .hint("read the values instead: -values, or take a pack: cofferdam fingerprints export"));
        }
        let exact = exact::session(&client, &self.app, &wanted).await?;
        if exact.hidden > 0 {
            context.say(&format!(
                "{} not looked for: no \"read\" on sys/fingerprints/secrets/ for them",
                match exact.hidden {
                    1 => "1 secret".to_owned(),
                    more => format!("{more} secrets"),
                }
            ));
        }
        Ok(exact.into_matcher())
    }

    fn scope(&self) -> Scope {
        let narrowed =
            !(self.image.is_empty() && self.container.is_empty() && self.service.is_empty());
        let chosen = |names: &[String]| match (names.is_empty(), narrowed) {
            (false, _) => Selection::Named(names.to_vec()),
            (true, true) => Selection::Nothing,
            (true, false) => Selection::All,
        };
        let processes = match (self.no_processes, narrowed) {
            (true, _) => Processes::Nothing,
            (false, true) => Processes::OfContainers,
            (false, false) => Processes::All,
        };
        Scope {
            docker: !self.no_docker,
            containers: chosen(&self.container),
            services: chosen(&self.service),
            images: chosen(&self.image),
            volumes: !narrowed,
            processes,
            directories: self.dir.clone(),
            repositories: self.git.clone(),
            ci_logs: self.ci_logs.clone(),
            ..Scope::default()
        }
    }
}

fn print(context: &Context, matrix: &Matrix) -> Result<(), Failure> {
    let text = match context.format() {
        _ if context.format_name() == Some("html") => matrix.to_html(),
        _ if context.format_name() == Some("sarif") => matrix.to_sarif(),
        Format::Json => {
            let text = serde_json::to_string_pretty(&matrix.to_json());
            text.map_err(|error| Failure::local(error.to_string()))? + "\n"
        }
        Format::Yaml => {
            let text = serde_yaml_ng::to_string(&matrix.to_json());
            text.map_err(|error| Failure::local(error.to_string()))?
        }
        _ => matrix.to_table(style(context)),
    };
    context.out(text.as_bytes())?;
    if let Some(label) = first_exposed(matrix) {
        // Without versions there is no patch, and a put keeps nothing else.
        let verb = if label.version.is_some() {
            "patch"
        } else {
            "put"
        };
        let (path, field) = (&label.path, &label.field);
        context.say(&format!(
            "hint: give it a new value: cofferdam kv {verb} {path} {field}=-"
        ));
    }
    Ok(())
}

/// The first secret that was found somewhere.
fn first_exposed(matrix: &Matrix) -> Option<&Label> {
    let exposed = |row: usize| {
        let lies = |place: &Place| matches!(matrix.cell(row, *place), Cell::Exposed(_));
        let cell = |place: &Place| *place != Place::OtherSecrets && lies(place);
        Place::ALL.iter().any(cell)
    };
    let row = (0..matrix.rows().len()).find(|&row| exposed(row))?;
    matrix.rows().get(row).map(|entry| &entry.label)
}

/// Colour and width belong to a terminal; `NO_COLOR` (no-color.org) and a dumb terminal say no.
fn style(context: &Context) -> Style {
    if !terminal::stdout_is_terminal() {
        return Style::default();
    }
    let plain = context.environment("NO_COLOR").is_some()
        || context.environment("TERM").as_deref() == Some("dumb");
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let width = size.map_or(0, |size| usize::from(size.ws_col));
    Style {
        colour: !plain,
        width: if width == 0 { usize::MAX } else { width },
    }
}

/// What is looked at now, on a terminal.
#[derive(Clone)]
struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    fn new() -> Self {
        Self(terminal::stderr_is_terminal().then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    fn show(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(cofferdam_detect::source::clean(what));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
