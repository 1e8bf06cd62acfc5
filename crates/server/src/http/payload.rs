//! The body of an answer: one piece, wiped once the transport has let go of it.

use crate::listen::Working;
use bytes::Bytes;
use cofferdam_secret::Secret;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Owns the bytes while the transport reads them.
struct Owned(Secret<Vec<u8>>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// A body of at most one piece.
///
/// The piece is wiped on drop. Copies that TLS and the kernel make of it are not.
#[derive(Default)]
pub struct Payload {
    piece: Option<Bytes>,
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
            working: None,
        }
    }

    /// Bytes that are no secret.
    #[must_use]
    pub fn public(content: impl Into<Bytes>) -> Self {
        Self {
            piece: Some(content.into()).filter(|piece| !piece.is_empty()),
            working: None,
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
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.piece.take().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.piece.as_ref().map_or(0, |piece| piece.len() as u64))
    }
}
