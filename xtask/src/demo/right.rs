//! The app done right: built, run as a service and as a container, and rotated.

use super::engine::Engine;
use super::own::Own;
use super::{NAME, step};
use anyhow::{Result, bail};
use std::path::Path;

pub(super) fn run(engine: &Engine, own: &Own, context: &Path) -> Result<()> {
    build(own, context)?;
    service(engine, own)?;
    container(engine)?;
    rotate(engine, own)
}

/// What the report looks at.
pub(super) fn places() -> Vec<&'static str> {
    vec![
        "-title",
        "done right",
        "-image",
        "cofferdam-demo/right:latest",
        "-service",
        "cofferdam-demo-right",
        "-container",
        "cofferdam-demo-right",
    ]
}

fn build(own: &Own, context: &Path) -> Result<()> {
    step("building with a secret from the store, through sealed memory");
    let (context, file) = (context.to_string_lossy(), context.join("right/Dockerfile"));
    let tag = format!("{NAME}/right:latest");
    let docker = if Path::new("/usr/bin/docker").exists() {
        "/usr/bin/docker"
    } else {
        "docker"
    };
    own.show(&[
        "build",
        "-app",
        "shop",
        "--",
        docker,
        "build",
        "-q",
        "--no-cache",
        "-t",
        &tag,
        "-f",
        &file.to_string_lossy(),
        &context,
    ])
}

fn service(engine: &Engine, own: &Own) -> Result<()> {
    step("a Swarm service whose secret comes from the store, task by task");
    let (secret, name) = (format!("{NAME}-db"), format!("{NAME}-right"));
    engine.show(&[
        "secret",
        "create",
        "-d",
        "cofferdam",
        "--label",
        "cofferdam.ref=secret/shop/DB_PASSWORD",
        &secret,
    ])?;
    let mount = format!("source={secret},target=DB_PASSWORD,uid=1000,gid=1000,mode=0400");
    let image = format!("{NAME}/right:latest");
    engine.show(&[
        "service",
        "create",
        "--quiet",
        "--detach",
        "--no-resolve-image",
        "--restart-delay",
        "1s",
        "--user",
        "1000:1000",
        "--name",
        &name,
        "--secret",
        &mount,
        &image,
    ])?;
    engine
        .await_line(&["service", "logs", "--raw", &name], |line| {
            line.contains("from /run/secrets/DB_PASSWORD")
        })
        .map_err(|error| error.context(format!("the plugin's log: {}", own.log().display())))?;
    Ok(())
}

fn container(engine: &Engine) -> Result<()> {
    step("docker run on the volume driver: uid 1000 reads files of mode 0400");
    let (volume, name) = (format!("{NAME}-secrets"), format!("{NAME}-right"));
    engine.show(&[
        "volume",
        "create",
        "-d",
        "cofferdam",
        "-o",
        "from=secret/shop",
        "-o",
        "uid=1000",
        "-o",
        "gid=1000",
        "-o",
        "mode=0400",
        &volume,
    ])?;
    let mount = format!("{volume}:/run/secrets:ro");
    engine.show(&[
        "run",
        "-d",
        "--user",
        "1000:1000",
        "--name",
        &name,
        "-v",
        &mount,
        &format!("{NAME}/right:latest"),
    ])?;
    engine.await_line(&["logs", &name], |line| {
        line.contains("from /run/secrets/API_KEY")
    })?;
    engine.show(&["exec", &name, "ls", "-ln", "/run/secrets/"])
}

/// A new version reaches the next task and the restarted container; the check sum shows that it did.
fn rotate(engine: &Engine, own: &Own) -> Result<()> {
    step("rotating DB_PASSWORD");
    let (service, container) = (format!("{NAME}-right"), format!("{NAME}-right"));
    let line = |line: &str| line.contains("from /run/secrets/DB_PASSWORD");
    let before = engine.await_line(&["logs", &container], line)?;
    own.rotate(
        "secret/shop/DB_PASSWORD",
        "another-Horse-8-battery-staple-rotated",
    )?;
    engine.show(&[
        "service",
        "update",
        "--quiet",
        "--detach",
        "--no-resolve-image",
        "--force",
        &service,
    ])?;
    engine.show(&["restart", "-t", "2", &container])?;
    let fresh = |text: &str| line(text) && text != before;
    engine.await_line(&["service", "logs", "--raw", &service], fresh)?;
    let after = engine.await_line(&["logs", &container], fresh)?;
    if after == before {
        bail!("the container still has the old value");
    }
    Ok(())
}
