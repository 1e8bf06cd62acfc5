//! Proxies in front: the PROXY protocol and `X-Forwarded-For`, by bytes on a socket. security.md PRE-2:
//! who is not listed speaks for nobody, and costs nobody else anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use cofferdam_server::fronts::{Forwarded, Header, Listed};
use cofferdam_server::{Fronts, Limits};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{answer, exchange, get, start_behind, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LINE: &[u8] = b"PROXY TCP4 203.0.113.9 127.0.0.1 4000 80\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x0f\xa0\0\x50";

fn listed(entry: &str) -> Listed {
    Listed::new(vec![Listed::entry(entry).unwrap()])
}

fn behind(header: Header) -> Fronts {
    Fronts {
        header: Some(header),
        forwarded: None,
    }
}

/// Who the vault was told is asking; `None`: no answer.
async fn from(server: &support::Server, first: &[u8]) -> Option<String> {
    let text = exchange(server.address, &[first, &get("/v1/a")].concat()).await;
    let (_, body) = text.split_once("\r\n\r\n")?;
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body["from"].as_str()?.to_owned())
}

#[tokio::test]
async fn a_listed_proxy_says_for_whom_it_speaks() {
    for header in [
        Header::DangerouslyAnybodys,
        Header::ListedOnes(listed("127.0.0.1")),
        Header::ListedOnly(listed("127.0.0.0/8")),
    ] {
        let server = start_behind(true, Limits::default(), behind(header)).await;
        for first in [LINE, BINARY] {
            assert_eq!(
                from(&server, first).await.as_deref(),
                Some("203.0.113.9:4000")
            );
        }
        // Its own connections: without a header, or with one that names nobody.
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".as_slice();
        for first in [b"".as_slice(), b"PROXY UNKNOWN\r\n", local] {
            let told = from(&server, first).await.unwrap();
            assert!(told.starts_with("127.0.0.1:"), "{told}");
        }
        // What is no header to the letter ends this connection, and no other.
        for broken in [
            b"PROXY TCP4 203.0.113.9 127.0.0.1 4000 80\n".as_slice(),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x13\0\0",
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 120]].concat(),
        ] {
            assert_eq!(exchange(server.address, broken).await, "");
        }
        assert!(from(&server, LINE).await.is_some());
    }
}

#[tokio::test]
async fn who_is_not_listed_is_who_it_is_or_is_refused() {
    let ones = Header::ListedOnes(listed("10.0.0.1"));
    let server = start_behind(true, Limits::default(), behind(ones)).await;
    for first in [LINE, BINARY, b""] {
        let told = from(&server, first).await.unwrap();
        assert!(told.starts_with("127.0.0.1:"), "{told}");
    }
    let only = Header::ListedOnly(listed("10.0.0.1"));
    let server = start_behind(true, Limits::default(), behind(only)).await;
    for first in [LINE, BINARY, b""] {
        assert_eq!(
            exchange(server.address, &[first, &get("/v1/a")].concat()).await,
            ""
        );
    }
    // The listener lives on, and so do others: the local socket answers.
    assert_eq!(
        server
            .fake
            .arrived
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    assert!(TcpStream::connect(server.address).await.is_ok());
    let mut local = tokio::net::UnixStream::connect(&server.socket)
        .await
        .unwrap();
    local.write_all(&get("/v1/a")).await.unwrap();
    assert!(answer(&mut local).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn without_the_setting_a_header_is_no_request() {
    let server = start_behind(true, Limits::default(), Fronts::default()).await;
    let text = exchange(server.address, &[LINE, &get("/v1/a")].concat()).await;
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 400"),
        "{text}"
    );
    assert!(from(&server, b"").await.unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let header = Header::ListedOnly(listed("127.0.0.1"));
    let server = start_behind(false, Limits::default(), behind(header)).await;
    let url = format!("https://localhost:{}/v1/a", server.address.port());
    let ca = server.ca.clone();
    let run = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["-s", "--haproxy-protocol", "--resolve"])
            .arg(format!(
                "localhost:{}:127.0.0.1",
                url.split(':').nth(2).unwrap().split('/').next().unwrap()
            ))
            .arg("--cacert")
            .arg(ca)
            .arg(url)
            .output()
            .expect("curl")
    });
    let output = run.await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert!(
        body["from"]
            .as_str()
            .is_some_and(|from| from.starts_with("127.0.0.1:")),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_header_in_pieces_is_waited_for_and_a_slow_peer_costs_itself() {
    let limits = Limits {
        head_time: Duration::from_secs(1),
        ..Limits::default()
    };
    let header = || behind(Header::ListedOnly(listed("127.0.0.1")));
    let server = start_behind(true, Limits::default(), header()).await;
    for whole in [LINE, BINARY] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        for piece in whole.chunks(9) {
            stream.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stream.write_all(&get("/v1/a")).await.unwrap();
        assert!(answer(&mut stream).await.contains("203.0.113.9:4000"));
    }
    let server = start_behind(true, limits, header()).await;
    let began = Instant::now();
    let mut slow = Vec::new();
    for beginning in [
        b"".as_slice(),
        b"P",
        b"PROXY TCP4 ",
        &BINARY[..16],
        &BINARY[..20],
    ] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(beginning).await.unwrap();
            slow.push(stream);
        }
    }
    assert!(
        from(&server, LINE).await.is_some(),
        "others are served meanwhile"
    );
    for stream in &mut slow {
        let mut sink = [0_u8; 16];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut sink)).await;
        assert!(matches!(read.expect("closed in time"), Ok(0) | Err(_)));
    }
    assert!(
        began.elapsed() >= Duration::from_millis(900),
        "they had their time"
    );
    until("nobody is left", || server.running.connections() == 0).await;
}

