//! What is to be built, what it asks for, and what is wrong with how it asks.

use super::super::delivery::{loans, plan_failure, prefix};
use super::super::{Context, Failure, terminal};
use super::Build;
use super::lend::Ids;
use cofferdam_agent::FileName;
use cofferdam_agent::plan::{self, Loan};
use cofferdam_platform::build::dockerfile::{self, ALL_VERSIONS, Asks, version_argument};
use cofferdam_platform::build::many::Target;
use cofferdam_platform::build::{Command, versions};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A Dockerfile that is longer is none.
const MAX_DOCKERFILE: u64 = 4 << 20;

/// One image to build.
pub(super) struct Wanted {
    pub(super) target: Target,
    /// What its Dockerfile asks for; `None` when it is not here to be read.
    pub(super) asks: Option<Asks>,
}

/// What to fetch.
pub(super) struct Plan {
    pub(super) secrets: Vec<Loan>,
    pub(super) keys: Vec<Loan>,
}

pub(super) fn require_buildkit(context: &Context) -> Result<(), Failure> {
    let setting = context.environment("DOCKER_BUILDKIT");
    if setting.is_some_and(|value| value == "0") {
        return Err(
            Failure::usage("DOCKER_BUILDKIT=0 turns off what build secrets need")
                .hint("unset DOCKER_BUILDKIT"),
        );
    }
    Ok(())
}

/// The images that a command builds; Compose and bake are asked.
pub(super) fn targets(command: &[OsString]) -> Result<Vec<Target>, Failure> {
    let refused = |error: cofferdam_platform::build::CommandError| {
        Failure::usage(error.to_string()).hint(error.hint())
    };
    let many = match Command::parse(command).map_err(refused)? {
        Command::Build(build) => {
            let name = build.builder.words().to_owned();
            return Ok(vec![Target { name, build }]);
        }
        Command::Many(many) => many,
    };
    let plan = super::work::output(&many.question())?;
    many.targets(&plan)
        .map_err(|error| Failure::usage(error.to_string()).hint(error.hint()))
}

impl Wanted {
    /// Reads the Dockerfile of a target.
    pub(super) fn read(target: Target) -> Result<Self, Failure> {
        if target.build.dockerfiles.is_empty() {
            terminal::say(
                "the Dockerfile is not here to be read: only secrets named with -secret are lent",
            );
            return Ok(Self { target, asks: None });
        }
        let mut asks = Asks::default();
        for path in &target.build.dockerfiles {
            asks.absorb(read(path)?);
        }
        Ok(Self {
            target,
            asks: Some(asks),
        })
    }

    /// The program that builds it.
    pub(super) fn program(&self) -> Result<PathBuf, Failure> {
        super::work::resolve(self.target.build.program())
    }

    /// Whether this image may use a secret of that id.
    pub(super) fn uses(&self, id: &str) -> bool {
        let asked = |asks: &Asks| asks.secrets.iter().any(|mount| mount.id == id);
        self.asks.as_ref().is_none_or(asked)
    }

    /// The arguments its cache depends on: those that the Dockerfile declares, as far as it can be
    /// read, and that the user did not set.
    pub(super) fn arguments(&self, ids: &Ids) -> Vec<(String, String)> {
        let used = || ids.iter().filter(|(name, _)| self.uses(name));
        let mut all = vec![(
            ALL_VERSIONS.to_owned(),
            versions::together(used().map(|(name, id)| (name.as_str(), id.as_str()))),
        )];
        all.extend(used().map(|(name, id)| (version_argument(name), id.clone())));
        let declared = |name: &str| {
            let asks = self.asks.as_ref();
            asks.is_none_or(|asks| asks.arguments.contains(name))
        };
        all.retain(|(name, _)| declared(name) && !self.target.build.given_arguments.contains(name));
        all
    }

