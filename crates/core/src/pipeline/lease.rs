//! Lease: what a success hands out becomes a token, with a lifetime and an end; and, when the caller
//! asked for it, a reply that only one holder of a wrapping token can open.

use super::audit::Ticket;
use super::dispatch::Performed;
use super::facts::Facts;
use super::render;
use crate::clock::Time;
use crate::engine::Profile;
use crate::events::Subscription;
use crate::fault::Fault;
use crate::fields::notice;
use crate::identity;
use crate::json::Data;
use crate::metrics::Metrics;
use crate::monitor::Monitor;
use crate::mount::{Mount, system_lifetimes};
use crate::outcome::{Login, Outcome};
use crate::request::Caller;
use crate::token::lifetime::{Limits, grant};
use crate::token::{self, Kind, NewToken, Purpose, retired};
use crate::vault::Services;
use cofferdam_secret::Secret;
use std::time::Duration;

/// A request whose outcome is settled: only the audit record is missing before the reply.
pub(super) struct Settled {
    pub(super) facts: Box<Facts>,
    pub(super) ticket: Ticket,
    pub(super) result: Result<Settlement, Fault>,
}

/// What the reply will say.
pub(super) enum Settlement {
    Empty,
    Envelope { envelope: Box<Envelope>, how: How },
    Bare(Data),
    Told(Data, u16),
    Text(Vec<u8>),
    Wrapped(WrapInfo),
    Stream(Box<Subscription>),
    Log(Box<Monitor>),
}

/// What an envelope says beside its content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Whole,
    /// Nothing live is there.
    Gone,
    /// Parts failed; the status to answer with.
    Partial(u16),
}

/// The parts of Vault's response envelope that we fill.
#[derive(Default)]
pub(super) struct Envelope {
    pub(super) data: Option<Data>,
    pub(super) auth: Option<token::Issued>,
    pub(super) warnings: Vec<String>,
    /// Names the data, where the engine does.
    pub(super) identity: Option<String>,
    /// The data stands at the top level too.
    pub(super) lifted: bool,
    /// Seconds after which the data should be read again.
    pub(super) lease_duration: i64,
}

impl Envelope {
    /// Of the token that was made for it.
    fn accessors(&self) -> Vec<String> {
        let made = self.auth.iter().filter(|issued| issued.made);
        made.map(|issued| issued.entry.accessor.clone()).collect()
    }
}

impl Settlement {
    /// Of the tokens that were made for this answer.
    pub(super) fn accessors(&self) -> Vec<String> {
        match self {
            Self::Envelope { envelope, .. } => envelope.accessors(),
            Self::Wrapped(info) => info.made.clone(),
            _ => Vec::new(),
        }
    }
}

/// A wrapping token on its way to the caller.
pub(super) struct WrapInfo {
    pub(super) token: Secret<String>,
    pub(super) accessor: String,
    pub(super) ttl: u64,
    pub(super) created: Time,
    pub(super) path: String,
    /// Of the token inside, if there is one.
    pub(super) wrapped_accessor: String,
    /// Accessors of the tokens that were made for it: its own, and perhaps of the one inside.
    made: Vec<String>,
}

pub(super) async fn issue(services: &Services, performed: Performed) -> Settled {
    let Performed {
        facts,
        profile,
        result,
        ticket,
    } = performed;
    let settled = match result {
        Ok(outcome) => settle(services, &facts, &profile, outcome).await,
        Err(fault) => Err(fault),
    };
    Settled {
        facts,
        ticket,
        result: settled,
    }
}

