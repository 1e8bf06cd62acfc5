//! A server on a free port with a stand-in for the vault behind it, and raw clients.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use cofferdam_core::{Answer, Arrival, Fault, Peer, Standing};
use cofferdam_secret::Secret;
use cofferdam_server::listen::Secured;
use cofferdam_server::tls::{Authority, Clients, Context, Oldest};
use cofferdam_server::{Answered, Door, Fronts, Limits, Listen, Local, Running, bind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// What the stand-in saw and where it waits.
pub struct Fake {
    pub arrived: AtomicUsize,
    pub finished: AtomicUsize,
    pub gate: Semaphore,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            arrived: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }
    }
}

impl Door for Fake {
    async fn handle(&self, arrival: Arrival) -> Answered {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let answer = match arrival.path.as_str() {
            "panic" => panic!("a defect"),
            "wait" => {
                self.gate.acquire().await.unwrap().forget();
                Answer::Empty
            }
            "big" => Answer::Body(Secret::new(vec![b'x'; 16 << 20])),
            "empty" => Answer::Empty,
            "gone" => Answer::Gone(Secret::new(b"{\"data\":null}".to_vec())),
            "denied" => Answer::Fault(Fault::denied()),
            "missing" => Answer::Fault(Fault::missing()),
            "many" => Answer::Fault(Fault::too_many("come back later")),
            "sys/health" => {
                Answer::Health(Standing::Sealed, Secret::new(b"{\"sealed\":true}".to_vec()))
            }
            _ => Answer::Body(Secret::new(echo(&arrival).into_bytes())),
        };
        self.finished.fetch_add(1, Ordering::SeqCst);
        Answered {
            request_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            answer,
            pace: None,
        }
    }
}

fn echo(arrival: &Arrival) -> String {
    let peer = match &arrival.peer {
        Peer::Network(_) | Peer::Certified(..) => "network".to_owned(),
        Peer::Local { uid, admin } => format!("uid {uid} admin {admin}"),
    };
    serde_json::json!({
        "verb": format!("{:?}", arrival.verb),
        "path": arrival.path,
        "query": arrival.query,
        "token": arrival.token.as_ref().map(|token| token.expose().clone()),
        "wrap_ttl": arrival.wrap_ttl,
        "namespace": arrival.namespace,
        "body": String::from_utf8_lossy(arrival.body.expose()),
        "length": arrival.body.len(),
        "peer": peer,
        "from": arrival.peer.address().map(|address| address.to_string()),
    })
    .to_string()
}

/// A running server; everything of it ends with this value.
pub struct Server {
    pub fake: Arc<Fake>,
    pub running: Running,
    pub address: SocketAddr,
    pub ca: PathBuf,
    pub socket: PathBuf,
    pub directory: tempfile::TempDir,
}

/// One TLS or plain listener and one local socket.
pub async fn start(plain: bool, limits: Limits) -> Server {
    start_behind(plain, limits, Fronts::default()).await
}

/// The same behind proxies.
pub async fn start_behind(plain: bool, limits: Limits, fronts: Fronts) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(&directory.path().join("tls"), now()).unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let security = if plain {
        Secured::DangerouslyPlain
    } else {
        Secured::Tls(Arc::new(
            Context::from_authority(
                &authority,
                &names,
                now(),
                Oldest::Tls12,
                &Clients::default(),
            )
            .unwrap(),
        ))
    };
    let socket = directory.path().join("run/cofferdam.sock");
    let listeners = vec![
        Listen::Tcp {
            address: "127.0.0.1:0".parse().unwrap(),
            security,
            fronts,
            limits: limits.clone(),
        },
        Listen::Local {
            local: Local::private(socket.clone()),
            limits,
        },
    ];
    let bound = bind(listeners).await.unwrap();
    let address = bound.addresses()[0]
        .split("//")
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let fake = Arc::new(Fake::default());
    let running = bound.serve(&fake);
    Server {
        fake,
        running,
        address,
        ca: authority.certificate().to_owned(),
        socket,
        directory,
    }
}

/// The time certificates are made for: that of the clients that check them.
#[allow(
    clippy::disallowed_methods,
    reason = "real clients check certificates against the wall clock"
)]
pub fn now() -> time::OffsetDateTime {
    std::time::SystemTime::now().into()
}

/// Sends bytes and reads until the server closes or has answered once.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    answer(&mut stream).await
}

/// Reads one answer (or what there is before the end).
pub async fn answer<I: AsyncRead + AsyncWrite + Unpin>(stream: &mut I) -> String {
    let mut text = Vec::new();
    let reading = async {
        let mut chunk = [0_u8; 4096];
        loop {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => text.extend_from_slice(&chunk[..read]),
            }
            if complete(&text) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .expect("an answer or the end of the connection");
    String::from_utf8_lossy(&text).into_owned()
}

fn complete(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .to_ascii_lowercase()
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}

/// The server answers a well-behaved client.
pub async fn assert_alive(address: SocketAddr) {
    let text = exchange(address, &get("/v1/alive")).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

/// Whoever measures this process has it alone, and so has whoever fills it.
pub static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Resident memory of this process, in bytes.
pub fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

/// Polls until `done`, with a deadline beyond an honest wait, and before the time that a client has to
/// take its answer where a test sets no shorter one.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(tokio::time::Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
