//! AppRole, request by request.

use super::AppRole;
use crate::harness::{Answer, Bench, token};
use cofferdam_core::clock::Clock;
use cofferdam_core::engine::Engine;
use cofferdam_core::{Peer, Verb};
use cofferdam_secret::Secret;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What every failed proof is answered.
const REFUSED: (u16, &str) = (400, "invalid role or secret ID");

async fn approle() -> Bench {
    Bench::new(AppRole::default(), &[]).await
}

/// A role with these settings and the RoleID `NAME-id`.
async fn role(bench: &Bench, name: &str, mut settings: Value) {
    settings["role_id"] = json!(format!("{name}-id"));
    let made = bench.write(&format!("role/{name}"), settings).await;
    assert!(made.status < 300, "{made:?}");
}

async fn secret_id(bench: &Bench, name: &str, settings: Value) -> (String, String) {
    let made = bench
        .write(&format!("role/{name}/secret-id"), settings)
        .await;
    assert_eq!(made.status, 200, "{made:?}");
    let text = |field: &str| made.data[field].as_str().unwrap().to_owned();
    (text("secret_id"), text("secret_id_accessor"))
}

async fn login(bench: &Bench, role_id: &str, secret_id: &str) -> Answer {
    bench
        .write("login", json!({"role_id": role_id, "secret_id": secret_id}))
        .await
}

#[tokio::test]
async fn a_login_vouches_for_what_the_role_says() {
    let bench = approle().await;
    let settings = json!({
        "token_policies": "web, DB,web", "token_ttl": "20m", "token_max_ttl": 3600, "token_num_uses": 3,
        "token_period": "1h", "token_explicit_max_ttl": "2h", "token_no_default_policy": true,
        "token_bound_cidrs": ["127.0.0.1", "10.0.0.0/8"],
    });
    role(&bench, "web", settings).await;
    let (secret, _) = secret_id(
        &bench,
        "web",
        json!({"metadata": "{\"host\":\"a\",\"role_name\":\"admin\"}"}),
    )
    .await;
    let login = login(&bench, " web-id ", &format!("{secret}\n"))
        .await
        .login
        .unwrap();
    assert_eq!(login.policies, ["db", "web"]);
    assert_eq!(login.ttl, Some(Duration::from_mins(20)));
    assert_eq!(login.max_ttl, Some(Duration::from_hours(1)));
    assert_eq!(login.period, Some(Duration::from_hours(1)));
    assert_eq!(login.explicit_max_ttl, Some(Duration::from_hours(2)));
    assert_eq!((login.num_uses, login.no_default_policy), (3, true));
    assert_eq!(login.bound_cidrs.len(), 2);
    // What a SecretID says of itself never passes for the role's name.
    assert_eq!(login.metadata["role_name"], "web");
    assert_eq!(login.metadata["host"], "a");
    assert_eq!(login.binding["role_name"], "web");
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_role_are_told_alike() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    assert_eq!(login(&bench, "web-id", "wrong").await.refusal(), REFUSED);
    assert_eq!(login(&bench, "nobody", "wrong").await.refusal(), REFUSED);
    let missing = (400, "missing secret_id");
    assert_eq!(login(&bench, "web-id", " ").await.refusal(), missing);
    assert_eq!(login(&bench, "nobody", "").await.refusal(), missing);
    assert_eq!(
        login(&bench, "", "x").await.refusal(),
        (400, "missing role_id")
    );
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_role_cost_the_same_reads() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    let cost = async |role_id: &str, secret_id: &str| {
        let before = bench.reads();
        login(&bench, role_id, secret_id).await;
        bench.reads() - before
    };
    assert_eq!(cost("web-id", "wrong").await, cost("nobody", "wrong").await);
    assert_eq!(cost("web-id", "").await, cost("nobody", "").await);
}

