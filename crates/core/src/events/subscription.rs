//! One caller's stream: each event is held against what it asked for and what it may know, with the
//! token and the policies of that moment.

use super::hub::{Seat, Signal};
use super::{Event, Filter, matches};
use crate::clock::Time;
use crate::fault::Fault;
use crate::operation::Operation;
use crate::path::Path;
use crate::policy::{Acl, ParameterFacts, Parameters, Verdict};
use crate::request::Caller;
use crate::vault::Services;
use bytes::Bytes;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// A token is looked at this often at least, whatever the clock did.
const LOOK: Duration = Duration::from_secs(30);
/// Longest pattern.
const LONGEST: usize = 256;

/// What a subscriber asks for.
#[derive(Debug)]
pub struct Wanted {
    pattern: String,
    filter: Filter,
}

impl Wanted {
    /// Event types by a pattern with `*`, narrowed by an expression (empty: all).
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`]; the text is not repeated.
    pub fn parse(pattern: &str, filter: &str) -> Result<Self, Fault> {
        if pattern.is_empty() || pattern.len() > LONGEST {
            return Err(Fault::invalid(
                "name an event type: kv-v2/data-write, kv* or *",
            ));
        }
        Ok(Self {
            pattern: pattern.to_owned(),
            filter: Filter::parse(filter).map_err(|error| Fault::invalid(error.to_string()))?,
        })
    }

    fn takes(&self, event: &Event) -> bool {
        matches(&self.pattern, event.event_type)
            && self.filter.holds(|name| match name {
                super::filter::Field::EventType => event.event_type,
                super::filter::Field::Operation => event.operation,
                super::filter::Field::DataPath => event.data_path.as_str(),
                super::filter::Field::MountPath => &event.mount,
                super::filter::Field::Plugin => &event.plugin,
                super::filter::Field::Namespace => "",
            })
    }
}

/// Why a stream ended. Each time the subscriber may have missed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It read too slowly, or the store could not tell what happened.
    Behind,
    /// Its token or its right to subscribe is gone.
    Denied,
    /// The vault is sealed.
    Sealed,
}

impl End {
    /// In words for the subscriber.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "events were lost; subscribe again and read what you hold",
            Self::Denied => "permission denied",
            Self::Sealed => "Vault is sealed",
        }
    }
}

/// What a stream says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// One line of JSON.
    Event(Bytes),
    /// Nothing comes after it.
    End(End),
}

/// A stream of events for one caller.
pub struct Subscription {
    services: Weak<Services>,
    caller: Caller,
    /// The path that was asked for: the right to it is needed as long as the stream lasts.
    place: Path,
    wanted: Wanted,
    inbox: broadcast::Receiver<Signal>,
    stop: watch::Receiver<bool>,
    /// When the token ends, as far as is known.
    expires: Option<Time>,
    ended: Option<End>,
    _seat: Seat,
}

impl Subscription {
    /// Begins now: whatever is committed after this returns is told.
    ///
    /// # Errors
    /// [`crate::Kind::TooMany`]; or the store's failure.
    pub(crate) async fn open(
        services: &Arc<Services>,
        caller: Caller,
        now: Time,
        place: Path,
        wanted: Wanted,
    ) -> Result<Self, Fault> {
        let name: Arc<str> = match &caller {
            Caller::Token(entry) => entry.hash.as_str().into(),
            Caller::Local { uid } => format!("uid {uid}").into(),
            Caller::Anonymous => return Err(Fault::denied()),
        };
        // Before the watch begins: what changes from here on is signalled.
        let expires = caller.token().and_then(|entry| entry.expires);
        let (inbox, seat) = services.events.join(services, name).await?;
        let mut opened = Self {
            services: Arc::downgrade(services),
            caller,
            place,
            wanted,
            inbox,
            stop: services.stopping(),
            expires,
            ended: None,
            _seat: seat,
        };
        // The token may have ended between its check and the watch.
        match opened.rights(services, now).await {
            Ok(_) => Ok(opened),
            Err(_) => Err(Fault::denied()),
        }
    }

    /// What to tell the subscriber next. To be driven to its end: dropped half-way it can lose an
    /// event.
    pub async fn next(&mut self) -> Notice {
        if let Some(end) = self.ended {
            return Notice::End(end);
        }
        match self.look().await {
            Ok(json) => Notice::Event(json),
            Err(end) => {
                self.ended = Some(end);
                Notice::End(end)
            }
        }
    }

    async fn look(&mut self) -> Result<Bytes, End> {
        loop {
            let signal = self.signal().await?;
            let services = self.services.upgrade().ok_or(End::Sealed)?;
            match signal {
                Some(Signal::Event(event)) if self.wanted.takes(&event) => {
                    let acl = self.rights(&services, services.clock.now()).await?;
                    if may_know(&acl, &event) {
                        return Ok(event.json.clone());
                    }
                }
                Some(Signal::Event(_)) => {}
                Some(Signal::Caller(caller)) if !self.is_called(&caller) => {}
                Some(Signal::Caller(_)) | None => {
                    self.rights(&services, services.clock.now()).await?;
                }
            }
        }
    }

    /// `None`: time to look at the token.
    async fn signal(&mut self) -> Result<Option<Signal>, End> {
        let now = self.services.upgrade().map(|services| services.clock.now());
        let left = self.expires.zip(now).map(|(end, now)| end.since(now));
        let wait = left.map_or(LOOK, |left| left.min(LOOK));
        let heard = tokio::select! {
            biased;
            // An ended sender means the same as a stop.
            _ = self.stop.wait_for(|stop| *stop) => Err(End::Sealed),
            signal = self.inbox.recv() => signal.map(Some).map_err(|_| End::Behind),
            () = tokio::time::sleep(wait) => Ok(None),
        };
        match heard {
            // Sealing closes the channel as well.
            Err(End::Behind) if *self.stop.borrow() => Err(End::Sealed),
            heard => heard,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.caller.token().is_some_and(|entry| entry.hash == name)
    }

    /// The rules of the caller as they are now; its token must be alive and may still subscribe.
    async fn rights(&mut self, services: &Services, now: Time) -> Result<Arc<Acl>, End> {
        let behind = |fault: Fault| {
            tracing::warn!(
                reason = fault.internal_text(),
                "a stream of events ends: its caller's rights cannot be read"
            );
            End::Behind
        };
        let tables = services.registry.fresh().await.map_err(behind)?;
        let acl = match &self.caller {
            Caller::Token(entry) => {
                let live = services.tokens.again(now, entry).await;
                let live = live.map_err(behind)?;
                let live = live.filter(|live| !live.forbidden()).ok_or(End::Denied)?;
                self.expires = live.expires;
                tables.acl(&live)
            }
            Caller::Local { .. } => Arc::new(Acl::root()),
            Caller::Anonymous => return Err(End::Denied),
        };
        let nothing = ParameterFacts {
            parameters: Parameters::None,
            wrap_ttl: None,
        };
        match acl.allows(&self.place, Operation::Read, &nothing) {
            Verdict::Allowed { .. } => Ok(acl),
            Verdict::Denied { .. } => Err(End::Denied),
        }
    }
}

/// The rule of the path whose data changed decides; a deny on the path that a request would have
/// named wins in any case.
fn may_know(acl: &Acl, event: &Event) -> bool {
    acl.hears(&event.data_path, event.event_type) && !acl.denies(&event.path)
}
