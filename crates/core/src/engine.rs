//! The contract of secret engines and auth methods, and their route tables.
//!
//! An engine is a table of routes. A [`Route`] says in data what is special about a path: who may
//! come without a token, what needs `sudo`, which operations there are. The pipeline reads the
//! table; it never tests path text.

use crate::clock::Time;
pub use crate::events::{Happened, Touched};
use crate::fault::Fault;
use crate::mount::{Mount, MountConfig};
use crate::operation::{Operation, Verb};
use crate::outcome::Outcome;
use crate::path::Path;
use crate::request::{Call, Captures, Peer};
use async_trait::async_trait;
/// What an engine's storage is made of: engines know no other part of the barrier.
pub use cofferdam_barrier::{Batch, Commit, Opened, Revision, View};
use cofferdam_secret::Secret;
use std::pin::Pin;
use std::sync::Arc;

/// The key of a mount's storage that is put by the transaction which begins an upgrade of the mount,
/// and stays. An engine that can be upgraded writes under the condition that it is absent: so a
/// request that was on its way when the upgrade began, on whichever replica, changes nothing any more.
pub const UPGRADED: &str = "upgraded";

/// A handler at work.
pub type Pending<'a, T = Outcome> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// A handler: what an operation on a route does.
pub type Handler<E> = for<'a> fn(&'a E, Call<'a>) -> Pending<'a>;

/// Tells whether the thing a write aims at is there: create or update.
pub type Existence<E> = for<'a> fn(&'a E, &'a Call<'a>) -> Pending<'a, bool>;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody needs to be known (logins).
    Anonymous,
    /// A wrapping token is the credential, in the body or as the token presented; what else is
    /// presented is held to its policies.
    Wrapping,
    /// Any live token, or the local admin: what the answer shows is decided by its policies.
    Known,
    /// A token whose policies allow it.
    Token,
    /// A token whose policies allow it and grant `sudo` on the path.
    Sudo,
}

/// What a route does to the world: decides whether its work may start before the audit record of the
/// intent is on a device. The answer never leaves before both records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    None,
    /// Changes something.
    Mutates,
}

/// One row of an engine's table.
pub struct Route<E: 'static> {
    /// Relative to the mount: literal segments, `:name` for one segment, a last `*name` for the rest
    /// (which may be empty).
    ///
    /// `~name` is one segment whose case does not matter. It is lower-cased before policy sees the
    /// path: an engine that did so on its own would serve `ADMIN` to whoever is only denied `admin`
    /// (CVE-2026-89322).
    pub pattern: &'static str,
    /// Who may use it.
    pub access: Access,
    /// A trailing slash is accepted for every operation (mount paths); else only for LIST.
    pub slash: bool,
    /// What can be done.
    pub operations: &'static [(Verb, Handler<E>)],
    /// Create or update; `None`: every write is an update.
    pub exists: Option<Existence<E>>,
    /// The data is answered at the top level too, as Vault does on some `sys/` routes.
    pub lifted: bool,
    /// A write asks for a computation and changes nothing, except where it creates.
    pub computes: bool,
    /// A read changes something all the same.
    pub changes: bool,
}

impl<E> Route<E> {
    /// A row for callers with a token.
    #[must_use]
    pub const fn new(pattern: &'static str, operations: &'static [(Verb, Handler<E>)]) -> Self {
        Self {
            pattern,
            access: Access::Token,
            slash: false,
            operations,
            exists: None,
            lifted: false,
            computes: false,
            changes: false,
        }
    }

    /// Changes who may use it.
    #[must_use]
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Accepts a trailing slash for every operation.
    #[must_use]
    pub const fn with_slash(mut self) -> Self {
        self.slash = true;
        self
    }

    /// Answers the data at the top level too.
    #[must_use]
    pub const fn lifted(mut self) -> Self {
        self.lifted = true;
        self
    }

    /// A write asks for a computation (encrypt, sign, hash) and changes nothing. Where the route tells
    /// create from update, one that creates counts as a change all the same.
    #[must_use]
    pub const fn computing(mut self) -> Self {
        self.computes = true;
        self
    }

    /// A read ends something that was begun (a login that a browser comes back from), so it waits for
    /// its record as a change does.
    #[must_use]
    pub const fn changing(mut self) -> Self {
        self.changes = true;
        self
    }