#[tokio::test]
async fn a_secret_made_anew_survives_the_removal_of_its_expired_self() {
    use super::{key::Key, role, secret};
    let bench = approle().await;
    bench.write("role/web", json!({"role_id": "web-id"})).await;
    let tiger = json!({"secret_id": "tiger", "ttl": 60});
    bench
        .write("role/web/custom-secret-id", tiger.clone())
        .await;
    // Somebody reads it, and is slow; meanwhile it expires and is made anew.
    let key = Key::load(&bench.view).await.unwrap();
    let role = role::load(&bench.view, "web").await.unwrap().unwrap().role;
    let hash = key.secret_id(&role.incarnation, "tiger").unwrap();
    let now = bench.clock.now();
    let slow = secret::load(&bench.view, &key, &role.incarnation, &hash, now).await;
    let slow = slow.unwrap().unwrap();
    bench.clock.advance(Duration::from_mins(2));
    assert_eq!(
        bench.write("role/web/custom-secret-id", tiger).await.status,
        200
    );
    assert!(!secret::remove(&bench.view, &key, &slow).await.unwrap());
    assert!(login(&bench, "web-id", "tiger").await.login.is_some());
}

#[tokio::test]
async fn a_damaged_neighbour_keeps_nobody_from_a_new_secret() {
    use super::{role as of, secret};
    let bench = Arc::new(approle().await);
    role(&bench, "web", json!({})).await;
    let found = of::load(&bench.view, "web").await.unwrap().unwrap();
    // Behind whatever hash.
    let at = format!("{}~", secret::place(&found.role.incarnation));
    let batch = bench
        .view
        .batch()
        .put(at, Secret::new(b"no record".to_vec()));
    bench.view.commit(batch).await.unwrap().ignore();
    let (made, _) = secret_id(&bench, "web", json!({})).await;
    assert_eq!(granted(&bench, &made, 1).await, 1);
}

#[tokio::test]
async fn of_a_hundred_logins_with_a_secret_for_one_exactly_one_succeeds() {
    let bench = Arc::new(approle().await);
    role(&bench, "web", json!({})).await;
    for _ in 0..10 {
        let (secret, accessor) = secret_id(&bench, "web", json!({"num_uses": 1})).await;
        assert_eq!(granted(&bench, &secret, 100).await, 1);
        let lookup = bench.write(
            "role/web/secret-id-accessor/lookup",
            json!({"secret_id_accessor": accessor}),
        );
        assert_eq!(lookup.await.status, 404);
    }
}

#[tokio::test]
async fn a_secret_for_seven_lets_exactly_seven_in() {
    let bench = Arc::new(approle().await);
    role(&bench, "web", json!({"secret_id_num_uses": 7})).await;
    let (secret, _) = secret_id(&bench, "web", json!({})).await;
    assert_eq!(granted(&bench, &secret, 60).await, 7);
}

/// Logins at once from many tasks: how many were granted, none failing otherwise.
async fn granted(bench: &Arc<Bench>, secret: &str, count: usize) -> usize {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (bench, secret) = (Arc::clone(bench), secret.to_owned());
            tokio::spawn(async move { login(&bench, "web-id", &secret).await })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        match answer.login {
            Some(_) => granted += 1,
            None => assert_eq!(answer.refusal(), REFUSED),
        }
    }
    granted
}

#[tokio::test]
async fn an_expired_secret_is_refused_and_removed() {
    let bench = approle().await;
    role(&bench, "web", json!({"secret_id_ttl": "10m"})).await;
    let (secret, accessor) = secret_id(&bench, "web", json!({})).await;
    assert!(login(&bench, "web-id", &secret).await.login.is_some());
    bench.clock.advance(Duration::from_mins(10));
    assert_eq!(bench.list("role/web/secret-id").await.status, 404);
    let lookup = bench
        .write(
            "role/web/secret-id-accessor/lookup",
            json!({"secret_id_accessor": accessor}),
        )
        .await;
    assert_eq!(lookup.refusal(), (404, ""));
    assert_eq!(login(&bench, "web-id", &secret).await.refusal(), REFUSED);
    let keys = bench.keys().await;
    assert!(
        !keys
            .iter()
            .any(|key| key.starts_with("secret/") || key.starts_with("accessor/")),
        "{keys:?}"
    );
}

