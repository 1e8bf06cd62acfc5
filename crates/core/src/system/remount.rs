//! `sys/remount`: a mount moves to another path, with everything in it.
//!
//! The storage of a mount is named by its uuid and not by its path, so a move is one change of the
//! mount table: it is done when it is answered. Vault's clients ask for its progress afterwards and
//! find it there.

use super::System;
use crate::fault::Fault;
use crate::mount::{Class, Mount};
use crate::outcome::{Outcome, Response};
use crate::path::{Name, Path};
use crate::record::decode;
use crate::request::Call;
use crate::token::retired;
use cofferdam_barrier::{Batch, Commit};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use uuid::Uuid;

/// Where the last moves are kept.
const MOVES: &str = "core/moves";
/// How many of them.
const KEPT: usize = 64;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    from: String,
    to: String,
}

#[derive(Serialize, Deserialize)]
struct Move {
    id: String,
    from: String,
    to: String,
}

/// The class a path is of, and its canonical form.
fn place(text: &str) -> Result<(Class, Path), Fault> {
    let text = text.trim_matches('/');
    let class = if text.starts_with("auth/") {
        Class::Auth
    } else {
        Class::Secret
    };
    let path = Path::parse(text).map_err(|error| Fault::invalid(error.to_string()))?;
    Ok((class, path))
}

pub(super) async fn begin(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        migration_id: &'a str,
    }
    let wanted: Wanted = call.body.parse()?;
    if wanted.from.is_empty() || wanted.to.is_empty() {
        return Err(Fault::invalid(
            "both 'from' and 'to' path must be specified as a string",
        ));
    }
    let (class, from) = place(&wanted.from)?;
    let (to_class, to) = place(&wanted.to)?;
    if class != to_class {
        return Err(Fault::invalid(
            "an auth method moves below auth/, a secret engine does not",
        ));
    }
    for segment in to.segments() {
        Name::parse(segment).map_err(|_| {
            Fault::invalid("a mount path has letters, digits, '-', '_' and '.' only")
        })?;
    }
    let services = engine.services()?;
    services
        .registry
        .retire_mount(|table| {
            let refused = |error: crate::mount::TableError| Fault::invalid(error.to_string());
            let before = table.remove(from.as_str()).map_err(refused)?;
            let moved = Mount {
                path: to.as_str().to_owned(),
                ..before.clone()
            };
            table.add(moved).map_err(refused)?;
            Ok(before)
        })
        .await?;
    // As in Vault: what the method issued ends, since it was issued under another name.
    retired::finish(&services).await?;
    let done = Move {
        id: Uuid::new_v4().to_string(),
        from: format!("{}/", from.as_str().trim_end_matches('/')),
        to: format!("{}/", to.as_str().trim_end_matches('/')),
    };
    let id = done.id.clone();
    note(&services, done).await?;
    tracing::info!(from = from.as_str(), to = to.as_str(), "a mount has moved");
    let data = crate::json::Data::of(&Shape { migration_id: &id }).map_err(Fault::internal)?;
    Ok(Outcome::Data(Response::of(data)))
}

async fn moves(
    services: &crate::vault::Services,
) -> Result<(VecDeque<Move>, Option<cofferdam_barrier::Revision>), Fault> {
    let Some(found) = services.barrier().get(MOVES).await? else {
        return Ok((VecDeque::new(), None));
    };
    let moves = decode(&found.value)?;
    Ok((moves, Some(found.revision)))
}

async fn note(services: &crate::vault::Services, done: Move) -> Result<(), Fault> {
    let mut done = Some(done);
    for _ in 0..32 {
        let (mut all, revision) = moves(services).await?;
        all.extend(done.take());
        while all.len() > KEPT {
            all.pop_front();
        }
        let bytes = serde_json::to_vec(&all).map_err(Fault::internal)?;
        let batch = Batch::new()
            .expect(MOVES, revision)
            .put(MOVES, Secret::new(bytes));
        if matches!(services.barrier().commit(batch).await?, Commit::Done(_)) {
            return Ok(());
        }
        done = all.pop_back();
    }
    Err(Fault::unavailable(
        "the mount has moved; that could not be noted",
        "lost every round of a contest",
    ))
}

pub(super) async fn status(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Info<'a> {
        source_mount: &'a str,
        status: &'static str,
        target_mount: &'a str,
    }
    #[derive(Serialize)]
    struct Shape<'a> {
        migration_id: &'a str,
        migration_info: Info<'a>,
    }
    let services = engine.services()?;
    let (all, _) = moves(&services).await?;
    let id = call.capture("id");
    let found = all.iter().find(|done| done.id == id);
    let found = found.ok_or_else(Fault::missing)?;
    Outcome::data(&Shape {
        migration_id: &found.id,
        migration_info: Info {
            source_mount: &found.from,
            status: "success",
            target_mount: &found.to,
        },
    })
}
