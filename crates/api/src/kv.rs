//! Secrets of the KV engine by the name that people use, without `data/` in the middle.

use crate::{Client, Error, Reference, ReferenceError, Request, Tree, places, secrets_engine};
use cofferdam_secret::Secret;

/// Which of the two KV engines is behind a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvVersion {
    /// Values only.
    V1,
    /// Versions and metadata.
    V2,
}

/// A KV mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvMount {
    /// Where it is, with a slash at the end.
    pub path: String,
    /// Which engine.
    pub version: KvVersion,
}

/// A value and where it came from.
pub struct Fetched {
    /// The value, as the content of a file.
    pub value: Secret<Vec<u8>>,
    /// Its field.
    pub field: String,
    /// Its version; KV v1 has none.
    pub version: Option<u64>,
}

impl KvMount {
    /// The API path of a secret: `secret/app` becomes `secret/data/app` on a v2 mount.
    #[must_use]
    pub fn api_path(&self, path: &str, area: &str) -> String {
        if self.version == KvVersion::V1 {
            return path.to_owned();
        }
        let path = path.trim_start_matches('/');
        let mount = self.path.trim_end_matches('/');
        match path
            .strip_prefix(mount)
            .map(|rest| rest.trim_start_matches('/'))
        {
            Some("") => format!("{mount}/{area}"),
            Some(rest) => format!("{mount}/{area}/{rest}"),
            None => path.to_owned(),
        }
    }
}

impl Client {
    /// Finds the mount that serves `path` and its version, as Vault's own clients do.
    ///
    /// # Errors
    /// Any [`Error`]; a server that is too old to answer counts as KV v1, as in Vault's client.
    pub async fn kv_mount(&self, path: &str) -> Result<KvMount, Error> {
        let path = path.trim_start_matches('/');
        // A question of our own: it is not what a caller wants rehearsed.
        let asking = self.clone().in_earnest();
        let answer = asking.read(&format!("sys/internal/ui/mounts/{path}")).await;
        let response = match answer {
            Ok(response) => response,
            Err(Error::NotFound(_)) => {
                return Ok(KvMount {
                    path: String::new(),
                    version: KvVersion::V1,
                });
            }
            Err(error) => return Err(error),
        };
        let data = response.tree().unwrap_or(Tree::Null);
        let mount = data.get("path").and_then(Tree::as_text).unwrap_or_default();
        let version = data
            .get("options")
            .and_then(|options| options.get("version"));
        let second = version.and_then(Tree::as_text) == Some("2");
        Ok(KvMount {
            path: mount.to_owned(),
            version: if second { KvVersion::V2 } else { KvVersion::V1 },
        })
    }

    /// The value that a reference names.
    ///
    /// Without a field it is `value`, else the only field. What was named as `se://ID` comes from
    /// the host's secrets engine, where one runs; what that does not have is not looked for here.
    ///
    /// # Errors
    /// Any [`Error`]; a deleted or destroyed version is [`Error::NotFound`].
    pub async fn fetch(&self, reference: &Reference) -> Result<Fetched, Error> {
        if let Some(id) = reference.engine_id() {
            let engines = secrets_engine::addresses(&places::environment);
            if let Some(fetched) = secrets_engine::fetch(id, &engines).await? {
                return Ok(fetched);
            }
            if id.contains('*') {
                return Err(ReferenceError::Pattern(id.to_owned()).into());
            }
        }
        let mount = self.kv_mount(reference.path()).await?;
        self.fetch_from(&mount, reference).await
    }

    /// As [`Client::fetch`], for a mount that is known already.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub async fn fetch_from(
        &self,
        mount: &KvMount,
        reference: &Reference,
    ) -> Result<Fetched, Error> {
        let (data, version) = self.read_secret(mount, reference).await?;
        Ok(field_of(&data, version, reference)?)
    }

    /// The values that several references name in one secret, read in one go: fields that are
    /// written together are read together.
    ///
    /// All references name the path and version of the first one, and all or none are `se://`.
    ///
    /// # Errors
    /// As [`Client::fetch`]; inside, what is wrong with a single reference.
    pub async fn fetch_fields(
        &self,
        references: &[&Reference],
    ) -> Result<Vec<Result<Fetched, ReferenceError>>, Error> {
        let Some(first) = references.first() else {
            return Ok(Vec::new());
        };
        if first.engine_id().is_some() {
            return self.fetch_singly(references).await;
        }
        let mount = self.kv_mount(first.path()).await?;
        let (data, version) = self.read_secret(&mount, first).await?;
        let fields = references.iter();
        Ok(fields
            .map(|reference| field_of(&data, version, reference))
            .collect())
    }

    /// One after the other: an engine has values, and no secrets with fields.
    async fn fetch_singly(
        &self,
        references: &[&Reference],
    ) -> Result<Vec<Result<Fetched, ReferenceError>>, Error> {
        let mut all = Vec::with_capacity(references.len());
        for reference in references {
            all.push(match self.fetch(reference).await {
                Ok(fetched) => Ok(fetched),
                Err(Error::Reference(error)) => Err(error),
                Err(error) => return Err(error),
            });
        }
        Ok(all)
    }

    /// The data of a secret, and its version.
    async fn read_secret(
        &self,
        mount: &KvMount,
        reference: &Reference,
    ) -> Result<(Tree, Option<u64>), Error> {
        let mut request = Request::get(mount.api_path(reference.path(), "data"));
        if let (KvVersion::V2, Some(version)) = (mount.version, reference.version()) {
            request = request.query("version", version.to_string());
        }
        let response = self.send(request).await?;
        let mut data = response.tree().unwrap_or(Tree::Null);
        let version = data
            .get("metadata")
            .and_then(|metadata| metadata.get("version"));
        let version = version.and_then(Tree::as_u64);
        if mount.version == KvVersion::V2 {
            data = data.take("data").unwrap_or(Tree::Null);
        }
        Ok((data, version))
    }
}

fn field_of(
    data: &Tree,
    version: Option<u64>,
    reference: &Reference,
) -> Result<Fetched, ReferenceError> {
    let field = chosen_field(data, reference)?;
    let value = data.get(&field).map(Tree::value);
    let value = value.ok_or_else(|| ReferenceError::NoField {
        path: reference.path().to_owned(),
        field: field.clone(),
    })?;
    Ok(Fetched {
        value,
        field,
        version,
    })
}

fn chosen_field(data: &Tree, reference: &Reference) -> Result<String, ReferenceError> {
    if let Some(field) = reference.field() {
        return Ok(field.to_owned());
    }
    let mut fields = data.entries().map(|(name, _)| name);
    match (data.get("value"), fields.next(), fields.next()) {
        (Some(_), _, _) => Ok("value".to_owned()),
        (None, Some(only), None) => Ok(only.to_owned()),
        _ => Err(ReferenceError::Ambiguous {
            path: reference.path().to_owned(),
            fields: data.entries().map(|(name, _)| name.to_owned()).collect(),
        }),
    }
}