#[tokio::test]
async fn neither_secret_ids_nor_guessable_hashes_are_stored() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    let custom = json!({"secret_id": "canary-secret"});
    bench.write("role/web/custom-secret-id", custom).await;
    let plain_hash = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(b"canary-secret"))
    };
    for entry in bench
        .view
        .range("", None, usize::MAX)
        .await
        .unwrap()
        .entries
    {
        let value = String::from_utf8_lossy(entry.value.expose()).into_owned();
        for text in [&entry.key, &value] {
            assert!(
                !text.contains("canary-secret") && !text.contains(&plain_hash),
                "{}",
                entry.key
            );
        }
        // The RoleID is readable in the role alone.
        assert_eq!(
            value.contains("web-id"),
            entry.key == "role/web",
            "{}",
            entry.key
        );
    }
}

#[tokio::test]
async fn another_roles_secret_is_the_same_as_none() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    role(&bench, "db", json!({})).await;
    let (secret, accessor) = secret_id(&bench, "web", json!({})).await;
    assert_eq!(login(&bench, "db-id", &secret).await.refusal(), REFUSED);
    let foreign = json!({"secret_id": secret, "secret_id_accessor": accessor});
    let missing = json!({"secret_id": "none", "secret_id_accessor": "none"});
    for path in [
        "secret-id/lookup",
        "secret-id/destroy",
        "secret-id-accessor/lookup",
        "secret-id-accessor/destroy",
    ] {
        let path = format!("role/db/{path}");
        let (a, b) = (
            bench.write(&path, foreign.clone()).await,
            bench.write(&path, missing.clone()).await,
        );
        assert_eq!((a.refusal(), &a.data), (b.refusal(), &b.data), "{path}");
    }
    // It still works where it belongs.
    assert!(login(&bench, "web-id", &secret).await.login.is_some());
}

#[tokio::test]
async fn a_secret_is_looked_up_and_destroyed_by_itself_and_by_its_accessor() {
    let bench = approle().await;
    role(
        &bench,
        "web",
        json!({"secret_id_bound_cidrs": "10.0.0.0/8"}),
    )
    .await;
    let settings =
        json!({"metadata": "k=v, a=b", "cidr_list": "10.1.0.0/16", "num_uses": 2, "ttl": "5m"});
    let (secret, accessor) = secret_id(&bench, "web", settings).await;
    let by_secret = bench
        .write("role/web/secret-id/lookup", json!({"secret_id": secret}))
        .await;
    let by_accessor = bench
        .write(
            "role/web/secret-id-accessor/lookup/",
            json!({"secret_id_accessor": accessor}),
        )
        .await;
    assert_eq!(by_secret.data, by_accessor.data);
    let shown = by_secret.data;
    assert_eq!(shown["metadata"], json!({"k": "v", "a": "b"}));
    assert_eq!(
        (&shown["secret_id_num_uses"], &shown["secret_id_ttl"]),
        (&json!(2), &json!(300))
    );
    assert_eq!(shown["cidr_list"], json!(["10.1.0.0/16"]));
    assert_ne!(shown["expiration_time"], "0001-01-01T00:00:00Z");
    assert_eq!(
        bench.list("role/web/secret-id/").await.data["keys"],
        json!([accessor])
    );
    let destroy = bench
        .ask(
            Verb::Delete,
            "role/web/secret-id/destroy",
            json!({"secret_id": secret}),
        )
        .await;
    assert_eq!(destroy.status, 204);
    assert_eq!(
        bench
            .write("role/web/secret-id/lookup", json!({"secret_id": secret}))
            .await
            .status,
        204
    );
    let (_, accessor) = secret_id(&bench, "web", json!({})).await;
    let destroy = json!({"secret_id_accessor": accessor});
    assert_eq!(
        bench
            .write("role/web/secret-id-accessor/destroy", destroy.clone())
            .await
            .status,
        204
    );
    assert_eq!(
        bench
            .write("role/web/secret-id-accessor/destroy", destroy)
            .await
            .refusal(),
        (404, "")
    );
}

