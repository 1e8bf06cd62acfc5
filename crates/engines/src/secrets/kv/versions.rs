//! `delete/`, `undelete/`, `destroy/`: what happens to versions by number.

use super::config::Config;
use super::record::{Last, Metadata, deletion};
use super::{Kv, elsewhere, storage};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::Words;
use cofferdam_core::json::{FieldError, Problem};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::Deserialize;

pub(super) const DELETE: Route<Kv> =
    Route::new("delete/*path", &[(Verb::Write, delete)]).takes::<Body>();
pub(super) const UNDELETE: Route<Kv> =
    Route::new("undelete/*path", &[(Verb::Write, undelete)]).takes::<Body>();
pub(super) const DESTROY: Route<Kv> =
    Route::new("destroy/*path", &[(Verb::Write, destroy)]).takes::<Body>();

/// Version numbers in one request: bounds the transaction.
const AT_ONCE: usize = 1024;

#[derive(Deserialize)]
struct Body {
    versions: Option<Words>,
}

/// The numbers a request names, without those no version can have; `none` is said when it names none.
fn numbers(call: &Call<'_>, none: &'static str) -> Result<Vec<u64>, Fault> {
    let body: Body = call.body.parse()?;
    let words = body.versions.unwrap_or_default().0;
    if words.is_empty() {
        return Err(Fault::invalid(none));
    }
    if words.len() > AT_ONCE {
        return Err(Fault::invalid(format!(
            "versions: at most {AT_ONCE} at once"
        )));
    }
    let expected = || {
        FieldError::new(
            "versions",
            Problem::Expected("a list of whole numbers".into()),
        )
    };
    let parsed = words
        .iter()
        .map(|word| word.parse::<i64>().map_err(|_| expected()));
    let signed = parsed.collect::<Result<Vec<_>, _>>()?;
    Ok(signed
        .into_iter()
        .filter_map(|number| u64::try_from(number).ok())
        .collect())
}

/// Marks a version deleted, unless it is already.
pub(super) fn mark_deleted(meta: &mut Metadata, number: u64, now: Time) {
    if let Some(version) = meta
        .version_mut(number)
        .filter(|version| version.alive(now))
    {
        version.deleted = Some(now);
    }
}

/// Applies `edit` to the record of the called path in one transaction. Nothing there: nothing done,
/// and no error, as in Vault.
pub(super) async fn change(
    kv: &Kv,
    call: &Call<'_>,
    last: Last,
    edit: &mut (dyn FnMut(&mut Metadata, &Config, Time) + Send),
) -> Result<Outcome, Fault> {
    let path = call.capture("path");
    if path.is_empty() {
        return elsewhere::root();
    }
    let mut contest = kv.contests.enter(call.view.prefix(), path);
    loop {
        let Some(mut stored) = storage::load(call.view, path).await? else {
            return Ok(Outcome::Done);
        };
        let config = Config::load(call.view).await?;
        edit(&mut stored.meta, &config, call.now);
        stored.meta.last = last;
        let batch = storage::compare(call.view, path, Some(stored.revision));
        let batch = storage::put_record(batch, path, &stored.meta)?;
        if storage::won(call.view.commit(batch).await?) {
            return Ok(Outcome::Done);
        }
        contest.lost().await?;
    }
}

fn delete<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let numbers = numbers(&call, "No version number provided")?;
        change(kv, &call, Last::Delete, &mut |meta, _, now| {
            for number in &numbers {
                mark_deleted(meta, *number, now);
            }
        })
        .await
    })
}

fn undelete<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let numbers = numbers(&call, "No version number provided")?;
        change(kv, &call, Last::Undelete, &mut |meta, config, now| {
            // Its time runs anew, or it would be gone again at once.
            let end = deletion(
                now,
                config.delete_version_after(),
                meta.delete_version_after,
            );
            for number in &numbers {
                if let Some(version) = meta
                    .version_mut(*number)
                    .filter(|version| !version.destroyed)
                {
                    version.deleted = end;
                }
            }
        })
        .await
    })
}

fn destroy<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let numbers = numbers(&call, "no version number provided")?;
        let path = call.capture("path");
        if path.is_empty() {
            return elsewhere::root();
        }
        let mut contest = kv.contests.enter(call.view.prefix(), path);
        loop {
            let Some(mut stored) = storage::load(call.view, path).await? else {
                return Ok(Outcome::Done);
            };
            let mut batch = storage::compare(call.view, path, Some(stored.revision));
            for number in &numbers {
                if let Some(version) = stored.meta.version_mut(*number) {
                    version.destroyed = true;
                    batch = storage::delete_value(batch, &stored.meta, *number);
                }
            }
            stored.meta.last = Last::Destroy;
            let batch = storage::put_record(batch, path, &stored.meta)?;
            if storage::won(call.view.commit(batch).await?) {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}
