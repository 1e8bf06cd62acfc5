//! A role: its record, where it lies, and the rules every change of it must keep.

use super::key::{DECOY, Key};
pub(super) use crate::auth::role::{encode, name};
use crate::auth::token::Settings;
use cofferdam_core::Fault;
use cofferdam_core::engine::{Commit, Revision, View};
use cofferdam_secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A role as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Role {
    /// Lower case.
    pub(super) name: String,
    /// Binds SecretIDs to this role and no later one of the same name.
    pub(super) incarnation: String,
    pub(super) role_id: String,
    pub(super) bind_secret_id: bool,
    pub(super) secret_id_bound_cidrs: Vec<IpNet>,
    /// 0: no limit.
    pub(super) secret_id_num_uses: u32,
    /// Seconds; 0: they do not expire.
    pub(super) secret_id_ttl: u64,
    /// Accepted and shown; there is no replication that it would exclude from.
    pub(super) local_secret_ids: bool,
    pub(super) token: Settings,
}

/// A role with the revision a change of it must compare with.
pub(super) struct Stored {
    pub(super) role: Role,
    pub(super) revision: Revision,
}

impl Role {
    /// A role with Vault's defaults and a random RoleID.
    ///
    /// # Errors
    /// Without entropy.
    pub(super) fn new(name: String) -> Result<Self, Fault> {
        let incarnation = cofferdam_secret::random::<16>().map_err(Fault::internal)?;
        Ok(Self {
            name,
            incarnation: hex::encode(incarnation.expose()),
            role_id: uuid::Uuid::new_v4().to_string(),
            bind_secret_id: true,
            secret_id_bound_cidrs: Vec::new(),
            secret_id_num_uses: 0,
            secret_id_ttl: 0,
            local_secret_ids: false,
            token: Settings::default(),
        })
    }

    /// A role without any SecretID.
    ///
    /// # Errors
    /// Without entropy.
    pub(super) fn decoy() -> Result<Self, Fault> {
        Self::new(DECOY.to_owned())
    }

    /// The stored form.
    ///
    /// # Errors
    /// When it does not serialize: a defect.
    pub(super) fn encode(&self) -> Result<Secret<Vec<u8>>, Fault> {
        encode(self)
    }

    /// A role must want something of who logs in.
    ///
    /// # Errors
    /// When the RoleID alone would do.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.bind_secret_id
            || !self.secret_id_bound_cidrs.is_empty()
            || !self.token.bound_cidrs.is_empty()
        {
            return Ok(());
        }
        Err(Fault::invalid(
            "at least one constraint should be enabled on the role",
        ))
    }
}

/// What is said of a role that is not there, where Vault says more than "not found".
pub(super) fn absent(name: &str) -> Fault {
    Fault::invalid(format!("role {name:?} does not exist"))
}

pub(super) fn key_of(name: &str) -> String {
    format!("role/{name}")
}

pub(super) fn id_key(hash: &str) -> String {
    format!("role-id/{hash}")
}

/// The role called `name` (canonical).
pub(super) async fn load(view: &View, name: &str) -> Result<Option<Stored>, Fault> {
    load_at(view, &key_of(name)).await
}

/// The role that a RoleID means.
pub(super) async fn by_id(view: &View, key: &Key, role_id: &str) -> Result<Option<Stored>, Fault> {
    match view.get(&id_key(&key.role_id(role_id)?)).await? {
        Some(found) => {
            let name = std::str::from_utf8(found.value.expose()).map_err(Fault::internal)?;
            // It may have got another RoleID since the index was read.
            Ok(load(view, name)
                .await?
                .filter(|stored| stored.role.role_id == role_id))
        }
        None => Ok(None),
    }
}

/// The role nobody has.
pub(super) async fn decoy(view: &View) -> Result<Option<Stored>, Fault> {
    load_at(view, DECOY).await
}

async fn load_at(view: &View, key: &str) -> Result<Option<Stored>, Fault> {
    let Some(found) = view.get(key).await? else {
        return Ok(None);
    };
    let role = serde_json::from_slice(found.value.expose()).map_err(Fault::unreadable)?;
    Ok(Some(Stored {
        role,
        revision: found.revision,
    }))
}

/// Commits a new or changed role with the index of its RoleID; whether nobody was faster.
///
/// # Errors
/// When it breaks a rule, or its RoleID belongs to another role.
pub(super) async fn save(
    view: &View,
    key: &Key,
    before: Option<&Stored>,
    role: &Role,
) -> Result<bool, Fault> {
    role.check()?;
    let own = key_of(&role.name);
    let mut batch = view
        .batch()
        .expect(own.as_str(), before.map(|before| before.revision))
        .put(own, role.encode()?);
    let old = before.map(|before| before.role.role_id.as_str());
    if old != Some(role.role_id.as_str()) {
        let index = id_key(&key.role_id(&role.role_id)?);
        if view.get(&index).await?.is_some() {
            return Err(Fault::invalid("role_id already in use"));
        }
        let name = Secret::new(role.name.clone().into_bytes());
        batch = batch.expect_absent(index.as_str()).put(index, name);
        if let Some(old) = old {
            batch = batch.delete(id_key(&key.role_id(old)?));
        }
    }
    Ok(matches!(view.commit(batch).await?, Commit::Done(_)))
}
