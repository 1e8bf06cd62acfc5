//! What leaves the vault, free of HTTP. Only the pipeline can make one: by finishing an audit ticket,
//! or on one of the few routes that are exempt (see `pipeline::exempt`).

use crate::fault::Fault;
use crate::settings::Pace;
use cofferdam_secret::Secret;

/// The condition of the vault, which health checks map to status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Initialized and unsealed.
    Active,
    /// Initialized and sealed.
    Sealed,
    /// Not initialized.
    Uninitialized,
}

/// How it went.
pub enum Answer {
    /// A JSON object.
    Body(Secret<Vec<u8>>),
    /// Lines of text in Prometheus' format.
    Text(Vec<u8>),
    /// Done, without a body.
    Empty,
    /// Not there, but with a body that says more (a deleted version).
    Gone(Secret<Vec<u8>>),
    /// Parts of a batch failed: the status it is to be answered with, and the results.
    Partial(u16, Secret<Vec<u8>>),
    /// The health answer: status by standing.
    Health(Standing, Secret<Vec<u8>>),
    /// Events from now on. Opening it was audited like any request; each event passes the caller's
    /// policies on its own.
    Stream(Box<crate::events::Subscription>),
    /// Lines of the log from now on; opening it was audited like any request.
    Log(Box<crate::monitor::Monitor>),
    /// Refused or failed.
    Fault(Fault),
}

/// A reply. It cannot be made outside the pipeline.
pub struct Reply {
    request_id: String,
    answer: Answer,
    pace: Option<Pace>,
}

impl Reply {
    pub(crate) const fn new(request_id: String, answer: Answer) -> Self {
        Self {
            request_id,
            answer,
            pace: None,
        }
    }

    /// With what the caller is told of its limit.
    pub(crate) fn paced(self, pace: Option<Pace>) -> Self {
        Self { pace, ..self }
    }

    /// What a limit says of the request, if the caller is to know.
    #[must_use]
    pub const fn pace(&self) -> Option<Pace> {
        self.pace
    }

    /// Joins the caller's message with our log and the audit record.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// How it went.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.answer
    }
}
