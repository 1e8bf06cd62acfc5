//! Initializing, unsealing, reading, writing, and what a changed disk leads to.

use super::*;

#[tokio::test]
async fn values_come_back_after_unsealing_again() {
    let vault = vault().await;
    let revision = put(&vault.barrier, "a/b", "value").await;
    let opened = vault.replica().await.get("a/b").await.unwrap().unwrap();
    assert_eq!((opened.key.as_str(), opened.revision), ("a/b", revision));
    assert_eq!(opened.value.expose(), b"value");
    assert!(vault.barrier.get("a").await.unwrap().is_none());
}

#[tokio::test]
async fn store_never_sees_a_value_or_a_root_key() {
    let vault = vault().await;
    put(&vault.barrier, "a", "canary in a coal mine").await;
    vault.barrier.rotate().await.unwrap();
    put(&vault.barrier, "b", "canary in a coal mine").await;
    let page = vault
        .store
        .range(&Span::prefix(b""), None, 99)
        .await
        .unwrap();
    assert!(page.entries.len() >= 6);
    for entry in page.entries {
        let holds = |needle: &[u8]| entry.value.windows(needle.len()).any(|part| part == needle);
        assert!(!holds(b"canary"), "{:?}", entry.key);
        assert!(!holds(vault.root.bytes().expose()), "{:?}", entry.key);
    }
}

#[tokio::test]
async fn second_initialization_is_refused_and_changes_nothing() {
    let vault = vault().await;
    put(&vault.barrier, "a", "1").await;
    let before = vault.barrier.seal_record().await.unwrap();
    let sealed = Barrier::new(vault.store.clone());
    assert!(sealed.initialized().await.unwrap());
    let other = RootKey::generate().unwrap();
    let refused = sealed.initialize(&other, &record(&other).await).await;
    let Err((sealed, Error::AlreadyInitialized)) = refused else {
        panic!("initialized twice")
    };
    assert_eq!(sealed.seal_record().await.unwrap(), before);
    assert_eq!(get(&vault.replica().await, "a").await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_initialize_at_once_one_wins_whole() {
    let store = Arc::new(Memory::new());
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let barrier = Barrier::new(store.clone());
        crowd.spawn(async move {
            let root = RootKey::generate().unwrap();
            let record = record(&root).await;
            let won = barrier.initialize(&root, &record).await.is_ok();
            won.then_some((root, record))
        });
    }
    let wins: Vec<_> = crowd.join_all().await.into_iter().flatten().collect();
    assert_eq!(wins.len(), 1);
    let sealed = Barrier::new(store);
    assert_eq!(
        sealed.seal_record().await.unwrap().as_ref(),
        Some(&wins[0].1)
    );
    assert!(sealed.unseal(&wins[0].0).await.is_ok());
}

#[tokio::test]
async fn wrong_root_key_opens_nothing() {
    let vault = vault().await;
    let wrong = RootKey::generate().unwrap();
    let refused = Barrier::new(vault.store.clone()).unseal(&wrong).await;
    assert!(matches!(refused, Err((_, Error::WrongKey))));
    let empty = Barrier::new(Arc::new(Memory::new()));
    let refused = empty.unseal(&wrong).await;
    assert!(matches!(refused, Err((_, Error::NotInitialized))));
}

#[tokio::test]
async fn swapped_entries_are_detected() {
    let vault = vault().await;
    put(&vault.barrier, "mine", "low").await;
    put(&vault.barrier, "theirs", "high").await;
    let theirs = vault.store.get(&Key::from("data/theirs")).await.unwrap();
    let theirs = theirs.unwrap().value.to_vec();
    vault.tamper("data/mine", |value| *value = theirs).await;
    let read = vault.barrier.get("mine").await;
    assert!(matches!(read, Err(Error::Damaged(key)) if key == "data/mine"));
    assert!(vault.barrier.range("", None, 9).await.is_err());
}

#[tokio::test]
async fn every_changed_byte_of_a_value_is_detected() {
    let vault = vault().await;
    put(&vault.barrier, "a", "value").await;
    let key = Key::from("data/a");
    let whole = vault.store.get(&key).await.unwrap().unwrap().value.to_vec();
    assert_eq!(whole.len(), 5 + 12 + 5 + 16, "the stored form has changed");
    assert_eq!(whole[..5], [0, 0, 0, 1, 1]);
    for at in 0..whole.len() {
        for flip in [1, 0x80] {
            vault
                .tamper("data/a", |value| {
                    value.clone_from(&whole);
                    value[at] ^= flip;
                })
                .await;
            assert!(vault.barrier.get("a").await.is_err(), "byte {at}");
        }
        vault
            .tamper("data/a", |value| *value = whole[..at].to_vec())
            .await;
        assert!(vault.barrier.get("a").await.is_err(), "cut at {at}");
    }
    vault.tamper("data/a", |value| *value = whole).await;
    assert_eq!(get(&vault.barrier, "a").await.as_deref(), Some("value"));
}

#[tokio::test]
async fn every_changed_byte_of_the_keyring_is_detected() {
    let vault = vault().await;
    let key = Key::from(KEYRING);
    let whole = vault.store.get(&key).await.unwrap().unwrap().value.to_vec();
    for at in 0..whole.len() {
        vault
            .tamper(KEYRING, |value| {
                value.clone_from(&whole);
                value[at] ^= 1;
            })
            .await;
        let refused = Barrier::new(vault.store.clone()).unseal(&vault.root).await;
        assert!(matches!(refused, Err((_, Error::WrongKey))), "byte {at}");
    }
}

#[tokio::test]
async fn same_value_is_never_stored_the_same_way() {
    let vault = vault().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        put(&vault.barrier, "a", "value").await;
        let entry = vault
            .store
            .get(&Key::from("data/a"))
            .await
            .unwrap()
            .unwrap();
        assert!(
            seen.insert(entry.value[5..17].to_vec()),
            "a nonce came twice"
        );
    }
}

