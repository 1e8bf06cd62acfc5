//! Follows the server's events and renews the volumes they concern.
//!
//! One stream for the whole host, and nothing polls. Whenever the stream begins, everything that is
//! mounted is read once: events that came meanwhile are lost. Many changes at once become one
//! renewal of a volume, and renewals of one volume never overlap.

use super::tell::{Told, tell};
use super::volume::{GRACE, Renewed};
use super::{Fault, Plugin, fetch};
use crate::docker::engine::Engine;
use cofferdam_api::Error as ApiError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The events of all KV engines. Vault's own operator asks for the same, so one rule serves both.
const PATTERN: &str = "kv*";
/// How long a volume waits for more changes after the first.
const GATHER: Duration = Duration::from_millis(50);
/// Volumes that are renewed at once: a thousand containers must not become a thousand requests.
const AT_ONCE: usize = 4;
/// First and longest pause between two attempts to subscribe, or to renew after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Follows until dropped.
pub(super) async fn follow(plugin: Arc<Plugin>, engine: Engine) {
    let renewer = Arc::new(Renewer {
        plugin,
        engine,
        turns: Semaphore::new(AT_ONCE),
        under_way: Mutex::default(),
    });
    let mut pause = Pause::default();
    loop {
        let begun = Instant::now();
        match renewer.plugin.client.subscribe(PATTERN).await {
            Ok(events) => {
                pause.warned = false;
                tracing::info!("following the server's events");
                renewer.serve(events).await;
                if begun.elapsed() > PAUSE.1 {
                    pause = Pause::default();
                }
            }
            Err(error) => pause.note(&error),
        }
        pause.wait().await;
    }
}

/// Pauses that grow, and differ between hosts that lost the same server.
#[derive(Default)]
struct Pause {
    failures: u32,
    /// The log says once why there are no events, not at each attempt.
    warned: bool,
}

impl Pause {
    fn note(&mut self, error: &ApiError) {
        let hint = match error {
            ApiError::Denied(_) => {
                "allow the plugin's token: path \"sys/events/subscribe/kv*\" { capabilities = [\"read\"] }"
            }
            _ => "mounted volumes keep what they have until the server is back",
        };
        if self.warned {
            tracing::debug!(%error, "still no events of the server");
        } else {
            tracing::warn!(%error, hint, "no events of the server");
        }
        self.warned = true;
    }

    /// Half to all of the time that is due.
    fn length(&self) -> Duration {
        let due = PAUSE
            .0
            .saturating_mul(1 << self.failures.min(16))
            .min(PAUSE.1);
        let mut random = [0_u8; 1];
        // Without entropy hosts pause alike, which is no reason to stop.
        let _ = cofferdam_secret::fill(&mut random);
        due.mul_f64(0.5 + f64::from(random[0]) / 510.0)
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.length()).await;
        self.failures += 1;
    }
}

/// Renews volumes, one task for each that has changed.
struct Renewer {
    plugin: Arc<Plugin>,
    engine: Engine,
    turns: Semaphore,
    under_way: Mutex<BTreeMap<String, Arc<Work>>>,
}

/// A volume that is being renewed.
#[derive(Default)]
struct Work {
    again: Mutex<bool>,
    poked: Notify,
    task: OnceLock<AbortHandle>,
}

impl Work {
    /// Whether its task ended without saying so: a defect must not keep a volume old for ever.
    fn is_lost(&self) -> bool {
        self.task.get().is_some_and(AbortHandle::is_finished)
    }
}

impl Renewer {
    async fn serve(self: &Arc<Self>, mut events: cofferdam_api::Events) {
        self.poke(self.plugin.volumes.concerned(None).await);
        loop {
            match events.next().await {
                Ok(Some(event)) => {
                    let secret = event.secret();
                    self.poke(self.plugin.volumes.concerned(Some(&secret)).await);
                }
                Ok(None) => return tracing::info!("the server ended the stream of events"),
                Err(error) => return tracing::warn!(%error, "the stream of events broke"),
            }
        }
    }

    fn poke(self: &Arc<Self>, volumes: Vec<String>) {
        for name in volumes {
            let mut under_way = self.under_way();
            if let Some(work) = under_way.get(&name).filter(|work| !work.is_lost()) {
                *lock(&work.again) = true;
                work.poked.notify_one();
                continue;
            }
            let work = Arc::new(Work::default());
            under_way.insert(name.clone(), Arc::clone(&work));
            let task = tokio::spawn(Arc::clone(self).work(name, Arc::clone(&work)));
            // Set once, here.
            let _ = work.task.set(task.abort_handle());
        }
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Work>>> {
        lock(&self.under_way)
    }

    async fn work(self: Arc<Self>, name: String, work: Arc<Work>) {
        let mut pause = Pause::default();
        loop {
            tokio::time::sleep(GATHER).await;
            // What changes from here on needs another round.
            *lock(&work.again) = false;
            let done = self.renew(&name).await;
            {
                let mut under_way = self.under_way();
                if *lock(&work.again) {
                    pause = Pause::default();
                    continue;
                }
                if done {
                    under_way.remove(&name);
                    return;
                }
            }
            tokio::select! {
                () = pause.wait() => {}
                () = work.poked.notified() => {}
            }
        }
    }

    /// `false`: to be tried again without another event.
    async fn renew(self: &Arc<Self>, name: &str) -> bool {
        let turn = self.turns.acquire().await;
        let renewed = self.plugin.volumes.renew(name).await;
        drop(turn);
        let what = match renewed {
            Ok(Renewed::Unused | Renewed::Same) | Err(Fault::NoSuchVolume) => return true,
            Ok(Renewed::Changed(what)) => what,
            Err(error) => {
                tracing::warn!(
                    volume = ?name,
                    reason = %error,
                    "a volume keeps the files it had"
                );
                return !may_pass(&error);
            }
        };
        self.discard_later(name);
        let told = tell(&self.engine, name, &what).await;
        if told == Told::Unreachable {
            return false;
        }
        if let Err(error) = self.plugin.volumes.told(name).await {
            tracing::warn!(volume = ?name, reason = %error, "users of the volume may be told twice");
        }
        true
    }

    fn discard_later(self: &Arc<Self>, name: &str) {
        let (renewer, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(GRACE + GATHER).await;
            match renewer.plugin.volumes.discard(&name).await {
                Ok(()) | Err(Fault::NoSuchVolume) => {}
                Err(error) => {
                    tracing::warn!(volume = ?name, reason = %error, "old files of a volume stay");
                }
            }
        });
    }
}

/// Whether the same may succeed later without a change of the secret, of which an event would tell.
const fn may_pass(error: &Fault) -> bool {
    matches!(
        error,
        Fault::Fetch(fetch::Error::Server(_)) | Fault::Late(_) | Fault::Sink(_) | Fault::Daemon(_)
    )
}

/// Nothing under these locks can panic half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_never_the_whole_same() {
        let at = |failures| Pause {
            failures,
            warned: false,
        };
        for (failures, least, most) in [(0, 100, 200), (3, 800, 1_600), (40, 5_000, 10_000)] {
            for _ in 0..50 {
                let length = at(failures).length().as_millis();
                assert!((least..=most).contains(&length), "{failures}: {length}");
            }
        }
    }
}
