//! Versions: what is too old for a promise of ours, and what the rest is.

use super::Outcome;
use std::process::{Command, Stdio};

/// The oldest kernel that has what delivery needs: `openat2(2)` and `pidfd_getfd(2)`.
const KERNEL: (u32, u32) = (5, 6);
/// The first kernel whose tmpfs can be kept out of swap (`noswap`).
const NOSWAP: (u32, u32) = (6, 4);
/// The oldest engine that was tried.
const ENGINE: (u32, u32) = (20, 10);

/// What runs here.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) kernel: String,
    pub(crate) engine: Option<String>,
    pub(crate) compose: Option<String>,
    /// Whether any swap is in use: without it, `noswap` changes nothing.
    pub(crate) swap: bool,
}

impl Facts {
    pub(crate) fn gather(engine: Option<String>, swap: bool) -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease");
        Self {
            kernel: kernel.unwrap_or_default().trim().to_owned(),
            engine,
            compose: compose(),
            swap,
        }
    }

    pub(crate) fn judge(&self) -> Vec<Outcome> {
        let mut outcomes = vec![self.judge_kernel()];
        outcomes.extend(self.judge_noswap());
        if let Some(engine) = &self.engine {
            outcomes.push(judge_engine(engine));
        }
        let compose = match &self.compose {
            Some(version) => Outcome::good("compose", version.clone()),
            None => Outcome::unknown("compose", "no Docker Compose here"),
        };
        outcomes.push(compose);
        outcomes
    }

    fn judge_kernel(&self) -> Outcome {
        const CHECK: &str = "kernel";
        match numbers(&self.kernel) {
            None => Outcome::unknown(CHECK, "its version cannot be read"),
            Some(version) if version < KERNEL => Outcome::finding(
                CHECK,
                format!("{}: delivery needs Linux 5.6 or newer", self.kernel),
                "install a newer kernel of the distribution, then reboot",
            ),
            Some(_) => Outcome::good(CHECK, self.kernel.clone()),
        }
    }

    fn judge_noswap(&self) -> Option<Outcome> {
        const CHECK: &str = "tmpfs-noswap";
        let version = numbers(&self.kernel)?;
        if version >= NOSWAP {
            return Some(Outcome::good(CHECK, "delivered files are never swapped"));
        }
        self.swap.then(|| {
            Outcome::finding(
                CHECK,
                "this kernel may swap delivered files to the disk (Linux 6.4 has noswap)",
                "swapoff -a, or encrypt the swap, or use a newer kernel",
            )
        })
    }
}

fn judge_engine(version: &str) -> Outcome {
    const CHECK: &str = "docker-version";
    match numbers(version) {
        None => Outcome::unknown(CHECK, "its version cannot be read"),
        Some(found) if found < ENGINE => Outcome::finding(
            CHECK,
            format!("Docker {version} is older than what was tried (20.10)"),
            "apt-get install docker.io, or docker-ce from docs.docker.com/engine/install",
        ),
        Some(_) => Outcome::good(CHECK, version),
    }
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

/// Compose as a plugin of the client, else the old program.
fn compose() -> Option<String> {
    let said = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let output = command
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = numbers(text.trim_start_matches('v')).is_some();
        version.then_some(text)
    };
    said("docker", &["compose", "version", "--short"])
        .or_else(|| said("docker-compose", &["version", "--short"]))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn old_kernels_and_engines_are_findings() {
        for (kernel, swap, expected) in [
            ("4.18.0-513.el8", false, vec![State::Finding]),
            ("6.1.0-13-amd64", false, vec![State::Good]),
            ("6.1.0-13-amd64", true, vec![State::Good, State::Finding]),
            ("6.18.44", true, vec![State::Good, State::Good]),
            ("unknown", true, vec![State::Unknown]),
        ] {
            let facts = Facts {
                kernel: kernel.to_owned(),
                swap,
                ..Facts::default()
            };
            let outcomes = facts.judge();
            let states: Vec<_> = outcomes.iter().map(|outcome| outcome.state).collect();
            // The last one is about Compose.
            assert_eq!(states[..states.len() - 1], expected, "{kernel} {swap}");
        }
        assert_eq!(judge_engine("19.03.15").state, State::Finding);
        assert_eq!(judge_engine("20.10.24+dfsg1").state, State::Good);
    }
}
