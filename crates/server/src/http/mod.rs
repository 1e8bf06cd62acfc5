//! One request: head → body → the vault → response.
//!
//! The path: [`forwarded`] says for whom a proxy speaks, [`head::read`] judges the head, [`body::collect`] takes the body under its budgets, the
//! [`Door`] does the work, [`respond::respond`] maps the answer; an answer that goes on is served by
//! [`stream`], or [`websocket`] where the client asked for that. What is refused on the way is a
//! [`refusal::Refusal`] with a fixed text.

pub mod body;
mod cors;
mod form;
mod forwarded;
pub mod head;
pub mod health;
pub mod payload;
mod places;
pub mod query;
pub mod refusal;
pub mod respond;
pub mod stream;
pub mod websocket;

use crate::door::{Answered, Door};
use crate::fronts::Forwarded;
use crate::limits::Limits;
use crate::listen::Watch;
use cofferdam_core::settings::Settings;
use cofferdam_core::{Answer, Arrival, Peer};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use payload::Payload;
use refusal::Refusal;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::watch;

const SLOW: Refusal = Refusal::new(
    StatusCode::GATEWAY_TIMEOUT,
    "the request took longer than max_request_duration and was given up",
);
const UNKNOWN: Refusal = Refusal::new(
    StatusCode::GATEWAY_TIMEOUT,
    "the request took longer than max_request_duration; it goes on, and whether it succeeds is not known",
);
const BUSY: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the server is busy with other requests and did not begin this one; try again",
);
const BROKEN: Refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
const STOPPING: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the server is shutting down",
);

/// What all connections of a listener share.
pub(crate) struct Shared<D> {
    door: Arc<D>,
    limits: Limits,
    forwarded: Option<Forwarded>,
    bodies: body::Pool,
    places: places::Places,
    changes: Arc<crate::lifecycle::Changes>,
    /// Becomes true at shutdown: answers that go on end then.
    stop: watch::Receiver<bool>,
}

impl<D: Door> Shared<D> {
    pub(crate) fn new(
        door: Arc<D>,
        limits: Limits,
        forwarded: Option<Forwarded>,
        changes: Arc<crate::lifecycle::Changes>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let bodies = body::Pool::new(limits.body_pool);
        let places = places::Places::new(&limits);
        Self {
            door,
            limits,
            forwarded,
            bodies,
            places,
            changes,
            stop,
        }
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Serves one request. Never fails: what goes wrong is an answer.
    pub(crate) async fn serve(
        self: Arc<Self>,
        watch: Arc<Watch>,
        peer: Peer,
        request: Request<Incoming>,
    ) -> Result<Response<Payload>, Infallible> {
        let mut working = watch.begin();
        let (mut parts, body) = request.into_parts();
        let peer = match forwarded::asking(self.forwarded.as_ref(), &parts.headers, peer) {
            Ok(peer) => peer,
            Err(refusal) => return Ok(refusal.response().map(|body| body.holding(working))),
        };
        let socket = websocket::asked(&mut parts);
        let settings = self.door.settings();
        let origin = cors::Origin::of(&parts.headers, settings.as_deref());
        if let Some(response) = origin.answer(&parts) {
            return Ok(response.map(|body| body.holding(working)));
        }
        let response = match self.answer(&parts, peer, body, settings.as_deref()).await {
            Ok(Answered {
                answer: Answer::Stream(events),
                ..
            }) => match socket {
                Some(Ok(handshake)) => {
                    handshake.accept(events, self.stop.clone(), self.limits.write_time)
                }
                Some(Err(refusal)) => refusal.response(),
                None => {
                    working.goes_on();
                    stream::respond(events, self.stop.clone())
                }
            },
            Ok(Answered {
                answer: Answer::Log(monitor),
                ..
            }) => {
                working.goes_on();
                stream::log(monitor, self.stop.clone())
            }
            Ok(answered) => respond::respond(answered, parts.uri.query()),
            Err(refusal) => refusal.response(),
        };
        let response = origin.mark(response);
        Ok(response.map(|body| body.holding(working)))
    }

    async fn answer(
        self: &Arc<Self>,
        parts: &http::request::Parts,
        peer: Peer,
        body: Incoming,
        settings: Option<&Settings>,
    ) -> Result<Answered, Refusal> {
        let head = head::read(parts)?;
        let known = head.token.is_some() || matches!(peer, Peer::Local { admin: true, .. });
        let most = if known {
            self.limits.body
        } else {
            self.limits.anonymous_body
        };
        let collected = body::collect(body, most, &self.limits, &self.bodies).await?;
        let bytes = form::as_json(&parts.headers, collected.bytes)?;
        let verb = head.verb;
        let arrival = Arrival {
            verb,
            path: head.path,
            query: head.query,
            token: head.token,
            wrap_ttl: head.wrap_ttl,
            namespace: head.namespace,
            body: bytes,
            headers: settings.map_or_else(Vec::new, |settings| {
                head::recorded(&parts.headers, settings.headers())
            }),
            open: self.limits.open,
            peer,
        };
        let changes = !verb.looks();
        let place = self.places.take(changes, known);
        let place = tokio::time::timeout(self.limits.request_time, place).await;
        let place = place.map_err(|_elapsed| BUSY)?.ok_or(STOPPING)?;
        let held = (place, collected.share);
        if changes {
            self.change(arrival, held).await
        } else {
            self.look(arrival, held).await
        }
    }

    /// A read ends with its client or with its time.
    async fn look<H>(&self, arrival: Arrival, _held: H) -> Result<Answered, Refusal> {
        // Boxed once: unboxed it is copied into each of the futures around it.
        let work = AssertUnwindSafe(Box::pin(self.door.handle(arrival))).catch_unwind();
        match tokio::time::timeout(self.limits.request_time, work).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(_panic)) => Err(BROKEN),
            Err(_elapsed) => Err(SLOW),
        }
    }

    /// A change runs on its own: neither a client that hangs up nor the end of its time leaves it
    /// half done, and a shutdown waits for it.
    async fn change<H: Send + 'static>(
        self: &Arc<Self>,
        arrival: Arrival,
        held: H,
    ) -> Result<Answered, Refusal> {
        let underway = self.changes.begin();
        let door = Arc::clone(&self.door);
        let work = tokio::spawn(async move {
            let answered = door.handle(arrival).await;
            drop((held, underway));
            answered
        });
        match tokio::time::timeout(self.limits.request_time, work).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(_panic)) => Err(BROKEN),
            Err(_elapsed) => Err(UNKNOWN),
        }
    }
}
