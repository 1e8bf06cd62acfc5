//! Authenticate: who calls, and where the request goes. The route's profile says whether anybody
//! needs to be known at all.

use super::Refused;
use super::admit::Admitted;
use super::facts::Facts;
use crate::engine::{Access, Profile, folds};
use crate::fault::Fault;
use crate::path::Path;
use crate::registry::{MountPoint, Tables};
use crate::request::{Caller, Peer};
use crate::token::{Purpose, Spent};
use crate::vault::Services;
use std::sync::Arc;

/// Where a request goes, if anywhere.
pub(super) struct Place {
    pub(super) point: Arc<MountPoint>,
    /// The path below the mount.
    pub(super) relative: Path,
    pub(super) profile: Profile,
}

impl Place {
    /// Where case does not matter, the request is about the lower-case spelling from here on, for
    /// policy, engine and audit alike. Gives that spelling of the whole path, if it is another one.
    fn fold(&mut self, path: &Path) -> Option<Path> {
        let pattern = self.profile.pattern;
        self.relative = self
            .relative
            .lowercased(|segment| folds(pattern, segment))?;
        let mount = self.point.mount.path.split('/').count();
        path.lowercased(|segment| {
            segment
                .checked_sub(mount)
                .is_some_and(|segment| folds(pattern, segment))
        })
    }
}

/// A request whose caller is proven.
pub(super) struct Authenticated {
    pub(super) facts: Box<Facts>,
    pub(super) path: Path,
    /// The path as it was spelled, where the request is about another spelling of it.
    pub(super) spelled: Option<Path>,
    pub(super) tables: Arc<Tables>,
    /// Why there is no place is told only to callers whose policies allow the path.
    pub(super) place: Result<Place, Fault>,
    /// The token's last use: it is revoked when the request is over.
    pub(super) last_use: bool,
}

pub(super) async fn authenticate(
    services: &Services,
    admitted: Admitted,
) -> Result<Authenticated, Refused> {
    let Admitted {
        mut facts,
        mut path,
    } = admitted;
    let tables = match services.registry.fresh().await {
        Ok(tables) => tables,
        Err(fault) => return Err(Refused { facts, fault }),
    };
    let mut place = place(&tables, &path, &facts);
    let mut spelled = None;
    if let Ok(place) = &mut place {
        facts.point = Some(place.point.clone());
        if let Some(folded) = place.fold(&path) {
            facts.path = folded.written().into_owned();
            spelled = Some(std::mem::replace(&mut path, folded));
        }
    }
    let access = place
        .as_ref()
        .map_or(Access::Token, |place| place.profile.access);
    match identify(services, &facts, access).await {
        Ok((caller, last_use)) => {
            facts.caller = caller;
            Ok(Authenticated {
                facts,
                path,
                spelled,
                tables,
                place,
                last_use,
            })
        }
        Err(fault) => Err(Refused { facts, fault }),
    }
}

fn place(tables: &Tables, path: &Path, facts: &Facts) -> Result<Place, Fault> {
    let Some((point, relative)) = tables.route(path) else {
        return Err(Fault::no_route());
    };
    let Some(engine) = &point.engine else {
        return Err(Fault::unsupported(
            "this build has no engine for the mount; its data is untouched",
        ));
    };
    let profile = engine.profile(&relative, facts.verb)?;
    Ok(Place {
        point: point.clone(),
        relative,
        profile,
    })
}

async fn identify(
    services: &Services,
    facts: &Facts,
    access: Access,
) -> Result<(Caller, bool), Fault> {
    if access == Access::Anonymous {
        return Ok((Caller::Anonymous, false));
    }
    let Some(token) = &facts.token else {
        return match facts.peer {
            Peer::Local { uid, admin: true } => Ok((Caller::Local { uid }, false)),
            _ if access == Access::Wrapping => Ok((Caller::Anonymous, false)),
            _ => Err(Fault::denied().noting("no token")),
        };
    };
    let entry = match services.tokens.lookup_cached(facts.now, token).await? {
        Some(entry) => entry,
        // The handler says, in words of its own, that the wrapping token is not valid any more.
        None if access == Access::Wrapping => return Ok((Caller::Anonymous, false)),
        None => return Err(Fault::denied().noting("the token is unknown, expired or revoked")),
    };
    if entry.forbidden() {
        return Err(Fault::denied().noting(format!(
            "the entity of token {} is disabled or gone",
            entry.accessor
        )));
    }
    let from = facts.peer.ip();
    if !entry.bound_cidrs.is_empty() && !entry.bound_cidrs.iter().any(|net| net.contains(&from)) {
        return Err(Fault::denied().noting(format!(
            "token {} is bound to other addresses",
            entry.accessor
        )));
    }
    if entry.purpose == Purpose::Wrapping {
        // Not counted here: the transaction that takes the reply out ends the token.
        return Ok((Caller::Token(entry), false));
    }
    let (entry, spent) = services.tokens.spend(facts.now, entry).await?;
    Ok((Caller::Token(entry), spent == Spent::Last))
}
