//! `backup/NAME` and `restore/NAME`: a key as one text that Vault and OpenBao read, too.
//!
//! The form is OpenBao's: base64 of JSON with the key's settings, the versions in use and an archive
//! of all. What is restored was written by a stranger: every value is held against what this server
//! would have made, and key material is read by the libraries that use it.

mod read;
mod write;

use super::fields::{Sent, text};
use super::key::{Key, Moment};
use super::{Transit, encoding, store};
use cofferdam_core::engine::{Commit, Pending, Route};
use cofferdam_core::json::Data;
use cofferdam_core::json::field::Flag;
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use serde::Deserialize;

pub(super) const BACKUP: Route<Transit> = Route::new("backup/:name", &[(Verb::Read, backup)]);
pub(super) const RESTORE: Route<Transit> =
    Route::new("restore/*name", &[(Verb::Write, restore)]).takes::<Body>();

pub use read::{Backup, Unreadable};

fn backup<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let mut edit = |key: &mut Key| {
            key.usable()?;
            if !key.exportable {
                return Err(Fault::invalid("exporting is disallowed on the policy"));
            }
            if !key.allow_plaintext_backup {
                return Err(Fault::invalid(
                    "plaintext backup is disallowed on the policy",
                ));
            }
            key.backed_up = Some(Moment {
                time: call.now,
                version: key.latest,
            });
            Ok(())
        };
        let changed = transit.change(&call, name, &mut edit).await?;
        let key = changed.ok_or_else(|| Fault::invalid("key not found"))?;
        let json = write::written(name, &key)?;
        let text = encoding::encode_secret(json.as_bytes());
        let data = Data::object().text("backup", text.expose());
        Ok(Outcome::Data(Response::of(data.finish())))
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    backup: Sent,
    force: Flag,
    name: Sent,
}

fn restore<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let body: Body = call.body.parse()?;
        if text(&body.backup).is_empty() {
            return Err(Fault::invalid("'backup' must be supplied"));
        }
        let decoded = encoding::decode(text(&body.backup))
            .map_err(|error| Fault::invalid(format!("backup: {error}")))?;
        let refused = |why: Unreadable| Fault::invalid(format!("backup: {why}"));
        let backup = Backup::read(decoded).map_err(refused)?;
        let asked = [call.capture("name"), text(&body.name)];
        let asked = asked.into_iter().find(|name| !name.is_empty());
        let name = asked.unwrap_or(backup.name());
        if name.contains('/') {
            return Err(Fault::invalid("key names cannot be paths"));
        }
        let name = store::name(name)?.to_owned();
        // RSA keys of many versions take their time.
        let read = tokio::task::spawn_blocking(move || backup.into_key());
        let mut key = read.await.map_err(Fault::internal)?.map_err(refused)?;
        key.restored = Some(Moment {
            time: call.now,
            version: key.latest,
        });
        put(transit, &call, &name, &key, body.force.0).await
    })
}

async fn put(
    transit: &Transit,
    call: &Call<'_>,
    name: &str,
    key: &Key,
    force: bool,
) -> Result<Outcome, Fault> {
    if !force {
        return match transit.insert(call.view, name, key).await? {
            true => Ok(Outcome::Done),
            false => Err(Fault::invalid("a key of this name already exists")),
        };
    }
    let place = format!("{}{name}", store::KEYS);
    let batch = call.view.batch().put(place, key.encode()?);
    match call.view.commit(batch).await? {
        Commit::Done(_) => Ok(Outcome::Done),
        Commit::Conflict => Err(Fault::internal("a write without conditions was refused")),
    }
}
