//! The Docker engine: what it writes to its log, who may talk to it, and whom it asks.

use super::{Outcome, quoted};
use cofferdam_platform::docker::daemon::{CONFIG, Daemon, PID_FILE, config};
use cofferdam_platform::docker::engine::{Engine, EngineError};
use serde::Deserialize;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Where dockerd looks for plugins.
const PLUGINS: &str = "/run/docker/plugins";
/// The plugin that serves secrets and volumes.
const OURS: &str = "cofferdam";
/// How long an engine or a plugin may take. An engine whose guard hangs takes forever.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the engine and its directories say.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) answer: Answer,
    /// How dockerd was started: a TCP address without certificates.
    pub(crate) open_to_network: bool,
    /// dockerd's own socket.
    pub(crate) socket: Option<Socket>,
    pub(crate) plugins: Vec<Plugin>,
    /// Plugins that dockerd asks before each request, by its file. Its own word (`/info`) is what
    /// was so when it started.
    pub(crate) asked: Vec<String>,
}

/// What came of asking the engine.
#[derive(Debug, Default)]
pub(crate) enum Answer {
    /// There is none on this machine.
    #[default]
    Absent,
    /// It did not answer, or not us.
    Silent(String),
    /// What it says about itself.
    Told(Info),
}

/// The part of `/info` that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Info {
    pub(crate) debug: bool,
    pub(crate) server_version: String,
    pub(crate) swarm: Swarm,
    /// Not of `/info`: whether managers ask for a key after a restart.
    #[serde(skip)]
    pub(crate) autolock: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Swarm {
    pub(crate) control_available: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    encryption_config: Encryption,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encryption {
    auto_lock_managers: bool,
}

/// A socket of dockerd's or of a plugin's.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) path: PathBuf,
    pub(crate) owner: u32,
    pub(crate) mode: u32,
}

/// A plugin's socket, and whether somebody accepts on it.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) socket: Socket,
    pub(crate) answers: bool,
}

impl Plugin {
    fn name(&self) -> &str {
        let stem = self.socket.path.file_stem().and_then(|stem| stem.to_str());
        stem.unwrap_or_default()
    }
}

impl Facts {
    pub(crate) async fn gather() -> Self {
        let daemon = Daemon::running(Path::new(PID_FILE));
        let config = daemon
            .as_ref()
            .map_or_else(|| CONFIG.into(), Daemon::config);
        let config = std::fs::read_to_string(config).unwrap_or_default();
        let open_to_network = daemon.is_some_and(|daemon| {
            daemon.has_word("tcp://") && !daemon.has_switch("--tlsverify", "--tlsverify")
        });
        Self {
            answer: tokio::time::timeout(PATIENCE, ask())
                .await
                .unwrap_or_else(|_| Answer::Silent("timed out".to_owned())),
            open_to_network,
            socket: socket(Path::new("/var/run/docker.sock")),
            plugins: plugins(Path::new(PLUGINS)).await,
            asked: config::plugins(&config).unwrap_or_default(),
        }
    }

    pub(crate) fn judge(&self) -> Vec<Outcome> {
        let mut outcomes = match &self.answer {
            Answer::Absent => vec![Outcome::unknown("docker", "no Docker engine here")],
            Answer::Silent(why) => vec![self.judge_silence(why)],
            Answer::Told(info) => {
                let mut told = vec![judge_debug(info)];
                told.extend(judge_autolock(info));
                told.extend(self.judge_guard());
                told.push(self.judge_daemon());
                told
            }
        };
        if self.open_to_network {
            outcomes.push(Outcome::finding(
                "docker-network",
                "dockerd listens on TCP without client certificates: whoever reaches it is root here",
                "take -H tcp:// out of dockerd's unit and daemon.json, or add --tlsverify; then: systemctl restart docker",
            ));
        }
        if let Some(socket) = self
            .socket
            .as_ref()
            .filter(|socket| socket.mode & 0o006 != 0)
        {
            outcomes.push(Outcome::finding(
                "docker-socket",
                format!(
                    "every user may talk to dockerd, which makes them root (mode {:04o})",
                    socket.mode
                ),
                format!("chmod 660 {}", quoted(&socket.path)),
            ));
        }
        outcomes.extend(self.judge_sockets());
        outcomes
    }

    /// The usual reason for silence is a guard that does not answer.
    fn judge_silence(&self, why: &str) -> Outcome {
        const CHECK: &str = "docker";
        let dead = self.plugins.iter().find(|plugin| !plugin.answers);
        match dead {
            Some(plugin) if plugin.name().contains("guard") => Outcome::finding(
                CHECK,
                format!(
                    "the engine does not answer ({why}), and neither does its plugin {}",
                    plugin.name()
                ),
                "systemctl restart cofferdam-guard.service, or: cofferdam guard disable",
            ),
            _ => Outcome::unknown(CHECK, format!("the engine was not asked: {why}")),
        }
    }

