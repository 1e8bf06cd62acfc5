//! A user as it is stored.

use super::password::Hash;
use crate::auth::role;
use crate::auth::token::Settings;
use cofferdam_core::Fault;
use cofferdam_core::engine::View;
use serde::{Deserialize, Serialize};

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct User {
    /// Lower case.
    pub(super) name: String,
    pub(super) hash: Hash,
    pub(super) token: Settings,
    /// Which settings were last set by their old names: those are shown, too.
    pub(super) old: Old,
}

/// Names from before `token_…`.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Old {
    pub(super) ttl: bool,
    pub(super) max_ttl: bool,
    pub(super) bound_cidrs: bool,
}

/// A user with the revision a change of it must compare with.
pub(super) type Stored = role::Stored<User>;

pub(super) fn key_of(name: &str) -> String {
    format!("user/{name}")
}

/// The user called `name` (canonical).
pub(super) async fn load(view: &View, name: &str) -> Result<Option<Stored>, Fault> {
    role::load(view, &key_of(name)).await
}

/// Commits a new or changed user; whether nobody was faster.
pub(super) async fn save(view: &View, before: Option<&Stored>, user: &User) -> Result<bool, Fault> {
    role::save(
        view,
        &key_of(&user.name),
        before.map(|before| before.revision),
        user,
    )
    .await
}
