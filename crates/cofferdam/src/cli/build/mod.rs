//! `cofferdam build`: an image build with its secrets from the store, through memory, and a look at
//! the image before anybody else gets it.
//!
//! In this order, so that nothing begins that cannot end well: what the command builds ([`ask`]),
//! what it is lent ([`lend`]), the build ([`work`]), the search ([`search`]), and only then the
//! image's names, its push and its record ([`finish`]).

mod ask;
mod finish;
mod lend;
mod search;
mod work;

use super::delivery::{fetch_failure, sink_failure};
use super::{Context, Exit, Failure, Verb};
use ask::Wanted;
use clap::Args;
use cofferdam_agent::sink::{Place, place};
use cofferdam_api::places;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::ffi::OsString;
use std::path::PathBuf;

/// The exit code when a lent value was found in what was built.
const LEAKED: Exit = Exit::Code(3);

/// Builds an image with secrets from the store.
#[derive(Args)]
pub(crate) struct Build {
    /// A build secret: ID, or ID=REFERENCE; what the Dockerfile asks for is found by itself
    #[arg(long = "secret", value_name = "ID[=REFERENCE]")]
    secrets: Vec<String>,
    /// A private key for an ssh agent of this build: ID=REFERENCE, mostly default=REFERENCE
    #[arg(long, value_name = "ID=REFERENCE")]
    ssh: Vec<String>,
    /// Where ids without a reference are looked up
    #[arg(long, value_name = "PATH")]
    from: Option<String>,
    /// Short for -from secret/NAME
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    app: Option<String>,
    /// Write what was lent to what as an in-toto statement
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Refuse what is otherwise only pointed out: mounts without required, steps that a new
    /// version would not rerun, a record that the server does not keep
    #[arg(long)]
    strict: bool,
    /// Keep an image that holds what it was lent, without a name
    #[arg(long)]
    keep: bool,
    /// Let the builder name and push the image before anybody has looked into it
    #[arg(long)]
    dangerous_without_search: bool,
    /// Leave values in the builder's output
    #[arg(long)]
    no_redact: bool,
    /// The build command, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Verb for Build {
    const NAME: &'static str = "build";
    const ABOUT: &'static str = "build an image with secrets that stay out of it";
    const EXAMPLE: &'static str = "cofferdam build -app shop -- docker build -t shop .\n\
         cofferdam build -secret npm=secret/ci/NPM_TOKEN -- docker buildx build --push -t r/shop .\n\
         cofferdam build -ssh default=secret/ci/deploy_key -- podman build -t shop .";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        ask::require_buildkit(context)?;
        let wanted = ask::targets(&self.command)?
            .into_iter()
            .map(Wanted::read)
            .collect::<Result<Vec<_>, _>>()?;
        let plan = self.plan(&wanted)?;
        self.lint(context, &wanted)?;
        for wanted in &wanted {
            wanted.program()?;
        }
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let lent = lend::fetch(context, plan).await?;
        let search = lent.search()?;
        let masks = if self.no_redact {
            None
        } else {
            lent.masks(context)?
        };
        let ids = lend::version_ids(context, &lent.secrets).await?;
        let place = private_place()?;
        let mut given = lent.give(&place)?;

        let mut built = Vec::with_capacity(wanted.len());
        for (number, wanted) in wanted.iter().enumerate() {
            let job = work::Work {
                wanted,
                arguments: wanted.arguments(&ids),
                id_file: place_file(&place, &format!("image-{number}"))?,
                whole: self.dangerous_without_search,
                masks: masks.clone(),
            };
            match job.build(&mut given)? {
                work::Ended::Built(id) => built.push(id),
                work::Ended::Failed(exit) => return Ok(exit),
            }
        }
        work::end_by_signals();
        let all = || wanted.iter().zip(&built);
        if !self.dangerous_without_search {
            for (wanted, id) in all() {
                search.look(context, &wanted.target, id.as_deref(), self.keep)?;
            }
        }
        let finish = finish::Finish {
            context,
            build: &self,
            secrets: given.records.clone(),
            masks,
            begun: std::cell::Cell::new(false),
        };
        for (wanted, id) in all() {
            let exit = finish
                .target(wanted, id.as_deref(), &ids, &mut given)
                .await?;
            if exit != Exit::Success {
                return Ok(exit);
            }
        }
        Ok(Exit::Success)
    }
}

/// A directory of this build in memory, gone with it.
fn private_place() -> Result<Place, Failure> {
    let failure = |error| sink_failure(&error);
    let runtime = places::runtime_dir(&places::environment);
    let (parent, mount) = place::parent(&runtime).map_err(failure)?;
    place::sweep(&parent).map_err(failure)?;
    Place::create(&parent, 0o700, mount).map_err(failure)
}

fn place_file(place: &Place, name: &str) -> Result<PathBuf, Failure> {
    let directory = place.directory().map_err(|error| sink_failure(&error))?;
    Ok(directory.path().join(name))
}
