//! What an auth method issued ends with it: after a crash in the middle, and when a login was under way.

use crate::harness::Harness;
use cofferdam_core::engine::{Access, Pending, Route, Routed};
use cofferdam_core::mount::Class;
use cofferdam_core::{Call, Kind, Offer, Outcome, Verb};
use serde_json::{Value, json};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;

async fn refused(harness: &Harness, token: &str) -> Option<Kind> {
    let path = "auth/token/lookup-self";
    harness
        .call(Verb::Read, path, token, Value::Null)
        .await
        .fault
}

/// Logs in when it is let.
struct Slow {
    asked: AtomicUsize,
    gate: Semaphore,
}

impl Routed for Slow {
    const ROUTES: &'static [Route<Self>] =
        &[Route::new("login", &[(Verb::Write, login)]).access(Access::Anonymous)];
}

fn login<'a>(slow: &'a Slow, _: Call<'a>) -> Pending<'a> {
    Box::pin(async {
        slow.asked.fetch_add(1, Ordering::SeqCst);
        slow.gate.acquire().await.unwrap().forget();
        Ok(Outcome::Login(Box::default()))
    })
}

#[tokio::test]
async fn a_crash_while_a_method_is_disabled_leaves_no_token_of_it_alive() {
    let harness = Harness::open().await;
    let other = harness
        .beside(Offer {
            class: Class::Secret,
            kind: "slow",
            engine: Arc::new(Slow {
                asked: AtomicUsize::new(0),
                gate: Semaphore::new(0),
            }),
        })
        .await;
    let login = harness
        .call(Verb::Write, "auth/probe/login", "", json!({}))
        .await;
    let token = login.body["auth"]["client_token"].as_str().unwrap();
    assert_eq!(refused(&harness, token).await, None);
    {
        let path = "sys/auth/probe";
        let mut disable = pin!(harness.call(Verb::Delete, path, &harness.root, Value::Null));
        loop {
            let step = poll_fn(|context| Poll::Ready(disable.as_mut().poll(context))).await;
            assert!(step.is_pending(), "the crash came too late");
            let listed = other.read("sys/auth").await;
            if listed["data"]["probe/"].is_null() {
                break;
            }
        }
        // It goes no further: what a crash is to the store.
    }
    for _ in 0..100 {
        if refused(&other, token).await == Some(Kind::Denied) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the token of a method that is gone is still good");
}

#[tokio::test]
async fn a_login_under_way_while_its_method_goes_away_is_refused() {
    let first = Harness::open().await;
    let slow = Arc::new(Slow {
        asked: AtomicUsize::new(0),
        gate: Semaphore::new(0),
    });
    let harness = first
        .beside(Offer {
            class: Class::Auth,
            kind: "slow",
            engine: slow.clone(),
        })
        .await;
    let harness = Arc::new(harness);
    for (number, moved) in [false, true].into_iter().enumerate() {
        harness
            .write("sys/auth/slow", json!({"type": "slow"}))
            .await;
        let login = {
            let harness = harness.clone();
            tokio::spawn(async move {
                harness
                    .call(Verb::Write, "auth/slow/login", "", json!({}))
                    .await
            })
        };
        while slow.asked.load(Ordering::SeqCst) <= number {
            tokio::task::yield_now().await;
        }
        if moved {
            let wanted = json!({"from": "auth/slow", "to": "auth/elsewhere"});
            harness.write("sys/remount", wanted).await;
        } else {
            let path = "sys/auth/slow";
            let gone = harness
                .call(Verb::Delete, path, &harness.root, Value::Null)
                .await;
            assert_eq!(gone.fault, None);
        }
        slow.gate.add_permits(1);
        let answered = login.await.unwrap();
        assert_eq!(answered.fault, Some(Kind::Invalid), "{}", answered.text);
    }
    // Nor does one of them stay in the store: what there is are the root token's.
    let path = "auth/token/accessors";
    let all = harness
        .call(Verb::List, path, &harness.root, Value::Null)
        .await;
    assert_eq!(all.body["data"]["keys"].as_array().unwrap().len(), 1);
}
