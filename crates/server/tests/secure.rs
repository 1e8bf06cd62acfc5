//! TLS: our own CA, HTTP/2 and its floods, plain HTTP on the port, and real curl.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use cofferdam_server::tls::{Authority, Clients, Context, Oldest};
use cofferdam_server::{Limits, Listen, bind, listen::Secured};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{answer, exchange, get, now, start, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

async fn connect(
    address: SocketAddr,
    ca: &Path,
    name: &str,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

fn curl(arguments: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new("curl")
        .args(["-sS", "--max-time", "20"])
        .args(arguments)
        .output()
        .expect("curl is there");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test]
async fn a_client_that_pins_the_ca_is_served_under_every_name() {
    let server = start(false, Limits::default()).await;
    for name in ["localhost", "127.0.0.1"] {
        let mut stream = connect(server.address, &server.ca, name, &[b"http/1.1"])
            .await
            .unwrap();
        stream.write_all(&get("/v1/a")).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    assert!(
        connect(server.address, &server.ca, "elsewhere.example", &[])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn another_ca_is_not_trusted() {
    let server = start(false, Limits::default()).await;
    let other = start(false, Limits::default()).await;
    assert!(
        connect(server.address, &other.ca, "localhost", &[])
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_served_over_both_versions_and_the_local_socket() {
    let server = start(false, Limits::default()).await;
    let ca = server.ca.display().to_string();
    let url = format!(
        "https://localhost:{}/v1/secret/a?list=true",
        server.address.port()
    );
    for version in ["--http1.1", "--http2"] {
        let (code, out, err) = tokio::task::block_in_place(|| {
            curl(&[version, "--cacert", &ca, "-H", "X-Vault-Token: hvs.x", &url])
        });
        assert_eq!(code, 0, "{err}");
        let seen: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (seen["verb"].as_str(), seen["token"].as_str()),
            (Some("List"), Some("hvs.x"))
        );
    }
    let socket = server.socket.display().to_string();
    let (code, out, err) = tokio::task::block_in_place(|| {
        curl(&[
            "--unix-socket",
            &socket,
            "-X",
            "LIST",
            "http://localhost/v1/secret",
        ])
    });
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("\"List\"") && out.contains("admin true"),
        "{out}"
    );
    let (code, _, err) = tokio::task::block_in_place(|| curl(&[&url]));
    assert_eq!(code, 60, "an unpinned CA must be refused: {err}");
}

#[tokio::test]
async fn plain_http_gets_one_line_that_helps() {
    let server = start(false, Limits::default()).await;
    let text = exchange(server.address, &get("/v1/sys/health")).await;
    assert!(
        text.starts_with("HTTP/1.1 400") && text.contains("text/plain"),
        "{text}"
    );
    let line = text.split_once("\r\n\r\n").unwrap().1;
    assert!(
        line.contains("this port speaks TLS")
            && line.contains(&format!("https://{}", server.address)),
        "{line}"
    );
    assert_eq!(line.trim_end().lines().count(), 1);
    // Neither TLS nor HTTP: not worth an answer.
    assert_eq!(
        exchange(server.address, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").await,
        ""
    );
    assert_eq!(exchange(server.address, b"\0\0\0\0\0\0").await, "");
    assert_eq!(server.fake.arrived.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut() {
    let limits = Limits {
        head_time: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = start(false, limits).await;
    let openings: [&[u8]; 3] = [
        b"",
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for opening in openings {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(opening).await.unwrap();
        let mut sink = [0_u8; 64];
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut sink))
            .await
            .expect("cut in time");
        assert!(matches!(ended, Ok(0) | Err(_)));
    }
    until("nobody is left", || server.running.connections() == 0).await;
}

#[tokio::test]
async fn tls_1_2_is_refused_where_1_3_is_the_oldest() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(&directory.path().join("tls"), now()).unwrap();
    let context = Context::from_authority(
        &authority,
        &["localhost".to_owned()],
        now(),
        Oldest::Tls13,
        &Clients::default(),
    )
    .unwrap();
    let security = Secured::Tls(Arc::new(context));
    let bound = bind(vec![Listen::Tcp {
        address: "127.0.0.1:0".parse().unwrap(),
        security,
        fronts: cofferdam_server::Fronts::default(),
        limits: Limits::default(),
    }])
    .await
    .unwrap();
    let url = bound.addresses()[0].replace("127.0.0.1", "localhost") + "/v1/a";
    let _running = bound.serve(&Arc::new(support::Fake::default()));
    let ca = authority.certificate().display().to_string();
    let ask = |arguments: Vec<String>| {
        tokio::task::spawn_blocking(move || {
            curl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        })
    };
    let old = ask(vec![
        "--tls-max".into(),
        "1.2".into(),
        "--cacert".into(),
        ca.clone(),
        url.clone(),
    ])
    .await
    .unwrap();
    assert_eq!(old.0, 35, "{}", old.2);
    let new = ask(vec!["--cacert".into(), ca, url]).await.unwrap();
    assert_eq!(new.0, 0, "{}", new.2);
}

#[tokio::test]
async fn http2_serves_many_streams_and_survives_rapid_reset() {
    let server = start(false, Limits::default()).await;
    let stream = connect(server.address, &server.ca, "localhost", &[b"h2"])
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let request = |path: &str| {
        hyper::Request::builder()
            .uri(format!("https://localhost{path}"))
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let answer = sender.send_request(request("/v1/a")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .starts_with(b"{")
    );
    // Streams opened and dropped at once: the server ends the connection or at least does not keep them.
    for _ in 0..5000 {
        if sender.ready().await.is_err() {
            break;
        }
        let waiting = sender.send_request(request("/v1/wait"));
        drop(tokio::time::timeout(Duration::from_micros(1), waiting).await);
    }
    let mut other = connect(server.address, &server.ca, "localhost", &[b"http/1.1"])
        .await
        .unwrap();
    other.write_all(&get("/v1/a")).await.unwrap();
    assert!(
        support::answer(&mut other)
            .await
            .starts_with("HTTP/1.1 200")
    );
    driver.abort();
}

/// PRE-4: a client of TLS 1.2 that wants to shake hands over and over on one connection.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_negotiates_anew_on_one_connection() {
    let server = start(false, Limits::default()).await;
    let peer = format!("127.0.0.1:{}", server.address.port());
    let asked = tokio::task::block_in_place(|| {
        let mut client = std::process::Command::new("openssl")
            .args(["s_client", "-tls1_2", "-connect", &peer])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("openssl is there");
        let mut words = client.stdin.take().unwrap();
        // A line with `R` alone asks for it.
        for _ in 0..50 {
            if std::io::Write::write_all(&mut words, b"R\n").is_err() {
                break;
            }
        }
        drop(words);
        let output = client.wait_with_output().unwrap();
        [output.stdout, output.stderr].concat()
    });
    let said = String::from_utf8_lossy(&asked);
    assert!(said.contains("RENEGOTIATING"), "{said}");
    assert!(said.contains("no renegotiation"), "{said}");
    let mut other = connect(server.address, &server.ca, "localhost", &[b"http/1.1"])
        .await
        .unwrap();
    other.write_all(&get("/v1/a")).await.unwrap();
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200"));
    until("it is gone", || server.running.connections() <= 1).await;
}

#[test]
fn the_ca_is_made_once_with_modes_that_no_umask_weakens() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("data/tls");
    let first = Authority::open(&place, now()).unwrap();
    let pem = std::fs::read(first.certificate()).unwrap();
    drop(first);
    let second = Authority::open(&place, now()).unwrap();
    assert_eq!(std::fs::read(second.certificate()).unwrap(), pem);
    let mode = |name: &str| {
        std::fs::metadata(place.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode("."), mode("ca-key.pem"), mode("ca.pem")),
        (0o700, 0o600, 0o644)
    );
}

#[test]
fn an_exposed_key_and_a_linked_directory_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("tls");
    drop(Authority::open(&place, now()).unwrap());
    std::fs::set_permissions(place.join("ca-key.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(
        Authority::open(&place, now())
            .err()
            .unwrap()
            .to_string()
            .contains("can be read by others")
    );
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&place, &link).unwrap();
    assert!(
        Authority::open(&link, now())
            .err()
            .unwrap()
            .to_string()
            .contains("not a directory")
    );
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(Authority::open(&place, now()).is_err());
}

#[test]
fn certificate_files_that_hold_something_else_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("cert.pem"),
        directory.path().join("key.pem"),
    );
    let attempt = || {
        Context::from_files(&cert, &key, Oldest::Tls12, &Clients::default())
            .err()
            .unwrap()
            .to_string()
    };
    assert!(attempt().contains("cannot read"));
    std::fs::write(&cert, "canary-in-a-file").unwrap();
    std::fs::write(&key, "canary-in-a-file").unwrap();
    let text = attempt();
    assert!(
        text.contains("no PEM certificate") && !text.contains("canary"),
        "{text}"
    );
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    assert!(attempt().contains("no unencrypted PEM private key"));
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    assert!(Context::from_files(&cert, &key, Oldest::Tls12, &Clients::default()).is_ok());
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    assert!(attempt().contains("cannot be used together"));
}