#[tokio::test]
async fn a_use_by_a_stranger_is_not_counted() {
    let mut bench = approle().await;
    role(&bench, "web", json!({})).await;
    let (secret, _) = secret_id(
        &bench,
        "web",
        json!({"cidr_list": "10.0.0.0/8", "num_uses": 1}),
    )
    .await;
    let refusal = "source address \"127.0.0.1\" unauthorized by CIDR restrictions on the secret ID";
    assert_eq!(
        login(&bench, "web-id", &secret).await.refusal(),
        (400, refusal)
    );
    // IPv4 in IPv6 clothes is judged as what it is.
    bench.peer = Peer::Network("[::ffff:10.1.2.3]:9".parse().unwrap());
    assert!(login(&bench, "web-id", &secret).await.login.is_some());
    assert_eq!(login(&bench, "web-id", &secret).await.refusal(), REFUSED);
}

#[tokio::test]
async fn a_role_may_bind_to_addresses_alone() {
    let mut bench = approle().await;
    role(
        &bench,
        "web",
        json!({"bind_secret_id": false, "secret_id_bound_cidrs": ["127.0.0.0/8"]}),
    )
    .await;
    assert!(
        bench
            .write("login", json!({"role_id": "web-id"}))
            .await
            .login
            .is_some()
    );
    bench.peer = Peer::Network("10.0.0.1:9".parse().unwrap());
    let refusal = "source address \"10.0.0.1\" unauthorized by CIDR restrictions on the role";
    assert_eq!(
        bench
            .write("login", json!({"role_id": "web-id"}))
            .await
            .refusal(),
        (400, refusal)
    );
    let made = bench.write("role/web/secret-id", json!({})).await;
    assert_eq!(
        made.refusal(),
        (400, "bind_secret_id is not set on the role")
    );
    for path in ["role/free", "role/web"] {
        let free = bench
            .write(
                path,
                json!({"bind_secret_id": false, "secret_id_bound_cidrs": []}),
            )
            .await;
        assert_eq!(
            free.refusal(),
            (400, "at least one constraint should be enabled on the role")
        );
    }
    assert_eq!(
        bench.delete("role/web/secret-id-bound-cidrs").await.status,
        400
    );
}

#[tokio::test]
async fn a_tokens_addresses_come_from_the_secret_the_role_or_the_peer() {
    let bench = approle().await;
    role(&bench, "web", json!({"token_bound_cidrs": "10.0.0.0/8"})).await;
    let (own, _) = secret_id(&bench, "web", json!({"token_bound_cidrs": "10.1.0.0/16"})).await;
    let (plain, _) = secret_id(&bench, "web", json!({})).await;
    let bound =
        async |secret: &str, id: &str| login(&bench, id, secret).await.login.unwrap().bound_cidrs;
    assert_eq!(
        bound(&own, "web-id").await,
        ["10.1.0.0/16".parse().unwrap()]
    );
    assert_eq!(
        bound(&plain, "web-id").await,
        ["10.0.0.0/8".parse().unwrap()]
    );
    role(&bench, "strict", json!({"token_strictly_bind_ip": true})).await;
    let (secret, _) = secret_id(&bench, "strict", json!({})).await;
    assert_eq!(
        bound(&secret, "strict-id").await,
        ["127.0.0.1/32".parse().unwrap()]
    );
}