async fn settle(
    services: &Services,
    facts: &Facts,
    profile: &Profile,
    outcome: Outcome,
) -> Result<Settlement, Fault> {
    let (mut envelope, how) = match outcome {
        Outcome::Done => return Ok(Settlement::Empty),
        Outcome::Bare(data) | Outcome::Unwrapped(data) => return Ok(Settlement::Bare(data)),
        Outcome::Told(data, status) => return Ok(Settlement::Told(data, status)),
        Outcome::Text(text) => return Ok(Settlement::Text(text)),
        Outcome::Stream(_) if facts.wrap_ttl.is_some() => {
            return Err(Fault::invalid("a stream of events cannot be wrapped"));
        }
        Outcome::Log(_) if facts.wrap_ttl.is_some() => {
            return Err(Fault::invalid("the log as a stream cannot be wrapped"));
        }
        Outcome::Log(monitor) => return Ok(Settlement::Log(monitor)),
        Outcome::Stream(subscription) => return Ok(Settlement::Stream(subscription)),
        Outcome::Rewrapped(issued) => return rewrapped(*issued).map(Settlement::Wrapped),
        Outcome::Data(response) => (
            Envelope {
                data: Some(response.data),
                warnings: response.warnings,
                identity: response.identity,
                lease_duration: response.lease_duration,
                lifted: profile.lifted,
                ..Envelope::default()
            },
            How::Whole,
        ),
        Outcome::Partial(response, status) => (
            Envelope {
                data: Some(response.data),
                warnings: response.warnings,
                ..Envelope::default()
            },
            How::Partial(status),
        ),
        Outcome::Gone(response) => (
            Envelope {
                data: Some(response.data),
                warnings: response.warnings,
                ..Envelope::default()
            },
            How::Gone,
        ),
        Outcome::Auth(issued, warnings) => {
            if issued.made {
                Metrics::add(&services.metrics.tokens_created);
            }
            (
                Envelope {
                    auth: Some(*issued),
                    warnings,
                    ..Envelope::default()
                },
                How::Whole,
            )
        }
        Outcome::Login(login) => (log_in(services, facts, *login).await?, How::Whole),
    };
    // As in Vault: an answer with a status of its own says what the engine says, and no more.
    if how == How::Whole {
        envelope.warnings.extend(notice::warnings(
            profile.fields,
            profile.pattern,
            facts.verb,
            &facts.body,
            &facts.query,
        ));
    }
    // Whatever the envelope says: what is to be wrapped is not answered in the open, a batch that
    // failed in parts as little as a deleted version. Of strangers only those who have logged in by this
    // request get a wrapping token: it is stored, and nobody stores anything.
    let Some(ttl) = facts.wrap_ttl else {
        return Ok(Settlement::Envelope {
            envelope: Box::new(envelope),
            how,
        });
    };
    if matches!(facts.caller, Caller::Anonymous) && envelope.auth.is_none() {
        return Err(Fault::invalid(
            "an answer that everybody gets is not wrapped: leave X-Vault-Wrap-TTL away",
        ));
    }
    match wrap(services, facts, ttl, &envelope).await {
        Ok(info) => Ok(Settlement::Wrapped(info)),
        Err(fault) => {
            withdraw(services, facts, envelope.accessors()).await;
            Err(fault)
        }
    }
}

/// Ends tokens that were made for an answer which nobody gets: an error is never an error and a token.
/// Where that fails as well, they end by their time.
pub(super) async fn withdraw(services: &Services, facts: &Facts, accessors: Vec<String>) {
    for accessor in accessors {
        let ended = async {
            match services.tokens.by_accessor(facts.now, &accessor).await? {
                Some(entry) => services.tokens.revoke(&entry.hash).await,
                // A batch token is stored nowhere, and its text was told to nobody.
                None => Ok(()),
            }
        };
        if let Err(fault) = ended.await {
            tracing::warn!(
                request = facts.id,
                reason = fault.internal_text(),
                "a token that was told to nobody is not ended"
            );
        }
    }
}

