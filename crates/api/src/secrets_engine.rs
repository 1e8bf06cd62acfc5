//! Docker's secrets engine as a source of values: what `se://ID` means on a host that has one.
//!
//! Facts are those of docker/secrets-engine: a daemon of each user at the abstract socket
//! `@docker-secrets-engine/UID/daemon.sock` (Linux; `x/api/defaults_linux.go`), Docker Desktop's at
//! `docker-secrets-engine/engine.sock` in the user's cache directory, and one Connect call with JSON,
//! `POST /resolver.v1.ResolverService/GetSecrets {"pattern": …}`, whose answer carries values in
//! base64. `COFFERDAM_SECRETS_ENGINE` names another socket, with `@` first for an abstract one.
//!
//! An abstract socket has no owner on disk, so anybody could be sitting there: the kernel is asked
//! who listens, and only the user's own processes and root's are believed.

use crate::places::Environment;
use crate::transport::wiping;
use crate::{Error, Fetched, Method, Refusal, Response, Tree};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cofferdam_secret::{Buffer, Secret};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::time::Duration;

/// The one call.
const TARGET: &str = "/resolver.v1.ResolverService/GetSecrets";

/// Largest answer that is read.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The engine may ask its user for leave first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a value is in our own store when there is no engine: `secret/se/ID`.
pub(crate) const PLACE: &str = "secret/se";

/// Whether this can be an engine's id or pattern: parts of letters, digits, `.`, `-` and `_`, or
/// `*` or `**` as a whole part (`x/secrets/pattern.go`).
pub(crate) fn is_pattern(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    text.split('/').all(|part| {
        let is_name = !part.is_empty() && part.bytes().all(legal);
        (is_name && part != "." && part != "..") || matches!(part, "*" | "**")
    })
}

/// Asks the first engine that listens; nothing when none does.
pub(crate) async fn fetch(pattern: &str, addresses: &[String]) -> Result<Option<Fetched>, Error> {
    for address in addresses {
        if let Some(stream) = connect(address)? {
            let asked = tokio::time::timeout(PATIENCE, ask(stream, address, pattern)).await;
            return asked
                .map_err(|_| Error::Timeout {
                    address: address.clone(),
                    seconds: PATIENCE.as_secs(),
                })?
                .map(Some);
        }
    }
    Ok(None)
}

/// Where an engine of this user's would listen.
pub(crate) fn addresses(environment: Environment<'_>) -> Vec<String> {
    if let Some(named) = environment("COFFERDAM_SECRETS_ENGINE") {
        return vec![named];
    }
    let own = format!("@docker-secrets-engine/{}/daemon.sock", geteuid().as_raw());
    let cache = environment("XDG_CACHE_HOME").filter(|path| path.starts_with('/'));
    let cache = cache.or_else(|| environment("HOME").map(|home| format!("{home}/.cache")));
    let desktop = cache.map(|cache| format!("{cache}/docker-secrets-engine/engine.sock"));
    std::iter::once(own).chain(desktop).collect()
}

/// A connection to somebody who is believed; nothing where nobody listens.
fn connect(address: &str) -> Result<Option<UnixStream>, Error> {
    let place = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(Path::new(address)),
    };
    let unreachable = |error: &io::Error| Error::Unreachable {
        address: address.to_owned(),
        reason: error.kind().to_string(),
    };
    let place = place.map_err(|error| unreachable(&error))?;
    let stream = match UnixStream::connect_addr(&place) {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
            _ => return Err(unreachable(&error)),
        },
    };
    let peer = socket_peercred(&stream).map_err(|errno| unreachable(&errno.into()))?;
    if !peer.uid.is_root() && peer.uid != geteuid() {
        return Err(Error::UntrustedSocket {
            address: address.to_owned(),
        });
    }
    stream
        .set_nonblocking(true)
        .map_err(|error| unreachable(&error))?;
    Ok(Some(stream))
}

async fn ask(stream: UnixStream, address: &str, pattern: &str) -> Result<Fetched, Error> {
    let protocol = |reason: &str| Error::Protocol {
        address: address.to_owned(),
        reason: reason.to_owned(),
    };
    let stream = tokio::net::UnixStream::from_std(stream)
        .map_err(|error| protocol(&error.kind().to_string()))?;
    let broken = |error: hyper::Error| protocol(&error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = tokio::spawn(async move { connection.await.ok() });
    let body = Tree::map().with("pattern", pattern).to_json();
    let request = http::Request::post(TARGET)
        .header(http::header::HOST, "unix")
        .header(http::header::CONTENT_TYPE, "application/json")
        .header("Connect-Protocol-Version", "1")
        .body(Full::<Bytes>::new(wiping(body)))
        .map_err(|_| Error::Request("the reference"))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut collected = Buffer::with_capacity(4096);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken)?;
        if let Some(data) = frame.data_ref() {
            if collected.len() + data.len() > MAX_ANSWER {
                return Err(protocol("the answer is larger than 4 MiB"));
            }
            collected.push(data);
        }
    }
    connection.abort();
    understood(status, &collected.finish(), address, pattern)
}

