//! `crls`, `crls/NAME`: numbers of certificates that count no more, whoever issued them.

use super::{Cert, certificate};
use crate::auth::role::{self, name, remove, save};
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const LIST: Route<Cert> = Route::new("crls", &[(Verb::List, list)]);

pub(super) const ROUTE: Route<Cert> = Route::new(
    "crls/~name",
    &[
        (Verb::Read, read),
        (Verb::Write, write),
        (Verb::Delete, delete),
    ],
)
.takes::<Sent>();

const PLACE: &str = "crl/";
/// Numbers of one list: all of them are read at each login.
const MOST: usize = 20_000;

#[derive(Default, Serialize, Deserialize)]
struct List {
    serials: Vec<String>,
}

/// Every number that is revoked.
pub(super) async fn revoked(view: &View) -> Result<BTreeSet<String>, Fault> {
    let mut all = BTreeSet::new();
    for name in view.list(PLACE, None, usize::MAX).await?.names {
        let list = role::load::<List>(view, &format!("{PLACE}{name}")).await?;
        all.extend(list.map(|list| list.record.serials).unwrap_or_default());
    }
    Ok(all)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    crl: String,
    url: String,
}

fn key(call: &Call<'_>) -> Result<String, Fault> {
    Ok(format!("{PLACE}{}", name(call.capture("name"))?))
}

fn write<'a>(method: &'a Cert, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = key(&call)?;
        let sent: Sent = call.body.parse()?;
        if !sent.url.is_empty() {
            return Err(Fault::invalid(
                "not served: url: lists are not fetched; write the list itself as crl",
            ));
        }
        if sent.crl.is_empty() {
            return Err(Fault::invalid("one of 'crl' or 'url' must be provided"));
        }
        let serials = certificate::revoked(&sent.crl);
        let serials = serials
            .ok_or_else(|| Fault::invalid("failed to parse CRL: expected one list in PEM"))?;
        if serials.len() > MOST {
            return Err(Fault::invalid(format!(
                "crl: more than {MOST} certificates"
            )));
        }
        let list = List { serials };
        let mut contest = method.contests.enter(call.view.prefix(), &key);
        loop {
            let before = role::load::<List>(call.view, &key).await?;
            if save(call.view, &key, before.map(|before| before.revision), &list).await? {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}

#[derive(Serialize)]
struct Shown {
    serials: BTreeMap<String, BTreeMap<String, ()>>,
}

fn read<'a>(_: &'a Cert, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let list = role::load::<List>(call.view, &key(&call)?).await?;
        let list = list.ok_or_else(|| Fault::invalid("no such CRL"))?.record;
        let serials = list.serials.into_iter();
        Outcome::data(&Shown {
            serials: serials.map(|serial| (serial, BTreeMap::new())).collect(),
        })
    })
}

fn delete<'a>(method: &'a Cert, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = key(&call)?;
        let contest = method.contests.enter(call.view.prefix(), &key);
        match remove(call.view, &key, contest).await? {
            true => Ok(Outcome::Done),
            false => Err(Fault::invalid("no such CRL")),
        }
    })
}

fn list<'a>(_: &'a Cert, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { Outcome::keys(&call.view.list(PLACE, None, usize::MAX).await?.names) })
}
