//! Redacted data of answers that are given again and again, kept ready: a secret version that is read
//! a thousand times a second is hashed once.
//!
//! An engine names what an answer is made of (its [identity](crate::Response::identified)); equal
//! names under one mount mean equal bytes. What is kept holds hashes and numbers, as the log does,
//! and no value.

use super::Salt;
use super::record::Unrecordable;
use super::redact::Fragment;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Bytes kept in all; beyond it the cache starts again.
const MOST: usize = 4 << 20;
/// Longer ones cost more memory than they save time. A list of ten thousand names has some 800 kB.
const LONGEST: usize = 1 << 20;

/// Fragments by mount and identity.
#[derive(Default)]
pub(crate) struct Fragments(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    known: HashMap<String, Fragment>,
    bytes: usize,
}

impl Fragments {
    /// The redacted form of `json`, which is what `mount` answers for `identity`.
    ///
    /// # Errors
    /// [`Unrecordable`]; the caller must not see the answer then.
    pub(crate) fn of(
        &self,
        salt: &Salt,
        mount: &str,
        identity: &str,
        json: &[u8],
    ) -> Result<Fragment, Unrecordable> {
        // A mount's accessor holds no slash, so two names cannot meet.
        let name = format!("{mount}/{identity}");
        if let Some(known) = self.get(&name) {
            return Ok(known);
        }
        let fragment = Fragment::redact(salt, json, &[])?;
        self.keep(name, &fragment, salt);
        Ok(fragment)
    }

    fn get(&self, name: &str) -> Option<Fragment> {
        self.lock().known.get(name).cloned()
    }

    fn keep(&self, name: String, fragment: &Fragment, salt: &Salt) {
        let size = name.len() + fragment.json(salt).map_or(usize::MAX, <[u8]>::len);
        if size > LONGEST {
            return;
        }
        let mut inner = self.lock();
        if inner.bytes + size > MOST {
            *inner = Inner::default();
        }
        inner.bytes += size;
        inner.known.insert(name, fragment.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_secret::Secret;

    #[test]
    fn mounts_and_identities_do_not_meet() {
        let (fragments, salt) = (Fragments::default(), Salt::new(&Secret::new([7; 32])));
        let text = |mount, identity, json: &[u8]| {
            let fragment = fragments.of(&salt, mount, identity, json).unwrap();
            String::from_utf8(fragment.json(&salt).unwrap().to_vec()).unwrap()
        };
        let first = text("kv_1", "a@1", br#"{"n":1}"#);
        assert_eq!(first, r#"{"n":1}"#);
        assert_eq!(text("kv_2", "a@1", br#"{"n":2}"#), r#"{"n":2}"#);
        assert_eq!(text("kv_1", "a@2", br#"{"n":3}"#), r#"{"n":3}"#);
        assert_eq!(text("kv_1", "a@1", br#"{"n":1}"#), first);
    }

    #[test]
    fn values_are_not_kept_and_memory_is_bounded() {
        let (fragments, salt) = (Fragments::default(), Salt::new(&Secret::new([7; 32])));
        let json = format!(
            r#"{{"password":"hunter2","filler":[{}1]}}"#,
            "1,".repeat(20_000)
        );
        for number in 0..400 {
            let identity = format!("a@{number}");
            fragments
                .of(&salt, "kv_1", &identity, json.as_bytes())
                .unwrap();
        }
        let inner = fragments.lock();
        assert!(inner.bytes <= MOST && !inner.known.is_empty());
        for fragment in inner.known.values() {
            let text = String::from_utf8_lossy(fragment.json(&salt).unwrap()).into_owned();
            assert!(!text.contains("hunter2") && text.contains("hmac-sha256:"));
        }
    }
}
