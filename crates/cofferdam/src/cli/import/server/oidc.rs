//! Identity tokens and the provider: settings of keys, roles, scopes, assignments, clients, providers.
//!
//! Keys that sign leave no server, so they are made anew here under their names; who checks tokens
//! reads them anew. A client goes on under the id and the secret that it had: its service need not be
//! told anything.

use super::Job;
use super::identity::Known;
use super::object::{Object, always};
use super::peer::Trouble;
use super::same::{is_nothing, same_setting};
use crate::cli::Failure;
use cofferdam_api::Tree;

const CONFIG: &str = "identity/oidc/config";
const KEY: &str = "identity token key";
const ROLE: &str = "identity token role";
const SCOPE: &str = "OIDC scope";
const ASSIGNMENT: &str = "OIDC assignment";
const CLIENT: &str = "OIDC client";
const PROVIDER: &str = "OIDC provider";
/// The assignment that every server has, and that cannot be written.
const ALL: &str = "allow_all";

/// What is listed in one place, in the order in which one needs the other.
const PARTS: &[(&str, &str)] = &[
    (KEY, "identity/oidc/key"),
    (ROLE, "identity/oidc/role"),
    (SCOPE, "identity/oidc/scope"),
    (ASSIGNMENT, "identity/oidc/assignment"),
    (CLIENT, "identity/oidc/client"),
    (PROVIDER, "identity/oidc/provider"),
];

/// Copies all of it.
pub(super) async fn bring(job: &Job, known: &Known<'_>) -> Result<(), Failure> {
    let done = config(job).await;
    job.settle("server settings", CONFIG, done)?;
    let mut signs = false;
    for (kind, place) in PARTS {
        for name in job.quiet(place).await? {
            if *kind == ASSIGNMENT && name == ALL {
                continue;
            }
            signs |= matches!(*kind, ROLE | CLIENT);
            let path = format!("{place}/{name}");
            let done = one(job, kind, &path, known).await;
            job.settle(kind, &path, done)?;
        }
    }
    if signs {
        job.report().note(
            "identity tokens are signed with new keys here: who checks them reads identity/oidc/.well-known/keys, or the provider's, anew",
        );
    }
    Ok(())
}

fn object<'a>(kind: &'static str, path: &'a str, once: &'a [&'a str]) -> Object<'a> {
    Object {
        kind,
        path,
        ignored: &[],
        once,
        secret: None,
        written: always,
    }
}

async fn config(job: &Job) -> Result<(), Trouble> {
    let Some(there) = job.source.data(CONFIG).await? else {
        return Ok(());
    };
    if is_nothing(there.get("issuer")) {
        return Ok(());
    }
    let object = Object {
        written: |config| !is_nothing(config.get("issuer")),
        ..object("server settings", CONFIG, &[])
    };
    object.put(job, &there).await
}

async fn one(job: &Job, kind: &'static str, path: &str, known: &Known<'_>) -> Result<(), Trouble> {
    let Some(mut wanted) = job.source.data(path).await? else {
        return Ok(());
    };
    match kind {
        ROLE | SCOPE => template(&mut wanted, known),
        ASSIGNMENT => {
            for (field, ids) in [
                ("entity_ids", &known.entities),
                ("group_ids", &known.groups),
            ] {
                let here = super::identity::translated(wanted.get(field), &ids.borrow());
                wanted.insert(field, here);
            }
        }
        CLIENT => return client(job, path, &mut wanted).await,
        PROVIDER => return provider(job, path, &mut wanted).await,
        _ => {}
    }
    object(kind, path, &[]).put(job, &wanted).await
}

/// A template may name the accessor of an auth method: here it names the one of here.
fn template(wanted: &mut Tree, known: &Known<'_>) {
    let Some(text) = wanted.get("template").and_then(Tree::as_text) else {
        return;
    };
    let here = super::names::translated(text, known.accessors);
    wanted.insert("template", here);
}

/// The provider that every server has: it shows how a server calls itself.
const USUAL: &str = "identity/oidc/provider/default";

/// A provider that names the other server itself names this one here; another address was chosen.
async fn provider(job: &Job, path: &str, wanted: &mut Tree) -> Result<(), Trouble> {
    issuer(wanted, path);
    let mut usual = job.source.data(USUAL).await?.unwrap_or(Tree::map());
    issuer(&mut usual, USUAL);
    if same_setting(wanted.get("issuer"), usual.get("issuer")) {
        wanted.take("issuer");
    }
    let object = object(PROVIDER, path, &[]);
    object.put_at(job, wanted, path, issuer).await
}

/// A provider is written with the beginning of its address, and read with all of it.
fn issuer(provider: &mut Tree, path: &str) {
    let whole = provider.take("issuer");
    let whole = whole.as_ref().and_then(Tree::as_text);
    let begins = whole.and_then(|whole| whole.strip_suffix(&format!("/v1/{path}")));
    if let Some(begins) = begins {
        provider.insert("issuer", begins);
    }
}

/// A client with what it proves itself with, in one write.
async fn client(job: &Job, path: &str, wanted: &mut Tree) -> Result<(), Trouble> {
    if !is_nothing(wanted.take("client_credentials").as_ref()) {
        let why = "its client_credentials: a client gets no tokens about itself here";
        job.report().left(CLIENT, path, why);
    }
    let object = object(CLIENT, path, &["client_type", "key"]);
    object
        .put_at(job, wanted, &format!("{path}/credentials"), |_, _| ())
        .await
}