    /// Tells create from update.
    #[must_use]
    pub const fn creating(mut self, exists: Existence<E>) -> Self {
        self.exists = Some(exists);
        self
    }
}

/// What the pipeline may know of a route, whatever the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The row's number in the engine's table.
    pub row: usize,
    /// The row's pattern.
    pub pattern: &'static str,
    /// Who may use it.
    pub access: Access,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether writes tell create from update.
    pub creates: bool,
    /// Whether the data is answered at the top level too.
    pub lifted: bool,
}

/// A row as tests and documentation list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The row's pattern.
    pub pattern: &'static str,
    /// Who may use it.
    pub access: Access,
    /// One of its operations.
    pub verb: Verb,
}

/// An engine that is a table of routes. Implement this one; [`Engine`] follows.
pub trait Routed: Send + Sync + Sized + 'static {
    /// The table; the first row that matches serves.
    const ROUTES: &'static [Route<Self>];

    /// Prepares the storage of a new mount, and refuses options it does not know.
    fn mount<'a>(&'a self, view: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        let _ = (view, config);
        Box::pin(async { Ok(()) })
    }

    /// The engine that serves this mount, where versions of a kind answer differently; `None`: this one.
    fn of_version(&self, mount: &Mount) -> Option<Arc<dyn Engine>> {
        let _ = mount;
        None
    }

    /// The mount's options as `tune` wants them, beside what they are.
    ///
    /// Returns whether what is stored has to be brought into another form first ([`Self::upgrade`]).
    ///
    /// # Errors
    /// For a version that there is no way to.
    fn retune(
        &self,
        now: &MountConfig,
        wanted: &std::collections::BTreeMap<String, String>,
    ) -> Result<bool, Fault> {
        if wanted
            .get("version")
            .is_some_and(|version| now.options.get("version") != Some(version))
        {
            return Err(Fault::unsupported(
                "options.version: a mount keeps the version it was made with",
            ));
        }
        Ok(false)
    }

    /// Brings some of what an earlier version stored into today's form; whether there is more.
    ///
    /// Nobody else writes to the mount meanwhile ([`UPGRADED`]). It may end at any point and begin
    /// again, here or on several replicas at once: each step is one transaction that loses nothing.
    fn upgrade<'a>(&'a self, view: &'a View, now: Time) -> Pending<'a, bool> {
        let _ = (view, now);
        Box::pin(async { Ok(false) })
    }

    /// What a committed transaction means to those who subscribe to events, by the keys of this
    /// mount that it touched. Called on every replica, and only while somebody listens.
    fn events<'a>(&'a self, touched: &'a [Touched<'a>]) -> Pending<'a, Vec<Happened>> {
        let _ = touched;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Secrets that are kept, in the order of their paths, behind the path `after`; at most `most`, and
    /// none when there are no more. An engine without stored values has none.
    fn kept<'a>(
        &'a self,
        view: &'a View,
        after: Option<&'a str>,
        most: usize,
        now: Time,
    ) -> Pending<'a, Vec<Kept>> {
        let _ = (view, after, most, now);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The JSON object of one version; `None` when it went away.
    fn content<'a>(
        &'a self,
        view: &'a View,
        kept: &'a Kept,
        version: u64,
    ) -> Pending<'a, Option<Secret<Vec<u8>>>> {
        let _ = (view, kept, version);
        Box::pin(async { Ok(None) })
    }

    /// What an engine keeps decoded in memory is to be dropped: the keys a committed transaction
    /// touched, as the barrier names them ([`View::prefix`] and the rest), or everything (`None`).
    ///
    /// Called on every replica before the transaction counts as applied, so for every request that
    /// begins after its acknowledgement. Must not wait for anything.
    fn forget(&self, keys: Option<&[String]>) {
        let _ = keys;
    }

    /// Whether its logins lock a name after failures: only then a mount has settings for that.
    fn locks(&self) -> bool {
        false
    }

    /// As [`Self::renew`], for methods that look at who asks: at what the connection showed, and when.
    fn renew_for<'a>(
        &'a self,
        view: &'a View,
        token: &'a crate::token::Entry,
        asking: Asking<'a>,
    ) -> Pending<'a, crate::outcome::Login> {
        let _ = asking;
        self.renew(view, token)
    }

    /// Re-checks the binding of a token this method issued, before it is renewed.
    fn renew<'a>(
        &'a self,
        view: &'a View,
        token: &'a crate::token::Entry,
    ) -> Pending<'a, crate::outcome::Login> {
        let _ = (view, token);
        Box::pin(async {
            Err(Fault::invalid(
                "tokens of this auth method cannot be renewed",
            ))
        })
    }
}

