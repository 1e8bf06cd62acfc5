//! TCP, with TLS unless the configuration turned it off by name.

use super::census::{Census, Seat};
use super::connection::{Protocol, drive};
use super::plain::{Opening, explain, opening};
use super::{ListenError, breathe};
use crate::door::Door;
use crate::http::Shared;
use crate::tls::Context;
use cofferdam_core::{Chain, Peer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Whether a TCP listener speaks TLS.
#[derive(Clone)]
pub enum Secured {
    /// It does.
    Tls(Arc<Context>),
    /// `tls_disable`: tokens and secrets are readable on the wire.
    DangerouslyPlain,
}

/// A bound TCP listener.
pub(super) struct Listener {
    listener: TcpListener,
    local: SocketAddr,
    security: Secured,
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr, security: Secured) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Address {
            address: address.to_string(),
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            local,
            security,
        })
    }

    /// Takes over a listener that was bound before us.
    pub(super) fn kept(
        listener: std::net::TcpListener,
        security: Secured,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Address {
            address: "a socket that was bound before".to_owned(),
            source,
        };
        let local = listener.local_addr().map_err(failed)?;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener))
            .map_err(failed)?;
        Ok(Self {
            listener,
            local,
            security,
        })
    }

    pub(super) fn address(&self) -> String {
        let scheme = if matches!(self.security, Secured::Tls(_)) {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.local)
    }

    pub(super) async fn accept_all<D: Door>(
        &self,
        shared: &Arc<Shared<D>>,
        census: &Arc<Census>,
        stop: &watch::Receiver<bool>,
    ) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => self.admit(stream, address, shared, census, stop),
                Err(error) => breathe(&error).await,
            }
        }
    }

    fn admit<D: Door>(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        shared: &Arc<Shared<D>>,
        census: &Arc<Census>,
        stop: &watch::Receiver<bool>,
    ) {
        let peer = Peer::Network(address);
        let Some(seat) = census.admit(&peer) else {
            tracing::debug!(
                "connection refused: all {} are at work",
                shared.limits().connections
            );
            return;
        };
        // Answers are written whole: waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let watch = Arc::clone(seat.watch());
        let (shared, stop) = (Arc::clone(shared), stop.clone());
        let task = match &self.security {
            Secured::DangerouslyPlain => tokio::spawn(async move {
                drive(stream, Protocol::Http1, peer, &seat, &shared, stop).await
            }),
            Secured::Tls(context) => {
                let (acceptor, local) = (context.acceptor(), self.local);
                tokio::spawn(async move {
                    secure(stream, local, acceptor, peer, seat, &shared, stop).await
                })
            }
        };
        Census::driven_by(&watch, task.abort_handle());
    }
}

/// TLS handshake, then requests.
async fn secure<D: Door>(
    stream: TcpStream,
    local: SocketAddr,
    acceptor: TlsAcceptor,
    peer: Peer,
    seat: Seat,
    shared: &Arc<Shared<D>>,
    stop: watch::Receiver<bool>,
) {
    let handshake = async {
        match opening(&stream).await {
            Opening::Tls => acceptor.accept(stream).await.ok(),
            Opening::Http => {
                // The whole exchange is worth one second.
                let _ = tokio::time::timeout(Duration::from_secs(1), explain(stream, local)).await;
                None
            }
            Opening::Other => None,
        }
    };
    let Ok(Some(stream)) = tokio::time::timeout(shared.limits().head_time, handshake).await else {
        return;
    };
    let peer = certified(peer, stream.get_ref().1);
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    drive(stream, protocol, peer, &seat, shared, stop).await;
}

/// The peer with what it showed.
fn certified(peer: Peer, session: &rustls::ServerConnection) -> Peer {
    let shown = session.peer_certificates().unwrap_or_default();
    let chain = Chain::new(shown.iter().map(|one| one.as_ref().to_vec()).collect());
    match (peer.address(), chain) {
        (Some(address), Some(chain)) => Peer::Certified(address, chain),
        _ => peer,
    }
}
