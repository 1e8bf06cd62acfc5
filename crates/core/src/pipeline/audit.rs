//! The audit ticket: opened before anything is done, finished before anything is answered.
//!
//! A request whose route changes something waits until the record of its intent is on a device. One that
//! changes nothing may start at once: its answer waits for both records, and they are written in
//! order.

use super::authorize::Authorized;
use super::facts::Facts;
use super::lease::{Envelope, How, Settled, Settlement, withdraw};
use super::{Refused, render};
use crate::audit::record::{self, Response, TokenFacts, Wrap};
use crate::audit::{Intent, Names, Payload, Record, TokenFragment};
use crate::devices::Pending;
use crate::engine::Effect;
use crate::fault::{Fault, Kind};
use crate::metrics::{Class, Metrics};
use crate::operation::Operation;
use crate::path::shown;
use crate::reply::{Answer, Reply};
use crate::request::Caller;
use crate::token::Entry;
use crate::vault::Services;

/// Bytes of a record from which on the names of a list are counted and no longer hashed, each of which
/// has 80 there: some 200,000. Devices take, and `audit verify` reads, 64 MiB.
const LONGEST_LIST: usize = 16 << 20;

/// A request whose intent is recorded. Only this room makes one.
pub(super) struct Intended {
    authorized: Authorized,
    ticket: Ticket,
}

impl Intended {
    pub(super) fn open(self) -> (Authorized, Ticket) {
        (self.authorized, self.ticket)
    }
}

/// Owed: a response record.
pub(super) struct Ticket {
    intent: Intent,
    /// The intent's record, where its acceptance is still to be waited for.
    pending: Option<Pending>,
}

/// Records the intent.
pub(super) async fn intend(services: &Services, authorized: Authorized) -> Result<Intended, Reply> {
    let facts = authorized.facts();
    let failed = |fault| Reply::new(facts.id.clone(), Answer::Fault(fault));
    let intent = intent(services, facts, true).map_err(failed)?;
    let pending = services
        .audit
        .submit(intent.request(facts.now.nanos(), None));
    let unchanged =
        authorized.place().profile.effect == Effect::None && facts.operation != Operation::Create;
    let pending = if unchanged {
        Some(pending)
    } else {
        if let Err(fault) = pending.accepted().await {
            Metrics::add(&services.metrics.audit_request_failures);
            return Err(failed(fault));
        }
        None
    };
    Ok(Intended {
        ticket: Ticket { intent, pending },
        authorized,
    })
}

/// Records the outcome, and makes the reply once the record is accepted.
pub(super) async fn finish(services: &Services, settled: Settled) -> Reply {
    let Settled {
        facts,
        ticket,
        result,
    } = settled;
    let made = match &result {
        Ok(settlement) => settlement.accessors(),
        Err(_) => Vec::new(),
    };
    let answer = match conclude(services, &facts, ticket, result).await {
        Ok(answer) => answer,
        Err(fault) => {
            // It was done, and no device took the record: what it made is nobody's.
            withdraw(services, &facts, made).await;
            Answer::Fault(fault)
        }
    };
    let refused = matches!(&answer, Answer::Fault(fault) if fault.kind() != Kind::Missing);
    count(services, &facts, refused);
    Reply::new(facts.id, answer)
}

async fn conclude(
    services: &Services,
    facts: &Facts,
    ticket: Ticket,
    result: Result<Settlement, Fault>,
) -> Result<Answer, Fault> {
    let record = outcome(services, facts, &ticket.intent, &result)?;
    // Both are queued before the first is waited for: one batch can take them.
    let pending = services.audit.submit(record);
    if let Some(intent) = ticket.pending {
        let accepted = intent.accepted().await;
        noticed(accepted, &services.metrics.audit_request_failures)?;
    }
    let accepted = pending.accepted().await;
    noticed(accepted, &services.metrics.audit_response_failures)?;
    if let Err(fault) = &result {
        note(facts, fault);
    }
    answer(facts, result?)
}

/// Counts a record that no device took.
fn noticed(
    accepted: Result<(), Fault>,
    failures: &std::sync::atomic::AtomicU64,
) -> Result<(), Fault> {
    accepted.inspect_err(|_| Metrics::add(failures))
}

/// Counts a request that is over.
fn count(services: &Services, facts: &Facts, refused: bool) {
    let class = facts
        .point
        .as_ref()
        .map_or(Class::NONE, |point| point.class);
    let took = services.clock.now().since(facts.now);
    services.metrics.request(class, facts.verb, refused, took);
}

/// Records a refusal like a success: both lines, with the error.
pub(super) async fn refuse(services: &Services, refused: Refused) -> Reply {
    let Refused { facts, fault } = refused;
    note(&facts, &fault);
    let fault = match record_refusal(services, &facts, &fault).await {
        Ok(()) => fault,
        Err(failed) => failed,
    };
    count(services, &facts, fault.kind() != Kind::Missing);
    Reply::new(facts.id, Answer::Fault(fault))
}

