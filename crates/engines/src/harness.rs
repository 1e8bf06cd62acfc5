//! One engine with its own memory store behind a real barrier: what a test of a mount needs.
//!
//! Speaks in verbs, paths and JSON, and answers with the status and body a server would give, so
//! that a test reads like an exchange and can be replayed on a real OpenBao.

use async_trait::async_trait;
use cofferdam_barrier::seal::{Config, Record};
use cofferdam_barrier::{Barrier, KeyWatch, RootKey, View};
use cofferdam_core::clock::{Clock, ManualClock, Time};
use cofferdam_core::engine::Engine;
use cofferdam_core::json::{Body, Budget};
use cofferdam_core::mount::{Class, Mount, MountConfig};
use cofferdam_core::path::Path;
use cofferdam_core::token::{Entry, Purpose};
use cofferdam_core::{
    Call, Caller, Captures, Fault, Kind, Login, Operation, Outcome, Peer, Query, Verb,
};
use cofferdam_secret::Secret;
use cofferdam_store::{
    self as store, Commit, Key, Memory, Page, Revision, Span, Store, Transaction, Watch,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A mount of one engine.
pub(crate) struct Bench {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) view: View,
    pub(crate) mount: Mount,
    pub(crate) clock: ManualClock,
    pub(crate) caller: Caller,
    pub(crate) peer: Peer,
    reads: Arc<AtomicUsize>,
    /// When the store stops answering writes, as after a crash.
    pub(crate) fuse: Arc<Fuse>,
    /// How far the engine was told of what is committed, as the registry tells it.
    followed: tokio::sync::Mutex<(KeyWatch, Revision)>,
    /// A watch for [`Bench::beside`].
    second: std::sync::Mutex<Option<(KeyWatch, Revision)>>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `data`, or null.
    pub(crate) data: Value,
    pub(crate) warnings: Vec<String>,
    pub(crate) lease: i64,
    pub(crate) errors: Vec<String>,
    pub(crate) login: Option<Login>,
}

/// A clock's first moment: some day in 2026.
const START: Time = Time::from_nanos(1_790_000_000_123_456_789);

impl Bench {
    /// Mounts `engine`; the caller is a token, the peer local.
    pub(crate) async fn new(engine: impl Engine, options: &[(&str, &str)]) -> Self {
        let options = options
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let config = MountConfig {
            options,
            ..MountConfig::default()
        };
        let mount = Mount {
            path: "mount".into(),
            class: Class::Secret,
            kind: "kind".into(),
            description: String::new(),
            accessor: "kind_1".into(),
            uuid: "11111111-2222-3333-4444-555555555555".into(),
            local: false,
            seal_wrap: false,
            config,
            upgrading: false,
        };
        let reads = Arc::default();
        let fuse = Arc::new(Fuse::default());
        let barrier = open(&reads, &fuse).await;
        let view = barrier.view(mount.storage());
        let begun = barrier.read_barrier().await.unwrap();
        let watch = barrier.watch(begun).await.unwrap();
        let second = barrier.watch(begun).await.unwrap();
        engine.mount(&view, &mount.config).await.unwrap();
        Self {
            engine: Box::new(engine),
            view,
            mount,
            clock: ManualClock::at(START),
            caller: Caller::Token(Arc::new(token("a1b2"))),
            peer: Peer::Network("127.0.0.1:5000".parse().unwrap()),
            reads,
            fuse,
            followed: tokio::sync::Mutex::new((watch, begun)),
            second: std::sync::Mutex::new(Some((second, begun))),
        }
    }

    /// Another process on the same store, with the same mount.
    pub(crate) fn beside(other: &Self, engine: impl Engine) -> Self {
        let (watch, begun) = other.second.lock().unwrap().take().unwrap();
        Self {
            engine: Box::new(engine),
            view: other.view.clone(),
            mount: other.mount.clone(),
            clock: ManualClock::at(START),
            caller: other.caller.clone(),
            peer: other.peer.clone(),
            reads: Arc::clone(&other.reads),
            fuse: Arc::clone(&other.fuse),
            followed: tokio::sync::Mutex::new((watch, begun)),
            second: std::sync::Mutex::default(),
        }
    }

