//! Events as a long answer: one JSON object a line, and an empty line as a sign of life. The log as
//! another, of its own lines alone: Vault's clients print whatever comes.
//!
//! Backpressure is the transport's: where the client takes nothing, nothing is taken from the
//! subscription, which ends when its backlog is full, or from the log, whose lines are dropped then;
//! and the census ends a connection that takes nothing for `http_write_timeout`. A shutdown ends it
//! between two lines.

use super::payload::Payload;
use super::respond;
use bytes::Bytes;
use cofferdam_core::events::{Notice, Subscription};
use cofferdam_core::monitor::Monitor;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

/// Between two signs of life. Clients give up after three of them.
pub(super) const BEAT: Duration = Duration::from_secs(15);
/// Lines that wait for the transport; the rest waits in the subscription, which is bounded too.
const WAITING: usize = 16;

/// Begins the answer.
#[must_use]
pub fn respond(events: Box<Subscription>, stop: watch::Receiver<bool>) -> Response<Payload> {
    let (out, response) = begin("application/x-ndjson");
    tokio::spawn(lines(events, out, stop));
    response
}

/// An answer of this content type, and where its pieces go.
fn begin(kind: &'static str) -> (mpsc::Sender<Bytes>, Response<Payload>) {
    let (out, pieces) = mpsc::channel(WAITING);
    let mut response = respond::json(StatusCode::OK, Payload::stream(pieces));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    (out, response)
}

async fn lines(
    mut events: Box<Subscription>,
    out: mpsc::Sender<Bytes>,
    mut stop: watch::Receiver<bool>,
) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut next = pin!(events.next());
        let notice = loop {
            tokio::select! {
                notice = &mut next => break notice,
                _ = beat.tick() => {
                    if !send(&out, Bytes::from_static(b"\n"), &mut stop).await {
                        return;
                    }
                }
                () = out.closed() => return,
                () = stopped(&mut stop) => return,
            }
        };
        let (line, last) = match notice {
            Notice::Event(json) => ([&json, &b"\n"[..]].concat(), false),
            Notice::End(end) => (goodbye(end.as_str()), true),
        };
        if !send(&out, line.into(), &mut stop).await || last {
            return;
        }
    }
}

/// Begins the answer with lines of the log.
#[must_use]
pub fn log(monitor: Box<Monitor>, stop: watch::Receiver<bool>) -> Response<Payload> {
    let (out, response) = begin("text/plain; charset=utf-8");
    tokio::spawn(carry(monitor, out, stop));
    response
}

async fn carry(
    mut monitor: Box<Monitor>,
    out: mpsc::Sender<Bytes>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let line = tokio::select! {
            line = monitor.next() => line,
            () = out.closed() => return,
            () = stopped(&mut stop) => {
                // Whoever has no room for it sees the end in any case.
                let _ = out.try_send(monitor.farewell("the server is shutting down"));
                return;
            }
        };
        let Some(line) = line else { return };
        if !send(&out, line, &mut stop).await {
            return;
        }
    }
}

/// The last line: a type that no engine has.
fn goodbye(reason: &str) -> Vec<u8> {
    let line = serde_json::json!({
        "specversion": "1.0",
        "type": "cofferdam/end",
        "data": {"reason": reason},
    });
    format!("{line}\n").into_bytes()
}

/// Whether to go on.
async fn send(out: &mpsc::Sender<Bytes>, line: Bytes, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        sent = out.send(line) => sent.is_ok(),
        () = stopped(stop) => false,
    }
}

/// An ended sender means the same as a stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
