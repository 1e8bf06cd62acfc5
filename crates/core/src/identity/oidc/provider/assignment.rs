//! `identity/oidc/assignment`: who may log in at a client.

use super::client::Client;
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::oidc::store::{ASSIGNMENTS, CLIENTS, Shelf, name};
use crate::identity::store::Subject;
use crate::json::field::Words;
use crate::outcome::Outcome;
use crate::record::encode;
use crate::request::Call;
use cofferdam_barrier::Batch;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Everybody. It is always there, and no record.
pub(in super::super) const ALL: &str = "allow_all";

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Assignment {
    entity_ids: Vec<String>,
    group_ids: Vec<String>,
}

impl Assignment {
    fn everybody() -> Self {
        Self {
            entity_ids: vec!["*".to_owned()],
            group_ids: vec!["*".to_owned()],
        }
    }

    pub(super) fn names(&self, subject: &Subject) -> bool {
        self.entity_ids.contains(&subject.entity.id)
            || subject
                .groups()
                .any(|group| self.group_ids.contains(&group.id))
    }
}

async fn load(shelf: &Shelf, name: &str) -> Result<Option<Assignment>, Fault> {
    if name == ALL {
        return Ok(Some(Assignment::everybody()));
    }
    let found = shelf.get(&format!("{ASSIGNMENTS}{name}")).await?;
    Ok(found.map(|kept| kept.record))
}

pub(in super::super) async fn exists(engine: &Identities, call: &Call<'_>) -> Result<bool, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    Ok(load(&shelf, call.capture("name")).await?.is_some())
}

pub(in super::super) async fn list(engine: &Identities) -> Result<Outcome, Fault> {
    let mut names = Shelf::of(&*engine.services()?).names(ASSIGNMENTS).await?;
    names.push(ALL.to_owned());
    names.sort();
    Outcome::keys(&names)
}

pub(in super::super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let found = load(&shelf, name(&call)?).await?;
    let found = found.ok_or_else(Fault::missing)?;
    Outcome::data(&json!({"entity_ids": found.entity_ids, "group_ids": found.group_ids}))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    entity_ids: Option<Words>,
    group_ids: Option<Words>,
}

/// Ids in lower case, each once, in order.
fn ids(words: &Words) -> Vec<String> {
    Words(words.0.iter().map(|id| id.to_lowercase()).collect()).each_once()
}

pub(in super::super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let name = name(&call)?;
    if name == ALL {
        return Err(Fault::invalid(
            "modification of assignment \"allow_all\" not allowed",
        ));
    }
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{ASSIGNMENTS}{name}");
    shelf
        .change(|| async {
            let old = shelf.get::<Assignment>(&at).await?;
            let revision = old.as_ref().map(|old| old.revision);
            let mut record = old.map(|old| old.record).unwrap_or_default();
            if let Some(words) = &wanted.entity_ids {
                record.entity_ids = ids(words);
            }
            if let Some(words) = &wanted.group_ids {
                record.group_ids = ids(words);
            }
            let batch = Batch::new().expect(at.clone(), revision);
            Ok(Some((
                batch.put(at.clone(), encode(&record)?),
                Outcome::Done,
            )))
        })
        .await
}

pub(in super::super) async fn delete(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    if name == ALL {
        return Err(Fault::invalid(
            "deletion of assignment \"allow_all\" not allowed",
        ));
    }
    let shelf = Shelf::of(&*engine.services()?);
    shelf
        .change(|| async {
            let refers = |client: &Client| client.assignments.iter().any(|one| one == name);
            shelf
                .unreferenced("assignment", (CLIENTS, "clients"), refers)
                .await?;
            Ok(Some((
                Batch::new().delete(format!("{ASSIGNMENTS}{name}")),
                Outcome::Done,
            )))
        })
        .await
}
