//! The tokens of containers: one for each run of a container, ended with it.
//!
//! A token is got when the container first asks, renewed while it runs, and revoked when its first
//! process ends, which the kernel tells at once and whatever the engine does. It never leaves this
//! process unless the container asks the server for it (`auth/token/lookup-self`).
//!
//! What is revoked is revoked with the token itself; a role without the `default` policy does not
//! allow that, so then the host asks in its own name.

use super::attest::{Attested, Run};
use super::container::Container;
use super::refused::Refused;
use crate::docker::known::{Holder, Known};
use cofferdam_api::{Client, Error, Request, Tree};
use cofferdam_secret::Secret;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long a refusal of the server is believed: a container that asks in a loop must not become a
/// loop of attestations.
const REFUSAL: Duration = Duration::from_secs(2);
/// How often a token that the server does not like is looked into.
const DOUBT: Duration = Duration::from_secs(2);
/// Between attempts at a server that does not answer.
const RETRY: Duration = Duration::from_secs(2);
/// How long revoking everything may take at the end.
const GRACE: Duration = Duration::from_secs(5);

/// A token that the server issued for one run of a container.
pub(super) struct Token {
    text: Secret<String>,
    accessor: String,
    issued: Instant,
}

impl Token {
    pub(super) const fn text(&self) -> &Secret<String> {
        &self.text
    }
}

/// How it is with one run of a container.
#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Token(Arc<Token>),
    Refused(Refused, Instant),
}

/// One run of a container.
struct Seat {
    container: Container,
    /// Locked while somebody logs in, so that a hundred first requests are one login.
    held: tokio::sync::Mutex<Held>,
    /// When the token is to be renewed.
    due: Mutex<Option<Instant>>,
    changed: Notify,
    doubted: Mutex<Option<Instant>>,
}

impl Seat {
    fn due(&self) -> Option<Instant> {
        *lock(&self.due)
    }

    /// Renewed at half of its life.
    fn lives(&self, seconds: u64) {
        let half =
            Duration::from_millis(seconds.saturating_mul(500)).max(Duration::from_millis(500));
        *lock(&self.due) = Some(Instant::now() + half);
        self.changed.notify_one();
    }
}

/// All of them.
pub(super) struct Tokens {
    client: Client,
    /// What containers have asked for is kept as long as they are.
    known: Arc<Known>,
    seats: Mutex<HashMap<Run, Arc<Seat>>>,
    attendants: Mutex<JoinSet<()>>,
}

