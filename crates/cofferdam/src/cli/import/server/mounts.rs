//! Where engines and auth methods are mounted, with their settings.

use super::Job;
use super::names;
use super::object::{differing, missing};
use super::peer::{Peer, Trouble};
use super::same::{is_nothing, same_setting};
use super::versions::copied;
use crate::cli::Failure;
use cofferdam_api::Tree;
use std::collections::BTreeMap;

/// Which table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Secret,
    Auth,
}

impl Class {
    const fn route(self) -> &'static str {
        match self {
            Self::Secret => "sys/mounts",
            Self::Auth => "sys/auth",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Secret => "mount",
            Self::Auth => "auth method",
        }
    }
}

/// What is behind a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    KvOne,
    KvTwo,
    Transit,
    Totp,
    /// An auth method, by its type.
    Method(String),
}

/// A mount of the other server whose contents can be copied.
pub(super) struct Source {
    /// Without the slash at the end.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// What aliases name it by, over there.
    pub(super) accessor: String,
}

/// Types that are always there and are no mounts of anybody's.
const OWN: [&str; 7] = [
    "system",
    "identity",
    "cubbyhole",
    "ns_system",
    "ns_identity",
    "ns_cubbyhole",
    "ns_token",
];

fn text<'a>(entry: &'a Tree, name: &str) -> &'a str {
    entry.get(name).and_then(Tree::as_text).unwrap_or_default()
}

fn kind(class: Class, entry: &Tree) -> Option<Kind> {
    let version = entry.get("options").map(|options| text(options, "version"));
    match (class, text(entry, "type")) {
        (Class::Secret, "kv" | "generic") if version == Some("2") => Some(Kind::KvTwo),
        (Class::Secret, "kv" | "generic") => Some(Kind::KvOne),
        (Class::Secret, "transit") => Some(Kind::Transit),
        (Class::Secret, "totp") => Some(Kind::Totp),
        (Class::Auth, method) if super::auth::is_served(method) => {
            Some(Kind::Method(method.to_owned()))
        }
        _ => None,
    }
}

/// The table of a server by paths, without what is always there.
async fn table(peer: &Peer, class: Class) -> Result<BTreeMap<String, Tree>, Failure> {
    let answer = match peer.read(class.route()).await {
        Ok(answer) => answer,
        Err(Trouble::Stop(failure)) => return Err(failure),
        Err(Trouble::Item(reason)) => {
            return Err(Failure::server(format!(
                "cannot list {}: {reason}",
                class.route()
            ))
            .hint(
                "is that a Vault or an OpenBao, and may the token list its mounts? what was copied stays",
            ));
        }
    };
    // Older servers have no envelope here.
    let data = answer.and_then(|answer| answer.tree().or_else(|| answer.body_tree()));
    let Some(Tree::Map(entries)) = data else {
        return Ok(BTreeMap::new());
    };
    let mounts = entries.into_iter().filter(|(path, entry)| {
        path.ends_with('/') && !OWN.contains(&text(entry, "type")) && entry.get("type").is_some()
    });
    Ok(mounts.collect())
}

/// Mounts here what is mounted there. Gives the mounts whose contents can follow.
pub(super) async fn bring(job: &Job, class: Class) -> Result<Vec<Source>, Failure> {
    let (there, here) = (
        table(&job.source, class).await?,
        table(&job.target, class).await?,
    );
    let mut found = Vec::new();
    for (path, entry) in there {
        let path = match names::checked_path(&path) {
            Ok(path) => path.to_owned(),
            Err(why) => {
                job.report().left(class.kind(), &path, why);
                continue;
            }
        };
        let Some(kind) = kind(class, &entry) else {
            let served = format!(
                "no {} of this type is copied: {}",
                class.kind(),
                text(&entry, "type")
            );
            job.report()
                .left(class.kind(), &path, names::shown(&served));
            continue;
        };
        let here = here.get(&format!("{path}/"));
        let done = one(job, class, &path, &kind, &entry, here).await;
        let follow = matches!(done, Ok(true));
        job.settle(class.kind(), &path, done.map(|_| ()))?;
        if follow {
            let accessor = text(&entry, "accessor").to_owned();
            found.push(Source {
                path,
                kind,
                accessor,
            });
        }
    }
    Ok(found)
}

