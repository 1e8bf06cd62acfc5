//! Userpass, request by request.

use super::Userpass;
use crate::harness::{Answer, Bench, token};
use cofferdam_core::engine::Engine;
use cofferdam_core::lockout::Settings;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const REFUSED: (u16, &str) = (400, "invalid username or password");

async fn bench_with(settings: serde_json::Value) -> Bench {
    let bench = Bench::new(Userpass::default(), &[]).await;
    let made = bench.write("users/bob", settings).await;
    assert!(made.status < 300, "{made:?}");
    bench
}

async fn bench() -> Bench {
    bench_with(json!({"password": "right"})).await
}

async fn login(bench: &Bench, name: &str, password: &str) -> Answer {
    bench
        .write(&format!("login/{name}"), json!({"password": password}))
        .await
}

#[tokio::test]
async fn a_login_vouches_for_what_the_user_says() {
    let bench = bench_with(json!({
        "password": "right", "token_policies": "web, DB", "token_ttl": "20m", "token_num_uses": 3,
    }))
    .await;
    let login = login(&bench, "bob", "right").await.login.unwrap();
    assert_eq!(login.policies, ["db", "web"]);
    assert_eq!(login.ttl, Some(Duration::from_mins(20)));
    assert_eq!(login.num_uses, 3);
    assert_eq!(login.display_name, "bob");
    assert_eq!(login.metadata["username"], "bob");
}

#[tokio::test]
async fn a_name_is_its_lower_case_form_everywhere() {
    let bench = bench().await;
    assert!(login(&bench, "BoB", "right").await.login.is_some());
    assert_eq!(bench.read("users/BOB").await.status, 200);
    // What else could look like it never gets here: the parser of paths refuses it.
    for name in ["b%C3%B6b", ".bob", "bob.", "bob-"] {
        assert_eq!(login(&bench, name, "right").await.status, 404, "{name}");
    }
}

#[tokio::test]
async fn every_wrong_spelling_counts_for_one_name() {
    let bench = bench().await;
    for name in ["bob", "BOB", "Bob", "bOb", "boB"] {
        assert_eq!(login(&bench, name, "wrong").await.refusal(), REFUSED);
    }
    // Locked: the right password, in any spelling, is refused in the same words.
    for name in ["bob", "BOB"] {
        assert_eq!(login(&bench, name, "right").await.refusal(), REFUSED);
    }
    bench.clock.advance(Duration::from_mins(15));
    assert!(login(&bench, "bob", "right").await.login.is_some());
    // The count began again.
    for _ in 0..4 {
        login(&bench, "bob", "wrong").await;
    }
    assert!(login(&bench, "bob", "right").await.login.is_some());
}

/// AUTH-1: one counter, whichever replica is asked, in whatever spelling; and what a replica that has
/// just begun knows of it is in the store.
#[tokio::test]
async fn replicas_and_spellings_share_one_counter() {
    let one = bench().await;
    let two = Bench::beside(&one, Userpass::default());
    for (number, name) in ["bob", "BOB", "Bob", "bOb"].into_iter().enumerate() {
        let here = if number % 2 == 0 { &one } else { &two };
        assert_eq!(login(here, name, "wrong").await.refusal(), REFUSED);
    }
    // These are nobody's name, so they are nobody's counter either.
    let mut judged = 0;
    for name in [
        "bob%20",
        "%20bob",
        "b%20ob",
        "b%D0%BEb",
        "bo%EF%BD%82",
        "bob%09x",
    ] {
        let target = format!("login/{name}");
        let Ok(path) = cofferdam_core::path::Path::from_url(&target) else {
            continue;
        };
        let body = json!({"password": "wrong"});
        assert_eq!(two.write(path.as_str(), body).await.status, 404, "{name}");
        judged += 1;
    }
    assert_eq!(judged, 5, "all but the control character are paths");
    assert_eq!(one.keys().await, ["lockout/bob", "user/bob"]);
    assert!(
        login(&one, "bob", "right").await.login.is_some(),
        "four are not five"
    );
    for (number, name) in ["bob", "BOB", "Bob", "bOb", "boB"].into_iter().enumerate() {
        let here = if number % 2 == 0 { &two } else { &one };
        assert_eq!(login(here, name, "wrong").await.refusal(), REFUSED);
    }
    for here in [&one, &two] {
        for name in ["bob", "BOB"] {
            assert_eq!(login(here, name, "right").await.refusal(), REFUSED);
        }
    }
    // Both clocks show the end of it.
    for here in [&one, &two] {
        here.clock.advance(Duration::from_mins(15));
    }
    assert!(login(&two, "bOB", "right").await.login.is_some());
}

#[tokio::test]
async fn knocking_on_does_not_lock_for_longer() {
    let bench = bench().await;
    for _ in 0..5 {
        login(&bench, "bob", "wrong").await;
    }
    bench.clock.advance(Duration::from_mins(14));
    for _ in 0..3 {
        login(&bench, "bob", "wrong").await;
    }
    bench.clock.advance(Duration::from_mins(1));
    assert!(login(&bench, "bob", "right").await.login.is_some());
}

