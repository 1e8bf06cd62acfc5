//! security.md PRE-1, PRE-2, PRE-4: peers that only want to cost something. In each case memory and
//! time stay bounded and a well-behaved client is still served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use cofferdam_server::Limits;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::{MEMORY, answer, assert_alive, exchange, get, resident, start, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn short() -> Limits {
    Limits {
        head_time: Duration::from_secs(1),
        body_time: Duration::from_secs(1),
        write_time: Duration::from_secs(1),
        ..Limits::default()
    }
}

/// The connection ends by the server's hand.
async fn closed(stream: &mut TcpStream) {
    let mut sink = [0_u8; 4096];
    let reading = async { while matches!(stream.read(&mut sink).await, Ok(read) if read > 0) {} };
    tokio::time::timeout(Duration::from_secs(15), reading)
        .await
        .expect("the server closes the connection");
}

#[tokio::test]
async fn ten_thousand_headers_are_refused() {
    let _alone = MEMORY.lock().await;
    let server = start(true, Limits::default()).await;
    let mut request = b"GET /v1/a HTTP/1.1\r\nHost: x\r\n".to_vec();
    for n in 0..10_000 {
        request.extend_from_slice(format!("x-{n}: 1\r\n").as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    let text = exchange(server.address, &request).await;
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 431"),
        "{text}"
    );
    let small = (0..65).fold("GET /v1/a HTTP/1.1\r\n".to_owned(), |text, n| {
        text + &format!("x-{n}: 1\r\n")
    }) + "\r\n";
    assert!(
        exchange(server.address, small.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    assert_eq!(server.fake.arrived.load(Ordering::SeqCst), 0);
    assert_alive(server.address).await;
}

#[tokio::test]
async fn an_endless_header_and_an_endless_target_are_cut() {
    let _alone = MEMORY.lock().await;
    let server = start(true, Limits::default()).await;
    for opening in ["GET /v1/a HTTP/1.1\r\nX-Long: ", "GET /v1/"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(opening.as_bytes()).await.unwrap();
        let chunk = vec![b'a'; 64 * 1024];
        let mut sent = 0;
        while stream.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
            assert!(sent < 64 << 20, "the server goes on reading");
        }
    }
    assert_eq!(server.fake.arrived.load(Ordering::SeqCst), 0);
    assert_alive(server.address).await;
}

#[tokio::test]
async fn a_head_that_drips_is_cut() {
    let server = start(true, short()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET /v1/a HTTP/1.1\r\n").await.unwrap();
    while stream.write_all(b"x-a: b\r\n").await.is_ok() {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the server waits for ever"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The same after a first good request.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&get("/v1/a")).await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    stream.write_all(b"GET /v1/a HT").await.unwrap();
    closed(&mut stream).await;
    assert_alive(server.address).await;
}

#[tokio::test]
async fn a_body_that_drips_is_answered_408_and_an_endless_one_413() {
    let _alone = MEMORY.lock().await;
    let server = start(true, short()).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        .await
        .unwrap();
    assert!(answer(&mut slow).await.starts_with("HTTP/1.1 408"));

    let server = start(true, Limits::default()).await;
    let before = resident();
    let mut endless = TcpStream::connect(server.address).await.unwrap();
    endless
        .write_all(b"POST /v1/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'a'; 0x10000], b"\r\n".to_vec()].concat();
    let mut sent = 0_usize;
    while sent < 256 << 20 && endless.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 256 << 20, "the server goes on reading");
    assert!(
        resident().saturating_sub(before) < 64 << 20,
        "memory grew by {} MiB",
        (resident() - before) >> 20
    );
    assert_eq!(server.fake.arrived.load(Ordering::SeqCst), 0);
    assert_alive(server.address).await;
}

#[tokio::test]
async fn announced_lengths_cost_nothing() {
    let _alone = MEMORY.lock().await;
    let server = start(true, Limits::default()).await;
    let before = resident();
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"POST /v1/a HTTP/1.1\r\nHost: x\r\nX-Vault-Token: t\r\nContent-Length: 33554432\r\n\r\n{").await.unwrap();
        held.push(stream);
    }
    until("all connections are there", || {
        server.running.connections() >= 200
    })
    .await;
    assert!(resident().saturating_sub(before) < 64 << 20);
    assert_alive(server.address).await;
}

#[tokio::test]
async fn thousands_of_idle_connections_leave_room_for_others() {
    let _alone = MEMORY.lock().await;
    let limits = Limits {
        connections: 300,
        connections_per_peer: 200,
        ..Limits::default()
    };
    let server = start(true, limits).await;
    let before = resident();
    let mut idle = Vec::new();
    for _ in 0..4000 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
        if idle.len() > 400 {
            idle.remove(0);
        }
    }
    assert_alive(server.address).await;
    assert!(server.running.connections() <= 200);
    assert!(resident().saturating_sub(before) < 64 << 20);
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let server = start(true, short()).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    closed(&mut silent).await;
    until("nobody is left", || server.running.connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let _alone = MEMORY.lock().await;
    let server = start(true, short()).await;
    let mut stuck = TcpStream::connect(server.address).await.unwrap();
    stuck.write_all(&get("/v1/big")).await.unwrap();
    until("it is at work", || {
        server.fake.finished.load(Ordering::SeqCst) == 1
    })
    .await;
    until("it is cut", || server.running.connections() == 0).await;
    assert_alive(server.address).await;
}

#[tokio::test]
async fn ambiguous_and_foreign_openings_are_refused() {
    let server = start(true, Limits::default()).await;
    let refused: [&[u8]; 9] = [
        b"GET /v1/a HTTP/1.1\r\nX-Vault-Token: a\r\nX-Vault-Token: b\r\n\r\n",
        b"GET /v1/a HTTP/1.1\r\nX-Vault-Namespace: a\r\nX-Vault-Namespace: b\r\n\r\n",
        b"POST /v1/a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /v1/a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /v1/a HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02",
        b"GET /v1/a\0b HTTP/1.1\r\n\r\n",
        b"GET /v1/a HTTP/1.1\r\nX-Vault-Token: a\x01b\r\n\r\n",
        b"GET /v1/a HTTP/1.1\r\nbad header: 1\r\n\r\n",
    ];
    for request in refused {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        // What a client that gives up after one request does: it must not be needed to be refused.
        let _ = stream.shutdown().await;
        let text = answer(&mut stream).await;
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 4"),
            "{:?}: {text}",
            String::from_utf8_lossy(request)
        );
    }
    assert_eq!(server.fake.arrived.load(Ordering::SeqCst), 0);
    assert_alive(server.address).await;
}

#[tokio::test]
async fn a_change_is_finished_when_its_client_hangs_up_and_a_read_is_not() {
    let server = start(true, Limits::default()).await;
    let mut change = TcpStream::connect(server.address).await.unwrap();
    change
        .write_all(b"PUT /v1/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    until("it is at work", || {
        server.fake.arrived.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(change);
    until("the connection is gone", || {
        server.running.connections() == 0
    })
    .await;
    server.fake.gate.add_permits(1);
    until("the change is finished", || {
        server.fake.finished.load(Ordering::SeqCst) == 1
    })
    .await;
}

#[tokio::test]
async fn work_that_takes_too_long_is_answered() {
    let server = start(
        true,
        Limits {
            request_time: Duration::from_secs(1),
            ..Limits::default()
        },
    )
    .await;
    assert!(
        exchange(server.address, &get("/v1/wait"))
            .await
            .starts_with("HTTP/1.1 504")
    );
    let text = exchange(
        server.address,
        b"PUT /v1/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert!(
        text.starts_with("HTTP/1.1 504") && text.contains("is not known"),
        "{text}"
    );
    server.fake.gate.add_permits(1);
    until("the change is finished", || {
        server.fake.finished.load(Ordering::SeqCst) == 1
    })
    .await;
}

/// Requests whose work does not end: what they hold is a part of the places, never all of them.
#[tokio::test]
async fn changes_that_do_not_end_leave_places_for_others() {
    let limits = Limits {
        requests: 8,
        ..Limits::default()
    };
    let server = start(true, limits).await;
    let put = |path: &str, token: &str| {
        format!("PUT /v1/{path} HTTP/1.1\r\nHost: x\r\n{token}Content-Length: 0\r\n\r\n")
    };
    let token = "X-Vault-Token: made-up\r\n";
    let mut open = Vec::new();
    for (token, at_work) in [("", 4), (token, 6)] {
        for _ in 0..12 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let request = put("wait", token);
            stream.write_all(request.as_bytes()).await.unwrap();
            open.push(stream);
        }
        let arrived = || server.fake.arrived.load(Ordering::SeqCst);
        let before = arrived();
        until("as many at work as may be", || arrived() >= at_work).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(arrived(), at_work, "{before}");
        // Reading goes on. So do changes of those who show a token, before those take their own part.
        let alive = exchange(server.address, &get("/v1/sys/health")).await;
        assert!(alive.starts_with("HTTP/1.1 503"), "{alive}");
        server.fake.arrived.fetch_sub(1, Ordering::SeqCst);
    }
    server.fake.gate.add_permits(24);
    for mut stream in open {
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 204"), "{text}");
    }
}