    fn judge_guard(&self) -> Vec<Outcome> {
        self.asked
            .iter()
            .filter(|name| name.contains("cofferdam"))
            .map(|name| {
                let answers = self
                    .plugins
                    .iter()
                    .any(|plugin| plugin.name() == name && plugin.answers);
                if answers {
                    return Outcome::good("guard", format!("dockerd asks {name}, which answers"));
                }
                Outcome::finding(
                    "guard",
                    format!("dockerd asks {name}, which does not answer: requests will fail, and dockerd ends when it reloads"),
                    "systemctl restart cofferdam-guard.service, or: cofferdam guard disable",
                )
            })
            .collect()
    }

    /// Ours is the one that delivers.
    fn judge_daemon(&self) -> Outcome {
        const CHECK: &str = "host-daemon";
        match self.plugins.iter().find(|plugin| plugin.name() == OURS) {
            Some(plugin) if plugin.answers => Outcome::good(CHECK, "answers"),
            Some(_) => Outcome::finding(
                CHECK,
                "does not answer: containers with secrets do not start",
                "cofferdam up, or: systemctl restart cofferdam-plugin.service",
            ),
            None => Outcome::finding(
                CHECK,
                "is not there: Docker knows no driver \"cofferdam\"",
                "cofferdam up, or: systemctl enable --now cofferdam-plugin.socket",
            ),
        }
    }

    fn judge_sockets(&self) -> Vec<Outcome> {
        const CHECK: &str = "plugin-sockets";
        let open: Vec<_> = self
            .plugins
            .iter()
            .map(|plugin| &plugin.socket)
            .filter(|socket| socket.owner != 0 || socket.mode & 0o077 != 0)
            .map(|socket| {
                let path = quoted(&socket.path);
                Outcome::finding(
                    CHECK,
                    format!(
                        "others than root may ask for secrets at {} (owner {}, mode {:04o})",
                        socket.path.display(),
                        socket.owner,
                        socket.mode
                    ),
                    format!("chown root {path} && chmod 600 {path}"),
                )
            })
            .collect();
        match (open.is_empty(), self.plugins.len()) {
            (false, _) => open,
            (true, 0) => Vec::new(),
            (true, count) => vec![Outcome::good(CHECK, format!("{count}, for root alone"))],
        }
    }
}

fn judge_debug(info: &Info) -> Outcome {
    const CHECK: &str = "docker-debug";
    if info.debug {
        return Outcome::finding(
            CHECK,
            "dockerd logs environments and build arguments in clear",
            "take debug out of /etc/docker/daemon.json (or -D out of its unit), then: kill -HUP $(cat /var/run/docker.pid)",
        );
    }
    Outcome::good(CHECK, "off")
}

fn judge_autolock(info: &Info) -> Option<Outcome> {
    const CHECK: &str = "swarm-autolock";
    if !info.swarm.control_available {
        return None;
    }
    Some(match info.autolock {
        None => Outcome::unknown(CHECK, "the swarm was not asked"),
        Some(true) => Outcome::good(CHECK, "on"),
        Some(false) => Outcome::finding(
            CHECK,
            "the key of Swarm's own store lies beside it on the disk",
            "docker swarm update --autolock=true, and keep the key that it prints",
        ),
    })
}

async fn ask() -> Answer {
    let engine = match Engine::local() {
        Ok(engine) => engine,
        Err(error) => return Answer::Silent(error.to_string()),
    };
    match engine.get::<Info>("/info").await {
        Ok(mut info) => {
            if info.swarm.control_available {
                let cluster = engine.get::<Cluster>("/swarm").await.ok();
                info.autolock =
                    cluster.map(|cluster| cluster.spec.encryption_config.auto_lock_managers);
            }
            Answer::Told(info)
        }
        Err(EngineError::Absent { .. }) => Answer::Absent,
        Err(error) => Answer::Silent(error.to_string()),
    }
}

async fn plugins(directory: &Path) -> Vec<Plugin> {
    let mut plugins = Vec::new();
    let Ok(list) = std::fs::read_dir(directory) else {
        return plugins;
    };
    let mut paths: Vec<_> = list.flatten().map(|found| found.path()).collect();
    paths.sort();
    for path in paths {
        if path.extension().is_none_or(|end| end != "sock") {
            continue;
        }
        let Some(socket) = socket(&path) else {
            continue;
        };
        let connected = tokio::time::timeout(PATIENCE, activates(&path)).await;
        plugins.push(Plugin {
            socket,
            answers: connected.unwrap_or(false),
        });
    }
    plugins
}

