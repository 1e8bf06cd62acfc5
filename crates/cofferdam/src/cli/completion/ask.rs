//! What only the server knows: mounts, and names below them. Lists only, never values; what takes
//! too long or is refused is not offered, without a word.
//!
//! A list is a request like any other: it leaves a record in the audit log and counts as a use of
//! a token whose uses are counted.

use super::super::Context;
use cofferdam_api::{Client, Method, Request, Tree};
use std::time::Duration;

/// How long a person at the Tab key waits.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);
/// The most names of one list.
const MOST: usize = 10_000;
/// What lies below a mount of KV version 2.
const AREAS: [&str; 6] = [
    "config",
    "data/",
    "delete/",
    "destroy/",
    "metadata/",
    "undelete/",
];

/// A server that may be asked.
pub(super) struct Server {
    client: Client,
}

struct Mount {
    path: String,
    kind: String,
    is_v2: bool,
}

impl Server {
    /// Where there is a token, or a socket that needs none.
    pub(super) fn of(context: &Context) -> Option<Self> {
        let client = context.client().ok()?.without_wrapping();
        let by_socket = matches!(client.endpoint(), cofferdam_api::Endpoint::Socket(_));
        (by_socket || client.token().is_some()).then_some(Self { client })
    }

    async fn get(&self, path: &str) -> Option<Tree> {
        let answer = self.client.send(Request::get(path)).await.ok()?;
        answer.tree()
    }

    async fn keys(&self, path: &str) -> Option<Vec<String>> {
        let request = Request::new(Method::List, format!("{path}/"));
        let mut keys = self.client.send(request).await.ok()?.keys();
        keys.truncate(MOST);
        Some(keys)
    }

    async fn family(&self, name: &str) -> Option<Vec<Mount>> {
        let all = self.get("sys/internal/ui/mounts").await?;
        let mounts = all.get(name)?.entries().map(|(path, mount)| {
            let options = mount.get("options");
            let version = options.and_then(|options| options.get("version"));
            Mount {
                path: path.to_owned(),
                kind: mount
                    .get("type")
                    .and_then(Tree::as_text)
                    .unwrap_or_default()
                    .to_owned(),
                is_v2: version.and_then(Tree::as_text) == Some("2"),
            }
        });
        Some(mounts.collect())
    }

    async fn paths_of(&self, family: &str) -> Option<Vec<String>> {
        let mounts = self.family(family).await?;
        Some(mounts.into_iter().map(|mount| mount.path).collect())
    }

    /// Secret engines.
    pub(super) async fn mounts(&self) -> Option<Vec<String>> {
        self.paths_of("secret").await
    }

    /// Auth methods.
    pub(super) async fn methods(&self) -> Option<Vec<String>> {
        self.paths_of("auth").await
    }

    /// Audit devices.
    pub(super) async fn devices(&self) -> Option<Vec<String>> {
        let all = self.get("sys/audit").await?;
        Some(all.entries().map(|(path, _)| path.to_owned()).collect())
    }

    /// KV engines.
    pub(super) async fn kv_mounts(&self) -> Option<Vec<String>> {
        let mounts = self.family("secret").await?.into_iter();
        let mounts = mounts.filter(is_kv);
        Some(
            mounts
                .map(|mount| mount.path.trim_end_matches('/').to_owned())
                .collect(),
        )
    }

    /// Names of KV secrets, with the mount in front of them unless it is said apart.
    pub(super) async fn kv_names(&self, mount: Option<&str>, typed: &str) -> Option<Vec<String>> {
        let said = mount.map(|mount| format!("{}/", mount.trim_matches('/')));
        let whole = format!("{}{typed}", said.as_deref().unwrap_or_default());
        let mounts = self.family("secret").await?;
        let Some(found) = mounts
            .iter()
            .find(|mount| is_kv(mount) && whole.starts_with(&mount.path))
        else {
            let kv = mounts.into_iter().filter(is_kv);
            return said.is_none().then(|| kv.map(|mount| mount.path).collect());
        };
        let name = whole.get(found.path.len()..)?;
        let area = if found.is_v2 { "metadata/" } else { "" };
        let names = self.list(&format!("{}{area}", found.path), name).await?;
        let before = if said.is_none() {
            found.path.as_str()
        } else {
            ""
        };
        Some(
            names
                .into_iter()
                .map(|name| format!("{before}{name}"))
                .collect(),
        )
    }

    /// Paths of the API.
    pub(super) async fn paths(&self, typed: &str) -> Option<Vec<String>> {
        if let Some(method) = typed.strip_prefix("auth/") {
            let methods = self.family("auth").await?;
            if !methods.iter().any(|mount| method.starts_with(&mount.path)) {
                let paths = methods
                    .into_iter()
                    .map(|mount| format!("auth/{}", mount.path));
                return Some(paths.collect());
            }
            return self.list("", typed).await;
        }
        if typed.starts_with("sys/") {
            return self.list("", typed).await;
        }
        let mounts = self.family("secret").await?;
        let Some(found) = mounts.iter().find(|mount| typed.starts_with(&mount.path)) else {
            let more = ["auth/", "sys/"].map(str::to_owned);
            let paths = mounts.into_iter().map(|mount| mount.path);
            return Some(paths.chain(more).collect());
        };
        let below = typed.get(found.path.len()..)?;
        if !found.is_v2 {
            return self.list("", typed).await;
        }
        let Some((area, name)) = below.split_once('/') else {
            return Some(AREAS.map(|area| format!("{}{area}", found.path)).to_vec());
        };
        let names = self.list(&format!("{}metadata/", found.path), name).await?;
        let names = names.into_iter();
        Some(
            names
                .map(|name| format!("{}{area}/{name}", found.path))
                .collect(),
        )
    }

    /// Names below `base`, in the directory that was typed so far.
    pub(super) async fn list(&self, base: &str, typed: &str) -> Option<Vec<String>> {
        let above = typed
            .rfind('/')
            .map_or("", |at| typed.get(..=at).unwrap_or_default());
        let path = format!("{}/{above}", base.trim_end_matches('/'));
        let keys = self.keys(path.trim_matches('/')).await?;
        Some(
            keys.into_iter()
                .map(|key| format!("{above}{key}"))
                .collect(),
        )
    }
}

fn is_kv(mount: &Mount) -> bool {
    matches!(mount.kind.as_str(), "kv" | "generic" | "cubbyhole")
}