async fn log_in(services: &Services, facts: &Facts, login: Login) -> Result<Envelope, Fault> {
    let Some(point) = &facts.point else {
        return Err(Fault::internal("a login without a mount"));
    };
    let granted = grant(facts.now, facts.now, &limits(&point.mount, &login));
    let batch = is_batch(&point.mount, &login)?;
    let warnings = [login.warnings, granted.warnings].concat();
    if login.policies.iter().any(|policy| policy == "root") {
        return Err(Fault::invalid("auth methods cannot create root tokens"));
    }
    let mut policies = login.policies;
    if !login.no_default_policy {
        policies.push("default".to_owned());
    }
    let name = point
        .mount
        .path
        .strip_prefix("auth/")
        .unwrap_or(&point.mount.path)
        .replace('/', "-");
    let display_name = if login.display_name.is_empty() {
        name
    } else {
        format!("{name}-{}", login.display_name)
    };
    let (entity_id, groups) = match &login.alias {
        Some(alias) => {
            let known = identity::Known {
                accessor: &point.mount.accessor,
                name: &alias.name,
                metadata: &alias.metadata,
                groups: &login.groups,
            };
            services.identity.logged_in(known, facts.now).await?
        }
        None => Default::default(),
    };
    let issued = services.tokens.create(
        facts.now,
        NewToken {
            policies,
            entity_id,
            groups,
            display_name,
            metadata: login.metadata,
            binding: login.binding,
            path: facts.path.clone(),
            mount: point.mount.path.clone(),
            mount_id: point.mount.uuid.clone(),
            ttl: Some(granted.ttl),
            explicit_max_ttl: login.explicit_max_ttl,
            period: login.period,
            renewable: !batch,
            purpose: if batch {
                Purpose::Batch
            } else {
                Purpose::Service
            },
            num_uses: login.num_uses,
            bound_cidrs: login.bound_cidrs,
            role: facts.role.clone().unwrap_or_default(),
            counted: services.counted(&facts.path, facts.role()),
            ..NewToken::default()
        },
    );
    let issued = issued.await?;
    retired::check(services, &point.mount, &issued.entry).await?;
    Metrics::add(&services.metrics.logins);
    Metrics::add(&services.metrics.tokens_created);
    Ok(Envelope {
        auth: Some(issued),
        warnings,
        ..Envelope::default()
    })
}

/// Whether a login makes a batch token: the mount decides, or leaves it to the role.
fn is_batch(mount: &Mount, login: &Login) -> Result<bool, Fault> {
    let batch = match (mount.config.token_type.as_str(), login.kind) {
        ("batch", _) | ("default-batch", Kind::Default) => true,
        ("service", _) => false,
        (_, kind) => kind == Kind::Batch,
    };
    // Nothing would count them.
    if batch && login.num_uses > 0 {
        return Err(Fault::invalid(
            "batch tokens cannot have \"num_uses\" set: the role limits the uses, and the mount makes batch tokens",
        ));
    }
    Ok(batch)
}

/// The limits of a login by its role and its mount.
pub(crate) fn limits(mount: &Mount, login: &Login) -> Limits {
    Limits {
        asked: None,
        usual: login.ttl,
        maximum: login.max_ttl,
        period: login.period,
        explicit_max: login.explicit_max_ttl,
        mount_default: mount.default_ttl(),
        mount_max: mount.max_ttl(),
    }
}

/// Puts a reply into a single-use token.
async fn wrap(
    services: &Services,
    facts: &Facts,
    ttl: Duration,
    envelope: &Envelope,
) -> Result<WrapInfo, Fault> {
    let reply = render::envelope(&facts.id, envelope)?;
    let wrapped_accessor = envelope
        .auth
        .as_ref()
        .map_or_else(String::new, |issued| issued.entry.accessor.clone());
    // Nothing is kept for longer than any token lives: OpenBao takes a hundred years, too, and who
    // may wrap anything could fill its store for good.
    let ttl = ttl.min(system_lifetimes().max);
    let issued = services.tokens.create(
        facts.now,
        NewToken {
            policies: vec!["response-wrapping".to_owned()],
            path: facts.path.clone(),
            mount: "auth/token".to_owned(),
            ttl: Some(ttl),
            explicit_max_ttl: Some(ttl),
            num_uses: 1,
            purpose: Purpose::Wrapping,
            wrapped: Some(reply),
            counted: services.counted(&facts.path, None),
            ..NewToken::default()
        },
    );
    let issued = issued.await?;
    Metrics::add(&services.metrics.tokens_wrapping);
    let mut info = rewrapped(issued)?;
    info.wrapped_accessor = wrapped_accessor;
    info.made.extend(envelope.accessors());
    Ok(info)
}

fn rewrapped(issued: token::Issued) -> Result<WrapInfo, Fault> {
    let token = issued
        .token
        .ok_or_else(|| Fault::internal("a new token has no text"))?;
    Ok(WrapInfo {
        token,
        made: vec![issued.entry.accessor.clone()],
        accessor: issued.entry.accessor,
        ttl: issued.lease,
        created: issued.entry.created,
        path: issued.entry.path,
        wrapped_accessor: String::new(),
    })
}
