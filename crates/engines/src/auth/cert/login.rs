//! `login`, and what is checked when a token of this method is renewed.

use super::certificate::Certificate;
use super::entry::{Entry, Taken};
use super::{Cert, config, crls};
use crate::auth::role::{bound, gone, name};
use crate::auth::{cidr, roles};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Access, Asking, Pending, Route, View};
use cofferdam_core::json::Body;
use cofferdam_core::{Alias, Call, Fault, Login, Outcome, Peer, Verb, token};
use serde::Deserialize;
use std::collections::BTreeSet;

pub(super) const ROUTE: Route<Cert> = Route::new("login", &[(Verb::Write, login)])
    .takes::<Sent>()
    .access(Access::Anonymous);

/// What a token is bound to: the entry, and the key of the certificate.
const ENTRY: &str = "cert_name";
const KEY: &str = "key";

pub(super) const STRANGER: &str = "invalid certificate or no client certificate supplied";
pub(super) const UNSUITED: &str =
    "no chain matching all constraints could be found for this login certificate";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    name: String,
}

fn login<'a>(_: &'a Cert, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: Sent = call.body.parse()?;
        let names = match sent.name.as_str() {
            "" => call.view.list("role/", None, usize::MAX).await?.names,
            // A name that is none names no entry.
            text => name(text).ok().into_iter().collect(),
        };
        let (entry, shown) = judge(call.view, &names, call.peer, call.now).await?;
        if !cidr::admits(&entry.token.bound_cidrs, call.peer.ip()) {
            return Err(Fault::denied());
        }
        let config = config::load(call.view).await?;
        let mut login = entry.token.login(call.peer.ip());
        login.display_name.clone_from(&entry.display_name);
        login.metadata = entry.metadata(&shown);
        // Without a name nobody can be told from another.
        login.alias = (!shown.common_name.is_empty()).then(|| Alias {
            name: shown.common_name.clone(),
            metadata: match config.enable_identity_alias_metadata {
                true => login.metadata.clone(),
                false => Default::default(),
            },
        });
        login.binding = [(ENTRY, entry.name.clone()), (KEY, shown.key.clone())]
            .map(|(name, text)| (name.to_owned(), text))
            .into();
        Ok(Outcome::Login(Box::new(login)))
    })
}

/// The entry that would take what the peer showed.
pub(super) async fn role_of(
    view: &View,
    body: &Body,
    asking: Asking<'_>,
) -> Result<Option<String>, Fault> {
    let sent: Sent = body.parse()?;
    let names = match sent.name.as_str() {
        "" => view.list("role/", None, usize::MAX).await?.names,
        text => name(text).ok().into_iter().collect(),
    };
    let (entry, _) = judge(view, &names, asking.peer, asking.now).await?;
    Ok(Some(entry.name))
}

/// The entry that takes what the peer showed, of these; pinned certificates first.
async fn judge(
    view: &View,
    names: &[String],
    peer: &Peer,
    now: Time,
) -> Result<(Entry, Certificate), Fault> {
    if matches!(peer, Peer::Local { .. }) {
        return Err(Fault::invalid("tls connection required"));
    }
    let chain = peer.chain();
    let chain = chain.ok_or_else(|| Fault::invalid("client certificate must be supplied"))?;
    let shown = chain.certificates();
    let stranger = || Fault::invalid(STRANGER);
    let first = shown.first().and_then(|der| Certificate::parse(der));
    let first = first.ok_or_else(stranger)?;
    let mut taking = Vec::new();
    for name in names {
        let Some(stored) = roles::load::<Entry>(view, name).await? else {
            continue;
        };
        let entry = stored.record;
        if let Some(taken) = entry.takes(shown, &first, now, &BTreeSet::new()) {
            taking.push((taken, entry));
        }
    }
    if taking.is_empty() {
        return Err(stranger());
    }
    // The lists are read for those alone that some entry would take: they may be long.
    let revoked = crls::revoked(view).await?;
    taking.sort_by_key(|(taken, _)| *taken != Taken::Pinned);
    let suits = |entry: &Entry| {
        entry.suits(&first)
            && (revoked.is_empty() || entry.takes(shown, &first, now, &revoked).is_some())
    };
    let found = taking.into_iter().find(|(_, entry)| suits(entry));
    match found {
        Some((_, entry)) => Ok((entry, first)),
        None => Err(Fault::invalid(UNSUITED)),
    }
}

/// What a renewal may give: by the entry as it is now, to who has the key that logged in.
pub(super) async fn renewed(
    view: &View,
    token: &token::Entry,
    asking: Asking<'_>,
) -> Result<Login, Fault> {
    let name = bound(token, ENTRY)?;
    let config = config::load(view).await?;
    if !config.disable_binding {
        let names = [name.to_owned()];
        let (_, shown) = judge(view, &names, asking.peer, asking.now).await?;
        if shown.key != bound(token, KEY)? {
            return Err(Fault::invalid(
                "client identity during renewal not matching client identity used during login",
            ));
        }
    }
    let entry = roles::load::<Entry>(view, name).await?;
    let entry = entry.ok_or_else(gone)?.record;
    let own = |policies: &[String]| {
        let own = policies.iter().filter(|name| *name != "default");
        own.cloned().collect::<BTreeSet<_>>()
    };
    if own(&entry.token.policies) != own(&token.policies) {
        return Err(Fault::invalid("policies have changed, not renewing"));
    }
    Ok(entry.token.renewal())
}
