//! What the image of the container that mounts a volume says: its `USER`, its list of accounts,
//! and whether it has something where the volume goes.
//!
//! Nothing of the image is run. Docker gives single files of a container that was created and
//! never started; such a container is made, looked into and removed. The container that is being
//! started cannot be asked: Docker holds its lock until we answer, and `docker cp` from it would
//! mount the volume that is being mounted. The list of containers takes no such lock.

use super::accounts::{self, Unknown};
use super::options::{Ids, Owner};
use crate::docker::engine::{Engine, EngineError, encoded};
use crate::docker::plugin::Fault;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Marks the containers that are only looked into.
const MARK: &str = "cofferdam.look";
/// Longest list of accounts that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// As much of a directory as shows whether something is in it.
const BEGINNING: usize = 64 << 10;
/// `/etc/passwd` may be a link to a link; an image's chain has an end.
const MAX_LINKS: usize = 8;
/// Images whose accounts are remembered.
const MAX_KNOWN: usize = 256;

/// The engine, and what it has said before. An image is known by the hash of its content, so what
/// was true of it stays true.
#[derive(Clone)]
pub(super) struct Images(Arc<Inner>);

struct Inner {
    engine: Result<Engine, EngineError>,
    known: Mutex<BTreeMap<(String, String), Ids>>,
    /// One look at a time: whatever else carries the mark is left over.
    looking: Mutex<()>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(rename = "ImageID")]
    image: String,
    #[serde(default)]
    state: String,
}

impl Images {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            engine: Engine::local(),
            known: Mutex::default(),
            looking: Mutex::default(),
        }))
    }

    /// Numbers for the owner of a volume's files.
    pub(super) async fn owner(&self, volume: &str, owner: &Owner) -> Result<Ids, Fault> {
        let user = match owner {
            Owner::Ids(ids) => return Ok(*ids),
            Owner::User(user) => Some(user.clone()),
            Owner::Image => None,
        };
        if let Some(ids) = user.as_deref().and_then(accounts::numbers) {
            return Ok(ids);
        }
        let volume = volume.to_owned();
        let inner = Arc::clone(&self.0);
        // A task of its own: it removes what it made, although the caller may wait no longer.
        let found = tokio::spawn(async move { inner.owner(&volume, user).await });
        found.await.map_err(|_| broken())?
    }

    /// Refuses when the image has something at `path`.
    pub(super) async fn require_nothing_at(&self, volume: &str, path: &str) -> Result<(), Fault> {
        let (volume, path) = (volume.to_owned(), path.to_owned());
        let inner = Arc::clone(&self.0);
        let found = tokio::spawn(async move {
            let image = inner.image(&volume).await?;
            let taken = inner.look(&image, Look::Taken(path.clone())).await?;
            if taken.is_empty() {
                return Ok(());
            }
            Err(Fault::Request(format!(
                "the image has something at {path}, which the volume would hide: give the secret \
                 a target in a directory of its own"
            )))
        });
        found.await.map_err(|_| broken())?
    }
}

fn broken() -> Fault {
    Fault::Request("the look into the image broke off".to_owned())
}

enum Look {
    /// `/etc/passwd` and `/etc/group`.
    Accounts,
    /// Whether something is at a path: the answer is empty when not.
    Taken(String),
}

impl Inner {
    fn engine(&self) -> Result<&Engine, Fault> {
        self.engine
            .as_ref()
            .map_err(|error| Fault::Request(error.to_string()))
    }

    async fn owner(&self, volume: &str, user: Option<String>) -> Result<Ids, Fault> {
        let image = self.image(volume).await?;
        let user = match user {
            Some(user) => user,
            None => self.user(&image).await?,
        };
        if user.is_empty() || user == "0" || user == "root" {
            return Ok(Ids::default());
        }
        if let Some(ids) = accounts::numbers(&user) {
            return Ok(ids);
        }
        let key = (image.clone(), user.clone());
        if let Some(ids) = self.known.lock().await.get(&key) {
            return Ok(*ids);
        }
        let lists = self.look(&image, Look::Accounts).await?;
        let list = |at: usize| lists.get(at).map(String::as_str).unwrap_or_default();
        let ids = accounts::find(&user, list(0), list(1)).map_err(|unknown| {
            Fault::Request(match unknown {
                Unknown::User => "the image's /etc/passwd has no such user: give uid".to_owned(),
                Unknown::Group => "the image's /etc/group has no such group: give gid".to_owned(),
            })
        })?;
        let mut known = self.known.lock().await;
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(key, ids);
        Ok(ids)
    }

