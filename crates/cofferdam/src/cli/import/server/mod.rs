//! A running Vault or OpenBao, copied whole.
//!
//! Nothing is written over there (but for the note that a transit server makes of each backup),
//! nothing of it on a disk here, and no state is kept between two runs: each thing is read on both sides and written where it is missing, so whoever was interrupted
//! runs the same command again. What is here and different stays unless `-overwrite` says otherwise.
//! What cannot come along is said one by one, with the reason.
//!
//! The order is that of dependence: mounts, then policies (one may name an accessor, and accessors
//! are new here), roles, secrets, keys, identity. The other server is a stranger: [`names`] holds
//! what it lists against what a name is, [`peer`] bounds what it answers, [`walk`] how much there is.
//!
//! Exit: 0 everything is here, 1 wrong arguments, 2 a server failed on the way (what was copied
//! stays), 3 something could not come along, 4 something here is different and stayed.

mod address;
mod auth;
mod identity;
mod kv;
mod mounts;
mod names;
mod object;
mod oidc;
mod peer;
mod policies;
mod report;
mod rest;
mod revoked;
mod same;
mod server_settings;
mod settings;
mod transit;
mod versions;
mod walk;

pub(super) use address::Address;

use super::Import;
use crate::cli::scan::progress::Progress;
use crate::cli::{Context, Exit, Failure};
use cofferdam_api::Tree;
use peer::{Peer, Trouble};
use report::Report;
use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// One import under way.
struct Job {
    source: Peer,
    target: Peer,
    overwrite: bool,
    dry_run: bool,
    /// Only a part of the other server is meant.
    is_namespace: bool,
    concurrency: usize,
    most: u64,
    report: RefCell<Report>,
    /// Names of aliases that have another here, by the accessor over there and the name; nothing,
    /// where what they are named after did not come along.
    renamed: RefCell<BTreeMap<(String, String), Option<String>>>,
    progress: Progress,
}

impl Job {
    fn report(&self) -> RefMut<'_, Report> {
        self.report.borrow_mut()
    }

    /// Writes here, unless this is only a look.
    async fn write(&self, path: &str, body: &Tree) -> Result<(), Trouble> {
        if self.dry_run {
            return Ok(());
        }
        match self.target.write(path, body).await? {
            Some(_) => Ok(()),
            None => Err(Trouble::item(format!("this server has nothing at: {path}"))),
        }
    }

    /// Notes one thing that failed; what concerns all of them goes on up.
    fn settle(
        &self,
        kind: &'static str,
        path: &str,
        result: Result<(), Trouble>,
    ) -> Result<(), Failure> {
        self.progress.count().fetch_add(1, Ordering::Relaxed);
        match result {
            Ok(()) => Ok(()),
            Err(Trouble::Stop(failure)) => Err(failure),
            Err(Trouble::Item(reason)) => {
                self.report().left(kind, path, reason);
                Ok(())
            }
        }
    }

    /// The names of a list of the other server; what it does not show is said.
    async fn list(&self, kind: &'static str, path: &str) -> Result<Vec<String>, Failure> {
        match self.source.names(path).await {
            Ok(found) => {
                for (name, why) in found.bad {
                    self.report().left(kind, &format!("{path}/{name}"), why);
                }
                Ok(found.good)
            }
            Err(Trouble::Stop(failure)) => Err(failure),
            Err(Trouble::Item(reason)) => {
                self.report().left(kind, &format!("{path}/*"), reason);
                Ok(Vec::new())
            }
        }
    }

    /// The names of a list that not every server has.
    async fn quiet(&self, path: &str) -> Result<Vec<String>, Failure> {
        match self.source.names(path).await {
            Ok(found) => Ok(found.good),
            Err(Trouble::Stop(failure)) => Err(failure),
            Err(Trouble::Item(_)) => Ok(Vec::new()),
        }
    }

    async fn run(&self) -> Result<(), Failure> {
        self.look_at_token().await?;
        let secrets = mounts::bring(self, mounts::Class::Secret).await?;
        let methods = mounts::bring(self, mounts::Class::Auth).await?;
        let accessors = mounts::accessors(self, &methods).await?;
        policies::bring(self, &accessors).await?;
        auth::bring(self, &methods).await?;
        for mount in &secrets {
            self.progress.show(&mount.path);
            match mount.kind {
                mounts::Kind::KvOne | mounts::Kind::KvTwo => kv::bring(self, mount).await?,
                mounts::Kind::Transit => transit::bring(self, mount).await?,
                mounts::Kind::Totp => rest::totp(self, mount).await?,
                mounts::Kind::Method(_) => {}
            }
        }
        let known = identity::bring(self, &accessors).await?;
        oidc::bring(self, &known).await?;
        server_settings::bring(self).await?;
        rest::bring(self).await
    }

    /// Whoever does not see everything should know it.
    async fn look_at_token(&self) -> Result<(), Failure> {
        let found = match self.source.data("auth/token/lookup-self").await {
            Ok(found) => found,
            Err(Trouble::Stop(failure)) => return Err(failure),
            Err(Trouble::Item(reason)) => {
                return Err(Failure::server(format!("cannot begin: {reason}")).hint(
                    "give a token of the other server that is alive and may read everything",
                ));
            }
        };
        if found.is_none() {
            return Err(Failure::server(
                "cannot begin: the other server has no such namespace, or is none",
            )
            .hint("name the namespace as it is there: vaults://HOST:PORT/NAMESPACE"));
        }
        let policies = found.as_ref().and_then(|data| data.get("policies"));
        let policies = policies.map(Tree::items).unwrap_or_default();
        if !policies.iter().any(|name| name.as_text() == Some("root")) {
            self.report().note(
                "the other server's token is not root: what it may not list is not in this report",
            );
        }
        Ok(())
    }
}

/// Copies a server.
pub(super) async fn import(
    context: &Context,
    import: &Import,
    address: Address,
) -> Result<Exit, Failure> {
    let address = address.with_environment(context, import)?;
    let target = context.client_of_ours()?;
    if *target.endpoint() == address.endpoint {
        return Err(Failure::usage("both servers are the same")
            .hint("name ours with -address or COFFERDAM_ADDR"));
    }
    let from = match address.namespace.as_str() {
        "" => address.endpoint.to_string(),
        namespace => format!("{}/{}", address.endpoint, namespace.trim_end_matches('/')),
    };
    let job = Job {
        source: Peer::new(address.client(import)?, address.namespace.clone(), true),
        target: Peer::new(target, String::new(), false),
        overwrite: import.server.overwrite,
        dry_run: import.dry_run,
        is_namespace: !address.namespace.is_empty(),
        concurrency: usize::from(import.server.concurrency),
        most: import.server.most,
        report: RefCell::default(),
        renamed: RefCell::default(),
        progress: Progress::new(),
    };
    let outcome = job.run().await;
    job.progress.end();
    let report = job.report.into_inner();
    let exit = report.print(context, &from, import.dry_run, outcome.is_ok())?;
    outcome.map(|()| exit)
}