#[tokio::test]
async fn a_secret_never_exceeds_its_role() {
    let bench = approle().await;
    let limits =
        json!({"secret_id_num_uses": 5, "secret_id_ttl": "10m", "token_bound_cidrs": "10.0.0.0/8"});
    role(&bench, "web", limits).await;
    for (body, text) in [
        (
            json!({"num_uses": 6}),
            "num_uses cannot be higher than the role's secret_id_num_uses",
        ),
        (
            json!({"num_uses": 0}),
            "num_uses cannot be higher than the role's secret_id_num_uses",
        ),
        (
            json!({"ttl": "11m"}),
            "ttl cannot be longer than the role's secret_id_ttl",
        ),
        (
            json!({"ttl": 0}),
            "ttl cannot be longer than the role's secret_id_ttl",
        ),
        (
            json!({"num_uses": -1}),
            "num_uses: expected a whole number of zero or more",
        ),
        (
            json!({"token_bound_cidrs": "11.0.0.0/8"}),
            "failed to verify subset relationship between CIDR blocks on the role and on the secret ID",
        ),
        (
            json!({"cidr_list": "canary"}),
            "failed to validate CIDR blocks: invalid CIDR address",
        ),
        (
            json!({"metadata": "canary"}),
            "failed to parse metadata: failed to parse the input: invalid <key,value> format",
        ),
    ] {
        assert_eq!(
            bench.write("role/web/secret-id", body).await.refusal(),
            (400, text)
        );
    }
    let made = bench
        .write("role/web/secret-id", json!({"num_uses": 4}))
        .await
        .data;
    assert_eq!(
        (&made["secret_id_num_uses"], &made["secret_id_ttl"]),
        (&json!(4), &json!(600))
    );
    let absent = bench.write("role/none/secret-id", json!({})).await;
    assert_eq!(absent.refusal(), (400, "role \"none\" does not exist"));
}

#[tokio::test]
async fn a_custom_secret_is_taken_once_a_role() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    role(&bench, "db", json!({})).await;
    let tiger = json!({"secret_id": "tiger"});
    assert_eq!(
        bench
            .write("role/web/custom-secret-id", tiger.clone())
            .await
            .data["secret_id"],
        "tiger"
    );
    assert_eq!(
        bench
            .write("role/web/custom-secret-id", tiger.clone())
            .await
            .status,
        400
    );
    assert_eq!(
        bench.write("role/db/custom-secret-id", tiger).await.status,
        200
    );
    assert_eq!(
        bench
            .write("role/web/custom-secret-id", json!({}))
            .await
            .refusal(),
        (400, "missing secret_id")
    );
    assert!(login(&bench, "web-id", "tiger").await.login.is_some());
}

#[tokio::test]
async fn a_role_made_again_does_not_honour_the_secrets_of_the_last() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    bench
        .write("role/web/custom-secret-id", json!({"secret_id": "tiger"}))
        .await;
    assert_eq!(bench.delete("role/web").await.status, 204);
    assert_eq!(login(&bench, "web-id", "tiger").await.refusal(), REFUSED);
    // Only the key and the decoy are left.
    assert_eq!(bench.keys().await, ["decoy", "key"]);
    role(&bench, "web", json!({})).await;
    assert_eq!(login(&bench, "web-id", "tiger").await.refusal(), REFUSED);
}

#[tokio::test]
async fn tidying_removes_what_expired_and_what_a_crash_left() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    for ttl in [60, 60, 0] {
        secret_id(&bench, "web", json!({"ttl": ttl})).await;
    }
    role(&bench, "lost", json!({})).await;
    secret_id(&bench, "lost", json!({})).await;
    // As if the process died between removing the role and its SecretIDs.
    let _applied = bench
        .view
        .commit(bench.view.batch().delete("role/lost"))
        .await
        .unwrap();
    bench.clock.advance(Duration::from_mins(2));
    let tidied = bench.write("tidy/secret-id", Value::Null).await;
    assert_eq!(
        tidied.warnings,
        ["Tidy operation finished: 3 SecretIDs removed."]
    );
    let left: Vec<_> = bench
        .keys()
        .await
        .into_iter()
        .filter(|key| key.starts_with("secret/"))
        .collect();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn forgotten_secrets_go_when_others_are_made() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    for _ in 0..40 {
        secret_id(&bench, "web", json!({"ttl": 60})).await;
    }
    bench.clock.advance(Duration::from_mins(2));
    for _ in 0..200 {
        secret_id(&bench, "web", json!({})).await;
    }
    let left = bench
        .keys()
        .await
        .iter()
        .filter(|key| key.starts_with("secret/"))
        .count();
    // 200 are alive. Each looks at what comes next in the order of random names, so that all but a few
    // of the others met one of them: ten are left once in a hundred million times.
    assert!((200..210).contains(&left), "{left}");
}

