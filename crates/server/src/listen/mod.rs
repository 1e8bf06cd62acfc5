//! Listeners: who may connect, how many, and for how long.
//!
//! [`tcp`] and [`unix`] bind and accept; [`proxy_header`] reads what a proxy puts first; [`census`] counts
//! connections and ends the idle and stuck ones; [`connection`] drives one of them. A connection costs a peer nothing but what
//! [`crate::limits`] lists.

mod census;
mod connection;
mod plain;
pub mod proxy_header;
mod tcp;
mod unix;

pub(crate) use census::{Census, Watch, Working};
pub use tcp::Secured;
pub use unix::Local;

use crate::door::Door;
use crate::fronts::{Forwarded, Fronts};
use crate::http::Shared;
use crate::limits::Limits;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A listener as configured.
pub enum Listen {
    /// TCP, with TLS unless that was turned off by name.
    Tcp {
        /// Where.
        address: SocketAddr,
        /// TLS, or that there is none.
        security: Secured,
        /// Proxies in front of it.
        fronts: Fronts,
        /// Budgets.
        limits: Limits,
    },
    /// A unix socket.
    Local {
        /// Where, and who may connect.
        local: Local,
        /// Budgets.
        limits: Limits,
    },
    /// TCP on a socket that was bound before us, and outlives us.
    KeptTcp {
        /// The socket.
        listener: std::net::TcpListener,
        /// TLS, or that there is none.
        security: Secured,
        /// Proxies in front of it.
        fronts: Fronts,
        /// Budgets.
        limits: Limits,
    },
    /// A unix socket that was bound before us, and outlives us.
    KeptLocal {
        /// The socket.
        listener: std::os::unix::net::UnixListener,
        /// Where it is, and who may connect.
        local: Local,
        /// Budgets.
        limits: Limits,
    },
}

/// A listener that cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours, or needs a privilege.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Another server answers on the socket.
    #[error("another server is listening on the socket: {0}")]
    Alive(PathBuf),
    /// Something that is no socket is in the way.
    #[error("not a socket, so it is not replaced: {0}")]
    NotASocket(PathBuf),
    /// The directory of the socket is one in which others could replace it.
    #[error("not a directory that only root or this user can change: {0}")]
    Directory(PathBuf),
    /// Abstract names have no owner and no mode.
    #[error("an abstract socket has no owner and no mode, so it is refused")]
    Abstract,
    /// The kernel allows 107 bytes.
    #[error("the path of a socket can have 107 bytes at most: {0}")]
    Long(PathBuf),
}

/// A bound listener.
pub(crate) struct Gate {
    socket: Socket,
    limits: Limits,
    census: Arc<Census>,
}

enum Socket {
    Tcp(tcp::Listener),
    Local(unix::Listener),
}

impl Gate {
    pub(crate) async fn bind(listen: Listen) -> Result<Self, ListenError> {
        let (socket, limits) = match listen {
            Listen::Tcp {
                address,
                security,
                fronts,
                limits,
            } => (
                Socket::Tcp(tcp::Listener::bind(address, security, fronts).await?),
                limits,
            ),
            Listen::Local { local, limits } => {
                (Socket::Local(unix::Listener::bind(local)?), limits)
            }
            Listen::KeptTcp {
                listener,
                security,
                fronts,
                limits,
            } => (
                Socket::Tcp(tcp::Listener::kept(listener, security, fronts)?),
                limits,
            ),
            Listen::KeptLocal {
                listener,
                local,
                limits,
            } => (
                Socket::Local(unix::Listener::kept(listener, local)?),
                limits,
            ),
        };
        let census = Arc::new(Census::new(&limits));
        Ok(Self {
            socket,
            limits,
            census,
        })
    }

    pub(crate) fn address(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => listener.address(),
            Socket::Local(listener) => listener.address(),
        }
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whose `X-Forwarded-For` counts.
    pub(crate) fn forwarded(&self) -> Option<Forwarded> {
        match &self.socket {
            Socket::Tcp(listener) => listener.fronts().forwarded.clone(),
            Socket::Local(_) => None,
        }
    }

    pub(crate) fn open(&self) -> Arc<Census> {
        Arc::clone(&self.census)
    }
}

/// Accepts until told to stop, then closes the listener.
pub(crate) async fn serve<D: Door>(
    gate: Gate,
    shared: Arc<Shared<D>>,
    mut stop: watch::Receiver<bool>,
) {
    let Gate { socket, census, .. } = gate;
    let reaper = tokio::spawn(Arc::clone(&census).reap());
    let stopping = stop.clone();
    let accepting = async {
        match &socket {
            Socket::Tcp(listener) => listener.accept_all(&shared, &census, &stopping).await,
            Socket::Local(listener) => listener.accept_all(&shared, &census, &stopping).await,
        }
    };
    tokio::select! {
        // An ended sender means the same as a stop.
        _ = stop.wait_for(|stop| *stop) => {}
        () = accepting => {}
    }
    drop(socket);
    census.empty().await;
    reaper.abort();
}

/// After an accept that failed: out of descriptors, most likely. Waiting lets connections end.
async fn breathe(error: &std::io::Error) {
    let transient = matches!(
        error.kind(),
        std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::Interrupted
    );
    if !transient {
        tracing::warn!("cannot accept connections for the moment: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
