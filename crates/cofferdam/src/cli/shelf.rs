//! A place in a KV version 2 mount where a verb keeps entries of its own: `secret`, the credential
//! helper and podman's driver.

use super::link::Link;
use super::{Context, Failure};
use cofferdam_api::{Error, KvMount, KvVersion, Request, Tree};

/// Names directly below one path.
pub(super) struct Shelf {
    link: Link,
    mount: KvMount,
    base: String,
}

impl Shelf {
    /// Finds the mount.
    pub(super) async fn open(context: &Context, base: &str) -> Result<Self, Failure> {
        let link = context.link()?;
        let base = base.trim().trim_matches('/').to_owned();
        let mount = link.kv_mount(&base).await?;
        if mount.version != KvVersion::V2 {
            return Err(
                Failure::server(format!("no KV version 2 mount at: {base}/"))
                    .hint("see the mounts with: cofferdam secrets list"),
            );
        }
        Ok(Self { link, mount, base })
    }

    /// The path that `kv get` takes.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    fn api(&self, area: &str, name: &str) -> String {
        self.mount.api_path(&self.path(name), area)
    }

    /// Writes an entry; the previous value becomes an older version.
    pub(super) async fn put(&self, name: &str, data: Tree) -> Result<(), Failure> {
        let body = Tree::map().with("data", data);
        self.link
            .send(Request::put(self.api("data", name), &body))
            .await
            .map(drop)
    }

    /// Writes an entry that must not be there yet; says whether it was written.
    pub(super) async fn create(&self, name: &str, data: Tree) -> Result<bool, Failure> {
        let options = Tree::map().with("cas", 0_u64);
        let body = Tree::map().with("data", data).with("options", options);
        let answer = self
            .link
            .try_send(Request::put(self.api("data", name), &body))
            .await?;
        match answer {
            Ok(_) => Ok(true),
            Err(Error::Api(refusal))
                if refusal
                    .errors
                    .iter()
                    .any(|error| error.contains("check-and-set")) =>
            {
                Ok(false)
            }
            Err(error) => Err(self.link.failure(error)),
        }
    }

    /// The newest version's fields.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Tree>, Failure> {
        let found = self.read("data", name).await?;
        Ok(found.and_then(|mut data| data.take("data")))
    }

    /// What is known about an entry, without its fields.
    pub(super) async fn metadata(&self, name: &str) -> Result<Option<Tree>, Failure> {
        self.read("metadata", name).await
    }

    /// Sets an entry's notes.
    pub(super) async fn annotate(&self, name: &str, notes: Tree) -> Result<(), Failure> {
        let body = Tree::map().with("custom_metadata", notes);
        self.link
            .send(Request::put(self.api("metadata", name), &body))
            .await
            .map(drop)
    }

    /// The names, without those that only lead further down.
    pub(super) async fn names(&self) -> Result<Vec<String>, Failure> {
        let path = self.mount.api_path(&self.base, "metadata");
        let request = Request::new(cofferdam_api::Method::List, format!("{path}/"));
        let mut names = match self.link.try_send(request).await? {
            Ok(response) => response.keys(),
            Err(Error::NotFound(_)) => Vec::new(),
            Err(error) => return Err(self.link.failure(error)),
        };
        names.retain(|name| !name.ends_with('/'));
        names.sort();
        Ok(names)
    }

    /// Removes an entry with all its versions; says whether there was one.
    pub(super) async fn remove(&self, name: &str) -> Result<bool, Failure> {
        if self.metadata(name).await?.is_none() {
            return Ok(false);
        }
        let request = Request::new(cofferdam_api::Method::Delete, self.api("metadata", name));
        self.link.send(request).await?;
        Ok(true)
    }

    /// The client, for what an entry refers to.
    pub(super) const fn client(&self) -> &cofferdam_api::Client {
        self.link.client()
    }

    async fn read(&self, area: &str, name: &str) -> Result<Option<Tree>, Failure> {
        match self
            .link
            .try_send(Request::get(self.api(area, name)))
            .await?
        {
            Ok(response) => Ok(response.tree()),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(self.link.failure(error)),
        }
    }
}