async fn record_refusal(services: &Services, facts: &Facts, fault: &Fault) -> Result<(), Fault> {
    let intent = intent(services, facts, false)?;
    let error = public(fault);
    let first = services
        .audit
        .submit(intent.request(facts.now.nanos(), Some(error)));
    let response = Response {
        error: Some(error),
        ..Response::default()
    };
    let record = intent
        .response(
            services.audit.salt(),
            services.clock.now().nanos(),
            &response,
        )
        .map_err(Fault::internal)?;
    let second = services.audit.submit(record);
    let accepted = first.accepted().await;
    noticed(accepted, &services.metrics.audit_request_failures)?;
    let accepted = second.accepted().await;
    noticed(accepted, &services.metrics.audit_response_failures)
}

/// What the log may say and the caller may not, joined with the answer by the request's id.
fn note(facts: &Facts, fault: &Fault) {
    let reason = fault.internal_text().unwrap_or_default();
    let path = shown(&facts.path);
    match fault.kind() {
        Kind::Internal | Kind::Unavailable => {
            tracing::error!(request = facts.id, path = &*path, reason, "request failed")
        }
        _ => tracing::debug!(
            request = facts.id,
            path = &*path,
            public = fault.public(),
            reason,
            "request refused"
        ),
    }
}

fn public(fault: &Fault) -> &str {
    if fault.kind() == Kind::Missing {
        "not found"
    } else {
        fault.public()
    }
}

fn intent(services: &Services, facts: &Facts, allowed: bool) -> Result<Intent, Fault> {
    let salt = services.audit.salt();
    let network = facts.peer.address();
    let address = network.map(|address| address.ip().to_canonical().to_string());
    let address = address.unwrap_or_default();
    let port = network.map_or(0, |address| address.port());
    let plain = facts
        .point
        .as_ref()
        .map(|point| point.mount.config.audit_non_hmac_request_keys.as_slice())
        .unwrap_or_default();
    let token = facts.caller.token().map(|entry| {
        let presented = facts.token.as_ref().map_or("", |token| token.expose());
        services
            .audit
            .token_fragment(entry.ruled(), || fragment(services, entry, presented))
    });
    let policies = ["root".to_owned()];
    let name = facts.caller.display_name();
    let caller = match (&facts.caller, &token, &facts.token) {
        (_, Some(fragment), _) => record::Caller::Token(fragment),
        (Caller::Local { .. }, ..) => record::Caller::Local {
            display_name: &name,
            policies: &policies,
        },
        (_, None, Some(token)) => record::Caller::Stranger(token.expose()),
        (_, None, None) => record::Caller::Nobody,
    };
    let values: Vec<[&str; 1]> = facts
        .headers
        .iter()
        .map(|(_, value)| [value.as_str()])
        .collect();
    let headers = headers(services, facts, &values);
    let sent = facts.sent()?;
    let sent = sent.as_ref().map(|sent| sent.expose().as_slice());
    let request = record::Request {
        caller,
        verdict: facts.caller.token().map(|_| record::Verdict {
            allowed,
            granting: &[],
        }),
        remaining_uses: facts
            .caller
            .token()
            .and_then(|entry| entry.uses_left)
            .map_or(0, u64::from),
        id: &facts.id,
        operation: facts.operation.as_str(),
        mount: facts.point.as_ref().map(|point| &point.fragment),
        path: &facts.path,
        data: Some(Payload::Json {
            json: sent.unwrap_or_else(|| facts.body.as_bytes()),
            plain,
            names: Names::Hashed,
        }),
        remote_address: &address,
        remote_port: port,
        wrap_ttl: facts.wrap_ttl.map_or(0, |ttl| ttl.as_secs()),
        headers: &headers,
    };
    Intent::new(salt, &request).map_err(Fault::internal)
}

/// Headers that records show; hashed unless the operator wants them in the clear.
fn headers<'a>(
    services: &Services,
    facts: &'a Facts,
    values: &'a [[&'a str; 1]],
) -> Vec<record::Header<'a>> {
    if facts.headers.is_empty() {
        return Vec::new();
    }
    let tables = services.registry.current();
    let configured = tables.settings().headers();
    let named = facts.headers.iter().zip(values);
    let shown = named.filter_map(|((name, _), values)| {
        configured.get(name).map(|hashed| record::Header {
            name,
            values,
            hashed: *hashed,
        })
    });
    shown.collect()
}

fn fragment(services: &Services, entry: &Entry, token: &str) -> TokenFragment {
    let issued = entry.created.rfc3339();
    TokenFragment::new(services.audit.salt(), &token_facts(entry, token, &issued))
}

