//! Providers of tokens, all of them at one address: a proxy that tunnels to a TLS server of its own,
//! which answers for any host. Nothing leaves this machine.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One question that arrived whole.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The host that was asked for.
    pub host: String,
    /// Request line and headers.
    pub head: String,
    /// What came behind them.
    pub body: String,
}

/// What is answered: status, one more header line or nothing, and a body.
pub type Answer = (u16, &'static str, &'static str);

/// All of them.
pub struct Providers {
    address: SocketAddr,
    certificate: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

impl Providers {
    /// Starts them; they are asked as `hosts`, and `answer` says what they say. They end with the test.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(
        directory: &Path,
        hosts: &[&str],
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = directory.join("providers.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::default());
        let (seen, count) = (Arc::clone(&asked), Arc::<AtomicUsize>::clone(&connections));
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let (config, seen, answer) =
                    (Arc::clone(&config), Arc::clone(&seen), Arc::clone(&answer));
                // A caller that does not trust us breaks off.
                std::thread::spawn(move || serve(stream, config, &seen, &*answer));
            }
        });
        Self {
            address,
            certificate,
            asked,
            connections,
        }
    }

    /// Makes a command use them, and trust them.
    pub fn lead<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("https_proxy", format!("http://{}", self.address))
            .env("SSL_CERT_FILE", &self.certificate)
            .env_remove("no_proxy")
            .env_remove("NO_PROXY")
    }

    /// Everything that was asked, by host and head.
    pub fn asked(&self) -> Vec<Asked> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort_by(|one, other| (&one.host, &one.head).cmp(&(&other.host, &other.head)));
        asked
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Where they are.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(
    mut tcp: TcpStream,
    config: Arc<ServerConfig>,
    seen: &Mutex<Vec<Asked>>,
    answer: &(impl Fn(&Asked) -> Answer + ?Sized),
) -> io::Result<()> {
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    let connect = head(&mut tcp)?;
    let host = connect
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(":443 ").next())
        .ok_or(io::ErrorKind::InvalidData)?
        .to_owned();
    tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = Stream::new(&mut connection, &mut tcp);
    let head = head(&mut tls)?;
    let length = head
        .to_ascii_lowercase()
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    tls.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let asked = Asked { host, head, body };
    let (status, header, text) = answer(&asked);
    seen.lock().unwrap().push(asked);
    let length = text.len();
    write!(
        tls,
        "HTTP/1.1 {status} x\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )?;
    tls.flush()
}

fn head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
