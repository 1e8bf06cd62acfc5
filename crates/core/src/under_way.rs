//! The requests that are being served right now, for whoever looks why a server is slow.
//!
//! A seat costs one lock and one copy of the path; it is given back when the request is dropped,
//! however it ends.

use crate::clock::Time;
use crate::operation::Verb;
use crate::path::shown;
use crate::request::Peer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seated {
    /// Tells requests apart that had the same seat.
    pub(crate) serial: u64,
    pub(crate) since: Time,
    pub(crate) verb: Verb,
    pub(crate) path: String,
    pub(crate) peer: Peer,
}

/// All of them.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<Seats>);

#[derive(Default)]
struct Seats {
    seats: Vec<Option<Seated>>,
    free: Vec<usize>,
    serial: u64,
}

impl UnderWay {
    /// Takes a seat.
    pub(crate) fn begin(&self, since: Time, verb: Verb, path: &str, peer: &Peer) -> Seat<'_> {
        let (path, peer) = (path.to_owned(), peer.clone());
        let mut all = self.all();
        all.serial += 1;
        let seated = Seated {
            serial: all.serial,
            since,
            verb,
            path,
            peer,
        };
        let at = all.free.pop().unwrap_or(all.seats.len());
        match all.seats.get_mut(at) {
            Some(seat) => *seat = Some(seated),
            None => all.seats.push(Some(seated)),
        }
        Seat { among: self, at }
    }

    /// Those that have not ended.
    pub(crate) fn list(&self) -> Vec<Seated> {
        self.all().seats.iter().flatten().cloned().collect()
    }

    /// As `sys/in-flight-req` shows them.
    pub(crate) fn shown(&self) -> BTreeMap<String, Value> {
        let listed = self.list().into_iter().map(|seated| {
            let address = match seated.peer {
                Peer::Network(address) | Peer::Certified(address, _) => address.to_string(),
                Peer::Local { uid, .. } => format!("uid {uid}"),
            };
            let shape = json!({
                "start_time": seated.since.rfc3339(),
                "client_remote_address": address,
                "request_path": format!("/v1/{}", shown(&seated.path)),
                "request_method": seated.verb.as_str(),
            });
            // A name of the form clients expect; it is no request id, which is made later.
            (Uuid::from_u64_pair(0, seated.serial).to_string(), shape)
        });
        listed.collect()
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        let all = self.all();
        all.seats.len() - all.free.len()
    }

    fn all(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's place in the list, until it is dropped.
pub(crate) struct Seat<'a> {
    among: &'a UnderWay,
    at: usize,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut all = self.among.all();
        let left = all.seats.get_mut(self.at).and_then(Option::take);
        all.free.push(self.at);
        drop(all);
        // Freed after the lock is.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_listed_while_it_is_held_and_used_again() {
        let all = UnderWay::default();
        let peer = Peer::Local {
            uid: 0,
            admin: true,
        };
        let begin = |path| all.begin(Time::default(), Verb::Read, path, &peer);
        let (first, second) = (begin("a"), begin("b"));
        drop(first);
        assert_eq!((all.list().len(), all.list()[0].path.as_str()), (1, "b"));
        let third = begin("c");
        let serials: Vec<_> = all.list().iter().map(|seated| seated.serial).collect();
        assert_eq!(serials, [3, 2]);
        drop((second, third));
        assert!(all.list().is_empty());
    }
}