#[tokio::test]
async fn a_clock_that_is_put_back_does_not_lock_for_longer() {
    let bench = bench().await;
    bench.clock.advance(Duration::from_hours(100));
    for _ in 0..5 {
        login(&bench, "bob", "wrong").await;
    }
    bench.clock.put_back(Duration::from_hours(50));
    // It is locked for its duration from when that is seen, and knocking on changes nothing.
    assert_eq!(login(&bench, "bob", "right").await.refusal(), REFUSED);
    bench.clock.advance(Duration::from_mins(14));
    assert_eq!(login(&bench, "bob", "right").await.refusal(), REFUSED);
    bench.clock.advance(Duration::from_mins(1));
    assert!(login(&bench, "bob", "right").await.login.is_some());
    // Nor does the count of failures hold on.
    for _ in 0..4 {
        login(&bench, "bob", "wrong").await;
    }
    bench.clock.put_back(Duration::from_hours(20));
    login(&bench, "bob", "wrong").await;
    assert_eq!(login(&bench, "bob", "right").await.refusal(), REFUSED);
    bench.clock.put_back(Duration::from_hours(20));
    login(&bench, "bob", "wrong").await;
    bench.clock.advance(Duration::from_mins(15));
    assert!(login(&bench, "bob", "right").await.login.is_some());
}

#[tokio::test]
async fn failures_are_forgotten_after_a_quiet_time() {
    let bench = bench().await;
    for _ in 0..4 {
        login(&bench, "bob", "wrong").await;
    }
    bench.clock.advance(Duration::from_mins(15));
    login(&bench, "bob", "wrong").await;
    assert!(login(&bench, "bob", "right").await.login.is_some());
}

#[tokio::test]
async fn a_mount_has_its_own_rules() {
    let mut bench = bench().await;
    bench.mount.config.user_lockout = Settings {
        threshold: Some(1),
        duration: Some(10),
        ..Settings::default()
    };
    login(&bench, "bob", "wrong").await;
    assert_eq!(login(&bench, "bob", "right").await.refusal(), REFUSED);
    bench.clock.advance(Duration::from_secs(10));
    assert!(login(&bench, "bob", "right").await.login.is_some());
    bench.mount.config.user_lockout.disable = Some(true);
    for _ in 0..3 {
        login(&bench, "bob", "wrong").await;
    }
    assert!(login(&bench, "bob", "right").await.login.is_some());
}

#[tokio::test]
async fn guesses_at_the_same_time_are_all_counted() {
    let bench = bench().await;
    let guesses = (0..12).map(|_| login(&bench, "bob", "wrong"));
    for answer in futures_util::future::join_all(guesses).await {
        assert_eq!(answer.refusal(), REFUSED);
    }
    assert_eq!(login(&bench, "bob", "right").await.refusal(), REFUSED);
}

/// SRV: a flood of logins is refused at once beyond some, known and unknown names alike, and is not
/// kept waiting: what waits holds a request's place.
#[tokio::test]
async fn a_flood_of_logins_is_refused_beyond_a_few() {
    let bench = bench().await;
    let logins = (0..200).map(|number| {
        let name = if number % 2 == 0 { "bob" } else { "eve" };
        login(&bench, name, "wrong")
    });
    let busy = (429, "too many logins at once; try again");
    let mut refused = [0, 0];
    for (number, answer) in futures_util::future::join_all(logins)
        .await
        .iter()
        .enumerate()
    {
        if answer.refusal() == busy {
            refused[number % 2] += 1;
        } else {
            assert_eq!(answer.refusal(), REFUSED);
        }
    }
    // 34 of 200 are checked, and a few more where the first are done before the last come.
    assert!(refused.iter().all(|number| *number > 50), "{refused:?}");
    // What is over is over.
    assert_eq!(login(&bench, "eve", "wrong").await.refusal(), REFUSED);
}

#[tokio::test]
async fn strangers_do_not_fill_the_store() {
    let bench = bench().await;
    for number in 0..20 {
        let answer = login(&bench, &format!("nobody{number}"), "wrong").await;
        assert_eq!(answer.refusal(), REFUSED);
    }
    assert_eq!(bench.keys().await, ["lockout/.nobody", "user/bob"]);
}

/// AUTH-2: the medians of a few dozen logins each differ by less than a fifth. The check itself takes
/// milliseconds, an answer without it microseconds: the threshold has a wide margin on both sides. What
/// a busy machine adds differs from one look to the next; what the name adds is in each of them.
#[tokio::test]
async fn unknown_and_known_names_take_the_same_time() {
    let mut bench = bench().await;
    bench.mount.config.user_lockout.threshold = Some(1_000_000);
    let mut looks = Vec::new();
    for _ in 0..5 {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..24 {
            for (name, times) in ["bob", "eve"].into_iter().zip(&mut times) {
                let start = Instant::now();
                login(&bench, name, "wrong").await;
                times.push(start.elapsed());
            }
        }
        let [known, unknown] = times.map(|mut times| {
            times.sort();
            times[times.len() / 2].as_secs_f64()
        });
        if (known / unknown - 1.0).abs() < 0.2 {
            return;
        }
        looks.push((known, unknown));
    }
    panic!("known and unknown: {looks:?}");
}

