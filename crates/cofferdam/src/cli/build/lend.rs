//! What a build is lent: sealed memory files, ssh agents, and the texts its cache depends on.

use super::super::delivery::{masks, sink_failure};
use super::super::{Context, Failure};
use super::ask::Plan;
use super::search::Search;
use super::{fetch_failure, place_file};
use crate::files;
use cofferdam_agent::FileName;
use cofferdam_agent::fetch::{self, Lent};
use cofferdam_agent::output::Current;
use cofferdam_agent::sink::{Place, SealedFile};
use cofferdam_api::{Client, Error, Tree, places};
use cofferdam_platform::build::MAX_SIZE;
use cofferdam_platform::build::ssh::{Agent, Key};
use cofferdam_platform::build::versions::MachineKey;
use cofferdam_platform::record::Given as Recorded;
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// By the id of a secret: the text that changes with its version.
pub(super) type Ids = BTreeMap<String, String>;

/// How many versions before the lent one are searched for: a cached step may hold what an earlier
/// build was lent. As many as the KV engine keeps when nobody says otherwise.
const EARLIER: u64 = 9;

/// Values on loan.
pub(super) struct Loaned {
    pub(super) secrets: Vec<Lent>,
    keys: Vec<Lent>,
    /// What the same secrets were before; never lent.
    earlier: Vec<Lent>,
}

/// What the builder gets; the values are out of our own memory.
pub(super) struct Given {
    pub(super) files: Vec<SealedFile>,
    pub(super) secrets: Vec<(FileName, PathBuf)>,
    pub(super) agents: Vec<(String, PathBuf)>,
    /// What was lent, for the record.
    pub(super) records: Vec<Recorded>,
    /// Held: they answer as long as they live.
    _agents: Vec<Agent>,
}

pub(super) async fn fetch(context: &Context, plan: Plan) -> Result<Loaned, Failure> {
    let count = plan.secrets.len();
    let all: Vec<_> = plan.secrets.into_iter().chain(plan.keys).collect();
    if all.is_empty() {
        return Ok(Loaned {
            secrets: Vec::new(),
            keys: Vec::new(),
            earlier: Vec::new(),
        });
    }
    let client = context.client()?;
    let fetched = fetch::fetch(&client, &all, MAX_SIZE).await;
    let mut secrets = fetched.map_err(fetch_failure)?;
    let mut earlier = Vec::new();
    for lent in &secrets {
        earlier.extend(before(&client, lent).await);
    }
    let keys = secrets.split_off(count);
    Ok(Loaned {
        secrets,
        keys,
        earlier,
    })
}

/// The versions before this one that still have a value and that we may read.
async fn before(client: &Client, lent: &Lent) -> Vec<Lent> {
    let newest = lent.version.unwrap_or(1).saturating_sub(1);
    let oldest = newest.saturating_sub(EARLIER - 1).max(1);
    let mut earlier = Vec::new();
    for version in oldest..=newest {
        let field = lent.reference.field().map(|field| format!("#{field}"));
        let path = lent.reference.path();
        let text = format!("{path}{}@{version}", field.unwrap_or_default());
        let Ok(reference) = text.parse() else {
            continue;
        };
        // Deleted, denied, without this field: there is nothing to search for.
        if let Ok(fetched) = client.fetch(&reference).await {
            earlier.push(Lent {
                name: lent.name.clone(),
                reference,
                value: fetched.value,
                version: fetched.version,
            });
        }
    }
    earlier
}

impl Loaned {
    /// A search for everything that is lent, and for what it was before.
    pub(super) fn search(&self) -> Result<Search, Failure> {
        let lent = self.secrets.iter().chain(&self.keys);
        Search::new(lent.chain(&self.earlier))
    }

    /// What is masked in the builder's output: the same.
    pub(super) fn masks(&self, context: &Context) -> Result<Option<Arc<Current>>, Failure> {
        let lent = self.secrets.iter().chain(&self.keys);
        masks(context, lent.chain(&self.earlier))
    }

