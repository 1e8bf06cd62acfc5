//! What a handler read of its request, beside what its row says it reads.
//!
//! Kept in builds with debug assertions only, for the thread that is at work on a request; other builds
//! have nothing of it. A handler that reads a parameter which its row does not name would work, warn
//! that it did not, and be missing in the documentation: it panics instead, in every test that meets it.

use super::Fields;
#[cfg(debug_assertions)]
use super::Form;
#[cfg(debug_assertions)]
use std::sync::Mutex;

/// Names that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    #[cfg(debug_assertions)]
    names: Mutex<Vec<String>>,
}

/// What was read is no part of what there is.
impl Clone for Asked {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Asked {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Asked {}

impl Asked {
    /// One name.
    #[cfg(debug_assertions)]
    pub(crate) fn note(&self, name: &str) {
        if let Ok(mut names) = self.names.lock() {
            names.push(name.to_owned());
        }
    }

    /// One name.
    #[cfg(not(debug_assertions))]
    #[expect(clippy::unused_self, reason = "keeps nothing in this build")]
    pub(crate) const fn note(&self, _: &str) {}

    /// Several, which are looked up where they are kept.
    pub(crate) fn note_all(&self, names: fn() -> &'static [&'static str]) {
        if cfg!(debug_assertions) {
            names().iter().for_each(|name| self.note(name));
        }
    }

    /// Forgets what the pipeline asked for before the handler did.
    pub(crate) fn forget(&self) {
        #[cfg(debug_assertions)]
        if let Ok(mut names) = self.names.lock() {
            names.clear();
        }
    }

    #[cfg(debug_assertions)]
    fn beyond(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        let names = self.names.lock().map(|names| names.clone());
        let names = names.unwrap_or_default().into_iter();
        names.filter(|name| !known(name)).collect()
    }
}

/// Stops at a handler that read more than its row says.
#[cfg(debug_assertions)]
pub(crate) fn check(fields: &Fields, pattern: &str, body: &Asked, query: &Asked) {
    if fields.form == Form::Unsaid {
        return;
    }
    let unsaid =
        body.beyond(|name| fields.form == Form::Free || fields.takes(|known| name == known));
    let unasked =
        query.beyond(|name| fields.query.contains(&name) || fields.takes(|known| name == known));
    assert!(
        unsaid.is_empty() && unasked.is_empty(),
        "{pattern}: reads {unsaid:?} of the body and {unasked:?} of the address, which its row does not name"
    );
}

/// Other builds trust the tests.
#[cfg(not(debug_assertions))]
pub(crate) const fn check(_: &Fields, _: &str, _: &Asked, _: &Asked) {}
