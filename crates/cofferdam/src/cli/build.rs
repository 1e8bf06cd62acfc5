//! `cofferdam build`: a Docker build with its secrets from the store, through memory.

use super::delivery::{
    fetch_failure, loans, plan_failure, prefix, sink_failure, stage, supervise_failure,
};
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_agent::FileName;
use cofferdam_agent::fetch::{self, Lent};
use cofferdam_agent::plan::{self, Loan};
use cofferdam_agent::sink::SealedFile;
use cofferdam_agent::supervise::{self, Job, Supervisor};
use cofferdam_platform::build::dockerfile::secret_ids;
use cofferdam_platform::build::{BuildCommand, MAX_SIZE};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;

/// A Dockerfile that is longer is none.
const MAX_DOCKERFILE: u64 = 4 << 20;

/// Builds an image with secrets from the store.
#[derive(Args)]
pub(crate) struct Build {
    /// A build secret: ID, or ID=REFERENCE; what the Dockerfile asks for is found by itself
    #[arg(long = "secret", value_name = "ID[=REFERENCE]")]
    secrets: Vec<String>,
    /// Where ids without a reference are looked up
    #[arg(long, value_name = "PATH")]
    from: Option<String>,
    /// Short for -from secret/NAME
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    app: Option<String>,
    /// docker build, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Verb for Build {
    const NAME: &'static str = "build";
    const ABOUT: &'static str = "build an image with secrets that stay out of it";
    const EXAMPLE: &'static str = "cofferdam build -app shop -- docker build -t shop .\n\
         cofferdam build -secret npm=secret/ci/NPM_TOKEN -- docker buildx build --push .";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let command = BuildCommand::parse(&self.command)
            .map_err(|error| Failure::usage(error.to_string()).hint(error.hint()))?;
        require_buildkit(context)?;
        let called = self.command.first().cloned().unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = supervise::resolve(&called, &path).map_err(|error| {
            Failure::local(error.to_string()).with_exit(Exit::Code(error.exit_code()))
        })?;
        let loans = self.loans(&command)?;
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let lent = if loans.is_empty() {
            Vec::new()
        } else {
            let client = context.client()?;
            fetch::fetch(&client, &loans, MAX_SIZE)
                .await
                .map_err(fetch_failure)?
        };
        let (inherit, secrets) = seal(&lent)?;
        drop(lent);
        let words = command.with_secrets(&secrets);
        let job = Job {
            program,
            called,
            arguments: words.into_iter().skip(1).collect(),
            // Docker 20.10 builds without BuildKit, and so without secrets, unless told.
            set: vec![("DOCKER_BUILDKIT".to_owned(), OsString::from("1"))],
            unset: ["COFFERDAM_TOKEN", "VAULT_TOKEN", "BAO_TOKEN"]
                .map(str::to_owned)
                .to_vec(),
            pristine: false,
            inherit,
            stage: Some(stage()),
        };
        let supervisor = Supervisor::new().map_err(supervise_failure)?;
        let ending = supervisor.run(&job).map_err(supervise_failure)?;
        Ok(Exit::Code(ending.exit_code()))
    }
}

impl Build {
    /// What to fetch: what the flags name, and what the Dockerfile asks for besides.
    fn loans(&self, command: &BuildCommand) -> Result<Vec<Loan>, Failure> {
        let prefix = prefix(self.from.as_deref(), self.app.as_deref())?.unwrap_or_default();
        let mut all = loans(&self.secrets, &prefix)?;
        plan::require_distinct(&all).map_err(|error| plan_failure(&error))?;
        if let Some(loan) = all
            .iter()
            .find(|loan| command.given.contains(loan.name.as_str()))
        {
            return Err(
                Failure::usage(format!("two sources for the build secret {}", loan.name))
                    .hint("leave out one of -secret and docker's own --secret"),
            );
        }
        for id in asked_for(command.dockerfile.as_deref())? {
            let named = all.iter().any(|loan| loan.name.as_str() == id);
            if !named && !command.given.contains(&id) {
                let name: FileName = id.parse().map_err(|error| {
                    Failure::usage(format!("the build secret {id:?}: {error}"))
                        .hint("rename the id in the Dockerfile")
                })?;
                all.push(prefix.loan(name).map_err(|error| plan_failure(&error))?);
            }
        }
        Ok(all)
    }
}

fn asked_for(dockerfile: Option<&Path>) -> Result<BTreeSet<String>, Failure> {
    let Some(path) = dockerfile else {
        super::terminal::say(
            "the Dockerfile is not here to be read: only secrets named with -secret are lent",
        );
        return Ok(BTreeSet::new());
    };
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MAX_DOCKERFILE).read_to_string(&mut text));
    read.map_err(|error| Failure::local(format!("cannot read {}: {error}", path.display())))?;
    secret_ids(&text).map_err(|error| {
        Failure::usage(format!("{}: {error}", path.display()))
            .hint("write the id out: RUN --mount=type=secret,id=NAME …")
    })
}

fn require_buildkit(context: &Context) -> Result<(), Failure> {
    if context
        .environment("DOCKER_BUILDKIT")
        .is_some_and(|value| value == "0")
    {
        return Err(
            Failure::usage("DOCKER_BUILDKIT=0 turns off what build secrets need")
                .hint("unset DOCKER_BUILDKIT"),
        );
    }
    Ok(())
}

type Sealed = (Vec<SealedFile>, Vec<(FileName, std::path::PathBuf)>);

fn seal(lent: &[Lent]) -> Result<Sealed, Failure> {
    let mut files = Vec::with_capacity(lent.len());
    let mut paths = Vec::with_capacity(lent.len());
    for secret in lent {
        let file =
            SealedFile::new(secret.name.as_str(), &secret.value).map_err(|e| sink_failure(&e))?;
        paths.push((secret.name.clone(), file.inherited_path()));
        files.push(file);
    }
    Ok((files, paths))
}
