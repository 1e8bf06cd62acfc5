//! Reads every value that the caller may read, to look for it.

use super::super::Failure;
use cofferdam_api::{Client, Error, KvMount, KvVersion, Request, Tree};
use cofferdam_detect::{Label, Needles};

/// All KV values below `prefixes` (all, when there are none), in the order of their paths.
///
/// What cannot be read is kept by name, so that the report shows it as not searched for. They go
/// into `needles`, which says what for.
pub(in crate::cli) async fn collect(
    client: &Client,
    prefixes: &[String],
    only_current: bool,
    needles: Needles,
) -> Result<Needles, Failure> {
    let mut found = Found {
        client,
        only_current,
        newest: None,
        needles,
    };
    for mount in mounts(client).await? {
        for start in starts(&mount.path, prefixes) {
            found.tree(&mount, &start).await?;
        }
    }
    Ok(found.needles)
}

/// The KV mounts that the caller may see.
async fn mounts(client: &Client) -> Result<Vec<KvMount>, Failure> {
    let answer = client.read("sys/internal/ui/mounts").await?;
    let data = answer.tree().unwrap_or(Tree::Null);
    let mounts = data.get("secret").into_iter().flat_map(Tree::entries);
    let kv = mounts.filter_map(|(path, mount)| {
        let kind = mount.get("type").and_then(Tree::as_text)?;
        let options = mount.get("options");
        let version = options
            .and_then(|options| options.get("version"))
            .and_then(Tree::as_text);
        let version = if version == Some("2") {
            KvVersion::V2
        } else {
            KvVersion::V1
        };
        matches!(kind, "kv" | "generic").then(|| KvMount {
            path: path.to_owned(),
            version,
        })
    });
    Ok(kv.collect())
}

/// Where to begin under a mount: paths relative to it.
fn starts(mount: &str, prefixes: &[String]) -> Vec<String> {
    if prefixes.is_empty() {
        return vec![String::new()];
    }
    let below = |prefix: &String| {
        let prefix = prefix.trim_start_matches('/');
        if mount.starts_with(&format!("{}/", prefix.trim_end_matches('/'))) {
            return Some(String::new());
        }
        prefix.strip_prefix(mount).map(str::to_owned)
    };
    prefixes.iter().filter_map(below).collect()
}

struct Found<'c> {
    client: &'c Client,
    only_current: bool,
    needles: Needles,
    /// Number of the newest version of the secret that is being read.
    newest: Option<u64>,
}

impl Found<'_> {
    /// A secret, a directory, or both of the same name.
    async fn tree(&mut self, mount: &KvMount, start: &str) -> Result<(), Failure> {
        let name = start.trim_end_matches('/');
        if !name.is_empty() && !start.ends_with('/') {
            self.secret(mount, name).await?;
        }
        let mut open = vec![if name.is_empty() {
            String::new()
        } else {
            format!("{name}/")
        }];
        while let Some(directory) = open.pop() {
            let path = area(mount, "metadata", &directory);
            let keys = match self.client.list(path.trim_end_matches('/')).await {
                Ok(answer) => answer.keys(),
                Err(Error::NotFound(_)) => continue,
                Err(Error::Denied(_)) => {
                    self.unreadable(mount, &directory)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (inner, secrets): (Vec<_>, Vec<_>) =
                keys.into_iter().partition(|key| key.ends_with('/'));
            for key in secrets {
                self.secret(mount, &format!("{directory}{key}")).await?;
            }
            open.extend(
                inner
                    .into_iter()
                    .rev()
                    .map(|key| format!("{directory}{key}")),
            );
        }
        Ok(())
    }

    async fn secret(&mut self, mount: &KvMount, name: &str) -> Result<(), Failure> {
        self.newest = None;
        if mount.version == KvVersion::V1 || self.only_current {
            return self.version(mount, name, None).await;
        }
        let answer = match self.client.read(&area(mount, "metadata", name)).await {
            Ok(answer) => answer,
            Err(Error::NotFound(_)) => return Ok(()),
            // Reading the value may be allowed where reading its history is not.
            Err(Error::Denied(_)) => return self.version(mount, name, None).await,
            Err(error) => return Err(error.into()),
        };
        let data = answer.tree().unwrap_or(Tree::Null);
        self.newest = data.get("current_version").and_then(Tree::as_u64);
        let versions = data.get("versions").into_iter().flat_map(Tree::entries);
        let live = versions.filter(|(_, state)| {
            let destroyed = state.get("destroyed").and_then(Tree::as_bool) == Some(true);
            let deleted = state.get("deletion_time").and_then(Tree::as_text);
            !destroyed && deleted.is_none_or(str::is_empty)
        });
        let mut numbers: Vec<u64> = live.filter_map(|(number, _)| number.parse().ok()).collect();
        numbers.sort_unstable();
        for number in numbers {
            self.version(mount, name, Some(number)).await?;
        }
        Ok(())
    }

    async fn version(
        &mut self,
        mount: &KvMount,
        name: &str,
        version: Option<u64>,
    ) -> Result<(), Failure> {
        let mut request = Request::get(area(mount, "data", name));
        if let Some(version) = version {
            request = request.query("version", version.to_string());
        }
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            // Deleted in the meantime, or never there.
            Err(Error::NotFound(_)) => return Ok(()),
            Err(Error::Denied(_)) => return self.unreadable(mount, name),
            Err(error) => return Err(error.into()),
        };
        let mut data = answer.tree().unwrap_or(Tree::Null);
        let mut version = version;
        let mut owner = None;
        if mount.version == KvVersion::V2 {
            let metadata = data.get("metadata");
            owner = metadata
                .and_then(|metadata| metadata.get("custom_metadata")?.get("owner")?.as_text())
                .map(str::to_owned);
            version = metadata
                .and_then(|metadata| metadata.get("version"))
                .and_then(Tree::as_u64);
            data = data.take("data").unwrap_or(Tree::Null);
        }
        let fields: Vec<String> = data.entries().map(|(field, _)| field.to_owned()).collect();
        for field in fields {
            if let Some(value) = data.take(&field) {
                let label = Label::new(format!("{}{name}", mount.path), version, field);
                let added = self.needles.add(label, &value.into_value());
                let added = added.map_err(|full| Failure::local(full.to_string()))?;
                self.needles.describe(added, self.newest, owner.clone());
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, mount: &KvMount, name: &str) -> Result<(), Failure> {
        let label = Label::new(format!("{}{name}", mount.path), None, "*");
        let added = self.needles.add_unreadable(label);
        added
            .map(drop)
            .map_err(|full| Failure::local(full.to_string()))
    }
}

fn area(mount: &KvMount, area: &str, name: &str) -> String {
    match mount.version {
        KvVersion::V1 => format!("{}{name}", mount.path),
        KvVersion::V2 => format!("{}{area}/{name}", mount.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_may_name_a_mount_a_directory_or_a_secret() {
        let below = |prefix: &str| starts("secret/", &[prefix.to_owned()]);
        assert_eq!(below("secret"), [""]);
        assert_eq!(below("secret/"), [""]);
        assert_eq!(below("/secret/app"), ["app"]);
        assert_eq!(below("secret/app/"), ["app/"]);
        assert!(below("secrets/app").is_empty());
        assert_eq!(starts("secret/", &[]), [""]);
    }
}
