//! What is known of a request, from the door to its last audit record.

use crate::clock::{Steady, Time};
use crate::fault::Fault;
use crate::json::Body;
use crate::operation::{Operation, Verb};
use crate::policy::{ParameterFacts, Parameters};
use crate::registry::MountPoint;
use crate::request::{Caller, Peer, Query};
use cofferdam_secret::{Buffer, Secret};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Facts about one request. They are collected, never changed back.
pub(super) struct Facts {
    /// Joins the caller's message, our log and the audit records.
    pub id: String,
    pub now: Time,
    /// The same moment, for windows in memory.
    pub steady: Steady,
    pub verb: Verb,
    /// Known from authorization on; until then the verb's nearest.
    pub operation: Operation,
    /// Canonical; of a path that is not, what fits of it, for the audit record only.
    pub path: String,
    pub body: Body,
    pub query: Query,
    /// Those that audit records show.
    pub headers: Vec<(String, String)>,
    pub peer: Peer,
    pub token: Option<Secret<String>>,
    pub wrap_ttl: Option<Duration>,
    pub caller: Caller,
    pub point: Option<Arc<MountPoint>>,
    /// Of a login, where a limit asked for it.
    pub role: Option<String>,
}

/// Adds a member to an object that is being written.
fn member(to: &mut Buffer, name: &str, value: &[u8]) -> Result<(), Fault> {
    to.push(if to.as_slice().is_empty() { b"{" } else { b"," });
    to.push(&serde_json::to_vec(name).map_err(Fault::internal)?);
    to.push(b":");
    to.push(value);
    Ok(())
}

impl Facts {
    /// What the audit records say that was sent: the body, and what stood in the query beside it.
    /// `None`: nothing but the body.
    ///
    /// # Errors
    /// Ours, when it cannot be written as JSON.
    pub(super) fn sent(&self) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        if self.query.pairs.is_empty() {
            return Ok(None);
        }
        let mut said = HashSet::new();
        let mut all = Buffer::with_capacity(self.body.as_bytes().len() + 64);
        for (name, value) in self.body.as_raw().fields() {
            let name = name.decoded();
            member(&mut all, &name, value.as_bytes())?;
            said.insert(name.into_owned());
        }
        // As engines read it: of what stands there twice the first counts.
        for (name, value) in &self.query.pairs {
            if said.insert(name.clone()) {
                let value = Secret::new(serde_json::to_vec(value).map_err(Fault::internal)?);
                member(&mut all, name, value.expose())?;
            }
        }
        all.push(b"}");
        Ok(Some(all.finish()))
    }

    pub(super) fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// What rules about parameters and wrapping look at.
    pub(super) fn parameters(&self) -> ParameterFacts<'_> {
        let parameters = match (self.body.is_empty(), self.query.pairs.is_empty()) {
            (true, _) => Parameters::Query(&self.query.pairs),
            (false, true) => Parameters::Body(self.body.as_raw()),
            (false, false) => Parameters::Both(self.body.as_raw(), &self.query.pairs),
        };
        ParameterFacts {
            parameters,
            wrap_ttl: self.wrap_ttl,
        }
    }
}