/// AUTH-2: what can be counted instead of timed. A name that nobody has, one that somebody has, one that
/// is locked and one that was never locked because the mount locks nobody cost the same reads, and all
/// but a success one commit.
#[tokio::test]
async fn unknown_known_and_locked_names_cost_the_same_reads() {
    let mut bench = bench().await;
    let cost = async |bench: &Bench, name: &str| {
        let before = bench.reads();
        assert_eq!(login(bench, name, "wrong").await.refusal(), REFUSED);
        bench.reads() - before
    };
    // The first failure of a name makes its counter.
    cost(&bench, "bob").await;
    let (known, unknown) = (cost(&bench, "bob").await, cost(&bench, "eve").await);
    for _ in 0..5 {
        cost(&bench, "bob").await;
    }
    assert_eq!(login(&bench, "bob", "right").await.refusal(), REFUSED);
    let locked = cost(&bench, "bob").await;
    // A failure that counts reads the counter once more, which its commit compares with.
    assert_eq!((known - 1, locked), (unknown, unknown));
    bench.mount.config.user_lockout.disable = Some(true);
    assert_eq!(cost(&bench, "bob").await, cost(&bench, "eve").await);
}

#[tokio::test]
async fn a_hash_from_elsewhere_is_taken() {
    let hash = bcrypt::hash("hunter2x", 4).unwrap();
    let bench = bench().await;
    let set = bench
        .write("users/bob/password", json!({"password_hash": hash}))
        .await;
    assert_eq!(set.status, 204);
    assert!(login(&bench, "bob", "hunter2x").await.login.is_some());
    assert_eq!(login(&bench, "bob", "right").await.refusal(), REFUSED);
    let slow = hash.replacen("$04$", "$31$", 1);
    for bad in [
        "x",
        "$2b$04$short",
        &slow,
        &format!("{hash}\n"),
        "$1$abc$def",
    ] {
        let set = bench
            .write("users/bob/password", json!({"password_hash": bad}))
            .await;
        assert_eq!(set.status, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn passwords_that_bcrypt_would_cut_are_refused() {
    let bench = bench().await;
    for bad in ["x".repeat(72), "a\0b".to_owned()] {
        let set = bench
            .write("users/eve", json!({"password": bad.clone()}))
            .await;
        assert_eq!(set.status, 400);
        assert!(!set.errors[0].contains(&bad));
        assert_eq!(login(&bench, "bob", &bad).await.refusal(), REFUSED);
    }
    let longest = "x".repeat(71);
    bench
        .write("users/eve", json!({"password": longest.clone()}))
        .await;
    assert!(login(&bench, "eve", &longest).await.login.is_some());
    assert_eq!(
        login(&bench, "eve", &"x".repeat(72)).await.refusal(),
        REFUSED
    );
}

#[tokio::test]
async fn a_renewal_asks_for_the_user_again() {
    let bench = bench_with(json!({"password": "right", "token_policies": "web"})).await;
    let mut entry = token("ab");
    entry.binding.insert("username".into(), "bob".into());
    entry.policies = vec!["default".into(), "web".into()];
    let entry = Arc::new(entry);
    let renewed = async || Engine::renew(&Userpass::default(), &bench.view, &entry).await;
    assert!(renewed().await.is_ok());
    bench
        .write("users/bob/policies", json!({"token_policies": "web,admin"}))
        .await;
    assert!(renewed().await.unwrap_err().public().contains("changed"));
    bench.delete("users/bob").await;
    assert!(renewed().await.unwrap_err().public().contains("exist"));
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let bench = Bench::new(Userpass::default(), &[]).await;
    let settings = json!({
        "token_bound_cidrs": ["10.0.0.0/8"], "token_explicit_max_ttl": 7200, "token_max_ttl": 3600,
        "token_no_default_policy": true, "token_num_uses": 4, "token_period": 60, "token_policies": ["a", "b"],
        "token_strictly_bind_ip": false, "token_ttl": 1200, "token_type": "service",
    });
    let mut sent = settings.clone();
    sent["password"] = json!("right");
    bench.write("users/bob", sent).await;
    assert_eq!(bench.read("users/bob").await.data, settings);
}

#[tokio::test]
async fn a_login_from_elsewhere_is_denied() {
    let bench = bench_with(json!({"password": "right", "token_bound_cidrs": "10.0.0.0/8"})).await;
    assert_eq!(
        login(&bench, "bob", "right").await.refusal(),
        (403, "permission denied")
    );
}
