//! The value in the store: its versions, a new one, and the old one again.
//!
//! Every write has the version it follows as its condition, so that nothing that somebody else
//! wrote meanwhile is covered up. The other fields of a secret stay as they are.

use super::Error;
use super::labels::Stored;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_api::{Client, Error as ApiError, KvVersion, Request, Tree};
use cofferdam_secret::Secret;

/// A secret of the KV engine.
pub(super) struct Shelf<'c> {
    client: &'c Client,
    stored: Stored,
    data: String,
    metadata: String,
}

impl<'c> Shelf<'c> {
    /// Finds the engine behind it.
    pub(super) async fn find(client: &'c Client, stored: Stored) -> Result<Self, Error> {
        let path = stored.reference.path();
        let mount = client.kv_mount(path).await?;
        if mount.version != KvVersion::V2 {
            let reason =
                format!("{path} has no versions: a rotation needs the KV engine, version 2");
            return Err(Error::NotRotatable(reason));
        }
        Ok(Self {
            client,
            data: mount.api_path(path, "data"),
            metadata: mount.api_path(path, "metadata"),
            stored,
        })
    }

    /// What people call it.
    pub(super) fn path(&self) -> &str {
        self.stored.reference.path()
    }

    /// The newest version; 0 where nothing was ever written.
    pub(super) async fn newest(&self) -> Result<u64, Error> {
        let answer = match self.client.read(&self.metadata).await {
            Err(ApiError::NotFound(_)) => return Ok(0),
            answer => answer?,
        };
        let metadata = answer.tree().unwrap_or(Tree::Null);
        let newest = metadata.get("current_version").and_then(Tree::as_u64);
        Ok(newest.unwrap_or_default())
    }

    /// The newest version below `version` that still has a value.
    pub(super) async fn before(&self, version: u64) -> Result<Option<u64>, Error> {
        let answer = match self.client.read(&self.metadata).await {
            Err(ApiError::NotFound(_)) => return Ok(None),
            answer => answer?,
        };
        let metadata = answer.tree().unwrap_or(Tree::Null);
        let versions = metadata.get("versions");
        let live = |facts: &Tree| {
            let deleted = facts.get("deletion_time").and_then(Tree::as_text);
            let destroyed = facts.get("destroyed").and_then(Tree::as_bool);
            deleted.is_none_or(str::is_empty) && destroyed != Some(true)
        };
        let found = versions.into_iter().flat_map(Tree::entries);
        let found = found.filter(|(_, facts)| live(facts));
        let numbers = found.filter_map(|(number, _)| number.parse::<u64>().ok());
        Ok(numbers.filter(|number| *number < version).max())
    }

    /// The value of a version, as a task would get it.
    pub(super) async fn value(&self, version: Option<u64>) -> Result<Secret<Vec<u8>>, Error> {
        let reference = self.stored.reference.clone().with_version(version);
        let fetched = self.client.fetch(&reference).await?;
        if !self.stored.base64 {
            return Ok(fetched.value);
        }
        let bytes = STANDARD.decode(fetched.value.expose()).map(Secret::new);
        bytes.map_err(|_| Error::NotRotatable(format!("{} is not base64", self.path())))
    }

    /// Writes a value as the version after `after` and gives its number.
    pub(super) async fn write(&self, value: &Secret<Vec<u8>>, after: u64) -> Result<u64, Error> {
        let text = if self.stored.base64 {
            Secret::new(STANDARD.encode(value.expose()))
        } else {
            let text = value.duplicate().into_text();
            text.ok_or_else(|| {
                Error::NotRotatable(format!(
                    "the new value of {} is not UTF-8: the label cofferdam.encoding=base64 is for such",
                    self.path()
                ))
            })?
        };
        let mut data = match after {
            0 => Tree::map(),
            version => self.fields(version).await?,
        };
        let field = match self.stored.reference.field() {
            Some(field) => field.to_owned(),
            None => lone_field(&data, self.path())?,
        };
        data.insert(field, Tree::Text(text));
        self.put(data, after).await
    }

    /// Writes what an old version held as the version after `after`.
    pub(super) async fn restore(&self, version: u64, after: u64) -> Result<u64, Error> {
        let data = self.fields(version).await?;
        self.put(data, after).await
    }

    async fn fields(&self, version: u64) -> Result<Tree, Error> {
        let request = Request::get(self.data.as_str()).query("version", version.to_string());
        let mut answer = self
            .client
            .send(request)
            .await?
            .tree()
            .unwrap_or(Tree::Null);
        Ok(answer.take("data").unwrap_or_else(Tree::map))
    }

    async fn put(&self, data: Tree, after: u64) -> Result<u64, Error> {
        let options = Tree::map().with("cas", i64::try_from(after).unwrap_or(i64::MAX));
        let body = Tree::map().with("data", data).with("options", options);
        let answer = match self.client.write(&self.data, &body).await {
            Err(ApiError::Api(refusal)) if refusal.status == 400 => {
                let found = self.newest().await?;
                if found == after {
                    return Err(ApiError::Api(refusal).into());
                }
                return Err(Error::Raced {
                    path: self.path().to_owned(),
                    found,
                    expected: after,
                });
            }
            answer => answer?,
        };
        let answer = answer.tree().unwrap_or(Tree::Null);
        let version = answer.get("version").and_then(Tree::as_u64);
        Ok(version.unwrap_or(after + 1))
    }
}

/// The field that a reference without one means (`cofferdam_api` reads by the same rule).
fn lone_field(data: &Tree, path: &str) -> Result<String, Error> {
    let mut names = data.entries().map(|(name, _)| name);
    match (data.get("value"), names.next(), names.next()) {
        (Some(_), _, _) | (None, None, _) => Ok("value".to_owned()),
        (None, Some(only), None) => Ok(only.to_owned()),
        _ => Err(Error::NotRotatable(format!(
            "{path} has several fields: the label cofferdam.field says which one is rotated"
        ))),
    }
}
