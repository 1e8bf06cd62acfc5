//! Limits that an operator set in `sys/quotas`, before a login or anything else is judged: of rates,
//! and of leases that a login would be one too many of.
//!
//! A refusal by rate is audited only where the operator asked for it: such a limit is there for the
//! flood that would fill the audit device.

use super::Refused;
use super::admit::Admitted;
use super::audit;
use crate::engine::{Access, Asking};
use crate::fault::Fault;
use crate::metrics::Metrics;
use crate::operation::Verb;
use crate::registry::{MountPoint, Tables};
use crate::reply::{Answer, Reply};
use crate::settings::Pace;
use crate::token::exceeded;
use crate::vault::Services;

/// What the limits say: the request, or its refusal; and what the caller is told of its limit.
pub(super) async fn take(
    services: &Services,
    mut admitted: Admitted,
) -> (Result<Admitted, Reply>, Option<Pace>) {
    let tables = services.registry.current();
    let (quotas, leases) = (tables.settings().quotas(), tables.settings().leases());
    if quotas.is_empty() && leases.is_empty() {
        return (Ok(admitted), None);
    }
    let roles = quotas.knows_roles() || leases.knows_roles();
    // Limits of rates without roles are the same for a login as for anything else.
    let login = (roles || !leases.is_empty())
        .then(|| login(&tables, &admitted))
        .flatten();
    if let Some(point) = login.filter(|_| roles) {
        admitted.facts.role = role(point, &admitted).await;
    }
    let facts = &admitted.facts;
    let pace = quotas.take(&facts.path, facts.role(), facts.peer.ip(), facts.steady);
    let shown = pace.filter(|_| quotas.config.headers);
    if let Some(pace) = pace.filter(|pace| pace.retry.is_some()) {
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
        return (Err(reply), Some(shown));
    }
    // What a login takes away (a use of a SecretID) is not taken for nothing. Whether it is one too
    // many is decided again where its token is made.
    if login.is_some()
        && let Some(fault) = full(services, &admitted).await
    {
        Metrics::add(&services.metrics.lease_count_violations);
        let facts = admitted.facts;
        return (
            Err(audit::refuse(services, Refused { facts, fault }).await),
            shown,
        );
    }
    (Ok(admitted), shown)
}

/// Where a write that nobody needs a token for is served.
fn login<'t>(tables: &'t Tables, admitted: &Admitted) -> Option<&'t MountPoint> {
    if admitted.facts.verb != Verb::Write {
        return None;
    }
    let (point, rest) = tables.route(&admitted.path)?;
    let profile = point.engine.as_ref()?.profile(&rest, Verb::Write).ok()?;
    (profile.access == Access::Anonymous).then_some(point)
}

/// The role a login would be of. What goes wrong here goes wrong at the login again, in its own words.
async fn role(point: &MountPoint, admitted: &Admitted) -> Option<String> {
    let role_of = point.engine.as_ref()?.role_of()?;
    let asking = Asking {
        peer: &admitted.facts.peer,
        now: admitted.facts.now,
    };
    let found = role_of(&point.view, &admitted.facts.body, asking);
    found.await.ok().flatten()
}

async fn full(services: &Services, admitted: &Admitted) -> Option<Fault> {
    let facts = &admitted.facts;
    let counted = services.counted(&facts.path, facts.role())?;
    let count = services.tokens.counts(&counted.id).await.ok()?;
    (count >= counted.most).then(exceeded)
}
