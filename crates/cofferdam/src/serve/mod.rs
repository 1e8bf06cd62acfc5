//! One server, from its resolved configuration to its end: what `cofferdam server` and
//! `cofferdam up` have in common.
//!
//! Order of the start: log, memory, store and vault, certificates, listeners, pid file; only then is
//! anything said to be ready. Order of the end: listeners, requests, vault (audit is drained there),
//! pid file.

mod certificates;
mod figures;
pub(crate) mod log;
mod machine;
pub(crate) mod memory;
mod process;
mod reload;
mod signals;

use crate::assemble;
use crate::cli::{Context, Exit, Failure};
use crate::config::{Listener, Log, Resolved, Security, Storage};
use crate::systemd::{Inherited, notify};
use certificates::Certificates;
use cofferdam_api::places;
use cofferdam_core::Vault;
use cofferdam_server::listen::Secured;
use cofferdam_server::{Bound, Drained, Listen, Local, bind};
use cofferdam_store::metered::Timings;
use process::Process;
use reload::Reload;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signals::{Order, Signals};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long requests may take to finish once the server was told to stop.
const GRACE: Duration = Duration::from_secs(15);

/// A server to run.
pub(crate) struct Plan {
    /// What was configured.
    pub(crate) resolved: Resolved,
    /// Where our own CA is, if a listener needs one.
    pub(crate) authority: PathBuf,
    /// Reads the configuration again; `None` where there are no files.
    pub(crate) reread: Option<Reread>,
}

/// The log's settings as the files say them now, or what is wrong with them.
pub(crate) type Reread = Box<dyn Fn() -> Result<Log, String> + Send + Sync>;

/// Serves until it is told to stop. `ready` is run once, when the listeners are bound and the vault
/// answers on these addresses.
pub(crate) async fn run<F>(plan: Plan, context: &Context, ready: F) -> Result<Exit, Failure>
where
    F: AsyncFnOnce(&Arc<Vault>, &[String]) -> Result<(), Failure>,
{
    let Plan {
        resolved,
        authority,
        reread,
    } = plan;
    let voice = log::begin(&resolved.log)?;
    let memory = cofferdam_secret::harden_process(resolved.lock_memory);
    tracing::debug!(
        locked = memory.locked,
        undumpable = memory.undumpable,
        "memory"
    );
    raise_descriptors();
    // Before anything is bound: a second signal must find somebody who listens.
    let mut signals = Signals::new()
        .map_err(|error| Failure::local(format!("cannot listen for signals: {error}")))?;
    let timings = Arc::<Timings>::default();
    let vault = assemble::vault(
        &resolved,
        Arc::new(Process::new(voice.clone(), &resolved, timings.clone())),
        timings,
    )
    .await?;
    let mut certificates = Certificates::new(&authority, &resolved);
    let mut inherited = Inherited::take(&places::environment)?;
    let listeners = listeners(&resolved, &mut certificates, &mut inherited)?;
    inherited.finish()?;
    let bound = bind(listeners).await.map_err(|error| unbound(&error))?;
    let pid_file = resolved
        .pid_file
        .as_deref()
        .map(PidFile::write)
        .transpose()?;
    let reload = Reload::new(
        voice.levels,
        certificates.files(),
        Arc::clone(&vault),
        reread,
    );
    let outcome = serve(bound, &vault, ready, certificates, &mut signals, reload).await;
    vault.shutdown().await;
    drop(pid_file);
    context.say("stopped");
    outcome
}

async fn serve<F>(
    bound: Bound,
    vault: &Arc<Vault>,
    ready: F,
    certificates: Certificates,
    signals: &mut Signals,
    reload: Reload,
) -> Result<Exit, Failure>
where
    F: AsyncFnOnce(&Arc<Vault>, &[String]) -> Result<(), Failure>,
{
    let addresses = bound.addresses();
    let running = bound.serve(vault);
    let renewal = tokio::spawn(certificates.keep_fresh());
    let outcome = tokio::select! {
        readied = ready(vault, &addresses) => readied,
        () = signals.stop() => Err(Failure::local("stopped before it was ready")),
    };
    if outcome.is_ok() {
        notify::ready("serving");
        tokio::select! {
            () = obey(signals, &reload) => {}
            () = notify::keep_alive() => {}
        }
    }
    notify::stopping();
    renewal.abort();
    tokio::select! {
        drained = running.drain(GRACE) => {
            if drained == Drained::Cut {
                tracing::warn!("some requests did not finish in {} seconds and were cut", GRACE.as_secs());
            }
        }
        () = signals.stop() => tracing::warn!("told to stop again: requests under way were cut"),
    }
    outcome.map(|()| Exit::Success)
}

