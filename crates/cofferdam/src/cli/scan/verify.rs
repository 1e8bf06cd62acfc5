//! `scan -verify`: asks the providers of found values whether they live. The one step of a scan with
//! network, and only where it was asked for.
//!
//! A value goes to the host that stands in its rule (`rules/verify.toml` of `detect`) and nowhere else;
//! one of a Vault goes to the server that the caller talks to anyway. Each is asked about once, however
//! often it was found.

use super::counted;
use crate::cli::{Context, Failure};
use cofferdam_api::{Client, Endpoint, Error, Tree, Web, WebError, WebRequest};
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_detect::findings::Findings;
use cofferdam_detect::pattern::{Finding, Scanner};
use cofferdam_detect::verify::{self, Life, Question, Verdict, Way};
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Values that are asked about in one run.
const MOST: usize = 1000;
/// Questions under way.
const AT_ONCE: usize = 4;
/// How long one may take, connecting included.
const PATIENCE: Duration = Duration::from_secs(10);

type Value = Secret<Vec<u8>>;

/// One value to ask about, and the findings that hold it.
struct Job {
    question: &'static Question,
    parts: Parts,
    findings: Vec<usize>,
}

/// What the question needs.
struct Parts {
    value: Value,
    /// The id and the session token that belong to a secret key of AWS.
    id: Option<Value>,
    session: Option<Value>,
}

impl Job {
    fn is_about(&self, question: &'static Question, parts: &Parts) -> bool {
        let same = |one: Option<&Value>, other: Option<&Value>| {
            one.map(Secret::expose) == other.map(Secret::expose)
        };
        std::ptr::eq(self.question, question)
            && same(Some(&self.parts.value), Some(&parts.value))
            && same(self.parts.id.as_ref(), parts.id.as_ref())
    }
}

/// Asks, and notes at each finding what came out.
pub(super) async fn ask(
    context: &Context,
    scanner: &Scanner,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let asker = Arc::new(Asker::new(context)?);
    let jobs = jobs(scanner, findings);
    if jobs.is_empty() {
        context.say("nobody is asked: no finding has a provider with a question for it");
        return Ok(());
    }
    context.say(&asker.announcement(&jobs));
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for job in jobs {
        let (asker, seats) = (Arc::clone(&asker), Arc::clone(&seats));
        asked.spawn(async move {
            // Never closed.
            let _seat = seats.acquire_owned().await;
            let verdict = Box::pin(asker.ask(&job)).await;
            (job.findings, verdict)
        });
    }
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    while let Some(ended) = asked.join_next().await {
        let (places, verdict) = ended.map_err(|_| Failure::local("asking broke down"))?;
        *counts.entry(verdict.life.word()).or_default() += 1;
        for place in places {
            if let Some(finding) = findings.findings.get_mut(place) {
                finding.verdict = Some(verdict.clone());
            }
        }
    }
    let counts: Vec<String> = ["live", "dead", "unknown"]
        .iter()
        .filter_map(|word| Some(format!("{} {word}", counts.get(word)?)))
        .collect();
    context.say(&format!("asked: {}", counts.join(", ")));
    Ok(())
}

/// What is to be asked. Findings about which nobody can be asked get their reason here.
fn jobs(scanner: &Scanner, findings: &mut Findings) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for at in 0..findings.findings.len() {
        let Some(finding) = findings.findings.get(at) else {
            continue;
        };
        let Some(question) = verify::question(&finding.rule.id) else {
            continue;
        };
        let reason = match parts(scanner, findings, finding, question) {
            Ok(parts) => {
                let count = jobs.len();
                match jobs.iter_mut().find(|job| job.is_about(question, &parts)) {
                    Some(job) => {
                        job.findings.push(at);
                        continue;
                    }
                    None if count < MOST => {
                        jobs.push(Job {
                            question,
                            parts,
                            findings: vec![at],
                        });
                        continue;
                    }
                    None => format!("not asked: more than {MOST} values"),
                }
            }
            Err(reason) => reason,
        };
        if let Some(finding) = findings.findings.get_mut(at) {
            finding.verdict = Some(Verdict::not_asked(reason));
        }
    }
    jobs
}

/// The value of a finding, with what belongs to it.
fn parts(
    scanner: &Scanner,
    findings: &Findings,
    finding: &Finding,
    question: &Question,
) -> Result<Parts, String> {
    let kept = |finding: &Finding| scanner.kept()?.value(finding.digest);
    let value = kept(finding).ok_or("not asked: its value is not among those that are kept")?;
    if let Some(reason) = question.objection(&value) {
        return Err(format!("not asked: {reason}"));
    }
    if question.way() != Way::Signed {
        return Ok(Parts {
            value,
            id: None,
            session: None,
        });
    }
    // The nearest one of the same file and commit.
    let beside = |rule: &str| {
        let commit = |finding: &Finding| finding.commit.as_ref().map(|commit| commit.id.clone());
        let others = findings.findings.iter().filter(|other| {
            other.rule.id == rule
                && other.location == finding.location
                && commit(other) == commit(finding)
        });
        let nearest = others.min_by_key(|other| other.offset.abs_diff(finding.offset));
        nearest.and_then(kept)
    };
    let id = beside("aws-access-key-id").ok_or("not asked: no access key id lies beside it")?;
    let session = beside("aws-session-token");
    if id.expose().starts_with(b"ASIA") && session.is_none() {
        return Err("not asked: no session token lies beside it".to_owned());
    }
    // A lasting key has none, whatever lies beside it.
    let session = session.filter(|_| id.expose().starts_with(b"ASIA"));
    Ok(Parts {
        value,
        id: Some(id),
        session,
    })
}

