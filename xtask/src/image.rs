//! The image from nothing: the static binary and the Dockerfile of `packaging/`, in a context of
//! their own. Needs no network: nothing is fetched.

use crate::{dist, sh};
use anyhow::{Context as _, Result, bail};
use std::os::unix::fs::PermissionsExt as _;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (profile, tag) = match arguments {
        [] => ("release", "cofferdam:latest"),
        [tag] => ("release", tag.as_str()),
        [tag, profile] => (profile.as_str(), tag.as_str()),
        _ => bail!("usage: cargo xtask image [TAG [PROFILE]]"),
    };
    let binary = dist::build(profile)?;
    let context = sh::target().join("image");
    std::fs::create_dir_all(&context)
        .with_context(|| format!("cannot create {}", context.display()))?;
    let staged = context.join("cofferdam");
    std::fs::copy(&binary, &staged).with_context(|| format!("cannot copy {}", binary.display()))?;
    std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o755))?;
    std::fs::copy(
        sh::root().join("packaging/Dockerfile"),
        context.join("Dockerfile"),
    )
    .context("cannot copy packaging/Dockerfile")?;
    let mut build = sh::command("docker", ["build", "-t", tag]);
    build.arg(&context).env("DOCKER_BUILDKIT", "1");
    sh::run(build)?;
    let size = std::fs::metadata(&staged)?.len();
    sh::print(&format!("{tag} {:.1} MiB", dist::mib(size)));
    Ok(())
}
