//! One request and its answer.

use super::url::is_reachable;
use super::{Failed, Trust, Url};
use bytes::Bytes;
use cofferdam_secret::{Buffer, Secret};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For everything: name, connection, TLS, answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For one address of several: a dead one must not use up the time of all.
const PATIENCE_CONNECT: Duration = Duration::from_secs(4);
/// Head of an answer, in bytes.
const MOST_HEAD: usize = 64 << 10;
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// What is asked.
pub(crate) struct Asked<'a> {
    pub(crate) url: &'a Url,
    pub(crate) trust: Trust<'a>,
    /// Sent with POST, and of which sort it is; `None`: GET.
    pub(crate) body: Option<(Secret<Vec<u8>>, &'static str)>,
    /// The header with what proves who we are, as it is sent.
    pub(crate) authorization: Option<Secret<Vec<u8>>>,
    /// Bytes of the longest answer that is read.
    pub(crate) most: usize,
}

/// A request that somebody else has signed: nothing is sent that is not named here, but `Host`, which
/// is the URL's where `headers` have none.
pub(crate) struct Carried<'a> {
    /// Where it goes.
    pub(crate) url: &'a Url,
    /// Path and query as they were signed; the URL's are not used.
    pub(crate) target: &'static str,
    pub(crate) headers: HeaderMap,
    /// Sent with POST; `None`: GET.
    pub(crate) body: Option<&'static str>,
    /// Bytes of the longest answer that is read.
    pub(crate) most: usize,
}

/// The answer: whatever its status is, but no redirect.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Secret<Vec<u8>>,
}

/// Bytes on their way into a socket, wiped when the last holder lets go.
struct Wiping(Secret<Vec<u8>>);

impl AsRef<[u8]> for Wiping {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Asks, on a connection of its own.
///
/// # Errors
/// [`Failed`]; an answer with an unhappy status is none.
pub(crate) async fn send(asked: Asked<'_>) -> Result<Answered, Failed> {
    send_with(asked, Vec::new()).await
}

/// As [`send`], with more headers.
///
/// # Errors
/// As [`send`].
pub(crate) async fn send_with(
    asked: Asked<'_>,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> Result<Answered, Failed> {
    let (url, trust, most) = (asked.url, asked.trust, asked.most);
    in_time(url, trust, request(asked, headers)?, most).await
}

/// Carries a request to where it was signed for; the system's CAs count.
///
/// # Errors
/// As [`send`].
pub(crate) async fn carry(carried: Carried<'_>) -> Result<Answered, Failed> {
    let (body, method) = match carried.body {
        Some(body) => (Bytes::from_static(body.as_bytes()), http::Method::POST),
        None => (Bytes::new(), http::Method::GET),
    };
    let mut request = http::Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = carried.target.parse().map_err(|_| Failed::Url)?;
    *request.headers_mut() = carried.headers;
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::from_str(&carried.url.authority).map_err(|_| Failed::Url)?;
        request.headers_mut().insert(HOST, host);
    }
    in_time(carried.url, Trust::default(), request, carried.most).await
}

/// A header's value that is a secret: wiped with the last that holds it.
///
/// # Errors
/// [`Failed::Broken`] for what no header can have.
pub(crate) fn secret_value(secret: Secret<Vec<u8>>) -> Result<HeaderValue, Failed> {
    let value = HeaderValue::from_maybe_shared(Bytes::from_owner(Wiping(secret)));
    let mut value = value.map_err(|_| Failed::Broken)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn in_time(
    url: &Url,
    trust: Trust<'_>,
    request: http::Request<Full<Bytes>>,
    most: usize,
) -> Result<Answered, Failed> {
    tokio::time::timeout(PATIENCE, exchange(url, trust, request, most))
        .await
        .map_err(|_| Failed::Late)?
}

async fn exchange(
    url: &Url,
    trust: Trust<'_>,
    request: http::Request<Full<Bytes>>,
    most: usize,
) -> Result<Answered, Failed> {
    // Before anything is connected: a CA that cannot be read is not the server's fault.
    let tls = match url.secure {
        true => Some(Arc::new(trust.config()?)),
        false => None,
    };
    let stream = connect(url).await?;
    match tls {
        None => converse(stream, request, most).await,
        Some(config) => {
            let name = ServerName::try_from(url.host.clone()).map_err(|_| Failed::Name)?;
            let stream = TlsConnector::from(config).connect(name, stream).await;
            converse(stream.map_err(|_| Failed::Untrusted)?, request, most).await
        }
    }
}

/// Connects to the address that was judged, and not to the name a second time.
async fn connect(url: &Url) -> Result<TcpStream, Failed> {
    let found = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
    let mut allowed = found
        .map_err(|_| Failed::Unknown)?
        .filter(|address| is_reachable(address.ip()))
        // `localhost` over plain HTTP means this machine, whatever a resolver says.
        .filter(|address| url.secure || address.ip().is_loopback())
        .take(MOST_ADDRESSES)
        .peekable();
    if allowed.peek().is_none() {
        return Err(Failed::Forbidden);
    }
    for address in allowed {
        if let Ok(Ok(stream)) =
            tokio::time::timeout(PATIENCE_CONNECT, TcpStream::connect(address)).await
        {
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(Failed::Unreachable)
}

async fn converse<S>(
    stream: S,
    request: http::Request<Full<Bytes>>,
    most: usize,
) -> Result<Answered, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = Builder::new()
        .max_buf_size(MOST_HEAD)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|_| Failed::Broken)?;
    let driver = tokio::spawn(async move {
        // What ends it, the exchange sees for itself.
        let _ = connection.await;
    });
    // Whichever way this ends, the connection ends with it.
    let _ends = AbortOnDrop(driver);
    let answer = sender
        .send_request(request)
        .await
        .map_err(|_| Failed::Broken)?;
    let status = answer.status();
    if status.is_redirection() {
        return Err(Failed::Redirect);
    }
    let mut incoming = answer.into_body();
    let mut body = Buffer::with_capacity(4096);
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Failed::Broken)?;
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > most {
                return Err(Failed::TooLarge);
            }
            body.push(data);
        }
    }
    Ok(Answered {
        status: status.as_u16(),
        body: body.finish(),
    })
}

fn request(
    asked: Asked<'_>,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> Result<http::Request<Full<Bytes>>, Failed> {
    let method = match asked.body {
        Some(_) => http::Method::POST,
        None => http::Method::GET,
    };
    let mut request = http::Request::builder()
        .method(method)
        .uri(asked.url.target.as_str())
        .header(HOST, asked.url.authority.as_str())
        .header(USER_AGENT, "cofferdam")
        .header(ACCEPT, "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(secret) = asked.authorization {
        request = request.header(AUTHORIZATION, secret_value(secret)?);
    }
    let body = match asked.body {
        Some((body, sort)) => {
            request = request.header(CONTENT_TYPE, sort);
            Bytes::from_owner(Wiping(body))
        }
        None => Bytes::new(),
    };
    request.body(Full::new(body)).map_err(|_| Failed::Url)
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
