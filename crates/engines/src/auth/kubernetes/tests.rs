//! Kubernetes, at a stand-in for the cluster that speaks as the API server does.

use super::Kubernetes;
use crate::harness::{Answer, Bench};
use crate::same_as_openbao::check_with;
use crate::same_as_openbao::exchange::kubernetes::logins;
use crate::same_as_openbao::exchange::server::Bao;
use crate::same_as_openbao::exchange::signer::Signer;
use crate::stand_in::{Heard, StandIn, respond};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The API server of a cluster.
struct Cluster {
    server: StandIn,
    signer: Signer,
    /// Its tokens: whose they are, and the audiences they are good for.
    tokens: BTreeMap<&'static str, String>,
    /// The last review that was asked for.
    asked: Arc<Mutex<Value>>,
}

/// The cluster said nothing about the token.
const AWAY: (u16, &str) = (
    500,
    "the cluster cannot be asked about the token; try again",
);

/// Long ago, and not for a long time.
const PAST: i64 = 1_700_000_000;
const END: i64 = 4_000_000_000;

fn projected(namespace: &str, name: &str, uid: &str, audiences: Value) -> Value {
    json!({
        "iss": "https://kubernetes.default.svc.cluster.local", "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "aud": audiences, "iat": PAST, "nbf": PAST, "exp": END,
        "kubernetes.io": {
            "namespace": namespace, "serviceaccount": {"name": name, "uid": uid}, "pod": {"name": "web-0", "uid": "p-1"},
        },
    })
}

fn legacy(namespace: &str, name: &str, uid: &str) -> Value {
    let long = |name: &str| format!("kubernetes.io/serviceaccount/{name}");
    json!({
        "iss": "kubernetes/serviceaccount", "sub": format!("system:serviceaccount:{namespace}:{name}"),
        long("namespace"): namespace, long("secret.name"): "web-token-x", long("service-account.name"): name,
        long("service-account.uid"): uid,
    })
}

impl Cluster {
    fn start() -> Self {
        let signer = Signer::rsa();
        let (api, both) = (json!(["api"]), json!(["api", "vault"]));
        let sign = |claims: Value| signer.plain(&claims);
        let mut expired = projected("shop", "web", "u-1", both.clone());
        expired["exp"] = json!(PAST + 1);
        let tokens = BTreeMap::from([
            ("web", sign(projected("shop", "web", "u-1", both.clone()))),
            ("legacy", sign(legacy("shop", "web", "u-1"))),
            (
                "cluster-only",
                sign(projected("shop", "web", "u-1", api.clone())),
            ),
            (
                "other-name",
                sign(projected("shop", "api", "u-2", both.clone())),
            ),
            (
                "other-namespace",
                sign(projected("office", "web", "u-3", both.clone())),
            ),
            (
                "deleted",
                sign(projected("shop", "gone", "u-4", both.clone())),
            ),
            (
                "made-again",
                sign(projected("shop", "again", "u-5", both.clone())),
            ),
            (
                "person",
                sign(projected("shop", "person", "u-6", both.clone())),
            ),
            ("expired", sign(expired)),
            (
                "stranger",
                Signer::rsa().plain(&projected("shop", "stranger", "u-7", both)),
            ),
            (
                "no-account",
                sign(json!({"sub": "x", "iat": PAST, "exp": END, "aud": "api"})),
            ),
        ]);
        let user = |name: &str, uid: &str| json!({"username": name, "uid": uid, "groups": ["system:authenticated"]});
        let account = |namespace: &str, name: &str, uid: &str| {
            user(&format!("system:serviceaccount:{namespace}:{name}"), uid)
        };
        let known = [
            (
                "web",
                account("shop", "web", "u-1"),
                json!(["api", "vault"]),
            ),
            ("legacy", account("shop", "web", "u-1"), api.clone()),
            ("cluster-only", account("shop", "web", "u-1"), api),
            (
                "other-name",
                account("shop", "api", "u-2"),
                json!(["api", "vault"]),
            ),
            (
                "other-namespace",
                account("office", "web", "u-3"),
                json!(["api", "vault"]),
            ),
            // Made again under its name.
            (
                "made-again",
                account("shop", "again", "u-55"),
                json!(["api", "vault"]),
            ),
            (
                "person",
                user("system:person:shop:person", "u-6"),
                json!(["api", "vault"]),
            ),
        ];
        let known: BTreeMap<String, (Value, Value)> = known
            .into_iter()
            .map(|(name, user, audiences)| (tokens[name].clone(), (user, audiences)))
            .collect();
        let asked = Arc::new(Mutex::new(Value::Null));
        let last = Arc::clone(&asked);
        let server = StandIn::secure("127.0.0.1", move |heard, to| {
            answer(heard, to, &known, &last)
        });
        Self {
            server,
            signer,
            tokens,
            asked,
        }
    }

