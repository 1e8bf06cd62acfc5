//! `cofferdam run`: a command with its secrets as files in memory.
//!
//! The child's output goes where ours would go, with names where values it was given stand.

use super::delivery::{
    fetch_failure, loans, masks, plan_failure, prefix, sink_failure, stage, supervise_failure,
};
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_agent::FileName;
use cofferdam_agent::fetch::{self, Lent};
use cofferdam_agent::plan::{self, Loan, Prefix};
use cofferdam_agent::sink::{Access, Guest, Place, place, private};
use cofferdam_agent::supervise::{self, Job, Supervisor};
use cofferdam_api::places;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// Largest value: what Swarm, BuildKit and the volume driver take.
const MAX_FILE: usize = 500 * 1024;
/// `MAX_ARG_STRLEN` of Linux: one variable with its name, `=` and the final NUL.
const MAX_VARIABLE: usize = 128 * 1024;
/// The right to read every secret stays with us.
const TOKENS: [&str; 3] = ["COFFERDAM_TOKEN", "VAULT_TOKEN", "BAO_TOKEN"];

/// Runs a command with its secrets as files in memory.
#[derive(Args)]
pub(crate) struct Run {
    /// A file for the command: NAME, or NAME=REFERENCE; repeatable
    #[arg(long = "secret", value_name = "NAME[=REFERENCE]")]
    secrets: Vec<String>,
    /// Where bare names are; without -secret and -env, everything there
    #[arg(long, value_name = "PATH")]
    from: Option<String>,
    /// Short for -from secret/NAME
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    app: Option<String>,
    /// A variable with the value itself, for programs that read no files; repeatable
    #[arg(long = "env", value_name = "NAME[=REFERENCE]")]
    variables: Vec<String>,
    /// Start from an empty environment
    #[arg(long)]
    pristine: bool,
    /// Leave our own token in the command's environment
    #[arg(long)]
    keep_token: bool,
    /// Put the files into this directory of a memory filesystem
    #[arg(long, value_name = "PATH", conflicts_with = "private")]
    dir: Option<PathBuf>,
    /// Permission bits of the files
    #[arg(long, value_name = "OCTAL", default_value = "0400")]
    mode: String,
    /// Owner of the files, a number
    #[arg(long, value_name = "UID")]
    uid: Option<String>,
    /// Group of the files, a number
    #[arg(long, value_name = "GID")]
    gid: Option<String>,
    /// Show the files to nobody but the command and its children (root)
    #[arg(long)]
    private: bool,
    /// Leave values in the command's output
    #[arg(long)]
    no_redact: bool,
    /// Internal: the step between our fork and the command
    #[arg(long, hide = true)]
    stage: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Verb for Run {
    const NAME: &'static str = "run";
    const ABOUT: &'static str = "run a command with its secrets as files in memory";
    const EXAMPLE: &'static str = "cofferdam run -app shop -- ./server\n\
         cofferdam run -secret DB_PASSWORD=secret/shop/DB -- sh -c 'wc -c < $DB_PASSWORD_FILE'";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.stage {
            let ended = supervise::stage::become_command(self.command);
            return ended
                .map(|ending| Exit::Code(ending.exit_code()))
                .map_err(|error| {
                    let failure = Failure::local(format!("cannot start the command: {error}"));
                    failure.with_exit(Exit::Code(126))
                });
        }
        let called = self.command.first().cloned().unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = match supervise::resolve(&called, &path) {
            Ok(program) => program,
            Err(error) => {
                let exit = Exit::Code(error.exit_code());
                return Err(Failure::local(error.to_string()).with_exit(exit));
            }
        };
        let access = self.access()?;
        // What we are about to hold is nobody else's: no core dump, no ptrace by the same user.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let (files, variables) = self.borrow(context).await?;
        let mut job = Job {
            program,
            called,
            arguments: self.command.iter().skip(1).cloned().collect(),
            set: variables.iter().map(variable).collect::<Result<_, _>>()?,
            unset: if self.keep_token {
                Vec::new()
            } else {
                TOKENS.map(str::to_owned).to_vec()
            },
            pristine: self.pristine,
            inherit: Vec::new(),
            stage: Some(stage()),
            masks: None,
        };
        let supervisor = Supervisor::new().map_err(supervise_failure)?;
        if !self.no_redact {
            job.masks = masks(context, files.iter().chain(&variables))?;
        }
        let delivery = self.deliver(&files, access)?;
        drop(files);
        job.set.extend(delivery.variables());
        let ending = supervisor.run(&job).map_err(supervise_failure)?;
        drop(delivery);
        Ok(Exit::Code(ending.exit_code()))
    }
}

impl Run {
    fn access(&self) -> Result<Access, Failure> {
        let id = |flag: &str, text: &Option<String>| match text.as_deref().map(Access::parse_id) {
            None => Ok(None),
            Some(Some(id)) => Ok(Some(id)),
            Some(None) => Err(Failure::usage(format!("not a number for -{flag}"))
                .hint("look it up with: id -u NAME")),
        };
        let mode = Access::parse_mode(&self.mode);
        Ok(Access {
            uid: id("uid", &self.uid)?,
            gid: id("gid", &self.gid)?,
            mode: mode.ok_or_else(|| {
                Failure::usage("not octal permission bits for -mode").hint("for example -mode 0440")
            })?,
        })
    }

