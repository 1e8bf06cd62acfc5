//! What arrives on a TLS port and is not TLS: a client that speaks HTTP gets one line that helps.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// First byte of a TLS record that begins a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 0x16;

/// First bytes of HTTP requests.
const METHODS: [&[u8; 4]; 11] = [
    b"GET ", b"PUT ", b"POST", b"LIST", b"HEAD", b"DELE", b"PATC", b"OPTI", b"SCAN", b"TRAC",
    b"PRI ",
];

/// What a peer began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Tls,
    Http,
    /// Neither, or nothing: not worth an answer.
    Other,
}

/// Looks at the first bytes without taking them.
pub(super) async fn opening(stream: &TcpStream) -> Opening {
    let mut first = [0_u8; 4];
    loop {
        let Ok(seen) = stream.peek(&mut first).await else {
            return Opening::Other;
        };
        match first.get(..seen) {
            Some([HANDSHAKE, ..]) => return Opening::Tls,
            Some(whole) if whole.len() == first.len() => {
                return if METHODS.iter().any(|method| **method == first) {
                    Opening::Http
                } else {
                    Opening::Other
                };
            }
            None | Some([]) => return Opening::Other,
            // Fewer bytes than a method: peek returns at once while they are there, so wait a little.
            Some(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Answers, and reads a little on so that the answer is not lost to a reset.
pub(super) async fn explain(mut stream: TcpStream, local: SocketAddr) {
    let text = format!(
        "this port speaks TLS; use https://{local} or the cofferdam command, which finds the local socket\n"
    );
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    if stream.write_all(answer.as_bytes()).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut sink = [0_u8; 4096];
    for _ in 0..16 {
        match stream.read(&mut sink).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
