//! What is known of a request, from the door to its last audit record.

use crate::clock::Time;
use crate::json::Body;
use crate::operation::{Operation, Verb};
use crate::policy::{ParameterFacts, Parameters};
use crate::registry::MountPoint;
use crate::request::{Caller, Peer, Query};
use cofferdam_secret::Secret;
use std::sync::Arc;
use std::time::Duration;

/// Facts about one request. They are collected, never changed back.
pub(super) struct Facts {
    /// Joins the caller's message, our log and the audit records.
    pub id: String,
    pub now: Time,
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
}

impl Facts {
    /// What rules about parameters and wrapping look at.
    pub(super) fn parameters(&self) -> ParameterFacts<'_> {
        let parameters = if self.body.is_empty() {
            Parameters::Query(&self.query.0)
        } else {
            Parameters::Body(self.body.as_raw())
        };
        ParameterFacts {
            parameters,
            wrap_ttl: self.wrap_ttl,
        }
    }
}