    /// What should be better in the Dockerfile: what is wrong, and the line to write. `agents` are
    /// those that we give.
    fn lints(&self, agents: &BTreeSet<&str>) -> Vec<(String, String)> {
        let Some(asks) = &self.asks else {
            return Vec::new();
        };
        let file = self.target.build.dockerfiles.first();
        let file = file
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        let mut lints = Vec::new();
        for mount in &asks.secrets {
            let (line, id) = (mount.line, &mount.id);
            if !mount.required {
                lints.push((
                    format!("{file}, line {line}: {id} is not required, so a build without cofferdam runs this step without it"),
                    format!("RUN --mount=type=secret,id={id},required=true …"),
                ));
            }
            if !mount.tied {
                lints.push((
                    format!("{file}, line {line}: a new version of {id} does not rerun this step"),
                    format!("put before it: ARG {}", version_argument(id)),
                ));
            }
        }
        let missing = asks.ssh.iter().filter(|id| {
            !agents.contains(id.as_str()) && !self.target.build.given_ssh.contains(*id)
        });
        lints.extend(missing.map(|id| {
            (
                format!("{file}: nobody gives the ssh agent {id}"),
                format!("cofferdam build -ssh {id}=REFERENCE -- …"),
            )
        }));
        lints
    }
}

impl Build {
    /// Points out what is wrong in the Dockerfiles; refuses it when strict.
    pub(super) fn lint(&self, context: &Context, wanted: &[Wanted]) -> Result<(), Failure> {
        let agents = self.ssh.iter().filter_map(|text| text.split('=').next());
        let agents: BTreeSet<&str> = agents.collect();
        for (what, hint) in wanted.iter().flat_map(|wanted| wanted.lints(&agents)) {
            if self.strict {
                return Err(Failure::usage(what).hint(hint));
            }
            context.say(&what);
            context.say(&format!("hint: {hint}"));
        }
        Ok(())
    }

    /// What to fetch: what the flags name, and what the Dockerfiles ask for besides.
    pub(super) fn plan(&self, wanted: &[Wanted]) -> Result<Plan, Failure> {
        let prefix = prefix(self.from.as_deref(), self.app.as_deref())?.unwrap_or_default();
        let mut secrets = loans(&self.secrets, &prefix)?;
        plan::require_distinct(&secrets).map_err(|error| plan_failure(&error))?;
        for Wanted { target, asks } in wanted {
            let given = &target.build.given;
            if let Some(loan) = secrets
                .iter()
                .find(|loan| given.contains(loan.name.as_str()))
            {
                return Err(Failure::usage(format!(
                    "two sources for the build secret {}",
                    loan.name
                ))
                .hint("leave out one of -secret and the builder's own --secret"));
            }
            for id in asks.iter().flat_map(Asks::ids) {
                let named = secrets.iter().any(|loan| loan.name.as_str() == id);
                if !named && !given.contains(&id) {
                    let name: FileName = id.parse().map_err(|error| {
                        Failure::usage(format!("the build secret {id:?}: {error}"))
                            .hint("rename the id in the Dockerfile")
                    })?;
                    secrets.push(prefix.loan(name).map_err(|error| plan_failure(&error))?);
                }
            }
        }
        let mut products = wanted.iter().map(|wanted| &wanted.target.build.product);
        if products.any(|product| product.push && product.tags.is_empty()) {
            return Err(Failure::usage("an image without a name cannot be pushed")
                .hint("name it in the build command: -t REGISTRY/NAME:TAG"));
        }
        if let Some(reason) = self.unsearchable(wanted) {
            return Err(Failure::usage(format!(
                "this build cannot be searched before it is out of hand: {reason}"
            ))
            .hint("build and push in two commands, or accept that with: cofferdam build -dangerous-without-search -- …"));
        }
        Ok(Plan {
            secrets,
            keys: loans(&self.ssh, &prefix)?,
        })
    }

    fn unsearchable(&self, wanted: &[Wanted]) -> Option<&'static str> {
        let mut reasons = wanted
            .iter()
            .filter_map(|wanted| wanted.target.build.product.unsearchable);
        reasons.next().filter(|_| !self.dangerous_without_search)
    }
}

fn read(path: &Path) -> Result<Asks, Failure> {
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MAX_DOCKERFILE).read_to_string(&mut text));
    read.map_err(|error| Failure::local(format!("cannot read {}: {error}", path.display())))?;
    dockerfile::read(&text).map_err(|error| {
        Failure::usage(format!("{}: {error}", path.display()))
            .hint("write the id out: RUN --mount=type=secret,id=NAME …")
    })
}
