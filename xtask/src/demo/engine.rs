//! The Docker engine: found, or installed and started for the length of the demo.

use super::{NAME, step};
use crate::{peers, sh};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running engine.
pub(super) struct Engine {
    /// Started by us: stopped when dropped.
    process: Option<Child>,
    /// We made this node a swarm: left at the end.
    swarm: std::cell::Cell<bool>,
}

/// Finds an engine, or installs and starts one. `None`, with a sentence, where neither works.
pub(super) fn find_or_install(directory: &Path) -> Result<Option<Engine>> {
    step("looking for a Docker engine");
    if answers() {
        sh::say("found one that runs");
        return Ok(Some(Engine {
            process: None,
            swarm: false.into(),
        }));
    }
    if peers::programs(&[]).is_err() || !sh::has("dockerd") {
        sh::say(
            "there is none and it cannot be installed here: showing processes in a private mount namespace instead",
        );
        return Ok(None);
    }
    let log = std::fs::File::create(directory.join("dockerd.log"))?;
    let child = Command::new("dockerd")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    let Ok(mut child) = child else {
        sh::say(
            "dockerd does not start here: showing processes in a private mount namespace instead",
        );
        return Ok(None);
    };
    let until = Instant::now() + Duration::from_secs(60);
    while !answers() {
        if Instant::now() > until || child.try_wait()?.is_some() {
            let _ = child.kill();
            let _ = child.wait();
            sh::say(&format!(
                "dockerd does not come up (see {}): showing processes in a private mount namespace instead",
                directory.join("dockerd.log").display()
            ));
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    sh::say("started one for the demo");
    Ok(Some(Engine {
        process: Some(child),
        swarm: false.into(),
    }))
}

fn answers() -> bool {
    let mut version = docker(&["version", "--format", "{{.Server.Version}}"]);
    version
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Debian's client where there is one: it belongs to Debian's engine.
fn docker(arguments: &[&str]) -> Command {
    let client = if Path::new("/usr/bin/docker").exists() {
        "/usr/bin/docker"
    } else {
        "docker"
    };
    let mut command = sh::command(client, arguments);
    command.env("DOCKER_BUILDKIT", "1").stdin(Stdio::null());
    command
}

impl Engine {
    /// Runs it and shows what it prints.
    pub(super) fn show(&self, arguments: &[&str]) -> Result<()> {
        sh::run(docker(arguments))
    }

    /// Runs it and takes what it prints.
    pub(super) fn take(&self, arguments: &[&str]) -> Result<String> {
        sh::output(docker(arguments)).map(|text| text.trim().to_owned())
    }

    /// The base image of a static busybox, a build context, and a swarm.
    pub(super) fn prepare(&self, directory: &Path) -> Result<PathBuf> {
        step("a base image from a static busybox, and a swarm of one");
        self.clean();
        let base = directory.join("base");
        std::fs::create_dir_all(base.join("bin"))?;
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .iter()
            .find(|path| Path::new(path).exists())
            .context("no busybox")?;
        std::fs::copy(busybox, base.join("bin/busybox"))?;
        for applet in [
            "sh",
            "cat",
            "wc",
            "sha256sum",
            "cut",
            "sleep",
            "echo",
            "rm",
            "ls",
            "id",
        ] {
            std::os::unix::fs::symlink("busybox", base.join("bin").join(applet))?;
        }
        std::fs::create_dir_all(base.join("tmp"))?;
        let tar = directory.join("base.tar");
        sh::run(sh::command(
            "tar",
            [
                "-C",
                &base.to_string_lossy(),
                "-cf",
                &tar.to_string_lossy(),
                ".",
            ],
        ))?;
        self.show(&[
            "import",
            "-c",
            "ENV PATH=/bin",
            &tar.to_string_lossy(),
            &format!("{NAME}/base:latest"),
        ])?;
        if self.take(&["info", "--format", "{{.Swarm.LocalNodeState}}"])? != "active" {
            self.show(&["swarm", "init", "--advertise-addr", "127.0.0.1"])?;
            self.swarm.set(true);
        }
        Ok(sh::root().join("examples/shop"))
    }

    /// Waits until a container of ours printed a line that fits, and shows it.
    pub(super) fn await_line(&self, what: &[&str], fits: impl Fn(&str) -> bool) -> Result<String> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let text = self.take(what).unwrap_or_default();
            if let Some(line) = text.lines().rev().find(|line| fits(line)) {
                sh::say(line);
                return Ok(line.to_owned());
            }
            if Instant::now() > until {
                bail!(
                    "nothing of what was expected came from docker {}; it printed:\n{text}",
                    what.join(" ")
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Removes everything the demo makes. What is not there is removed already.
    pub(super) fn clean(&self) {
        let quiet = |arguments: &[&str]| {
            let mut command = docker(arguments);
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        };
        for service in ["right", "wrong"] {
            quiet(&["service", "rm", &format!("{NAME}-{service}")]);
        }
        for container in ["right", "wrong"] {
            quiet(&["rm", "-f", &format!("{NAME}-{container}")]);
        }
        self.await_no_tasks();
        quiet(&["secret", "rm", &format!("{NAME}-db")]);
        quiet(&["volume", "rm", &format!("{NAME}-secrets")]);
        for image in ["right", "wrong-env", "wrong-arg", "wrong-copy", "base"] {
            quiet(&["image", "rm", "-f", &format!("{NAME}/{image}:latest")]);
        }
        if self.swarm.take() {
            quiet(&["swarm", "leave", "--force"]);
        }
    }

    /// A service's containers end a little after the service.
    fn await_no_tasks(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        let filter = format!("label=com.docker.swarm.service.name={NAME}-right");
        while self
            .take(&["ps", "-q", "--filter", &filter])
            .is_ok_and(|ids| !ids.is_empty())
            && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        // dockerd stops its containers on SIGTERM; a kill would leave them.
        let _ = sh::run(sh::command("kill", [process.id().to_string()]));
        let _ = process.wait();
    }
}
