//! `tidy/secret-id`: removes what expired, and what a crash left behind.

use super::key::Key;
use super::{AppRole, role, secret};
use crate::auth::role::finished;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::{Call, Fault, Verb};
use std::collections::HashSet;

pub(super) const ROUTE: Route<AppRole> =
    Route::new("tidy/secret-id", &[(Verb::Write, tidy)]).takes_nothing();

fn tidy<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = Key::load(call.view).await?;
        let mut removed = 0;
        // First the places, then the roles: a role made in between is among those read.
        let places = call.view.list("secret/", None, usize::MAX).await?.names;
        let live = incarnations(&call).await?;
        for place in places {
            let incarnation = place.trim_end_matches('/');
            removed += tidy_role(&call, &key, incarnation, live.contains(incarnation)).await?;
        }
        Ok(finished(vec![format!(
            "Tidy operation finished: {removed} SecretIDs removed."
        )]))
    })
}

/// Incarnations of the roles there are.
async fn incarnations(call: &Call<'_>) -> Result<HashSet<String>, Fault> {
    let mut found = HashSet::new();
    for name in call.view.list("role/", None, usize::MAX).await?.names {
        found.extend(
            role::load(call.view, &name)
                .await?
                .map(|stored| stored.role.incarnation),
        );
    }
    Ok(found)
}

async fn tidy_role(
    call: &Call<'_>,
    key: &Key,
    incarnation: &str,
    live: bool,
) -> Result<usize, Fault> {
    let place = secret::place(incarnation);
    let (mut removed, mut after) = (0, None);
    loop {
        let page = call
            .view
            .range(&place, after.as_deref(), secret::AT_ONCE)
            .await?;
        after = page.entries.last().map(|entry| entry.key.clone());
        removed += secret::remove_some(call.view, key, page.entries, |secret| {
            !live || secret.expired(call.now)
        })
        .await?;
        if !page.more {
            return Ok(removed);
        }
    }
}