    async fn mount(&self, settings: Value) -> Bench {
        let bench = Bench::new(Kubernetes::default(), &[]).await;
        let mut config = json!({
            "kubernetes_host": self.server.url(""), "kubernetes_ca_cert": self.server.ca, "token_reviewer_jwt": "reviewer",
            "disable_local_ca_jwt": true,
        });
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        let set = bench.write("config", config).await;
        assert_eq!(set.status, 204, "{set:?}");
        let role =
            json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*"});
        assert_eq!(bench.write("role/any", role).await.status, 204);
        bench
    }

    async fn login(&self, bench: &Bench, name: &str) -> Answer {
        bench
            .write("login", json!({"role": "any", "jwt": self.tokens[name]}))
            .await
    }
}

/// As kube-apiserver answers.
fn answer(
    heard: &Heard,
    to: &mut dyn Write,
    known: &BTreeMap<String, (Value, Value)>,
    last: &Mutex<Value>,
) {
    assert!(
        heard
            .head
            .starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1\r\n"),
        "{}",
        heard.head
    );
    let head = heard.head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    let review: Value = serde_json::from_str(&heard.body).unwrap();
    *last.lock().unwrap() = review.clone();
    let token = review["spec"]["token"].as_str().unwrap();
    // The reviewer may ask, and a token about itself.
    let bearer = format!("authorization: bearer {}", token.to_ascii_lowercase());
    if !head.contains("authorization: bearer reviewer\r\n") && !head.contains(&bearer) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401});
        return respond(to, "401 Unauthorized", &status.to_string());
    }
    let refused = |why: &str| json!({"user": {}, "error": why});
    let status = match known.get(token) {
        None => refused("[invalid bearer token, service account token has been invalidated]"),
        Some((user, good)) => {
            let wanted = review["spec"]["audiences"]
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![json!("api")]);
            let both: Vec<_> = wanted
                .iter()
                .filter(|one| good.as_array().unwrap().contains(one))
                .collect();
            match both.is_empty() {
                true => refused(
                    "[invalid bearer token, token audiences is invalid for the target audiences]",
                ),
                false => json!({"authenticated": true, "user": user, "audiences": both}),
            }
        }
    };
    let answer = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {"creationTimestamp": null},
        "spec": review["spec"], "status": status,
    });
    respond(to, "201 Created", &answer.to_string());
}

#[test]
fn logins_answer_as_openbao_does() {
    let (bao, cluster) = (Bao::start(), Cluster::start());
    let (status, _) = bao.ask("POST", "sys/auth/k8s", &json!({"type": "kubernetes"}));
    assert_eq!(status, 204);
    let script = logins(
        &cluster.server.url(""),
        &cluster.server.ca,
        &cluster.signer,
        |name| cluster.tokens[name].clone(),
    );
    check_with(&bao, Kubernetes::default(), &[], "auth/k8s", script);
}

#[tokio::test]
async fn a_pod_is_known_by_what_the_cluster_says() {
    let cluster = Cluster::start();
    let bench = cluster.mount(json!({})).await;
    let login = cluster.login(&bench, "web").await.login.unwrap();
    assert_eq!(login.display_name, "shop-web");
    assert_eq!(login.metadata["service_account_uid"], "u-1");
    assert_eq!(login.alias.as_ref().unwrap().name, "u-1");
    let by_name = json!({"alias_name_source": "serviceaccount_name"});
    assert_eq!(bench.write("role/any", by_name).await.status, 204);
    let login = cluster.login(&bench, "web").await.login.unwrap();
    assert_eq!(login.alias.as_ref().unwrap().name, "shop/web");
    let asked = cluster.asked.lock().unwrap().clone();
    assert_eq!(
        (&asked["kind"], &asked["apiVersion"]),
        (&json!("TokenReview"), &json!("authentication.k8s.io/v1"))
    );
    assert_eq!(asked["spec"]["audiences"], json!(["api", "vault"]));
    let login = cluster.login(&bench, "legacy").await.login.unwrap();
    assert_eq!(login.metadata["service_account_secret_name"], "web-token-x");
    // Without a reviewer the token asks about itself.
    let bench = cluster.mount(json!({"token_reviewer_jwt": ""})).await;
    assert!(cluster.login(&bench, "web").await.login.is_some());
    let bench = cluster.mount(json!({"token_reviewer_jwt": "nobody"})).await;
    assert_eq!(cluster.login(&bench, "web").await.refusal(), AWAY);
}

