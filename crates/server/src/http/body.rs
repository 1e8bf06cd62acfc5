//! The body of a request, collected under its budgets.
//!
//! What is collected is wiped; the transport's own read buffer is not.

use super::refusal::Refusal;
use crate::limits::Limits;
use cofferdam_secret::{Buffer, Secret};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const TOO_LARGE: Refusal = Refusal::new(
    StatusCode::PAYLOAD_TOO_LARGE,
    "the request body is larger than allowed here",
);
const BUSY: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "too many large request bodies at once; try again",
);
const SLOW: Refusal = Refusal::new(
    StatusCode::REQUEST_TIMEOUT,
    "the request body did not arrive in time",
);
const BROKEN: Refusal = Refusal::invalid("the request body did not arrive whole");

/// Granularity of the pool: semaphores count to 2^29 at least, bytes could be more.
const UNIT: usize = 4096;

/// Memory for large bodies, shared by all connections of a listener.
#[derive(Clone)]
pub struct Pool(Arc<Semaphore>);

impl Pool {
    /// A pool of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            (bytes / UNIT).min(Semaphore::MAX_PERMITS),
        )))
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

/// A collected body; its share of the pool goes back when this is dropped.
pub struct Collected {
    /// The bytes.
    pub bytes: Secret<Vec<u8>>,
    /// Held while the request is at work.
    pub share: Option<OwnedSemaphorePermit>,
}

/// Collects `body`, at most `most` bytes.
///
/// # Errors
/// The refusal to answer with: too large, too slow, no memory for it now, or broken off.
pub async fn collect<B>(
    body: B,
    most: usize,
    limits: &Limits,
    pool: &Pool,
) -> Result<Collected, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Collected {
            bytes: Secret::new(Vec::new()),
            share: None,
        });
    }
    let announced = body.size_hint();
    if announced.lower() > most as u64 {
        return Err(TOO_LARGE);
    }
    match tokio::time::timeout(limits.body_time, gather(body, most, pool)).await {
        Ok(collected) => collected,
        Err(_) => Err(SLOW),
    }
}

async fn gather<B>(mut body: B, most: usize, pool: &Pool) -> Result<Collected, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    // An announced length is a claim: reserve no more than what is free for everybody.
    let expected = usize::try_from(body.size_hint().lower())
        .unwrap_or(usize::MAX)
        .min(Limits::FREE_BODY);
    let mut bytes = Buffer::with_capacity(expected);
    let whole = usize::try_from(body.size_hint().upper().unwrap_or(u64::MAX))
        .unwrap_or(usize::MAX)
        .min(most);
    let mut share: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BROKEN)?.into_data() else {
            continue;
        };
        let total = bytes.len().saturating_add(data.len());
        if total > most {
            return Err(TOO_LARGE);
        }
        // The buffer doubles when it grows: count what it may occupy, not what it holds.
        let counted = share.as_ref().map_or(0, |share| share.num_permits() * UNIT);
        let wanted = total
            .saturating_mul(2)
            .saturating_sub(Limits::FREE_BODY * 2);
        if wanted > counted {
            let more = pool.take(wanted - counted).ok_or(BUSY)?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
        }
        bytes.push_of(&data, whole);
    }
    Ok(Collected {
        bytes: bytes.finish(),
        share,
    })
}