#[tokio::test]
async fn sealing_ends_every_clone_and_view() {
    let vault = vault().await;
    put(&vault.barrier, "a", "1").await;
    let (clone, view) = (vault.barrier.clone(), vault.barrier.view("a"));
    let sealed = vault.barrier.seal();
    assert!(clone.is_sealed());
    assert!(matches!(clone.get("a").await, Err(Error::Sealed)));
    assert!(matches!(view.get("").await, Err(Error::Sealed)));
    assert!(matches!(clone.list("", None, 9).await, Err(Error::Sealed)));
    let batch = Batch::new().put("b", text("2"));
    assert!(matches!(clone.commit(batch).await, Err(Error::Sealed)));
    assert!(matches!(clone.rotate().await, Err(Error::Sealed)));
    let opened = sealed.unseal(&vault.root).await;
    let opened = opened.map_err(|(_, error)| error).unwrap();
    assert_eq!(get(&opened, "a").await.as_deref(), Some("1"));
    assert!(clone.is_sealed(), "unsealing again revives no old clone");
}

#[tokio::test]
async fn conditions_are_kept_and_refusals_write_nothing() {
    let vault = vault().await;
    let at = put(&vault.barrier, "a", "1").await;
    let batch = Batch::new().expect_at("a", at).expect_absent("b");
    let done = vault
        .barrier
        .commit(batch.put("b", text("2")).delete("a"))
        .await;
    assert!(matches!(done, Ok(Commit::Done(_))));
    let stale = Batch::new().expect_at("a", at).put("c", text("3"));
    assert_eq!(vault.barrier.commit(stale).await.unwrap(), Commit::Conflict);
    assert_eq!(get(&vault.barrier, "a").await, None);
    assert_eq!(get(&vault.barrier, "b").await.as_deref(), Some("2"));
    assert_eq!(get(&vault.barrier, "c").await, None);
}

#[tokio::test]
async fn a_key_of_the_barrier_itself_cannot_be_named() {
    let vault = vault().await;
    put(&vault.barrier, "barrier/keyring", "mine").await;
    put(&vault.barrier, "../barrier/keyring", "mine").await;
    assert!(vault.replica().await.get("barrier/keyring").await.is_ok());
    let names = vault.barrier.list("", None, 9).await.unwrap();
    assert_eq!(names.names, ["../", "barrier/"]);
}

#[tokio::test]
async fn recovery_shares_open_what_the_lost_machine_would_have() {
    let store = Arc::new(Memory::new());
    let (machine, people) = (Shamir::generate().unwrap(), Shamir::generate().unwrap());
    let root = RootKey::generate().unwrap();
    let record = Record {
        recovery: Some(people.wrap(&root).await.unwrap()),
        wrapped: machine.wrap(&root).await.unwrap(),
        ..record(&root).await
    };
    let opened = Barrier::new(store.clone()).initialize(&root, &record).await;
    put(&opened.map_err(|(_, error)| error).unwrap(), "a", "1").await;
    drop((machine, root));
    let sealed = Barrier::new(store);
    let found = sealed.seal_record().await.unwrap().unwrap();
    assert_eq!(found, record);
    let root = people.unwrap(&found.recovery.unwrap()).await.unwrap();
    let opened = sealed.unseal(&root).await;
    let opened = opened.map_err(|(_, error)| error).unwrap();
    assert_eq!(get(&opened, "a").await.as_deref(), Some("1"));
}
