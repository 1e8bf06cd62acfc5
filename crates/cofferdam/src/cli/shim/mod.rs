//! `cofferdam shim`: put before the entrypoint of an image that was not made for files.
//!
//! It becomes the program (exec): no process stays in between, the pid and all signals are the
//! program's own. It needs nothing of the image: no shell, no library, no passwd, nothing to write.
//! What is set here is in the program's environment and nowhere else; `docker inspect` shows the
//! path of the file.

mod portable;
pub(super) mod wrap;

use super::terminal::clean;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_agent::shim::{self, Options, Plan, Setting, ShimError, ValueError, table};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// Where Docker, Compose and Swarm put secrets.
const SECRETS: &str = "/run/secrets";

/// Gives a program its variables from files.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Shim {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    flags: Flags,
    /// The image's entrypoint and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Subcommand)]
enum Action {
    /// run a container of an unmodified image through the shim
    Run(wrap::Run),
    /// print what Compose needs to run an image through the shim
    Compose(wrap::Compose),
    /// print what is known about images
    Images(Images),
}

/// What the shim has to know.
#[derive(Args, Clone)]
struct Flags {
    /// Name of the image: a known one reads some files itself
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// The program reads the file of this variable itself; repeatable
    #[arg(long, value_name = "NAME")]
    pass: Vec<String>,
    /// Set this variable from its file, wherever that is; repeatable
    #[arg(long, value_name = "NAME")]
    set: Vec<String>,
    /// Set a variable for each file of this directory
    #[arg(long, value_name = "DIRECTORY")]
    from: Option<PathBuf>,
    /// One more directory whose files are secrets; repeatable
    #[arg(long, value_name = "DIRECTORY")]
    dir: Vec<PathBuf>,
    /// Keep a newline at the end of a value
    #[arg(long)]
    keep_newline: bool,
    /// Fill cofferdam(NAME) among the program's words with the content of that file
    #[arg(long)]
    fill: bool,
}

#[derive(Args)]
struct Images {
    /// This image only
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
}

impl Verb for Shim {
    const NAME: &'static str = "shim";
    const ABOUT: &'static str = "give an unmodified image its variables from files";
    const EXAMPLE: &'static str = "cofferdam shim run -- docker run -v shop:/run/secrets -e DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD IMAGE\n\
         cofferdam shim -- /entrypoint.sh serve";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Some(Action::Run(run)) => run.run(context).await,
            Some(Action::Compose(compose)) => compose.run(context).await,
            Some(Action::Images(images)) => images.run(context),
            None => become_program(context, self.flags, &self.command),
        }
    }
}

/// Comes back only with the reason why not.
fn become_program(context: &Context, flags: Flags, words: &[OsString]) -> Result<Exit, Failure> {
    let fills = flags.fill;
    let options = flags.into_options();
    let plan = Plan::make(std::env::vars_os(), &options).map_err(|e| failure(&e))?;
    let filled = if fills {
        shim::fill(words, &options.directories, options.keep_newline).map_err(|e| unfilled(&e))?
    } else {
        words.to_vec()
    };
    let Some((program, arguments)) = filled.split_first() else {
        return Err(Failure::usage("missing: the image's entrypoint"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in &plan.unset {
        command.env_remove(name);
    }
    for setting in &plan.settings {
        if let Setting::Value {
            variable,
            stripped: true,
            ..
        } = setting
        {
            context.say(&format!(
                "cofferdam shim: one newline at the end of {variable} was removed; -keep-newline keeps it"
            ));
        }
        command.env(setting.variable(), setting.value());
    }
    let error = command.exec();
    let program = program.to_string_lossy();
    Err(match error.kind() {
        io::ErrorKind::NotFound => Failure::local(format!("command not found: {program}"))
            .hint("name the image's own entrypoint: docker image inspect -f '{{.Config.Entrypoint}}' IMAGE")
            .with_exit(Exit::Code(127)),
        io::ErrorKind::ArgumentListTooLong => {
            Failure::local("the variables are too long together for a program to start with")
                .hint("let the program read a file: -pass NAME")
                .with_exit(Exit::Code(126))
        }
        _ => Failure::local(format!("cannot start {program}: {error}"))
            .with_exit(Exit::Code(126)),
    })
}

impl Flags {
    fn into_options(self) -> Options {
        let mut directories = self.dir;
        directories.push(PathBuf::from(SECRETS));
        directories.extend(self.from.clone());
        Options {
            image: self.image,
            directories,
            pass: self.pass,
            set: self.set,
            from: self.from,
            keep_newline: self.keep_newline,
        }
    }

    /// The same flags as words, for the program inside the container.
    fn words(&self, image: &str) -> Vec<OsString> {
        let image = self.image.as_deref().unwrap_or(image);
        let mut words: Vec<OsString> = vec!["-image".into(), image.into()];
        let named = self.pass.iter().map(|name| ("-pass", OsString::from(name)));
        let named = named.chain(self.set.iter().map(|name| ("-set", OsString::from(name))));
        let named = named.chain(
            self.from
                .iter()
                .map(|path| ("-from", path.clone().into_os_string())),
        );
        let named = named.chain(
            self.dir
                .iter()
                .map(|path| ("-dir", path.clone().into_os_string())),
        );
        words.extend(named.flat_map(|(flag, value)| [OsString::from(flag), value]));
        words.extend(self.keep_newline.then(|| "-keep-newline".into()));
        words.extend(self.fill.then(|| "-fill".into()));
        words.push("--".into());
        words
    }
}

impl Images {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut rules = table::rules().filter(|rule| match &self.image {
            Some(image) => rule.is_about(image),
            None => true,
        });
        let mut text = String::new();
        for rule in rules.by_ref() {
            text.push_str(&format!(
                "{}\t{}\t{}\t{}\n",
                rule.image,
                rule.convention.name(),
                rule.variables,
                rule.source
            ));
        }
        if text.is_empty() {
            context.say("not in the table: each X_FILE below /run/secrets becomes the variable X");
        }
        context.out(text.as_bytes())?;
        Ok(Exit::Success)
    }
}

fn unfilled(error: &shim::FillError) -> Failure {
    Failure::local(format!("cofferdam shim: {}", clean(&error.to_string())))
        .hint("mount the secret at /run/secrets, or name its directory with -dir")
}

fn failure(error: &ShimError) -> Failure {
    let failure = Failure::local(format!("cofferdam shim: {}", clean(&error.to_string())));
    match error {
        ShimError::Value { source, variable } => match source {
            ValueError::Unreadable { .. } => {
                failure.hint("mount the secret, readable for the container's user")
            }
            ValueError::Empty { .. } => failure.hint("an empty secret is never passed on"),
            ValueError::Nul { .. } | ValueError::TooLong { .. } => {
                failure.hint(format!("let the program read the file: -pass {variable}"))
            }
        },
        ShimError::Both { first, second } => {
            failure.hint(format!("leave out one of {first} and {second}"))
        }
        ShimError::NoFile(_) => failure.hint("leave out the flag, or set the variable to a path"),
        ShimError::Name(_) => failure.hint("give the file a name of letters, digits and \"_\""),
        ShimError::Directory { .. } => failure.hint("mount the secrets there, or leave out -from"),
    }
}
