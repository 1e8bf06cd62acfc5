//! The guard's place in dockerd: `enable`, `disable` and `status`.
//!
//! dockerd reads its file again on SIGHUP. Two facts of it decide the order of things here. It ends
//! itself when it is told to reload with a plugin in the list that does not answer (moby
//! `reloadConfig` calls `Fatal`, 20.10 to 29), so the guard is asked first. And it refuses to reload
//! while a setting is both in the file and on its command line. `disable` asks nothing of the engine
//! and nothing of the guard: it changes the file and sends the signal, and works while both hang.

use crate::cli::output::Format;
use crate::cli::{Context, Exit, Failure};
use crate::files;
use clap::Args;
use cofferdam_platform::docker::daemon::config::{self, PLUGINS};
use cofferdam_platform::docker::daemon::{CONFIG, Daemon, PID_FILE};
use cofferdam_platform::docker::engine::Engine;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// How long the guard may take to say that it is there.
const GUARD_PATIENCE: Duration = Duration::from_secs(2);
/// How long dockerd may take to read its file.
const RELOAD_PATIENCE: Duration = Duration::from_secs(15);

/// Where everything is.
#[derive(Args)]
pub(super) struct Place {
    /// The guard's socket; the file name is the plugin's name
    #[arg(long, value_name = "FILE", default_value = super::SOCKET)]
    socket: PathBuf,
    /// dockerd's configuration; by default the one it was started with
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// dockerd's pid file
    #[arg(long, value_name = "FILE", default_value = PID_FILE)]
    pid_file: PathBuf,
    /// Change the file only; dockerd reads it at its next start
    #[arg(long)]
    no_reload: bool,
}

/// What the guard says about itself.
#[derive(Deserialize, Serialize)]
struct Seen {
    mode: String,
    refuse_buildkit: bool,
    asked: u64,
    warned: u64,
    refused: u64,
    broken: u64,
}

/// For `status`, in JSON and as a table.
#[derive(Serialize)]
struct Standing {
    plugin: String,
    config: PathBuf,
    in_config: bool,
    asked_by_engine: Option<bool>,
    guard: Option<Seen>,
}

impl Place {
    /// Puts the guard into the file and has dockerd read it.
    pub(super) async fn enable(self, context: &Context) -> Result<Exit, Failure> {
        let name = self.name()?;
        let Some(seen) = self.ask_guard().await else {
            return Err(Failure::local(format!(
                "no guard answers at {}: dockerd would refuse every request",
                self.socket.display()
            ))
            .hint("start it first: systemctl start cofferdam-guard.socket, or: cofferdam guard"));
        };
        let daemon = Daemon::running(&self.pid_file);
        if daemon
            .as_ref()
            .is_some_and(|daemon| daemon.has_flag("--authorization-plugin"))
        {
            return Err(by_flag());
        }
        let file = self.open(daemon.as_ref())?;
        let changed = config::with(&file.text, &name).map_err(|error| file.refused(&error))?;
        let Some(changed) = changed else {
            context.say(&format!("{} has it already: {name}", file.path.display()));
            return self.reload(daemon.as_ref(), &name, true, context).await;
        };
        file.write(&changed)?;
        context.say(&format!(
            "{}: {PLUGINS} has {name} now; before: {}",
            file.path.display(),
            file.backup().display()
        ));
        let reloaded = self.reload(daemon.as_ref(), &name, true, context).await;
        if reloaded.is_err() {
            // dockerd did not take it, and would not at its next start.
            file.restore()?;
            if let Some(daemon) = &daemon {
                let _ = daemon.reload();
            }
        } else {
            context.say(&format!(
                "the guard's mode is {}; undo with: cofferdam guard disable",
                seen.mode
            ));
        }
        reloaded
    }

    /// Takes the guard out of the file and has dockerd read it.
    pub(super) async fn disable(self, context: &Context) -> Result<Exit, Failure> {
        let name = self.name()?;
        let daemon = Daemon::running(&self.pid_file);
        if daemon
            .as_ref()
            .is_some_and(|daemon| daemon.has_flag("--authorization-plugin"))
        {
            return Err(by_flag());
        }
        let file = self.open(daemon.as_ref())?;
        match config::without(&file.text, &name).map_err(|error| file.refused(&error))? {
            None => context.say(&format!("{} does not have it: {name}", file.path.display())),
            Some(changed) => {
                file.write(&changed)?;
                context.say(&format!(
                    "{}: {PLUGINS} has no {name} any more; before: {}",
                    file.path.display(),
                    file.backup().display()
                ));
            }
        }
        self.reload(daemon.as_ref(), &name, false, context).await
    }

