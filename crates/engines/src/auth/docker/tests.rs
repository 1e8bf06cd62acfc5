//! The Docker method, request by request.

use super::Docker;
use crate::harness::{Answer, Bench, token};
use cofferdam_core::token::Entry;
use cofferdam_core::{Caller, Login};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const NONE: (u16, &str) = (400, "no role matches the container");

fn sum(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn digest(digit: char) -> String {
    format!("sha256:{}", sum(digit))
}

/// Service `web` of the Compose project `shop`, image `a`.
fn web() -> Value {
    json!({
        "container": sum('1'), "name": "shop-web-1", "image_id": digest('a'),
        "image_digests": [format!("registry.example/web@{}", digest('b'))],
        "labels": {"tier": "front", "team": "shop"},
        "compose_project": "shop", "compose_service": "web",
    })
}

/// The same container with one thing changed.
fn but(field: &str, value: Value) -> Value {
    let mut container = web();
    container[field] = value;
    container
}

async fn bench() -> Bench {
    let mut bench = Bench::new(Docker::default(), &[]).await;
    bench.caller = Caller::Local { uid: 0 };
    bench
}

async fn role(bench: &Bench, name: &str, settings: Value) -> Answer {
    bench.write(&format!("role/{name}"), settings).await
}

async fn attest(bench: &Bench, container: Value) -> Answer {
    bench.write("attest", container).await
}

async fn granted(bench: &Bench, container: Value) -> Login {
    let answer = attest(bench, container).await;
    answer
        .login
        .unwrap_or_else(|| panic!("{:?}", answer.errors))
}

/// A host's own token.
fn host(name: Option<&str>) -> Caller {
    let mut entry = token("h0st");
    entry
        .metadata
        .extend(name.map(|name| ("host".to_owned(), name.to_owned())));
    Caller::Token(Arc::new(entry))
}

#[tokio::test]
async fn the_token_is_what_the_role_says_and_names_the_container() {
    let bench = bench().await;
    let settings = json!({
        "bound_image_ids": digest('a'), "token_policies": "web", "token_ttl": "20m",
        "token_max_ttl": "1h", "token_no_default_policy": true,
    });
    assert_eq!(role(&bench, "Web", settings).await.status, 204);
    let login = granted(&bench, web()).await;
    assert_eq!(login.policies, ["web"]);
    assert_eq!(login.ttl, Some(Duration::from_mins(20)));
    assert_eq!(login.max_ttl, Some(Duration::from_hours(1)));
    assert!(login.no_default_policy);
    assert_eq!(login.display_name, "shop-web-1");
    let shown: Value = serde_json::to_value(&login.metadata).unwrap();
    assert_eq!(
        shown,
        json!({
            "role": "web", "host": "local", "container_id": sum('1'), "container_name": "shop-web-1",
            "image_id": digest('a'), "image_digest": format!("registry.example/web@{}", digest('b')),
            "compose_project": "shop", "compose_service": "web",
        })
    );
}

#[tokio::test]
async fn a_token_of_a_role_without_a_lifetime_ends_soon_after_a_dead_host() {
    let bench = bench().await;
    role(&bench, "web", json!({"bound_image_ids": digest('a')})).await;
    let ttl = granted(&bench, web()).await.ttl;
    assert_eq!(ttl, Some(Duration::from_mins(15)));
}

/// Each bound admits the container that has it and none that has another.
#[tokio::test]
async fn every_bound_is_needed_and_compared_whole() {
    let cases = [
        (
            json!({"bound_image_ids": digest('a')}),
            "image_id",
            json!(digest('c')),
        ),
        (
            json!({"bound_image_digests": digest('b')}),
            "image_digests",
            json!([format!("registry.example/web@{}", digest('c'))]),
        ),
        (
            json!({"bound_image_digests": format!("registry.example/web@{}", digest('b'))}),
            "image_digests",
            json!([format!("registry.evil/web@{}", digest('b'))]),
        ),
        (
            json!({"bound_image_digests": digest('b')}),
            "image_digests",
            json!([]),
        ),
        (
            json!({"bound_labels": "tier=front"}),
            "labels",
            json!({"tier": "frontend"}),
        ),
        (
            json!({"bound_labels": {"tier": "front", "team": "shop"}}),
            "labels",
            json!({"tier": "front"}),
        ),
        (
            json!({"bound_compose_projects": "shop"}),
            "compose_project",
            json!("shop2"),
        ),
        (
            json!({"bound_compose_projects": "shop"}),
            "compose_project",
            json!(""),
        ),
        (
            json!({"bound_compose_projects": "shop"}),
            "compose_project",
            json!("SHOP"),
        ),
        (
            json!({"bound_compose_projects": "shop", "bound_compose_services": "web,api"}),
            "compose_service",
            json!("db"),
        ),
    ];
    for (settings, field, other) in cases {
        let bench = bench().await;
        assert_eq!(
            role(&bench, "web", settings.clone()).await.status,
            204,
            "{settings}"
        );
        granted(&bench, web()).await;
        let refused = attest(&bench, but(field, other.clone())).await;
        assert_eq!(refused.refusal(), NONE, "{settings} for {field} = {other}");
    }
    let bench = bench().await;
    role(&bench, "db", json!({"bound_swarm_services": "db"})).await;
    assert_eq!(attest(&bench, web()).await.refusal(), NONE);
    granted(&bench, but("swarm_service", json!("db"))).await;
}

#[tokio::test]
async fn a_pattern_is_no_pattern() {
    let bench = bench().await;
    let settings = json!({"bound_compose_projects": "*,sho+,shop*", "bound_labels": "tier=*"});
    role(&bench, "web", settings).await;
    assert_eq!(attest(&bench, web()).await.refusal(), NONE);
}

#[tokio::test]
async fn a_role_that_would_admit_every_container_is_refused() {
    let bench = bench().await;
    for settings in [
        json!({"token_policies": "web"}),
        json!({"bound_hosts": "local"}),
        json!({"bound_labels": {}, "bound_image_ids": ""}),
    ] {
        let (status, text) = (400, "at least one of bound_image_ids");
        let refused = role(&bench, "web", settings.clone()).await;
        assert_eq!(refused.status, status, "{settings}");
        assert!(refused.refusal().1.starts_with(text), "{settings}");
    }
    for (settings, text) in [
        (
            json!({"bound_compose_services": "web", "bound_labels": "a=b"}),
            "bound_compose_services needs",
        ),
        (
            json!({"bound_image_ids": "shop:latest"}),
            "bound_image_ids: expected sha256:",
        ),
        (
            json!({"bound_image_digests": "shop@sha256:abc"}),
            "bound_image_digests: expected",
        ),
        (
            json!({"bound_labels": "a=b", "token_num_uses": 3}),
            "token_num_uses: the host keeps",
        ),
        (
            json!({"bound_labels": "a=b", "token_policies": "root"}),
            "token_policies: ",
        ),
        (
            json!({"bound_labels": "a=b", "token_type": "batch"}),
            "token_type: batch",
        ),
    ] {
        let refused = role(&bench, "web", settings.clone()).await;
        assert_eq!(refused.status, 400, "{settings}");
        assert!(
            refused.refusal().1.starts_with(text),
            "{settings}: {:?}",
            refused.errors
        );
    }
    assert_eq!(bench.list("role").await.status, 404, "none was made");
    // Nor can a bound be taken away until nothing is left.
    role(&bench, "web", json!({"bound_labels": "tier=front"})).await;
    assert_eq!(
        role(&bench, "web", json!({"bound_labels": ""}))
            .await
            .status,
        400
    );
    granted(&bench, web()).await;
}

#[tokio::test]
async fn of_several_roles_the_container_chooses_among_those_that_are_for_it() {
    let bench = bench().await;
    role(&bench, "a", json!({"bound_image_ids": digest('a')})).await;
    role(&bench, "b", json!({"bound_compose_projects": "shop"})).await;
    role(&bench, "other", json!({"bound_image_ids": digest('f')})).await;
    let several = (
        400,
        "several roles match the container (a, b): choose one with the container's label cofferdam.role",
    );
    assert_eq!(attest(&bench, web()).await.refusal(), several);
    let chosen = |role: &str| but("labels", json!({"cofferdam.role": role}));
    assert_eq!(granted(&bench, chosen("B")).await.metadata["role"], "b");
    // A choice is no claim.
    for wish in ["other", "", "../a", "nobody"] {
        assert_eq!(attest(&bench, chosen(wish)).await.status, 400, "{wish}");
    }
}

#[tokio::test]
async fn a_host_attests_for_its_own_containers_only() {
    let mut bench = bench().await;
    let settings = json!({"bound_image_ids": digest('a'), "bound_hosts": "east,local"});
    role(&bench, "web", settings).await;
    assert_eq!(granted(&bench, web()).await.metadata["host"], "local");
    bench.caller = host(Some("east"));
    assert_eq!(granted(&bench, web()).await.metadata["host"], "east");
    for other in [Some("west"), Some(""), None] {
        bench.caller = host(other);
        assert_eq!(attest(&bench, web()).await.refusal(), NONE, "{other:?}");
    }
    // The request says nothing about it, and a token does not make its host the local one.
    let mut claimed = web();
    claimed["host"] = json!("east");
    assert_eq!(attest(&bench, claimed).await.refusal(), NONE);
    bench.caller = host(Some("local"));
    assert_eq!(attest(&bench, web()).await.status, 400);
    bench.caller = Caller::Anonymous;
    assert_eq!(attest(&bench, web()).await.status, 403);
}

#[tokio::test]
async fn what_no_engine_would_say_is_refused() {
    let bench = bench().await;
    role(
        &bench,
        "web",
        json!({"bound_labels": {"tier": "front", "team": "shop"}}),
    )
    .await;
    granted(&bench, web()).await;
    for (field, value) in [
        ("container", json!("")),
        (
            "container",
            json!(sum('1').to_uppercase().replace('1', "A")),
        ),
        ("container", json!(format!("{}/", sum('1')))),
        ("container", json!([sum('1')])),
        ("image_id", json!("shop:latest")),
        ("image_id", json!(sum('a'))),
        ("image_digests", json!(["shop:latest"])),
        ("image_digests", json!("*")),
        (
            "image_digests",
            json!(vec![format!("w@{}", digest('b')); 65]),
        ),
        ("name", json!("web\nroot")),
        ("name", json!("w".repeat(513))),
        ("compose_project", json!("shop\u{0}")),
        ("labels", json!({"tier\u{1b}": "front"})),
        ("labels", json!({"big": "x".repeat(65 << 10)})),
        ("labels", json!("tier=front")),
    ] {
        let refused = attest(&bench, but(field, value)).await;
        assert_eq!(refused.status, 400, "{field}: {:?}", refused.errors);
        assert!(refused.login.is_none());
        assert!(
            refused.refusal().1.contains(field),
            "{field}: {:?}",
            refused.errors
        );
    }
}

/// The token that a login became, as the store keeps it.
fn issued(login: &Login) -> Entry {
    Entry {
        metadata: login.metadata.clone(),
        binding: login.binding.clone(),
        ..token("c0nt")
    }
}

#[tokio::test]
async fn a_renewal_asks_the_role_again() {
    let bench = bench().await;
    let settings =
        json!({"bound_labels": "tier=front", "token_policies": "web", "token_ttl": "10m"});
    role(&bench, "web", settings).await;
    let token = issued(&granted(&bench, web()).await);
    role(&bench, "web", json!({"token_ttl": "5m"})).await;
    let renewed = bench.engine.renew(&bench.view, &token).await.unwrap();
    assert_eq!(renewed.ttl, Some(Duration::from_mins(5)));
    role(&bench, "web", json!({"token_ttl": 0})).await;
    let renewed = bench.engine.renew(&bench.view, &token).await.unwrap();
    assert_eq!(renewed.ttl, Some(Duration::from_mins(15)));
    // The role is for others now: a new image, say.
    role(&bench, "web", json!({"bound_image_ids": digest('f')})).await;
    let refused = bench.engine.renew(&bench.view, &token).await.unwrap_err();
    assert!(refused.public().contains("not for its container any more"));
    bench.delete("role/web").await;
    assert!(bench.engine.renew(&bench.view, &token).await.is_err());
}

#[tokio::test]
async fn of_the_labels_only_those_the_role_asks_for_are_kept() {
    let bench = bench().await;
    role(&bench, "web", json!({"bound_labels": "tier=front"})).await;
    let login = granted(
        &bench,
        but("labels", json!({"tier": "front", "note": "canary-note"})),
    )
    .await;
    let kept = format!("{:?} {:?}", login.binding, login.metadata);
    assert!(
        kept.contains("front") && !kept.contains("canary-note"),
        "{kept}"
    );
}

#[tokio::test]
async fn roles_are_shown_listed_and_removed() {
    let bench = bench().await;
    let settings = json!({
        "bound_labels": {"b": "2", "a": "1"}, "bound_hosts": ["east"], "token_policies": "web",
        "token_period": "1h",
    });
    role(&bench, "web", settings).await;
    let shown = bench.read("role/WEB").await.data;
    assert_eq!(shown["bound_labels"], json!({"a": "1", "b": "2"}));
    assert_eq!(shown["bound_hosts"], json!(["east"]));
    assert_eq!(shown["bound_image_ids"], json!([]));
    assert_eq!(shown["token_period"], json!(3600));
    assert_eq!(bench.list("role").await.data["keys"], json!(["web"]));
    assert_eq!(bench.delete("role/web").await.status, 204);
    assert_eq!(bench.read("role/web").await.status, 404);
    assert_eq!(attest(&bench, web()).await.refusal(), NONE);
}

#[tokio::test]
async fn a_mount_takes_no_options() {
    let view = bench().await.view;
    let config = cofferdam_core::mount::MountConfig {
        options: [("version".to_owned(), "2".to_owned())].into(),
        ..Default::default()
    };
    assert!(
        cofferdam_core::engine::Engine::mount(&Docker::default(), &view, &config)
            .await
            .is_err()
    );
}
