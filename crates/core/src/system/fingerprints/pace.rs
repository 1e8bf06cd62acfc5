//! How often one caller may ask for fingerprints.
//!
//! A search needs them once. Who asks all the time wants to see them change, or to keep the server
//! busy.

use crate::fault::Fault;
use crate::request::Call;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Requests that are answered at once; after them one each [`PACE`].
const BURST: u32 = 400;
const PACE: Duration = Duration::from_millis(500);
/// Callers that are remembered; beyond it all begin again.
const CALLERS: usize = 10_000;

/// What callers have used up.
#[derive(Default)]
pub(in crate::system) struct Pace(Mutex<HashMap<String, (Instant, u32)>>);

impl Pace {
    pub(super) fn take(&self, call: &Call<'_>) -> Result<(), Fault> {
        let who = match call.caller.token() {
            Some(token) => token.accessor.clone(),
            None => call.caller.display_name(),
        };
        let now = Instant::now();
        let mut all = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if all.len() >= CALLERS && !all.contains_key(&who) {
            all.clear();
        }
        let (since, used) = all.get(&who).copied().unwrap_or((now, 0));
        let passed = now.duration_since(since).as_millis() / PACE.as_millis();
        let back = u32::try_from(passed).unwrap_or(u32::MAX);
        let used = used.saturating_sub(back);
        if used >= BURST {
            return Err(Fault::too_many(
                "too many requests for fingerprints; wait a minute",
            ));
        }
        let since = if back > 0 || used == 0 { now } else { since };
        all.insert(who, (since, used + 1));
        Ok(())
    }
}
