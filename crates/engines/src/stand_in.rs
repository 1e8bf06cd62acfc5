//! A small HTTP server that answers what a test tells it to: bytes as they stand, so that it can also
//! be a bad one.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the server is asked, as it came.
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: String,
}

type Answer = dyn Fn(&Heard, &mut dyn Write) + Send + Sync;

/// The server; its threads end with the process.
pub(crate) struct StandIn {
    port: u16,
    /// PEM of the CA of its certificate; empty without TLS.
    pub(crate) ca: String,
    answer: Arc<Mutex<Arc<Answer>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// A whole answer.
pub(crate) fn respond(to: &mut dyn Write, status: &str, body: &str) {
    let length = body.len();
    let _ = write!(
        to,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

impl StandIn {
    pub(crate) fn plain(answer: impl Fn(&Heard, &mut dyn Write) + Send + Sync + 'static) -> Self {
        Self::start(answer, None, String::new())
    }

    /// With a certificate for `name`.
    pub(crate) fn secure(
        name: &str,
        answer: impl Fn(&Heard, &mut dyn Write) + Send + Sync + 'static,
    ) -> Self {
        let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = authority.self_signed(&key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, key);
        let own = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&own, &issuer)
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(own.serialize_der()).unwrap(),
            )
            .unwrap();
        Self::start(answer, Some(Arc::new(config)), ca)
    }

    fn start(
        answer: impl Fn(&Heard, &mut dyn Write) + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
        ca: String,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stand_in = Self {
            port: listener.local_addr().unwrap().port(),
            ca,
            answer: Arc::new(Mutex::new(Arc::new(answer))),
            heads: Arc::default(),
        };
        let (answer, heads) = (Arc::clone(&stand_in.answer), Arc::clone(&stand_in.heads));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, heads, tls) = (Arc::clone(&answer), Arc::clone(&heads), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &answer, &heads),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(session, stream), &answer, &heads);
                    }
                });
            }
        });
        stand_in
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.ca.is_empty() { "http" } else { "https" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// From now on.
    pub(crate) fn answers(&self, answer: impl Fn(&Heard, &mut dyn Write) + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

fn serve(mut stream: impl Read + Write, answer: &Mutex<Arc<Answer>>, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| {
        rest.split("\r\n").next().unwrap().parse().unwrap()
    });
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    heads.lock().unwrap().push(head.clone());
    let answer = Arc::clone(&answer.lock().unwrap());
    let body = String::from_utf8(body).unwrap();
    answer(&Heard { head, body }, &mut stream);
    let _ = stream.flush();
}

/// For servers that never come to an end.
pub(crate) fn sleep(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}