/// Reads files again as often as it is told to, until it is told to stop.
async fn obey(signals: &mut Signals, reload: &Reload) {
    while signals.next().await == Order::Reload {
        reload.run().await;
    }
}

fn listeners(
    resolved: &Resolved,
    certificates: &mut Certificates,
    inherited: &mut Inherited,
) -> Result<Vec<Listen>, Failure> {
    resolved
        .listeners
        .iter()
        .map(|listener| Ok(kept(listen(listener, certificates)?, inherited)))
        .collect()
}

/// The same listener on the socket that systemd holds for it, if it does.
fn kept(listen: Listen, inherited: &mut Inherited) -> Listen {
    match listen {
        Listen::Tcp {
            address,
            security,
            fronts,
            limits,
        } => match inherited.tcp(address) {
            Some(listener) => Listen::KeptTcp {
                listener,
                security,
                fronts,
                limits,
            },
            None => Listen::Tcp {
                address,
                security,
                fronts,
                limits,
            },
        },
        Listen::Local { local, limits } => match inherited.unix(&local.path) {
            Some(listener) => Listen::KeptLocal {
                listener,
                local,
                limits,
            },
            None => Listen::Local { local, limits },
        },
        other => other,
    }
}

fn listen(listener: &Listener, certificates: &mut Certificates) -> Result<Listen, Failure> {
    match listener {
        Listener::Unix { path, mode, limits } => {
            let others = mode & 0o077 != 0;
            Ok(Listen::Local {
                local: Local {
                    path: path.clone(),
                    mode: *mode,
                    others,
                },
                limits: limits.clone(),
            })
        }
        Listener::Tcp {
            address,
            security,
            fronts,
            limits,
        } => {
            let security = match security {
                Security::DangerouslyPlain => Secured::DangerouslyPlain,
                Security::Files {
                    certificate,
                    key,
                    oldest,
                    clients,
                } => Secured::Tls(certificates.filed(certificate, key, *oldest, clients)?),
                Security::Own {
                    names,
                    oldest,
                    clients,
                } => Secured::Tls(certificates.own(*address, names, *oldest, clients)?),
            };
            Ok(Listen::Tcp {
                address: *address,
                security,
                fronts: fronts.clone(),
                limits: limits.clone(),
            })
        }
    }
}

fn unbound(error: &cofferdam_server::ListenError) -> Failure {
    use cofferdam_server::ListenError::{Address, Alive};
    let failure = Failure::local(error.to_string());
    match error {
        Address { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            failure.hint("another program has this port: choose another with -listen=127.0.0.1:PORT, or in the listener block")
        }
        Alive(_) => failure.hint("see it with: cofferdam status"),
        _ => failure,
    }
}

/// Connections are descriptors; systems start processes with room for 1024.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // What the system refuses is no error: there are fewer connections then.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

/// The directory of our own CA: beside the store, or the user's data directory without one.
pub(crate) fn authority_directory(storage: &Storage, data: &Path) -> PathBuf {
    match storage {
        Storage::Embedded { path } => path.join("tls"),
        Storage::Memory => data.join("tls"),
    }
}

/// A file with our process id, removed at the end if it is still ours.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> Result<Self, Failure> {
        crate::files::replace(path, 0o644, format!("{}\n", std::process::id()).as_bytes())
            .map_err(|error| Failure::local(format!("cannot write {}: {error}", path.display())))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = std::fs::read_to_string(&self.0)
            .is_ok_and(|text| text.trim() == std::process::id().to_string());
        if ours {
            // At the end of the process there is nobody left to tell.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
