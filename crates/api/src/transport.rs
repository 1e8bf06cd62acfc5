//! Connections: opened on need, kept for the next request, bounded.

use crate::{Endpoint, Error, Trust, places};
use bytes::Bytes;
use cofferdam_secret::{Buffer, Secret};
use http::header::HeaderValue;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Largest answer that is read. KV values are at most 1 MiB, lists a few.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// Idle connections that are kept; more requests at once open more and drop them after.
const MAX_IDLE: usize = 8;

type Sender = SendRequest<Full<Bytes>>;

/// Bytes on their way into a socket, wiped when the last holder lets go.
struct Wiping(Secret<Vec<u8>>);

impl AsRef<[u8]> for Wiping {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Hands secret bytes to hyper without leaving a copy that nobody wipes.
pub(crate) fn wiping(bytes: Secret<Vec<u8>>) -> Bytes {
    Bytes::from_owner(Wiping(bytes))
}

/// A header with a secret in it; `None` where HTTP cannot carry it.
pub(crate) fn sensitive(value: Secret<Vec<u8>>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(wiping(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Opens connections to one endpoint and keeps those that are idle.
pub(crate) struct Transport {
    pub(crate) endpoint: Endpoint,
    trust: Trust,
    tls: Option<TlsConnector>,
    idle: Mutex<Vec<Sender>>,
    timeout: Duration,
}

impl Transport {
    pub(crate) fn new(endpoint: Endpoint, trust: Trust, timeout: Duration) -> Result<Self, Error> {
        let tls = match &endpoint {
            Endpoint::Https { .. } => Some(TlsConnector::from(Arc::new(trust.config(&endpoint)?))),
            _ => None,
        };
        Ok(Self {
            endpoint,
            trust,
            tls,
            idle: Mutex::new(Vec::new()),
            timeout,
        })
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn exchange(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<(u16, Secret<Vec<u8>>), Error> {
        tokio::time::timeout(self.timeout, self.exchange_untimed(request))
            .await
            .map_err(|_| self.late(self.timeout))?
    }

    /// Sends one request and reads the beginning of the answer, which goes on; its connection is
    /// used for nothing else.
    pub(crate) async fn open(
        self: &Arc<Self>,
        request: http::Request<Full<Bytes>>,
    ) -> Result<(u16, Body), Error> {
        let begun = tokio::time::timeout(self.timeout, self.begin(request)).await;
        let (answer, sender) = begun.map_err(|_| self.late(self.timeout))??;
        let status = answer.status().as_u16();
        let body = Body {
            transport: Arc::clone(self),
            incoming: answer.into_body(),
            _sender: sender,
        };
        Ok((status, body))
    }

    async fn exchange_untimed(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<(u16, Secret<Vec<u8>>), Error> {
        let (answer, sender) = self.begin(request).await?;
        let status = answer.status().as_u16();
        let body = self.collect(answer.into_body()).await?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
        Ok((status, body))
    }

    /// Sends a request, on an idle connection if there is one.
    async fn begin(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<(http::Response<Incoming>, Sender), Error> {
        let (mut sender, mut request) = (self.sender().await?, request);
        loop {
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok((answer, sender)),
                // A kept connection that the server closed just now: hyper hands the request
                // back, so not a byte of it was sent and nothing can happen twice.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => {
                        request = unsent;
                        sender = self.connect().await?;
                    }
                    None => return Err(self.broken(error.error())),
                },
            }
        }
    }

    async fn collect(&self, mut body: Incoming) -> Result<Secret<Vec<u8>>, Error> {
        let mut collected = Buffer::with_capacity(4096);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.broken(&error))?;
            if let Some(data) = frame.data_ref() {
                if collected.len() + data.len() > MAX_ANSWER {
                    return Err(self.protocol("the answer is larger than 32 MiB"));
                }
                collected.push(data);
            }
        }
        Ok(collected.finish())
    }

    /// An idle connection that is still open, else a new one. A connection that the server closed
    /// while it was idle is noticed here, so nothing has to be sent twice.
    async fn sender(&self) -> Result<Sender, Error> {
        loop {
            let kept = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let Some(mut kept) = kept else {
                return self.connect().await;
            };
            if !kept.is_closed() && kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
    }

    async fn connect(&self) -> Result<Sender, Error> {
        match &self.endpoint {
            Endpoint::Socket(path) => {
                if path.exists() && !places::is_trusted_socket(path) {
                    return Err(Error::UntrustedSocket {
                        address: self.endpoint.to_string(),
                    });
                }
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|e| self.unreachable(&e))?;
                self.shake_hands(stream).await
            }
            Endpoint::Http { host, port, .. } => {
                let stream = self.tcp(host, *port).await?;
                self.shake_hands(stream).await
            }
            Endpoint::Https { host, port, .. } => {
                let stream = self.tcp(host, *port).await?;
                let Some(tls) = &self.tls else {
                    return Err(Error::Request("TLS without a configuration"));
                };
                let stream = tls.connect(self.trust.name(host)?, stream).await;
                self.shake_hands(stream.map_err(|error| self.untrusted(&error))?)
                    .await
            }
        }
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|e| self.unreachable(&e))?;
        // Requests are small and wait for their answer: do not collect them.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    async fn shake_hands<S>(&self, stream: S) -> Result<Sender, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(sender)
    }

    fn late(&self, after: Duration) -> Error {
        Error::Timeout {
            address: self.endpoint.to_string(),
            seconds: after.as_secs(),
        }
    }

    pub(crate) fn protocol(&self, reason: &str) -> Error {
        Error::Protocol {
            address: self.endpoint.to_string(),
            reason: reason.to_owned(),
        }
    }

    fn broken(&self, error: &hyper::Error) -> Error {
        self.protocol(if error.is_parse() {
            "the bytes are no HTTP"
        } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            "the connection was closed before the answer was complete"
        } else {
            "the exchange broke off"
        })
    }

    fn unreachable(&self, error: &io::Error) -> Error {
        Error::Unreachable {
            address: self.endpoint.to_string(),
            reason: plain_reason(error),
        }
    }

    fn untrusted(&self, error: &io::Error) -> Error {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let reason = inner.map_or_else(|| plain_reason(error), tls_reason);
        Error::Tls {
            address: self.endpoint.to_string(),
            reason,
        }
    }
}

/// An answer that goes on. Its connection ends with it.
pub(crate) struct Body {
    transport: Arc<Transport>,
    incoming: Incoming,
    _sender: Sender,
}

impl Body {
    /// The next piece; `None` at the end.
    pub(crate) async fn piece(&mut self, silence: Duration) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = tokio::time::timeout(silence, self.incoming.frame()).await;
            match frame.map_err(|_| self.transport.late(silence))? {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.transport.broken(&error)),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// All of it.
    pub(crate) async fn whole(self) -> Result<Secret<Vec<u8>>, Error> {
        let whole = self.transport.collect(self.incoming);
        let limit = self.transport.timeout;
        let whole = tokio::time::timeout(limit, whole).await;
        whole.map_err(|_| self.transport.late(limit))?
    }

    pub(crate) fn protocol(&self, reason: &str) -> Error {
        self.transport.protocol(reason)
    }
}

/// Rust appends "(os error 111)", which helps nobody.
fn plain_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.to_lowercase()
}

fn tls_reason(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(Certificate::UnknownIssuer) => {
            "its certificate is signed by an unknown authority".to_owned()
        }
        Tls::InvalidCertificate(Certificate::BadSignature) => {
            "its certificate is not signed by the authority it names".to_owned()
        }
        Tls::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        Tls::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "its certificate is for another name".to_owned(),
        Tls::InvalidCertificate(Certificate::Other(_)) => {
            "its certificate is no server's, but an authority's own or one of an unknown form"
                .to_owned()
        }
        Tls::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
        other => other.to_string(),
    }
}