    /// What the registry does before a request: the engine has heard of everything committed so far.
    async fn catch_up(&self) {
        let newest = self.view.read_barrier().await.unwrap();
        let mut followed = self.followed.lock().await;
        while followed.1 < newest {
            // Too far behind to be told, as after much that was done beside it.
            let Ok(event) = followed.0.next().await else {
                self.engine.forget(None);
                followed.1 = newest;
                return;
            };
            self.engine.forget(Some(&event.keys));
            followed.1 = event.revision;
        }
    }

    /// Sends a request; `target` may have a query.
    pub(crate) async fn ask(&self, verb: Verb, target: &str, body: Value) -> Answer {
        // Time passes, so that no two versions have the same.
        self.clock.advance(Duration::from_micros(1));
        match self.serve(verb, target, &body).await {
            Ok(outcome) => answered(outcome),
            Err(fault) => refused(&fault),
        }
    }

    async fn serve(&self, verb: Verb, target: &str, body: &Value) -> Result<Outcome, Fault> {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(body).unwrap()
        };
        self.serve_bytes(verb, target, bytes).await
    }

    /// Sends a body as it stands.
    pub(crate) async fn serve_bytes(
        &self,
        verb: Verb,
        target: &str,
        bytes: Vec<u8>,
    ) -> Result<Outcome, Fault> {
        self.catch_up().await;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let slash = if path.is_empty() { "" } else { "/" };
        let full = Path::from_url(&format!("mount{slash}{path}")).unwrap();
        let path = full.strip_prefix("mount").unwrap();
        let pairs = query.split('&').filter(|part| !part.is_empty());
        let pairs = pairs.map(|part| part.split_once('=').unwrap_or((part, "")));
        let query = Query::from(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect::<Vec<_>>(),
        );
        let body = Body::checked(Secret::new(bytes), &Budget::default()).unwrap();
        let profile = self.engine.profile(&path, verb)?;
        let call = |operation| Call {
            operation,
            path: &path,
            captures: Captures::default(),
            body: &body,
            query: &query,
            caller: &self.caller,
            presented: None,
            wraps: false,
            peer: &self.peer,
            mount: &self.mount,
            view: &self.view,
            now: self.clock.now(),
            steady: self.clock.steady(),
        };
        let operation = match verb {
            Verb::Read => Operation::Read,
            Verb::Patch => Operation::Patch,
            Verb::Delete => Operation::Delete,
            Verb::List => Operation::List,
            Verb::Scan => Operation::Scan,
            Verb::Write if !profile.creates => Operation::Update,
            Verb::Write => match self
                .engine
                .exists(profile, &mut call(Operation::Update))
                .await?
            {
                true => Operation::Update,
                false => Operation::Create,
            },
        };
        self.engine.handle(profile, call(operation)).await
    }

    pub(crate) async fn read(&self, target: &str) -> Answer {
        self.ask(Verb::Read, target, Value::Null).await
    }

    pub(crate) async fn write(&self, target: &str, body: Value) -> Answer {
        self.ask(Verb::Write, target, body).await
    }

    pub(crate) async fn patch(&self, target: &str, body: Value) -> Answer {
        self.ask(Verb::Patch, target, body).await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.ask(Verb::Delete, target, Value::Null).await
    }

    pub(crate) async fn list(&self, target: &str) -> Answer {
        self.ask(Verb::List, target, Value::Null).await
    }

    pub(crate) async fn scan(&self, target: &str) -> Answer {
        self.ask(Verb::Scan, target, Value::Null).await
    }

    /// Single values read from the store so far.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// Every storage key of the mount.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let page = self.view.range("", None, usize::MAX).await.unwrap();
        page.entries.into_iter().map(|entry| entry.key).collect()
    }
}

/// An open barrier over a memory store.
async fn open(reads: &Arc<AtomicUsize>, fuse: &Arc<Fuse>) -> Barrier<cofferdam_barrier::Unsealed> {
    let config = Config {
        kind: "test".into(),
        shares: 0,
        threshold: 0,
    };
    let record = Record {
        config,
        wrapped: vec![1],
        recovery: None,
        generation: 0,
        people: None,
    };
    let sealed = Barrier::new(Arc::new(Courteous(
        Memory::new(),
        Arc::clone(reads),
        Arc::clone(fuse),
    )));
    match sealed
        .initialize(&RootKey::generate().unwrap(), &record)
        .await
    {
        Ok(barrier) => barrier,
        Err((_, error)) => panic!("{error}"),
    }
}

