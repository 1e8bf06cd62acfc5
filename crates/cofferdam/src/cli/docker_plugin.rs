//! `cofferdam docker-plugin`: makes `docker cofferdam …` and `docker-credential-cofferdam` work, by
//! links to this program; and takes the links away again.

use super::names::{CREDENTIAL_HELPER, DOCKER_PLUGIN};
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use std::io;
use std::path::{Path, PathBuf};

/// Where Docker looks for plugins of all users.
const SYSTEM: &str = "/usr/local/lib/docker/cli-plugins";

/// Installs the plugin of Docker's command line.
#[derive(Args)]
pub(crate) struct DockerPlugin {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// link it to where Docker looks
    Install(Where),
    /// remove the links
    Uninstall(Where),
}

#[derive(Args)]
struct Where {
    /// For all users
    #[arg(long)]
    system: bool,
    /// Also the credential helper, in this directory of the path
    #[arg(long, value_name = "DIRECTORY")]
    credential_helper: Option<PathBuf>,
}

impl Verb for DockerPlugin {
    const NAME: &'static str = "docker-plugin";
    const ABOUT: &'static str = "make docker cofferdam a command";
    const EXAMPLE: &'static str = "cofferdam docker-plugin install\ndocker cofferdam status";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (Action::Install(place) | Action::Uninstall(place)) = &self.action;
        let links = links(context, place)?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::local(format!("cannot find this program: {error}")))?;
        for link in &links {
            match &self.action {
                Action::Install(_) => make(link, &program)?,
                Action::Uninstall(_) => remove(link, &program)?,
            }
            context.out(format!("{}\n", link.display()).as_bytes())?;
        }
        Ok(Exit::Success)
    }
}

fn links(context: &Context, place: &Where) -> Result<Vec<PathBuf>, Failure> {
    let directory = if place.system {
        PathBuf::from(SYSTEM)
    } else if let Some(config) = context.environment("DOCKER_CONFIG") {
        Path::new(&config).join("cli-plugins")
    } else {
        let home = context.environment("HOME");
        let home = home.ok_or_else(|| Failure::local("HOME is not set").hint("-system"))?;
        Path::new(&home).join(".docker/cli-plugins")
    };
    let helper = place.credential_helper.as_ref();
    let helper = helper.map(|directory| directory.join(CREDENTIAL_HELPER));
    Ok(std::iter::once(directory.join(DOCKER_PLUGIN))
        .chain(helper)
        .collect())
}

/// Makes the link; one that is there already and ours stays, another's is not touched.
pub(crate) fn make(link: &Path, program: &Path) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::local(format!("cannot make {}: {error}", link.display()));
    if let Some(directory) = link.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    match std::os::unix::fs::symlink(program, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if is_ours(link, program) {
                return Ok(());
            }
            Err(foreign(link))
        }
        made => made.map_err(failed),
    }
}

/// Removes the link, if it is ours.
pub(crate) fn remove(link: &Path, program: &Path) -> Result<(), Failure> {
    match std::fs::symlink_metadata(link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ if is_ours(link, program) => {}
        _ => return Err(foreign(link)),
    }
    std::fs::remove_file(link)
        .map_err(|error| Failure::local(format!("cannot remove {}: {error}", link.display())))
}

fn is_ours(link: &Path, program: &Path) -> bool {
    std::fs::read_link(link).is_ok_and(|target| target == program)
}

fn foreign(link: &Path) -> Failure {
    Failure::local(format!("there is something else: {}", link.display())).hint(format!(
        "look at it, and remove it if it may go: rm {}",
        link.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_and_taken_away_and_anothers_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("plugins/docker-cofferdam");
        let program = Path::new("/usr/bin/cofferdam");
        for _ in 0..2 {
            make(&link, program).unwrap();
            assert_eq!(std::fs::read_link(&link).unwrap(), program);
        }
        assert!(remove(&link, Path::new("/another")).is_err());
        for _ in 0..2 {
            remove(&link, program).unwrap();
            assert!(!link.exists());
        }
        std::fs::write(&link, "x").unwrap();
        assert!(make(&link, program).is_err());
        assert!(remove(&link, program).is_err());
        assert_eq!(std::fs::read(&link).unwrap(), b"x");
    }
}
