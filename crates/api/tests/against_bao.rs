//! The client against a real OpenBao.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bao;

use bao::Bao;
use cofferdam_api::{Endpoint, Error, KvVersion, Reference, ReferenceError, Request, Tree, Trust};
use cofferdam_secret::Secret;

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

async fn put(bao: &Bao, path: &str, data: Tree) {
    let body = Tree::map().with("data", data);
    bao.client(Some("root"))
        .write(&format!("secret/data/{path}"), &body)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_value_is_fetched_by_reference() {
    let bao = Bao::start(false).await;
    put(&bao, "app/A", Tree::map().with("value", "first")).await;
    put(
        &bao,
        "app/A",
        Tree::map().with("value", "second\n").with("note", "x"),
    )
    .await;
    put(&bao, "app/B", Tree::map().with("only", 30_u64)).await;
    put(
        &bao,
        "app/C",
        Tree::map().with("user", "a").with("password", "b"),
    )
    .await;
    let client = bao.client(Some("root"));
    let fetch = async |text: &str| client.fetch(&reference(text)).await;

    let newest = fetch("cd://secret/app/A").await.unwrap();
    assert_eq!(newest.value.expose(), b"second\n");
    assert_eq!(newest.version, Some(2));
    assert_eq!(
        fetch("secret/app/A@1").await.unwrap().value.expose(),
        b"first"
    );
    assert_eq!(
        fetch("secret/app/A#note").await.unwrap().value.expose(),
        b"x"
    );
    assert_eq!(fetch("secret/app/B").await.unwrap().value.expose(), b"30");
    let ambiguous = fetch("secret/app/C").await.map(|_| ()).unwrap_err();
    let Error::Reference(ReferenceError::Ambiguous { fields, .. }) = ambiguous else {
        panic!("{ambiguous}");
    };
    assert_eq!(fields, ["password", "user"]);
    let missing = fetch("secret/app/C#nope").await.map(|_| ()).unwrap_err();
    assert!(matches!(
        missing,
        Error::Reference(ReferenceError::NoField { .. })
    ));
    assert!(matches!(
        fetch("secret/app/D").await.map(|_| ()),
        Err(Error::NotFound(_))
    ));
}

#[tokio::test]
async fn a_deleted_version_is_not_found_but_its_metadata_is_there() {
    let bao = Bao::start(false).await;
    put(&bao, "gone", Tree::map().with("value", "x")).await;
    let client = bao.client(Some("root"));
    client.delete("secret/data/gone").await.unwrap();
    let Err(Error::NotFound(refusal)) = client.read("secret/data/gone").await else {
        panic!("deleted, and still there");
    };
    let data = refusal.response.tree().unwrap();
    let metadata = data.get("metadata").unwrap();
    assert_eq!(metadata.get("version").and_then(Tree::as_u64), Some(1));
    assert!(
        !metadata
            .get("deletion_time")
            .and_then(Tree::as_text)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn refusals_are_sorted_by_fault() {
    let bao = Bao::start(false).await;
    let denied = bao
        .client(Some("nonsense"))
        .read("secret/data/a")
        .await
        .unwrap_err();
    assert!(matches!(denied, Error::Denied(_)), "{denied}");
    let root = bao.client(Some("root"));
    let invalid = root
        .write("sys/policies/acl/x", &Tree::map().with("policy", "path {"))
        .await;
    let Err(Error::Api(refusal)) = invalid else {
        panic!("a broken policy was accepted");
    };
    assert_eq!(refusal.status, 400);
    assert!(!refusal.errors.is_empty());
    root.send(Request::put("sys/seal", &Tree::map()))
        .await
        .unwrap();
    let sealed = root.read("secret/data/a").await.unwrap_err();
    assert!(matches!(sealed, Error::Sealed(_)), "{sealed}");
    let health = root.send_any(Request::get("sys/health")).await.unwrap();
    assert_eq!(health.status, 503);
    assert_eq!(
        health
            .body_tree()
            .unwrap()
            .get("sealed")
            .and_then(Tree::as_bool),
        Some(true)
    );
}

#[tokio::test]
async fn nobody_listening_and_something_else_listening_are_told_apart() {
    let address = format!("http://{}", bao::ports::address());
    let client = |address: &str| {
        cofferdam_api::Client::new(Endpoint::parse(address).unwrap(), Trust::default(), None)
            .unwrap()
    };
    let error = client(&address).read("sys/health").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");

    let bao = Bao::start(false).await;
    let tls_to_plain = client(&bao.address().replace("http:", "https:"));
    let error = tls_to_plain.read("sys/health").await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn only_a_trusted_certificate_is_accepted() {
    let bao = Bao::start(true).await;
    bao.client(Some("root")).read("sys/mounts").await.unwrap();

    let stranger = tempfile::tempdir().unwrap();
    let other = Bao::start(true).await;
    let wrong = Trust {
        ca_cert: Some(other.ca()),
        ..Trust::default()
    };
    let error = bao
        .client_trusting(wrong, Some("root"))
        .unwrap()
        .read("sys/mounts")
        .await;
    assert!(matches!(error, Err(Error::Tls { .. })));

    let name = Trust {
        ca_cert: Some(bao.ca()),
        server_name: Some("elsewhere.example".to_owned()),
        ..Trust::default()
    };
    let error = bao
        .client_trusting(name, Some("root"))
        .unwrap()
        .read("sys/mounts")
        .await;
    assert!(matches!(error, Err(Error::Tls { .. })));

    let skip = Trust {
        dangerous_skip_verify: true,
        ..Trust::default()
    };
    bao.client_trusting(skip, Some("root"))
        .unwrap()
        .read("sys/mounts")
        .await
        .unwrap();

    let missing = Trust {
        ca_cert: Some(stranger.path().join("none.pem")),
        ..Trust::default()
    };
    assert!(matches!(
        bao.client_trusting(missing, None),
        Err(Error::Trust { .. })
    ));
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_survives_being_closed() {
    let bao = Bao::start(false).await;
    let client = bao.client(Some("root"));
    for number in 0..50 {
        put(
            &bao,
            &format!("n/{number}"),
            Tree::map().with("value", number.to_string()),
        )
        .await;
    }
    let mut names = client.list("secret/metadata/n").await.unwrap().keys();
    names.sort();
    assert_eq!(names.len(), 50);
    let reads = (0..50).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let found = client
                .fetch(&reference(&format!("secret/n/{number}")))
                .await
                .unwrap();
            assert_eq!(found.value.expose(), number.to_string().as_bytes());
        })
    });
    for read in reads.collect::<Vec<_>>() {
        read.await.unwrap();
    }
}

#[tokio::test]
async fn a_wrapped_answer_is_unwrapped_once() {
    let bao = Bao::start(false).await;
    put(&bao, "w", Tree::map().with("value", "inside")).await;
    let client = bao.client(Some("root"));
    let wrapped = client
        .clone()
        .with_wrap_ttl("60s")
        .read("secret/data/w")
        .await
        .unwrap();
    let info = wrapped.wrap_info.unwrap();
    assert_eq!(info.ttl, 60);
    let unwrap = || {
        let token = Secret::new(info.token.expose().clone());
        client.send(Request::put("sys/wrapping/unwrap", &Tree::map()).with_token(token))
    };
    let inside = unwrap().await.unwrap().tree().unwrap();
    let value = inside.get("data").and_then(|data| data.get("value"));
    assert_eq!(value.and_then(Tree::as_text), Some("inside"));
    assert!(unwrap().await.is_err());
}

#[tokio::test]
async fn both_kv_versions_and_nested_mounts_are_found() {
    let bao = Bao::start(false).await;
    let client = bao.client(Some("root"));
    for (path, version) in [("old", "1"), ("deep/er", "2")] {
        let options = Tree::map().with("version", version);
        let body = Tree::map().with("type", "kv").with("options", options);
        client
            .send(Request::post(format!("sys/mounts/{path}"), &body))
            .await
            .unwrap();
    }
    let old = client.kv_mount("old/app/A").await.unwrap();
    assert_eq!((old.path.as_str(), old.version), ("old/", KvVersion::V1));
    assert_eq!(old.api_path("old/app/A", "data"), "old/app/A");
    let deep = client.kv_mount("deep/er/app/A").await.unwrap();
    assert_eq!(deep.api_path("deep/er/app/A", "data"), "deep/er/data/app/A");
    assert_eq!(deep.api_path("deep/er", "metadata"), "deep/er/metadata");
    client
        .write("old/app/A", &Tree::map().with("value", "plain"))
        .await
        .unwrap();
    assert_eq!(
        client
            .fetch(&reference("old/app/A"))
            .await
            .unwrap()
            .value
            .expose(),
        b"plain"
    );
}