    /// The image of the container that mounts the volume.
    async fn image(&self, volume: &str) -> Result<String, Fault> {
        let filters = json!({"volume": [volume]}).to_string();
        let target = format!("/containers/json?all=1&filters={}", encoded(&filters));
        let containers: Vec<Container> = self.engine()?.get(&target).await?;
        // The one that is about to start for the first time; without such a one, one that starts
        // again.
        let fresh: Vec<_> = containers.iter().filter(|c| c.state == "created").collect();
        let candidates = if fresh.is_empty() {
            containers.iter().collect()
        } else {
            fresh
        };
        let first = candidates.first().ok_or_else(|| {
            Fault::Request("no container mounts the volume: give uid and gid".to_owned())
        })?;
        if candidates.iter().any(|other| other.image != first.image) {
            return Err(Fault::Request(
                "containers of different images share the volume: give uid and gid".to_owned(),
            ));
        }
        Ok(first.image.clone())
    }

    async fn user(&self, image: &str) -> Result<String, Fault> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Image {
            config: Option<Config>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct Config {
            user: String,
        }
        let target = format!("/images/{}/json", encoded(image));
        let image: Image = self.engine()?.get(&target).await?;
        Ok(image.config.unwrap_or_default().user)
    }

    /// Makes a container of the image, looks into it and removes it, whatever was seen.
    async fn look(&self, image: &str, look: Look) -> Result<Vec<String>, Fault> {
        let engine = self.engine()?;
        let _alone = self.looking.lock().await;
        remove_left_over(engine).await?;
        let body = json!({
            "Image": image,
            // Never run; an image without a command needs one to be created.
            "Entrypoint": ["/"],
            "Labels": {MARK: ""},
            "NetworkDisabled": true,
            "HostConfig": {"NetworkMode": "none"},
        });
        let made: Value = engine.post("/containers/create", &body).await?;
        let id = made.get("Id").and_then(Value::as_str).unwrap_or_default();
        let seen = match look {
            Look::Accounts => accounts_of(engine, id).await,
            Look::Taken(path) => taken(engine, id, &path).await,
        };
        engine.delete(&removal(id)).await?;
        seen
    }
}

fn removal(id: &str) -> String {
    format!("/containers/{}?v=1&force=1", encoded(id))
}

/// What a daemon that was killed has left.
async fn remove_left_over(engine: &Engine) -> Result<(), Fault> {
    let filters = json!({"label": [MARK]}).to_string();
    let target = format!("/containers/json?all=1&filters={}", encoded(&filters));
    let containers: Vec<Value> = engine.get(&target).await?;
    for container in &containers {
        if let Some(id) = container.get("Id").and_then(Value::as_str) {
            engine.delete(&removal(id)).await?;
        }
    }
    Ok(())
}

async fn accounts_of(engine: &Engine, id: &str) -> Result<Vec<String>, Fault> {
    let mut lists = Vec::new();
    for path in ["/etc/passwd", "/etc/group"] {
        lists.push(text(engine, id, path).await?);
    }
    Ok(lists)
}

/// A file of the container, empty when there is none.
async fn text(engine: &Engine, id: &str, path: &str) -> Result<String, Fault> {
    let unreadable = || Fault::Request(format!("the image's {path} cannot be read"));
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(archive) = archive(engine, id, &at, LONGEST).await? else {
            return Ok(String::new());
        };
        let mut archive = tar::Archive::new(archive.as_slice());
        let entry = archive.entries().map_err(|_| unreadable())?.next();
        let mut entry = entry.ok_or_else(unreadable)?.map_err(|_| unreadable())?;
        if !entry.header().entry_type().is_symlink() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|_| unreadable())?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        let link = entry.link_name().ok().flatten().ok_or_else(unreadable)?;
        at = std::path::Path::new(&at)
            .parent()
            .unwrap_or(std::path::Path::new("/"))
            .join(link)
            .to_string_lossy()
            .into_owned();
    }
    Err(unreadable())
}

/// Empty when the image has nothing there, or an empty directory.
async fn taken(engine: &Engine, id: &str, path: &str) -> Result<Vec<String>, Fault> {
    let Some(archive) = archive(engine, id, path, BEGINNING).await? else {
        return Ok(Vec::new());
    };
    let mut archive = tar::Archive::new(archive.as_slice());
    let Ok(mut entries) = archive.entries() else {
        return Ok(vec![path.to_owned()]);
    };
    let directory = entries.next().and_then(Result::ok);
    let is_directory = directory.is_some_and(|entry| entry.header().entry_type().is_dir());
    // An archive that is cut off has more in it, too.
    if is_directory && entries.next().is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![path.to_owned()])
}

/// The archive of a path, or its first bytes if it is longer than `most`.
async fn archive(
    engine: &Engine,
    id: &str,
    path: &str,
    most: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let target = format!("/containers/{}/archive?path={}", encoded(id), encoded(path));
    let mut body = match engine.stream(&target).await {
        Ok(body) => body,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| broken())?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > most {
            break;
        }
    }
    Ok(Some(bytes))
}
