//! Single requests to servers of others: over TLS, to a host that the caller's code names, and to no
//! other.
//!
//! No redirect is followed: an answer that sends elsewhere is an answer. Certificates are those of the
//! system, or of `SSL_CERT_FILE`; nothing of a Vault's settings (own CAs, skipped checks) counts here.
//! Proxies of the environment are used and never passed by: where one is named that cannot be used,
//! nothing is sent.

mod proxy;

use crate::places::Environment;
use crate::transport::wiping;
use crate::{Endpoint, Trust};
use bytes::Bytes;
use cofferdam_secret::{Buffer, Secret};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, USER_AGENT};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use proxy::Proxy;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// Largest answer that is read.
const MAX_ANSWER: usize = 256 << 10;
/// A request.
pub struct WebRequest {
    /// The host's name.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// `POST` with this body instead of `GET`.
    pub post: Option<String>,
    /// More headers. None of their values is ever shown.
    pub headers: Vec<(String, Secret<Vec<u8>>)>,
}

/// An answer.
pub struct WebAnswer {
    /// The status.
    pub status: u16,
    /// The beginning of the body; it may repeat what was sent.
    pub body: Secret<Vec<u8>>,
}

/// Why there is no answer. Names no more than hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// Nobody is there.
    #[error("cannot be reached")]
    Unreachable,
    /// It is not who it should be.
    #[error("its certificate is not to be trusted")]
    Untrusted,
    /// It took too long.
    #[error("no answer within {0} seconds")]
    Late(u64),
    /// What came is no HTTP, or too much.
    #[error("its answer cannot be read")]
    Answer,
    /// The proxy does not let it pass.
    #[error("the proxy refuses to connect (status {0})")]
    Refused(u16),
    /// The proxy cannot be used.
    #[error("the proxy of the environment is not one with http://")]
    Proxy,
    /// The request cannot be written down.
    #[error("it cannot be asked")]
    Request,
    /// The system's CAs cannot be read.
    #[error("no certificates to trust in {0}")]
    Trust(String),
}

/// Asks servers of others.
pub struct Web {
    tls: TlsConnector,
    proxy: Proxy,
    timeout: Duration,
}

impl Web {
    /// As the environment says.
    ///
    /// # Errors
    /// [`WebError::Trust`].
    pub fn new(environment: Environment<'_>, timeout: Duration) -> Result<Self, WebError> {
        let trust = Trust {
            ca_cert: environment("SSL_CERT_FILE").map(PathBuf::from),
            ..Trust::default()
        };
        let anywhere = Endpoint::Https {
            host: "host.invalid".to_owned(),
            port: 443,
            base: String::new(),
        };
        let mut config = trust.config(&anywhere).map_err(|error| match error {
            crate::Error::Trust { path, .. } => WebError::Trust(path),
            _ => WebError::Request,
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            proxy: Proxy::from_environment(environment),
            timeout,
        })
    }

    /// By which way requests go to a host, in words; none if they go straight.
    #[must_use]
    pub fn way(&self, host: &str) -> Option<String> {
        self.proxy
            .shown(host)
            .map(|proxy| format!("by the proxy {proxy}"))
    }

    /// Asks.
    ///
    /// # Errors
    /// [`WebError`].
    pub async fn ask(&self, request: WebRequest) -> Result<WebAnswer, WebError> {
        let late = WebError::Late(self.timeout.as_secs());
        let asked = tokio::time::timeout(self.timeout, Box::pin(self.exchange(request))).await;
        asked.map_err(|_| late)?
    }

    async fn exchange(&self, request: WebRequest) -> Result<WebAnswer, WebError> {
        let stream = self.proxy.connect(&request.host).await?;
        let name = rustls::pki_types::ServerName::try_from(request.host.clone())
            .map_err(|_| WebError::Request)?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| {
            let inner = error.get_ref();
            match inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
                true => WebError::Untrusted,
                false => WebError::Unreachable,
            }
        })?;
        let shaken = handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|_| WebError::Unreachable)?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(written(request)?).await;
        let answer = answer.map_err(|_| WebError::Answer);
        let read = match answer {
            Ok(answer) => {
                let status = answer.status().as_u16();
                beginning(answer.into_body())
                    .await
                    .map(|body| WebAnswer { status, body })
            }
            Err(error) => Err(error),
        };
        driver.abort();
        read
    }
}

fn written(request: WebRequest) -> Result<http::Request<Full<Bytes>>, WebError> {
    let method = match request.post {
        Some(_) => http::Method::POST,
        None => http::Method::GET,
    };
    let mut builder = http::Request::builder()
        .method(method)
        .uri(request.target)
        .header(HOST, request.host)
        .header(USER_AGENT, concat!("cofferdam/", env!("CARGO_PKG_VERSION")));
    for (name, value) in request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| WebError::Request)?;
        let mut value =
            HeaderValue::from_maybe_shared(wiping(value)).map_err(|_| WebError::Request)?;
        value.set_sensitive(true);
        builder = builder.header(name, value);
    }
    let body = request.post.map(String::into_bytes);
    if let Some(body) = &body {
        builder = builder.header(CONTENT_LENGTH, body.len());
    }
    let body = Bytes::from(body.unwrap_or_default());
    builder.body(Full::new(body)).map_err(|_| WebError::Request)
}

/// As much of a body as is needed; what is longer is no answer to a question.
async fn beginning(mut body: hyper::body::Incoming) -> Result<Secret<Vec<u8>>, WebError> {
    let mut collected = Buffer::with_capacity(4096);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| WebError::Answer)?;
        if let Some(data) = frame.data_ref() {
            if collected.len() + data.len() > MAX_ANSWER {
                return Err(WebError::Answer);
            }
            collected.push(data);
        }
    }
    Ok(collected.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_no_value_that_is_shown() {
        let request = WebRequest {
            host: "api.example.com".to_owned(),
            target: "/v1/x?a=b".to_owned(),
            post: Some("a=b".to_owned()),
            headers: vec![("X-Key".to_owned(), Secret::new(b"hunter2".to_vec()))],
        };
        let request = written(request).unwrap();
        assert_eq!(request.headers()["content-length"], "3");
        assert_eq!(request.headers()["x-key"].as_bytes(), b"hunter2");
        assert!(!format!("{request:?}").contains("hunter2"));
        let line_end = WebRequest {
            host: "api.example.com".to_owned(),
            target: "/".to_owned(),
            post: None,
            headers: vec![("X-Key".to_owned(), Secret::new(b"a\r\nHost: b".to_vec()))],
        };
        assert_eq!(written(line_end).unwrap_err(), WebError::Request);
    }
}