    /// Shows how things stand: 1 where dockerd asks a guard that does not answer.
    pub(super) async fn status(self, context: &Context) -> Result<Exit, Failure> {
        let name = self.name()?;
        let daemon = Daemon::running(&self.pid_file);
        let file = self.open(daemon.as_ref())?;
        let listed = config::plugins(&file.text).map_err(|error| file.refused(&error))?;
        let by_flag = daemon.is_some_and(|daemon| daemon.has_flag("--authorization-plugin"));
        let guard = self.ask_guard().await;
        // An engine that asks a guard which does not answer hangs: it is not asked then.
        let in_config = listed.contains(&name);
        let asked_by_engine = match (&guard, in_config || by_flag) {
            (None, true) => None,
            _ => self.is_asked().await,
        };
        let standing = Standing {
            plugin: name,
            config: file.path,
            in_config,
            asked_by_engine,
            guard,
        };
        let blocked = standing.guard.is_none() && (in_config || by_flag);
        print(context, &standing)?;
        if blocked {
            context.say("hint: start the guard: systemctl restart cofferdam-guard.service, or switch it off: cofferdam guard disable");
        }
        Ok(if blocked { Exit::Local } else { Exit::Success })
    }

    /// The plugin's name is the file's.
    fn name(&self) -> Result<String, Failure> {
        let stem = self.socket.file_stem().and_then(|stem| stem.to_str());
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        stem.filter(|name| !name.is_empty() && name.chars().all(plain))
            .map(str::to_owned)
            .ok_or_else(|| {
                let path = self.socket.display();
                Failure::usage(format!("not the socket of a plugin: {path}"))
                    .hint(format!("the usual one is {}", super::SOCKET))
            })
    }

    async fn ask_guard(&self) -> Option<Seen> {
        let guard = Engine::at(&self.socket);
        let nothing = serde_json::Map::new();
        let answer = guard.post("/Guard.Status", &nothing);
        tokio::time::timeout(GUARD_PATIENCE, answer)
            .await
            .ok()?
            .ok()
    }

    /// Whether the engine asks this guard. `/info` keeps saying what was so at the engine's start
    /// (20.10), so the engine is given something to ask about. `None`: it does not answer.
    async fn is_asked(&self) -> Option<bool> {
        let before = self.ask_guard().await;
        let engine = Engine::local().ok()?;
        let answered = tokio::time::timeout(GUARD_PATIENCE, engine.ping()).await;
        answered.ok()?.ok()?;
        // A guard that does not answer and an engine that does: it was not asked.
        let after = self.ask_guard().await;
        Some(
            before
                .zip(after)
                .is_some_and(|(before, after)| after.asked > before.asked),
        )
    }

    fn open(&self, daemon: Option<&Daemon>) -> Result<File, Failure> {
        let named = self.config.clone().or_else(|| daemon.map(Daemon::config));
        File::open(named.unwrap_or_else(|| CONFIG.into()))
    }

