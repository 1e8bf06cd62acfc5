//! Where keys lie, reading them, and changing them.

use super::Transit;
use super::key::{Fresh, Key};
use cofferdam_core::engine::{Commit, View};
use cofferdam_core::path::Name;
use cofferdam_core::{Call, Fault};
use std::sync::Arc;

/// Keys, by name.
pub(super) const KEYS: &str = "k/";

/// Whether the barrier has a transit key there, or something that is called like one.
pub(super) fn is_key(place: &str) -> bool {
    place.contains("/k/")
}

/// A name that a key can have.
///
/// # Errors
/// Vault has no route for others.
pub(super) fn name(text: &str) -> Result<&str, Fault> {
    let inner = !text.starts_with(['-', '.']) && !text.ends_with(['-', '.']);
    match Name::parse(text) {
        Ok(_) if inner => Ok(text),
        _ => Err(Fault::unsupported(
            "unsupported path: a key's name is made of letters, digits, '_', '-' and '.'",
        )),
    }
}

impl Transit {
    /// The key of this name as it was when the request began, or later.
    pub(super) async fn load(&self, view: &View, name: &str) -> Result<Option<Arc<Key>>, Fault> {
        let place = format!("{}{KEYS}{name}", view.prefix());
        let mark = match self.cache.get(&place) {
            Ok(key) => return Ok(Some(key)),
            Err(mark) => mark,
        };
        let Some(found) = view.get(&format!("{KEYS}{name}")).await? else {
            return Ok(None);
        };
        let key = Arc::new(Key::decode(found.value.expose())?);
        self.cache.keep(place, &key, mark);
        Ok(Some(key))
    }

    /// The key to use now: rotated first, where its time has come.
    ///
    /// Rotation by time needs nobody who watches the clock: whoever is the first to use the key after
    /// its time rotates it, by compare-and-swap, so there is one new version on any number of replicas.
    pub(super) async fn current(
        &self,
        call: &Call<'_>,
        name: &str,
    ) -> Result<Option<Arc<Key>>, Fault> {
        let Some(key) = self.load(call.view, name).await? else {
            return Ok(None);
        };
        if !key.rotation_due(call.now) {
            return Ok(Some(key));
        }
        let fresh = Fresh::make(key.kind, key.key_size).await?;
        let mut rotate = |key: &mut Key| {
            // Somebody may have been faster.
            if key.rotation_due(call.now) {
                key.rotate(call.now, &fresh)?;
            }
            Ok(())
        };
        Ok(self.change(call, name, &mut rotate).await?.map(Arc::new))
    }

    /// Changes a key, and returns it as it is now stored; `None` when there is none.
    pub(super) async fn change(
        &self,
        call: &Call<'_>,
        name: &str,
        edit: &mut (dyn FnMut(&mut Key) -> Result<(), Fault> + Send),
    ) -> Result<Option<Key>, Fault> {
        let place = format!("{KEYS}{name}");
        let mut contest = self.contests.enter(call.view.prefix(), name);
        loop {
            let Some(found) = call.view.get(&place).await? else {
                return Ok(None);
            };
            let mut key = Key::decode(found.value.expose())?;
            edit(&mut key)?;
            let batch = call
                .view
                .batch()
                .expect_at(place.as_str(), found.revision)
                .put(place.as_str(), key.encode()?);
            if matches!(call.view.commit(batch).await?, Commit::Done(_)) {
                return Ok(Some(key));
            }
            contest.lost().await?;
        }
    }

    /// Stores a new key; `false` when there is one of this name already.
    pub(super) async fn insert(&self, view: &View, name: &str, key: &Key) -> Result<bool, Fault> {
        let place = format!("{KEYS}{name}");
        let batch = view
            .batch()
            .expect_absent(place.as_str())
            .put(place, key.encode()?);
        Ok(matches!(view.commit(batch).await?, Commit::Done(_)))
    }
}
