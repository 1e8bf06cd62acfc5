//! From a process to the container it is in, with more than one witness.
//!
//! 1. The process's control groups name a container. A privileged process can write itself into a
//!    group of any name, so this alone proves nothing.
//! 2. The engine knows a running container of that name, and the number of its first process.
//! 3. That first process is in the same control group, and the caller shares its process, mount and
//!    user namespace. `docker exec` does; a process that merely joined the group does not.
//! 4. The process namespace is not ours (`--pid=host`), and the user namespace is (no remapping, no
//!    namespace of a user's own, no rootless engine).
//! 5. The caller is still alive, so all that was read by its number was its own.

use super::cgroup::{self, ContainerId};
use super::container::{Container, Image, Inspected, Mount};
use super::peer::{Namespaces, Process};
use super::refused::Refused;
use crate::docker::engine::{Engine, encoded};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// How long the engine may take: a caller waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// One run of a container: the same container has another first process after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) container: ContainerId,
    started: String,
    first: i32,
}

impl Run {
    /// In one word, for the log and for what is kept by it.
    pub(super) fn key(&self) -> String {
        format!("{} since {}", self.container.as_str(), self.started)
    }
}

/// A container that is proven to be at the other end.
#[derive(Debug)]
pub(super) struct Attested {
    pub(super) run: Run,
    pub(super) container: Container,
    /// Its first process: the container ends with it.
    pub(super) first: Process,
}

/// The container whose name the caller's control groups have.
pub(super) fn claimed(caller: &Process) -> Result<ContainerId, Refused> {
    let namespaces = caller.namespaces()?;
    // In words of its own, because it can be mended: such a process may have no group of Docker's.
    let id = cgroup::container(&caller.cgroup()?)?;
    if namespaces.user != Namespaces::own()?.user {
        return Err(Refused::UserNamespace);
    }
    Ok(id)
}

/// The container that the caller is in; `directory` is where our socket is.
pub(super) async fn attest(
    caller: &Process,
    id: &ContainerId,
    engine: &Engine,
    directory: &Path,
) -> Result<Attested, Refused> {
    let inspected: Inspected = ask(
        engine,
        &format!("/containers/{}/json", encoded(id.as_str())),
    )
    .await?;
    if inspected.id != id.as_str() {
        return Err(Refused::Unknown);
    }
    if !inspected.state.running || inspected.state.pid <= 0 {
        return Err(Refused::Stopped);
    }
    let first = Process::numbered(inspected.state.pid).map_err(|_| Refused::Stopped)?;
    same_container(caller, &first, id)?;
    if writable(inspected.mounts.as_deref().unwrap_or_default(), directory) {
        return Err(Refused::Writable);
    }
    let image = format!("/images/{}/json", encoded(&inspected.image));
    let image: Option<Image> = match ask(engine, &image).await {
        Ok(image) => Some(image),
        Err(Refused::Unknown) => None,
        Err(other) => return Err(other),
    };
    let run = Run {
        container: id.clone(),
        started: inspected.state.started_at.clone(),
        first: inspected.state.pid,
    };
    let container = Container::of(inspected, image);
    if !first.is_alive() {
        return Err(Refused::Stopped);
    }
    if !caller.is_alive() {
        return Err(Refused::Gone);
    }
    Ok(Attested {
        run,
        container,
        first,
    })
}

/// Whether the caller is where the container's first process is.
fn same_container(caller: &Process, first: &Process, id: &ContainerId) -> Result<(), Refused> {
    if cgroup::container(&first.cgroup()?)? != *id {
        return Err(Refused::Unknown);
    }
    let (its, own) = (caller.namespaces()?, Namespaces::own()?);
    if its.pid == own.pid {
        return Err(Refused::HostProcesses);
    }
    if its != first.namespaces()? {
        return Err(Refused::Elsewhere);
    }
    Ok(())
}

/// Whether a mount lets the container change the directory of our socket.
fn writable(mounts: &[Mount], directory: &Path) -> bool {
    let mut mounts = mounts.iter().filter(|mount| mount.writable);
    mounts.any(|mount| !mount.source.is_empty() && directory.starts_with(&mount.source))
}

async fn ask<T: DeserializeOwned>(engine: &Engine, target: &str) -> Result<T, Refused> {
    match tokio::time::timeout(PATIENCE, engine.get(target)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if error.is_missing() => Err(Refused::Unknown),
        Ok(Err(error)) => {
            tracing::debug!(reason = %error, "cannot ask the Docker engine about a container");
            Err(Refused::Engine)
        }
        Err(_) => Err(Refused::Engine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    fn id() -> ContainerId {
        cgroup::container_of(&format!("0::/docker/{}", "a".repeat(64))).unwrap()
    }

    /// What becomes of this very process if the engine says this of its container.
    async fn attested(status: &str, said: Value) -> Result<Attested, Refused> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (status, body) = (status.to_owned(), said.to_string());
        let engine = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        let own = i32::try_from(std::process::id()).unwrap();
        let caller = Process::numbered(own).unwrap();
        let result = attest(&caller, &id(), &Engine::at(&socket), directory.path()).await;
        engine.abort();
        result
    }

    fn container(running: bool, pid: u32) -> Value {
        json!({
            "Id": id().as_str(), "Image": "sha256:a", "Config": {},
            "State": {"Running": running, "Pid": pid},
        })
    }

    #[tokio::test]
    async fn what_the_engine_does_not_say_runs_is_refused() {
        let own = std::process::id();
        let refused = async |status, said| attested(status, said).await.unwrap_err();
        assert_eq!(
            refused("200 OK", container(false, own)).await,
            Refused::Stopped
        );
        assert_eq!(
            refused("200 OK", container(true, 0)).await,
            Refused::Stopped
        );
        let message = json!({"message": "No such container"});
        assert_eq!(
            refused("404 Not Found", message.clone()).await,
            Refused::Unknown
        );
        assert_eq!(refused("500 Oh", message.clone()).await, Refused::Engine);
        assert_eq!(refused("200 OK", message).await, Refused::Engine);
        // Found by a prefix or a name, say.
        let mut other = container(true, own);
        other["Id"] = json!("b".repeat(64));
        assert_eq!(refused("200 OK", other).await, Refused::Unknown);
        // A first process that is in no container: the engine's word alone is not enough.
        assert_eq!(refused("200 OK", container(true, own)).await, Refused::Host);
    }

    fn mount(source: &str, writable: bool) -> Mount {
        Mount {
            source: source.to_owned(),
            writable,
        }
    }

    #[test]
    fn a_container_that_could_replace_the_socket_is_told_from_one_that_could_not() {
        let ours = Path::new("/run/cofferdam/workload");
        for (source, bad) in [
            ("/run/cofferdam/workload", true),
            ("/run/cofferdam", true),
            ("/run", true),
            ("/", true),
            ("/run/cofferdam/workload-2", false),
            ("/run/cofferdam/work", false),
            ("/srv", false),
            ("", false),
        ] {
            assert_eq!(writable(&[mount(source, true)], ours), bad, "{source}");
            assert!(!writable(&[mount(source, false)], ours), "{source}");
        }
    }
}
