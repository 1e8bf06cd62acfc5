//! The socket itself, with callers that are all refused: this process is in no container.

use super::*;
use cofferdam_api::{Endpoint, Trust};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const QUESTION: &[u8] = b"GET /v1/secret/data/app HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn served() -> (tempfile::TempDir, Workload, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("nowhere.sock");
    let server = Endpoint::Socket(nowhere.clone());
    let client = Client::new(server, Trust::default(), None).unwrap();
    let engine = Engine::at(&nowhere);
    let (book, _writer) = Book::open(client.clone(), engine.clone());
    let place = directory.path().join("workload");
    let served = open(&place, client, engine, book, Known::new())
        .await
        .unwrap();
    let socket = place.join(socket::NAME);
    (directory, served, socket)
}

/// Callers without an answer take no place of those who get one, and their time is not waited for.
#[tokio::test]
async fn callers_that_are_refused_keep_no_seat() {
    // Both ends of all connections are this process's.
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = rustix::process::Rlimit {
        current: limits.maximum,
        ..limits
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, most).unwrap();
    let (_directory, served, socket) = served().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS + 200 {
        idle.push(UnixStream::connect(&socket).await.unwrap());
    }
    let mut last = UnixStream::connect(&socket).await.unwrap();
    last.write_all(QUESTION).await.unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("is in no container"), "{answer}");
    // The first ones still have the time that a refused caller has: nobody waited for its end.
    let waiting = || {
        let is_silent = |stream: &&UnixStream| {
            let mut fds = [PollFd::new(stream, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec::default())).unwrap() == 0
        };
        idle.iter().filter(is_silent).count()
    };
    while waiting() > REFUSED {
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting(), REFUSED);
    // The others were told at once, though they asked nothing.
    let told = idle.get_mut(REFUSED + 5).unwrap();
    let mut answer = String::new();
    told.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert!(body.contains("is in no container"), "{body}");
    served.close().await;
}
