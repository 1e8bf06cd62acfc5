//! The right of a caller to an answer that goes on: whoever may no longer ask gets no more of it.

use super::hub::{Seat, Signal};
use super::{End, Event};
use crate::clock::Time;
use crate::fault::Fault;
use crate::operation::Operation;
use crate::path::Path;
use crate::policy::{Acl, ParameterFacts, Parameters, Verdict};
use crate::request::Caller;
use crate::vault::Services;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

/// A token is looked at this often at least, whatever the clock did.
const LOOK: Duration = Duration::from_secs(30);

/// Whether the path needs `sudo` as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Read,
    Sudo,
}

/// What happened to the caller, or to the store.
pub(crate) enum Turn {
    Event(Arc<Event>),
    /// The rights are to be looked at again.
    Look,
    /// The vault is sealed.
    Sealed,
    /// Events were missed; the caller's own may be among them.
    Missed,
    /// Nobody tells of events any more.
    Over,
}

/// A caller, and the path that was asked for: the right to it is needed as long as the answer lasts.
pub(crate) struct Standing {
    services: Weak<Services>,
    caller: Caller,
    place: Path,
    needs: Needs,
    inbox: broadcast::Receiver<Signal>,
    stop: watch::Receiver<bool>,
    /// When the token ends, as far as is known.
    expires: Option<Time>,
    /// When it is looked at again in any case.
    look: Instant,
    _seat: Seat,
}

impl Standing {
    /// Begins now: whatever changes after this returns is noticed.
    ///
    /// # Errors
    /// [`crate::Kind::TooMany`]; or the store's failure.
    pub(crate) async fn open(
        services: &Arc<Services>,
        caller: Caller,
        now: Time,
        place: Path,
        needs: Needs,
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
            needs,
            inbox,
            stop: services.stopping(),
            expires,
            look: Instant::now() + LOOK,
            _seat: seat,
        };
        // The token may have ended between its check and the watch.
        match opened.rights(services, now).await {
            Ok(_) => Ok(opened),
            Err(_) => Err(Fault::denied()),
        }
    }

    pub(super) fn services(&self) -> Result<Arc<Services>, End> {
        self.services.upgrade().ok_or(End::Sealed)
    }

    /// What happens next. May be dropped half-way: nothing is lost.
    pub(crate) async fn turn(&mut self) -> Turn {
        loop {
            let Ok(services) = self.services() else {
                return Turn::Sealed;
            };
            let now = services.clock.now();
            drop(services);
            let left = self.expires.map_or(LOOK, |end| end.since(now));
            let until = self.look.min(Instant::now() + left);
            // A flood of other things must not put this off.
            if until <= Instant::now() && !*self.stop.borrow() {
                return Turn::Look;
            }
            let heard = tokio::select! {
                biased;
                // An ended sender means the same as a stop.
                _ = self.stop.wait_for(|stop| *stop) => return Turn::Sealed,
                heard = self.inbox.recv() => heard,
                () = tokio::time::sleep_until(until) => return Turn::Look,
            };
            match heard {
                Ok(Signal::Event(event)) => return Turn::Event(event),
                Ok(Signal::Caller(name)) if self.is_called(&name) => return Turn::Look,
                Ok(Signal::Caller(_)) => {}
                // Sealing closes the channel as well.
                Err(_) if *self.stop.borrow() => return Turn::Sealed,
                Err(RecvError::Lagged(_)) => return Turn::Missed,
                Err(RecvError::Closed) => return Turn::Over,
            }
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.caller.token().is_some_and(|entry| entry.hash == name)
    }

    /// What follows for an answer that tells of no events: whether it may go on. To be driven to its
    /// end, which is why it is not done while [`Self::turn`] waits.
    pub(crate) async fn judge(&mut self, turn: Turn) -> Result<(), End> {
        match turn {
            Turn::Event(_) => Ok(()),
            Turn::Look | Turn::Missed => {
                let services = self.services()?;
                let now = services.clock.now();
                self.rights(&services, now).await.map(drop)
            }
            Turn::Sealed => Err(End::Sealed),
            Turn::Over => Err(End::Behind),
        }
    }

    /// The rules of the caller as they are now; its token must be alive and may still ask.
    pub(super) async fn rights(&mut self, services: &Services, now: Time) -> Result<Arc<Acl>, End> {
        let behind = |fault: Fault| {
            tracing::warn!(
                reason = fault.internal_text(),
                "a stream ends: its caller's rights cannot be read"
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
        self.look = Instant::now() + LOOK;
        match acl.allows(&self.place, Operation::Read, &nothing) {
            Verdict::Allowed { sudo } if sudo || self.needs == Needs::Read => Ok(acl),
            Verdict::Allowed { .. } | Verdict::Denied { .. } => Err(End::Denied),
        }
    }
}