#[tokio::test]
async fn connections_count_for_the_client_and_not_for_its_proxy() {
    let limits = Limits {
        connections_per_peer: 2,
        ..Limits::default()
    };
    let header = Header::ListedOnly(listed("127.0.0.1"));
    let server = start_behind(true, limits, behind(header)).await;
    let wait = |client: u8| {
        let line = format!("PROXY TCP4 203.0.113.{client} 127.0.0.1 4000 80\r\n");
        [line.as_bytes(), &get("/v1/wait")].concat()
    };
    let mut working = Vec::new();
    for client in [1, 1, 2, 2, 3] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&wait(client)).await.unwrap();
        working.push(stream);
    }
    let arrived = || {
        server
            .fake
            .arrived
            .load(std::sync::atomic::Ordering::SeqCst)
    };
    until("five clients' requests", || arrived() == 5).await;
    assert_eq!(
        exchange(server.address, &wait(1)).await,
        "",
        "one too many of this client"
    );
    server.fake.gate.add_permits(5);
    for stream in &mut working {
        assert!(answer(stream).await.starts_with("HTTP/1.1 204"));
    }
}

#[tokio::test]
async fn a_header_of_the_request_counts_from_listed_proxies_alone() {
    let forwarded = |listed: Listed, strict: bool| Fronts {
        header: None,
        forwarded: Some(Forwarded {
            listed,
            hop_skips: 0,
            reject_not_authorized: strict,
            reject_not_present: strict,
        }),
    };
    let ask = |value: &str| format!("GET /v1/a HTTP/1.1\r\nHost: x\r\n{value}\r\n").into_bytes();
    let told = ask("X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n");
    let server = start_behind(
        true,
        Limits::default(),
        forwarded(listed("127.0.0.1"), true),
    )
    .await;
    let text = exchange(server.address, &told).await;
    assert!(text.contains("\"from\":\"203.0.113.9:"), "{text}");
    // Each request for itself, on one connection.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for client in ["203.0.113.1", "203.0.113.2"] {
        let request = ask(&format!("X-Forwarded-For: {client}\r\n"));
        stream.write_all(&request).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.contains(&format!("\"from\":\"{client}:")), "{text}");
    }
    let text = exchange(server.address, &ask("")).await;
    assert!(
        text.starts_with("HTTP/1.1 400") && text.contains("missing x-forwarded-for"),
        "{text}"
    );
    let server = start_behind(true, Limits::default(), forwarded(listed("10.0.0.1"), true)).await;
    let text = exchange(server.address, &told).await;
    assert!(
        text.starts_with("HTTP/1.1 400") && text.contains("not authorized"),
        "{text}"
    );
    let server = start_behind(
        true,
        Limits::default(),
        forwarded(listed("10.0.0.1"), false),
    )
    .await;
    let text = exchange(server.address, &told).await;
    assert!(text.contains("\"from\":\"127.0.0.1:"), "{text}");
}

#[tokio::test]
async fn both_ways_at_once() {
    let fronts = Fronts {
        header: Some(Header::ListedOnly(listed("127.0.0.1"))),
        forwarded: Some(Forwarded {
            listed: listed("203.0.113.9"),
            hop_skips: 0,
            reject_not_authorized: false,
            reject_not_present: false,
        }),
    };
    let server = start_behind(true, Limits::default(), fronts).await;
    let request = b"GET /v1/a HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n";
    let text = exchange(server.address, &[LINE, request].concat()).await;
    assert!(text.contains("\"from\":\"198.51.100.7:4000\""), "{text}");
    // The connection's own peer is listed for the one way and not for the other.
    let text = exchange(server.address, request).await;
    assert!(text.contains("\"from\":\"127.0.0.1:"), "{text}");
}
