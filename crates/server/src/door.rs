//! What stands behind the listeners: the vault, or a stand-in of a test.

use cofferdam_core::settings::{Pace, Settings};
use cofferdam_core::{Answer, Arrival, Reply, Vault};
use std::sync::Arc;

/// An answer and the id that joins it with the audit record.
pub struct Answered {
    /// Also in the audit record and in our log.
    pub request_id: String,
    /// How it went.
    pub answer: Answer,
    /// What the caller is told of its limit.
    pub pace: Option<Pace>,
}

impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        Self {
            request_id: reply.request_id().to_owned(),
            pace: reply.pace(),
            answer: reply.into_answer(),
        }
    }
}

/// Carries out requests.
///
/// Reads may be dropped half-way (the client hung up, or the time is over); everything else is
/// always driven to its end.
pub trait Door: Send + Sync + 'static {
    /// Carries out one request, whatever it is: refusals are answers.
    fn handle(&self, arrival: Arrival) -> impl Future<Output = Answered> + Send;

    /// What operators set that a door needs to know: web origins, headers for audit records.
    fn settings(&self) -> Option<Arc<Settings>> {
        None
    }
}

impl Door for Vault {
    async fn handle(&self, arrival: Arrival) -> Answered {
        Self::handle(self, arrival).await.into()
    }

    fn settings(&self) -> Option<Arc<Settings>> {
        Self::settings(self)
    }
}
