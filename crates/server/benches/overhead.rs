//! What this room adds to bare hyper: the same bytes, the same clients, one core for each server.
//!
//! `cargo bench -p cofferdam-server`; prints requests a second and the difference per request.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark is a program for people"
)]

use cofferdam_core::{Answer, Arrival};
use cofferdam_secret::Secret;
use cofferdam_server::listen::Secured;
use cofferdam_server::{Answered, Door, Limits, Listen, bind};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BODY: &[u8] = &[b'x'; 300];
const CLIENTS: usize = 8;
const ROUND: Duration = Duration::from_secs(2);

struct Constant;

impl Door for Constant {
    async fn handle(&self, _: Arrival) -> Answered {
        Answered {
            request_id: String::new(),
            answer: Answer::Body(Secret::new(BODY.to_vec())),
            pace: None,
        }
    }
}

fn on_one_thread(
    serve: impl AsyncFnOnce(std::sync::mpsc::Sender<SocketAddr>) + Send + 'static,
) -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(serve(sender));
    });
    receiver.recv().unwrap()
}

async fn ours(sender: std::sync::mpsc::Sender<SocketAddr>) {
    let address = "127.0.0.1:0".parse().unwrap();
    let listen = Listen::Tcp {
        address,
        security: Secured::DangerouslyPlain,
        fronts: cofferdam_server::Fronts::default(),
        limits: Limits::default(),
    };
    let bound = bind(vec![listen]).await.unwrap();
    sender
        .send(
            bound
                .addresses()
                .first()
                .unwrap()
                .trim_start_matches("http://")
                .parse()
                .unwrap(),
        )
        .unwrap();
    let _running = bound.serve(&Arc::new(Constant));
    std::future::pending::<()>().await;
}

async fn bare(sender: std::sync::mpsc::Sender<SocketAddr>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    sender.send(listener.local_addr().unwrap()).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = service_fn(|_| async {
            let response = hyper::Response::builder()
                .header("content-type", "application/json")
                .header("cache-control", "no-store");
            response.body(Full::new(Bytes::from_static(BODY)))
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// Requests answered in one round by clients that wait for each answer.
fn round(address: SocketAddr) -> f64 {
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let request = b"GET /v1/secret/data/app/database HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: hvs.CAESIJ0123456789abcdefghij\r\nUser-Agent: bench\r\n\r\n";
                let (mut buffer, mut count) = ([0_u8; 4096], 0_u32);
                while began.elapsed() < ROUND {
                    stream.write_all(request).unwrap();
                    let mut seen = 0;
                    while seen < BODY.len() + 60 {
                        seen += stream.read(&mut buffer).unwrap();
                    }
                    count += 1;
                }
                count
            })
        })
        .collect();
    let total: u32 = clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .sum();
    f64::from(total) / began.elapsed().as_secs_f64()
}

fn main() {
    let (bare, ours) = (on_one_thread(bare), on_one_thread(ours));
    let (mut best_bare, mut best_ours) = (0_f64, 0_f64);
    for _ in 0..4 {
        // In turns, so that a busy machine is busy for both.
        best_bare = best_bare.max(round(bare));
        best_ours = best_ours.max(round(ours));
    }
    let added = 1e6 / best_ours - 1e6 / best_bare;
    println!(
        "bare hyper {best_bare:.0}/s, cofferdam-server {best_ours:.0}/s: {added:.2} µs more per request"
    );
}