#[tokio::test]
async fn a_cluster_that_is_away_refuses_nobody_and_tells_nothing_of_a_role() {
    let cluster = Cluster::start();
    let bench = cluster.mount(json!({})).await;
    let narrow = json!({"bound_service_account_names": "web", "bound_service_account_namespaces": "shop", "audience": "vault"});
    assert_eq!(bench.write("role/any", narrow).await.status, 204);
    let denied = (403, "permission denied");
    let known = ["web", "other-name", "other-namespace", "cluster-only"];
    let there = known.map(|name| (name, name == "web"));
    for (name, good) in there {
        assert_eq!(
            cluster.login(&bench, name).await.login.is_some(),
            good,
            "{name}"
        );
    }
    // Whether an unsigned claim fits the role is told by no status.
    for status in ["500 x", "502 Bad Gateway", "503 x", "429 Too Many Requests"] {
        cluster
            .server
            .answers(move |_, to| respond(to, status, "{}"));
        for name in known {
            let answer = cluster.login(&bench, name).await;
            assert_eq!(answer.refusal(), AWAY, "{status} {name}");
        }
        // A token that is good for nothing anywhere is refused without asking.
        let asked = cluster.server.asked();
        assert_eq!(cluster.login(&bench, "expired").await.refusal(), denied);
        assert_eq!(cluster.server.asked(), asked);
    }
    // What the caller can bring about is a refusal.
    for status in ["400 Bad Request", "413 x", "422 x", "431 x"] {
        cluster
            .server
            .answers(move |_, to| respond(to, status, "{}"));
        let answer = cluster.login(&bench, "web").await;
        assert_eq!(answer.refusal(), denied, "{status}");
    }
    // Nobody there at all, and a reviewer whose time is over.
    cluster.server.answers(|_, _| {});
    assert_eq!(cluster.login(&bench, "web").await.refusal(), AWAY);
    let gone = cluster
        .mount(json!({"kubernetes_host": "https://127.0.0.1:1"}))
        .await;
    assert_eq!(cluster.login(&gone, "web").await.refusal(), AWAY);
    cluster
        .server
        .answers(|_, to| respond(to, "401 Unauthorized", "{}"));
    assert_eq!(cluster.login(&bench, "web").await.refusal(), AWAY);
    // Without a reviewer that was the word on the token.
    let own = cluster.mount(json!({"token_reviewer_jwt": ""})).await;
    assert_eq!(cluster.login(&own, "web").await.refusal(), denied);
}

#[tokio::test]
async fn with_keys_a_strange_token_never_reaches_the_cluster() {
    let cluster = Cluster::start();
    let bench = cluster
        .mount(json!({"pem_keys": cluster.signer.pem()}))
        .await;
    assert!(cluster.login(&bench, "web").await.login.is_some());
    let asked = cluster.server.asked();
    let denied = (403, "permission denied");
    for name in ["stranger", "expired", "no-account"] {
        assert_eq!(
            cluster.login(&bench, name).await.refusal(),
            denied,
            "{name}"
        );
    }
    for bad in [
        "x",
        "a.b.c",
        &cluster.tokens["web"][1..],
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        let answer = bench
            .write("login", json!({"role": "any", "jwt": bad}))
            .await;
        assert_eq!(answer.refusal(), denied);
    }
    assert_eq!(cluster.server.asked(), asked);
    // Without keys it is the cluster's to say.
    let bench = cluster.mount(json!({})).await;
    assert_eq!(cluster.login(&bench, "stranger").await.refusal(), denied);
    assert_eq!(cluster.server.asked(), asked + 1);
}

#[tokio::test]
async fn an_issuer_is_held_to_where_that_is_asked_for() {
    let cluster = Cluster::start();
    for (issuer, good) in [
        ("https://kubernetes.default.svc.cluster.local", true),
        ("https://other.example", false),
        ("", false),
    ] {
        let bench = cluster
            .mount(json!({"issuer": issuer, "disable_iss_validation": false}))
            .await;
        assert_eq!(
            cluster.login(&bench, "web").await.login.is_some(),
            good,
            "{issuer}"
        );
    }
    let bench = cluster
        .mount(json!({"issuer": "", "disable_iss_validation": false}))
        .await;
    assert!(
        cluster.login(&bench, "legacy").await.login.is_some(),
        "the issuer of old clusters"
    );
}

