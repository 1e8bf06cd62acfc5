//! The body of an answer: one piece, wiped once the transport has let go of it; or pieces that come
//! as something happens.

use crate::listen::Working;
use bytes::Bytes;
use cofferdam_secret::Secret;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Owns the bytes while the transport reads them.
struct Owned(Secret<Vec<u8>>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// A body: one piece at most, then what a stream has.
///
/// The one piece is wiped on drop. Copies that TLS and the kernel make of it are not.
#[derive(Default)]
pub struct Payload {
    piece: Option<Bytes>,
    /// Names of what happened, lines of the log; no values.
    stream: Option<mpsc::Receiver<Bytes>>,
    /// The connection counts as busy until the transport has taken the body.
    working: Option<Working>,
}

impl Payload {
    /// Takes the bytes over without copying them.
    #[must_use]
    pub fn secret(content: Secret<Vec<u8>>) -> Self {
        let piece = (!content.is_empty()).then(|| Bytes::from_owner(Owned(content)));
        Self {
            piece,
            stream: None,
            working: None,
        }
    }

    /// Bytes that are no secret.
    #[must_use]
    pub fn public(content: impl Into<Bytes>) -> Self {
        Self {
            piece: Some(content.into()).filter(|piece| !piece.is_empty()),
            stream: None,
            working: None,
        }
    }

    /// What a stream sends, until its sender is dropped.
    #[must_use]
    pub fn stream(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self {
            stream: Some(pieces),
            ..Self::default()
        }
    }

    pub(crate) fn holding(mut self, working: Working) -> Self {
        self.working = Some(working);
        self
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.piece.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.stream {
            Some(pieces) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none() && self.stream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.stream.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.piece.as_ref().map_or(0, |piece| piece.len() as u64))
    }
}