/// Whoever asks.
struct Asker {
    web: Web,
    server: Result<Client, String>,
}

impl Asker {
    fn new(context: &Context) -> Result<Self, Failure> {
        let environment = |name: &str| context.environment(name);
        let web = Web::new(&environment, PATIENCE).map_err(|error| {
            Failure::local(format!("cannot ask anybody: {error}"))
                .hint("name the file of the system's CAs: SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt")
        })?;
        Ok(Self {
            web,
            server: server(context),
        })
    }

    /// What goes where, in one line, before anything does.
    fn announcement(&self, jobs: &[Job]) -> String {
        let mut hosts: BTreeMap<String, u64> = BTreeMap::new();
        for job in jobs {
            let place = match (job.question.way(), &self.server) {
                (Way::Server, Ok(client)) => client.endpoint().to_string(),
                (Way::Server, Err(_)) => continue,
                _ => {
                    let host = job.question.host();
                    let way = self.web.way(host).map(|way| format!(" ({way})"));
                    format!("{host}{}", way.unwrap_or_default())
                }
            };
            *hosts.entry(place).or_default() += 1;
        }
        let hosts: Vec<String> = hosts
            .iter()
            .map(|(host, count)| format!("{count} to {host}"))
            .collect();
        format!(
            "asking about {}, each at its own provider: {}",
            counted(jobs.len() as u64, "value"),
            hosts.join(", ")
        )
    }

    async fn ask(&self, job: &Job) -> Verdict {
        let request = match job.question.way() {
            Way::Server => return self.ask_server(&job.parts.value).await,
            Way::Signed => signed(&job.parts),
            Way::Request | Way::Never => job.question.request(&job.parts.value),
        };
        let Some(request) = request else {
            return Verdict::not_asked("not asked: it cannot be put into a request");
        };
        let host = request.host.clone();
        let answer = self
            .web
            .ask(WebRequest {
                host: request.host,
                target: request.target,
                post: request.post,
                headers: request.headers,
            })
            .await;
        let life = match answer {
            Ok(answer) => job.question.judge(answer.status, answer.body.expose()),
            Err(error @ WebError::Request) => Life::Unknown(format!("not asked: {error}")),
            Err(error) => Life::Unknown(error.to_string()),
        };
        Verdict {
            life,
            by: Some(host),
        }
    }

    /// Looks a token up with the caller's own. `lookup-self` would use it: a token with one use left, a
    /// wrapping token for one, would be gone.
    async fn ask_server(&self, token: &Value) -> Verdict {
        let client = match &self.server {
            Ok(client) => client,
            Err(reason) => return Verdict::not_asked(format!("not asked: {reason}")),
        };
        let Some(token) = token.duplicate().into_text() else {
            return Verdict::not_asked("not asked: it is no text");
        };
        let body = Tree::map().with("token", Tree::Text(token));
        let life = match client.write("auth/token/lookup", &body).await {
            Ok(_) => Life::Live,
            // Which of the two it is only some servers tell.
            Err(Error::NotFound(_) | Error::Denied(_)) => Life::Unknown(
                "does not know it, or does not let you look tokens up; another server may know it"
                    .to_owned(),
            ),
            Err(Error::Unreachable { .. }) => Life::Unknown("cannot be reached".to_owned()),
            Err(_) => Life::Unknown("it gives no answer to this".to_owned()),
        };
        Verdict {
            life,
            by: Some(client.endpoint().to_string()),
        }
    }
}

fn signed(parts: &Parts) -> Option<verify::Outgoing> {
    let caller = verify::Caller {
        id: parts.id.as_ref()?,
        secret: &parts.value,
        session: parts.session.as_ref(),
    };
    verify::caller_identity(&caller, WallClock.now().seconds())
}

/// The caller's own server, where a found token may be shown to it.
fn server(context: &Context) -> Result<Client, String> {
    let endpoint = context
        .endpoint()
        .map_err(|failure| failure.what().to_owned())?;
    let local = |host: &str| {
        let address = host.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    if matches!(&endpoint, Endpoint::Http { host, .. } if !local(host)) {
        return Err("the server's address is http://, where everybody can read along".to_owned());
    }
    if context.trust().dangerous_skip_verify {
        return Err("the server's certificate is not checked".to_owned());
    }
    let is_socket = matches!(endpoint, Endpoint::Socket(_));
    let client = context
        .client()
        .map_err(|failure| failure.what().to_owned())?;
    if client.token().is_none() && !is_socket {
        return Err("looking a token up needs one of your own: VAULT_TOKEN".to_owned());
    }
    Ok(client.without_wrapping())
}