#[tokio::test]
async fn what_is_no_review_vouches_for_nobody() {
    let cluster = Cluster::start();
    let bench = cluster.mount(json!({})).await;
    let user = json!({"username": "system:serviceaccount:shop:web", "uid": "u-1"});
    let review = |status: Value| json!({"kind": "TokenReview", "status": status}).to_string();
    let answers = [
        ("201 Created", review(json!({"authenticated": true, "user": user, "audiences": ["api"]})), true),
        ("200 OK", review(json!({"authenticated": true, "user": user, "audiences": ["vault"]})), true),
        ("201 Created", review(json!({"authenticated": false, "user": user, "audiences": ["api"]})), false),
        ("201 Created", review(json!({"user": user, "audiences": ["api"]})), false),
        ("201 Created", review(json!({"authenticated": true, "user": user, "audiences": ["api"], "error": "x"})), false),
        ("201 Created", review(json!({"authenticated": true, "user": user, "audiences": ["other"]})), false),
        ("201 Created", review(json!({"authenticated": true, "user": user})), false),
        ("201 Created", review(json!({"authenticated": true, "user": {"username": "system:serviceaccount:shop:web:x", "uid": "u-1"}, "audiences": ["api"]})), false),
        ("201 Created", review(json!({"authenticated": true, "user": {"username": "system:node:shop:web", "uid": "u-1"}, "audiences": ["api"]})), false),
        ("201 Created", review(json!({"authenticated": true, "user": {"username": "system:serviceaccount:shop:web"}, "audiences": ["api"]})), false),
        ("201 Created", review(json!({"authenticated": "true", "user": user, "audiences": ["api"]})), false),
        ("201 Created", json!({"kind": "Status", "status": {"authenticated": true, "user": user, "audiences": ["api"]}}).to_string(), false),
        ("404 Not Found", review(json!({"authenticated": true, "user": user, "audiences": ["api"]})), false),
        ("400 Bad Request", "{}".to_owned(), false),
        ("201 Created", "x".repeat(1 << 20), false),
        ("201 Created", "[]".to_owned(), false),
    ];
    for (status, body, good) in answers {
        let shown: String = body.chars().take(150).collect();
        cluster
            .server
            .answers(move |_, to| respond(to, status, &body));
        let login = cluster.login(&bench, "web").await;
        assert_eq!(login.login.is_some(), good, "{status} {shown}");
        if !good {
            assert_eq!(login.refusal(), (403, "permission denied"));
        }
    }
    cluster.server.answers(|_, to| {
        let _ = to.write_all(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n");
    });
    assert_eq!(
        cluster.login(&bench, "web").await.refusal(),
        (403, "permission denied")
    );
}

/// AUTH-7: a review that comes too late, or not at all, is none; the login is not kept waiting for it.
#[tokio::test]
async fn a_review_that_comes_late_vouches_for_nobody() {
    let cluster = Cluster::start();
    let bench = cluster.mount(json!({})).await;
    assert!(cluster.login(&bench, "web").await.login.is_some());
    cluster.server.answers(|_, to| {
        // A good one begins, and its end is long in coming.
        let _ = to.write_all(
            b"HTTP/1.1 201 Created\r\nContent-Length: 9000\r\n\r\n{\"kind\":\"TokenReview\",",
        );
        crate::stand_in::sleep(60);
    });
    let begun = std::time::Instant::now();
    let late = cluster.login(&bench, "web").await;
    assert!(late.login.is_none());
    // Nobody's fault but the cluster's.
    let away = "the cluster cannot be asked about the token; try again";
    assert_eq!(late.refusal(), (500, away));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_cluster_is_held_to_its_ca() {
    let (cluster, other) = (Cluster::start(), Cluster::start());
    let bench = cluster
        .mount(json!({"kubernetes_ca_cert": other.server.ca}))
        .await;
    assert_eq!(cluster.login(&bench, "web").await.refusal(), AWAY);
    assert_eq!(cluster.server.asked(), 0, "the token did not leave");
    for bad in [
        json!({"kubernetes_ca_cert": "none"}),
        json!({"kubernetes_host": "http://10.0.0.1"}),
        json!({"kubernetes_host": "https://a@b"}),
    ] {
        let mut settings =
            json!({"kubernetes_host": "https://10.0.0.1", "kubernetes_ca_cert": cluster.server.ca});
        for (name, value) in bad.as_object().unwrap() {
            settings[name] = value.clone();
        }
        assert_eq!(bench.write("config", settings).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_token_is_renewed_by_the_role_as_it_is() {
    let cluster = Cluster::start();
    let bench = cluster.mount(json!({})).await;
    let login = cluster.login(&bench, "web").await.login.unwrap();
    let mut entry = crate::harness::token("a1");
    entry.binding = login.binding;
    assert_eq!(
        bench
            .write("role/any", json!({"token_ttl": "7m"}))
            .await
            .status,
        204
    );
    let renewed = bench.engine.renew(&bench.view, &entry).await.unwrap();
    assert_eq!(renewed.ttl, Some(Duration::from_mins(7)));
    bench.delete("role/any").await;
    assert!(bench.engine.renew(&bench.view, &entry).await.is_err());
}
