//! Where keys, roles and settings are: JSON records by name, below `identity/oidc/`.
//!
//! What refers to what is judged by several records at once, so every change of one of them compares
//! and moves one key more ([`Shelf::change`]): two that together would leave a role without its key
//! see each other. The rotation of a key changes no reference and compares the key alone.

use crate::fault::Fault;
use crate::identity::store::{ATTEMPTS, busy};
use crate::outcome::Outcome;
use crate::record::decode;
use crate::request::Call;
use crate::vault::Services;
use cofferdam_barrier::{Batch, Commit, Revision, View};
use cofferdam_secret::Secret;
use serde::de::DeserializeOwned;

/// Named keys.
pub(super) const KEYS: &str = "key/";
/// Roles.
pub(super) const ROLES: &str = "role/";
/// Who may log in at clients.
pub(super) const ASSIGNMENTS: &str = "assignment/";
/// Services at which people log in.
pub(super) const CLIENTS: &str = "client/";
/// Issuers of logins.
pub(super) const PROVIDERS: &str = "provider/";
/// What clients are told.
pub(super) const SCOPES: &str = "scope/";
/// Changes with every change of what refers to what.
const REFERENCES: &str = "references";

/// The storage of identity tokens.
pub(super) struct Shelf(pub(super) View);

/// A record as it was read.
pub(super) struct Kept<R> {
    pub(super) record: R,
    pub(super) revision: Revision,
}

impl Shelf {
    pub(super) fn of(services: &Services) -> Self {
        Self(services.barrier().view("identity/oidc/"))
    }

    pub(super) async fn get<R: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<Kept<R>>, Fault> {
        let Some(opened) = self.0.get(key).await? else {
            return Ok(None);
        };
        Ok(Some(Kept {
            record: decode(&opened.value)?,
            revision: opened.revision,
        }))
    }

    /// The names below a prefix.
    pub(super) async fn names(&self, below: &str) -> Result<Vec<String>, Fault> {
        Ok(self.0.list(below, None, usize::MAX).await?.names)
    }

    /// All records below a prefix, by name.
    pub(super) async fn all<R: DeserializeOwned>(
        &self,
        below: &str,
    ) -> Result<Vec<(String, Kept<R>)>, Fault> {
        let mut all = Vec::new();
        for name in self.names(below).await? {
            if let Some(kept) = self.get(&format!("{below}{name}")).await? {
                all.push((name, kept));
            }
        }
        Ok(all)
    }

    /// Changes what refers to what. `judge` reads, refuses, and says what to commit and to answer
    /// (`None`: there is nothing to do); it is asked again where something changed since it was asked.
    pub(super) async fn change<F>(&self, judge: impl Fn() -> F) -> Result<Outcome, Fault>
    where
        F: Future<Output = Result<Option<(Batch, Outcome)>, Fault>>,
    {
        for _ in 0..ATTEMPTS {
            let seen = self.0.get(REFERENCES).await?;
            let Some((batch, answer)) = judge().await? else {
                return Ok(Outcome::Done);
            };
            let batch = batch
                .expect(REFERENCES, seen.map(|opened| opened.revision))
                .put(REFERENCES, Secret::new(Vec::new()));
            if self.commit(batch).await? {
                return Ok(answer);
            }
        }
        Err(busy())
    }

    /// Refuses to let go of something that records below a prefix still refer to.
    pub(super) async fn unreferenced<R: DeserializeOwned>(
        &self,
        what: &str,
        (below, them): (&str, &str),
        refers: impl Fn(&R) -> bool,
    ) -> Result<(), Fault> {
        let mut all = self.all::<R>(below).await?;
        all.retain(|(_, kept)| refers(&kept.record));
        if all.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = all.into_iter().map(|(name, _)| name).collect();
        Err(Fault::invalid(format!(
            "unable to delete the {what}: it is currently referenced by these {them}: {}",
            names.join(", ")
        )))
    }

    /// Commits; `false`: something is not as it was read.
    pub(super) async fn commit(&self, batch: Batch) -> Result<bool, Fault> {
        Ok(matches!(self.0.commit(batch).await?, Commit::Done(_)))
    }
}

/// The name in the path, of the form that Vault's API gives to names.
pub(super) fn name<'a>(call: &'a Call<'_>) -> Result<&'a str, Fault> {
    let name = call.capture("name");
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inside = |c: char| word(c) || c == '-' || c == '.';
    let fits = name.starts_with(word) && name.ends_with(word) && name.chars().all(inside);
    if fits {
        Ok(name)
    } else {
        Err(Fault::unsupported("unsupported path"))
    }
}