/// A panic while a lock was held leaves what was there before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tokens {
    pub(super) fn new(client: Client, known: Arc<Known>) -> Arc<Self> {
        Arc::new(Self {
            client,
            known,
            seats: Mutex::default(),
            attendants: Mutex::default(),
        })
    }

    /// The client, for what is passed on.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The container's token.
    pub(super) async fn lend(self: &Arc<Self>, run: &Run) -> Result<Arc<Token>, Refused> {
        let Some(seat) = lock(&self.seats).get(run).cloned() else {
            return Err(Refused::Stopped);
        };
        let mut held = seat.held.lock().await;
        match &*held {
            Held::Token(token) => return Ok(Arc::clone(token)),
            Held::Refused(why, until) if Instant::now() < *until => return Err(why.clone()),
            _ => {}
        }
        match self.log_in(&seat).await {
            Ok(token) => {
                let token = Arc::new(token);
                *held = Held::Token(Arc::clone(&token));
                Ok(token)
            }
            Err(why) => {
                tracing::warn!(container = %short(run), name = ?seat.container.name, reason = %why, "no token for a container");
                *held = Held::Refused(why.clone(), Instant::now() + REFUSAL);
                Err(why)
            }
        }
    }

    /// Takes a container in, and looks after it until it ends.
    pub(super) fn seat(self: &Arc<Self>, attested: Attested) -> Run {
        let Attested {
            run,
            container,
            first,
        } = attested;
        let mut seats = lock(&self.seats);
        if !seats.contains_key(&run) {
            let seat = Arc::new(Seat {
                container,
                held: tokio::sync::Mutex::default(),
                due: Mutex::default(),
                changed: Notify::new(),
                doubted: Mutex::default(),
            });
            seats.insert(run.clone(), Arc::clone(&seat));
            let attend = Arc::clone(self).attend(run.clone(), seat, first.into_handle());
            let mut attendants = lock(&self.attendants);
            while attendants.try_join_next().is_some() {}
            attendants.spawn(attend);
        }
        run
    }

    async fn log_in(&self, seat: &Seat) -> Result<Token, Refused> {
        let request = Request::new(cofferdam_api::Method::Put, "auth/docker/attest");
        let request = request.json(&seat.container).map_err(|_| Refused::Silent)?;
        let answer = self.client.send(request).await.map_err(|e| refused(&e))?;
        let auth = answer.auth.filter(|auth| !auth.client_token.is_empty());
        let auth = auth.ok_or(Refused::Silent)?;
        let metadata = auth.metadata.unwrap_or_default();
        tracing::info!(
            container = %seat.container.container,
            name = ?seat.container.name,
            image = %seat.container.image_id,
            role = ?metadata.get("role"),
            accessor = %auth.accessor,
            "a container has its token"
        );
        if auth.renewable && auth.lease_duration > 0 {
            seat.lives(auth.lease_duration);
        }
        Ok(Token {
            text: auth.client_token,
            accessor: auth.accessor,
            issued: Instant::now(),
        })
    }

    /// After the server refused a request: whether the token itself is the reason. Then it is
    /// forgotten, and the next request gets a new one.
    pub(super) async fn doubt(&self, run: &Run, token: &Arc<Token>) -> bool {
        let Some(seat) = lock(&self.seats).get(run).cloned() else {
            return false;
        };
        let now = Instant::now();
        let recent = |then: Instant| now.duration_since(then) < DOUBT;
        {
            let mut doubted = lock(&seat.doubted);
            if recent(token.issued) || doubted.is_some_and(recent) {
                return false;
            }
            *doubted = Some(now);
        }
        if self.is_live(token).await {
            return false;
        }
        let mut held = seat.held.lock().await;
        if matches!(&*held, Held::Token(current) if Arc::ptr_eq(current, token)) {
            *held = Held::Nothing;
        }
        true
    }

    /// Whether the server knows the token. A role may not allow to ask that with the token itself.
    async fn is_live(&self, token: &Token) -> bool {
        let own = Request::get("auth/token/lookup-self").with_token(token.text.duplicate());
        if !matches!(self.client.send(own).await, Err(Error::Denied(_))) {
            return true;
        }
        let body = Tree::map().with("accessor", token.accessor.as_str());
        let asked = self
            .client
            .send(Request::post("auth/token/lookup-accessor", &body));
        match asked.await {
            Ok(_) => true,
            // A host without the right to ask cannot tell, and then nothing is thrown away.
            Err(error) => !error.is_answer() || self.client.token().is_some(),
        }
    }

    /// Renews the token while the container runs; ends it with the container.
    async fn attend(self: Arc<Self>, run: Run, seat: Arc<Seat>, first: OwnedFd) {
        match watched(first) {
            Ok(end) => loop {
                let due = async {
                    match seat.due() {
                        Some(due) => sleep_until(due).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = end.readable() => break,
                    () = seat.changed.notified() => {}
                    () = due => self.renew(&run, &seat).await,
                }
            },
            // Without it nobody would see the end: better no token than one that stays.
            Err(error) => tracing::error!(%error, "cannot watch a container"),
        }
        lock(&self.seats).remove(&run);
        self.known.ended(&Holder::Asked(run.key()));
        if let Held::Token(token) = std::mem::take(&mut *seat.held.lock().await) {
            self.end(&run, &token).await;
        }
    }

    async fn renew(&self, run: &Run, seat: &Seat) {
        *lock(&seat.due) = None;
        let token = match &*seat.held.lock().await {
            Held::Token(token) => Arc::clone(token),
            _ => return,
        };
        let request = Request::post("auth/token/renew-self", &Tree::map());
        let request = request.with_token(token.text.duplicate());
        match self.client.send(request).await {
            Ok(answer) => {
                let lease = answer.auth.map_or(0, |auth| auth.lease_duration);
                if lease > 0 {
                    seat.lives(lease);
                }
            }
            Err(error) if error.is_answer() && !matches!(error, Error::Sealed(_)) => {
                // The role is for others now, or allows no renewal: what the container may have is
                // decided anew when it asks again.
                tracing::info!(container = %short(run), reason = %error, "a token is not renewed");
                let mut held = seat.held.lock().await;
                if matches!(&*held, Held::Token(current) if Arc::ptr_eq(current, &token)) {
                    *held = Held::Nothing;
                    drop(held);
                    self.end(run, &token).await;
                }
            }
            Err(_) => *lock(&seat.due) = Some(Instant::now() + RETRY),
        }
    }

    /// Revokes a token, and does not give up while the server is away.
    async fn end(&self, run: &Run, token: &Token) {
        loop {
            match self.revoke(token).await {
                Ok(()) => {
                    tracing::info!(container = %short(run), accessor = %token.accessor, "a container's token is revoked");
                    return;
                }
                Err(error) if error.is_answer() && !matches!(error, Error::Sealed(_)) => {
                    tracing::warn!(container = %short(run), accessor = %token.accessor, reason = %error, "a token is left to its lifetime");
                    return;
                }
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    async fn revoke(&self, token: &Token) -> Result<(), Error> {
        let own = Request::post("auth/token/revoke-self", &Tree::map());
        match self
            .client
            .send(own.with_token(token.text.duplicate()))
            .await
        {
            Err(Error::Denied(_)) => {}
            other => return other.map(drop),
        }
        let body = Tree::map().with("accessor", token.accessor.as_str());
        let asked = self
            .client
            .send(Request::post("auth/token/revoke-accessor", &body));
        match asked.await {
            // There is none any more.
            Err(Error::NotFound(_)) => Ok(()),
            Err(Error::Api(refusal)) if refusal.status == 400 => Ok(()),
            other => other.map(drop),
        }
    }

    /// Ends every token. The containers get new ones from the next daemon.
    pub(super) async fn close(&self) {
        lock(&self.attendants).abort_all();
        let seats: Vec<_> = lock(&self.seats).drain().collect();
        let mut ends = JoinSet::new();
        for (run, seat) in seats {
            let held = std::mem::take(&mut *seat.held.lock().await);
            if let Held::Token(token) = held {
                let own = Self {
                    known: Arc::clone(&self.known),
                    client: self.client.clone(),
                    seats: Mutex::default(),
                    attendants: Mutex::default(),
                };
                ends.spawn(async move { own.end(&run, &token).await });
            }
        }
        let all = async { while ends.join_next().await.is_some() {} };
        let _ = timeout(GRACE, all).await;
    }
}

/// Becomes readable when the process ends.
#[allow(
    deprecated,
    reason = "deprecated for descriptors that something else may close; the other form is unsafe code, and this one owns its descriptor"
)]
fn watched(process: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(process, Interest::READABLE)
}

/// As `docker ps` shows it.
fn short(run: &Run) -> &str {
    run.container.as_str().get(..12).unwrap_or_default()
}

/// What a refusal of the attestation means to the container.
fn refused(error: &Error) -> Refused {
    match error {
        Error::Denied(_) => Refused::NotAllowed,
        Error::NotFound(_) => Refused::NotEnabled,
        Error::Sealed(_) | Error::Uninitialized(_) => Refused::Sealed,
        Error::Api(refusal) if refusal.status == 400 => {
            let said = refusal.errors.join("; ");
            Refused::NotAdmitted(cofferdam_detect::source::clean(&said))
        }
        other => {
            tracing::warn!(reason = %other, "cannot attest a container");
            Refused::Silent
        }
    }
}
