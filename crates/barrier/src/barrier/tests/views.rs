//! Views, batches over several of them, listing and watching.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[tokio::test]
async fn view_sees_its_own_keys_without_the_prefix() {
    let vault = vault().await;
    let view = vault.barrier.view("mount/1/");
    let done = view
        .commit(Batch::new().put("a", text("1")).put("b/c", text("2")))
        .await;
    assert!(matches!(done, Ok(Commit::Done(_))));
    put(&vault.barrier, "mount/2/a", "other").await;
    let opened = view.get("a").await.unwrap().unwrap();
    assert_eq!(
        (opened.key.as_str(), opened.value.expose().as_slice()),
        ("a", &b"1"[..])
    );
    let page = view.range("", None, 9).await.unwrap();
    let keys: Vec<_> = page
        .entries
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    assert_eq!(keys, ["a", "b/c"]);
    let page = view.range("", Some("a"), 9).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(view.list("", None, 9).await.unwrap().names, ["a", "b/"]);
    assert_eq!(view.sub("b/").get("c").await.unwrap().unwrap().key, "c");
    assert_eq!(
        get(&vault.barrier, "mount/1/b/c").await.as_deref(),
        Some("2")
    );
}

#[tokio::test]
async fn one_batch_spans_views_and_no_view_reaches_into_another() {
    let vault = vault().await;
    let (one, two) = (vault.barrier.view("one/"), vault.barrier.view("two/"));
    let both = || {
        let ours = one.batch().expect_absent("a").put("a", text("1"));
        ours.merge(two.batch().put("a", text("2")))
    };
    let refused = one.commit(both()).await;
    assert!(matches!(refused, Err(Error::OutsideView)));
    assert_eq!(get(&vault.barrier, "one/a").await, None);
    let done = vault.barrier.commit(both()).await;
    assert!(matches!(done, Ok(Commit::Done(_))));
    assert_eq!(get(&vault.barrier, "one/a").await.as_deref(), Some("1"));
    assert_eq!(get(&vault.barrier, "two/a").await.as_deref(), Some("2"));
    assert_eq!(
        vault.barrier.commit(both()).await.unwrap(),
        Commit::Conflict
    );
    // A free batch goes where it is told, and stays there when merged.
    let free = Batch::new()
        .put("b", text("3"))
        .within(&two)
        .put("c", text("4"));
    let merged = one.batch().put("d", text("5")).merge(free);
    assert!(matches!(
        vault.barrier.commit(merged).await,
        Ok(Commit::Done(_))
    ));
    for key in ["two/b", "two/c", "one/d"] {
        assert!(get(&vault.barrier, key).await.is_some(), "{key}");
    }
    // A narrower view may commit through a wider one.
    let narrow = one.sub("x/").batch().put("e", text("6"));
    assert!(matches!(one.commit(narrow).await, Ok(Commit::Done(_))));
    assert!(get(&vault.barrier, "one/x/e").await.is_some());
}

#[tokio::test]
async fn watch_tells_keys_of_the_view_and_every_revision() {
    let vault = vault().await;
    put(&vault.barrier, "warm", "up").await;
    let view = vault.barrier.view("mine/");
    let begin = vault.barrier.read_barrier().await.unwrap();
    let mut watch = view.watch(begin).await.unwrap();
    put(&vault.barrier, "other", "1").await;
    let batch = Batch::new().put("mine/a", text("1")).delete("mine/b");
    let _ = vault.barrier.commit(batch).await.unwrap();
    let event = watch.next().await.unwrap();
    assert_eq!((event.revision.0, event.keys.len()), (begin.0 + 1, 0));
    let event = watch.next().await.unwrap();
    assert_eq!(event.revision.0, begin.0 + 2);
    assert_eq!(event.keys, ["a", "b"]);
    assert_eq!((event.removed(0), event.removed(1)), (false, true));
    // What this transaction put there, whatever came after it.
    put(&vault.barrier, "mine/a", "2").await;
    let opened = event.open(&vault.barrier, 0).await.unwrap().unwrap();
    assert_eq!(opened.expose(), b"1");
    assert!(event.open(&vault.barrier, 1).await.unwrap().is_none());
}

#[tokio::test]
async fn batch_of_a_replaced_leader_is_not_applied() {
    let vault = vault().await;
    let ttl = std::time::Duration::from_millis(20);
    let lead = |id: &'static str| {
        let barrier = vault.barrier.clone();
        async move { barrier.campaign("expiry", id, ttl).await.unwrap() }
    };
    let old = lead("a").await;
    let view = vault.barrier.view("lease/");
    let work = |leader| view.batch().put("1", text("revoked")).fenced(leader);
    assert!(matches!(view.commit(work(&old)).await, Ok(Commit::Done(_))));
    let new = lead("b").await;
    let late = vault.barrier.commit(Batch::new().merge(work(&old))).await;
    assert_eq!(late.unwrap(), Commit::Conflict);
    assert!(matches!(view.commit(work(&new)).await, Ok(Commit::Done(_))));
    assert!(vault.barrier.list("", None, 9).await.unwrap().names == ["lease/"]);
}

#[tokio::test]
async fn listing_skips_what_is_below() {
    let vault = vault().await;
    let mut batch = Batch::new();
    for number in 0..300 {
        batch = batch.put(format!("l/deep/{number}"), text(""));
        batch = batch.put(format!("l/deeper/{number}/x"), text(""));
    }
    for key in ["l/a", "l/a-b", "l/a/b", "l/deep", "l/z", "m"] {
        batch = batch.put(key, text(""));
    }
    let _ = vault.barrier.commit(batch).await.unwrap();
    let all = vault.barrier.list("l/", None, 99).await.unwrap();
    assert_eq!(
        all.names,
        ["a", "a-b", "a/", "deep", "deep/", "deeper/", "z"]
    );
    assert!(!all.more);
    for limit in 1..8 {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = vault
                .barrier
                .list("l/", after.as_deref(), limit)
                .await
                .unwrap();
            after = page.names.last().cloned();
            found.extend(page.names);
            if !page.more {
                break;
            }
        }
        assert_eq!(found, all.names, "pages of {limit}");
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab.é/]{1,3}", 1..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn listing_equals_the_first_segments(
        keys in prop::collection::btree_set(name(), 0..40),
        prefix in prop_oneof![Just(String::new()), name().prop_map(|name| name + "/")],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let expected: BTreeSet<&str> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(prefix.as_str())?.split_inclusive('/').next())
            .collect();
        let found = runtime.block_on(async {
            let vault = vault().await;
            let batch = keys.iter().fold(Batch::new(), |batch, key| batch.put(key, text("")));
            let _ = vault.barrier.commit(batch).await.unwrap();
            vault.barrier.list(&prefix, None, usize::MAX).await.unwrap()
        });
        prop_assert_eq!(found.names, expected.into_iter().collect::<Vec<_>>());
    }
}