/// Who wants a token renewed: whoever sends the request, be it the token's own or another one.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The other end of the connection.
    pub peer: &'a Peer,
    /// When the request was admitted.
    pub now: Time,
}

/// A secret that an engine keeps, for what is made of all stored values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Relative to the mount.
    pub path: String,
    /// Names its data; another one when the path is made again.
    pub incarnation: u64,
    /// Number of the newest version.
    pub current: u64,
    /// Versions whose data can be read, oldest first.
    pub versions: Vec<u64>,
    /// Who is to be told of it, where people say so.
    pub owner: Option<String>,
}

/// The contract the pipeline sees.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The route that serves `path`, if there is one for `verb`.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] when there is none; [`crate::Kind::Invalid`] for a trailing slash
    /// where none belongs.
    fn profile(&self, path: &Path, verb: Verb) -> Result<Profile, Fault>;

    /// Whether what a write aims at exists.
    async fn exists(&self, profile: Profile, call: &mut Call<'_>) -> Result<bool, Fault>;

    /// Carries it out.
    async fn handle(&self, profile: Profile, call: Call<'_>) -> Result<Outcome, Fault>;

    /// See [`Routed::mount`].
    async fn mount(&self, view: &View, config: &MountConfig) -> Result<(), Fault>;

    /// See [`Routed::of_version`].
    fn of_version(&self, mount: &Mount) -> Option<Arc<dyn Engine>>;

    /// See [`Routed::retune`].
    fn retune(
        &self,
        now: &MountConfig,
        wanted: &std::collections::BTreeMap<String, String>,
    ) -> Result<bool, Fault>;

    /// See [`Routed::upgrade`].
    async fn upgrade(&self, view: &View, now: Time) -> Result<bool, Fault>;

    /// See [`Routed::events`].
    async fn events(&self, touched: &[Touched<'_>]) -> Result<Vec<Happened>, Fault>;

    /// See [`Routed::kept`].
    async fn kept(
        &self,
        view: &View,
        after: Option<&str>,
        most: usize,
        now: Time,
    ) -> Result<Vec<Kept>, Fault>;

    /// See [`Routed::content`].
    async fn content(
        &self,
        view: &View,
        kept: &Kept,
        version: u64,
    ) -> Result<Option<Secret<Vec<u8>>>, Fault>;

    /// See [`Routed::locks`].
    fn locks(&self) -> bool;

    /// See [`Routed::forget`].
    fn forget(&self, keys: Option<&[String]>);

    /// See [`Routed::renew`].
    async fn renew(
        &self,
        view: &View,
        token: &crate::token::Entry,
    ) -> Result<crate::outcome::Login, Fault>;

    /// See [`Routed::renew_for`].
    async fn renew_for(
        &self,
        view: &View,
        token: &crate::token::Entry,
        asking: Asking<'_>,
    ) -> Result<crate::outcome::Login, Fault>;

    /// All rows, for coverage tests and documentation.
    fn routes(&self) -> Vec<Listed>;
}

#[async_trait]
impl<E: Routed> Engine for E {
    fn profile(&self, path: &Path, verb: Verb) -> Result<Profile, Fault> {
        let mut seen = false;
        for (row, route) in E::ROUTES.iter().enumerate() {
            if capture(route.pattern, path).is_none() {
                continue;
            }
            seen = true;
            if !route.operations.iter().any(|(served, _)| *served == verb) {
                continue;
            }
            if path.is_directory() && verb != Verb::List && !route.slash {
                return Err(Fault::invalid(
                    "a path does not end in a slash, except to list",
                ));
            }
            return Ok(Profile {
                row,
                pattern: route.pattern,
                access: route.access,
                effect: match verb {
                    Verb::Read | Verb::List if !route.changes => Effect::None,
                    _ if route.computes => Effect::None,
                    _ => Effect::Mutates,
                },
                creates: route.exists.is_some(),
                lifted: route.lifted,
            });
        }
        Err(Fault::unsupported(if seen {
            "unsupported operation"
        } else {
            "unsupported path"
        }))
    }

    async fn exists(&self, profile: Profile, call: &mut Call<'_>) -> Result<bool, Fault> {
        let Some(route) = E::ROUTES.get(profile.row) else {
            return Ok(true);
        };
        let Some(exists) = route.exists else {
            return Ok(true);
        };
        call.captures = Captures(capture(route.pattern, call.path).unwrap_or_default());
        exists(self, call).await
    }

    async fn handle(&self, profile: Profile, mut call: Call<'_>) -> Result<Outcome, Fault> {
        let verb = match call.operation {
            Operation::Read => Verb::Read,
            Operation::Create | Operation::Update => Verb::Write,
            Operation::Patch => Verb::Patch,
            Operation::Delete => Verb::Delete,
            Operation::List | Operation::Scan => Verb::List,
        };
        let handler = E::ROUTES.get(profile.row).and_then(|route| {
            call.captures = Captures(capture(route.pattern, call.path)?);
            route
                .operations
                .iter()
                .find(|(served, _)| *served == verb)
                .map(|(_, handler)| *handler)
        });
        match handler {
            Some(handler) => handler(self, call).await,
            None => Err(Fault::unsupported("unsupported operation")),
        }
    }

    async fn mount(&self, view: &View, config: &MountConfig) -> Result<(), Fault> {
        Routed::mount(self, view, config).await
    }

    fn of_version(&self, mount: &Mount) -> Option<Arc<dyn Engine>> {
        Routed::of_version(self, mount)
    }

    fn retune(
        &self,
        now: &MountConfig,
        wanted: &std::collections::BTreeMap<String, String>,
    ) -> Result<bool, Fault> {
        Routed::retune(self, now, wanted)
    }

    async fn upgrade(&self, view: &View, now: Time) -> Result<bool, Fault> {
        Routed::upgrade(self, view, now).await
    }

    async fn events(&self, touched: &[Touched<'_>]) -> Result<Vec<Happened>, Fault> {
        Routed::events(self, touched).await
    }

    async fn kept(
        &self,
        view: &View,
        after: Option<&str>,
        most: usize,
        now: Time,
    ) -> Result<Vec<Kept>, Fault> {
        Routed::kept(self, view, after, most, now).await
    }

    async fn content(
        &self,
        view: &View,
        kept: &Kept,
        version: u64,
    ) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        Routed::content(self, view, kept, version).await
    }

    fn locks(&self) -> bool {
        Routed::locks(self)
    }

    fn forget(&self, keys: Option<&[String]>) {
        Routed::forget(self, keys);
    }

    async fn renew(
        &self,
        view: &View,
        token: &crate::token::Entry,
    ) -> Result<crate::outcome::Login, Fault> {
        Routed::renew(self, view, token).await
    }

    async fn renew_for(
        &self,
        view: &View,
        token: &crate::token::Entry,
        asking: Asking<'_>,
    ) -> Result<crate::outcome::Login, Fault> {
        Routed::renew_for(self, view, token, asking).await
    }

    fn routes(&self) -> Vec<Listed> {
        let row = |route: &Route<E>| {
            let (pattern, access) = (route.pattern, route.access);
            route
                .operations
                .iter()
                .map(move |(verb, _)| Listed {
                    pattern,
                    access,
                    verb: *verb,
                })
                .collect::<Vec<_>>()
        };
        E::ROUTES.iter().flat_map(row).collect()
    }
}

/// Whether the pattern takes the segment of this number in any case.
pub(crate) fn folds(pattern: &str, segment: usize) -> bool {
    pattern
        .split('/')
        .nth(segment)
        .is_some_and(|part| part.starts_with('~'))
}

/// Matches a pattern; the captures in order, or `None`.
fn capture<'a>(pattern: &'static str, path: &'a Path) -> Option<Vec<(&'static str, &'a str)>> {
    let mut rest = path.as_str();
    let mut captures = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if let Some(name) = part.strip_prefix('*') {
            captures.push((name, rest));
            return Some(captures);
        }
        if rest.is_empty() {
            return None;
        }
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        rest = after;
        if let Some(name) = part.strip_prefix([':', '~']) {
            captures.push((name, segment));
        } else if part != segment {
            return None;
        }
    }
    rest.is_empty().then_some(captures)
}
