//! `sys/tools/version-ids`: a text that changes with a secret's version and says nothing else.
//!
//! An extension of Vault's API, for build caches: a step that used version 3 must run again with
//! version 4. The text is a keyed MAC over the path and the version *number*. The value is no input,
//! so not even the holder of the key could test a guess of it; and without the key, which never
//! leaves the barrier, nobody can tell from an image's history which secret or which version it was.
//! A plain hash would invite both (moby#28079).

use super::System;
use crate::devices::key;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::path::Path;
use crate::request::Call;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Where the key is, made on first use. Keep it: a new one reruns every cached step once.
const KEY: &str = "core/version-id-key";
/// Most secrets of one request.
const MOST: usize = 1000;

#[derive(Deserialize)]
struct Asked {
    path: String,
    version: u64,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    secrets: Vec<Asked>,
}

pub(super) async fn make(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Made {
        ids: Vec<String>,
    }
    let wanted: Wanted = call.body.parse()?;
    if wanted.secrets.is_empty() || wanted.secrets.len() > MOST {
        return Err(Fault::invalid("\"secrets\" has 1 to 1000 entries"));
    }
    let key = key(engine.services()?.barrier(), KEY).await?;
    let keyed = Hmac::<Sha256>::new_from_slice(key.expose()).map_err(Fault::internal)?;
    let mut ids = Vec::with_capacity(wanted.secrets.len());
    for asked in &wanted.secrets {
        let path = Path::parse(&asked.path)
            .map_err(|_| Fault::invalid("the path of a secret is not in canonical form"))?;
        if asked.version == 0 {
            return Err(Fault::invalid("versions are counted from 1"));
        }
        ids.push(id(keyed.clone(), path.as_str(), asked.version));
    }
    Outcome::data(&Made { ids })
}

/// 128 bits in hex. The length before the path keeps two inputs from being one text.
fn id(mut keyed: Hmac<Sha256>, path: &str, version: u64) -> String {
    keyed.update(b"cofferdam version id 1\0");
    keyed.update(&(path.len() as u64).to_be_bytes());
    keyed.update(path.as_bytes());
    keyed.update(&version.to_be_bytes());
    let mac = keyed.finalize().into_bytes();
    hex::encode(mac.get(..16).unwrap_or_default())
}