/// A store that lets everybody else go first before each operation: requests made at the same time
/// all read before any of them commits, whatever the scheduler does.
/// Counts reads.
struct Courteous(Memory, Arc<AtomicUsize>, Arc<Fuse>);

/// Ends a process between two transactions of its, or before it learns what became of one.
pub(crate) struct Fuse {
    left: AtomicUsize,
    applies: AtomicBool,
}

impl Default for Fuse {
    fn default() -> Self {
        Self {
            left: AtomicUsize::new(usize::MAX),
            applies: AtomicBool::new(false),
        }
    }
}

impl Fuse {
    /// This many more transactions are answered; the next one is not, but applied all the same where
    /// `applies` says so.
    pub(crate) fn set(&self, left: usize, applies: bool) {
        self.left.store(left, Ordering::SeqCst);
        self.applies.store(applies, Ordering::SeqCst);
    }

    /// Whether this transaction is the one that is not answered.
    fn blows(&self) -> bool {
        let spent = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        spent.is_err()
    }
}

#[async_trait]
impl Store for Courteous {
    async fn get(&self, key: &Key) -> Result<Option<store::Entry>, store::Error> {
        tokio::task::yield_now().await;
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.get(key).await
    }

    async fn range(
        &self,
        span: &Span,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, store::Error> {
        tokio::task::yield_now().await;
        self.0.range(span, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Commit, store::Error> {
        tokio::task::yield_now().await;
        if self.2.blows() {
            if self.2.applies.load(Ordering::SeqCst) {
                let _lost = self.0.commit(transaction).await?;
            }
            return Err(store::Error::Failed("the process has ended".to_owned()));
        }
        self.0.commit(transaction).await
    }

    async fn barrier(&self) -> Result<Revision, store::Error> {
        self.0.barrier().await
    }

    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, store::Error> {
        self.0.watch(after).await
    }
}

/// A token with this hash.
pub(crate) fn token(hash: &str) -> Entry {
    Entry {
        hash: hash.into(),
        accessor: "accessor".into(),
        parent: None,
        policies: vec!["default".into()],
        display_name: "token".into(),
        metadata: BTreeMap::new(),
        binding: BTreeMap::new(),
        path: "auth/token/create".into(),
        mount: "auth/token".into(),
        mount_id: String::new(),
        created: START,
        creation_ttl: 3600,
        expires: None,
        renewed: None,
        explicit_max_ttl: 0,
        period: 0,
        renewable: true,
        uses_left: None,
        num_uses: 0,
        bound_cidrs: Vec::new(),
        purpose: Purpose::Service,
        revoking: false,
        entity_id: String::new(),
        groups: Vec::new(),
        role: String::new(),
        counted: None,
        standing: None,
    }
}

fn answered(outcome: Outcome) -> Answer {
    let mut answer = Answer {
        status: 200,
        data: Value::Null,
        warnings: vec![],
        lease: 0,
        errors: vec![],
        login: None,
    };
    match outcome {
        Outcome::Done => answer.status = 204,
        Outcome::Data(response) => {
            answer.data = serde_json::from_slice(response.data.as_bytes()).unwrap();
            answer.warnings = response.warnings;
            answer.lease = response.lease_duration;
        }
        Outcome::Partial(response, status) => {
            answer.status = status;
            answer.data = serde_json::from_slice(response.data.as_bytes()).unwrap();
            answer.warnings = response.warnings;
        }
        Outcome::Gone(response) => {
            answer.status = 404;
            answer.data = serde_json::from_slice(response.data.as_bytes()).unwrap();
            answer.warnings = response.warnings;
        }
        Outcome::Login(login) => answer.login = Some(*login),
        _ => panic!("an engine of this crate does not answer so"),
    }
    answer
}

fn refused(fault: &Fault) -> Answer {
    let status = match fault.kind() {
        Kind::Invalid => 400,
        Kind::Denied => 403,
        Kind::Missing => 404,
        Kind::Unsupported if fault.public() == "unsupported operation" => 405,
        Kind::Unsupported => 404,
        Kind::TooLarge => 413,
        Kind::TooMany => 429,
        _ => 500,
    };
    let errors = [fault.public()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect();
    Answer {
        status,
        data: json!(null),
        warnings: vec![],
        lease: 0,
        errors,
        login: None,
    }
}

impl Answer {
    /// The status, and the only error.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        assert!(self.errors.len() <= 1, "{:?}", self.errors);
        (self.status, self.errors.first().map_or("", String::as_str))
    }
}
