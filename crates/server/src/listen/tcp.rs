//! TCP, with TLS unless the configuration turned it off by name.

use super::census::{Census, Seat};
use super::connection::{Protocol, drive};
use super::plain::{Opening, explain, opening};
use super::proxy_header::{Taken, take};
use super::{ListenError, breathe};
use crate::door::Door;
use crate::fronts::{Fronts, Trust};
use crate::http::Shared;
use crate::tls::Context;
use cofferdam_core::{Chain, Peer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    fronts: Arc<Fronts>,
    /// A peer that is not listed was named in the log.
    told: AtomicBool,
}

impl Listener {
    pub(super) async fn bind(
        address: SocketAddr,
        security: Secured,
        fronts: Fronts,
    ) -> Result<Self, ListenError> {
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
            fronts: Arc::new(fronts),
            told: AtomicBool::new(false),
        })
    }

    /// Takes over a listener that was bound before us.
    pub(super) fn kept(
        listener: std::net::TcpListener,
        security: Secured,
        fronts: Fronts,
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
            fronts: Arc::new(fronts),
            told: AtomicBool::new(false),
        })
    }

    pub(super) fn fronts(&self) -> &Fronts {
        &self.fronts
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
        let header = self.fronts.header.as_ref();
        let trust = header.map(|header| header.trust(address.ip()));
        if trust == Some(Trust::Refused) {
            self.tell(address);
            return;
        }
        let peer = Peer::Network(address);
        let seat = if self.fronts.stands_for_many(address.ip()) {
            census.admit_proxy()
        } else {
            census.admit(&peer)
        };
        let Some(seat) = seat else {
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
        let arrived = Arrived { stream, peer, seat };
        let (fronts, security, local) = (
            trust.map(|trust| (trust, Arc::clone(&self.fronts))),
            self.security.clone(),
            self.local,
        );
        let task = tokio::spawn(async move {
            let arrived = match fronts {
                Some((trust, fronts)) => {
                    let time = shared.limits().head_time;
                    arrived.introduced(trust, &fronts, time).await
                }
                None => Some(arrived),
            };
            let Some(arrived) = arrived else { return };
            match security {
                Secured::DangerouslyPlain => {
                    let Arrived { stream, peer, seat } = arrived;
                    drive(stream, Protocol::Http1, peer, &seat, &shared, stop).await;
                }
                Secured::Tls(context) => {
                    secure(arrived, local, context.acceptor(), &shared, stop).await;
                }
            }
        });
        Census::driven_by(&watch, task.abort_handle());
    }

    /// Names the first peer that is refused; a flood of them would fill the log.
    fn tell(&self, address: SocketAddr) {
        let (peer, at) = (address.ip().to_canonical(), self.local);
        if self.told.swap(true, Ordering::Relaxed) {
            tracing::debug!("connection from {peer} to {at} refused: not listed");
        } else {
            tracing::warn!(
                "connection from {peer} to {at} refused: not in proxy_protocol_authorized_addrs (others like it are told at debug level)"
            );
        }
    }
}

/// A connection that has a place.
struct Arrived {
    stream: TcpStream,
    peer: Peer,
    seat: Seat,
}

impl Arrived {
    /// The same after the header that a proxy may have put first.
    async fn introduced(mut self, trust: Trust, fronts: &Fronts, time: Duration) -> Option<Self> {
        let source = match take(&mut self.stream, time).await {
            Taken::Broken => {
                tracing::debug!("connection closed: no whole PROXY header");
                return None;
            }
            Taken::Source(source) if trust == Trust::Counts => source,
            Taken::Source(_) | Taken::Nobody => return Some(self),
        };
        let peer = self.peer.behind(source);
        let counted = (!fronts.shares(source.ip())).then_some(&peer);
        if !self.seat.turns_out(counted) {
            tracing::debug!("connection refused: its client has as many as it may have");
            return None;
        }
        Some(Self { peer, ..self })
    }
}

/// TLS handshake, then requests.
async fn secure<D: Door>(
    arrived: Arrived,
    local: SocketAddr,
    acceptor: TlsAcceptor,
    shared: &Arc<Shared<D>>,
    stop: watch::Receiver<bool>,
) {
    let Arrived { stream, peer, seat } = arrived;
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