fn token_facts<'a>(entry: &'a Entry, token: &'a str, issued: &'a str) -> TokenFacts<'a> {
    TokenFacts {
        client_token: token,
        accessor: &entry.accessor,
        display_name: &entry.display_name,
        policies: entry.rules(),
        token_policies: &entry.policies,
        metadata: &entry.metadata,
        entity_id: &entry.entity_id,
        token_type: entry.kind(),
        num_uses: entry.num_uses.into(),
        token_ttl: entry.creation_ttl,
        token_issue_time: issued,
    }
}

/// The record of an outcome, as the devices want it: of a list some may have the names counted. One
/// that would be too long has them counted for all.
fn outcome(
    services: &Services,
    facts: &Facts,
    intent: &Intent,
    result: &Result<Settlement, Fault>,
) -> Result<Record, Fault> {
    let write = |names| response(services, facts, intent, result, names);
    if facts.operation != Operation::List || result.is_err() {
        return write(Names::Hashed);
    }
    let is_counted = services.audit.wants(Names::Counted);
    if is_counted && !services.audit.wants(Names::Hashed) {
        return write(Names::Counted);
    }
    let record = write(Names::Hashed)?;
    if record.length() > LONGEST_LIST {
        return write(Names::Counted);
    }
    Ok(match is_counted {
        true => record.or_counted(write(Names::Counted)?),
        false => record,
    })
}

fn response(
    services: &Services,
    facts: &Facts,
    intent: &Intent,
    result: &Result<Settlement, Fault>,
    names: Names,
) -> Result<Record, Fault> {
    let salt = services.audit.salt();
    let plain = facts
        .point
        .as_ref()
        .map(|point| point.mount.config.audit_non_hmac_response_keys.as_slice())
        .unwrap_or_default();
    let now = services.clock.now().nanos();
    let write = |response: &Response<'_>| {
        intent
            .response(salt, now, response)
            .map_err(Fault::internal)
    };
    match result {
        Err(fault) => write(&Response {
            error: Some(public(fault)),
            ..Response::default()
        }),
        // What a stream tells later are names, each held to the policies of its own; the log holds no
        // values at all.
        Ok(
            Settlement::Empty | Settlement::Text(_) | Settlement::Stream(_) | Settlement::Log(_),
        ) => write(&Response::default()),
        Ok(Settlement::Bare(data) | Settlement::Told(data, _)) => write(&Response {
            data: Some(Payload::Json {
                json: data.as_bytes(),
                plain,
                names,
            }),
            ..Response::default()
        }),
        Ok(Settlement::Envelope { envelope, .. }) => {
            let Envelope {
                data,
                auth,
                warnings,
                identity,
                ..
            } = envelope.as_ref();
            let ready = match (data, identity, &facts.point) {
                (Some(data), Some(identity), Some(point))
                    if plain.is_empty() && names == Names::Hashed =>
                {
                    let mount = point.mount.accessor.as_str();
                    let fragment = services.audit.fragment(mount, identity, data.as_bytes());
                    Some(fragment.map_err(Fault::internal)?)
                }
                _ => None,
            };
            let issued = auth.as_ref().map(|issued| {
                (
                    issued,
                    issued.token.as_ref().map_or("", |token| token.expose()),
                )
            });
            let token = issued.map(|(issued, token)| token_facts(&issued.entry, token, ""));
            let data = data.as_ref().map(|data| match &ready {
                Some(fragment) => Payload::Ready(fragment),
                None => Payload::Json {
                    json: data.as_bytes(),
                    plain,
                    names,
                },
            });
            write(&Response {
                auth: token.as_ref(),
                data,
                warnings,
                ..Response::default()
            })
        }
        Ok(Settlement::Wrapped(info)) => {
            let created = info.created.rfc3339();
            let wrap = Wrap {
                ttl: info.ttl,
                token: info.token.expose(),
                accessor: &info.accessor,
                creation_time: &created,
                creation_path: &info.path,
                wrapped_accessor: Some(info.wrapped_accessor.as_str())
                    .filter(|accessor| !accessor.is_empty()),
            };
            write(&Response {
                wrap: Some(wrap),
                ..Response::default()
            })
        }
    }
}

fn answer(facts: &Facts, settlement: Settlement) -> Result<Answer, Fault> {
    Ok(match settlement {
        Settlement::Empty => Answer::Empty,
        Settlement::Stream(subscription) => Answer::Stream(subscription),
        Settlement::Log(monitor) => Answer::Log(monitor),
        Settlement::Text(text) => Answer::Text(text),
        Settlement::Bare(data) => Answer::Body(data.into_bytes()),
        Settlement::Told(data, status) => Answer::Partial(status, data.into_bytes()),
        Settlement::Wrapped(info) => Answer::Body(render::wrapped(&facts.id, &info)?),
        Settlement::Envelope { envelope, how } => {
            let body = render::envelope(&facts.id, &envelope)?;
            match how {
                How::Whole => Answer::Body(body),
                How::Gone => Answer::Gone(body),
                How::Partial(status) => Answer::Partial(status, body),
            }
        }
    })
}