/// The one value in an answer.
pub(crate) fn understood(
    status: u16,
    body: &Secret<Vec<u8>>,
    address: &str,
    pattern: &str,
) -> Result<Fetched, Error> {
    let protocol = |reason: String| Error::Protocol {
        address: address.to_owned(),
        reason,
    };
    let answer = Tree::parse(body.expose());
    if status != 200 {
        return Err(refused(status, answer.ok().as_ref(), pattern));
    }
    let mut answer = answer.map_err(|_| protocol("not JSON".to_owned()))?;
    let Some(Tree::List(mut envelopes)) = answer.take("envelopes") else {
        return Err(refused(404, None, pattern));
    };
    if envelopes.len() > 1 {
        let count = envelopes.len();
        return Err(protocol(format!(
            "{count} secrets match se://{pattern}, and one is needed"
        )));
    }
    let Some(mut envelope) = envelopes.pop() else {
        return Err(refused(404, None, pattern));
    };
    // Proto3's JSON leaves out what is empty.
    let value = match envelope.take("value") {
        Some(Tree::Text(text)) => STANDARD
            .decode(text.expose())
            .map_err(|_| protocol("a value is not base64".to_owned()))?,
        None => Vec::new(),
        Some(_) => return Err(protocol("a value is not base64".to_owned())),
    };
    Ok(Fetched {
        value: Secret::new(value),
        field: "value".to_owned(),
        version: None,
    })
}

/// A refusal in Connect's form, `{"code": …, "message": …}`, as one of ours.
fn refused(status: u16, answer: Option<&Tree>, pattern: &str) -> Error {
    let text = |key: &str| answer.and_then(|it| it.get(key)).and_then(Tree::as_text);
    let status = match text("code") {
        Some("not_found") => 404,
        Some("permission_denied" | "unauthenticated") => 403,
        _ => status,
    };
    let nothing = Secret::new(Vec::new());
    let Ok(response) = Response::parse(status, nothing) else {
        return Error::Request("the reference");
    };
    Error::refused(Refusal {
        method: Method::Post,
        path: format!("se://{pattern}"),
        status,
        errors: text("message").map(str::to_owned).into_iter().collect(),
        warnings: Vec::new(),
        response: Box::new(response),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    fn of(status: u16, body: &str) -> Result<Vec<u8>, Error> {
        let body = Secret::new(body.as_bytes().to_vec());
        understood(status, &body, "@x", "app/db").map(|fetched| fetched.value.expose().clone())
    }

    #[test]
    fn an_answer_has_one_value_or_is_refused() {
        let one = r#"{"envelopes":[{"id":"app/db","value":"aHVudGVyMg==","provider":"p"}]}"#;
        assert_eq!(of(200, one).unwrap(), b"hunter2");
        assert_eq!(of(200, r#"{"envelopes":[{"id":"app/db"}]}"#).unwrap(), b"");
        for nothing in ["{}", r#"{"envelopes":[]}"#] {
            assert!(matches!(of(200, nothing), Err(Error::NotFound(_))));
        }
        let code = |code: &str| format!(r#"{{"code":"{code}","message":"no"}}"#);
        assert!(matches!(
            of(404, &code("not_found")),
            Err(Error::NotFound(_))
        ));
        assert!(matches!(
            of(403, &code("permission_denied")),
            Err(Error::Denied(_))
        ));
        assert!(matches!(of(500, &code("internal")), Err(Error::Api(_))));
        for broken in [
            "hunter2",
            r#"{"envelopes":[{"value":"hunter2!"}]}"#,
            r#"{"envelopes":[{"value":7}]}"#,
            r#"{"envelopes":[{"value":"aHVudGVyMg=="},{"value":"aHVudGVyMg=="}]}"#,
        ] {
            let error = of(200, broken).unwrap_err();
            assert!(matches!(error, Error::Protocol { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic_and_none_is_repeated(
            status in 100_u16..600,
            body in "[\\[\\]{}:,\"a-z0-9=+]{0,60}|[^a]{0,20}",
        ) {
            let wrapped = format!(r#"{{"envelopes":[{{"value":"{body}"}}]}}"#);
            for body in [&body, &wrapped] {
                let _ = of(status, body);
            }
        }
    }

    #[test]
    fn patterns_are_those_of_the_engine() {
        for good in ["a", "a/b-c_d.e", "*", "a/**", "a/*/b"] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", "a*", "***", "a b", "a/../b", "é", "a#f", "a@1",
        ] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn a_real_socket_is_asked_as_docker_describes_it() {
        let name = format!("cofferdam-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let engine = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 1024];
            while !request.ends_with(br#"{"pattern":"app/db"}"#) {
                let count = stream.read(&mut chunk).unwrap();
                assert!(count > 0);
                request.extend_from_slice(&chunk[..count]);
            }
            let body = r#"{"envelopes":[{"id":"app/db","value":"eA=="}]}"#;
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            String::from_utf8(request).unwrap()
        });
        let named = format!("@{name}");
        let addresses = addresses(&|variable: &str| {
            (variable == "COFFERDAM_SECRETS_ENGINE").then(|| named.clone())
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let fetched = runtime.block_on(fetch("app/db", &addresses)).unwrap();
        assert_eq!(fetched.unwrap().value.expose(), b"x");
        let request = engine.join().unwrap();
        assert!(
            request.starts_with(&format!("POST {TARGET} HTTP/1.1\r\n")),
            "{request}"
        );
        assert!(
            request.contains("content-type: application/json"),
            "{request}"
        );
        // Nobody listens any more.
        assert!(
            runtime
                .block_on(fetch("app/db", &addresses))
                .unwrap()
                .is_none()
        );
    }
}
