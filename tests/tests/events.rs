//! The stream of events of the real server, by line and by WebSocket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Asks on the local socket, as its admin; the head of the answer and what follows.
fn ask(server: &Server, path: &str, headers: &str) -> (String, BufReader<UnixStream>) {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET /v1/{path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(answer.read_line(&mut head).unwrap(), 0, "{head}");
    }
    (head, answer)
}

/// The next line with an event; chunk sizes and signs of life are passed over.
fn line(answer: &mut BufReader<UnixStream>) -> Option<serde_json::Value> {
    loop {
        let mut line = String::new();
        if answer.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        if line.starts_with('{') {
            return Some(serde_json::from_str(&line).unwrap());
        }
        if line == "0\r\n" {
            return None;
        }
    }
}

fn told(event: &serde_json::Value) -> (String, String, String) {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &event["data"]["event"]["metadata"];
    (
        text(&event["data"]["event_type"]),
        text(&metadata["data_path"]),
        text(&metadata["current_version"]),
    )
}

/// No stream is one of the requests that are waited for, and cut when the time for it is over.
fn ends_at_once(server: Server) {
    let begin = Instant::now();
    let (status, said) = server.stop();
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("were cut"), "{said}");
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn every_operation_of_kv_is_told_by_its_name_in_vault() {
    let server = Server::up();
    let (head, mut events) = ask(&server, "sys/events/subscribe/kv*?json=true", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.to_lowercase().contains("application/x-ndjson"),
        "{head}"
    );
    server.run(&["kv", "put", "secret/app", "k=hunter2-canary"]);
    server.run(&["kv", "patch", "secret/app", "k=hunter3-canary"]);
    server.run(&["kv", "delete", "secret/app"]);
    server.run(&["kv", "undelete", "-versions=2", "secret/app"]);
    server.run(&["kv", "delete", "-versions=1", "secret/app"]);
    server.run(&["kv", "destroy", "-versions=1", "secret/app"]);
    server.run(&["kv", "metadata", "put", "-max-versions=5", "secret/app"]);
    server.run(&["kv", "metadata", "delete", "secret/app"]);
    for (event_type, version) in [
        ("kv-v2/data-write", "1"),
        ("kv-v2/data-patch", "2"),
        ("kv-v2/data-delete", "2"),
        ("kv-v2/undelete", "2"),
        ("kv-v2/delete", "2"),
        ("kv-v2/destroy", "2"),
        ("kv-v2/metadata-write", "2"),
        ("kv-v2/metadata-delete", ""),
    ] {
        let event = line(&mut events).expect("the stream goes on");
        assert!(!event.to_string().contains("canary"));
        let expected = (
            event_type.to_owned(),
            "secret/data/app".to_owned(),
            version.to_owned(),
        );
        assert_eq!(told(&event), expected);
    }
}

#[test]
fn a_client_of_vault_is_served_by_websocket() {
    let server = Server::up();
    // The key and its answer are those of RFC 6455.
    let handshake = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let path = "sys/events/subscribe/kv-v2/data-write?json=true";
    let (head, mut socket) = ask(&server, path, handshake);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    server.run(&["kv", "metadata", "put", "secret/app"]);
    server.run(&["kv", "put", "secret/app", "k=v"]);
    let event = serde_json::from_slice(&frame(&mut socket, 0x1)).unwrap();
    let (event_type, path, _) = told(&event);
    assert_eq!(
        (event_type.as_str(), path.as_str()),
        ("kv-v2/data-write", "secret/data/app")
    );

    let (head, _) = ask(
        &server,
        "sys/events/subscribe/kv*?json=true",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    );
    assert!(
        head.starts_with("HTTP/1.1 400"),
        "a handshake without a key: {head}"
    );
    let (head, _) = ask(&server, "sys/events/subscribe/kv*", handshake);
    assert!(
        head.starts_with("HTTP/1.1 404"),
        "protobuf is not served: {head}"
    );

    // The seal is a close frame with a reason, and the server still ends at once.
    ends_at_once(server);
    let close = frame(&mut socket, 0x8);
    let code = u16::from_be_bytes([close[0], close[1]]);
    assert_eq!(code, 1001, "going away");
}

/// The next frame of this kind from the server; pings are passed over.
fn frame(socket: &mut BufReader<UnixStream>, wanted: u8) -> Vec<u8> {
    loop {
        let mut head = [0_u8; 2];
        socket.read_exact(&mut head).unwrap();
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => {
                let mut long = [0_u8; 2];
                socket.read_exact(&mut long).unwrap();
                usize::from(u16::from_be_bytes(long))
            }
            short => usize::from(short),
        };
        let mut content = vec![0_u8; length];
        socket.read_exact(&mut content).unwrap();
        if head[0] & 0x0f == wanted {
            return content;
        }
        assert_eq!(head[0] & 0x0f, 0x9, "neither what was wanted nor a ping");
    }
}

#[test]
fn the_command_prints_events_and_says_how_to_go_on_at_the_end() {
    let server = Server::up();
    let filter = "-filter=data_path contains \"/yes\"";
    let mut command = server.command(&["events", "subscribe", filter, "kv*"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    // It has subscribed when it prints: until then the same is written again.
    let writer = |name: &str| server.run(&["kv", "put", &format!("secret/{name}"), "k=v"]);
    let first = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line
        });
        while !reader.is_finished() {
            writer("no");
            writer("yes");
        }
        reader.join().unwrap()
    });
    assert_eq!(
        told(&serde_json::from_str(&first).unwrap()).1,
        "secret/data/yes"
    );
    let (status, _) = server.stop();
    assert_eq!(status, Some(0));
    let ended = process.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(words.contains("events may have been missed"), "{words}");
    assert!(
        words.contains("hint: subscribe again with: cofferdam events subscribe 'kv*'"),
        "{words}"
    );
}

#[test]
fn a_stream_by_line_does_not_hold_up_the_end_of_the_server() {
    let server = Server::up();
    let (_, mut events) = ask(&server, "sys/events/subscribe/*?json=true", "");
    server.run(&["kv", "put", "secret/app", "k=v"]);
    assert!(line(&mut events).is_some());
    ends_at_once(server);
    while let Some(last) = line(&mut events) {
        assert_eq!(last["type"], "cofferdam/end");
    }
}