    /// Has dockerd read its file, and waits until it is as it should be.
    async fn reload(
        &self,
        daemon: Option<&Daemon>,
        name: &str,
        wanted: bool,
        context: &Context,
    ) -> Result<Exit, Failure> {
        let daemon = match daemon {
            Some(daemon) if !self.no_reload => daemon,
            _ => {
                context.say("dockerd was not told; it reads its file when it starts");
                return Ok(Exit::Success);
            }
        };
        daemon.reload().map_err(|error| {
            Failure::local(format!("cannot tell dockerd to read its file: {error}")).hint(format!(
                "as root: kill -HUP $(cat {})",
                self.pid_file.display()
            ))
        })?;
        let end = Instant::now() + RELOAD_PATIENCE;
        while Instant::now() < end {
            if self.is_asked().await == Some(wanted) {
                let what = if wanted { "asks" } else { "does not ask" };
                context.say(&format!("dockerd {what} {name}"));
                return Ok(Exit::Success);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let what = if wanted {
            "take the guard"
        } else {
            "let go of the guard"
        };
        Err(Failure::local(format!(
            "dockerd did not {what} within {} seconds",
            RELOAD_PATIENCE.as_secs()
        ))
        .hint("its log says why: journalctl -u docker.service"))
    }
}

fn by_flag() -> Failure {
    Failure::local("dockerd was started with --authorization-plugin, which its file cannot change")
        .hint("take the flag out of its unit (systemctl edit docker.service), restart it, then use: cofferdam guard enable")
}

/// dockerd's file.
struct File {
    path: PathBuf,
    text: String,
    /// `None`: it does not exist.
    mode: Option<u32>,
}

impl File {
    /// Longer than any that was written by hand.
    const LONGEST: u64 = 1 << 20;

    fn open(path: PathBuf) -> Result<Self, Failure> {
        // A link stays a link: what it points to is changed.
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        let unreadable =
            |error: &io::Error| Failure::local(format!("cannot read {}: {error}", path.display()));
        let found = match std::fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    path,
                    text: String::new(),
                    mode: None,
                });
            }
            Err(error) => return Err(unreadable(&error)),
        };
        if !found.is_file() || found.len() > Self::LONGEST {
            let what = io::Error::other("no regular file, or too large for a configuration");
            return Err(unreadable(&what));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&error))?;
        Ok(Self {
            path,
            text,
            mode: Some(found.mode() & 0o777),
        })
    }

    fn backup(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".before-guard");
        name.into()
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let mode = self.mode.unwrap_or(0o644);
        if let Some(parent) = self.path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, &error))?;
        }
        let kept = self.backup();
        files::replace(&kept, mode, self.text.as_bytes())
            .map_err(|error| unwritable(&kept, &error))?;
        files::replace(&self.path, mode, text.as_bytes())
            .map_err(|error| unwritable(&self.path, &error))
    }

    /// As it was before [`Self::write`].
    fn restore(&self) -> Result<(), Failure> {
        let restored = match self.mode {
            Some(mode) => files::replace(&self.path, mode, self.text.as_bytes()),
            None => std::fs::remove_file(&self.path),
        };
        restored.map_err(|error| unwritable(&self.path, &error))
    }

    fn refused(&self, error: &config::Error) -> Failure {
        Failure::local(format!("{} is left alone: {error}", self.path.display())).hint(format!(
            "put it right by hand: \"{PLUGINS}\" is a list of names"
        ))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::local(format!("cannot write {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::PermissionDenied => failure.hint("run this as root"),
        _ => failure,
    }
}

fn print(context: &Context, standing: &Standing) -> Result<(), Failure> {
    let text = match context.format() {
        Format::Json => serde_json::to_string_pretty(standing)
            .map_err(|error| Failure::local(error.to_string()))?,
        Format::Yaml => {
            serde_yaml_ng::to_string(standing).map_err(|error| Failure::local(error.to_string()))?
        }
        Format::Table => table(standing),
    };
    context.out(format!("{}\n", text.trim_end()).as_bytes())
}

fn table(standing: &Standing) -> String {
    let yes = |is: bool| if is { "yes" } else { "no" };
    let mut rows = vec![
        ("plugin", standing.plugin.clone()),
        (
            "in dockerd's file",
            format!(
                "{} ({})",
                yes(standing.in_config),
                standing.config.display()
            ),
        ),
        (
            "asked by dockerd",
            standing.asked_by_engine.map_or("not known", yes).to_owned(),
        ),
    ];
    match &standing.guard {
        None => rows.push(("guard", "does not answer".to_owned())),
        Some(seen) => {
            rows.push(("guard", format!("answers, mode {}", seen.mode)));
            rows.push((
                "seen",
                format!(
                    "{} asked, {} let pass with a warning, {} refused, {} not judged",
                    seen.asked, seen.warned, seen.refused, seen.broken
                ),
            ));
        }
    }
    let row = |(title, text): &(&str, String)| format!("{title:<18} {text}\n");
    rows.iter().map(row).collect()
}
