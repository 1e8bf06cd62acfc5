//! HTTP in, HTTP out: what arrives at the vault and what clients see.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use cofferdam_server::Limits;
use support::{answer, assert_alive, exchange, get, start};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn body(text: &str) -> serde_json::Value {
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let server = start(true, Limits::default()).await;
    let text = exchange(
        server.address,
        b"PUT /v1/secret/data/a%2Fb?version=3 HTTP/1.1\r\nHost: x\r\nX-Vault-Token: hvs.t\r\nX-Vault-Namespace: ns/\r\nX-Vault-Wrap-TTL: 60s\r\nX-Vault-Request: true\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(
        text.contains("content-type: application/json\r\n")
            && text.contains("cache-control: no-store\r\n"),
        "{text}"
    );
    let seen = body(&text);
    assert_eq!(seen["verb"], "Write");
    assert_eq!(seen["path"], "secret/data/a%2Fb");
    assert_eq!(seen["query"], serde_json::json!([["version", "3"]]));
    assert_eq!(seen["token"], "hvs.t");
    assert_eq!(seen["wrap_ttl"], "60s");
    assert_eq!(seen["namespace"], "ns/");
    assert_eq!(seen["body"], "{\"a\":1}");
    assert_eq!(seen["peer"], "network");
}

#[tokio::test]
async fn answers_have_vaults_statuses_and_envelopes() {
    let server = start(true, Limits::default()).await;
    let cases = [
        ("/v1/empty", 204, None),
        ("/v1/gone", 404, Some(r#"{"data":null}"#)),
        (
            "/v1/denied",
            403,
            Some(r#"{"errors":["permission denied"]}"#),
        ),
        ("/v1/missing", 404, Some(r#"{"errors":[]}"#)),
        ("/v1/many", 429, Some(r#"{"errors":["come back later"]}"#)),
        ("/v1/sys/health", 503, Some(r#"{"sealed":true}"#)),
        (
            "/v1/sys/health?sealedcode=299",
            299,
            Some(r#"{"sealed":true}"#),
        ),
        ("/v1/sys/health?sealedcode=wrong", 400, None),
        ("/elsewhere", 404, None),
        ("/v1/a?list=perhaps", 400, None),
    ];
    for (path, status, expected) in cases {
        let text = exchange(server.address, &get(path)).await;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {text}"
        );
        if let Some(expected) = expected {
            assert_eq!(
                body(&text),
                serde_json::from_str::<serde_json::Value>(expected).unwrap(),
                "{path}"
            );
        }
    }
    let denied = exchange(server.address, &get("/v1/denied")).await;
    assert!(
        denied.contains("x-cofferdam-request-id: 11111111-2222-3333-4444-555555555555"),
        "{denied}"
    );
}

#[tokio::test]
async fn head_is_for_health_only_and_has_no_body() {
    let server = start(true, Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(
            b"HEAD /v1/sys/health?sealedcode=200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await
        .unwrap();
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text)
        .await
        .unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    let other = exchange(
        server.address,
        b"HEAD /v1/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(other.starts_with("HTTP/1.1 405"), "{other}");
}

#[tokio::test]
async fn a_panic_is_one_answer_and_not_the_end() {
    let server = start(true, Limits::default()).await;
    for method in ["GET", "PUT"] {
        let text = exchange(
            server.address,
            format!("{method} /v1/panic HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                .as_bytes(),
        )
        .await;
        assert!(text.starts_with("HTTP/1.1 500"), "{text}");
        assert!(!text.contains("a defect"), "{text}");
    }
    assert_alive(server.address).await;
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let server = start(true, Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..50 {
        stream.write_all(&get("/v1/again")).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    // Health may be asked to answer 204, which must not break the connection's framing.
    stream
        .write_all(&get("/v1/sys/health?sealedcode=204"))
        .await
        .unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 204"));
    stream.write_all(&get("/v1/again")).await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn body_sizes_depend_on_whether_a_token_is_shown() {
    let limits = Limits {
        body: 100_000,
        anonymous_body: 1000,
        ..Limits::default()
    };
    let server = start(true, limits).await;
    let send = |length: usize, token: &'static str| {
        let mut request =
            format!("POST /v1/a HTTP/1.1\r\nHost: x\r\n{token}Content-Length: {length}\r\n\r\n")
                .into_bytes();
        request.resize(request.len() + length, b'x');
        request
    };
    let status = async |request: Vec<u8>| {
        exchange(server.address, &request)
            .await
            .split(' ')
            .nth(1)
            .unwrap_or("closed")
            .to_owned()
    };
    assert_eq!(status(send(1000, "")).await, "200");
    assert_eq!(status(send(1001, "")).await, "413");
    assert_eq!(status(send(100_000, "X-Vault-Token: t\r\n")).await, "200");
    assert_eq!(status(send(100_001, "X-Vault-Token: t\r\n")).await, "413");
}

#[tokio::test]
async fn large_bodies_share_one_pool_and_small_ones_never_wait_for_it() {
    let limits = Limits {
        body_pool: 1 << 20,
        ..Limits::default()
    };
    let server = start(true, limits).await;
    let mut large = TcpStream::connect(server.address).await.unwrap();
    large.write_all(b"POST /v1/wait HTTP/1.1\r\nHost: x\r\nX-Vault-Token: t\r\nContent-Length: 500000\r\n\r\n").await.unwrap();
    large.write_all(&vec![b'x'; 500_000]).await.unwrap();
    support::until("the large request is at work", || {
        server
            .fake
            .arrived
            .load(std::sync::atomic::Ordering::SeqCst)
            == 1
    })
    .await;
    let mut second =
        b"POST /v1/a HTTP/1.1\r\nHost: x\r\nX-Vault-Token: t\r\nContent-Length: 500000\r\n\r\n"
            .to_vec();
    second.resize(second.len() + 500_000, b'x');
    assert!(
        exchange(server.address, &second)
            .await
            .starts_with("HTTP/1.1 503")
    );
    let mut small = b"POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n".to_vec();
    small.resize(small.len() + 8000, b'x');
    assert!(
        exchange(server.address, &small)
            .await
            .starts_with("HTTP/1.1 200")
    );
    server.fake.gate.add_permits(1);
    assert!(answer(&mut large).await.starts_with("HTTP/1.1 204"));
    assert!(
        exchange(server.address, &second)
            .await
            .starts_with("HTTP/1.1 200"),
        "the share went back"
    );
}
