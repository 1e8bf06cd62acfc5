//! The same app done wrong, in the ways everybody knows.

use super::engine::Engine;
use super::{NAME, step};
use anyhow::{Context as _, Result};
use std::path::Path;

pub(super) fn run(engine: &Engine, context: &Path) -> Result<()> {
    step("the same app with ENV, ARG, COPY and rm, and environment variables");
    let file = context.join(".env");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
            .with_context(|| format!("no {name} in {}", file.display()))
    };
    let (password, key) = (value("DB_PASSWORD")?, value("API_KEY")?);
    let dockerfile = |name: &str| {
        context
            .join(name)
            .join("Dockerfile")
            .to_string_lossy()
            .into_owned()
    };
    let tag = |name: &str| format!("{NAME}/{name}:latest");
    let context = context.to_string_lossy();
    // ENV has no place for a value from outside: the Dockerfile is completed on its way in.
    let completed =
        std::fs::read_to_string(dockerfile("wrong-env"))?.replace("@DB_PASSWORD@", &password);
    let staged = crate::sh::target().join("demo/Dockerfile.env");
    std::fs::write(&staged, completed)?;
    engine.show(&[
        "build",
        "-q",
        "-t",
        &tag("wrong-env"),
        "-f",
        &staged.to_string_lossy(),
        &context,
    ])?;
    engine.take(&[
        "build",
        "-q",
        "--no-cache",
        "-t",
        &tag("wrong-arg"),
        "--build-arg",
        &format!("API_KEY={key}"),
        "-f",
        &dockerfile("wrong-arg"),
        &context,
    ])?;
    engine.show(&[
        "build",
        "-q",
        "-t",
        &tag("wrong-copy"),
        "-f",
        &dockerfile("wrong-copy"),
        &context,
    ])?;
    let name = format!("{NAME}-wrong");
    engine.take(&[
        "run",
        "-d",
        "--name",
        &name,
        "-e",
        &format!("API_KEY={key}"),
        &tag("wrong-env"),
    ])?;
    engine.take(&[
        "service",
        "create",
        "--quiet",
        "--detach",
        "--no-resolve-image",
        "--name",
        &name,
        "-e",
        &format!("DB_PASSWORD={password}"),
        &tag("wrong-copy"),
    ])?;
    engine.await_line(&["service", "logs", "--raw", &name], |line| {
        line.contains("DB_PASSWORD")
    })?;
    Ok(())
}

/// What the report looks at.
pub(super) fn places() -> Vec<&'static str> {
    vec![
        "-title",
        "done wrong",
        "-image",
        "cofferdam-demo/wrong-env:latest",
        "-image",
        "cofferdam-demo/wrong-arg:latest",
        "-image",
        "cofferdam-demo/wrong-copy:latest",
        "-service",
        "cofferdam-demo-wrong",
        "-container",
        "cofferdam-demo-wrong",
    ]
}