    /// Hands everything over.
    pub(super) fn give(self, place: &Place) -> Result<Given, Failure> {
        let mut given = Given {
            files: Vec::new(),
            secrets: Vec::new(),
            agents: Vec::new(),
            records: Vec::new(),
            _agents: Vec::new(),
        };
        for lent in &self.secrets {
            let file =
                SealedFile::new(lent.name.as_str(), &lent.value).map_err(|e| sink_failure(&e))?;
            given
                .secrets
                .push((lent.name.clone(), file.inherited_path()));
            given.files.push(file);
            given.records.push(recorded(lent, lent.name.to_string()));
        }
        let mut keys: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
        for lent in &self.keys {
            let name = lent.name.as_str();
            let key = Key::parse(&lent.value, name).map_err(|error| {
                Failure::server(format!("{name}: {error}: {}", lent.reference)).hint(error.hint())
            })?;
            keys.entry(name).or_default().push(key);
            given.records.push(recorded(lent, format!("ssh:{name}")));
        }
        for (name, keys) in keys {
            let socket = place_file(place, &format!("{name}.sock"))?;
            let agent = Agent::start(&socket, keys)
                .map_err(|error| Failure::local(format!("cannot start an ssh agent: {error}")))?;
            given.agents.push((name.to_owned(), socket));
            given._agents.push(agent);
        }
        Ok(given)
    }
}

fn recorded(lent: &Lent, name: String) -> Recorded {
    Recorded {
        name,
        ..Recorded::of(lent)
    }
}

/// For each secret a text that changes with its version. A secret without versions gets a new one
/// each time: a step that runs in vain is better than one with an old value.
pub(super) async fn version_ids(context: &Context, lent: &[Lent]) -> Result<Ids, Failure> {
    let mut ids = Ids::new();
    let mut versioned = Vec::new();
    for lent in lent {
        let name = lent.name.to_string();
        match lent.version {
            Some(version) => versioned.push((name, lent.reference.path(), version)),
            None => {
                let fresh = cofferdam_secret::random::<16>().map_err(|error| no_entropy(&error))?;
                ids.insert(name, hex::encode(fresh.expose()));
            }
        }
    }
    if versioned.is_empty() {
        return Ok(ids);
    }
    let made = match of_server(context, &versioned).await? {
        Some(made) => made,
        None => {
            let key = machine_key(&places::data_dir(&places::environment).join("build.key"))?;
            let made = versioned.iter();
            made.map(|(_, path, version)| key.id(path, *version))
                .collect()
        }
    };
    ids.extend(versioned.into_iter().map(|(name, _, _)| name).zip(made));
    Ok(ids)
}

/// Asks the server; `None` when it does not know the question, or does not let us ask.
async fn of_server(
    context: &Context,
    versioned: &[(String, &str, u64)],
) -> Result<Option<Vec<String>>, Failure> {
    let entry = |(_, path, version): &(String, &str, u64)| {
        Tree::Map(vec![
            ("path".to_owned(), Tree::text(*path)),
            ("version".to_owned(), Tree::from(*version)),
        ])
    };
    let secrets = Tree::List(versioned.iter().map(entry).collect());
    let body = Tree::Map(vec![("secrets".to_owned(), secrets)]);
    let answer = match context
        .client()?
        .write("sys/tools/version-ids", &body)
        .await
    {
        Ok(answer) => answer,
        Err(Error::NotFound(_) | Error::Denied(_) | Error::Api(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let data = answer.tree().unwrap_or(Tree::Null);
    let ids: Vec<String> = data
        .get("ids")
        .map(Tree::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|id| id.as_text().map(str::to_owned))
        .collect();
    if ids.len() != versioned.len() {
        return Err(Failure::server(
            "the server's answer about versions is not what it should be",
        ));
    }
    Ok(Some(ids))
}

/// The key of this machine, for a server that has none. It protects nothing but the numbers of
/// versions, so a file with mode 0600 is a fit place.
fn machine_key(path: &Path) -> Result<MachineKey, Failure> {
    let failed = |error: std::io::Error| {
        Failure::local(format!(
            "cannot keep a key for build caches at {}: {error}",
            path.display()
        ))
    };
    let wrong = || {
        Failure::local(format!("not a key for build caches: {}", path.display())).hint(format!(
            "remove it, and cached steps run once more: rm {}",
            path.display()
        ))
    };
    match std::fs::read(path) {
        Ok(bytes) => return MachineKey::new(Secret::new(bytes)).ok_or_else(wrong),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    if let Some(directory) = path.parent() {
        files::private_directory(directory).map_err(failed)?;
    }
    let fresh =
        cofferdam_secret::random::<{ MachineKey::LENGTH }>().map_err(|error| no_entropy(&error))?;
    files::replace(path, 0o600, fresh.expose()).map_err(failed)?;
    MachineKey::new(Secret::new(fresh.expose().to_vec())).ok_or_else(wrong)
}

fn no_entropy(error: &std::io::Error) -> Failure {
    Failure::local(format!("no random numbers: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_of_the_machine_is_made_once_and_for_its_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/build.key");
        let first = machine_key(&path).unwrap().id("secret/a", 1);
        assert_eq!(machine_key(&path).unwrap().id("secret/a", 1), first);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        assert!(machine_key(&path).is_err());
    }
}