#[tokio::test]
async fn role_ids_are_unique_and_can_be_chosen() {
    let bench = approle().await;
    bench.write("role/web", json!({})).await;
    let random = bench.read("role/web/role-id").await.data["role_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(random.len(), 36);
    assert_eq!(
        bench
            .write("role/web/role-id", json!({"role_id": "fixed"}))
            .await
            .status,
        204
    );
    bench
        .write("role/web/custom-secret-id", json!({"secret_id": "tiger"}))
        .await;
    assert!(login(&bench, "fixed", "tiger").await.login.is_some());
    assert_eq!(login(&bench, &random, "tiger").await.refusal(), REFUSED);
    let taken = (400, "role_id already in use");
    assert_eq!(
        bench
            .write("role/db", json!({"role_id": "fixed"}))
            .await
            .refusal(),
        taken
    );
    bench.write("role/db", json!({})).await;
    assert_eq!(
        bench
            .write("role/db/role-id", json!({"role_id": "fixed"}))
            .await
            .refusal(),
        taken
    );
    // A freed RoleID can be taken.
    assert_eq!(
        bench
            .write("role/db/role-id", json!({"role_id": random}))
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn role_names_have_one_case_and_no_strange_letters() {
    let bench = approle().await;
    bench.write("role/Web", json!({})).await;
    assert_eq!(bench.read("role/WEB").await.status, 200);
    assert_eq!(bench.list("role").await.data["keys"], json!(["web"]));
    for bad in ["w%20x", ".x", "x.", "x-", "w%D0%BEb", "a*b"] {
        assert_eq!(
            bench
                .write(&format!("role/{bad}"), json!({}))
                .await
                .refusal(),
            (404, "unsupported path"),
            "{bad}"
        );
    }
    assert_eq!(bench.write("role/x.-_y", json!({})).await.status, 204);
}

#[tokio::test]
async fn settings_that_break_a_rule_are_refused() {
    let bench = approle().await;
    role(&bench, "web", json!({"token_period": 60})).await;
    for (body, text) in [
        (
            json!({"token_ttl": "2h", "token_max_ttl": "1h"}),
            "'token_ttl' cannot be greater than 'token_max_ttl'",
        ),
        (
            json!({"token_ttl": "canary"}),
            "token_ttl: expected a duration",
        ),
        (
            json!({"token_type": "batch"}),
            "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens",
        ),
        (
            json!({"token_type": "canary"}),
            "invalid 'token_type' value",
        ),
        (
            json!({"local_secret_ids": true}),
            "local_secret_ids can only be modified during role creation",
        ),
        (
            json!({"role_id": ""}),
            "invalid role_id supplied, or failed to generate a role_id",
        ),
        (
            json!({"token_policies": "root"}),
            "token_policies: the name of the root policy is reserved",
        ),
        (
            json!({"token_policies": "ROOT"}),
            "token_policies: the name of the root policy is reserved",
        ),
        (
            json!({"period": "9999h"}),
            "period of \"9999h0m0s\" is greater than the backend's maximum lease TTL of \"768h0m0s\"",
        ),
        (
            json!({"token_bound_cidrs": "canary"}),
            "token_bound_cidrs: expected addresses or CIDR blocks",
        ),
    ] {
        let refused = bench.write("role/web", body).await;
        let (status, said) = refused.refusal();
        assert!(
            status == 400 && said.starts_with(text) && !said.contains("canary"),
            "{said}"
        );
    }
    let adjusted = bench
        .write("role/web", json!({"token_type": "default-service"}))
        .await;
    assert_eq!((adjusted.status, adjusted.warnings.len()), (200, 1));
    let long = bench
        .write("role/web", json!({"token_max_ttl": "9999h"}))
        .await;
    assert_eq!((long.status, long.warnings.len()), (200, 1));
}

#[tokio::test]
async fn every_field_has_its_own_endpoint() {
    let bench = approle().await;
    role(&bench, "web", json!({})).await;
    for (path, field, value, default) in [
        ("policies", "token_policies", json!(["p", "q"]), json!([])),
        ("bind-secret-id", "bind_secret_id", json!(true), json!(true)),
        (
            "secret-id-bound-cidrs",
            "secret_id_bound_cidrs",
            json!(["10.0.0.0/8"]),
            Value::Null,
        ),
        (
            "bound-cidr-list",
            "bound_cidr_list",
            json!(["10.0.0.0/8"]),
            Value::Null,
        ),
        (
            "secret-id-num-uses",
            "secret_id_num_uses",
            json!(5),
            json!(0),
        ),
        ("secret-id-ttl", "secret_id_ttl", json!(300), json!(0)),
        (
            "token-bound-cidrs",
            "token_bound_cidrs",
            json!(["10.0.0.1"]),
            Value::Null,
        ),
        ("token-num-uses", "token_num_uses", json!(4), json!(0)),
        ("token-max-ttl", "token_max_ttl", json!(600), json!(0)),
        ("token-ttl", "token_ttl", json!(300), json!(0)),
        ("period", "token_period", json!(300), json!(0)),
    ] {
        let path = format!("role/web/{path}");
        assert_eq!(
            bench.write(&path, json!({field: value})).await.status,
            204,
            "{path}"
        );
        assert_eq!(
            bench.read(&path).await.data,
            json!({field: value}),
            "{path}"
        );
        assert_eq!(bench.delete(&path).await.status, 204, "{path}");
        assert_eq!(
            bench.read(&path).await.data,
            json!({field: default}),
            "{path}"
        );
        let none = path.replace("web", "none");
        assert_eq!(bench.read(&none).await.refusal(), (404, ""));
        assert_eq!(bench.delete(&none).await.status, 204);
        assert_eq!(
            bench.write(&none, json!({field: value})).await.refusal(),
            (404, "unsupported path")
        );
    }
    assert_eq!(
        bench.read("role/web/local-secret-ids").await.data,
        json!({"local_secret_ids": false})
    );
    assert_eq!(
        bench.write("role/web/token-ttl", json!({})).await.refusal(),
        (400, "missing token_ttl")
    );
    let bad = bench
        .write("role/web/token-ttl", json!({"token_ttl": "canary"}))
        .await;
    assert!(
        bad.refusal().1.starts_with("token_ttl: expected"),
        "{bad:?}"
    );
    // The old names are shown when they were used.
    bench
        .write("role/web/policies", json!({"policies": "p"}))
        .await;
    assert_eq!(
        bench.read("role/web/policies").await.data,
        json!({"token_policies": ["p"], "policies": ["p"]})
    );
}

#[tokio::test]
async fn a_renewal_follows_the_role_as_it_is_now() {
    let bench = approle().await;
    role(&bench, "web", json!({"token_ttl": 60})).await;
    let (secret, _) = secret_id(&bench, "web", json!({})).await;
    let login = login(&bench, "web-id", &secret).await.login.unwrap();
    let mut entry = token("cafe");
    entry.binding = login.binding;
    role(&bench, "web", json!({"token_ttl": 90})).await;
    let renewed = bench.engine.renew(&bench.view, &entry).await.unwrap();
    assert_eq!(renewed.ttl, Some(Duration::from_secs(90)));
    bench.delete("role/web").await;
    assert!(bench.engine.renew(&bench.view, &entry).await.is_err());
}

#[tokio::test]
async fn only_the_login_is_open_to_everybody() {
    use cofferdam_core::engine::Access;
    let open: Vec<_> = Engine::routes(&AppRole::default())
        .into_iter()
        .filter(|route| route.access != Access::Token)
        .map(|route| (route.pattern, route.access, route.verb))
        .collect();
    assert_eq!(open, [("login", Access::Anonymous, Verb::Write)]);
}
