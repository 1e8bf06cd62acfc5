//! One caller's stream: each event is held against what it asked for and what it may know, with the
//! token and the policies of that moment.

use super::standing::{Needs, Standing, Turn};
use super::{Event, Filter, matches};
use crate::clock::Time;
use crate::fault::Fault;
use crate::path::Path;
use crate::policy::Acl;
use crate::request::Caller;
use crate::vault::Services;
use bytes::Bytes;
use std::sync::Arc;

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
    standing: Standing,
    wanted: Wanted,
    ended: Option<End>,
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
        Ok(Self {
            standing: Standing::open(services, caller, now, place, Needs::Read).await?,
            wanted,
            ended: None,
        })
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
            let turn = self.standing.turn().await;
            let services = self.standing.services()?;
            let now = services.clock.now();
            match turn {
                Turn::Event(event) if self.wanted.takes(&event) => {
                    let acl = self.standing.rights(&services, now).await?;
                    if may_know(&acl, &event) {
                        return Ok(event.json.clone());
                    }
                }
                Turn::Event(_) => {}
                Turn::Look => drop(self.standing.rights(&services, now).await?),
                Turn::Sealed => return Err(End::Sealed),
                Turn::Missed | Turn::Over => return Err(End::Behind),
            }
        }
    }
}

/// The rule of the path whose data changed decides; a deny on the path that a request would have
/// named wins in any case.
fn may_know(acl: &Acl, event: &Event) -> bool {
    acl.hears(&event.data_path, event.event_type) && !acl.denies(&event.path)
}
