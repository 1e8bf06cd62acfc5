//! The guard: an authorization plugin that says no to secrets in plain places.
//!
//! dockerd asks it before every request (moby `pkg/authorization`). It looks at the few that can
//! carry a secret to where everybody reads it (environment, labels, arguments, build arguments,
//! options) and warns or refuses; everything else is allowed unread. [`review`] is the whole
//! judgement: a function of what dockerd sent, without any I/O. `wire` gives it a deadline and an
//! answer for every way in which it can fail, because dockerd itself waits without end.
//!
//! It is a guard rail and no wall: what it cannot see is listed in `docs/book/guard.md`. Bodies are
//! not logged, and no finding holds a value. What it decodes is wiped; what the HTTP library has
//! read is not, so the process must not dump core.
//!
//! Start reading at [`review`]: `ask` reads dockerd's question, `routes` says where to look, `body`
//! walks the JSON as Go's decoder would take it, `names` and `values` judge.

mod ask;
mod body;
mod finding;
mod names;
mod routes;
mod values;
mod wire;

use super::socket::{self, Listen, Socket};
use ask::Ask;
use finding::Findings;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the guard does about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Lets it pass and logs it.
    Warn,
    /// Refuses it.
    Enforce,
}

impl Mode {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

/// What the guard is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// About findings.
    pub mode: Mode,
    /// Whether `/grpc` and `/session` count as a finding: builds by `BuildKit`, whose arguments no
    /// plugin can see.
    pub refuse_buildkit: bool,
}

/// What the guard says about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether dockerd may go on.
    pub allow: bool,
    /// What was found and what to do instead, in one line without any value; empty where nothing was.
    pub message: String,
    /// Method and route, for the log. Not the path: it holds names that the caller chose.
    pub route: &'static str,
}

impl Verdict {
    const fn silent() -> Self {
        Self {
            allow: true,
            message: String::new(),
            route: "",
        }
    }
}

/// Judges the body of one `AuthZPlugin.AuthZReq`.
///
/// Total: bytes that are no question of dockerd's are refused in [`Mode::Enforce`].
#[must_use]
pub fn review(policy: Policy, call: &[u8]) -> Verdict {
    let Some(ask) = Ask::read(call) else {
        return judged(policy, "unreadable question", &Findings::unreadable());
    };
    let Some(route) = routes::find(&ask) else {
        return Verdict::silent();
    };
    let findings = route.look(&ask, policy.refuse_buildkit);
    judged(policy, route.name, &findings)
}

fn judged(policy: Policy, route: &'static str, findings: &Findings) -> Verdict {
    if findings.is_empty() {
        return Verdict::silent();
    }
    Verdict {
        allow: policy.mode == Mode::Warn,
        message: findings.sentence(),
        route,
    }
}

/// How many requests were seen, and what came of them.
#[derive(Debug, Default)]
struct Counts {
    asked: AtomicU64,
    warned: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
}

/// What one daemon works with.
struct Guard {
    policy: Policy,
    counts: Counts,
    review: fn(Policy, &[u8]) -> Verdict,
    deadline: Duration,
    /// For judgements under way, [`JUDGEMENTS`] of them.
    places: Arc<Semaphore>,
}

/// Judgements at one time. One that outlives its deadline keeps its thread, and threads are few.
const JUDGEMENTS: usize = 16;

/// How long one judgement may take. The longest body that dockerd shows is read in a fraction of it.
const DEADLINE: Duration = Duration::from_millis(300);

/// Serves dockerd until `shutdown` completes; calls under way are finished.
///
/// # Errors
/// [`socket::Error`].
pub async fn serve(
    listen: Listen,
    policy: Policy,
    shutdown: impl Future<Output = ()>,
) -> Result<(), socket::Error> {
    serve_with(listen, policy, review, DEADLINE, shutdown).await
}

async fn serve_with(
    listen: Listen,
    policy: Policy,
    review: fn(Policy, &[u8]) -> Verdict,
    deadline: Duration,
    shutdown: impl Future<Output = ()>,
) -> Result<(), socket::Error> {
    Socket::require_free(&listen).await?;
    let place = listen.to_string();
    let socket = Socket::open(listen).await?;
    let guard = Arc::new(Guard {
        policy,
        counts: Counts::default(),
        review,
        deadline,
        places: Arc::new(Semaphore::new(JUDGEMENTS)),
    });
    tracing::info!(socket = %place, mode = policy.mode.name(), "the guard listens");
    wire::serve(&socket, &guard, shutdown).await;
    tracing::info!(
        asked = guard.counts.asked.load(Ordering::Relaxed),
        "the guard stops"
    );
    Ok(())
}

#[cfg(test)]
mod tests;
