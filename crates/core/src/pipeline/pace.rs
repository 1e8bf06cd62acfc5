//! Limits of rates, before anything is looked up for a request: what an operator set in `sys/quotas`.
//!
//! A refusal here is audited only where the operator asked for it: a limit is there for the flood
//! that would fill the audit device.

use super::Refused;
use super::admit::Admitted;
use super::audit;
use crate::fault::Fault;
use crate::metrics::Metrics;
use crate::operation::Verb;
use crate::reply::{Answer, Reply};
use crate::settings::Pace;
use crate::vault::Services;

/// What the limits say: the request, or its refusal; and what the caller is told of its limit.
pub(super) async fn take(
    services: &Services,
    admitted: Admitted,
) -> (Result<Admitted, Reply>, Option<Pace>) {
    let tables = services.registry.current();
    let quotas = tables.settings().quotas();
    if quotas.is_empty() {
        return (Ok(admitted), None);
    }
    let facts = &admitted.facts;
    let login = quotas.knows_roles() && facts.verb == Verb::Write;
    let role = login.then(|| role(&admitted)).flatten();
    let pace = quotas.take(&facts.path, role.as_deref(), facts.peer.ip(), facts.now);
    let Some(pace) = pace else {
        return (Ok(admitted), None);
    };
    let shown = quotas.config.headers.then_some(pace);
    if pace.retry.is_none() {
        return (Ok(admitted), shown);
    }
    Metrics::add(&services.metrics.quota_violations);
    let fault = Fault::too_many("rate limit quota exceeded");
    let facts = admitted.facts;
    let reply = if quotas.config.audit {
        audit::refuse(services, Refused { facts, fault }).await
    } else {
        Reply::new(facts.id, Answer::Fault(fault))
    };
    // How long to wait is told in any case.
    let shown = shown.unwrap_or(Pace { limit: 0, ..pace });
    (Err(reply), Some(shown))
}

/// The role a login names; only methods that name it so can have a limit by role.
fn role(admitted: &Admitted) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Login {
        role: Option<String>,
    }
    admitted.facts.body.parse::<Login>().ok()?.role
}
