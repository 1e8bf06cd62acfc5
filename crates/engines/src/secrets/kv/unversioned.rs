//! KV version 1: a secret is what was written last.
//!
//! Follows Vault's KV v1 API. The object lies below `d/` as the bytes it came in; a `ttl` (or
//! `lease`) in it is told to readers as the time after which to read again, and means nothing else.
//!
//! Every change is made under the condition that no upgrade to version 2 has begun, and what is not
//! found is only said to be missing when none has: a request that was on its way when the mount's
//! version changed neither writes behind the upgrade nor overlooks what it moved.

use super::{scan, upgrade};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{
    Commit, Happened, Kept, Pending, Route, Routed, Touched, UPGRADED, View,
};
use cofferdam_core::json::Data;
use cofferdam_core::json::field::SignedTtl;
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;

/// The engine of mounts of version 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unversioned;

/// Before the path of every secret.
pub(super) const DATA: &str = "d/";

pub(super) fn key(path: &str) -> String {
    format!("{DATA}{path}")
}

impl Routed for Unversioned {
    const ROUTES: &'static [Route<Self>] = &[
        Route::new(
            "*path",
            &[
                (Verb::Read, read),
                (Verb::Write, write),
                (Verb::Delete, delete),
                (Verb::List, list),
            ],
        )
        .takes_anything()
        .creating(exists),
        // In parts, which LIST is not here, as in Vault.
        Route::new("*path", &[(Verb::Scan, names_of_all_levels)]).asks(&["after", "limit"]),
    ];

    fn events<'a>(&'a self, touched: &'a [Touched<'a>]) -> Pending<'a, Vec<Happened>> {
        let told = touched.iter().filter_map(|key| {
            let path = key.key().strip_prefix(DATA)?;
            let (event_type, operation) = match key.removed() {
                true => ("kv-v1/delete", "delete"),
                false => ("kv-v1/write", "write"),
            };
            Some(Happened {
                event_type,
                operation,
                path: path.to_owned(),
                data_path: path.to_owned(),
                more: Vec::new(),
            })
        });
        let told = told.collect();
        Box::pin(async move { Ok(told) })
    }

    fn kept<'a>(
        &'a self,
        view: &'a View,
        after: Option<&'a str>,
        most: usize,
        _now: Time,
    ) -> Pending<'a, Vec<Kept>> {
        Box::pin(async move {
            let after = after.map(key);
            let page = view.range(DATA, after.as_deref(), most).await?;
            let kept = page.entries.into_iter().filter_map(|entry| {
                Some(Kept {
                    path: entry.key.strip_prefix(DATA)?.to_owned(),
                    // Each write is another secret: there are no versions to number.
                    incarnation: entry.revision.0,
                    current: 1,
                    versions: vec![1],
                    owner: None,
                })
            });
            Ok(kept.collect())
        })
    }

    fn content<'a>(
        &'a self,
        view: &'a View,
        kept: &'a Kept,
        _version: u64,
    ) -> Pending<'a, Option<Secret<Vec<u8>>>> {
        Box::pin(async move {
            let found = view.get(&key(&kept.path)).await?;
            let same = found.filter(|found| found.revision.0 == kept.incarnation);
            Ok(same.map(|found| found.value))
        })
    }
}

fn exists<'a>(_: &'a Unversioned, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move { Ok(call.view.get(&key(call.capture("path"))).await?.is_some()) })
}

/// Nothing is there, unless an upgrade has taken it elsewhere.
async fn absent(view: &View) -> Fault {
    match view.get(UPGRADED).await {
        Ok(None) => Fault::missing(),
        Ok(Some(_)) => upgrade::under_way(),
        Err(error) => error.into(),
    }
}

fn read<'a>(_: &'a Unversioned, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        let Some(found) = call.view.get(&key(path)).await? else {
            return Err(absent(call.view).await);
        };
        let identity = format!("{path}@{}", found.revision.0);
        let data = Data::from_raw(found.value);
        let seconds = lifetime(&data)
            .unwrap_or_else(|| i64::try_from(call.mount.default_ttl().as_secs()).unwrap_or(0));
        Ok(Outcome::Data(
            Response::of(data).leased(seconds).identified(identity),
        ))
    })
}

/// What the secret itself says about how long it is good; as Vault reads it, in either form.
fn lifetime(data: &Data) -> Option<i64> {
    let said = data.member("ttl").or_else(|| data.member("lease"))?;
    let span: SignedTtl = said.parse().ok()?;
    let seconds = i64::try_from(span.length.as_secs()).ok()?;
    Some(if span.negative { -seconds } else { seconds })
}

fn write<'a>(_: &'a Unversioned, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        if path.is_empty() {
            return Err(Fault::invalid("missing path"));
        }
        if call.body.is_empty() {
            return Err(Fault::invalid("missing data fields"));
        }
        let object = Secret::new(call.body.as_raw().as_bytes().to_vec());
        let batch = call.view.batch().expect_absent(UPGRADED);
        done(call.view.commit(batch.put(key(path), object)).await?)
    })
}

fn delete<'a>(_: &'a Unversioned, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let batch = call.view.batch().expect_absent(UPGRADED);
        done(
            call.view
                .commit(batch.delete(key(call.capture("path"))))
                .await?,
        )
    })
}

fn done(commit: Commit) -> Result<Outcome, Fault> {
    match commit {
        Commit::Done(_) => Ok(Outcome::Done),
        // The only condition there is.
        Commit::Conflict => Err(upgrade::under_way()),
    }
}

fn list<'a>(_: &'a Unversioned, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let below = below(call.capture("path"));
        let names = call.view.list(&below, None, usize::MAX).await?.names;
        all_there(call.view).await?;
        Outcome::keys(&names)
    })
}

fn names_of_all_levels<'a>(_: &'a Unversioned, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let below = below(call.capture("path"));
        let found = scan::names(call.view, &below, call.query).await?;
        all_there(call.view).await?;
        Ok(found)
    })
}

fn below(path: &str) -> String {
    let mut prefix = key(path);
    if !prefix.ends_with('/') {
        prefix.push('/');
    }
    prefix
}

/// An upgrade that began while names were read may have taken some of them.
async fn all_there(view: &View) -> Result<(), Fault> {
    match view.get(UPGRADED).await? {
        None => Ok(()),
        Some(_) => Err(upgrade::under_way()),
    }
}