    /// Fetches files and variables; nothing is written yet.
    async fn borrow(&self, context: &Context) -> Result<(Vec<Lent>, Vec<Lent>), Failure> {
        let prefix = prefix(self.from.as_deref(), self.app.as_deref())?;
        let base = prefix.clone().unwrap_or_default();
        let mut files = loans(&self.secrets, &base)?;
        let mut variables = loans(&self.variables, &base)?;
        if !self.pristine {
            variables.extend(pointers(std::env::vars_os(), &variables)?);
        }
        let client = context.client()?;
        if files.is_empty() && variables.is_empty() {
            files = everything(&client, prefix.as_ref()).await?;
        }
        plan::require_distinct(&files).map_err(|error| plan_failure(&error))?;
        plan::require_distinct(&variables).map_err(|error| plan_failure(&error))?;
        require_distinct_variables(&files, &variables)?;
        let all: Vec<Loan> = files.iter().chain(&variables).cloned().collect();
        let mut lent = fetch::fetch(&client, &all, MAX_FILE)
            .await
            .map_err(fetch_failure)?;
        let variables = lent.split_off(files.len());
        Ok((lent, variables))
    }

    fn deliver(&self, files: &[Lent], access: Access) -> Result<Delivery, Failure> {
        let failure = |error| sink_failure(&error);
        let names = files.iter().map(|file| file.name.clone()).collect();
        if let Some(path) = &self.dir {
            let mut guest = Guest::open(path).map_err(failure)?;
            for file in files {
                guest
                    .put(&file.name, &file.value, access)
                    .map_err(failure)?;
            }
            return Ok(Delivery {
                path: path.clone(),
                names,
                _end: End::Guest(guest),
            });
        }
        if self.private {
            private::enter()
                .map_err(|error| failure(error).hint("run it as root, or without -private"))?;
        }
        let (parent, mount) =
            place::parent(&places::runtime_dir(&places::environment)).map_err(failure)?;
        place::sweep(&parent).map_err(failure)?;
        // Readers of another uid must be able to walk in; the files' own mode decides.
        let others = access.uid.is_some() || access.gid.is_some() || access.mode & 0o077 != 0;
        let mode = if others { 0o711 } else { 0o700 };
        let place = Place::create(&parent, mode, mount).map_err(failure)?;
        let directory = place.directory().map_err(failure)?;
        for file in files {
            directory
                .put(&file.name, &file.value, access)
                .map_err(failure)?;
        }
        Ok(Delivery {
            path: directory.path().to_owned(),
            names,
            _end: End::Place(place),
        })
    }
}

/// Files that are there until this is dropped.
struct Delivery {
    path: PathBuf,
    names: Vec<FileName>,
    _end: End,
}

#[expect(dead_code, reason = "held for what happens when they are dropped")]
enum End {
    Place(Place),
    Guest(Guest),
}

impl Delivery {
    fn variables(&self) -> impl Iterator<Item = (String, OsString)> {
        self.names.iter().map(|name| {
            let path = self.path.join(name.as_str());
            (name.file_variable(), path.into_os_string())
        })
    }
}

/// Variables of our own environment whose value is exactly `se://ID`, as Docker's tools take them:
/// the command gets the value that they point at. A name that a flag gave is the flag's.
fn pointers(
    environment: impl Iterator<Item = (OsString, OsString)>,
    named: &[Loan],
) -> Result<Vec<Loan>, Failure> {
    let mut found = Vec::new();
    for (name, value) in environment {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        let is_named = || named.iter().any(|loan| loan.name.as_str() == name);
        if !value.starts_with("se://") || is_named() {
            continue;
        }
        let loan = Loan::parse(&format!("{name}={value}"), '=', &Prefix::default());
        found.push(loan.map_err(|error| plan_failure(&error))?);
    }
    Ok(found)
}

async fn everything(
    client: &cofferdam_api::Client,
    prefix: Option<&Prefix>,
) -> Result<Vec<Loan>, Failure> {
    let Some(prefix) = prefix else {
        return Err(Failure::usage("no secret is named")
            .hint("cofferdam run -app NAME -- COMMAND, or -secret NAME=REFERENCE"));
    };
    fetch::below(client, prefix).await.map_err(fetch_failure)
}

/// `tls.key` and `tls_key` are two files and one variable.
fn require_distinct_variables(files: &[Loan], variables: &[Loan]) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    let names = files.iter().map(|file| file.name.file_variable());
    for name in names.chain(variables.iter().map(|loan| loan.name.as_str().to_owned())) {
        if !seen.insert(name.clone()) {
            return Err(
                Failure::usage(format!("two secrets for the variable {name}"))
                    .hint("give one another name: -secret NAME=REFERENCE"),
            );
        }
    }
    Ok(())
}

/// A value as a variable: what the user asked for with `-env`.
fn variable(lent: &Lent) -> Result<(String, OsString), Failure> {
    let name = lent.name.as_str().to_owned();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(legal) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Failure::usage(format!("not a name for a variable: {name}"))
            .hint("use letters, digits and \"_\": -env NAME=REFERENCE"));
    }
    let file = format!("deliver it as a file: -secret {name}");
    if lent.value.expose().contains(&0) {
        return Err(
            Failure::local(format!("{name}: a variable cannot hold a NUL byte")).hint(file),
        );
    }
    if name.len() + lent.value.len() + 2 > MAX_VARIABLE {
        return Err(Failure::local(format!("{name}: too long for a variable")).hint(file));
    }
    Ok((name, OsString::from_vec(lent.value.expose().clone())))
}