/// Settings of a mount, as its entry in the table has them.
fn wanted(entry: &Tree) -> Tree {
    let mut config = Tree::map();
    let entries = entry.get("config").into_iter().flat_map(Tree::entries);
    for (name, value) in entries.filter(|(_, value)| !is_nothing(Some(value))) {
        config.insert(name, copied(value));
    }
    config
}

/// Mounts one; whether its contents can follow.
async fn one(
    job: &Job,
    class: Class,
    path: &str,
    kind: &Kind,
    entry: &Tree,
    here: Option<&Tree>,
) -> Result<bool, Trouble> {
    let route = format!("{}/{path}", class.route());
    let config = wanted(entry);
    let Some(here) = here else {
        // The token method is everywhere, so this is another one.
        let mut body = Tree::map().with("type", text(entry, "type").replace("generic", "kv"));
        body.insert("description", text(entry, "description"));
        for name in ["local", "seal_wrap", "external_entropy_access"] {
            body.insert(
                name,
                entry.get(name).and_then(Tree::as_bool).unwrap_or(false),
            );
        }
        if let Some(options @ Tree::Map(_)) = entry.get("options") {
            body.insert("options", copied(options));
        }
        body.insert("config", copied(&config));
        job.write(&route, &body).await?;
        job.report().created(class.kind(), path);
        if !job.dry_run {
            let now = job.target.data(&route).await?.unwrap_or(Tree::map());
            let now = now.get("config").map_or(Tree::map(), copied);
            let mut lost = missing(&config, &now);
            lost.extend(differing(&config, &now));
            say_lost(job, class, path, &lost);
        }
        return Ok(true);
    };
    let same_kind = self::kind(class, here).as_ref() == Some(kind);
    if !same_kind {
        job.report().different(
            class.kind(),
            path,
            "another type; what is in it stays there too",
        );
        return Ok(false);
    }
    let now = here.get("config").map_or(Tree::map(), copied);
    say_lost(job, class, path, &missing(&config, &now));
    let mut other = differing(&config, &now);
    let unnamed = now.entries().filter(|(name, value)| {
        config.get(name).is_none() && !same_setting(None, Some(value)) && *name != "token_type"
    });
    other.extend(unnamed.map(|(name, _)| name.to_owned()));
    let described = !text(here, "description").is_empty();
    if described && text(entry, "description") != text(here, "description") {
        other.push("description".to_owned());
    }
    if other.is_empty() {
        // One that says nothing of itself takes the other's word.
        if !described && !text(entry, "description").is_empty() {
            let body = Tree::map().with("description", text(entry, "description"));
            job.write(&format!("{route}/tune"), &body).await?;
        }
        job.report().unchanged(class.kind());
    } else if job.overwrite {
        let mut body = config;
        body.insert("description", text(entry, "description"));
        job.write(&format!("{route}/tune"), &body).await?;
        job.report()
            .changed(class.kind(), path, format!("other {}", other.join(", ")));
    } else {
        job.report()
            .different(class.kind(), path, format!("other {}", other.join(", ")));
    }
    Ok(true)
}

fn say_lost(job: &Job, class: Class, path: &str, lost: &[String]) {
    if !lost.is_empty() {
        let why = format!("this server does not keep its {}", lost.join(", "));
        job.report().left(class.kind(), path, why);
    }
}

/// Accessors of auth methods there with those here: aliases and policies name them.
pub(super) async fn accessors(
    job: &Job,
    methods: &[Source],
) -> Result<BTreeMap<String, String>, Failure> {
    let here = table(&job.target, Class::Auth).await?;
    let pairs = methods.iter().filter_map(|method| {
        let entry = here.get(&format!("{}/", method.path))?;
        let accessor = text(entry, "accessor").to_owned();
        Some((method.accessor.clone(), accessor))
    });
    Ok(pairs
        .filter(|(there, here)| !there.is_empty() && !here.is_empty())
        .collect())
}
