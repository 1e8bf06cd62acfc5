//! Drives one connection: HTTP/1.1, or HTTP/2 where TLS agreed on it.

use super::census::{Seat, Watch};
use crate::door::Door;
use crate::http::Shared;
use crate::limits::Limits;
use cofferdam_core::Peer;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// How long the end of a stream may take to arrive when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Serves requests until either side ends the connection or the server stops.
pub(super) async fn drive<D, I>(
    stream: I,
    protocol: Protocol,
    peer: Peer,
    seat: &Seat,
    shared: &Arc<Shared<D>>,
    stop: watch::Receiver<bool>,
) where
    D: Door,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Arc::clone(seat.watch());
    let io = TokioIo::new(Observed {
        stream,
        watch: Arc::clone(&watch),
    });
    let service = service_fn({
        let (shared, watch) = (Arc::clone(shared), Arc::clone(&watch));
        move |request| Arc::clone(&shared).serve(Arc::clone(&watch), peer.clone(), request)
    });
    // How a connection ends is its peer's business: an error here is a peer that broke a rule or left.
    match protocol {
        Protocol::Http1 => {
            // Upgrades: a subscriber to events may speak WebSocket.
            let connection = http1(shared.limits()).serve_connection(io, service);
            let mut connection = pin!(connection.with_upgrades());
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stopped(stop) => connection.as_mut().graceful_shutdown(),
            }
            finish(connection, &watch).await;
        }
        Protocol::Http2 => {
            watch.framed();
            let mut connection = pin!(http2(shared.limits()).serve_connection(io, service));
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stopped(stop) => connection.as_mut().graceful_shutdown(),
            }
            finish(connection, &watch).await;
        }
    }
}

/// Lets requests at work end. Of an answer that goes on only the last words are left: who does not take
/// them does not hold up the end of the server.
async fn finish<T>(connection: impl Future<Output = T>, watch: &Watch) {
    if watch.only_goes_on() {
        let _ = tokio::time::timeout(LAST_WORDS, connection).await;
    } else {
        let _ = connection.await;
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An ended sender means the same as a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn http1(limits: &Limits) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    // The census times heads, so hyper needs no timer for each connection.
    builder
        .max_headers(Limits::HEADERS)
        .max_buf_size(limits.head_bytes)
        .header_read_timeout(None)
        .half_close(false);
    builder
}

fn http2(limits: &Limits) -> hyper::server::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        // Rapid reset (CVE-2023-44487): streams reset before they were served, and streams we had to reset.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        // What a peer may send ahead on a stream and on the connection; bodies are bounded on top.
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(256 * 1024);
    builder
}

/// Tells the census when bytes come and go.
struct Observed<I> {
    stream: I,
    watch: Arc<Watch>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Observed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.watch.heard();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Observed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch.wrote(polled.is_ready());
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.watch.wrote(polled.is_ready());
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch.wrote(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch.wrote(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
