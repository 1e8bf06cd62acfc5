//! Events over WebSocket (RFC 6455), as Vault's own clients ask for them: one text message an event.
//!
//! The connection leaves HTTP, and with it the census: what bounds it from here on are the pings,
//! the time a client may take nothing, the largest message it may send, and the count of streams
//! that the vault keeps.

use super::payload::Payload;
use super::refusal::Refusal;
use super::stream::{BEAT, stopped};
use bytes::Bytes;
use cofferdam_core::events::{End, Notice, Subscription};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// A subscriber has nothing to say but pongs and a close.
const LARGEST: usize = 4096;
/// A client that is silent for so many pings is gone.
const PATIENCE: u32 = 3;

const MALFORMED: Refusal = Refusal::invalid(
    "a WebSocket handshake needs version 13, a key of 16 bytes and the header Connection: Upgrade",
);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A client that asked for WebSocket.
pub struct Handshake {
    accept: HeaderValue,
    upgrade: OnUpgrade,
}

/// Whether the request asks for WebSocket, and how.
#[must_use]
pub fn asked(parts: &mut Parts) -> Option<Result<Handshake, Refusal>> {
    // HTTP/2 has no such header; what a peer sends there in spite of it means nothing.
    if parts.version != Version::HTTP_11 || !says(&parts.headers, &UPGRADE, "websocket") {
        return None;
    }
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    Some(handshake(&parts.headers, upgrade).ok_or(MALFORMED))
}

fn handshake(headers: &HeaderMap, upgrade: Option<OnUpgrade>) -> Option<Handshake> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|_| keys.next().is_none())?;
    let fits = says(headers, &CONNECTION, "upgrade")
        && says(headers, &SEC_WEBSOCKET_VERSION, "13")
        // 16 bytes in base64.
        && key.len() == 24;
    if !fits {
        return None;
    }
    Some(Handshake {
        accept: HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?,
        upgrade: upgrade?,
    })
}

/// Whether one of the header's words is this one.
fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|found| found.trim().eq_ignore_ascii_case(word))
}

impl Handshake {
    /// Answers with the switch of protocols, and serves the events once the client has it.
    pub(super) fn accept(
        self,
        events: Box<Subscription>,
        stop: watch::Receiver<bool>,
        patience: Duration,
    ) -> Response<Payload> {
        let upgrade = self.upgrade;
        tokio::spawn(async move {
            // A client that left before the switch.
            let Ok(upgraded) = upgrade.await else { return };
            let config = WebSocketConfig::default()
                .max_message_size(Some(LARGEST))
                .max_frame_size(Some(LARGEST));
            let stream = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
            serve(socket, events, stop, patience).await;
        });
        let mut response = Response::new(Payload::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        response
    }
}

async fn serve(
    mut socket: Socket,
    mut events: Box<Subscription>,
    mut stop: watch::Receiver<bool>,
    patience: Duration,
) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let mut next = pin!(events.next());
        let notice = loop {
            tokio::select! {
                notice = &mut next => break notice,
                _ = beat.tick() => {
                    let silent = heard.elapsed() > BEAT * PATIENCE;
                    let ping = Message::Ping(Bytes::new());
                    if silent || send(&mut socket, ping, patience).await.is_err() {
                        return;
                    }
                }
                message = socket.next() => match message {
                    // Pings are answered below us; what else a client says is of no interest.
                    Some(Ok(message)) if !message.is_close() => heard = Instant::now(),
                    _ => return,
                },
                () = stopped(&mut stop) => {
                    return close(&mut socket, CloseCode::Away, "the server is shutting down", patience).await;
                }
            }
        };
        match notice {
            Notice::Event(json) => {
                let Ok(text) = Utf8Bytes::try_from(json) else {
                    return;
                };
                if send(&mut socket, Message::Text(text), patience)
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Notice::End(end) => {
                let code = match end {
                    End::Behind => CloseCode::Again,
                    End::Denied => CloseCode::Policy,
                    End::Sealed => CloseCode::Away,
                };
                return close(&mut socket, code, end.as_str(), patience).await;
            }
        }
    }
}

async fn close(socket: &mut Socket, code: CloseCode, reason: &'static str, patience: Duration) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // Whether it arrives is the client's business: it sees the end in any case.
    let _ = send(socket, Message::Close(Some(frame)), patience).await;
}

async fn send(socket: &mut Socket, message: Message, patience: Duration) -> Result<(), Error> {
    tokio::time::timeout(patience, socket.send(message))
        .await
        .unwrap_or(Err(Error::ConnectionClosed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn asks(headers: &[(&str, &str)], version: Version) -> Option<Result<(), Refusal>> {
        let mut request = Request::builder().version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        asked(&mut parts).map(|asked| asked.map(drop))
    }

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");
    const UPGRADE: (&str, &str) = ("upgrade", "websocket");
    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");

    #[test]
    fn whoever_does_not_ask_for_websocket_is_left_alone() {
        for headers in [
            &[][..],
            &[KEY, VERSION, CONNECTION],
            &[("upgrade", "h2c"), CONNECTION],
        ] {
            assert!(asks(headers, Version::HTTP_11).is_none());
        }
        assert!(asks(&[KEY, VERSION, UPGRADE, CONNECTION], Version::HTTP_2).is_none());
        assert!(asks(&[KEY, VERSION, UPGRADE, CONNECTION], Version::HTTP_10).is_none());
    }

    #[test]
    fn a_handshake_that_is_not_whole_is_refused() {
        for headers in [
            &[UPGRADE][..],
            &[KEY, UPGRADE, CONNECTION],
            &[VERSION, UPGRADE, CONNECTION],
            &[KEY, KEY, VERSION, UPGRADE, CONNECTION],
            &[KEY, VERSION, UPGRADE],
            &[KEY, ("sec-websocket-version", "8"), UPGRADE, CONNECTION],
            &[("sec-websocket-key", "short"), VERSION, UPGRADE, CONNECTION],
            // Whole, but on a connection that cannot be taken over.
            &[KEY, VERSION, UPGRADE, CONNECTION],
        ] {
            assert!(asks(headers, Version::HTTP_11).is_some_and(|asked| asked == Err(MALFORMED)));
        }
    }
}
