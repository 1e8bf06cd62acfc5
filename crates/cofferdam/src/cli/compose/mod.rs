//! `cofferdam compose`: Compose with its secrets from the store.
//!
//! In front of a Compose command it reads the files, writes one more into memory and hands it
//! over; started by Compose itself it is a provider ([`provider`]). Values are fetched by the
//! Docker plugin when a container mounts its volume, never here.

mod environment;
mod project;
mod provider;
mod swarm;

use super::delivery::{prefix, stage, supervise_failure};
use super::report::values;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_agent::output::Current;
use cofferdam_agent::sink::SealedFile;
use cofferdam_agent::supervise::{self, Job, Supervisor};
use cofferdam_detect::Needles;
use cofferdam_detect::redact::{Masks, Style};
use cofferdam_platform::compose::command::{ComposeCommand, Program};
use cofferdam_platform::compose::plan::{Defaults, Plan};
use cofferdam_platform::compose::{Fault, Flavour, lint, overlay};
use cofferdam_secret::Secret;
use project::Found;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs Compose with secrets from the store, or answers Compose as its provider.
#[derive(Args)]
pub(crate) struct Compose {
    /// Where the names of external secrets are looked up; secret by default
    #[arg(long, value_name = "PATH")]
    from: Option<String>,
    /// Short for -from secret/NAME
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    app: Option<String>,
    /// Name of the Docker plugin that serves the volumes
    #[arg(long, value_name = "NAME", default_value = "cofferdam")]
    driver: String,
    /// Leave values in what containers print through Compose
    #[arg(long)]
    no_redact: bool,
    /// Show the file that Compose would get, and start nothing
    #[arg(long)]
    show: bool,
    /// Internal: Compose calls its provider so
    #[arg(long, value_name = "NAME", hide = true)]
    project_name: Option<String>,
    /// Compose's command line: with or without docker-compose, docker compose
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

impl Verb for Compose {
    const NAME: &'static str = "compose";
    const ABOUT: &'static str = "run Docker Compose with secrets from the store";
    const EXAMPLE: &'static str = "cofferdam compose -- up -d\n\
         cofferdam compose -app shop -- docker compose -f shop.yml up --wait\n\
         cofferdam compose -- docker stack deploy -c shop.yml shop";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.project_name.is_some() || self.command.first().is_some_and(|w| w == "metadata") {
            return provider::answer(context, &self.command, &self.driver).await;
        }
        let command = ComposeCommand::parse(&self.command)
            .map_err(|error| Failure::usage(error.to_string()).hint(error.hint()))?;
        let (leading, flavour) = project::program(&command)?;
        if command.only_asks {
            return start(&leading, command.words().to_vec(), Vec::new(), None);
        }
        let found = project::find(&command, flavour)?;
        let defaults = Defaults {
            prefix: prefix(self.from.as_deref(), self.app.as_deref())?,
            driver: self.driver.clone(),
        };
        let plan = Plan::make(&found.project, &defaults, flavour).map_err(|error| fault(&error))?;
        let text = overlay::write(&found.project, &plan, &defaults, flavour);
        if self.show {
            context.out(text.unwrap_or_default().as_bytes())?;
            return Ok(Exit::Success);
        }
        self.speak(context, &command, &found, &plan, flavour);
        if command.program == Program::Stack {
            swarm::require(context, &found, &plan, &self.driver).await?;
        }
        let (words, inherit) = match text {
            None => (command.words().to_vec(), Vec::new()),
            Some(text) => {
                // Nothing in it is secret; a memory file leaves nothing behind.
                let file = SealedFile::new("compose", &Secret::new(text.into_bytes()))
                    .map_err(|error| super::delivery::sink_failure(&error))?;
                let words = command.with_files(&found.unsaid, &file.inherited_path());
                (words, vec![file])
            }
        };
        let masks = if self.no_redact || !command.shows_output() {
            None
        } else {
            masks(context, &plan).await
        };
        let exit = start(&leading, words, inherit, masks)?;
        if exit == Exit::Code(0) {
            project::clean(context, &command, &found, &plan).await;
        }
        Ok(exit)
    }
}

impl Compose {
    /// Words before something is started: what is in the open, and what Compose 1.29 will say.
    fn speak(
        &self,
        context: &Context,
        command: &ComposeCommand,
        found: &Found,
        plan: &Plan,
        flavour: Flavour,
    ) {
        if !command.starts() && flavour != Flavour::Stack {
            return;
        }
        for line in lint::lint(&found.project) {
            context.say(&format!("in plain sight: {line}"));
        }
        if flavour == Flavour::V1 && !plan.services.is_empty() {
            context.say(
                "secrets of the store are mounted as volumes; docker-compose may say below that \
                 external secrets are not available",
            );
        }
    }
}

/// What is masked in what containers print through Compose: all versions of the project's secrets
/// that the caller may read. Compose does not need that right, so what may not be read is named, and
/// the command goes on.
async fn masks(context: &Context, plan: &Plan) -> Option<Arc<Current>> {
    if plan.secrets.is_empty() {
        return None;
    }
    let paths: Vec<String> = plan
        .secrets
        .values()
        .map(|ours| ours.reference.path().to_owned())
        .collect();
    let read = async {
        let client = context.client()?;
        values::collect(&client, &paths, false, Needles::for_redaction()).await
    };
    match read.await {
        Ok(needles) => {
            let masks = Masks::new(needles, &Style::default());
            super::redact::say_refused(context, &masks);
            Some(Current::new(masks))
        }
        Err(failure) => {
            context.say(&format!(
                "values are not masked in what containers print: {}",
                failure.sentence()
            ));
            None
        }
    }
}

/// Runs Compose to its end.
fn start(
    leading: &[OsString],
    words: Vec<OsString>,
    inherit: Vec<SealedFile>,
    masks: Option<Arc<Current>>,
) -> Result<Exit, Failure> {
    let mut words = leading.iter().cloned().chain(words);
    let called = words.next().unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program: PathBuf = supervise::resolve(&called, &path).map_err(|error| {
        Failure::local(error.to_string()).with_exit(Exit::Code(error.exit_code()))
    })?;
    let job = Job {
        program,
        called,
        arguments: words.collect(),
        set: Vec::new(),
        unset: ["COFFERDAM_TOKEN", "VAULT_TOKEN", "BAO_TOKEN"]
            .map(str::to_owned)
            .to_vec(),
        pristine: false,
        inherit,
        stage: Some(stage()),
        masks,
    };
    let supervisor = Supervisor::new().map_err(supervise_failure)?;
    let ending = supervisor.run(&job).map_err(supervise_failure)?;
    Ok(Exit::Code(ending.exit_code()))
}

fn fault(fault: &Fault) -> Failure {
    let failure = Failure::usage(fault.to_string());
    match fault.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
