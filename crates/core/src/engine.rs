//! The contract of secret engines and auth methods, and their route tables.
//!
//! An engine is a table of routes. A [`Route`] says in data what is special about a path: who may
//! come without a token, what needs `sudo`, which operations there are. The pipeline reads the
//! table; it never tests path text.

mod pattern;
mod route;

pub(crate) use pattern::folds;
pub use route::{Access, Effect, Existence, Handler, Listed, Profile, Route};

use crate::clock::Time;
pub use crate::events::{Happened, Touched};
use crate::fault::Fault;
use crate::fields;
use crate::json::Body;
use crate::mount::{Mount, MountConfig};
use crate::operation::{Operation, Verb};
use crate::outcome::Outcome;
use crate::path::Path;
use crate::request::{Call, Captures, Peer};
use async_trait::async_trait;
/// What an engine's storage is made of: engines know no other part of the barrier.
pub use cofferdam_barrier::{Batch, Commit, Opened, Revision, View};
use cofferdam_secret::Secret;
use pattern::capture;
use std::pin::Pin;
use std::sync::Arc;

/// The key of a mount's storage that is put by the transaction which begins an upgrade of the mount,
/// and stays. An engine that can be upgraded writes under the condition that it is absent: so a
/// request that was on its way when the upgrade began, on whichever replica, changes nothing any more.
pub const UPGRADED: &str = "upgraded";

/// A handler at work.
pub type Pending<'a, T = Outcome> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// The role that a login with this body would be of, before the login is judged; `None`: none, or one
/// that there is not. Whoever asks learns nothing from it.
pub type RoleOf = for<'a> fn(&'a View, &'a Body, Asking<'a>) -> Pending<'a, Option<String>>;

/// An engine that is a table of routes. Implement this one; [`Engine`] follows.
pub trait Routed: Send + Sync + Sized + 'static {
    /// The table; the first row that matches serves.
    const ROUTES: &'static [Route<Self>];

    /// How the role of a login is told, where a limit can be about roles.
    const ROLE_OF: Option<RoleOf> = None;

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

    /// See [`Routed::ROLE_OF`].
    fn role_of(&self) -> Option<RoleOf>;

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
            if path.is_directory() && !verb.names() && !route.slash {
                return Err(Fault::invalid(
                    "a path does not end in a slash, except to list",
                ));
            }
            return Ok(Profile {
                row,
                pattern: route.pattern,
                access: route.access,
                effect: match verb {
                    verb if verb.looks() && !route.changes => Effect::None,
                    _ if route.computes => Effect::None,
                    _ => Effect::Mutates,
                },
                creates: route.exists.is_some(),
                lifted: route.lifted,
                fields: &route.fields,
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
            Operation::List => Verb::List,
            Operation::Scan => Verb::Scan,
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
            Some(handler) => {
                let (body, query) = (call.body.asked(), &call.query.asked);
                body.forget();
                query.forget();
                let outcome = handler(self, call).await;
                fields::asked::check(profile.fields, profile.pattern, body, query);
                outcome
            }
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

    fn role_of(&self) -> Option<RoleOf> {
        E::ROLE_OF
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
        let row = |route: &'static Route<E>| {
            let (pattern, access) = (route.pattern, route.access);
            route
                .operations
                .iter()
                .map(move |(verb, _)| Listed {
                    pattern,
                    access,
                    verb: *verb,
                    fields: &route.fields,
                })
                .collect::<Vec<_>>()
        };
        E::ROUTES.iter().flat_map(row).collect()
    }
}
