//! What the client does when servers close connections, over TCP and over a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use cofferdam_api::{Client, Endpoint, Error, Trust};
use cofferdam_secret::Secret;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

fn answer() -> Vec<u8> {
    let body = "{\"data\":{\"a\":\"value\"}}";
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads one request; `false` where the peer is gone.
async fn read_request(stream: &mut (impl AsyncRead + Unpin), seen: &mut Vec<u8>) -> bool {
    let mut chunk = [0_u8; 1024];
    loop {
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            seen.drain(..end + 4);
            return true;
        }
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => seen.extend_from_slice(&chunk[..count]),
            _ => return false,
        }
    }
}

/// Answers `most` requests and closes.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    most: usize,
    requests: &AtomicUsize,
) {
    let mut seen = Vec::new();
    for _ in 0..most {
        if !read_request(&mut stream, &mut seen).await {
            return;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        stream.write_all(&answer()).await.unwrap();
    }
}

fn client(address: &str) -> Client {
    let endpoint = Endpoint::parse(address).unwrap();
    Client::with_timeout(endpoint, Trust::default(), None, Duration::from_secs(20)).unwrap()
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, 1, &counted).await;
        }
    });
    let client = client(&address);
    for _ in 0..30 {
        let value = client.read("x").await.unwrap().field("a").unwrap();
        assert_eq!(value.expose(), b"value");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 30);
}

#[tokio::test]
async fn a_request_without_an_answer_is_not_sent_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if read_request(&mut stream, &mut Vec::new()).await {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let error = client(&address).read("x").await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_socket_serves_and_one_that_anybody_could_have_made_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, 9, &AtomicUsize::new(0)).await;
        }
    });
    let address = format!("unix://{}", path.display());
    assert!(client(&address).read("x").await.is_ok());
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let error = client(&address).read("x").await.unwrap_err();
    assert!(matches!(error, Error::UntrustedSocket { .. }), "{error}");
}

#[tokio::test]
async fn answers_that_are_too_large_or_too_late_are_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream, &mut Vec::new()).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let chunk = vec![b' '; 1 << 20];
        while stream.write_all(&chunk).await.is_ok() {}
        let (_silent, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = client(&address).read("x").await.unwrap_err();
    assert!(error.to_string().contains("larger than 32 MiB"), "{error}");
    let endpoint = Endpoint::parse(&address).unwrap();
    let hasty = Client::with_timeout(endpoint, Trust::default(), None, Duration::from_secs(1));
    let error = hasty.unwrap().read("x").await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout { seconds: 1, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_of_a_token_is_in_what_can_be_printed() {
    let token = Secret::new("hvs.canary-0123456789".to_owned());
    let endpoint = Endpoint::parse("http://127.0.0.1:1").unwrap();
    let client = Client::new(endpoint, Trust::default(), Some(token)).unwrap();
    let error = client.read("x").await.unwrap_err();
    for text in [
        format!("{client:?}"),
        format!("{error:?}"),
        error.to_string(),
    ] {
        assert!(!text.contains("canary"), "{text}");
    }
    let broken = client.with_token(Some(Secret::new("canary\nX-Other: 1".to_owned())));
    let error = broken.read("x").await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("canary"));
}
