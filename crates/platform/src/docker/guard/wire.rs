//! HTTP as dockerd speaks it to authorization plugins, and an answer in every case.
//!
//! dockerd waits for an authorization plugin without any limit, so nothing here may wait: the
//! question has to arrive within a time, the judgement has a deadline and runs on another thread,
//! and one that breaks down is answered like one that found something. No I/O is between question
//! and answer.

use super::{Guard, Mode, Policy, Socket, Verdict};
use crate::docker::serving::{self, Answer, GRACE};
use cofferdam_secret::{Buffer, Secret};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// dockerd shows bodies of up to 4 MiB, in base64; the rest is headers and an address.
const MAX_CALL: usize = 8 << 20;
/// Answers dockerd until `shutdown`.
pub(super) async fn serve(socket: &Socket, guard: &Arc<Guard>, shutdown: impl Future<Output = ()>) {
    let guard = Arc::clone(guard);
    let respond = move |request| {
        let guard = Arc::clone(&guard);
        async move { respond(&guard, request).await }
    };
    serving::serve(socket, respond, shutdown).await;
}

async fn respond(guard: &Guard, request: Request<Incoming>) -> Answer {
    if request.method() != Method::POST {
        let text = json!({"Err": "only POST is served here"});
        return answer(StatusCode::METHOD_NOT_ALLOWED, &text);
    }
    match request.uri().path() {
        "/Plugin.Activate" => answer(StatusCode::OK, &json!({"Implements": ["authz"]})),
        "/AuthZPlugin.AuthZReq" => {
            let verdict = ask(guard, request.into_body()).await;
            let text = json!({"Allow": verdict.allow, "Msg": verdict.message, "Err": ""});
            answer(StatusCode::OK, &text)
        }
        // What dockerd answers is not ours to judge; it is read to the end and forgotten.
        "/AuthZPlugin.AuthZRes" => {
            drain(request.into_body()).await;
            answer(
                StatusCode::OK,
                &json!({"Allow": true, "Msg": "", "Err": ""}),
            )
        }
        "/Guard.Status" => answer(StatusCode::OK, &status(guard)),
        _ => {
            let text = json!({"Err": "this plugin has no such method"});
            answer(StatusCode::NOT_FOUND, &text)
        }
    }
}

/// One question, with an answer whatever happens.
async fn ask(guard: &Guard, body: Incoming) -> Verdict {
    let counts = &guard.counts;
    counts.asked.fetch_add(1, Ordering::Relaxed);
    let verdict = match read(body).await {
        Some(call) => judge(guard, call).await,
        None => broken(guard.policy, "the question is too large or too slow"),
    };
    let count = |counter: &AtomicU64| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    match (verdict.message.is_empty(), verdict.allow) {
        (true, _) => {}
        (false, true) => {
            count(&counts.warned);
            tracing::warn!(request = verdict.route, found = %verdict.message, "let pass");
        }
        (false, false) => {
            count(&counts.refused);
            tracing::warn!(request = verdict.route, found = %verdict.message, "refused");
        }
    }
    verdict
}

async fn judge(guard: &Guard, call: Secret<Vec<u8>>) -> Verdict {
    let (policy, review) = (guard.policy, guard.review);
    // The place is held until the judgement ends, which may be long after its deadline.
    let judging = async {
        let place = Arc::clone(&guard.places).acquire_owned().await.ok()?;
        let judging = tokio::task::spawn_blocking(move || {
            let _place = place;
            review(policy, call.expose())
        });
        judging.await.ok()
    };
    let what = match tokio::time::timeout(guard.deadline, judging).await {
        Ok(Some(verdict)) => return verdict,
        Ok(None) => "a defect of the guard ended its judgement",
        Err(_) => "the guard took too long",
    };
    guard.counts.broken.fetch_add(1, Ordering::Relaxed);
    broken(policy, what)
}

/// What could not be judged is refused where the guard enforces, and passes where it warns.
fn broken(policy: Policy, what: &'static str) -> Verdict {
    Verdict {
        allow: policy.mode == Mode::Warn,
        message: format!("{what}; hint: cofferdam guard status"),
        route: "unknown",
    }
}

/// The whole question, unless it is larger than [`MAX_CALL`] or does not come.
async fn read(mut body: Incoming) -> Option<Secret<Vec<u8>>> {
    if body.size_hint().lower() > MAX_CALL as u64 {
        return None;
    }
    let collect = async {
        let mut call = Buffer::with_capacity(4096);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.ok()?.into_data() {
                if call.len() + data.len() > MAX_CALL {
                    return None;
                }
                call.push(&data);
            }
        }
        Some(call.finish())
    };
    tokio::time::timeout(GRACE, collect).await.ok()?
}

async fn drain(mut body: Incoming) {
    let all = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(GRACE, all).await;
}

/// For `cofferdam guard status`.
fn status(guard: &Guard) -> Value {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "mode": guard.policy.mode.name(),
        "refuse_buildkit": guard.policy.refuse_buildkit,
        "asked": count(&guard.counts.asked),
        "warned": count(&guard.counts.warned),
        "refused": count(&guard.counts.refused),
        "broken": count(&guard.counts.broken),
    })
}

fn answer(status: StatusCode, text: &Value) -> Answer {
    serving::answer(status, text.to_string())
}
