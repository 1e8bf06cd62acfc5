//! How records are stored: as JSON.
//!
//! Work in the background looks at many records at once, and one that is damaged must not stop it:
//! it reads them by [`page`] and [`sound`], which leave such a one where it is and tell of it.

use crate::fault::Fault;
use cofferdam_barrier::{Opened, Revision, View};
use cofferdam_secret::{Buffer, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What most records need; a longer one grows without leaving a copy.
const USUAL: usize = 512;

/// Writes a record without leaving a copy.
pub(crate) fn encode(record: &impl Serialize) -> Result<Secret<Vec<u8>>, Fault> {
    let mut out = Buffer::with_capacity(USUAL);
    serde_json::to_writer(&mut out, record).map_err(Fault::internal)?;
    Ok(out.finish())
}

/// Reads a record. One that does not read is our fault, and nothing of it is repeated.
pub(crate) fn decode<'a, T: Deserialize<'a>>(value: &'a Secret<Vec<u8>>) -> Result<T, Fault> {
    serde_json::from_slice(value.expose()).map_err(Fault::unreadable)
}

/// A record that was read for work on many.
pub(crate) struct Sound<R> {
    pub(crate) key: String,
    pub(crate) record: R,
    pub(crate) revision: Revision,
}

/// What there is of a page.
pub(crate) struct Page<R> {
    pub(crate) records: Vec<Sound<R>>,
    /// Where the next page goes on; `None`: there is none.
    pub(crate) next: Option<String>,
}

/// Records under `prefix`, as [`View::range`], without those that cannot be read.
///
/// # Errors
/// The store's.
pub(crate) async fn page<R: DeserializeOwned>(
    view: &View,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<R>, Fault> {
    let mut records = Vec::new();
    let (last, more) = match view.range(prefix, after, limit).await {
        Ok(page) => {
            let last = page.entries.last().map(|last| last.key.clone());
            records.extend(
                page.entries
                    .into_iter()
                    .filter_map(|opened| read(view, opened)),
            );
            (last, page.more)
        }
        Err(error) if error.is_of_one_value() => {
            let keys = view.keys(prefix, after, limit).await?;
            for key in &keys.names {
                records.extend(sound(view, key).await?);
            }
            (keys.names.last().cloned(), keys.more)
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Page {
        records,
        next: last.filter(|_| more),
    })
}

/// One record; `None` where there is none, or it cannot be read.
///
/// # Errors
/// The store's.
pub(crate) async fn sound<R: DeserializeOwned>(
    view: &View,
    key: &str,
) -> Result<Option<Sound<R>>, Fault> {
    match view.get(key).await {
        Ok(found) => Ok(found.and_then(|opened| read(view, opened))),
        Err(error) if error.is_of_one_value() => {
            skipped(&format!("{}{key}", view.prefix()), &error.into());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn read<R: DeserializeOwned>(view: &View, opened: Opened) -> Option<Sound<R>> {
    match decode(&opened.value) {
        Ok(record) => Some(Sound {
            record,
            key: opened.key,
            revision: opened.revision,
        }),
        Err(fault) => {
            let key = format!("{}{}", view.prefix(), opened.key);
            skipped(&key, &fault);
            None
        }
    }
}

/// Tells that work in the background went on without a record: once for each, since it comes again
/// every minute, or every second.
pub(crate) fn skipped(key: &str, fault: &Fault) {
    /// Beyond it, what is the matter is known.
    const MOST: usize = 256;
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < MOST && told.insert(key.to_owned()) {
        tracing::error!(
            key,
            reason = fault.internal_text().unwrap_or(fault.public()),
            "a stored record cannot be worked on; it is left as it is, and the others go on"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use cofferdam_store::{Commit, Key, Memory, Store as _, Transaction};
    use std::sync::Arc;

    #[test]
    fn a_record_that_does_not_read_is_not_repeated() {
        let record = vec!["canary".repeat(200)];
        let bytes = encode(&record).unwrap();
        assert_eq!(decode::<Vec<String>>(&bytes).unwrap(), record);
        let fault = decode::<u64>(&bytes).unwrap_err();
        let text = format!("{} {:?}", fault.public(), fault.internal_text());
        assert!(!text.contains("canary"), "{text}");
    }

    #[tokio::test]
    async fn a_page_is_read_without_what_cannot_be() {
        let store = Arc::new(Memory::new());
        let barrier = testing::barrier(store.clone()).await;
        let view = barrier.view("things/");
        let mut batch = view.batch();
        for (number, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            batch = batch.put(format!("of/{name}"), encode(&number).unwrap());
        }
        // No number, and later what was never sealed.
        batch = batch.put("of/b", encode(&"x").unwrap());
        view.commit(batch).await.unwrap().ignore();
        let read = async || {
            let (mut all, mut after) = (Vec::new(), None::<String>);
            loop {
                let page = page::<u64>(&view, "of/", after.as_deref(), 2)
                    .await
                    .unwrap();
                all.extend(
                    page.records
                        .into_iter()
                        .map(|found| (found.key, found.record)),
                );
                after = page.next;
                if after.is_none() {
                    return all;
                }
            }
        };
        let of = |names: &[(&str, u64)]| {
            let named = names
                .iter()
                .map(|(name, number)| (format!("of/{name}"), *number));
            named.collect::<Vec<_>>()
        };
        assert_eq!(read().await, of(&[("a", 0), ("c", 2), ("d", 3), ("e", 4)]));
        for damaged in ["c", "e"] {
            let key = Key::from(format!("data/things/of/{damaged}"));
            let put = Transaction::new().put(key, b"never sealed".to_vec());
            assert!(matches!(store.commit(put).await, Ok(Commit::Done(_))));
        }
        assert_eq!(read().await, of(&[("a", 0), ("d", 3)]));
        assert!(sound::<u64>(&view, "of/c").await.unwrap().is_none());
        assert!(sound::<u64>(&view, "of/x").await.unwrap().is_none());
        assert_eq!(
            sound::<u64>(&view, "of/d").await.unwrap().unwrap().record,
            3
        );
        // A store that fails is another matter.
        drop(barrier.seal());
        assert!(page::<u64>(&view, "of/", None, 2).await.is_err());
        assert!(sound::<u64>(&view, "of/d").await.is_err());
    }
}
