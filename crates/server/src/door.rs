//! What stands behind the listeners: the vault, or a stand-in of a test.

use cofferdam_core::{Answer, Arrival, Reply, Vault};

/// An answer and the id that joins it with the audit record.
pub struct Answered {
    /// Also in the audit record and in our log.
    pub request_id: String,
    /// How it went.
    pub answer: Answer,
}

impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        Self {
            request_id: reply.request_id().to_owned(),
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
}

impl Door for Vault {
    async fn handle(&self, arrival: Arrival) -> Answered {
        Self::handle(self, arrival).await.into()
    }
}