/// A process that is stopped still has its connections accepted by the kernel: only an answer says
/// that it lives. Any answer, for nobody is activated by this.
async fn activates(path: &Path) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = UnixStream::connect(path).await else {
        return false;
    };
    let asked = stream
        .write_all(b"POST /Plugin.Activate HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    let mut first = [0_u8; 5];
    asked.is_ok() && stream.read_exact(&mut first).await.is_ok() && first == *b"HTTP/"
}

fn socket(path: &Path) -> Option<Socket> {
    let found = std::fs::metadata(path).ok()?;
    found.file_type().is_socket().then(|| Socket {
        path: path.to_owned(),
        owner: found.uid(),
        mode: found.mode() & 0o777,
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn told(info: Info) -> Facts {
        Facts {
            answer: Answer::Told(info),
            ..Facts::default()
        }
    }

    fn plugin(name: &str, mode: u32, answers: bool) -> Plugin {
        Plugin {
            socket: Socket {
                path: format!("{PLUGINS}/{name}.sock").into(),
                owner: 0,
                mode,
            },
            answers,
        }
    }

    fn state(facts: &Facts, check: &str) -> Option<State> {
        let outcomes = facts.judge();
        let found = outcomes.iter().find(|outcome| outcome.check == check)?;
        assert_eq!(found.state == State::Finding, found.hint.is_some());
        Some(found.state)
    }

    #[test]
    fn an_engine_that_logs_values_is_a_finding() {
        let facts = |debug| {
            told(Info {
                debug,
                ..Info::default()
            })
        };
        assert_eq!(state(&facts(true), "docker-debug"), Some(State::Finding));
        assert_eq!(state(&facts(false), "docker-debug"), Some(State::Good));
        assert_eq!(state(&Facts::default(), "docker"), Some(State::Unknown));
    }

    #[test]
    fn a_manager_without_autolock_is_a_finding_and_a_worker_is_not_asked() {
        let facts = |control_available, autolock| {
            told(Info {
                swarm: Swarm { control_available },
                autolock,
                ..Info::default()
            })
        };
        let check = "swarm-autolock";
        assert_eq!(
            state(&facts(true, Some(false)), check),
            Some(State::Finding)
        );
        assert_eq!(state(&facts(true, Some(true)), check), Some(State::Good));
        assert_eq!(state(&facts(true, None), check), Some(State::Unknown));
        assert_eq!(state(&facts(false, None), check), None);
    }

    #[test]
    fn sockets_that_others_may_use_are_findings() {
        let mut facts = told(Info::default());
        assert_eq!(state(&facts, "host-daemon"), Some(State::Finding));
        facts.plugins = vec![plugin("cofferdam", 0o600, true)];
        assert_eq!(state(&facts, "plugin-sockets"), Some(State::Good));
        assert_eq!(state(&facts, "host-daemon"), Some(State::Good));
        facts.plugins = vec![plugin("cofferdam", 0o666, false)];
        assert_eq!(state(&facts, "plugin-sockets"), Some(State::Finding));
        assert_eq!(state(&facts, "host-daemon"), Some(State::Finding));
        facts.socket = Some(Socket {
            path: "/var/run/docker.sock".into(),
            owner: 0,
            mode: 0o666,
        });
        facts.open_to_network = true;
        assert_eq!(state(&facts, "docker-socket"), Some(State::Finding));
        assert_eq!(state(&facts, "docker-network"), Some(State::Finding));
    }

    #[test]
    fn a_guard_that_is_asked_and_silent_is_a_finding() {
        let listed = |answers| Facts {
            plugins: vec![plugin("cofferdam-guard", 0o600, answers)],
            asked: vec!["cofferdam-guard".to_owned()],
            ..told(Info::default())
        };
        assert_eq!(state(&listed(true), "guard"), Some(State::Good));
        assert_eq!(state(&listed(false), "guard"), Some(State::Finding));
        let silent = Facts {
            answer: Answer::Silent("timed out".to_owned()),
            plugins: vec![plugin("cofferdam-guard", 0o600, false)],
            ..Facts::default()
        };
        assert_eq!(state(&silent, "docker"), Some(State::Finding));
    }

    #[test]
    fn the_engine_is_read_from_its_own_words() {
        let text = r#"{"Debug":true,"ServerVersion":"20.10.24","Swarm":{"ControlAvailable":true},"Plugins":{"Authorization":null,"Volume":["local"]},"ID":"x"}"#;
        let info: Info = serde_json::from_str(text).unwrap();
        assert!(info.debug && info.swarm.control_available);
    }
}
