//! What an auth method issued ends with it: after a crash in the middle, and when a login was under way.

use crate::harness::Harness;
use cofferdam_barrier::View;
use cofferdam_core::engine::{Access, Pending, Route, Routed};
use cofferdam_core::mount::Class;
use cofferdam_core::token::Entry;
use cofferdam_core::{Call, Kind, Login, Offer, Outcome, Verb};
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

/// Logs in and renews, and breaks the audit log while it does.
struct Breaking(std::path::PathBuf);

impl Routed for Breaking {
    const ROUTES: &'static [Route<Self>] = &[
        Route::new("login", &[(Verb::Write, break_log)]).access(Access::Anonymous),
        Route::new("quiet", &[(Verb::Write, log_in)]).access(Access::Anonymous),
    ];

    fn renew<'a>(&'a self, _: &'a View, _: &'a Entry) -> Pending<'a, Login> {
        Box::pin(async {
            self.break_it();
            Ok(Login::default())
        })
    }
}

impl Breaking {
    fn break_it(&self) {
        std::fs::remove_file(&self.0).unwrap();
        std::fs::create_dir(&self.0).unwrap();
    }
}

fn break_log<'a>(breaking: &'a Breaking, call: Call<'a>) -> Pending<'a> {
    breaking.break_it();
    log_in(breaking, call)
}

fn log_in<'a>(_: &'a Breaking, _: Call<'a>) -> Pending<'a> {
    Box::pin(async { Ok(Outcome::Login(Box::default())) })
}

async fn breaking(log: &std::path::Path) -> Harness {
    let harness = Harness::open().await;
    let harness = harness.beside(Offer {
        class: Class::Auth,
        kind: "breaking",
        engine: Arc::new(Breaking(log.to_owned())),
    });
    let harness = harness.await;
    let kind = json!({"type": "breaking"});
    harness.write("sys/auth/breaking", kind).await;
    let device = json!({"type": "file", "options": {"file_path": log}});
    harness.write("sys/audit/main", device).await;
    harness
}

async fn accessors(harness: &Harness) -> usize {
    let path = "auth/token/accessors";
    let listed = harness
        .call(Verb::List, path, &harness.root, Value::Null)
        .await;
    listed.body["data"]["keys"].as_array().unwrap().len()
}

/// AUTH-9: an error is never an error and a token. Whoever gets the one leaves no other behind.
#[tokio::test]
async fn a_login_whose_answer_is_lost_leaves_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let harness = breaking(&log).await;
    let before = accessors(&harness).await;
    for wrap in [None, Some("60s".to_owned())] {
        let path = "auth/breaking/login";
        let mut request = crate::harness::arrival(Verb::Write, path, "", &json!({}));
        request.wrap_ttl = wrap;
        let answered = harness.arrive(request).await;
        assert_eq!(answered.fault, Some(Kind::Unavailable), "{}", answered.text);
        std::fs::remove_dir(&log).unwrap();
        assert_eq!(accessors(&harness).await, before);
    }
    // And where the answer cannot be wrapped: the token inside has no holder either.
    let one = json!({"path": "auth/probe", "max_leases": 1});
    harness.write("sys/quotas/lease-count/one", one).await;
    for _ in 0..3 {
        let mut request = crate::harness::arrival(Verb::Write, "auth/probe/login", "", &json!({}));
        request.wrap_ttl = Some("60s".to_owned());
        let answered = harness.arrive(request).await;
        assert_eq!(answered.fault, Some(Kind::TooMany), "{}", answered.text);
        assert_eq!(accessors(&harness).await, before);
    }
    let plain = harness
        .call(Verb::Write, "auth/probe/login", "", json!({}))
        .await;
    assert_eq!(plain.fault, None, "its place is free: {}", plain.text);
}

/// Only what was made for the answer ends with it: a token that somebody has lives on.
#[tokio::test]
async fn a_renewal_whose_answer_is_lost_ends_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let harness = breaking(&log).await;
    let made = harness
        .call(Verb::Write, "auth/breaking/quiet", "", json!({}))
        .await;
    let token = made.body["auth"]["client_token"].as_str().unwrap();
    let before = accessors(&harness).await;
    for (path, wrap) in [
        ("auth/token/renew-self", None),
        ("auth/token/renew-self", Some("60s".to_owned())),
        ("auth/token/renew", None),
    ] {
        let by = if path.ends_with("self") {
            token
        } else {
            &harness.root
        };
        let mut request = crate::harness::arrival(Verb::Write, path, by, &json!({"token": token}));
        request.wrap_ttl = wrap;
        let answered = harness.arrive(request).await;
        assert_eq!(answered.fault, Some(Kind::Unavailable), "{}", answered.text);
        std::fs::remove_dir(&log).unwrap();
        assert_eq!(refused(&harness, token).await, None, "{path}");
        assert_eq!(
            accessors(&harness).await,
            before,
            "the wrapping token is gone"
        );
    }
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
    for _ in 0..600 {
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
